"""A million calls: neither process grows."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
from napi_python import host, load_addon

CALLS = 1_000_000
WARM = 100_000
ALLOWED = 2 << 20
KINDS = 5
_DEFAULT = Path(__file__).parents[2] / "addons" / "build"
SAMPLES = Path(os.environ.get("NAPI_HOSTD_ADDONS", _DEFAULT))


def resident(pid: int) -> int:
    """Returns the resident memory of a process in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.timeout(1200)
def test_a_million_calls_leave_both_processes_as_they_were() -> None:
    with load_addon(SAMPLES / "sample_rust.node") as addon:

        def calls(times: int) -> None:
            for number in range(times // KINDS):
                assert addon.greet(f"number {number}") == f"Hello, number {number}!"
                assert addon.createPerson("Ada", 36).age == 36
                assert addon.describePerson({"name": "Ada", "age": 36}) == "Ada is 36 years old"
                assert addon.mapAndSum([1, 2], lambda x: x * 2) == 6
                assert addon.Counter(number).increment() == number + 1

        pid = host(addon).pid
        assert pid is not None
        calls(WARM)
        gc.collect()
        before = resident(os.getpid()), resident(pid)
        calls(CALLS - WARM)
        gc.collect()
        after = resident(os.getpid()), resident(pid)
    grown = after[0] - before[0], after[1] - before[1]
    assert grown[0] <= ALLOWED, f"the client grew by {grown[0]} bytes"
    assert grown[1] <= ALLOWED, f"the host grew by {grown[1]} bytes"
