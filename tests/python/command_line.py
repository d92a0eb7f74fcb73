"""Runs commands of the command line for the tests."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
from typing import Any

COMMAND = [sys.executable, "-m", "napi_python"]


def command(
    *words: object, timeout: float = 60, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end, without a standard input unless one is given."""
    if "input" not in options:
        options.setdefault("stdin", subprocess.DEVNULL)
    program = [*COMMAND, *(word if isinstance(word, bytes) else str(word) for word in words)]
    return subprocess.run(
        program, capture_output=True, text=True, timeout=timeout, check=False, **options
    )


def document(*words: object, status: int = 0, **options: Any) -> dict[str, Any]:
    """Runs a command with `--json` and returns its document; checks the exit status."""
    done = command(words[0], "--json", *words[1:], **options)
    assert done.returncode == status, (done.stdout, done.stderr)
    # One document and nothing else.
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def error(*words: object, status: int, **options: Any) -> dict[str, Any]:
    """Runs a command that fails in this way, and returns the error of its document."""
    found: dict[str, Any] = document(*words, status=status, **options)["error"]
    assert found["exit_code"] == status
    assert found["message"]
    return found


def on_terminal(*words: object, has_rich: bool) -> str:
    """Runs a command whose standard error is a terminal, and returns what is written there."""
    hidden = "" if has_rich else "sys.modules['rich'] = None; "
    source = f"import sys; {hidden}from napi_python.__main__ import main; sys.exit(main())"
    reader, writer = pty.openpty()
    with os.fdopen(reader, "rb", buffering=0) as shown:
        program = [sys.executable, "-c", source, *map(str, words)]
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
        with subprocess.Popen(
            program, stderr=writer, stdout=subprocess.DEVNULL, env=environment
        ) as run:
            os.close(writer)
            text = b""
            # Reading a terminal that no process has open any more is EIO.
            with contextlib.suppress(OSError):
                while data := shown.read(4096):
                    text += data
            assert run.wait(200) == 0, text
    return text.decode()
