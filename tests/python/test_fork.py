"""Forked, spawned and replaced processes: each has its own host."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from conftest import addon_path, run_program
from processes import gone_within, killed_client

HERE = Path(__file__).parent
HEAD = f"""
import gc, multiprocessing, os, sys, threading, time
from concurrent.futures import ProcessPoolExecutor
from napi_python import AddonCrashed, StaleHandleError, host, load_addon
sys.path.append({str(HERE)!r})
from children import forked as child
PATH = {str(addon_path("crash"))!r}
"""


def run(body: str, seconds: float = 60) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", HEAD + textwrap.dedent(body)],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_child_has_a_host_of_its_own_and_stale_objects() -> None:
    out = run(
        """
        addon = load_addon(PATH)
        thing = host(addon).run_script("new (class A { constructor() { this.x = 1; } })")
        first = host(addon).pid
        def work():
            assert host(addon).pid is None
            try: thing.x
            except StaleHandleError: pass
            else: raise AssertionError("not stale")
            assert addon.add(1, 2) == 3
            assert addon.call(lambda: addon.add(1, 2)) == 3
            assert host(addon).pid not in (None, first)
            try: addon.nullPointer()
            except AddonCrashed: pass
            assert addon.add(1, 2) == 3
            host(addon).close()
        print(child(work), thing.x, addon.add(2, 2), host(addon).pid == first)
        """
    )
    assert out == "0 1 4 True"


def test_child_that_does_nothing_leaves_the_parent_alone() -> None:
    out = run(
        """
        addon = load_addon(PATH)
        things = [host(addon).run_script("new (class A {})") for _ in range(50)]
        def work():
            global things, addon
            things = None
            gc.collect()
            host(addon).close()
            addon = None
            gc.collect()
        first = host(addon).pid
        for _ in range(5):
            assert child(work) == 0
        del things
        gc.collect()
        print(addon.add(1, 2), host(addon).pid == first, host(addon).generation)
        """
    )
    assert out == "3 True 1"


def test_child_ends_like_a_program() -> None:
    out = run(
        """
        addon = load_addon(PATH)
        pid = os.fork()
        if pid == 0:
            assert addon.add(1, 2) == 3
            sys.exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        print(code, addon.add(1, 2), host(addon).generation)
        """
    )
    assert out == "0 3 1"


def test_fork_inside_a_callback() -> None:
    """The frames of the parent that unwind in the child write nothing."""
    out = run(
        """
        addon = load_addon(PATH)
        first = host(addon).pid
        def callback():
            global forked
            forked = os.fork()
            return 7
        try:
            found = addon.call(callback)
        except BaseException as error:
            found = type(error).__name__
        if forked == 0:
            ok = found not in (7, None) and addon.add(1, 2) == 3 and host(addon).pid != first
            os._exit(0 if ok else 1)
        code = os.waitstatus_to_exitcode(os.waitpid(forked, 0)[1])
        print(code, found, addon.add(1, 2), host(addon).generation)
        """
    )
    assert out == "0 7 3 1"


def test_promise_of_the_parent_fails_in_the_child_at_once() -> None:
    out = run(
        """
        import asyncio, signal
        addon = load_addon(PATH)
        script = host(addon).run_script
        pending = script("new Promise(done => { globalThis.done = done; })")
        # Its host got no request for it.
        other = script("[new Promise(() => 0)]")[0]
        settled = script("Promise.resolve(5)")
        assert settled.result() == 5
        async def wait(promise): return await promise
        def refused(wait):
            try: wait()
            except StaleHandleError as error: assert "forked process" in str(error)
            else: raise AssertionError("not refused")
        def work():
            signal.alarm(20)
            for promise in (pending, other):
                refused(promise.result)
                refused(lambda: asyncio.run(wait(promise)))
                assert promise.done()
            assert settled.result() == 5
            assert script("new Promise(done => setTimeout(done, 5, 'own'))").result(20) == "own"
            refused(pending.result)
            host(addon).close()
        code = child(work)
        assert not pending.done()
        script("done(7)")
        print(code, pending.result(20), asyncio.run(wait(pending)))
        """
    )
    assert out == "0 7 7"


def test_fork_while_a_promise_is_waited_for() -> None:
    """By a signal's handler, on the stack of `result()`; and by a thread beside it."""
    out = run(
        """
        import signal
        addon = load_addon(PATH)
        script = host(addon).run_script
        pending = script("new Promise(done => { globalThis.done = done; })")
        others = [threading.Thread(target=pending.result, daemon=True) for _ in range(3)]
        for thread in others: thread.start()
        def fork(*_):
            global forked
            forked = os.fork()
            if forked: threading.Timer(0.01, script, ["done(7)"]).start()
            else: signal.alarm(20)
        signal.signal(signal.SIGUSR1, fork)
        threading.Timer(0.05, signal.raise_signal, [signal.SIGUSR1]).start()
        try: found = pending.result(60)
        except StaleHandleError: found = "stale"
        if forked == 0:
            os._exit(0 if found == "stale" else 1)
        for thread in others: thread.join(20)
        print(os.waitstatus_to_exitcode(os.waitpid(forked, 0)[1]), found)
        """
    )
    assert out == "0 7"


