"""`async with` of an addon or its process, which is ended in a thread while the loop goes on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeVar

from napi_python import _loops
from napi_python._aio import aio
from napi_python._errors import WrongThreadError

if TYPE_CHECKING:
    from napi_python._native import Host

_T = TypeVar("_T")


async def enter(value: _T) -> _T:
    """Returns what `async with` is given."""
    return value


async def leave(host: Host) -> None:
    """Ends a process."""
    try:
        if _loops.running_loop() is None and "trio" in sys.modules:
            await sys.modules["trio"].to_thread.run_sync(host.close)
        else:
            await aio(host.close)()
    except WrongThreadError:
        # It runs in this process, on this thread.
        host.close()
