"""Pools of addons: an executor over several processes, each with a worker of its own."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import gc
import os
import pickle
import queue
import random
import signal
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from children import forked
from conftest import Write, addon_path, package, run_program
from napi_python import (
    AddonCrashed,
    AddonPool,
    AddonTimeout,
    BufferPool,
    JSError,
    LoadError,
    PoolFuture,
    RestartPolicy,
    deadline,
    host,
    load_addon,
)


def pids(pool: AddonPool) -> list[int]:
    return [worker.pid for worker in pool.stats().workers if worker.pid is not None]


def is_running(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def eventually(condition: Callable[[], object]) -> None:
    """Waits for what the threads and processes of a pool do by themselves."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def pool() -> Iterator[AddonPool]:
    with AddonPool(addon_path("bench"), workers=2) as pool:
        yield pool


class Gate:
    """A task that holds its worker until it is opened."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.opened = threading.Event()

    def __call__(self, exports: Any) -> str:
        self.entered.release()
        assert self.opened.wait(30)
        return "opened"

    def hold(self, pool: AddonPool, workers: int) -> list[PoolFuture]:
        held = [pool.submit(self) for _ in range(workers)]
        for _ in held:
            assert self.entered.acquire(timeout=30)
        return held


def test_tasks_by_name_by_export_and_by_function(pool: AddonPool) -> None:
    assert isinstance(pool, concurrent.futures.Executor)
    assert pool.submit("add", 1, 2).result() == 3
    assert pool.submit(pool.exports.add, 3, 4).result() == 7
    assert pool.submit(lambda exports, x: exports.add(x, exports.add(1, 1)), 5).result() == 7
    assert list(pool.map("add", range(50), range(50))) == [2 * n for n in range(50)]
    with load_addon(addon_path("bench")) as addon:
        assert pool.submit(addon.add, 5, 6).result() == 11
    done, _ = concurrent.futures.wait([pool.submit("add", n, n) for n in range(10)])
    assert sorted(one.result() for one in done) == [2 * n for n in range(10)]


def test_promise_is_awaited_by_the_worker(pool: AddonPool) -> None:
    future = pool.submit("asyncAdd", 1, 2)
    assert future.result() == 3
    assert pool.submit(lambda exports: exports.asyncAdd(2, 3)).result() == 5


def test_await(pool: AddonPool) -> None:
    async def main() -> None:
        assert await pool.exports.add(1, 2) == 3
        assert await pool.call(lambda exports: exports.add(2, 3)) == 5
        assert await pool.submit("add", 3, 4) == 7
        found = await asyncio.gather(*(pool.exports.add(n, 1) for n in range(200)))
        assert found == [n + 1 for n in range(200)]
        loop = asyncio.get_running_loop()
        assert await loop.run_in_executor(pool, "add", 4, 5) == 9  # type: ignore[arg-type]
        with pytest.raises(JSError):
            await pool.exports.sumBuffer("text")

        async def later() -> int:
            return threading.get_ident()

        # A coroutine that is passed runs on the loop that awaits.
        follow = "(p) => p.then((found) => found)"
        thread = await pool.call(lambda exports: host(exports).run_script(follow)(later()))
        assert thread == threading.get_ident()

    asyncio.run(main())


def test_packages(project: Write) -> None:
    text = """
    exports.math = { twice: (x) => 2 * x };
    exports.read = (b) => b.length;
    exports.Own = class {};
    """
    root = project(package("one", text))
    with AddonPool("one", root=root, workers=2) as pool:
        assert pool.submit("math.twice", 4).result() == 8
        assert pool.submit(pool.exports.math.twice, 5).result() == 10
        with pytest.raises(AttributeError, match="nothing"):
            pool.submit("nothing").result()
        with pytest.raises(AttributeError):
            pool.submit("__class__").result()
    called = project(package("two", "module.exports = (x) => x + 1"))
    with AddonPool("two", root=called, workers=1) as pool:
        assert asyncio.run(pool.call(pool.exports, 1)) == 2


def test_errors_cross_as_they_are(pool: AddonPool) -> None:
    class OwnError(BaseException):
        pass

    def fail(_exports: Any) -> None:
        raise OwnError("mine")

    def stop(_exports: Any) -> None:
        raise StopIteration

    with pytest.raises(JSError, match="napi_get_buffer_info"):
        pool.submit("sumBuffer", "text").result()
    with pytest.raises(OwnError, match="mine"):
        pool.submit(fail).result()
    with pytest.raises(RuntimeError, match="StopIteration"):
        pool.submit(stop).result()
    with pytest.raises(TypeError):
        pool.submit("add", object()).result()

    async def coroutine(_exports: Any) -> None:
        pass

    with pytest.raises(TypeError, match="a task of a pool cannot be a coroutine"):
        pool.submit(coroutine).result()
    stats = pool.stats()
    assert sum(worker.failed for worker in stats.workers) == 5
    assert all(worker.alive and worker.restarts == 0 for worker in stats.workers)


def test_a_crash_fails_one_task_only() -> None:
    with AddonPool(addon_path("crash"), workers=2) as pool:
        before = pids(pool)
        tasks = [
            pool.submit(lambda exports, x: host(exports).run_script(f"{x} + 1"), n)
            for n in range(50)
        ]
        crash = pool.submit("nullPointer")
        tasks += [
            pool.submit(lambda exports, x: host(exports).run_script(f"{x} + 1"), n)
            for n in range(50, 100)
        ]
        assert [task.result() for task in tasks] == [n + 1 for n in range(100)]
        with pytest.raises(AddonCrashed, match=r"while nullPointer\(\) was running"):
            crash.result()
        # Its worker starts another process without a task.
        eventually(lambda: any(worker.restarts for worker in pool.stats().workers))
        eventually(lambda: len(pids(pool)) == 2)
        assert len(set(before) & set(pids(pool))) == 1


def test_idle_workers_take_what_waits(pool: AddonPool) -> None:
    gate = Gate()
    held = gate.hold(pool, 1)
    assert list(pool.map("add", range(20), range(20))) == [2 * n for n in range(20)]
    first, second = sorted(pool.stats().workers, key=lambda worker: worker.running)
    assert (first.tasks, first.running) == (20, False)
    assert (second.tasks, second.running) == (0, True)
    assert second.busy > 0
    gate.opened.set()
    assert held[0].result() == "opened"


def test_room_in_the_queue() -> None:
    with AddonPool(addon_path("bench"), workers=1, max_pending=2) as pool:
        gate = Gate()
        gate.hold(pool, 1)
        tasks = [pool.submit("add", n, 0) for n in range(2)]
        assert pool.stats().pending == 2
        started, added = threading.Event(), []

        def submit() -> None:
            started.set()
            added.append(pool.submit("add", 2, 0))

        thread = threading.Thread(target=submit)
        thread.start()
        started.wait()
        with deadline(0.05), pytest.raises(AddonTimeout, match="no room before the deadline"):
            pool.submit("add", 9, 9)
        assert added == []

        async def main() -> None:
            waiting = asyncio.ensure_future(pool.call("add", 3, 0))
            other = asyncio.ensure_future(pool.call("add", 4, 0))
            await asyncio.sleep(0)
            other.cancel()
            with deadline(0.05), pytest.raises(AddonTimeout, match="did not start before"):
                await pool.call("add", 9, 9)
            gate.opened.set()
            assert await waiting == 3

        asyncio.run(main())
        thread.join()
        assert [task.result() for task in [*tasks, *added]] == [0, 1, 2]
        # No place was lost.
        again = Gate()
        again.hold(pool, 1)
        last = [pool.submit("add", n, n) for n in range(2)]
        again.opened.set()
        assert [task.result() for task in last] == [0, 2]


def test_full_pool_that_raises() -> None:
    with AddonPool(addon_path("bench"), workers=1, max_pending=1, on_full="raise") as pool:
        gate = Gate()
        gate.hold(pool, 1)
        kept = pool.submit("add", 1, 2)
        for _ in range(3):
            with pytest.raises(queue.Full, match="1 tasks wait"):
                pool.submit("add", 1, 2)
            with pytest.raises(queue.Full):
                asyncio.run(pool.call("add", 1, 2))
        gate.opened.set()
        assert kept.result() == 3
        assert pool.submit("add", 1, 2).result() == 3


def test_deadline_of_the_block_in_which_a_task_was_submitted() -> None:
    with AddonPool(addon_path("bench"), workers=1) as pool:
        gate = Gate()
        gate.hold(pool, 1)
        with deadline(0.05):
            late = pool.submit("add", 1, 2)
        unbounded = pool.submit("add", 1, 2)

        async def main() -> None:
            with deadline(0.05), pytest.raises(AddonTimeout, match="did not start before"):
                await pool.exports.add(1, 2)

        asyncio.run(main())
        gate.opened.set()
        with pytest.raises(AddonTimeout):
            late.result()
        assert unbounded.result() == 3


def test_task_that_never_ends_is_ended_by_its_timeout() -> None:
    with AddonPool(addon_path("bench"), workers=1, timeout=0.1) as pool:
        endless = pool.submit(lambda exports: host(exports).run_script("for (;;);"))
        with pytest.raises(AddonTimeout):
            endless.result()
        assert pool.submit("add", 1, 2).result() == 3


def test_cancelled_task_is_not_run(pool: AddonPool) -> None:
    gate = Gate()
    gate.hold(pool, 2)
    ran: list[int] = []
    task = pool.submit(lambda exports: ran.append(1))
    assert task.cancel()
    gate.opened.set()
    assert pool.submit("add", 1, 2).result() == 3
    assert ran == []
    assert task.cancelled()


def test_shutdown_drains() -> None:
    pool = AddonPool(addon_path("bench"), workers=2)
    before = pids(pool)
    tasks = [pool.submit("add", n, 1) for n in range(100)]
    pool.shutdown()
    assert [task.result() for task in tasks] == [n + 1 for n in range(100)]
    assert not any(is_running(pid) for pid in before)
    with pytest.raises(RuntimeError, match=r"the pool of bench.node was shut down"):
        pool.submit("add", 1, 2)
    with pytest.raises(RuntimeError, match="was shut down"):
        asyncio.run(pool.call("add", 1, 2))
    pool.shutdown()
    assert not any(worker.alive for worker in pool.stats().workers)


def test_shutdown_that_cancels() -> None:
    pool = AddonPool(addon_path("bench"), workers=2)
    gate = Gate()
    held = gate.hold(pool, 2)
    tasks = [pool.submit("add", n, 1) for n in range(20)]
    pool.shutdown(wait=False, cancel_futures=True)
    assert all(task.cancelled() for task in tasks)
    gate.opened.set()
    pool.shutdown()
    assert [task.result() for task in held] == ["opened", "opened"]


def test_shutdown_with_a_limit_ends_what_never_ends() -> None:
    pool = AddonPool(addon_path("bench"), workers=2)
    before = pids(pool)
    endless = [pool.submit(lambda exports: host(exports).run_script("for (;;);")) for _ in "ab"]
    waiting = pool.submit("add", 1, 2)
    while not all(task.running() for task in endless):
        time.sleep(0.01)
    pool.shutdown(timeout=0.1)
    assert waiting.cancelled()
    for task in endless:
        with pytest.raises(Exception, match=r"closed|crashed"):
            task.result(10)
    assert not any(is_running(pid) for pid in before)


def test_waiter_for_room_is_refused_at_shutdown() -> None:
    pool = AddonPool(addon_path("bench"), workers=1, max_pending=1)
    gate = Gate()
    gate.hold(pool, 1)
    kept = pool.submit("add", 1, 2)

    async def main() -> None:
        waiting = asyncio.ensure_future(pool.call("add", 1, 2))
        await asyncio.sleep(0)
        pool.shutdown(wait=False)
        with pytest.raises(RuntimeError, match="was shut down"):
            await waiting

    asyncio.run(main())
    gate.opened.set()
    assert kept.result() == 3
    pool.shutdown()


def test_pool_that_is_dropped_ends() -> None:
    pool = AddonPool(addon_path("bench"), workers=2)
    before, task, gone = pids(pool), pool.submit("add", 1, 2), weakref.ref(pool)
    del pool
    gc.collect()
    assert gone() is None
    assert task.result() == 3
    eventually(lambda: not any(is_running(pid) for pid in before))


def test_program_that_forgets_its_pool_ends() -> None:
    program = f"""
