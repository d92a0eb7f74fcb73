"""A new user's first hour: does what docs/tutorial.md says, in an empty folder.

`make first-hour` runs it as it is, with the network and a new environment. `test_first_hour.py`
takes the environment of the tests for the first block, and a registry of this machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "python"))
import document_blocks

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "tutorial.md"
#: seconds; the first block compiles the host
BLOCK_MAX = 3600


def follow(folder: Path, environment: dict[str, str], venv: Path | None = None) -> None:
    """Does each step in a folder; exits if one fails or does not print what the page shows.

    `venv` takes the place of the environment that the first block makes.
    """
    home = folder / "home"
    home.mkdir()
    (home / "napi-hostd").symlink_to(ROOT)
    project = folder / "project"
    project.mkdir()
    found = f"{project / '.venv' / 'bin'}{os.pathsep}{environment['PATH']}"
    environment = {**environment, "HOME": str(home), "PATH": found}
    for block in document_blocks.blocks(PAGE):
        if block.kind == "file":
            (project / block.note).write_text(block.source, encoding="utf-8")
        elif venv is not None and "-m venv" in block.source:
            (project / ".venv").symlink_to(venv)
        else:
            print(block.source, end="", flush=True)
            _run(block, project, environment)


def _run(block: document_blocks.Block, folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        ["bash", "-eu", "-c", block.source],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=BLOCK_MAX,
    )
    print(done.stdout, flush=True)
    if done.returncode:
        sys.exit(f"{block.name}: exit status {done.returncode}")
    if block.output is not None and not document_blocks.matches(block.output, done.stdout):
        sys.exit(f"{block.name} does not print what the page shows:\n{block.output}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="first-hour-") as temporary:
        follow(Path(temporary), dict(os.environ))
