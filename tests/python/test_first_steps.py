"""What programs for an addon in their own process look like runs unchanged."""

from __future__ import annotations

import subprocess
import sys
import textwrap

from conftest import addon_path

PROGRAM = """
    import asyncio
    from napi_python import load_addon

    addon = load_addon(PATH, isolated=True)

    async def main():
        print(addon.add(1, 2))
        counter = addon.Counter(10)
        counter.increment()
        print(counter.value)
        print(addon.mapAndSum([1, 2, 3], lambda x: x * 2))
        print(await addon.asyncAdd(1, 2))
        print(await asyncio.gather(*[addon.asyncAdd(n, n) for n in range(5)]))
        task = asyncio.create_task(wait(addon.asyncAdd(20, 22)))
        print(await asyncio.wait_for(task, 30))

    async def wait(promise):
        return await promise

    asyncio.run(main())
    asyncio.run(main())
    loop = asyncio.new_event_loop()
    print(loop.run_until_complete(wait(addon.asyncAdd(3, 4))))
    loop.close()
"""
PRINTED = ["3", "11", "12", "3", "[0, 2, 4, 6, 8]", "42"]


def test_program_runs_unchanged() -> None:
    program = textwrap.dedent(PROGRAM)
    path = repr(str(addon_path("sample_rust")))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program.replace("PATH", path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [*PRINTED, *PRINTED, "7"]
    assert done.returncode == 0
