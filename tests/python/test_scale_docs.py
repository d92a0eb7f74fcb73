"""The programs of docs/scale.md run as they are written."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def test_the_page_has_programs() -> None:
    assert len(PROGRAMS) == 4


@pytest.mark.parametrize(
    ("number", "printed"),
    [(0, ""), (1, ""), (2, "files compiled"), (3, "")],
    ids=["pool", "images", "dask", "joblib"],
)
def test_program(number: int, printed: str, tmp_path: Path) -> None:
    # A file, because the workers import it again; beside the packages that it uses.
    path = tmp_path / "program.py"
    path.write_text(PROGRAMS[number], encoding="utf-8")
    (tmp_path / "node_modules").symlink_to(ROOT / "tests" / "packages" / "node_modules")
    done = subprocess.run(
        [sys.executable, path],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert printed in done.stdout
