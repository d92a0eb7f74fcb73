"""Which thread takes the turns: the loop's, a waiting one, or one of the package."""

from __future__ import annotations

import asyncio
import collections
import contextvars
import functools
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import addon_path, until
from napi_python import Addon, deadline, host, load_addon, on_uncaught

SECONDS = 30.0
#: how often each way to block a loop is tried; `--whole` tries it 1000 times
TRIES = 20


async def heard_on(order: Any) -> threading.Thread:
    """Returns the thread in which an event of the addon arrives."""
    loop = asyncio.get_running_loop()
    received: asyncio.Future[threading.Thread] = loop.create_future()

    def receive(_: int) -> None:
        thread = threading.current_thread()
        loop.call_soon_threadsafe(received.set_result, thread)

    order.eventsOfThread(receive, 1)
    return await asyncio.wait_for(received, SECONDS)


def heard_in_thread(order: Any) -> threading.Thread:
    received: list[threading.Thread] = []
    done = threading.Event()

    def receive(_: int) -> None:
        received.append(threading.current_thread())
        done.set()

    order.eventsOfThread(receive, 1)
    assert done.wait(SECONDS)
    return received[0]


def test_the_loop_that_registered_something_takes_the_turns(order: Any) -> None:
    assert asyncio.run(heard_on(order)) is threading.current_thread()


def test_the_loop_that_awaited_something_takes_the_turns(order: Any) -> None:
    received: list[threading.Thread] = []
    done = threading.Event()

    def receive(_: int) -> None:
        received.append(threading.current_thread())
        done.set()

    send = functools.partial(order.eventsOfThread, receive, 1)

    async def main() -> None:
        await host(order).run_script("new Promise(done => setTimeout(done, 1))")
        # Registered by a thread without a loop.
        await asyncio.to_thread(send)
        await until(done.is_set)

    asyncio.run(main())
    assert received == [threading.current_thread()]


def test_without_a_loop_a_thread_of_the_package_takes_them(order: Any) -> None:
    assert heard_in_thread(order) is not threading.current_thread()


def test_turns_are_handed_over_when_a_loop_ends_and_another_starts(order: Any) -> None:
    main = threading.current_thread()
    for _ in range(3):
        assert asyncio.run(heard_on(order)) is main
        assert heard_in_thread(order) is not main


def test_turns_are_handed_over_when_a_loop_stands_still(order: Any) -> None:
    main = threading.current_thread()
    loop = asyncio.new_event_loop()
    try:
        assert loop.run_until_complete(heard_on(order)) is main
        assert heard_in_thread(order) is not main
        assert loop.run_until_complete(heard_on(order)) is main
    finally:
        loop.close()
    assert heard_in_thread(order) is not main


class Unwatching(asyncio.SelectorEventLoop):
    """Can't watch descriptors, as the loop of Windows that can start processes."""

    def add_reader(self, *_: Any) -> None:  # type: ignore[override]  # whatever is asked
        # The loop itself, which watches its own wake-up by another way, does not come here.
        raise NotImplementedError


def test_loop_that_cannot_watch_descriptors_leaves_the_turns_to_a_thread(order: Any) -> None:
    loop = Unwatching()
    try:
        assert loop.run_until_complete(heard_on(order)) is not threading.current_thread()
        script = host(order).run_script
        promise = script("new Promise(done => setTimeout(done, 5, 'timer'))")
        assert loop.run_until_complete(asyncio.wait_for(promise, SECONDS)) == "timer"
    finally:
        loop.close()


def test_over_the_socket_a_thread_takes_the_turns() -> None:
    """A turn would wait in the host there, and the loop with it."""
    with load_addon(addon_path("order"), carrier="socket") as addon:
        assert asyncio.run(heard_on(addon)) is not threading.current_thread()


def test_two_loops_in_two_threads(order: Any) -> None:
    script = host(order).run_script
    both = threading.Barrier(2)

    async def main(number: int) -> list[int]:
        both.wait(SECONDS)
        seen = []
        for step in range(50):
            source = f"new Promise(done => setTimeout(done, 1, {number * 100 + step}))"
            seen.append(await asyncio.wait_for(script(source), SECONDS))
        return seen

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda number: asyncio.run(main(number)), [0, 1])
    assert first == list(range(50))
    assert second == list(range(100, 150))


