"""What tests and programs that they start share: waiting for callbacks, and what loads leave."""

from __future__ import annotations

import gc
import queue
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from napi_python import host

#: Makes this module and its like importable in a program.
IMPORTABLE = f"import sys; sys.path.insert(0, {str(Path(__file__).resolve().parent)!r})\n"


def receive(addon: Any, told: queue.Queue[Any], *, takes_turns: bool, seconds: float = 30.0) -> Any:
    """Returns what a callback of an addon is told next.

    With `takes_turns` this thread takes the turns meanwhile, as it has to with thread="caller".
    """
    if not takes_turns:
        return told.get(timeout=seconds)
    end = time.monotonic() + seconds
    while told.empty():
        assert time.monotonic() < end, "nothing was reported"
        host(addon).run_pending()
    return told.get_nowait()


def check_flat(run: Callable[[], object], times: int, *, settling: float = 0.0) -> None:
    """Fails if what is run so often leaves memory, threads or descriptors.

    Threads and descriptors may end so many seconds after the last run.
    """

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096

    def counts() -> tuple[int, int]:
        task, fd = (list(Path("/proc/self", name).iterdir()) for name in ("task", "fd"))
        return len(task), len(fd)

    def repeat(count: int) -> None:
        for _ in range(count):
            run()
        gc.collect()

    repeat(times // 4)
    memory, before = resident(), counts()
    repeat(times)
    grown, after = resident() - memory, counts()

    def exceeds() -> bool:
        return after[0] > before[0] + 1 or after[1] > before[1] + 4

    end = time.monotonic() + settling
    while exceeds() and time.monotonic() < end:
        time.sleep(0.01)
        after = counts()
    assert not exceeds(), (before, after)
    assert grown < 8 << 20, grown
