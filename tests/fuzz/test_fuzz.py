"""Some thousand random programs; `python3 tests/fuzz/fuzz.py` runs any number of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
import fuzz

#: Seeds of the programs that every test run compares, by the addon that runs them.
COMPARED = {"fuzz": range(2000), "fuzz_v10": range(2000, 4000)}
MISUSED = range(2000)


def batches(seeds: range) -> list[range]:
    return list(fuzz.batches(seeds.start, len(seeds)))


@pytest.mark.parametrize(
    ("name", "seeds"),
    [(name, batch) for name, seeds in COMPARED.items() for batch in batches(seeds)],
    ids=lambda value: f"{value.start}-{value.stop}" if isinstance(value, range) else value,
)
def test_random_programs_do_in_the_host_what_they_do_in_node(name: str, seeds: range) -> None:
    found = list(fuzz.differences(seeds, name, fuzz.in_host))
    assert not found, "\n\n".join(map(str, found[:5]))


@pytest.mark.parametrize("seeds", batches(MISUSED), ids=lambda seeds: f"{seeds.start}-{seeds.stop}")
def test_the_host_survives_programs_that_break_the_rules(seeds: range) -> None:
    logs = fuzz.in_host(fuzz.addon("fuzz"), fuzz.source(seeds, misuse=True))
    assert len(logs) == len(seeds)
    assert any(logs)
