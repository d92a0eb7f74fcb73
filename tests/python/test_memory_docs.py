"""The programs of docs/memory.md run as they are written."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import addon_path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "memory.md"
#: the programs before the section on GPUs, which needs a driver: test_cuda.py runs what is there
TEXT = PAGE.read_text(encoding="utf-8").split("\n## CUDA\n")[0]
PROGRAMS = re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def test_the_page_has_programs() -> None:
    assert len(PROGRAMS) == 2


@pytest.mark.parametrize("program", PROGRAMS, ids=["crossing", "pools"])
def test_program(program: str, tmp_path: Path) -> None:
    source = program.replace('"addon.node"', repr(str(addon_path("primitive"))))
    # A file, because multiprocessing imports it again.
    path = tmp_path / "program.py"
    path.write_text(source, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, path], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
