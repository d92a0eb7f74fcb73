"""Published addons that import libuv, in the process of Python: the answers are Node's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from rows import ROWS, SECONDS, node_output, row
from test_real_addons import CALLS, canonical

HERE = Path(__file__).resolve().parent
NAMES = ["koffi", "sodium_native", "zeromq"]


def test_all_rows_that_import_libuv_are_run() -> None:
    def imports_libuv(addon: Path) -> bool:
        listed = subprocess.run(
            ["nm", "-D", "--undefined-only", addon],
            check=True,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        return any(line.split()[-1].startswith("uv_") for line in listed.stdout.splitlines())

    assert [row.name for row in ROWS if imports_libuv(row.path)] == NAMES


@pytest.mark.parametrize("thread", ["own", "caller"])
@pytest.mark.parametrize("name", NAMES)
def test_addon_of_libuv_answers_as_in_node(name: str, thread: str, tmp_path: Path) -> None:
    # In a process of its own: what an addon leaves would stay in this one.
    done = subprocess.run(
        [sys.executable, __file__, name, thread],
        capture_output=True,
        text=True,
        timeout=2 * SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == node_output(row(name), tmp_path)


def main(name: str, thread: str) -> None:
    """Prints what a row answers in each of two sessions, one after the other."""
    from napi_python import load_addon

    answers = []
    for _ in range(2):
        with load_addon(row(name).path, isolated=False, thread=thread) as addon:
            answers.append(canonical(CALLS[name](addon)))
    first, second = (
        json.dumps(answer, ensure_ascii=False, separators=(",", ":")) for answer in answers
    )
    if first != second:
        raise SystemExit(f"the first session answers {first}, the second {second}")
    print(first, end="")


if __name__ == "__main__":
    main(*sys.argv[1:])
