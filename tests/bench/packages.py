"""Rows of packages: from nothing to the first answer, against a fresh Node that does the same.

"required" begins in a Python that runs, as the row "start, load, first call" does; "program" is a
fresh Python, whose own start and imports count.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from measure import Samples, pretty, resident
from napi_python import host, require

PACKAGES = Path(__file__).parents[1] / "packages"
TYPESCRIPT = {"jsc": {"parser": {"syntax": "typescript"}}}
SOURCE = "let x: number = 1"


class Row(NamedTuple):
    """A package, the export that is called first, and its arguments."""

    title: str
    package: str
    export: str
    arguments: list[object]
    target: float


ROWS = {
    "trivial": Row("a CommonJS package of one line", "trivial", "add", [1, 2], 0.5),
    "swc": Row("@swc/core and a transform", "@swc/core", "transformSync", [SOURCE, TYPESCRIPT], 1),
}


class Folders:
    """Where the packages are installed."""

    def __init__(self, closing: contextlib.ExitStack) -> None:
        """Makes the trivial package."""
        made = Path(closing.enter_context(tempfile.TemporaryDirectory()))
        package = made / "node_modules/trivial"
        package.mkdir(parents=True)
        (package / "package.json").write_text('{"name": "trivial", "version": "1.0.0"}')
        (package / "index.js").write_text("exports.add = (a, b) => a + b;\n")
        self.trivial = made

    def of(self, row: str) -> Path:
        """Returns the folder in which the package of a row is found."""
        return self.trivial if row == "trivial" else PACKAGES


def _program(command: list[str], folder: Path) -> float:
    start = time.perf_counter_ns()
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
    return time.perf_counter_ns() - start


def measure(samples: Samples, folders: Folders) -> None:
    """Measures each row once, in each system."""
    for name, row in ROWS.items():
        root = folders.of(name)
        start = time.perf_counter_ns()
        module = require(row.package, root=root)
        getattr(module, row.export)(*row.arguments)
        samples.note(name, "required", time.perf_counter_ns() - start)
        samples.note(name, "memory", resident(host(module).pid))
        host(module).close()
        called = ", ".join(map(repr, row.arguments))
        text = f"from napi_python import require; require({row.package!r}).{row.export}({called})"
        samples.note(name, "program", _program([sys.executable, "-c", text], root))
        called = ", ".join(map(json.dumps, row.arguments))
        text = f"require({row.package!r}).{row.export}({called})"
        samples.note(name, "node", _program(["node", "-e", text], root))


def report(median: dict[tuple[str, str], float]) -> None:
    """Prints the rows."""
    out = sys.stdout.write
    out(f"\n{'packages':40}{'required':>12}{'program':>12}{'Node':>12}{'required/Node':>15}")
    out(f"{'program/Node':>14}{'wanted':>8}\n")
    for name, row in ROWS.items():
        required, program, node = (
            median[name, system] for system in ("required", "program", "node")
        )
        out(f"{row.title:40}{pretty(required):>12}{pretty(program):>12}{pretty(node):>12}")
        out(f"{required / node:>15.2f}{program / node:>14.2f}{row.target:>8}\n")
    idle = median["trivial", "memory"] / (1 << 20)
    out(f"{'memory of a host with a package':40}{idle:>8.1f} MiB\n")


def main() -> None:
    """Measures these rows alone: `python tests/bench/packages.py [rounds]`."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    samples = Samples()
    with contextlib.ExitStack() as closing:
        folders = Folders(closing)
        measure(Samples(), folders)
        for _ in range(rounds):
            measure(samples, folders)
    report(samples.medians())


if __name__ == "__main__":
    main()
