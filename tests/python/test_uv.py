"""libuv, in every mode: its loop runs in turns, its threads are its own, idling costs nothing."""

from __future__ import annotations

import asyncio
import os
import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import in_program
import pytest
from conftest import addon_path, run_program
from napi_python import host, load_addon

SECONDS = 30.0
#: where the addon runs, and the options that say so
PLACES: dict[str, dict[str, Any]] = {
    "process": {},
    "own": {"isolated": False, "thread": "own"},
    "caller": {"isolated": False, "thread": "caller"},
}


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def uv(place: str) -> Iterator[Any]:
    with load_addon(addon_path("uv"), **PLACES[place]) as addon:
        yield addon


def receive(addon: Any, place: str, reported: queue.Queue[Any]) -> Any:
    return in_program.receive(addon, reported, takes_turns=place == "caller")


def test_callbacks_of_the_loop_reach_python_on_the_thread_of_its_turns(uv: Any, place: str) -> None:
    reported: queue.Queue[tuple[str, str]] = queue.Queue()
    uv.timer(lambda word: reported.put((word, threading.current_thread().name)), 1)
    word, thread = receive(uv, place, reported)
    assert word == "timer"
    assert (thread == threading.main_thread().name) == (place == "caller")

    async def main() -> list[str]:
        received: asyncio.Queue[str] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def receive(word: str) -> None:
            loop.call_soon_threadsafe(received.put_nowait, word)

        uv.poll(receive)
        uv.signs(receive, 1000)
        return sorted([await asyncio.wait_for(received.get(), SECONDS) for _ in range(4)])

    assert asyncio.run(main()) == ["8000", "end", "one", "two"]


def test_wake_up_request_while_loading_is_served(place: str) -> None:
    # It requests a turn when it opens the loop, and not again so soon: often that is too early.
    for _ in range(15):
        reported: queue.Queue[str] = queue.Queue()
        with load_addon(addon_path("uv"), **PLACES[place]) as addon:
            addon.timer(reported.put, 1)
            assert receive(addon, place, reported) == "timer"


def test_first_callback_of_a_fresh_host_runs_in_the_thread_of_the_loop(
    place: str, pytestconfig: pytest.Config
) -> None:
    # A host of libuv requests a turn while it loads, before any loop owns the turns. The thread
    # that receives the request may come late, after the loop's first call, most often on one CPU.
    async def first_call() -> tuple[bool, float]:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[bool] = loop.create_future()
        here = threading.get_ident()
        with load_addon(addon_path("uv"), **PLACES[place]) as addon:
            begin = time.monotonic()
            # Sets the result as only the loop's thread may: from another one, the loop sleeps on.
            addon.work(lambda _: done.set_result(threading.get_ident() == here), 1)
            is_here = await asyncio.wait_for(done, SECONDS)
            return is_here, time.monotonic() - begin

    cpus = os.sched_getaffinity(0)
    elsewhere, late = [], []
    try:
        for number in range(pytestconfig.getoption("--hosts")):
            os.sched_setaffinity(0, {min(cpus)} if number % 2 else cpus)
            is_here, seconds = asyncio.run(first_call())
            if not is_here:
                elsewhere.append(number)
            if seconds > 1.0:
                late.append((number, round(seconds, 3)))
    finally:
        os.sched_setaffinity(0, cpus)
    assert (elsewhere, late) == ([], [])


def test_awaited_promise_lets_the_loop_run(uv: Any) -> None:
    # The thread of the session waits here; without an asyncio loop, waiting takes the turns.
    after = host(uv).run_script("timer => new Promise(done => timer(done, 2))")
    assert [after(uv.timer).result(SECONDS) for _ in range(20)] == ["timer"] * 20


def test_call_from_a_callback_without_scope_does_not_run_microtasks_below_it(
    uv: Any, place: str
) -> None:
    reported: queue.Queue[str] = queue.Queue()

    def ask() -> None:
        assert host(uv).run_script("1 + 1") == 2

    call = host(uv).run_script(
        """(ask, tell) => () => {
            const order = [];
            queueMicrotask(() => { order.push("microtask"); tell(order.join()); });
            ask();
            order.push("end of the callback");
        }"""
    )
    uv.bareTimer(call(ask, reported.put), 1)
    assert receive(uv, place, reported) == "end of the callback,microtask"