def test_promise_is_awaited_in_two_loops_at_once(order: Any) -> None:
    promise = host(order).run_script("new Promise(done => { globalThis.end = done; })")

    async def main() -> Any:
        return await asyncio.wait_for(promise, SECONDS), asyncio.get_running_loop()

    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(lambda: asyncio.run(main())) for _ in range(2)]
        time.sleep(0.01)
        host(order).run_script("end({n: 1})")
        found = [task.result(SECONDS) for task in waiting]
    assert [value for value, _ in found] == [{"n": 1}] * 2
    assert found[0][1] is not found[1][1]


def test_asyncio_run_twice_with_one_promise(order: Any) -> None:
    promise = host(order).run_script("new Promise(done => { globalThis.end = done; })")

    async def impatient() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(promise, 0.01)

    async def patient() -> Any:
        asyncio.get_running_loop().call_later(0.01, host(order).run_script, "end(7)")
        return await asyncio.wait_for(promise, SECONDS)

    asyncio.run(impatient())
    assert asyncio.run(patient()) == 7
    assert promise.result(0) == 7


def test_loop_closed_while_promises_are_pending(order: Any) -> None:
    script = host(order).run_script
    ends = "new Promise(done => { (globalThis.ends ??= []).push(done); })"
    promises = [script(ends) for _ in range(10)]

    async def main() -> None:
        for promise in promises:
            asyncio.ensure_future(promise)  # noqa: RUF006  given up with the loop
        await asyncio.sleep(0.005)

    asyncio.run(main())
    script("ends.forEach((end, n) => end(n))")
    assert [promise.result(SECONDS) for promise in promises] == list(range(10))


def test_promise_lives_for_as_long_as_it_is_awaited(order: Any) -> None:
    async def main() -> list[Any]:
        source = "new Promise(done => setTimeout(done, 5, {}))"
        return await asyncio.gather(*[host(order).run_script(source) for _ in range(100)])

    assert asyncio.run(main()) == [{}] * 100


def test_loop_that_received_a_promise_is_requested_to_take_turns(order: Any) -> None:
    """It has not awaited anything: turns of a thread would only get into its way."""
    script = host(order).run_script
    received: list[threading.Thread] = []
    script("(f) => { globalThis.receive = f; }")(
        lambda: received.append(threading.current_thread())
    )

    async def main() -> None:
        promises = [script("new Promise(done => setTimeout(done, 1, 1))") for _ in range(3)]
        script("setTimeout(receive, 1); 0")
        await until(lambda: received)
        assert received == [threading.current_thread()]
        assert await asyncio.gather(*promises) == [1] * 3

    asyncio.run(main())


def test_loop_that_was_given_a_promise_may_wait_for_it_in_result(order: Any) -> None:
    script = host(order).run_script

    async def main() -> None:
        for number in range(3):
            pending = script(f"new Promise(done => setTimeout(done, 5, {number}))")
            assert pending.result(SECONDS) == number

    asyncio.run(main())


def test_loop_that_was_given_a_promise_and_is_blocked_is_not_waited_for(order: Any) -> None:
    script = host(order).run_script
    received = threading.Event()
    script("(f) => { globalThis.receive = f; }")(received.set)

    async def main() -> None:
        script("new Promise(() => 0)")
        script("setTimeout(receive, 1); 0")
        assert received.wait(SECONDS)

    asyncio.run(main())


def test_result_on_the_loop_that_takes_the_turns_explains_itself(order: Any) -> None:
    script = host(order).run_script

    async def main() -> None:
        assert await script("new Promise(done => setTimeout(done, 1, 1))") == 1
        pending = script("new Promise(done => setTimeout(done, 1, 2))")
        with pytest.raises(RuntimeError, match="await the promise"):
            pending.result(SECONDS)
        with pytest.raises(TimeoutError):
            pending.result(0)
        assert await asyncio.to_thread(pending.result, SECONDS) == 2
        assert pending.result() == 2
        assert script("Promise.resolve(3)").result() == 3

    asyncio.run(main())


def test_result_inside_a_callback_explains_itself(order: Any) -> None:
    script = host(order).run_script
    pending = script("new Promise(done => { globalThis.end = done; })")
    raised: list[str] = []

    def wait() -> Any:
        try:
            pending.result(SECONDS)
        except RuntimeError as error:
            raised.append(str(error))
        script("end(5)")
        return pending.result(SECONDS)

    assert script("f => f()")(wait) == 5
    assert len(raised) == 1
    assert "return from the callback first" in raised[0]


