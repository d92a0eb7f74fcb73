"""A mixed load leaves the memory of its processes as it was. `--minutes 15` is the long run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import addon_path

# In KiB. The long run is flat from the third minute on; in a short one caches still fill.
FLAT = 256
WARM = 120.0
SHORT = 512
# Python's own allocator, and an arena for each thread, keep pieces that vary by 20 MiB.
ALLOCATOR = {"PYTHONMALLOC": "malloc", "MALLOC_ARENA_MAX": "1"}
NAMES = ("the client", "the host of order", "the host of sample_rust")


def median(values: list[int]) -> int:
    return sorted(values)[len(values) // 2]


@pytest.mark.timeout(7200)
def test_memory_is_flat_under_a_mixed_load(request: pytest.FixtureRequest) -> None:
    minutes = request.config.getoption("--minutes")
    folder = addon_path("order").parent
    for name in ("crash", "sample_rust"):
        addon_path(name)
    script = Path(__file__).with_name("mixed.py")
    done = subprocess.run(
        [sys.executable, script, folder, str(minutes * 60)],
        env={**os.environ, **ALLOCATOR},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    *samples, wrong = (json.loads(line) for line in done.stdout.splitlines())
    assert wrong == []
    seconds = samples[-1][0]
    is_long = seconds > 2 * WARM
    warm = WARM if is_long else seconds / 3
    later = [found for when, found in samples if when >= warm]
    assert len(later) >= 4, f"{len(samples)} rounds in {seconds} s"
    part = max(2, len(later) // 8)
    for place, name in enumerate(NAMES):
        values = [found[place] for found in later]
        grown = median(values[-part:]) - median(values[:part])
        print(f"{name}: {values[0]} KiB after {warm:.0f} s, {grown} KiB more after {seconds:.0f} s")
        assert grown <= (FLAT if is_long else SHORT), (name, values)
