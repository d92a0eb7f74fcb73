"""The end: of hosts, of the interpreter, of the client by force; and nothing that is left."""

from __future__ import annotations

import os
import random
import signal
import statistics
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from conftest import addon_path
from napi_python import AddonCrashed, StaleHandleError, host, load_addon
from processes import Watch, children, gone_within, is_alive, marked, settled

CRASH = str(addon_path("crash"))
# Linux 6.15 and later keep the exit status of a process for its pidfd.
KERNEL = tuple(int(part) for part in os.uname().release.split(".")[:2])

HEAD = f"""
import os, signal, sys, threading, time
from napi_python import AddonCrashed, host, load_addon
addon = load_addon({CRASH!r})
print(host(addon).pid, flush=True)
"""


def run(body: str) -> tuple[subprocess.CompletedProcess[str], float, int]:
    """Runs a program to its end; returns also how long that took, and the host's process."""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", HEAD + textwrap.dedent(body)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done, time.monotonic() - started, int(done.stdout.split()[0])


@pytest.mark.parametrize(
    "body",
    [
        "",
        "keep = [host(addon).run_script('new (class A {})') for _ in range(100)]",
        "host(addon).run_script('new Promise(() => {})').done()",
        "threading.Thread(target=addon.loopForever, daemon=True).start(); time.sleep(0.2)",
        "threading.Thread(target=addon.deadlock, daemon=True).start(); time.sleep(0.2)",
        "threading.Thread(target=addon.call, args=(lambda: time.sleep(9),), daemon=True).start()",
        "host(addon).close()",
        "addon.__exit__(None, None, None)",
        "del addon",
        "sys.exit(0)",
        "import atexit; atexit.register(lambda: addon.add(1, 2))",
        "import atexit; atexit.register(host(addon).close)",
        "globals()['late'] = type('L', (), {'__del__': lambda s: addon and addon.add})()",
    ],
)
def test_interpreter_ends_in_time_and_leaves_nothing(body: str) -> None:
    done, took, pid = run(body)
    assert done.returncode == 0, done.stderr
    assert took < 5
    assert gone_within(pid, 1)


def test_end_by_an_exception_and_by_os_exit() -> None:
    done, _, pid = run("1 / 0")
    assert done.returncode == 1
    assert gone_within(pid, 1)
    done, _, pid = run("os._exit(3)")
    assert done.returncode == 3
    assert gone_within(pid, 1)


def test_exit_in_a_callback() -> None:
    done, took, pid = run("addon.call(lambda: sys.exit(5))")
    assert done.returncode == 5, done.stderr
    assert took < 5
    assert gone_within(pid, 1)


def test_exec_leaves_no_host() -> None:
    done, _, pid = run("os.execv(sys.executable, [sys.executable, '-c', 'print(\"other\")'])")
    assert done.returncode == 0
    assert done.stdout.split()[1] == "other"
    assert gone_within(pid, 1)


def test_cleanup_hooks_run_when_it_is_closed(capfd: pytest.CaptureFixture[str]) -> None:
    with load_addon(CRASH) as loaded:
        pid = host(loaded).pid
        assert pid is not None
    assert gone_within(pid, 1)
    with pytest.raises(StaleHandleError, match="closed"):
        loaded.add(1, 2)
    assert "Traceback" not in capfd.readouterr().err


def test_close_ends_a_host_that_hangs() -> None:
    loaded = load_addon(CRASH)
    pid = host(loaded).pid
    assert pid is not None

    def hang() -> None:
        with pytest.raises((AddonCrashed, StaleHandleError)):
            loaded.loopForever()

    thread = threading.Thread(target=hang)
    thread.start()
    time.sleep(0.2)
    started = time.monotonic()
    host(loaded).close()
    assert time.monotonic() - started < 4
    thread.join(10)
    assert not thread.is_alive()
    assert gone_within(pid, 1)


def test_callback_that_runs_when_it_is_closed_is_still_answered() -> None:
    """A close lets the call that is under way come to its end."""
    loaded = load_addon(CRASH)
    inside, closing = threading.Event(), threading.Event()
    found: list[object] = []

    def callback() -> int:
        inside.set()
        closing.wait(10)
        return 7

    calling = threading.Thread(target=lambda: found.append(loaded.call(callback)))
    calling.start()
    assert inside.wait(10)
    closer = threading.Thread(target=host(loaded).close)
    closer.start()
    end = time.monotonic() + 10
    while host(loaded).pid is not None and time.monotonic() < end:
        time.sleep(0.001)
    closing.set()
    calling.join(10)
    closer.join(10)
    assert found == [7]


@pytest.mark.parametrize(
    "prepare",
    [
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
        """
def reap(*_):
    try:
        while os.waitpid(-1, os.WNOHANG)[0]: pass
    except ChildProcessError: pass
signal.signal(signal.SIGCHLD, reap)
""",
        """
def reap():
    while True:
        try: os.waitpid(-1, 0)
        except ChildProcessError: time.sleep(0.001)
threading.Thread(target=reap, daemon=True).start()
""",
    ],
    ids=["ignored", "handler", "thread"],
)
def test_status_taken_by_someone_else(prepare: str) -> None:
    body = (
        f"""
STATUS_IS_KEPT = {KERNEL >= (6, 15)}"""
        """
for n in range(5):
    try:
        addon.nullPointer()
    except AddonCrashed as error:
        if STATUS_IS_KEPT:
            assert error.signal_name == "SIGSEGV", error
        elif error.signal_name is None:
            assert (error.reason or "").startswith("exit status unknown: "), error
    assert addon.add(1, n) == 1 + n
print("survived", host(addon).generation)
"""
    )
    done, took, pid = run(prepare + body)
    assert done.stdout.split()[1:] == ["survived", "6"], done.stderr
    assert done.returncode == 0
    assert took < 10
    assert gone_within(pid, 1)


