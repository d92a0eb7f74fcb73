"""Debug mode: misuse and leaks are told, with the functions of the addon that they came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napi_python import host, load_addon

if TYPE_CHECKING:
    from pathlib import Path

    from napi_python.pytest_plugin import LeakCheck

pytest_plugins = ["napi_python.pytest_plugin"]


def sample(name: str) -> Path:
    import conftest

    return conftest.addon_path(name)


def test_an_addon_that_gives_everything_back_has_no_reports(napi_leakcheck: LeakCheck) -> None:
    with load_addon(sample("reference")) as addon:
        made = host(addon).run_script(
            "[addon.napi_create_reference(0, {}, 1).status, addon.napi_delete_reference(0).status]"
        )
        assert list(made) == ["napi_ok", "napi_ok"]
    assert napi_leakcheck.reports == []


def test_a_reference_that_is_never_deleted_is_a_leak(napi_leakcheck: LeakCheck) -> None:
    with load_addon(sample("reference")) as addon:
        host(addon).run_script("addon.napi_create_reference(3, {}, 2).status")
    (report,) = napi_leakcheck.reports
    napi_leakcheck.reports.clear()
    assert "leak: a napi_ref (count 2) was never given back" in report
    assert "made at napi_create_reference < call_napi_create_reference" in report


def test_misuse_names_the_caller_and_where_the_id_was_made(napi_leakcheck: LeakCheck) -> None:
    with load_addon(sample("promise"), debug=True) as addon:
        host(addon).run_script(
            "addon.napi_create_promise(0); addon.napi_resolve_deferred(0, 1);"
            "addon.napi_resolve_deferred(0, 2).status"
        )
    (report,) = napi_leakcheck.reports
    napi_leakcheck.reports.clear()
    assert "misuse: napi_resolve_deferred was given a napi_deferred" in report
    assert "called from napi_resolve_deferred < call_napi_resolve_deferred" in report
    assert "made at napi_create_promise < call_napi_create_promise" in report
