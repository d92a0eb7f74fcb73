"""The code blocks of the documents, and how each is run.

A comment directly before a block says what else belongs to it:

- `<!-- before: CODE -->`: code that runs before it, and that readers need not see;
- `<!-- file: NAME -->`: it is the content of a file, which later blocks of the page use;
- `<!-- run by FILE::TEST: WHY -->`: another test runs it;
- `<!-- not run: WHY -->`.

A page with `<!-- run in order by FILE::TEST: WHY -->` is one program of files and commands, which
that test runs.
A `text` block directly after one that is run is what that prints; "…" stands for any text.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import napi_python
from modes import addon_path

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ROOT / "tests" / "packages" / "node_modules"
#: what is run; other languages are shown only
RUN: Final = ("python", "sh")
_BLOCK: Final = re.compile(
    r"(?:<!-- (?P<kind>before|file|run by|not run):?\s(?P<note>.*?)\s?-->\n)?"
    r"^```(?P<language>\w*)\n(?P<source>.*?)^```\n(?:\n```text\n(?P<output>.*?)^```\n)?",
    re.DOTALL | re.MULTILINE,
)
# Runs a file in which `await` may stand at the top level, and nothing else is different.
_RUNNER: Final = """
import ast, asyncio, inspect, sys
with open(sys.argv[1]) as file:
    code = compile(file.read(), sys.argv[1], "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
made = eval(code, {"__name__": "__main__", "__file__": sys.argv[1]})
if inspect.iscoroutine(made):
    asyncio.run(made)
"""


@dataclass(frozen=True)
class Block:
    """A block of a page."""

    page: Path
    line: int
    language: str
    source: str
    kind: str | None
    note: str
    output: str | None

    @property
    def name(self) -> str:
        """What the test of it is called."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def is_run(self) -> bool:
        """Whether it is to be run by itself."""
        return self.language in RUN and self.kind in (None, "before")


def pages() -> list[Path]:
    """Returns the documents."""
    own = [*sorted(ROOT.glob("*.md")), ROOT / "client-py" / "README.md"]
    return [*own, *sorted((ROOT / "docs").glob("**/*.md"))]


def blocks(page: Path) -> list[Block]:
    """Returns the blocks of a page."""
    text = page.read_text(encoding="utf-8")
    whole = re.search(r"^<!-- run in order by (.*?) -->$", text, re.MULTILINE)
    found = []
    for match in _BLOCK.finditer(text):
        line = text.count("\n", 0, match.start("source"))
        language, source, kind, note = match.group("language", "source", "kind", "note")
        if whole and kind is None:
            kind, note = "run by", whole[1]
        found.append(Block(page, line, language, source, kind, note or "", match["output"]))
    return found


def environment() -> dict[str, str]:
    """Returns an environment in which the commands of the documents are found."""
    own = [Path(sys.executable).parent, Path(napi_python.__file__).parent / "_bin"]
    path = os.pathsep.join([*map(str, own), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "PYTHONWARNINGS": "error"}


def prepare(folder: Path, block: Block) -> None:
    """Makes a folder what a block assumes: addons, packages and files of its page are there."""
    (folder / "addon.node").symlink_to(addon_path("primitive"))
    (folder / "addons").mkdir()
    (folder / "addons" / "build").symlink_to(addon_path("primitive").parent)
    (folder / "node_modules").symlink_to(PACKAGES)
    for other in blocks(block.page):
        if other.kind == "file" and other.line < block.line:
            (folder / other.note).write_text(other.source, encoding="utf-8")


def program(block: Block, folder: Path) -> list[str]:
    """Writes a block of Python to a file; returns the arguments for Python to run it."""
    file = folder / "program.py"
    file.write_text(_before(block) + block.source, encoding="utf-8")
    has_await = re.search(r"^(?:\w+ = )?await |^async \w+ \w+ in ", block.source, re.MULTILINE)
    return [*(["-c", _RUNNER] if has_await else []), str(file)]


def _before(block: Block) -> str:
    return f"{block.note}\n" if block.kind == "before" else ""


def run(block: Block, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a block in a folder."""
    if block.language == "sh":
        command = ["bash", "-euo", "pipefail", "-c", _before(block) + block.source]
    else:
        command = [sys.executable, *program(block, folder)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=folder,
        env=environment(),
    )


def matches(shown: str, printed: str) -> bool:
    """Tells whether a program prints what a page shows."""
    parts = (re.escape(part) for part in shown.strip().split("…"))
    return re.fullmatch(".*?".join(parts), printed.strip(), re.DOTALL) is not None
