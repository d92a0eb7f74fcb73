"""The table of targets: what is measured, what is met, and the reasons."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import bench
import idle
import parts
import pytest
import targets
from measure import Samples

ROOT = Path(__file__).parents[2]


class Everything(dict[tuple[str, str], float]):
    """Medians that have every row, and note which were read."""

    def __missing__(self, key: tuple[str, str]) -> float:
        self[key] = 1e6
        return self[key]


def test_all_rows_that_targets_read_are_measured() -> None:
    read, rows = Everything(), targets.all_targets(bench.FUNCTIONS)
    for target in rows:
        target.value(read)
        target.reason(read)
    known = {*bench.titles(), *bench.FUNCTIONS, *parts.PARTS, "asyncio", "idle", "swc", "trivial"}
    known |= {"threads", "descriptors", "idle-cpu", "threads-32"}
    known |= {"hosts-memory", "hosts-share", "hosts-cpu"}
    assert {row for row, _ in read} <= known


def test_target_is_met_as_its_value_is_shown() -> None:
    target = targets.Target("row", targets.plain("row"), 1.05, "x", targets.stated("why"))
    for value, met in [(1.04, True), (1.054, True), (1.056, False)]:
        median = {("row", "lanes"): value}
        assert target.is_met(median) is met
        assert ("why" in targets.table([target], median)) is not met
    least = target._replace(is_least=True)
    assert least.is_met({("row", "lanes"): 2})
    assert not least.is_met({("row", "lanes"): 1})


def test_page_has_a_line_for_each_target_and_a_reason_for_each_that_is_missed() -> None:
    text = (ROOT / "docs" / "benchmark.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")][2:]
    assert [row[0].removeprefix("| ") for row in rows] == [
        target.title for target in targets.all_targets(bench.FUNCTIONS)
    ]
    for title, _, _, reason in rows:
        assert reason.removesuffix(" |") not in ("", "not met"), f"{title} has no reason"


def test_parts_are_measured() -> None:
    samples = Samples()
    parts.measure(samples)
    assert {row for row, _ in samples.medians()} == set(parts.PARTS)
    assert all(value > 0 for value in samples.medians().values())


@pytest.mark.parametrize("name", idle.MEASUREMENTS)
def test_idle_processes_are_measured(name: str) -> None:
    command = [sys.executable, idle.__file__, name, "--quick"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert found
    assert all(value >= 0 for value in found.values())
    if name == "per-addon":
        assert found["threads"] == 0
        assert 1 <= found["descriptors"] <= 6, "see docs/decisions.md"
    assert not re.search("Error|Warning", done.stderr)
