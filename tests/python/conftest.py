"""What the tests of the Python package share: the sample addons, and JavaScript at hand."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from napi_python import Addon, host, load_addon

_DEFAULT = Path(__file__).resolve().parents[2] / "addons" / "build"

Script = Callable[[str], Any]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds what makes tests of chance longer."""
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
        "--kills",
        type=int,
        default=60,
        help="how many hosts are killed at random moments of a mixed load",
    )
    parser.addoption(
        "--whole",
        action="store_true",
        help="run the tests of turns and events in full: millions of events, 1000 tries",
    )


async def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Waits on the loop for what a callback or another thread brings about."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:  # noqa: ASYNC110  nobody tells
        await asyncio.sleep(0.0005)


def addon_path(name: str) -> Path:
    """Returns the built file of a sample addon."""
    folder = Path(os.environ.get("NAPI_HOSTD_ADDONS", _DEFAULT))
    path = folder / f"{name}.node"
    if not path.is_file():
        pytest.fail(f"{path} is not built; run: python addons/build.py", pytrace=False)
    return path


@pytest.fixture(scope="module")
def addon() -> Iterator[Addon]:
    """An addon whose host the tests of a module share."""
    with load_addon(addon_path("primitive")) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def js(addon: Addon) -> Script:
    """Runs JavaScript in the host; a function comes back as something to call."""
    return host(addon).run_script


@pytest.fixture
def crash() -> Iterator[Addon]:
    """An addon that knows every way to die, in a host of its own."""
    with load_addon(addon_path("crash")) as loaded:
        yield loaded


@pytest.fixture
def order() -> Iterator[Any]:
    """An addon with threads, work and promises, in a host of its own."""
    with load_addon(addon_path("order")) as loaded:
        yield loaded


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts are those that can be told to fail, of which `server/src/fault.rs` tells."""
    root = Path(__file__).resolve().parents[2]
    target = Path(os.environ.get("CARGO_TARGET_DIR", root / "target"))
    path = target / "debug" / "examples" / "faulty-hostd"
    if not path.is_file():
        pytest.fail(f"{path} is not built; run: make faults", pytrace=False)
    monkeypatch.setenv("NAPI_PYTHON_HOSTD", str(path))


@pytest.fixture(scope="module")
def rust() -> Iterator[Addon]:
    """The Rust sample."""
    with load_addon(addon_path("sample_rust")) as loaded:
        yield loaded