# What follows is the process's: its default loop, its threads, what stays at the end.
RECEIVE = (
    in_program.IMPORTABLE
    + """
import in_program, queue, time
from napi_python import host, load_addon
path, place = sys.argv[1:3]
options = {} if place == "process" else {"isolated": False, "thread": place}

def receive(addon, reported):
    return in_program.receive(addon, reported, takes_turns=place == "caller")
"""
)

DEFAULT_LOOP = (
    RECEIVE
    + """
for _ in range(3):
    with load_addon(path, **options) as addon:
        addon.defaultTimer((reported := queue.Queue()).put, 1)
        print(receive(addon, reported), addon.sameLoop())
"""
)


def test_default_loop_runs_if_the_addon_requested_no_loop(place: str) -> None:
    done = run_program(DEFAULT_LOOP, addon_path("uv"), place, timeout=SECONDS)
    assert done.stdout.splitlines() == ["timer True"] * 3, done.stderr


THREADS = (
    RECEIVE
    + """
with load_addon(path, **options) as addon:
    addon.work((reported := queue.Queue()).put, 9)
    print(receive(addon, reported))
"""
)


def test_number_of_threads_is_read_by_libuv(place: str) -> None:
    # Each piece of work waits for all others, which takes as many threads.
    settings = {**os.environ, "UV_THREADPOOL_SIZE": "9"}
    done = run_program(THREADS, addon_path("uv"), place, env=settings, timeout=SECONDS)
    assert done.stdout == "work\n", done.stderr


STUCK = (
    RECEIVE
    + """
with load_addon(path, **options) as addon:
    addon.work(lambda _: None, 64)  # More than there are threads: all of them wait for ever.
    addon.timer((reported := queue.Queue()).put, 1)
    print(receive(addon, reported))
    begin = time.monotonic()
print(time.monotonic() - begin < 2)
with load_addon(path, **options) as addon:
    addon.timer((reported := queue.Queue()).put, 1)
    print(receive(addon, reported), addon.sameLoop())
"""
)


def test_work_that_does_not_end_keeps_neither_session_nor_program(place: str) -> None:
    done = run_program(STUCK, addon_path("uv"), place, timeout=SECONDS)
    # The default loop has that work still; in another process it is another one.
    last = f"timer {place == 'process'}"
    assert (done.returncode, done.stdout.splitlines()) == (0, ["timer", "True", last]), done.stderr


def nanoseconds(pid: int, *, names: tuple[str, ...] = ("",)) -> dict[str, int]:
    """Returns how long each thread of a process ran, of those whose names begin so."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text(encoding="utf-8").startswith(names):
            ran, _, _ = (task / "schedstat").read_text(encoding="ascii").split()
            found[task.name] = int(ran)
    return found


#: The names of this package's threads: an addon of an earlier test may have left some of its own.
OURS = ("hostd-", "napi-")
#: So often the test measures until nothing ran: a poll would run in each interval.
INTERVALS = 5


def test_idle_loop_costs_no_cpu(uv: Any, place: str, pytestconfig: pytest.Config) -> None:
    # A pipe that is polled and a timer that is far away.
    reported: queue.Queue[str] = queue.Queue()
    writing = uv.idlePoll(reported.put)
    uv.pipePut(writing, "abc")
    assert receive(uv, place, reported) == "abc"
    pid = host(uv).pid
    assert pid is not None
    seconds = pytestconfig.getoption("--idle")
    # What the machine does to threads that are going to sleep is over in one of the intervals.
    for _ in range(INTERVALS):
        before = nanoseconds(pid), nanoseconds(os.getpid(), names=OURS)
        time.sleep(seconds)
        after = nanoseconds(pid), nanoseconds(os.getpid(), names=OURS)
        ran = [
            sum(now.values()) - sum(then.values()) for now, then in zip(after, before, strict=True)
        ]
        print(f"idle for {seconds} s: host {ran[0]} ns, threads of this package {ran[1]} ns")
        # A session in this process runs on threads of this package.
        if (place != "process" or ran[0] == 0) and ran[1] < 1_000_000 * seconds:
            break
    else:
        pytest.fail(f"the last interval: {before}, then {after}")
    uv.pipePut(writing, "def")
    assert receive(uv, place, reported) == "def"
    uv.pipePut(writing, "ghi")
    assert receive(uv, place, reported) == "ghi"
