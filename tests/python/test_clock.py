"""A wall clock that jumps does not affect deadlines, timeouts and timers of either process."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest
from conftest import addon_path, run_program

PROGRAM = """
import asyncio, contextlib, itertools, mmap, os, struct, sys, threading, time
from napi_python import (AddonCrashed, AddonTimeout, RestartPolicy, Sandbox, SandboxUnavailable,
                         aio, deadline, host, load_addon)

policy, crash, order = sys.argv[1:]
YEAR = 365 * 24 * 3600
names = {name: os.environ[name] for name in ("LD_PRELOAD", "CLOCK_OFFSET")}
file = open(names["CLOCK_OFFSET"], "r+b")
memory = mmap.mmap(file.fileno(), 8)
over = threading.Event()
seen = {"client": set(), "host": set()}

def jump():
    for years in itertools.cycle((10, -10, 0, 1, -1)):
        if over.wait(0.003):
            return
        memory[:] = struct.pack("<q", years * YEAR)

def took(least, most, work, *errors):
    begun = time.monotonic()
    with contextlib.suppress(*errors):
        work()
    passed = time.monotonic() - begun
    assert least <= passed <= most, (work, passed)

options = {"sandbox": policy}
if policy != "none":
    options["sandbox"] = Sandbox(policy=policy, env=names, read=list(names.values()))
threading.Thread(target=jump, daemon=True).start()
try:
    first = load_addon(crash, start_timeout=20, restart=RestartPolicy(9, 300.0, 0.2), **options)
except SandboxUnavailable as error:
    sys.exit(f"unavailable: {error}")
with first as addon, load_addon(order, **options) as events:
    run = host(events).run_script
    for _ in range(200):
        time.sleep(0.001)
        seen["client"].add(round((time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)) / YEAR))
        seen["host"].add(round(run("Date.now()") / 1000 / YEAR))
    assert len(seen["client"]) == len(seen["host"]) == 5, seen

    def limited(seconds, work):
        with deadline(seconds):
            work()

    took(0.3, 3, lambda: limited(0.3, lambda: run("for (;;) {}")), AddonTimeout)
    took(0.3, 3, lambda: limited(0.3, addon.loopForever), AddonTimeout)
    assert addon.add(1, 2) == 3
    never = run("new Promise(() => {})")
    took(0.3, 3, lambda: never.result(0.3), AddonTimeout)
    took(0.298, 3, lambda: run("new Promise(done => setTimeout(done, 300))").result())
    took(0.298, 3, lambda: run("new Promise(done => { let n = 0;"
                             "const t = setInterval(() => ++n > 2 && (clearInterval(t), done()),"
                             "100) })").result())

    async def on_the_loop():
        await aio(run)("1")
        with contextlib.suppress(AddonTimeout), deadline(0.3):
            await never
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(never, 0.3)
        await run("new Promise(done => setTimeout(done, 300))")

    took(0.89, 5, lambda: asyncio.run(on_the_loop()))
    done = threading.Event()
    events.eventsOfThread(lambda n: n == 99 and done.set(), 100)
    assert done.wait(10)

    def crash_and_start():
        with contextlib.suppress(AddonCrashed):
            addon.nullPointer()
        assert addon.add(1, 2) == 3

    took(0, 3, crash_and_start)
    took(0.2, 4, crash_and_start)
    took(0, 4, host(addon).restart)
    threading.Thread(target=lambda: contextlib.suppress(Exception).__enter__() or addon.sleep(9000),
                     daemon=True).start()
    time.sleep(0.2)
    took(0, 4, host(addon).close)
over.set()
print("ended in time")
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that sets the clock of a process."""
    library = tmp_path_factory.mktemp("clock") / "clock.so"
    compiler = shlex.split(os.environ.get("CC", "cc"))
    source = Path(__file__).with_name("clock.c")
    subprocess.run([*compiler, "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
    return library


@pytest.mark.parametrize("policy", ["none", "default", "strict"])
def test_time_limits_do_not_depend_on_the_wall_clock(policy: str, shim: Path) -> None:
    offset = shim.with_name(f"offset-{policy}")
    offset.write_bytes(bytes(8))
    env = {**os.environ, "LD_PRELOAD": str(shim), "CLOCK_OFFSET": str(offset)}
    done = run_program(PROGRAM, policy, addon_path("crash"), addon_path("order"), env=env)
    assert done.stdout.endswith("ended in time\n"), done.stderr
