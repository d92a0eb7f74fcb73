"""Ctrl-C and deadlines, wherever a call may be; no lane is lost, and others learn the reason."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from conftest import addon_path, control_c
from napi_python import (
    Addon,
    AddonCrashed,
    AddonError,
    AddonTimeout,
    deadline,
    host,
    load_addon,
)

if TYPE_CHECKING:
    from conftest import Script

LOOP = "for (;;) {}"


Interruption = Callable[[float], Any]


@pytest.fixture(params=["Ctrl-C", "deadline"])
def interruption(request: pytest.FixtureRequest) -> tuple[type[BaseException], Interruption]:
    """What ends a wait, and what it raises."""
    return {"Ctrl-C": (KeyboardInterrupt, control_c), "deadline": (AddonTimeout, deadline)}[
        request.param
    ]


def all_lanes_answer(addon: Addon) -> None:
    """Fails if a lane is lost: each of more threads than there are lanes takes one of its own."""
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append(host(addon).run_script("1")))
        for _ in range(70)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert found == [1] * 70


def test_script_that_loops(interruption: Any, js: Script, addon: Addon) -> None:
    error, interrupt = interruption
    before = host(addon).pid
    for _ in range(3):
        with pytest.raises(error), interrupt(0.1):
            js(LOOP)
    all_lanes_answer(addon)
    assert host(addon).pid == before


def test_callback_that_is_called_forever(interruption: Any, js: Script, addon: Addon) -> None:
    error, interrupt = interruption
    before = host(addon).pid
    forever = js("(f) => { for (;;) f(); }")
    with pytest.raises(error), interrupt(0.1):
        forever(lambda: None)
    # One that runs no Python code, and so no handler of its own.
    with pytest.raises(error), interrupt(0.1):
        forever([].clear)
    all_lanes_answer(addon)
    assert host(addon).pid == before


def test_script_that_catches_everything(interruption: Any, js: Script, addon: Addon) -> None:
    error, interrupt = interruption
    before = host(addon).pid
    stubborn = js("(f) => { for (;;) { try { f(); } catch {} finally { f(); } } }")
    with pytest.raises(error), interrupt(0.1):
        stubborn(lambda: None)
    assert host(addon).pid == before


def test_python_code_of_a_callback(js: Script, addon: Addon) -> None:
    before = host(addon).pid
    call = js("(f) => { try { return f(); } catch { for (;;) {} } }")
    with pytest.raises(KeyboardInterrupt), control_c(0.1):
        call(lambda: time.sleep(10))
    with pytest.raises(AddonTimeout), deadline(0.1):
        call(lambda: time.sleep(0.2))
    assert host(addon).pid == before


def test_call_inside_a_callback(interruption: Any, js: Script, addon: Addon) -> None:
    error, interrupt = interruption
    before = host(addon).pid
    call = js("(f) => { try { return f(); } catch { for (;;) {} } }")
    with pytest.raises(error), interrupt(0.2):
        call(lambda: call(lambda: js(LOOP)))
    assert host(addon).pid == before
    all_lanes_answer(addon)


def test_nested_call_that_was_interrupted_may_be_handled(js: Script) -> None:
    call = js("(f) => f()")

    def careful() -> str:
        try:
            with deadline(0.1):
                js(LOOP)
        except AddonTimeout:
            # A deadline that has passed bounds nothing else.
            return str(js("'handled'"))
        return "not reached"

    assert call(lambda: call(careful)) == "handled"


@pytest.mark.parametrize("export", ["loopForever", "deadlock", "sleep"])
def test_native_code_that_never_returns(export: str, interruption: Any, crash: Addon) -> None:
    error, interrupt = interruption
    arguments = [60_000] if export == "sleep" else []
    first = host(crash).pid
    started = time.monotonic()
    with pytest.raises(error), interrupt(0.1):
        getattr(crash, export)(*arguments)
    assert 0.5 < time.monotonic() - started < 3
    assert crash.add(1, 2) == 3
    assert host(crash).pid != first


def test_native_code_that_never_returns_inside_a_callback(interruption: Any, crash: Addon) -> None:
    error, interrupt = interruption
    with pytest.raises(error), interrupt(0.1):
        crash.call(lambda: crash.call(crash.loopForever))
    assert crash.add(1, 2) == 3


def test_callback_goes_on_after_the_host_was_killed_inside_it(crash: Addon) -> None:
    inner: list[BaseException] = []

    def careful() -> None:
        with pytest.raises(AddonTimeout), deadline(0.1):
            crash.loopForever()
        try:
            crash.add(1, 2)
        except AddonError as error:
            inner.append(error)

    with pytest.raises(AddonCrashed) as caught:
        crash.call(careful)
    for error in (caught.value, *inner):
        assert isinstance(error, AddonCrashed)
        assert "0.5 s after it was interrupted" in str(error.reason)
    assert len(inner) == 1
    # An end that was seen is not held against the next process.
    with pytest.raises(AddonTimeout), deadline(0.1):
        host(crash).run_script(LOOP)
    assert host(crash).generation == 2


def test_others_learn_the_reason(crash: Addon) -> None:
    others: list[BaseException] = []

    def wait() -> None:
        try:
            crash.add(1, 2)
        except AddonError as error:
            others.append(error)

    started = threading.Event()

    def hang() -> None:
        started.set()
        crash.loopForever()

    threads = [threading.Thread(target=wait) for _ in range(3)]

    def begin() -> None:
        started.wait(5)
        time.sleep(0.1)
        for thread in threads:
            thread.start()

    starter = threading.Thread(target=begin)
    starter.start()
    with pytest.raises(AddonTimeout) as caught, deadline(0.4):
        hang()
    assert caught.value.export == "loopForever"
    starter.join()
    for thread in threads:
        thread.join(10)
    assert len(others) == 3
    for error in others:
        assert isinstance(error, AddonCrashed)
        assert error.reason is not None
        assert "0.5 s after it was interrupted" in error.reason
        assert error.signal_name == "SIGKILL"


def test_call_that_waits_behind_another_thread_times_out(crash: Addon) -> None:
    holding, done = threading.Event(), threading.Event()
    held: list[BaseException] = []

    def hold() -> None:
        holding.set()
        done.wait(10)

    def work() -> None:
        try:
            crash.call(hold)
        except AddonError as error:
            held.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    holding.wait(5)
    started = time.monotonic()
    with pytest.raises(AddonTimeout), deadline(0.1):
        crash.add(1, 2)
    assert time.monotonic() - started < 3
    done.set()
    thread.join(10)
    # It was withdrawn: the process and the other call go on, and no lane is left behind.
    assert held == []
    all_lanes_answer(crash)
    assert host(crash).generation == 1


def test_deadline_zero_calls_nothing(js: Script) -> None:
    called: list[int] = []
    call = js("(f) => f()")
    with pytest.raises(AddonTimeout), deadline(0):
        call(lambda: called.append(1))
    assert called == []
    assert js("1") == 1


def test_nearer_deadline_wins_inside_a_callback(js: Script) -> None:
    call = js("(f) => f()")

    def patient() -> None:
        with deadline(60):
            js(LOOP)

    started = time.monotonic()
    with pytest.raises(AddonTimeout), deadline(0.2):
        call(patient)
    with pytest.raises(AddonTimeout), deadline(60), deadline(0.2):
        js(LOOP)
    assert time.monotonic() - started < 5


def test_deadline_of_a_callback_does_not_bound_the_call_around_it(js: Script) -> None:
    def hurried() -> int:
        with deadline(0.05):
            return int(js("1"))

    slow = js(
        "(f) => { const n = f(); const end = Date.now() + 300;"
        " while (Date.now() < end); return n; }"
    )
    assert slow(hurried) == 1


def test_timeout_of_the_addon_bounds_every_call() -> None:
    with load_addon(addon_path("crash"), timeout=0.3) as loaded:
        run = host(loaded).run_script
        with pytest.raises(AddonTimeout):
            run(LOOP)
        with pytest.raises(AddonTimeout), deadline(60):
            run(LOOP)
        # The time of the outermost call is that of all calls inside of it.
        started = time.monotonic()
        with pytest.raises(AddonTimeout):
            run("(f) => { for (;;) f(); }")(lambda: run("1"))
        with pytest.raises(AddonTimeout):
            loaded.call(lambda: loaded.call(lambda: run(LOOP)))
        assert time.monotonic() - started < 5
        for _ in range(3):
            assert loaded.add(1, 2) == 3
        assert host(loaded).generation == 1
        with pytest.raises(AddonTimeout):
            loaded.loopForever()
        assert loaded.add(1, 2) == 3
    with pytest.raises(ValueError, match="timeout"):
        load_addon(addon_path("crash"), timeout=0)


def test_deadline_bounds_a_restart(crash: Addon) -> None:
    with pytest.raises(AddonCrashed):
        crash.abort()
    with pytest.raises(AddonTimeout), deadline(0):
        crash.add(1, 2)
    assert crash.add(1, 2) == 3


def test_timeout_has_the_seconds_of_the_deadline_that_passed(js: Script) -> None:
    def seconds(call: Callable[[], object]) -> float | None:
        with pytest.raises(AddonTimeout) as caught:
            call()
        assert caught.value.seconds is not None
        assert f"its deadline of {caught.value.seconds:g} s" in str(caught.value)
        return caught.value.seconds

    pending = js("new Promise(() => {})")
    for bounds in ([0.05], [60, 0.05], [0.05, 60]):
        with ExitStack() as stack:
            for bound in bounds:
                stack.enter_context(deadline(bound))
            assert seconds(lambda: js(LOOP)) == 0.05
            assert seconds(pending.result) == 0.05
            assert seconds(lambda: pending.result(50)) == 0.05
            assert seconds(lambda: js("1")) == 0.05
    assert seconds(lambda: pending.result(0.05)) == 0.05
    with deadline(60):
        assert seconds(lambda: pending.result(0.05)) == 0.05
    run = js("(f) => f()")
    # The call inside of the callback is bounded by the deadline of the call around it.
    with deadline(0.1):
        assert seconds(lambda: run(lambda: js(LOOP))) == 0.1


def test_timeout_has_the_seconds_that_the_addon_was_loaded_with() -> None:
    path = addon_path("crash")
    with load_addon(path, timeout=0.2) as addon:
        loop = host(addon).run_script(f"() => {{ {LOOP} }}")
        pending = host(addon).run_script("new Promise(() => {})")
        for bound, seconds in [(60, 0.2), (0.1, 0.1)]:
            for call in (loop, pending.result, addon.loopForever):
                with pytest.raises(AddonTimeout) as caught, deadline(bound):
                    call()
                assert caught.value.seconds == seconds
            loop = host(addon).run_script(f"() => {{ {LOOP} }}")
            pending = host(addon).run_script("new Promise(() => {})")
    for bound, seconds in [(60, 0.5), (0.3, 0.3)]:
        with pytest.raises(AddonTimeout) as caught, deadline(bound):
            load_addon(addon_path("broken/init_hangs"), start_timeout=0.5)
        assert caught.value.seconds == seconds