def test_fork_while_threads_call() -> None:
    out = run(
        """
        addon = load_addon(PATH)
        done = False
        calls = 0
        def busy():
            global calls
            while not done:
                assert addon.call(lambda: addon.add(1, 2)) == 3
                calls += 1
        threads = [threading.Thread(target=busy) for _ in range(3)]
        for thread in threads: thread.start()
        def work():
            assert addon.add(1, 2) == 3
            host(addon).close()
        codes = [child(work) for _ in range(10)]
        done = True
        for thread in threads: thread.join(20)
        print(codes == [0] * 10, calls > 0, host(addon).generation)
        """
    )
    assert out == "True True 1"


def test_grandchildren() -> None:
    out = run(
        """
        addon = load_addon(PATH)
        def deeper():
            assert addon.add(1, 2) == 3
        def work():
            assert addon.add(1, 2) == 3
            assert child(deeper) == 0
            assert addon.add(1, 2) == 3
        print(child(work), addon.add(1, 2))
        """
    )
    assert out == "0 3"


def test_parent_ends_before_the_child() -> None:
    out = run(
        """
        addon = load_addon(PATH)
        out = os.dup(1)
        if os.fork() == 0:
            assert addon.add(1, 2) == 3
            time.sleep(0.5)
            os.write(out, b"%d\\n" % addon.add(2, 2))
            host(addon).close()
            os._exit(0)
        """
    )
    assert out == "4"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(method: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        HEAD
        + textwrap.dedent(
            f"""
            addon = load_addon(PATH)

            def work(number):
                return addon.add(number, 1), host(addon).pid

            if __name__ == "__main__":
                context = multiprocessing.get_context({method!r})
                with context.Pool(2) as pool:
                    found = pool.map(work, range(20))
                with ProcessPoolExecutor(2, mp_context=context) as pool:
                    found += pool.map(work, range(20))
                assert [value for value, _ in found] == list(range(1, 21)) * 2
                assert host(addon).pid not in [pid for _, pid in found]
                print(addon.add(1, 2), host(addon).generation)
            """
        )
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(program)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "3 1"


def test_crash_is_noticed_while_a_forked_child_lives() -> None:
    """The child holds the connection to the host open."""
    out = run(
        """
        addon = load_addon(PATH)
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
        for _ in range(3):
            begun = time.monotonic()
            try: addon.nullPointer()
            except AddonCrashed as error: assert error.signal_name == "SIGSEGV"
            assert addon.add(1, 2) == 3
        print(time.monotonic() - begun < 5, host(addon).generation)
        os.kill(child, 9)
        """
    )
    assert out == "True 4"


def test_host_dies_with_its_client_while_a_forked_child_lives() -> None:
    body = """
        addon = load_addon(PATH)
        print(host(addon).pid, flush=True)
        if os.fork() == 0:
            os.close(1)
        time.sleep(60)
    """
    # The pipe ends when the child has closed its side and the client is gone.
    with killed_client(HEAD + textwrap.dedent(body)) as pid:
        assert gone_within(pid, 2)


DETACH = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
static pid_t parent;
__attribute__((constructor)) static void begin(void) { parent = getpid(); }
int pthread_detach(pthread_t thread) {
  if (getpid() != parent) abort();
  return ((int (*)(pthread_t))dlsym(RTLD_NEXT, "pthread_detach"))(thread);
}
"""

FORKED_WITH_THREADS = """
import os, sys, warnings
from napi_python import load_addon
warnings.simplefilter("ignore")
load_addon(sys.argv[1])  # A thread closes what is dropped.
child = os.fork()
if child == 0:
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_child_does_not_detach_threads_of_its_parent(tmp_path: Path) -> None:
    # The C library may have unmapped them: rarely, the child crashed in its first instructions.
    library = tmp_path / "detach.so"
    source = tmp_path / "detach.c"
    source.write_text(DETACH, encoding="ascii")
    command = ["cc", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True, timeout=60)
    settings = {**os.environ, "LD_PRELOAD": str(library)}
    path = addon_path("primitive")
    done = run_program(FORKED_WITH_THREADS, path, env=settings, timeout=60)
    assert done.stdout == "7\n", done.stderr
