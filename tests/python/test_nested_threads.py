"""`nested_threads=True`: what becomes of a stack of threads' calls when one of them ends."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator

import pytest
from conftest import addon_path
from napi_python import Addon, AddonCrashed, AddonTimeout, deadline, host, load_addon

SECONDS = 20.0


@pytest.fixture
def nesting() -> Iterator[Addon]:
    with load_addon(addon_path("crash"), nested_threads=True) as loaded:
        yield loaded


class Caller(threading.Thread):
    """A thread that makes one call, and keeps what came of it."""

    def __init__(self, call: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._call = call
        self.found: object = None
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self.found = self._call()
        except BaseException as error:
            self.error = error

    def crashed(self) -> AddonCrashed:
        """How the call crashed."""
        self.join(SECONDS)
        assert isinstance(self.error, AddonCrashed), self.error
        return self.error


def test_crash_on_top_names_the_call_on_top(nesting: Addon) -> None:
    callers: list[Caller] = []

    def callback() -> None:
        callers.append(Caller(nesting.nullPointer))
        callers[0].join(SECONDS)

    with pytest.raises(AddonCrashed) as caught:
        nesting.call(callback)
    for error in (caught.value, callers[0].crashed()):
        assert error.export == "nullPointer"
        assert error.backtrace is not None
        assert error.backtrace[0].startswith("crash.node!NullPointer+")


def test_crash_below_does_not_name_the_call_that_was_on_top(nesting: Addon) -> None:
    outer = Caller(lambda: nesting.call(lambda: Caller(lambda: nesting.add(1, 2)).join(SECONDS)))
    outer.join(SECONDS)
    assert outer.error is None
    script = host(nesting).run_script("(f) => { f(); addon.abort(); }")
    with pytest.raises(AddonCrashed) as caught:
        script(lambda: Caller(lambda: nesting.add(1, 2)).join(SECONDS))
    assert caught.value.signal_name == "SIGABRT"
    assert caught.value.export != "add"


def test_call_on_top_that_is_cancelled_leaves_the_one_below(nesting: Addon) -> None:
    run = host(nesting).run_script

    def bounded() -> None:
        with deadline(0.1):
            run("for (;;) {}")

    def callback() -> str:
        caller = Caller(bounded)
        caller.join(SECONDS)
        assert isinstance(caller.error, AddonTimeout)
        return "went on"

    assert nesting.call(callback) == "went on"
    assert host(nesting).generation == 1


def below(nesting: Addon, busy: Callable[[threading.Event], object]) -> tuple[Caller, Caller]:
    """A call with a deadline, below a call of another thread that was busy when that passed."""
    on_top = threading.Event()
    callers: list[Caller] = []

    def callback() -> None:
        callers.append(Caller(lambda: busy(on_top)))
        assert on_top.wait(SECONDS)

    def bounded() -> object:
        with deadline(0.3):
            return nesting.call(callback)

    lower = Caller(bounded)
    lower.join(SECONDS)
    callers[0].join(SECONDS)
    return lower, callers[0]


def test_cancelled_call_below_waits_for_the_one_on_top_if_that_ends_in_time(
    nesting: Addon,
) -> None:
    script = host(nesting).run_script(
        "(begin) => { begin(); const end = Date.now() + 350; while (Date.now() < end); return 7; }"
    )
    lower, upper = below(nesting, lambda reported: script(reported.set))
    assert isinstance(lower.error, AddonTimeout), lower.error
    assert upper.error is None
    assert upper.found == 7
    assert nesting.add(1, 2) == 3
    assert host(nesting).generation == 1


@pytest.mark.parametrize("source", ["(reported) => { reported(); for (;;) {} }", "callback"])
def test_cancelled_call_below_a_busy_one_costs_the_process(source: str, nesting: Addon) -> None:
    done = threading.Event()

    def callback(reported: threading.Event) -> None:
        reported.set()
        done.wait(SECONDS)

    if source == "callback":
        lower, upper = below_a_callback(nesting, callback, done)
    else:
        script = host(nesting).run_script(source)
        lower, upper = below(nesting, lambda reported: script(reported.set))
    assert isinstance(lower.error, AddonTimeout), lower.error
    assert "interrupted" in str(upper.crashed().reason)
    assert nesting.add(1, 2) == 3
    assert host(nesting).generation == 2


def below_a_callback(
    nesting: Addon, callback: Callable[[threading.Event], None], done: threading.Event
) -> tuple[Caller, Caller]:
    """The same where the upper call waits for Python, which goes on when the lower has ended."""
    on_top = threading.Event()
    callers: list[Caller] = []

    def start_another() -> None:
        callers.append(Caller(lambda: nesting.call(lambda: callback(on_top))))
        assert on_top.wait(SECONDS)

    def bounded() -> object:
        with deadline(0.3):
            return nesting.call(start_another)

    lower = Caller(bounded)
    lower.join(SECONDS)
    done.set()
    callers[0].join(SECONDS)
    return lower, callers[0]


def test_control_c_below_a_busy_call() -> None:
    source = textwrap.dedent(
        f"""
        import os, signal, threading, time
        from napi_python import AddonCrashed, host, load_addon
        # A shell without job control has its background jobs ignore the signal.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        addon = load_addon({str(addon_path("crash"))!r}, nested_threads=True)
        script = host(addon).run_script("(reported) => {{ reported(); for (;;) {{}} }}")
        on_top = threading.Event()
        def work():
            try: script(on_top.set)
            except AddonCrashed as error: print(error.reason, flush=True)
        upper = threading.Thread(target=work)
        def callback():
            upper.start()
            on_top.wait(20)
        # Sent when the callback has ended, and its call waits below the other.
        threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()
        try: addon.call(callback)
        except KeyboardInterrupt: print("interrupted", flush=True)
        upper.join(20)
        print(addon.add(1, 2), host(addon).generation)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "interrupted" in lines
    assert any("a call did not end within 0.5 s" in line for line in lines)
    assert lines[-1] == "3 2"