def test_client_that_is_stopped_for_five_seconds() -> None:
    """Its host waits, and events of the addon's threads are delivered afterwards."""
    body = f"""
order = load_addon({str(addon_path("order"))!r})
received, reported = [], 0
end = time.monotonic() + 7
while time.monotonic() < end:
    assert addon.call(lambda: addon.add(1, 2)) == 3
    if reported < 10_000:
        order.eventsOfThread(received.append, 10)
        reported += 10
end = time.monotonic() + 30
while len(received) < reported and time.monotonic() < end: time.sleep(0.01)
print(reported - len(received), host(addon).generation, host(order).generation)
"""
    with subprocess.Popen(
        [sys.executable, "-c", HEAD + body], stdout=subprocess.PIPE, text=True
    ) as python:
        assert python.stdout is not None
        pid = int(python.stdout.readline())
        for seconds in (0.2, 5.2):
            time.sleep(0.2)
            python.send_signal(signal.SIGSTOP)
            time.sleep(seconds)
            assert is_alive(pid)
            python.send_signal(signal.SIGCONT)
        assert python.stdout.read() == "0 1 1\n"
        assert python.wait(20) == 0
    assert gone_within(pid, 1)


def test_handler_of_the_end_that_waits_for_a_call() -> None:
    """The call fails when the addon is closed, if late, so that the handler goes on."""
    body = f"""
import atexit, threading
def wait():
    thread.join()
    print("joined")
atexit.register(wait)
from napi_python import load_addon
addon = load_addon({str(CRASH)!r})
thread = threading.Thread(target=lambda: addon.call(inside.set) or addon.sleep(60_000), daemon=True)
inside = threading.Event()
thread.start()
inside.wait(30)
"""
    done = subprocess.run(
        [sys.executable, "-c", body], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (0, "joined\n"), done.stderr
    assert "StaleHandleError" in done.stderr or "AddonCrashed" in done.stderr


def test_host_that_is_stopped_for_a_while() -> None:
    with load_addon(CRASH) as loaded:
        pid = host(loaded).pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        threading.Timer(0.5, os.kill, (pid, signal.SIGCONT)).start()
        assert loaded.add(1, 2) == 3
        assert host(loaded).generation == 1


# Each wait has a limit of its own; an option says how many there are.
@pytest.mark.timeout(0)
def test_no_orphan_whenever_the_client_is_killed(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    """`kill -9` of Python at random moments: while it loads, calls, is called, closes."""
    body = """
def work():
    while True:
        addon.call(lambda: addon.add(1, 2))
for _ in range(2):
    threading.Thread(target=work, daemon=True).start()
while True:
    try: addon.abort() if time.time_ns() % 3 == 0 else addon.add(1, 2)
    except AddonCrashed: pass
"""
    seed = random.randrange(2**32)
    moments = random.Random(seed)
    taken: list[float] = []
    moments_wanted = request.config.getoption("--moments")
    number = 0
    # At some moments there is no host, not yet or between two: they do not count.
    while len(taken) < moments_wanted:
        number += 1
        assert number <= 10 * moments_wanted, "there is never a host to be killed"
        mark = f"napi-test-{os.getpid()}-{number}"
        with subprocess.Popen(
            [sys.executable, "-c", HEAD + body],
            stdout=subprocess.PIPE,
            env={**os.environ, "NAPI_TEST_MARK": mark},
        ) as python:
            assert python.stdout is not None
            if number % 4:
                # Else also before its first host.
                python.stdout.readline()
            time.sleep(moments.uniform(0.0, 0.5))
            with Watch(children(python.pid)) as known:
                killed = time.monotonic()
                python.kill()
                gone = known.last_end(5)
            python.wait()
            # What was started between the look and the kill, be it a program yet or not.
            with Watch(marked(mark)) as late:
                if late:
                    gone = late.last_end(5)
            if known or late:
                taken.append(gone - killed)
        assert not marked(mark), seed
    median, worst = statistics.median(taken), max(taken)
    with capsys.disabled():
        text = f"{len(taken)} hosts gone in {1e3 * median:.1f} ms, at most {1e3 * worst:.1f} ms"
        print(f" [{text}]", end="")
    # Other programs of the machine may hold one of them up.
    assert median < 0.1, (seed, sorted(taken)[-10:])
    assert worst < 1, (seed, sorted(taken)[-10:])


def _cycle() -> None:
    with load_addon(CRASH) as loaded:
        assert loaded.call(lambda: loaded.add(1, 2)) == 3


def test_a_hundred_starts_and_stops_leave_nothing() -> None:
    _cycle()
    baseline = settled()
    for _ in range(100):
        _cycle()
    assert settled(baseline) == baseline


def test_crashes_leave_nothing() -> None:
    _cycle()
    baseline = settled()
    with load_addon(CRASH) as loaded:
        for _ in range(50):
            with pytest.raises(AddonCrashed):
                loaded.nullPointer()
            assert loaded.add(1, 2) == 3
    assert settled(baseline) == baseline


def test_dropped_addons_leave_nothing() -> None:
    _cycle()
    baseline = settled()
    for _ in range(20):
        loaded = load_addon(CRASH)
        assert loaded.add(1, 2) == 3
        del loaded
    assert settled(baseline) == baseline
