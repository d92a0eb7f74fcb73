"""Runs the commands `replay` and `minimize` on records."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 50


def command(*words: object) -> tuple[int, dict[str, Any]]:
    """Runs a command with --json; returns its exit status and the document."""
    done = subprocess.run(
        [sys.executable, "-m", "napi_python", *map(str, words), "--json"],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def replay(record: Path, *words: object) -> tuple[int, dict[str, Any]]:
    """Replays a record; returns the exit status and what the command found."""
    status, document = command("replay", record, *words)
    found: dict[str, Any] = document.get("replay", document)
    return status, found


def calls(record: Path) -> list[str]:
    """Returns the calls of a record, with the shapes of their arguments."""
    status, document = command("replay", record, "--list")
    assert status == 0, document
    return [call["call"] for call in document["record"]["calls"]]
