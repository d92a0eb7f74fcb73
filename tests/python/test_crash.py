"""The end of a host is an exception, and the next call runs in a new one."""

from __future__ import annotations

import gc
import os
import pickle
import textwrap
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from conftest import addon_path
from napi_python import (
    Addon,
    AddonCrashed,
    AddonError,
    LoadError,
    Promise,
    StaleHandleError,
    host,
    load_addon,
)
from processes import gone_within, killed_client

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize(
    ("export", "signal_name"),
    [
        ("nullPointer", "SIGSEGV"),
        ("wildPointer", "SIGSEGV"),
        ("wildJump", "SIGSEGV"),
        ("doubleFree", "SIGABRT"),
        ("stackOverflow", "SIGSEGV"),
        ("divideByZero", "SIGFPE"),
        ("illegalInstruction", "SIGILL"),
        ("abort", "SIGABRT"),
        ("fatalError", "SIGABRT"),
        ("cppException", "SIGABRT"),
        ("raiseKill", "SIGKILL"),
        ("raiseTerminate", "SIGTERM"),
    ],
)
def test_death_by_signal(export: str, signal_name: str, crash: Addon) -> None:
    first = host(crash).pid
    with pytest.raises(AddonCrashed) as caught:
        getattr(crash, export)()
    error = caught.value
    assert error.signal_name == signal_name
    assert error.export == export
    assert error.generation == 1
    assert error.pid == first
    assert export in str(error)
    assert signal_name in str(error)
    assert crash.add(1, 2) == 3
    assert host(crash).generation == 2
    assert host(crash).pid != first


@pytest.mark.parametrize("export", ["exitZero", "exitNow"])
def test_exit_is_a_crash_too(export: str, crash: Addon) -> None:
    with pytest.raises(AddonCrashed) as caught:
        getattr(crash, export)(*([0] if getattr(crash, export).length else []))
    assert caught.value.signal is None
    assert caught.value.exit_code is not None
    assert "exited with code" in str(caught.value)


def test_last_output_is_in_the_exception(crash: Addon) -> None:
    crash.printError("about to die\n")
    with pytest.raises(AddonCrashed) as caught:
        crash.abort()
    assert caught.value.stderr is not None
    assert "about to die" in caught.value.stderr
    assert "about to die" in str(caught.value)
    assert pickle.loads(pickle.dumps(caught.value)).signal == caught.value.signal


def test_calls_in_flight_in_all_threads_fail(crash: Addon) -> None:
    failed: list[BaseException] = []

    def wait() -> None:
        try:
            crash.loopForever()
        except AddonError as error:
            failed.append(error)

    threads = [threading.Thread(target=wait) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    pid = host(crash).pid
    assert pid is not None
    os.kill(pid, 9)
    for thread in threads:
        thread.join(20)
    assert [type(error) for error in failed] == [AddonCrashed] * 4
    assert crash.add(2, 2) == 4


def test_crash_inside_a_callback(crash: Addon) -> None:
    def dies() -> None:
        crash.abort()

    with pytest.raises(AddonCrashed):
        crash.call(dies)
    assert crash.add(1, 1) == 2


def test_proxies_of_a_crashed_process_are_stale(crash: Addon) -> None:
    thing = host(crash).run_script("new (class A { constructor() { this.x = 1; } })")
    function = host(crash).run_script("() => 1")
    with pytest.raises(AddonCrashed):
        crash.abort()
    uses: list[Callable[[], Any]] = [lambda: thing.x, function, lambda: crash.add(thing, 1)]
    for use in uses:
        with pytest.raises(StaleHandleError, match="process, which has ended"):
            use()
    assert crash.add(1, 2) == 3


def test_pending_promise_of_a_crashed_process_fails(crash: Addon) -> None:
    promise = host(crash).run_script("new Promise(() => {})")
    assert isinstance(promise, Promise)
    assert promise.done() is False
    with pytest.raises(AddonCrashed):
        crash.abort()
    with pytest.raises((AddonCrashed, StaleHandleError)):
        promise.result(10)


def test_never_restarted_stays_dead() -> None:
    with load_addon(addon_path("crash"), restart="never") as loaded:
        with pytest.raises(AddonCrashed):
            loaded.abort()
        with pytest.raises(AddonCrashed):
            loaded.add(1, 2)


def test_on_start_runs_after_each_start() -> None:
    starts: list[int] = []
    with load_addon(
        addon_path("crash"), on_start=lambda started: starts.append(host(started).generation)
    ) as loaded:
        assert starts == [1]
        with pytest.raises(AddonCrashed):
            loaded.abort()
        loaded.add(1, 1)
        assert starts == [1, 2]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("crash_at_load", AddonCrashed),
        ("crash_in_init", AddonCrashed),
        ("exit_at_load", AddonCrashed),
        ("init_throws", LoadError),
        ("missing_library", LoadError),
        ("nan_only", LoadError),
        ("no_entry_point", LoadError),
        ("unknown_symbol", LoadError),
        ("v8_symbols", LoadError),
        ("absurd_version", LoadError),
    ],
)
def test_broken_addons_say_what_is_wrong(name: str, expected: Any) -> None:
    with pytest.raises(expected) as caught:
        load_addon(addon_path(f"broken/{name}"))
    assert len(str(caught.value)) > 20


