"""What the tests of a wheel are given: `make wheel` says by variables where it has built one.

This is a plugin and no `conftest.py`: processes that a test starts find the one of `tests/python`
by that name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import bare
import pytest
from document_blocks import ROOT

#: The folder with the wheel and the sdist to test.
DIST = "NAPI_PYTHON_DIST"
#: The folder with auditwheel and twine.
TOOLS = ROOT / ".work" / "wheel" / "bin"


def _only(pattern: str) -> Path:
    if DIST not in os.environ:
        pytest.skip("no wheel to test: make wheel builds one and runs this")
    folder = Path(os.environ[DIST]).absolute()
    found = sorted(folder.glob(pattern))
    assert len(found) == 1, f"{folder} has {[path.name for path in found]} as {pattern}"
    return found[0]


@pytest.fixture(scope="session")
def wheel() -> Path:
    """The wheel."""
    return _only("*.whl")


@pytest.fixture(scope="session")
def sdist() -> Path:
    """The source distribution."""
    return _only("*.tar.gz")


@pytest.fixture(scope="session")
def tools() -> Path:
    """The folder with the programs of `requirements.txt`."""
    return TOOLS


@pytest.fixture(scope="module", params=bare.VERSIONS)
def environment(request: pytest.FixtureRequest, wheel: Path) -> Iterator[bare.Environment]:
    """An environment of an ordinary user with the wheel and nothing else."""
    prefix = bare.interpreter(request.param)
    if prefix is None:
        pytest.skip(f"no CPython {request.param} was found: {bare.SEARCHED}")
    with bare.installed(request.param, prefix, wheel) as made:
        yield made
