"""Runs JavaScript over an addon inside of a Python process, one of its own for each addon.

An addon keeps static variables for as long as its process lives, so a second load in one process is
not what its operations expect. As a program: the request is JSON on standard input, the answer the
first line of standard output; what the addon prints at its end follows.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

#: The threads on which a session in this process can run.
THREADS = ("own", "caller")


def answer(
    addon: Path,
    source: str,
    thread: str,
    *,
    seconds: float = 60.0,
    settings: Mapping[str, str] | None = None,
) -> tuple[list[str], list[str]]:
    """Returns the lines that a script comes to, and the lines that the addon printed at its end."""
    request = {"addon": str(addon), "source": source, "thread": thread, "seconds": seconds}
    done = subprocess.run(
        [sys.executable, __file__],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        env={**os.environ, **(settings or {})},
        timeout=seconds * 2,
        check=False,
    )
    if done.returncode != 0:
        message = f"the process ended with {done.returncode}: {done.stderr[-4000:]}"
        raise RuntimeError(message)
    first, *rest = done.stdout.splitlines()
    return json.loads(first), rest


def main() -> None:
    """Serves one request."""
    from napi_python import host, load_addon

    request = json.load(sys.stdin)
    seconds = request["seconds"]
    with load_addon(
        request["addon"],
        isolated=False,
        thread=request["thread"],
        remote="exposed",
        timeout=seconds,
    ) as addon:
        lines = host(addon).run_script(request["source"])
        lines = list(lines.result(seconds) if hasattr(lines, "result") else lines)
        print(json.dumps(lines), flush=True)


if __name__ == "__main__":
    main()