def test_init_that_returns_nothing_leaves_empty_exports() -> None:
    with load_addon(addon_path("broken/init_returns_nothing")) as loaded:
        assert isinstance(dir(loaded), list)


def test_no_such_file() -> None:
    with pytest.raises(LoadError, match=r"nowhere\.node does not exist"):
        load_addon("/nowhere.node")
    with pytest.raises(LoadError, match="not a file"):
        load_addon("/tmp")  # noqa: S108 - a folder that is there
    with pytest.raises(LoadError, match="NUL"):
        load_addon("a\0b")


def test_not_a_shared_object(tmp_path: Path) -> None:
    text = tmp_path / "text.node"
    text.write_text("hello")
    with pytest.raises(LoadError):
        load_addon(text)


def test_missing_host_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NAPI_PYTHON_HOSTD", str(tmp_path / "nothing"))
    with pytest.raises(LoadError, match="NAPI_PYTHON_HOSTD"):
        load_addon(addon_path("primitive"))


def test_host_program_that_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "host"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("NAPI_PYTHON_HOSTD", str(program))
    with pytest.raises(AddonError, match="host"):
        load_addon(addon_path("primitive"))


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"sandbox": "loose"}, ValueError, "'default', 'strict', 'none'"),
        ({"remote": "everything"}, ValueError, "'public' or 'exposed'"),
        ({"restart": "always"}, ValueError, "'on-crash', 'never' or"),
        ({"carrier": "pigeon"}, ValueError, "'auto', 'lanes' or 'socket'"),
        ({"start_timeout": 0}, ValueError, "> 0 seconds"),
    ],
)
def test_options_that_are_not_built_say_so(
    options: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        load_addon(addon_path("primitive"), **options)


def test_closed_addon_says_so() -> None:
    loaded = load_addon(addon_path("sample_rust"))
    counter = loaded.Counter(1)
    pid = host(loaded).pid
    host(loaded).close()
    host(loaded).close()
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    uses: list[Callable[[], Any]] = [
        lambda: loaded.add(1, 2),
        lambda: counter.value,
        lambda: loaded.missing,
    ]
    for use in uses:
        with pytest.raises(StaleHandleError, match="closed"):
            use()
    assert host(loaded).pid is None


def test_restart_binds_exports_again() -> None:
    with load_addon(addon_path("sample_rust")) as loaded:
        add, counter_class = loaded.add, loaded.Counter
        counter = counter_class(5)
        host(loaded).restart()
        assert host(loaded).generation == 2
        assert add(1, 2) == 3
        assert loaded.add is add
        assert counter_class(1).increment() == 2
        assert isinstance(counter_class(1), loaded.Counter)
        assert not isinstance(counter, loaded.Counter)
        with pytest.raises(StaleHandleError):
            counter.increment()


def test_no_orphan_when_python_is_killed() -> None:
    script = textwrap.dedent(
        f"""
        import sys, time
        from napi_python import load_addon, host
        addon = load_addon({str(addon_path("primitive"))!r})
        print(host(addon).pid, flush=True)
        time.sleep(60)
        """
    )
    with killed_client(script) as pid:
        assert gone_within(pid, 10)


def test_over_the_socket_everything_is_the_same() -> None:
    with load_addon(addon_path("crash"), carrier="socket") as loaded:
        assert loaded.add(1, 2) == 3
        assert loaded.call(lambda: "called") == "called"
        with pytest.raises(AddonCrashed):
            loaded.nullPointer()
        assert loaded.add(1, 2) == 3


def test_host_ends_with_the_last_that_needs_it() -> None:
    loaded = load_addon(addon_path("crash"))
    add, abort, get_pid = loaded.add, loaded.abort, loaded.pid
    del loaded
    gc.collect()
    assert add(1, 2) == 3
    with pytest.raises(AddonCrashed):
        abort()
    assert add(2, 2) == 4, "its functions are bound again without the addon"
    pid = get_pid()
    os.kill(pid, 0)
    del add, abort, get_pid
    gc.collect()
    assert gone_within(pid, 10)


def test_crash_in_a_method_names_the_method(crash: Addon) -> None:
    with pytest.raises(AddonCrashed) as caught:
        crash.Deadly(True).die()
    assert caught.value.signal_name == "SIGSEGV"
    assert caught.value.export == "die"


def test_crash_after_a_nested_call_names_the_outer_call(crash: Addon) -> None:
    calls: list[int] = []

    def nested() -> None:
        calls.append(crash.add(1, 1))
        crash.print("")

    script = host(crash).run_script("(f) => { f(); addon.abort(); }")
    with pytest.raises(AddonCrashed) as caught:
        script(nested)
    assert calls == [2]
    assert caught.value.signal_name == "SIGABRT"
