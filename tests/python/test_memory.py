"""The memory that a process used, and how it ends when there is no more."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import pytest
from conftest import addon_path
from napi_python import Addon, AddonCrashed, JSError, host, load_addon
from test_crash_report import death, functions


def leave(crash: Addon, mebibytes: int) -> None:
    """Lets the process have so much memory more than it has."""
    pid = host(crash).pid
    assert pid is not None
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + (mebibytes << 20)
    resource.prlimit(pid, resource.RLIMIT_AS, (limit, limit))


def maybe_out_of_memory(error: AddonCrashed) -> bool:
    """Tells whether an exception says so, in its reason and in its message."""
    reason = error.reason
    return reason is not None and reason.startswith("maybe out of memory") and reason in str(error)


def test_addon_that_gives_up_when_memory_is_refused(crash: Addon) -> None:
    leave(crash, 64)
    error = death(crash, "exhaustMemory", 1e9)
    assert error.signal_name == "SIGABRT"
    assert "crash.node!ExhaustMemory" in functions(error)
    assert maybe_out_of_memory(error)
    assert isinstance(error.usage, dict)
    assert 32 << 20 < error.usage["peak_memory"] < 200 << 20
    assert crash.add(1, 2) == 3


def test_addon_that_goes_on_when_memory_is_refused(crash: Addon) -> None:
    error = death(crash, "refusedMemory")
    assert error.signal_name == "SIGSEGV"
    assert functions(error)[0] == "crash.node!RefusedMemory"
    assert maybe_out_of_memory(error)
    assert crash.add(1, 2) == 3


def test_host_whose_allocation_fails(crash: Addon) -> None:
    ignore = host(crash).run_script("(bytes) => 0")
    leave(crash, 16)
    with pytest.raises(AddonCrashed, match="out of memory: a message needs") as caught:
        # In a list, a text travels in the message.
        ignore(["x" * (200 << 20)])
    assert caught.value.signal_name is None
    assert crash.add(1, 2) == 3


def test_script_that_takes_all_memory_is_an_exception(crash: Addon) -> None:
    leave(crash, 16)
    with pytest.raises(JSError, match="memory"):
        host(crash).run_script("const all = []; for (;;) all.push(new ArrayBuffer(1 << 20))")
    assert crash.add(1, 2) == 3
    assert host(crash).generation == 1


def test_script_that_takes_all_memory_in_small_blocks_says_so(crash: Addon) -> None:
    """The engine does not survive the refusal of each small block: the process may end."""
    leave(crash, 16)
    with pytest.raises((JSError, AddonCrashed), match="out of memory"):
        host(crash).run_script("const all = []; for (;;) all.push(new Array(1000).fill(1))")
    assert crash.add(1, 2) == 3


def test_other_deaths_have_nothing_to_do_with_memory(crash: Addon) -> None:
    for export in ("nullPointer", "abort", "divideByZero"):
        assert death(crash, export).reason is None


def test_usage_is_what_the_process_used(crash: Addon) -> None:
    started = time.monotonic()
    crash.exhaustMemory(100)
    error = death(crash, "nullPointer")
    assert isinstance(error.usage, dict)
    assert set(error.usage) == {"user", "system", "wall", "peak_memory"}
    assert 100 << 20 < error.usage["peak_memory"] < 200 << 20
    assert error.usage["user"] + error.usage["system"] > 0
    assert 0 < error.usage["wall"] < time.monotonic() - started + 5


def test_memory_of_a_process_that_left_no_record() -> None:
    """The kernel counts what a process inherited, too: what is less than that says nothing."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    with load_addon(addon_path("crash")) as loaded:
        error = death(loaded, "raiseKill")
        assert isinstance(error.usage, dict)
        assert error.usage["peak_memory"] is None
        loaded.exhaustMemory(own + 50)
        error = death(loaded, "raiseKill")
        assert isinstance(error.usage, dict)
        assert error.usage["peak_memory"] >> 20 >= own + 50
