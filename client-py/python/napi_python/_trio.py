"""Awaiting a promise in a task of trio, which native code imports only where trio is imported.

The promise is settled in another thread, which wakes the task by trio's thread-safe entry point.
"""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Any

import trio

from napi_python._errors import AddonTimeout

if TYPE_CHECKING:
    from collections.abc import Generator

    from napi_python._native import Promise


def wait(promise: Promise) -> Generator[Any, Any, Any] | None:
    """Returns what `await promise` iterates over in a task of trio, None outside of one."""
    try:
        trio.lowlevel.current_task()
    except RuntimeError:
        return None
    return _wait(promise).__await__()


async def _wait(promise: Promise) -> Any:  # noqa: ANN401 - any value
    token = trio.lowlevel.current_trio_token()
    settled = trio.Event()

    def wake(_promise: Promise) -> None:
        # A run that has ended has no task to wake.
        with contextlib.suppress(trio.RunFinishedError):
            token.run_sync_soon(settled.set)

    deadline = promise._deadline()  # noqa: SLF001 - one package
    promise._when_settled(wake)  # noqa: SLF001
    try:
        with trio.move_on_after(math.inf if deadline is None else deadline[0]):
            await settled.wait()
    finally:
        promise.remove_done_callback(wake)
    if deadline is not None and not settled.is_set():
        seconds = deadline[1].total_seconds()
        text = f"the promise was not settled before its deadline of {seconds:g} s"
        raise AddonTimeout(text, seconds=seconds)
    return promise.result()
