"""What holds for every test: none may see what another one left, and which mode it runs in."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent / "python"))
import mode_table
import modes

_OF_THREADS = (
    "ignore::pytest.PytestUnhandledThreadExceptionWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)
_MODE_CHOICES = "quick, all, or some of " + ", ".join(modes.MODES)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the option that chooses the modes of the tests."""
    parser.addoption(
        "--modes",
        default="quick",
        help=f"in which modes addons run ({_MODE_CHOICES}): with quick, the quick files in all",
    )
    parser.addoption(
        "--ending",
        action="store_true",
        help="run the tests that end their process in this mode",
    )


def _modes_of(config: pytest.Config, file: str) -> list[str]:
    """Returns the modes in which the tests of a file run, none if that is not chosen for it."""
    chosen = config.getoption("--modes")
    kind = mode_table.kind(file)
    if kind is None or (chosen == "quick" and kind != "quick"):
        return []
    named = list(modes.MODES) if chosen in ("quick", "all") else chosen.split(",")
    if not set(named) <= set(modes.MODES):
        raise pytest.UsageError(f"--modes must be {_MODE_CHOICES}, got {chosen!r}")
    return [mode for mode in named if not mode_table.left_out(file, mode)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs a test in each of its modes."""
    if found := _modes_of(metafunc.config, metafunc.module.__name__):
        metafunc.parametrize("mode", found, indirect=True, scope="module")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Expects what a mode cannot do to fail, in the way that the table says."""
    for item in items:
        callspec = getattr(item, "callspec", None)
        mode = callspec.params.get("mode") if callspec else None
        if mode not in modes.MODES:
            continue
        found = mode_table.limit(item.nodeid.rpartition("/")[2], mode)
        if found is None or (found.ends and config.getoption("--ending")):
            continue
        expected = pytest.mark.xfail(
            raises=found.raises, reason=found.reason, strict=True, run=not found.ends
        )
        item.add_marker(expected)
        # A thread of the test that fails is a failure of the test, wherever it is noticed.
        item.add_marker(pytest.mark.filterwarnings(*_OF_THREADS))


#: The fixtures that are set up anew in each mode.
_OF_MODE = {"mode"}


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[object],
) -> Generator[None, object, object]:
    """Fails where a fixture would keep what it opened in one mode for the tests of another."""
    if not _OF_MODE.isdisjoint(fixturedef.argnames):
        _OF_MODE.add(fixturedef.argname)
    before = modes.opened()
    value = yield
    if fixturedef.scope != "function" and fixturedef.argname not in _OF_MODE:
        text = f"the fixture {fixturedef.argname} outlives a test: let it use `mode`"
        assert modes.opened() == before, text
    return value


@pytest.fixture(scope="module", autouse=True)
def mode(request: pytest.FixtureRequest) -> Iterator[str]:
    """The mode in which addons run, of `modes.MODES`."""
    name = getattr(request, "param", None)
    if name is None:
        yield "isolated"
        return
    with modes.use(name, modes.addon_path("primitive")) as used:
        yield name
    whole = not request.config.getoption("keyword") and not any(
        "::" in argument for argument in request.config.args
    )
    assert used.opened or not whole, f"no test of {request.node.name} opened an addon in {name}"


@pytest.fixture(autouse=True)
def _threads_of_expected_failures_end(request: pytest.FixtureRequest) -> Iterator[None]:
    """Waits for the threads of a test that a mode's limit ended early: they fail, too."""
    before = set(threading.enumerate())
    yield
    if request.node.get_closest_marker("xfail") is not None:
        for thread in set(threading.enumerate()) - before:
            if not thread.name.startswith("napi-python"):
                thread.join(30)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


@pytest.fixture(autouse=True)
def _environment_is_left_as_it_was() -> Iterator[None]:
    """Fails a test that leaves a variable behind: hosts of later tests would inherit it."""
    before = _environment()
    yield
    assert _environment() == before
