"""What addons print and hosts log."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from conftest import addon_path
from napi_python import Addon, _text, host, load_addon, on_uncaught

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from conftest import Script


def eventually(check: Callable[[], bool]) -> bool:
    """Waits for what another thread does."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        if check():
            return True
        time.sleep(0.01)
    return check()


def test_prints_are_shown_and_logged(
    crash: Addon, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    shown = {"out": "", "err": ""}

    def look() -> bool:
        captured = capsys.readouterr()
        shown["out"] += captured.out
        shown["err"] += captured.err
        logged = [record.getMessage() for record in caplog.records]
        return (
            "hello \\x1b[31mred" in shown["out"]
            and "oh no" in shown["err"]
            and {"hello \\x1b[31mred", "oh no"} <= set(logged)
        )

    with caplog.at_level(logging.INFO, logger="napi_python.addon.crash"):
        crash.print("hello \x1b[31mred\n")
        crash.printError("oh no\n")
        assert eventually(look), (shown, caplog.records)


def test_a_line_ends_with_its_stream(caplog: pytest.LogCaptureFixture) -> None:
    def logged() -> list[str]:
        return [line.getMessage() for line in caplog.records if line.name.endswith(".unfinished")]

    def print_and_end(text: str) -> None:
        addon = load_addon(addon_path("crash"), name="unfinished")
        addon.print(text)
        host(addon).close()
        assert eventually(lambda: text in logged()), logged()

    with caplog.at_level(logging.INFO, logger="napi_python.addon.unfinished"):
        print_and_end("no newline")
        print_and_end("another")


def test_console_log_is_shown(js: Script, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[str] = []

    def look() -> bool:
        captured = capsys.readouterr()
        seen.append(captured.out + captured.err)
        return "from the console" in "".join(seen)

    js("console.log('from the console')")
    assert eventually(look), seen


def test_output_has_nothing_left_that_a_terminal_obeys() -> None:
    assert _text.output("a\x1b[2J\x07\x9b\tb\n") == "a\\x1b[2J\\x07\\x9b\tb\n"


def test_uncaught_exception_goes_to_the_hook(js: Script) -> None:
    reported: list[BaseException] = []
    former = on_uncaught(reported.append)
    try:
        js("Promise.reject(new TypeError('nobody waits'))  ; 0")
        assert eventually(lambda: bool(reported))
    finally:
        on_uncaught(former)
    assert "nobody waits" in str(reported[0])


def test_uncaught_exception_is_logged_by_default(
    js: Script, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, logger="napi_python.addon.primitive"):
        js("Promise.reject(new Error('unhandled')); 0")
        assert eventually(lambda: "unhandled" in caplog.text)
    assert caplog.records[-1].levelno == logging.ERROR
    assert js("1") == 1


def test_name_of_the_addon_is_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    with load_addon(addon_path("crash"), name="my.addon") as loaded:
        assert repr(loaded) == "<Addon my.addon>"


def test_stats_count(addon: Addon) -> None:
    stats: dict[str, Any] = dict(host(addon).stats())
    assert stats["calls"] > 0
    assert stats["pid"] == host(addon).pid
    assert stats["generation"] == 1


def test_environment_is_given() -> None:
    with load_addon(addon_path("primitive"), env={"MARK": "set"}) as loaded:
        assert host(loaded).run_script("process.env.MARK") == "set"
