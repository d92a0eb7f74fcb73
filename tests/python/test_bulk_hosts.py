"""`bulk` with hosts that end, and in loops."""

from __future__ import annotations

import asyncio
import pickle

import pytest
from conftest import addon_path
from napi_python import (
    AddonCrashed,
    ExportReference,
    JSError,
    StaleHandleError,
    aio,
    bulk,
    host,
    load_addon,
)


def test_crash_is_raised_once_and_later_rows_are_not_called() -> None:
    with load_addon(addon_path("crash")) as addon:
        rows: list[tuple[()]] = [()] * 10
        with pytest.raises(AddonCrashed):
            list(bulk(addon.nullPointer, rows, star=True, return_exceptions=True))
        # Exports are bound again.
        with pytest.raises(AddonCrashed):
            list(bulk(addon.nullPointer, rows, star=True, return_exceptions=True))
        assert host(addon).generation == 2


def test_objects_of_an_ended_host_are_stale() -> None:
    with load_addon(addon_path("bench")) as addon:
        double = host(addon).run_script("(x) => x * 2")
        results = bulk(double, range(100))
        assert next(results) == 0
        host(addon).restart()
        with pytest.raises(StaleHandleError):
            list(results)


def test_reference_to_an_export_is_called() -> None:
    with load_addon(addon_path("bench")) as addon:
        pickled = pickle.dumps(addon.add)
    # The original is closed: the reference opens the addon again.
    referred = pickle.loads(pickled)
    assert isinstance(referred, ExportReference)
    assert list(bulk(referred, [(1, 2), (3, 4)], star=True)) == [3, 7]
    host(referred).close()


def test_rows_can_be_called_without_blocking_the_loop() -> None:
    async def run() -> None:
        with load_addon(addon_path("bench")) as addon:
            rows = [(n, 1) for n in range(3000)]
            found = [result async for result in bulk(addon.add, rows, star=True)]
            assert found == [n + 1 for n in range(3000)]
            results = await aio(bulk)(addon.add, rows, star=True)
            assert [result async for result in results] == found
            with pytest.raises(RuntimeError, match="not by both"):
                next(results)
            fail = host(addon).run_script(
                "(x) => { if (x === 2) throw new Error('two'); return x; }"
            )
            seen = []
            with pytest.raises(JSError, match="two"):
                async for result in bulk(fail, range(5)):
                    seen.append(result)  # noqa: PERF401 - those before the exception
            assert seen == [0, 1]

    asyncio.run(run())


def test_promises_of_many_calls_can_be_gathered() -> None:
    async def run() -> None:
        with load_addon(addon_path("bench")) as addon:
            later = host(addon).run_script(
                "async (x) => { if (x === 7) throw new Error('7'); return x }"
            )
            found = await asyncio.gather(*bulk(later, range(100)), return_exceptions=True)
            assert [one for one in found if not isinstance(one, JSError)] == [
                n for n in range(100) if n != 7
            ]

    asyncio.run(run())
