"""Hosts that send hostile frames: `hostile.py` calls them, and says what it checks.

`--frames 1000000` is the long run; `--frames-seed` chooses other frames, and `--frames-case` is the
only case that is done.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CARRIERS = ("lanes", "socket")


@pytest.fixture
def hostile_host() -> Path:
    """The host, which `make faults` builds."""
    root = Path(__file__).resolve().parents[2]
    target = Path(os.environ.get("CARGO_TARGET_DIR", root / "target"))
    path = target / "debug" / "examples" / "hostile-hostd"
    if not path.is_file():
        pytest.fail(f"{path} is not built; run: make faults", pytrace=False)
    return path


def start(arguments: list[str], progress: Path) -> subprocess.Popen[str]:
    command = [sys.executable, str(Path(__file__).with_name("hostile.py")), *arguments]
    return subprocess.Popen(
        [*command, "--progress", str(progress)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def result(worker: subprocess.Popen[str], progress: Path) -> dict[str, Any]:
    """Waits for a worker; fails with what it found."""
    out, err = worker.communicate()
    case = progress.read_text() if progress.exists() else "none"
    assert worker.returncode == 0, f"ended in the cases from {case}: {err[-4000:]}"
    stats: dict[str, Any] = json.loads(out.splitlines()[-1])
    assert stats["found"] == []
    assert "Panic" not in err, err[-4000:]
    return stats


# A worker ends by itself where a batch of cases takes too long.
@pytest.mark.timeout(0)
def test_hostile_frames_cost_and_raise_what_is_documented(
    hostile_host: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    frames, seed, case = (
        request.config.getoption(name) for name in ("--frames", "--frames-seed", "--frames-case")
    )
    common = ["--host", str(hostile_host), "--seed", str(seed)]
    if case is not None:
        one = start([*common, "--case", str(case)], tmp_path / "progress")
        print(result(one, tmp_path / "progress"))
        return
    share = ["--frames", str(frames // len(CARRIERS)), "--step", str(len(CARRIERS))]
    workers = [
        (start([*common, *share, "--first", str(first), "--carrier", carrier], file), file)
        for first, carrier in enumerate(CARRIERS)
        for file in [tmp_path / f"progress-{carrier}"]
    ]
    try:
        for worker, file in workers:
            print(result(worker, file))
    finally:
        for worker, _ in workers:
            worker.kill()
            worker.communicate()
