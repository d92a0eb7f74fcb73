"""The programs of docs/modes.md run as they are written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import addon_path, run_program

PAGE = Path(__file__).resolve().parents[2] / "docs" / "modes.md"
PROGRAMS = re.findall(
    r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
)


def test_the_page_has_programs() -> None:
    assert len(PROGRAMS) == 2


@pytest.mark.parametrize(
    ("number", "printed"), [(0, ""), (1, 'thread="own"')], ids=["own", "caller"]
)
def test_program(number: int, printed: str) -> None:
    source = PROGRAMS[number].replace('"addon.node"', repr(str(addon_path("primitive"))))
    done = run_program(source, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert printed in done.stdout
