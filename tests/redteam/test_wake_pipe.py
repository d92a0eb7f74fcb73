"""A host that floods its wake pipe: the event loop that polls it continues with its own work."""

from __future__ import annotations

import asyncio
import os
import pathlib

from napi_python import aio, host, load_addon

HERE = pathlib.Path(__file__).resolve().parent
ADDONS = pathlib.Path(os.environ.get("NAPI_HOSTD_ADDONS", HERE.parents[1] / "addons" / "build"))
SECONDS = 30
#: the least number of iterations of the loop in the third of a second that the flood takes
ITERATIONS = 10


def test_a_loop_continues_while_its_host_floods_the_wake_pipe() -> None:
    async def main() -> None:
        with load_addon(ADDONS / "redteam.node", sandbox="default") as addon:
            settle = "new Promise(done => setTimeout(done, 1, 7))"
            # From now on the loop takes the turns.
            assert await host(addon).run_script(settle) == 7
            flood = asyncio.ensure_future(aio(addon.S13_storm)())
            iterations = 0
            while not flood.done():
                await asyncio.sleep(0)
                iterations += 1
            assert await flood == "allowed"
            assert iterations >= ITERATIONS
            assert await host(addon).run_script(settle) == 7

    asyncio.run(asyncio.wait_for(main(), SECONDS))
