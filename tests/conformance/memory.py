"""Runs the kit's scripts and some fuzz programs over the host, looking for faults of memory.

    python3 tests/conformance/memory.py OPERATIONS            # built with AddressSanitizer
    python3 tests/conformance/memory.py --valgrind OPERATIONS  # built as usual

OPERATIONS is the example of that name of `hostd-napi`; `make memory` builds both. It is the whole
kit: every case with what needs an event loop, the samples in C++ and Rust among them. Fails on any
invalid read or write and, under valgrind, on any jump that depends on uninitialised memory. The
garbage that the engine leaves at the end is its own affair: it is never freed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "fuzz")]
import fuzz  # noqa: E402 - found by the path above
import oracle  # noqa: E402

FOUND = 99
VALGRIND = [
    "valgrind", "--quiet", f"--error-exitcode={FOUND}", "--leak-check=no", "--num-callers=30",
]  # fmt: skip
SANITIZER = f"detect_leaks=0:exitcode={FOUND}:detect_stack_use_after_return=1"
PROGRAMS = 60
SECONDS = 1200.0


class Source(NamedTuple):
    """What is run, and with what in its environment."""

    name: str
    addon: Path
    text: str
    settings: dict[str, str]


def sources() -> list[Source]:
    """Lists what is run."""
    found = [Source(case.name, case.addon, case.source(later=True), {}) for case in oracle.cases()]
    for name in fuzz.ADDONS:
        for misuse in (False, True):
            text = fuzz.source(range(PROGRAMS), misuse=misuse)
            label = f"{name}{' misused' if misuse else ''}"
            found.append(Source(label, fuzz.addon(name), fuzz.as_one_line(text), fuzz.SETTINGS))
    return found


def execute(
    command: list[str], text: str, settings: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Runs one script."""
    return subprocess.run(
        command, input=text, capture_output=True, text=True, check=False, timeout=SECONDS,
        env={**os.environ, **settings, "ASAN_OPTIONS": SANITIZER},
    )  # fmt: skip


def finds_faults(command: list[str]) -> bool:
    """Tells whether a fault that is there is found."""
    addon = oracle.build_folder() / "crash.node"
    return execute([*command, str(addon)], "addon.doubleFree()", {}).returncode == FOUND


def run(command: list[str], source: Source) -> str | None:
    """Runs one script; returns what is wrong, if anything is."""
    try:
        done = execute([*command, str(source.addon)], source.text, source.settings)
    except subprocess.TimeoutExpired:
        return f"still ran after {SECONDS:.0f} seconds"
    if done.returncode != 0:
        return f"ended with {done.returncode}\n{done.stderr[-6000:]}"
    if not done.stdout:
        return f"returned no lines\n{done.stderr[-6000:]}"
    return None


def main() -> int:
    """Runs them all; fails where something was found."""
    parser = argparse.ArgumentParser(description="Run the kit, looking for faults of memory.")
    parser.add_argument("operations")
    parser.add_argument("--valgrind", action="store_true", help="run it under valgrind")
    parser.add_argument("--only", action="append", help="a case; all if none is named")
    options = parser.parse_args()
    command = [*(VALGRIND if options.valgrind else []), options.operations]
    if not finds_faults(command):
        parser.error(f"{options.operations} does not notice a double free: how was it built?")
    failed = 0
    for source in sources():
        if options.only and source.name not in options.only:
            continue
        start = time.monotonic()
        wrong = run(command, source)
        failed += wrong is not None
        took = time.monotonic() - start
        print(f"{source.name}: {wrong or 'nothing found'} ({took:.1f} s)", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