def test_deadline_of_the_code_that_came_first_does_not_bound_later_turns(order: Any) -> None:
    async def main() -> Any:
        with deadline(0.5):
            await host(order).run_script("new Promise(done => setTimeout(done, 1))")
        await asyncio.sleep(0.55)
        return await host(order).run_script("new Promise(done => setTimeout(done, 1, 'late'))")

    assert asyncio.run(main()) == "late"


def join(work: Callable[[], Any]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(SECONDS)
    assert not thread.is_alive()


def lock(work: Callable[[], Any]) -> None:
    held = threading.Lock()
    held.acquire()

    def release() -> None:
        work()
        held.release()

    thread = threading.Thread(target=release)
    thread.start()
    assert held.acquire(timeout=SECONDS)
    thread.join()


def pool(work: Callable[[], Any]) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: work(), range(8), timeout=SECONDS))


def call(work: Callable[[], Any]) -> None:
    work()


@pytest.mark.parametrize("block", [call, join, lock, pool])
def test_a_blocked_loop_causes_no_deadlock(
    order: Any, block: Callable[[Callable[[], Any]], None], request: pytest.FixtureRequest
) -> None:
    """The addon serves other threads meanwhile, and events wait for the loop."""
    tries = 1000 if request.config.getoption("--whole") else TRIES
    script = host(order).run_script
    double = script("(f, n) => f(n) * 2")
    later = script("n => new Promise(done => setTimeout(done, 0, n))")

    def work() -> None:
        assert double(lambda n: n, 21) == 42
        if block is not call:
            # Waits for a turn, which this thread takes because the loop does not.
            assert later(5).result(SECONDS) == 5

    async def main() -> None:
        received: list[int] = []
        for _ in range(tries):
            received.clear()
            order.eventsOfThread(received.append, 10)
            await asyncio.sleep(0)
            block(work)
            await until(lambda: len(received) == 10)
            assert received == list(range(10))

    asyncio.run(main())


def test_callback_of_a_turn_may_wait_for_other_threads_calls(order: Any) -> None:
    """A loop that takes a turn while another thread's callback waits for that very loop."""
    script = host(order).run_script
    ask = script("f => f()")

    async def main() -> int:
        loop = asyncio.get_running_loop()
        await script("new Promise(done => setTimeout(done, 0))")

        async def answer() -> int:
            return 1

        def wait_for_loop() -> int:
            order.eventsOfThread(lambda _: None, 3)
            return asyncio.run_coroutine_threadsafe(answer(), loop).result(SECONDS)

        with ThreadPoolExecutor(1) as threads:
            total = 0
            for _ in range(200):
                total += await loop.run_in_executor(threads, ask, wait_for_loop)
        return total

    assert asyncio.run(main()) == 200


def hearings() -> int:
    """Returns how often the thread that reads notices has slept."""
    sum_ = 0
    for thread in Path("/proc/self/task").iterdir():
        if (thread / "comm").read_text().strip() == "hostd-notices":
            lines = (thread / "status").read_text().splitlines()
            sum_ += sum(int(line.split()[1]) for line in lines if line.startswith("volun"))
    return sum_


def check_that_the_host_wakes_the_loop(order: Any, *, is_restarted: bool) -> None:
    """Checks that turns are requested by the wake pipe, not by notices that a thread receives."""
    count = 20

    async def received() -> int:
        before = hearings()
        for _ in range(count // 2):
            await host(order).run_script("new Promise(done => setTimeout(done, 0))")
            await heard_on(order)
        return hearings() - before

    async def main() -> None:
        await received()
        if is_restarted:
            await asyncio.to_thread(host(order).restart)
        # A request that is not answered within 20 ms wakes a thread too, which may happen on a busy
        # machine. While turns are requested, the thread looks every 20 ms whether they begin.
        end = time.monotonic() + SECONDS
        while await received() > count // 2:
            assert time.monotonic() < end, "each promise was reported to a thread"

    asyncio.run(main())


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_loop_is_woken_by_the_host_without_a_thread_in_between(
    order: Any, is_restarted: bool
) -> None:
    check_that_the_host_wakes_the_loop(order, is_restarted=is_restarted)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="on one CPU nobody looks out")
