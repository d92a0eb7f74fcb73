"""What follows a crash: policies, budgets, `on_start`, generations, and restarts on demand."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import pickle
import shutil
import signal
import threading
import time
from typing import TYPE_CHECKING, Any, Literal

import pytest
from conftest import addon_path
from napi_python import (
    Addon,
    AddonCrashed,
    AddonError,
    AddonTimeout,
    RestartPolicy,
    StaleHandleError,
    deadline,
    host,
    load_addon,
)

if TYPE_CHECKING:
    from pathlib import Path


def kill(addon: Addon) -> AddonCrashed:
    with pytest.raises(AddonCrashed) as caught:
        addon.abort()
    return caught.value


def how_it_ended(error: BaseException) -> tuple[int, int | None]:
    """The generation and the signal of what an error was raised for."""
    crash = error.__cause__
    assert isinstance(crash, AddonCrashed)
    assert crash.generation is not None
    return crash.generation, crash.signal


def test_policy_is_a_frozen_value() -> None:
    policy = RestartPolicy()
    assert (policy.max, policy.window, policy.backoff) == (3, 300.0, 0.0)
    assert policy == RestartPolicy(3, 300.0)
    assert pickle.loads(pickle.dumps(policy)) == policy
    with pytest.raises(dataclasses.FrozenInstanceError):
        policy.max = 4  # type: ignore[misc]


FRESH = "The next call starts a fresh process"


def test_first_crash_under_never_says_that_no_process_follows() -> None:
    with load_addon(addon_path("crash"), restart="never") as addon:
        value = host(addon).run_script("new (class Own {})()")
        first = str(kill(addon))
        assert FRESH not in first
        assert "It is not started again, because of restart='never'" in first
        assert "It is not started again" in str(kill(addon))
        with pytest.raises(StaleHandleError, match="no process is running; it is not started"):
            value.x  # noqa: B018 - it raises
        host(addon).restart()
        assert addon.add(1, 2) == 3


def test_last_crash_of_a_budget_says_that_no_process_follows() -> None:
    with load_addon(addon_path("crash"), restart=RestartPolicy(max=2)) as addon:
        assert FRESH in str(kill(addon))
        last = str(kill(addon))
        assert FRESH not in last
        assert "It is not started again: it crashed 2 times" in last


@pytest.mark.parametrize("restart", ["on-crash", "never"])
@pytest.mark.parametrize("broken", ["crash_in_init", "crash_at_load"])
def test_crash_while_loading_says_so_and_promises_no_call(
    broken: str, restart: Literal["on-crash", "never"]
) -> None:
    with pytest.raises(AddonCrashed) as caught:
        load_addon(addon_path(f"broken/{broken}"), restart=restart)
    text = str(caught.value)
    assert f"crashed while it was being loaded: its process died of SIGSEGV in {broken}." in text
    assert FRESH not in text
    assert "started again" not in text


def test_crash_while_loading_again_says_so(tmp_path: Path) -> None:
    file = tmp_path / "changing.node"
    shutil.copy(addon_path("crash"), file)
    with load_addon(file) as addon:
        assert FRESH in str(kill(addon))
        file.unlink()
        shutil.copy(addon_path("broken/crash_in_init"), file)
        with pytest.raises(AddonCrashed) as caught:
            addon.add(1, 2)
        assert "crashed while it was being loaded: " in str(caught.value)
        assert FRESH in str(caught.value)
        file.unlink()
        shutil.copy(addon_path("crash"), file)
        assert addon.add(1, 2) == 3
        assert "while it was being loaded" not in str(kill(addon))


def test_crash_in_on_start_of_the_first_process_promises_no_call() -> None:
    with pytest.raises(AddonCrashed) as caught:
        load_addon(addon_path("crash"), on_start=lambda addon: addon.abort())
    assert "while abort() was running" in str(caught.value)
    assert FRESH not in str(caught.value)


def test_call_that_close_cuts_short_promises_no_process() -> None:
    addon = load_addon(addon_path("crash"))
    both = host(addon).run_script("(first, second) => { first(); second(); }")
    running = threading.Event()
    raised: list[AddonError] = []

    def call() -> None:
        try:
            both(running.set, addon.loopForever)
        except AddonError as error:
            raised.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    assert running.wait(30)
    host(addon).close()
    thread.join(30)
    (error,) = raised
    assert FRESH not in str(error)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"max": 0}, ValueError, ">= 1"),
        ({"max": 1.5}, TypeError, "an int"),
        ({"max": True}, TypeError, "an int"),
        ({"window": 0}, ValueError, "> 0 seconds"),
        ({"window": float("nan")}, ValueError, "> 0 seconds"),
        ({"backoff": -1}, ValueError, ">= 0"),
        ({"backoff": float("inf")}, ValueError, ">= 0"),
    ],
)
def test_policy_checks_its_numbers(
    options: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        RestartPolicy(**options)


def test_budget_is_spent_by_crashes_in_a_row() -> None:
    with load_addon(addon_path("crash"), restart=RestartPolicy(max=2)) as loaded:
        kill(loaded)
        second = kill(loaded)
        assert host(loaded).generation == 2
        for _ in range(3):
            with pytest.raises(AddonCrashed, match=r"RestartPolicy\(max=2") as caught:
                loaded.add(1, 2)
            assert caught.value.pid == second.pid
            assert caught.value.signal_name == "SIGABRT"
        assert host(loaded).generation == 2
        host(loaded).restart()
        assert loaded.add(1, 2) == 3
        assert host(loaded).generation == 3


def test_call_that_comes_back_makes_the_budget_whole() -> None:
    with load_addon(addon_path("crash"), restart=RestartPolicy(max=2)) as loaded:
        for _ in range(5):
            kill(loaded)
            assert loaded.add(1, 2) == 3


def test_call_that_throws_has_come_back_too() -> None:
    with load_addon(addon_path("crash"), restart=RestartPolicy(max=2)) as loaded:
        for _ in range(4):
            kill(loaded)
            with pytest.raises(AddonError, match="thrown"):
                host(loaded).run_script("throw new Error('thrown')")


def test_statistics_are_no_successful_call() -> None:
    with load_addon(addon_path("crash"), restart=RestartPolicy(max=2)) as loaded:
        kill(loaded)
        host(loaded).restart()
        for _ in range(2):
            host(loaded).stats()
            kill(loaded)
        with pytest.raises(AddonCrashed, match="RestartPolicy"):
            host(loaded).stats()


def test_old_crashes_are_forgotten() -> None:
    with load_addon(addon_path("crash"), restart=RestartPolicy(max=1, window=0.3)) as loaded:
        kill(loaded)
        with pytest.raises(AddonCrashed, match="RestartPolicy"):
            loaded.add(1, 2)
        time.sleep(0.35)
        assert loaded.add(1, 2) == 3


def test_backoff_passes_before_the_next_start() -> None:
    with load_addon(addon_path("crash"), restart=RestartPolicy(max=9, backoff=0.4)) as loaded:
        kill(loaded)
        started = time.monotonic()
        assert loaded.add(1, 2) == 3
        assert 0.3 < time.monotonic() - started < 5
        kill(loaded)
        with pytest.raises(AddonTimeout), deadline(0.1):
            loaded.add(1, 2)
        assert loaded.add(1, 2) == 3


def test_never_names_itself() -> None:
    with load_addon(addon_path("crash"), restart="never") as loaded:
        kill(loaded)
        with pytest.raises(AddonCrashed, match="restart='never'"):
            loaded.add(1, 2)
        host(loaded).restart()
        assert loaded.add(1, 2) == 3


def test_crash_at_load_again_and_again(tmp_path: Path) -> None:
    file = tmp_path / "changing.node"
    shutil.copy(addon_path("crash"), file)
    with load_addon(file, restart=RestartPolicy(max=3)) as loaded:
        file.unlink()
        shutil.copy(addon_path("broken/crash_in_init"), file)
        kill(loaded)
        # The third crash of three is the first that says that no process follows.
        for is_last in (False, True):
            with pytest.raises(AddonCrashed) as caught:
                loaded.add(1, 2)
            assert ("RestartPolicy" in str(caught.value)) is is_last
            assert (FRESH in str(caught.value)) is not is_last
        with pytest.raises(AddonCrashed, match="RestartPolicy"):
            loaded.add(1, 2)
        assert host(loaded).generation == 3
        file.unlink()
        shutil.copy(addon_path("crash"), file)
        host(loaded).restart()
        assert loaded.add(1, 2) == 3


def test_crash_at_load_over_and_over_without_a_budget() -> None:
    for _ in range(20):
        with pytest.raises(AddonCrashed):
            load_addon(addon_path("broken/crash_at_load"))


def test_on_start_is_called_before_any_other_call() -> None:
    order: list[str] = []

    def greet(addon: Addon) -> None:
        host(addon).run_script("globalThis.greeted = 'yes'")
        time.sleep(0.2)
        order.append(f"started {host(addon).generation}")

    with load_addon(addon_path("crash"), on_start=greet) as loaded:
        kill(loaded)
        found: list[Any] = []

        def work() -> None:
            found.append(host(loaded).run_script("globalThis.greeted"))
            order.append("called")

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert found == ["yes"] * 8
        assert order == ["started 1", "started 2", *["called"] * 8]


def test_on_start_uses_objects_and_promises_and_callbacks() -> None:
    seen: list[Any] = []

    def greet(addon: Addon) -> None:
        thing = host(addon).run_script("new (class A { constructor() { this.x = 5; } })")
        seen.append(thing.x)
        seen.append(host(addon).run_script("(f) => f()")(lambda: "called"))
        seen.append(host(addon).run_script("Promise.resolve(7)").result(5))

    with load_addon(addon_path("crash"), on_start=greet):
        assert seen == [5, "called", 7]


def test_exception_of_on_start_is_raised_and_ends_the_process() -> None:
    trouble = [False, True, False]

    def greet(_addon: Addon) -> None:
        if trouble.pop(0):
            text = "not today"
            raise ValueError(text)

    with load_addon(addon_path("crash"), on_start=greet) as loaded:
        kill(loaded)
        with pytest.raises(ValueError, match="not today"):
            loaded.add(1, 2)
        assert host(loaded).pid is None
        assert loaded.add(1, 2) == 3
        assert trouble == []


def test_crash_in_on_start() -> None:
    starts: list[int] = []

    def greet(addon: Addon) -> None:
        starts.append(host(addon).generation)
        addon.add(1, 1)
        if len(starts) > 1:
            addon.abort()

    with load_addon(addon_path("crash"), restart=RestartPolicy(max=3), on_start=greet) as loaded:
        kill(loaded)
        for _ in range(2):
            with pytest.raises(AddonCrashed) as caught:
                loaded.add(1, 2)
            assert caught.value.export == "abort"
        with pytest.raises(AddonCrashed, match="RestartPolicy"):
            loaded.add(1, 2)
        assert starts == [1, 2, 3]


def test_stale_objects_name_both_generations() -> None:
    with load_addon(addon_path("crash")) as loaded:
        thing = host(loaded).run_script("new (class A { constructor() { this.x = 1; } })")
        function = host(loaded).run_script("() => 1")
        kill(loaded)
        with pytest.raises(
            StaleHandleError, match=r"generation 1 .*; no process is running"
        ) as caught:
            _ = thing.x
        assert how_it_ended(caught.value) == (1, signal.SIGABRT)
        assert loaded.add(1, 2) == 3
        kill(loaded)
        assert loaded.add(1, 2) == 3
        for use in (lambda: thing.x, function, lambda: loaded.add(thing, 1)):
            with pytest.raises(
                StaleHandleError, match=r"generation 1 .*; generation 3 is running"
            ) as caught:
                use()
            assert how_it_ended(caught.value) == (1, signal.SIGABRT)


def test_stale_objects_name_the_crash_between_two_calls() -> None:
    with load_addon(addon_path("crash")) as loaded:
        for generation in (1, 2, 3):
            function = host(loaded).run_script("() => 1")
            pid = host(loaded).pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            while host(loaded).pid is not None:
                time.sleep(0.001)
            with pytest.raises(StaleHandleError) as caught:
                function()
            assert how_it_ended(caught.value) == (generation, signal.SIGKILL)


def test_stale_objects_say_that_the_program_restarted_the_process() -> None:
    with load_addon(addon_path("crash")) as loaded:
        function = host(loaded).run_script("() => 1")
        host(loaded).restart()
        with pytest.raises(StaleHandleError) as caught:
            function()
        assert isinstance(caught.value.__cause__, AddonCrashed)
        assert caught.value.__cause__.reason == "the program restarted it"


def test_restart_while_calls_wait() -> None:
    with load_addon(addon_path("crash")) as loaded:
        ended: list[object] = []

        def work() -> None:
            try:
                loaded.sleep(60_000)
            except AddonError as error:
                ended.append(error)
            else:
                ended.append(None)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.2)
        host(loaded).restart()
        for thread in threads:
            thread.join(20)
        # Those that were still waiting for their turn may have been served by the fresh process.
        assert ended
        for error in ended:
            assert isinstance(error, AddonCrashed)
            assert error.reason is not None
            assert "restarted" in error.reason
        assert loaded.add(1, 2) == 3
        assert host(loaded).generation == 2


def test_restarts_from_several_threads() -> None:
    with load_addon(addon_path("crash")) as loaded:
        failed: list[BaseException] = []

        def work() -> None:
            try:
                for _ in range(5):
                    host(loaded).restart()
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert failed == []
        assert loaded.add(1, 2) == 3


@pytest.mark.parametrize("on_loop", [False, True])
@pytest.mark.parametrize(
    ("end", "expected", "words"),
    [("restart", AddonCrashed, "restarted"), ("close", StaleHandleError, "closed")],
)
def test_promise_of_a_process_that_is_ended_fails(
    end: str, expected: type[Exception], words: str, on_loop: bool
) -> None:
    with load_addon(addon_path("crash")) as loaded:
        promise = loaded.work(False)
        raised: list[BaseException] = []
        waits = threading.Event()

        async def awaits() -> None:
            waits.set()
            await promise

        def wait() -> None:
            try:
                if on_loop:
                    asyncio.run(awaits())
                else:
                    waits.set()
                    promise.result()
            except expected as error:
                raised.append(error)

        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        assert waits.wait(10)
        getattr(host(loaded), end)()
        thread.join(10)
        assert len(raised) == 1, "it still waits"
        # A later wait ends in the same way.
        with pytest.raises(expected, match=words):
            promise.result(0)


def test_promise_of_a_process_before_the_last_fails() -> None:
    """The next process may run before the end of the previous one is reported."""
    with load_addon(addon_path("order")) as loaded:
        promise = host(loaded).run_script("new Promise(() => {})")
        busy, over = threading.Event(), threading.Event()

        def receive(_: int) -> None:
            busy.set()
            assert over.wait(30)

        # The thread that handles ends of hosts is busy.
        loaded.eventsOfThread(receive, 1)
        assert busy.wait(10)
        pid = host(loaded).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        end = time.monotonic() + 10
        while host(loaded).pid == pid and time.monotonic() < end:
            time.sleep(0.001)
        assert loaded.makeCallback(lambda: 7) == 7
        assert host(loaded).generation == 2
        over.set()
        with pytest.raises(AddonCrashed, match="SIGKILL"):
            promise.result(10)
