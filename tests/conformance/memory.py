"""Runs the kit's scripts and some fuzz programs over the host under valgrind.

    cargo build -p hostd-napi --example operations
    python3 tests/conformance/memory.py target/debug/examples/operations

Fails on any invalid read or write and on any jump that depends on uninitialised memory. The garbage
that the engine leaves at the end is its own affair: it is never freed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "fuzz")]
import fuzz  # noqa: E402 - found by the path above
import oracle  # noqa: E402

COMMAND = ["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=no", "--num-callers=30"]
PROGRAMS = 60


def sources() -> list[tuple[str, Path, str]]:
    """Lists what is run: a name, an addon, a script."""
    found = [(case.name, case.addon, case.source(later=False)) for case in oracle.cases()]
    for name in fuzz.ADDONS:
        for misuse in (False, True):
            text = fuzz.source(range(PROGRAMS), misuse=misuse)
            label = f"{name}{' misused' if misuse else ''}"
            found.append((label, fuzz.addon(name), fuzz.as_one_line(text)))
    return found


def main() -> int:
    """Runs them all; fails where valgrind found something."""
    binary = sys.argv[1]
    failed = 0
    for name, addon, text in sources():
        done = subprocess.run(
            [*COMMAND, binary, str(addon)],
            input=text, capture_output=True, text=True, check=False,
            env=fuzz.ENVIRONMENT,
        )  # fmt: skip
        if done.returncode != 0:
            failed += 1
            print(f"{name}: ended with {done.returncode}\n{done.stderr[-6000:]}", flush=True)
        else:
            print(f"{name}: nothing found", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