def test_a_thread_in_result_polls_for_short_work(order: Any) -> None:
    count = 20
    soon = host(order).run_script(SOON)

    def received() -> int:
        before = hearings()
        for _ in range(count):
            assert soon(lambda: None).result(SECONDS) == 7
        return hearings() - before

    end = time.monotonic() + SECONDS
    while received() > count // 2:
        assert time.monotonic() < end, "each promise was reported to a thread"


#: what a task has, and no turn is to see
MINE = contextvars.ContextVar("MINE", default="nobody's")
SOON = """(callback) => new Promise(done => setImmediate(() => { callback(); done(7); }))"""


def ends_at_once(promise: Any) -> bool:
    """Tells whether an await of the promise ends in its first step."""
    return next(promise.__await__(), None) is None


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="on one CPU nobody looks out")
def test_short_work_is_awaited_without_sleeping(order: Any) -> None:
    seen: set[Any] = set()

    def callback() -> None:
        seen.add((MINE.get(), threading.current_thread()))
        # Nothing takes a turn inside of a turn.
        assert not ends_at_once(soon(lambda: None))

    async def main() -> None:
        await heard_on(order)
        MINE.set("the task's")
        end = time.monotonic() + SECONDS
        with deadline(SECONDS):
            # On a busy machine the host may be late each time but some.
            while not ends_at_once(promise := soon(callback)):
                assert await promise == 7
                assert time.monotonic() < end, "each await went to sleep"

    soon = host(order).run_script(SOON)
    asyncio.run(main())
    assert seen == {("nobody's", threading.current_thread())}


def test_awaiting_short_work_repeatedly_lets_the_loop_run(order: Any) -> None:
    soon = host(order).run_script(SOON)

    async def main() -> int:
        await heard_on(order)
        rounds = 0

        async def go_round() -> None:
            nonlocal rounds
            while True:
                await asyncio.sleep(0)
                rounds += 1

        other = asyncio.create_task(go_round())
        seen = collections.Counter[int]()
        for _ in range(1000):
            assert await soon(lambda: None) == 7
            seen[rounds] += 1
        other.cancel()
        return max(seen.values())

    assert asyncio.run(main()) <= 20


def test_callback_in_the_turn_of_an_await_may_cancel_its_task(order: Any) -> None:
    async def wait(soon: Any) -> None:
        task = asyncio.current_task()
        assert task
        await soon(task.cancel)

    async def main() -> None:
        await heard_on(order)
        soon = host(order).run_script(SOON)
        for _ in range(20):
            with pytest.raises(asyncio.CancelledError):
                await asyncio.create_task(wait(soon))

    asyncio.run(main())


def test_turn_that_a_thread_comes_to_late_is_left_to_the_new_loop(order: Any) -> None:
    at_hook, leave_hook, received = threading.Event(), threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def hook(_: BaseException) -> None:
        at_hook.set()
        leave_hook.wait(SECONDS)

    def receive(_: int) -> None:
        threads.append(threading.current_thread())
        received.set()

    async def start_timer() -> None:
        host(order).run_script("(done) => { setTimeout(done, 20); }")(lambda: None)

    async def first_call() -> None:
        order.eventsOfThread(receive, 1)
        # The event waits for a turn, and now the thread goes on to the one that was left to it.
        assert not received.wait(0.1), "the hook and this coroutine keep all from a turn"
        leave_hook.set()
        received.wait(0.2)
        await until(received.is_set)

    former = on_uncaught(hook)
    try:
        # The thread that takes turns where no loop does is kept in the hook.
        host(order).run_script("queueMicrotask(() => { throw new Error('for the hook'); }); 0")
        assert at_hook.wait(SECONDS)
        # A loop is closed while a turn is due: that turn is left to the thread.
        closed = asyncio.new_event_loop()
        closed.run_until_complete(start_timer())
        time.sleep(0.1)  # The host requests the turn meanwhile; nothing says when it has.
        closed.close()
        asyncio.run(first_call())
    finally:
        leave_hook.set()
        on_uncaught(former)
    assert threads == [threading.current_thread()]


def test_addon_dropped_while_its_loop_runs() -> None:
    async def main() -> None:
        for _ in range(3):
            addon: Addon = load_addon(addon_path("order"))
            assert await heard_on(addon) is threading.current_thread()
            host(addon).close()
            del addon
            await asyncio.sleep(0.01)

    asyncio.run(main())
