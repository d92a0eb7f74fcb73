"""The interpreter ends within three seconds whatever goes on, and leaves no process."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

import pytest
from conftest import addon_path
from processes import Watch, marked

SECONDS = 3.0

# Where the program comes to its end, and the addons with which it does.
HEAD = f"""
import asyncio, atexit, logging, os, signal, sys, threading, time
from napi_python import aio, host, load_addon, on_uncaught
order = load_addon({str(addon_path("order"))!r})
crash = load_addon({str(addon_path("crash"))!r})
atexit.register(lambda: print(time.monotonic(), file=sys.__stdout__, flush=True))
def daemon(function, *args):
    def work():
        # Calls end with their process, while threads may still say so.
        try: function(*args)
        except Exception: pass
    threading.Thread(target=work, daemon=True).start()
inside = threading.Event()
def go_on(*_):
    inside.set()
    while True: time.sleep(0.0005)
"""

STATES = {
    "idle": "",
    "threadsafe function": """
        received = threading.Event()
        order.eventsForever(lambda _: received.set())
        assert received.wait(30)
    """,
    "threadsafe function that is slow": """
        received = threading.Event()
        order.eventsForever(lambda _: (received.set(), time.sleep(60)))
        assert received.wait(30)
    """,
    "promise pending": """
        promise = host(order).run_script("new Promise(() => 0)")
        assert not promise.done()
        daemon(promise.result, 60)
    """,
    "promise awaited": """
        promise = host(order).run_script("new Promise(() => 0)")
        waiting = threading.Event()
        async def wait():
            waiting.set()
            await promise
        daemon(lambda: asyncio.run(wait()))
        assert waiting.wait(30)
    """,
    "async work": "for _ in range(8): order.workForever(lambda: None)",
    "callback": """
        daemon(crash.call, lambda: (inside.set(), time.sleep(60)))
        assert inside.wait(30)
    """,
    "callback that goes on": """
        daemon(crash.call, go_on)
        assert inside.wait(30)
    """,
    "calls that go on": """
        def calls():
            while True:
                inside.set()
                try: host(order).run_script("1")
                except Exception: pass
        daemon(calls)
        assert inside.wait(30)
    """,
    "conversion that goes on": """
        class Number:
            def __index__(self): go_on()
        daemon(order.makeCallback, Number())
        assert inside.wait(30)
    """,
    "hook that goes on": """
        on_uncaught(go_on)
        host(order).run_script("setTimeout(() => { throw new Error('x') }, 1)")
        assert inside.wait(30)
    """,
    "output that goes on": """
        class Output:
            write = go_on
            def flush(self): pass
        sys.stdout = Output()
        host(order).run_script("console.log('x')")
        assert inside.wait(30)
    """,
    "unraisable hook that goes on": """
        class Handler(logging.Handler):
            def handle(self, record): raise ValueError
        sys.unraisablehook = go_on
        logging.getLogger("napi_python").addHandler(Handler())
        logging.getLogger("napi_python").setLevel(1)
        host(order).run_script("console.log('x')")
        assert inside.wait(30)
    """,
    "destructor that goes on in a turn": """
        dropped = threading.Event()
        class Lent:
            def __call__(self, *_): dropped.wait(30)
            def __del__(self): go_on()
        order.eventsOfThread(Lent(), 1)
        # The last reference is that of the turn.
        dropped.set()
        assert inside.wait(30)
    """,
    "destructor that goes on at a crash": """
        class Lent:
            def __call__(self, *_): pass
            def __del__(self): go_on()
        order.open(Lent(), lambda: None, 0)
        os.kill(host(order).pid, signal.SIGKILL)
        assert inside.wait(30)
    """,
    "steps that go on": """
        def steps():
            while True:
                inside.set()
                time.sleep(0.0005)
                yield from ()
        daemon(host(order).run_script("(all) => [...all]"), steps())
        assert inside.wait(30)
    """,
    "hung in native code": """
        daemon(crash.loopForever)
        time.sleep(0.05)
    """,
    "hung in JavaScript": """
        daemon(host(order).run_script, "for (;;) {}")
        time.sleep(0.05)
    """,
    "several hung": """
        hung = [load_addon(crash_path) for _ in range(3)]
        for one in hung: daemon(one.deadlock)
        daemon(crash.loopForever)
        time.sleep(0.05)
    """,
    "dropped while it hung": """
        daemon(crash.loopForever)
        time.sleep(0.05)
        del crash
    """,
}


def _program(body: str) -> str:
    lines = [line[8:] if line.startswith(" " * 8) else line for line in body.splitlines()]
    return f"{HEAD}crash_path = {str(addon_path('crash'))!r}\n" + "\n".join(lines)


def _exit_once(program: str, mark: str) -> float:
    """Runs a program and returns how long its exit took."""
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NAPI_TEST_MARK": mark},
    ) as python:
        with Watch([python.pid]) as watch:
            out, errors = python.communicate(timeout=60)
            ended = watch.last_end(0)
        # What the host gave up is said there; nothing else is.
        assert python.returncode == 0, errors
        assert "Traceback" not in errors
        assert "crashed" not in errors
    with Watch(marked(mark)) as left:
        left.last_end(1)
    assert not marked(mark)
    # What addons printed is shown before.
    return ended - float(out.split()[-1])


# Each program has a limit of its own; an option says how many there are.
@pytest.mark.timeout(0)
@pytest.mark.parametrize("state", STATES)
def test_exit(
    state: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    times = request.config.getoption("--exits")
    program = _program(STATES[state])
    taken = [_exit_once(program, f"napi-exit-{os.getpid()}-{n}") for n in range(times)]
    if times > 1:
        with capsys.disabled():
            median, worst = statistics.median(taken), max(taken)
            print(f" [{state}: {median:.2f} s, at most {worst:.2f} s]", end="")
    assert max(taken) < SECONDS