from napi_python import AddonPool, host
pool = AddonPool({str(addon_path("bench"))!r}, workers=2)
for _ in range(3): pool.submit(lambda exports: host(exports).run_script("for (;;);"))
print(pool.submit, flush=True)
"""
    start = time.monotonic()
    done = run_program(program)
    assert (done.returncode, done.stderr) == (0, "")
    assert time.monotonic() - start < 20


@pytest.mark.parametrize("workers", [0, -1, 1000, 2.0, True, None])
def test_number_of_workers_is_checked(workers: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="workers must be an int between 1 and 256"):
        AddonPool(addon_path("bench"), workers=workers)


def test_other_arguments_are_checked(tmp_path: Path, pool: AddonPool) -> None:
    path = addon_path("bench")
    with pytest.raises(ValueError, match="max_pending must be"):
        AddonPool(path, max_pending=0)
    with pytest.raises(ValueError, match="on_full must be"):
        AddonPool(path, on_full="drop")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="path_or_package must be"):
        AddonPool(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="root is for packages"):
        AddonPool(path, root=tmp_path)
    with pytest.raises(ValueError, match="timeout must be > 0"):
        AddonPool(path, timeout=-1)
    with pytest.raises(TypeError, match="a task must be the name of an export or callable"):
        pool.submit(3)  # type: ignore[arg-type]
    with (
        load_addon(addon_path("crash")) as other,
        pytest.raises(ValueError, match="is an export of"),
    ):
        pool.submit(other.nullPointer)
    with AddonPool(path, workers=1) as second, pytest.raises(ValueError, match="another pool"):
        pool.submit(second.exports.add, 1, 2)
    with pytest.raises(pickle.PicklingError, match="make a pool in the other process"):
        pickle.dumps(pool)


def test_worker_that_cannot_start_ends_the_others(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with pytest.raises(LoadError):
        AddonPool(tmp_path / "nothing.node")
    with pytest.raises(LoadError):
        AddonPool("no-such-package", root=tmp_path)
    started: list[Any] = []

    def fail(addon: Any) -> None:
        started.append(host(addon))
        if len(started) == 3:
            raise OSError("the third one fails")

    with pytest.raises(OSError, match="the third one fails"):
        AddonPool(addon_path("bench"), workers=3, on_start=fail)
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith("napi-python-pool"):
            thread.join(20)
    assert len(started) == 3
    assert all(one.pid is None for one in started)


def test_worker_without_restarts_leaves_the_tasks_to_others() -> None:
    with AddonPool(addon_path("crash"), workers=2, restart="never") as pool:
        with pytest.raises(AddonCrashed):
            pool.submit("nullPointer").result()
        script = "1 + 1"
        tasks = [pool.submit(lambda exports: host(exports).run_script(script)) for _ in range(40)]
        assert [task.result() for task in tasks] == [2] * 40
        # The task is done before its worker has tried to start another process.
        eventually(lambda: [worker.alive for worker in pool.stats().workers].count(True) == 1)
        last = pool.submit("nullPointer")
        waiting = [pool.submit(lambda exports: host(exports).run_script("1")) for _ in range(5)]
        with pytest.raises(AddonCrashed):
            last.result()
        for task in waiting:
            with pytest.raises(concurrent.futures.BrokenExecutor, match="can be restarted") as got:
                task.result()
            assert isinstance(got.value.__cause__, AddonCrashed)
        with pytest.raises(concurrent.futures.BrokenExecutor, match="can be restarted"):
            pool.submit("nullPointer")


def test_restart_policy_applies_to_each_worker() -> None:
    policy = RestartPolicy(max=2)
    with AddonPool(addon_path("crash"), workers=1, restart=policy) as pool:
        crashes = [pool.submit("nullPointer") for _ in range(5)]
        outcomes = [type(task.exception()).__name__ for task in crashes]
    assert set(outcomes) == {"AddonCrashed", "BrokenExecutor"}
    assert outcomes.count("AddonCrashed") in (2, 3)


def test_forked_child_is_told(pool: AddonPool) -> None:
    def child() -> None:
        with pytest.raises(RuntimeError, match="a forked child has none of its workers"):
            pool.submit("add", 1, 2)
        pool.shutdown()
        with AddonPool(addon_path("bench"), workers=1) as own:
            assert own.submit("add", 1, 2).result() == 3

    assert forked(child) == 0
    assert pool.submit("add", 1, 2).result() == 3


def test_callback_of_a_task_may_submit_but_not_wait_for_itself() -> None:
    with AddonPool(addon_path("bench"), workers=1) as pool:
        inner: list[PoolFuture] = []

        def submit(value: int) -> int:
            inner.append(pool.submit("add", value, 1))
            return value

        assert pool.submit("callOnce", submit, 4).result() == 4
        assert inner[0].result() == 5

        def wait(value: int) -> Any:
            return pool.submit("add", value, 1).result()

        with pytest.raises(RuntimeError, match="deadlock: all workers of the pool"):
            pool.submit("callOnce", wait, 4).result()

        def end(value: int) -> int:
            pool.shutdown()
            return value

        with pytest.raises(RuntimeError, match="cannot wait for the end of its own pool"):
            pool.submit("callOnce", end, 4).result()
    with AddonPool(addon_path("bench"), workers=2) as pool:
        assert pool.submit("callOnce", wait, 4).result() == 5
    with AddonPool(addon_path("bench"), workers=1, max_pending=1) as pool:

        def fill(value: int) -> int:
            pool.submit("add", 1, 2)
            pool.submit("add", 1, 2)
            return value

        with pytest.raises(RuntimeError, match="is full, and this is a callback"):
            pool.submit("callOnce", fill, 4).result()


def test_buffers_cross_without_a_copy() -> None:
    with AddonPool(addon_path("bench"), workers=2, buffers="64 MiB") as pool:
        image = pool.buffers.copy(np.full((1024, 1024), 3, "uint8"))
        totals: list[int] = list(pool.map("sumBuffer", [image] * 8))
        assert totals == [3 << 20] * 8
        pool.submit("changeBuffer", image).result()
        assert pool.buffers is pool.buffers
    assert pool.buffers.closed
    with (
        BufferPool("16 MiB") as buffers,
        AddonPool(addon_path("bench"), workers=1, buffers=buffers) as pool,
    ):
        assert pool.buffers is buffers
        pool.shutdown()
        assert not buffers.closed


def test_in_process_workers() -> None:
    with AddonPool(addon_path("bench"), workers=2, isolated=False, thread="caller") as pool:
        assert list(pool.map("add", range(20), range(20))) == [2 * n for n in range(20)]
        assert pids(pool) == [os.getpid()] * 2


def test_ten_thousand_tasks_with_a_hundred_kills() -> None:
    """Every future ends, with the result or the crash of its own process, and nothing is left."""
    chance = random.Random(20)
    with AddonPool(addon_path("bench"), workers=2, max_pending=200) as pool:
        killed = 0
        seen = set(pids(pool))
        tasks = []
        for number in range(10_000):
            tasks.append(pool.submit("add", number, 1))
            if number % 100 == 50:
                running = pids(pool)
                seen.update(running)
                # It may have ended meanwhile.
                with contextlib.suppress(ProcessLookupError, IndexError):
                    os.kill(chance.choice(running), signal.SIGKILL)
                    killed += 1
        outcomes = [task.exception(60) for task in tasks]
        failed = [error for error in outcomes if error is not None]
        assert all(isinstance(error, AddonCrashed) for error in failed)
        assert killed > 80
        # A kill between two tasks fails none; one fails as many as run at a time in its process.
        assert len(failed) <= killed
        good = [n for n, error in enumerate(outcomes) if error is None]
        assert all(tasks[n].result() == n + 1 for n in good)
        restarts = sum(worker.restarts for worker in pool.stats().workers)
        assert 0 < restarts <= killed
        seen.update(pids(pool))
    assert not any(is_running(pid) for pid in seen)
    assert not [one for one in threading.enumerate() if one.name.startswith("napi-python-pool")]
    references = [weakref.ref(task) for task in tasks]
    del tasks, outcomes, failed
    gc.collect()
    assert not any(reference() is not None for reference in references)
