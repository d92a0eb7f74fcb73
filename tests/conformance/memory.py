"""Runs the kit's scripts and some fuzz programs over the host, looking for faults of memory.

    python3 tests/conformance/memory.py OPERATIONS            # built with AddressSanitizer
    python3 tests/conformance/memory.py --valgrind OPERATIONS  # built as usual
    python tests/conformance/memory.py --thread caller LIBRARY # with AddressSanitizer

OPERATIONS is the example of that name of `hostd-napi`; `make memory` builds both. LIBRARY is
`libhostd_library.so`: a copy of the installed package runs it in a Python process, into which the
runtime of AddressSanitizer is loaded first. It is the whole kit: every case with what needs an
event loop, the samples in C++ and Rust among them. Fails on any invalid read or write and, under
valgrind, on any jump that depends on uninitialised memory. The garbage that the engine leaves at
the end is its own affair: it is never freed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "fuzz")]
import fuzz  # noqa: E402 - found by the path above
import in_process  # noqa: E402
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


class Runner(NamedTuple):
    """How a script is run."""

    command: list[str]
    settings: Mapping[str, str] = {}
    #: With isolated=False, the thread of the session.
    thread: str | None = None

    def execute(
        self, addon: Path, text: str, settings: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Runs one script."""
        command = self.command
        if self.thread is None:
            command = [*command, str(addon)]
        else:
            text = json.dumps(
                {"addon": str(addon), "source": text, "thread": self.thread, "seconds": SECONDS}
            )
        return subprocess.run(
            command, input=text, capture_output=True, text=True, check=False, timeout=SECONDS,
            env={**os.environ, "ASAN_OPTIONS": SANITIZER, **self.settings, **settings},
        )  # fmt: skip

    def finds_faults(self) -> bool:
        """Tells whether a fault that is there is found."""
        addon = oracle.build_folder() / "crash.node"
        return self.execute(addon, "addon.doubleFree()", {}).returncode == FOUND

    def run(self, source: Source) -> str | None:
        """Runs one script; returns what is wrong, if anything is."""
        try:
            done = self.execute(source.addon, source.text, source.settings)
        except subprocess.TimeoutExpired:
            return f"still ran after {SECONDS:.0f} seconds"
        if done.returncode != 0:
            return f"ended with {done.returncode}\n{done.stderr[-6000:]}"
        if not done.stdout:
            return f"returned no lines\n{done.stderr[-6000:]}"
        return None


def package_with(library: str, folder: Path) -> dict[str, str]:
    """Copies the installed package with another library; returns the environment that uses it."""
    found = importlib.util.find_spec("napi_python")
    assert found is not None and found.origin is not None, "run `make package`"
    copy = folder / "napi_python"
    shutil.copytree(Path(found.origin).parent, copy)
    shutil.copy(library, copy / "_bin" / "libhostd_library.so")
    # The runtime looks for `__cxa_throw` when it starts, before an addon brings libstdc++.
    runtime = [
        subprocess.run(
            ["cc", f"-print-file-name={name}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in ("libasan.so", "libstdc++.so.6")
    ]
    return {"PYTHONPATH": str(folder), "LD_PRELOAD": " ".join(runtime)}


def run_all(runner: Runner, only: list[str] | None) -> int:
    """Runs them all; returns in how many something was found."""
    failed = 0
    for source in sources():
        if only and source.name not in only:
            continue
        start = time.monotonic()
        wrong = runner.run(source)
        failed += wrong is not None
        took = time.monotonic() - start
        print(f"{source.name}: {wrong or 'nothing found'} ({took:.1f} s)", flush=True)
    return failed


def main() -> int:
    """Runs them all; fails where something was found."""
    parser = argparse.ArgumentParser(description="Run the kit, looking for faults of memory.")
    parser.add_argument("binary", help="OPERATIONS or LIBRARY")
    parser.add_argument("--valgrind", action="store_true", help="run it under valgrind")
    parser.add_argument("--thread", choices=in_process.THREADS, help="it is LIBRARY")
    parser.add_argument("--only", action="append", help="a case; all if none is named")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.thread:
            settings = package_with(options.binary, Path(folder))
            command = [sys.executable, str(HERE / "in_process.py")]
            runner = Runner(command, settings, options.thread)
        else:
            runner = Runner([*(VALGRIND if options.valgrind else []), options.binary])
        if not runner.finds_faults():
            parser.error(f"{options.binary} does not notice a double free: how was it built?")
        return 1 if run_all(runner, options.only) else 0


if __name__ == "__main__":
    sys.exit(main())
