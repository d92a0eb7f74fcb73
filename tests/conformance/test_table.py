"""docs/node-api.md is what its generator writes, and has no gap that nobody named."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import table


def test_the_table_of_functions_is_up_to_date() -> None:
    current = table.DOCUMENT.read_text(encoding="utf-8")
    assert current == table.document(), "run `python3 tests/conformance/table.py`"


def test_every_function_of_the_headers_is_in_the_table() -> None:
    names = {row.name for row in table.rows()}
    assert set(table.versions()) <= names


def test_every_function_is_tested_and_compared() -> None:
    rows = [line for line in table.document().splitlines() if line.startswith("| `")]
    assert len(rows) == len(table.rows())
    for line in rows:
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        assert all(cells), line
