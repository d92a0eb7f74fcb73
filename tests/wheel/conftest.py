"""Options of the tests of a wheel, which `make wheel` runs when it has built one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bare
import pytest
from document_blocks import ROOT


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options that say what is tested."""
    parser.addoption("--dist", type=Path, help="the folder with the wheel and the sdist to test")
    parser.addoption(
        "--tools",
        type=Path,
        default=ROOT / ".work" / "wheel" / "bin",
        help="the folder with auditwheel and twine",
    )


def _only(config: pytest.Config, pattern: str) -> Path:
    folder: Path | None = config.getoption("--dist")
    if folder is None:
        pytest.skip("no wheel to test: make wheel builds one and runs this")
    found = sorted(folder.absolute().glob(pattern))
    assert len(found) == 1, f"{folder} has {[path.name for path in found]} as {pattern}"
    return found[0]


@pytest.fixture(scope="session")
def wheel(pytestconfig: pytest.Config) -> Path:
    """The wheel."""
    return _only(pytestconfig, "*.whl")


@pytest.fixture(scope="session")
def sdist(pytestconfig: pytest.Config) -> Path:
    """The source distribution."""
    return _only(pytestconfig, "*.tar.gz")


@pytest.fixture(scope="session")
def tools(pytestconfig: pytest.Config) -> Path:
    """The folder with the programs of `requirements.txt`."""
    folder: Path = pytestconfig.getoption("--tools").absolute()
    return folder


@pytest.fixture(scope="module", params=bare.VERSIONS)
def environment(request: pytest.FixtureRequest, wheel: Path) -> Iterator[bare.Environment]:
    """An environment of an ordinary user with the wheel and nothing else."""
    prefix = bare.interpreter(request.param)
    if prefix is None:
        pytest.skip(f"no CPython {request.param} was found: {bare.SEARCHED}")
    with bare.installed(request.param, prefix, wheel) as made:
        yield made
