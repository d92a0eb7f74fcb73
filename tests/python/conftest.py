"""Fixtures and helpers of the Python tests: sample addons, JavaScript, programs, cgroups."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import modes
import pytest
from napi_python import Addon, host, load_addon

addon_path = modes.addon_path

Script = Callable[[str], Any]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds options that make randomized tests run longer."""
    parser.addoption(
        "--moments",
        type=int,
        default=10,
        help="how many times Python is killed at a random moment",
    )
    parser.addoption(
        "--exits",
        type=int,
        default=1,
        help="how many times the interpreter ends in each of the states that it can end in",
    )
    parser.addoption(
        "--tries",
        type=int,
        default=10,
        help="how many times a loop is blocked in each way while an addon's threads call",
    )
    parser.addoption(
        "--hosts",
        type=int,
        default=30,
        help="how many fresh hosts an event loop calls first with a callback",
    )
    parser.addoption(
        "--idle",
        type=float,
        default=1.0,
        help="for how many seconds an idle loop is watched",
    )
    parser.addoption(
        "--rounds",
        type=int,
        default=200,
        help="how many times a host crashes while threads call",
    )
    parser.addoption(
        "--faults",
        type=int,
        default=2,
        help="how many hosts fail at each step of the protocol",
    )
    parser.addoption(
        "--frames",
        type=int,
        default=10_000,
        help="how many hostile frames are sent",
    )
    parser.addoption(
        "--frames-seed",
        type=int,
        default=1,
        help="which hostile frames are sent",
    )
    parser.addoption(
        "--frames-case",
        type=int,
        help="the only case of hostile frames that is done",
    )
    parser.addoption(
        "--kills",
        type=int,
        default=60,
        help="how many hosts are killed at random moments of a mixed load",
    )
    parser.addoption(
        "--minutes",
        type=float,
        default=0.15,
        help="for how many minutes a mixed load runs whose memory is watched",
    )
    parser.addoption(
        "--whole",
        action="store_true",
        help="run the tests of turns and events in full: millions of events, 1000 tries",
    )


async def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Polls a condition on the loop; returns when it holds or after this time."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:  # noqa: ASYNC110 - there is no event for it
        await asyncio.sleep(0.0005)


def reached(addon: Addon, condition: Callable[[], object], seconds: float = 30.0) -> bool:
    """Waits for what an addon does outside calls; False after this time.

    With thread="caller" this thread has to take the turns meanwhile.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        if modes.current() == "caller":
            host(addon).run_pending()
        time.sleep(0.0005)
    return True


def run_program(
    source: str, *arguments: object, prefix: Sequence[str] = (), **options: Any
) -> subprocess.CompletedProcess[str]:
    """Runs a Python program in a new interpreter, behind the words of `prefix`.

    Skips the test if the program ends with `sys.exit("unavailable: ...")`, because the system lacks
    what it needs. The caller checks the exit status.
    """
    program = [*prefix, sys.executable, "-c", modes.of_program(source), *map(str, arguments)]
    options = {"timeout": 120, **options}
    done = subprocess.run(program, capture_output=True, text=True, check=False, **options)
    if done.stderr.startswith("unavailable: "):
        pytest.skip(done.stderr)
    return done


_CGROUPS = Path("/sys/fs/cgroup")


def _cgroup_path(controller: str) -> str | None:
    """Returns this process' path in the hierarchy of a controller, "" for the unified one."""
    for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return path.lstrip("/")
    return None


def _cgroup_parents() -> Iterator[tuple[Path, str]]:
    """Yields folders in which a memory cgroup may be created, with the name of its limit file."""
    if (_CGROUPS / "cgroup.controllers").exists():
        path = _cgroup_path("")
        if path is not None:
            yield _CGROUPS / path, "memory.max"
        yield _CGROUPS, "memory.max"
    path = _cgroup_path("memory")
    if path is not None:
        # In a container the path may be that of the system outside.
        yield _CGROUPS / "memory" / path, "memory.limit_in_bytes"
        yield _CGROUPS / "memory", "memory.limit_in_bytes"


def _remove_cgroup(group: Path) -> None:
    """Removes a cgroup, which fails until the kernel has reaped its last process."""
    end = time.monotonic() + 10
    while group.exists():
        try:
            group.rmdir()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


@contextlib.contextmanager
def memory_cgroup(limit: int) -> Iterator[Path]:
    """Creates a cgroup with a memory limit in bytes and without swap; skips the test if it cannot.

    A process enters it by writing its PID to the file `cgroup.procs`.
    """
    reasons = []
    for parent, name in _cgroup_parents():
        group = parent / f"napi-python-{os.getpid()}-{time.monotonic_ns()}"
        try:
            group.mkdir()
        except OSError as error:
            reasons.append(str(error))
            continue
        try:
            try:
                (group / name).write_text(str(limit))
            except OSError as error:
                reasons.append(str(error))
                continue
            for swap, value in (("memory.swap.max", 0), ("memory.memsw.limit_in_bytes", limit)):
                with contextlib.suppress(OSError):
                    if (group / swap).exists():
                        (group / swap).write_text(str(value))
            yield group
        finally:
            _remove_cgroup(group)
        return
    pytest.skip(f"no memory cgroup can be created: {'; '.join(reasons) or 'there is none'}")


@pytest.fixture
def ungranted(tmp_path: Path) -> Path:
    """A folder that no sandbox grants, with a file and two folders in it."""
    folder = tmp_path / "not granted"
    folder.mkdir()
    (folder / "file").write_text("mine")
    (folder / "empty").mkdir()
    (folder / "other").mkdir()
    return folder


@contextlib.contextmanager
def control_c(after: float) -> Iterator[None]:
    """Raises SIGINT in this process after some time, as a terminal does."""
    former = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, after)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


@pytest.fixture(scope="module")
def addon(mode: str) -> Iterator[Addon]:
    """An addon whose host the tests of a module share."""
    with load_addon(addon_path("primitive")) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def js(addon: Addon) -> Script:
    """Runs JavaScript in the host and returns its value."""
    return host(addon).run_script


@pytest.fixture
def crash() -> Iterator[Addon]:
    """The sample that crashes on request, in a host of its own."""
    with load_addon(addon_path("crash")) as loaded:
        yield loaded


@pytest.fixture
def order() -> Iterator[Any]:
    """An addon with threads, work and promises, in a host of its own."""
    with load_addon(addon_path("order")) as loaded:
        yield loaded


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes hosts those that fail on request (the feature `faults` of the host program)."""
    root = Path(__file__).resolve().parents[2]
    target = Path(os.environ.get("CARGO_TARGET_DIR", root / "target"))
    path = target / "debug" / "examples" / "faulty-hostd"
    if not path.is_file():
        pytest.fail(f"{path} is not built; run: make faults", pytrace=False)
    monkeypatch.setenv("NAPI_PYTHON_HOSTD", str(path))


@pytest.fixture(scope="module")
def rust(mode: str) -> Iterator[Addon]:
    """The Rust sample."""
    with load_addon(addon_path("sample_rust")) as loaded:
        yield loaded


Write = Callable[[dict[str, str]], Path]


@pytest.fixture
def project(tmp_path: Path) -> Write:
    """Writes files below a folder of the test's and returns the folder."""

    def write(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / "project" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text), encoding="utf-8")
        return tmp_path / "project"

    return write


def package(name: str, index: str, **manifest: object) -> dict[str, str]:
    folder = f"node_modules/{name}"
    described = {"name": name, "version": "1.2.3", **manifest}
    return {f"{folder}/package.json": json.dumps(described), f"{folder}/index.js": index}
