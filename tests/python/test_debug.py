"""Debug mode: misuse and leaks are reported with the functions of the addon that caused them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from napi_python import AddonCrashed, host, load_addon

if TYPE_CHECKING:
    from pathlib import Path

    from napi_python.pytest_plugin import LeakCheck

pytest_plugins = ["napi_python.pytest_plugin"]


def sample(name: str) -> Path:
    import conftest

    return conftest.addon_path(name)


def only_report(leakcheck: LeakCheck) -> str:
    """Takes the one report that there is, so that the fixture finds none."""
    (report,) = leakcheck.reports
    leakcheck.reports.clear()
    return report


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
    report = only_report(napi_leakcheck)
    assert "leak: a napi_ref (count 2) was never given back" in report
    assert "made at napi_create_reference < call_napi_create_reference" in report


def test_misuse_names_the_caller_and_where_the_id_was_made(napi_leakcheck: LeakCheck) -> None:
    with load_addon(sample("promise"), debug=True) as addon:
        host(addon).run_script(
            "addon.napi_create_promise(0); addon.napi_resolve_deferred(0, 1);"
            "addon.napi_resolve_deferred(0, 2).status"
        )
    report = only_report(napi_leakcheck)
    assert "misuse: napi_resolve_deferred was given a napi_deferred" in report
    assert "called from napi_resolve_deferred < call_napi_resolve_deferred" in report
    assert "made at napi_create_promise < call_napi_create_promise" in report


def test_a_handle_that_is_returned_after_its_scope_works_and_is_misuse(
    napi_leakcheck: LeakCheck,
) -> None:
    with load_addon(sample("scope"), debug=True) as addon:
        assert addon.returnLate(2) == "never escaped"
    report = only_report(napi_leakcheck)
    assert "misuse: a callback was given a returned napi_value" in report
    assert "made at napi_create_string_utf8 < returnLate" in report


def test_misuse_without_debug_mode_is_one_warning_that_names_function_and_addon(
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = sample("promise")
    with load_addon(path) as addon:
        host(addon).run_script(
            "addon.napi_create_promise(0);"
            "for (let i = 0; i < 4; i++) addon.napi_resolve_deferred(0, 1)"
        )
    (message,) = [record.getMessage() for record in caplog.records]
    assert "napi_resolve_deferred was given a napi_deferred that is not alive" in message
    assert f"addon={path}" in message


def test_harmless_misuse_is_no_warning_without_debug_mode(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # node-addon-api's AsyncProgressWorker releases its threadsafe function once more.
    with load_addon(sample("cpp")) as addon:
        done = host(addon).run_script(
            "new Promise((resolve) => addon.countLatest(() => {}, resolve, 50))"
            ".then(() => new Promise((resolve) => setTimeout(resolve, 1, 'done')))"
        )
        assert done.result(60.0) == "done"
    # Others pass the address of a text where a name is expected.
    with load_addon(sample("async_context")) as addon:
        assert host(addon).run_script("addon.initWithText().status") == "napi_ok"
    assert [record.getMessage() for record in caplog.records] == []


def test_work_that_is_never_deleted_is_a_leak(napi_leakcheck: LeakCheck) -> None:
    with load_addon(sample("async_work")) as addon:
        done = host(addon).run_script(
            "addon.napi_create_async_work(0, 'kept');"
            "new Promise((resolve) => {"
            "  addon.napi_create_async_work(1, 'deleted', () => {"
            "    addon.napi_delete_async_work(1);"
            "    resolve('completed');"
            "  });"
            "  addon.napi_queue_async_work(1);"
            "})"
        )
        assert done.result(30.0) == "completed"
    report = only_report(napi_leakcheck)
    assert "leak: a napi_async_work was never given back" in report
    assert "made at napi_create_async_work < call_napi_create_async_work" in report


def test_a_threadsafe_function_that_is_never_released_is_a_leak(
    napi_leakcheck: LeakCheck,
) -> None:
    with load_addon(sample("tsfn")) as addon:
        host(addon).run_script(
            "addon.napi_create_threadsafe_function(0, () => 1, 'kept', 0, 2);"
            "addon.napi_create_threadsafe_function(1, () => 1, 'released', 0, 1);"
            "addon.napi_release_threadsafe_function(1, 0);"
            "addon.napi_create_threadsafe_function(2, () => 1, 'aborted', 0, 1);"
            "addon.napi_release_threadsafe_function(2, 1).status"
        )
    report = only_report(napi_leakcheck)
    assert "leak: a napi_threadsafe_function (held 2 times) was never given back" in report
    assert (
        "made at napi_create_threadsafe_function < call_napi_create_threadsafe_function" in report
    )


def test_an_async_context_that_is_never_destroyed_is_a_leak(napi_leakcheck: LeakCheck) -> None:
    with load_addon(sample("async_context")) as addon:
        host(addon).run_script("addon.napi_async_init(0, {}, 'kept').status")
    report = only_report(napi_leakcheck)
    assert "leak: a napi_async_context was never given back; made at napi_async_init" in report


def test_a_release_too_many_is_misuse_with_the_stack(napi_leakcheck: LeakCheck) -> None:
    with load_addon(sample("tsfn")) as addon:
        status = host(addon).run_script(
            "addon.napi_create_threadsafe_function(0, () => 1, 'released', 0, 1);"
            "addon.napi_release_threadsafe_function(0, 0);"
            "addon.napi_release_threadsafe_function(0, 0).status"
        )
        assert status == "napi_invalid_arg"
    report = only_report(napi_leakcheck)
    assert "misuse: napi_release_threadsafe_function was given an id that is not alive" in report
    assert "napi_release_threadsafe_function < call_napi_release_threadsafe_function" in report


def test_environment_does_not_turn_debug_mode_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NAPI_HOSTD_DEBUG", "1")
    with load_addon(sample("reference")) as addon:
        host(addon).run_script("addon.napi_create_reference(3, {}, 2).status")
    assert "leak" not in caplog.text


def test_debug_mode_outlives_a_crash(caplog: pytest.LogCaptureFixture) -> None:
    with load_addon(sample("crash"), debug=True) as addon:
        with pytest.raises(AddonCrashed):
            addon.nullPointer()
        host(addon).run_script(
            "const other = {exports: {}};"
            f"process.dlopen(other, {str(sample('reference'))!r});"
            "other.exports.napi_create_reference(3, {}, 2).status"
        )
    assert "leak: a napi_ref (count 2)" in caplog.text
