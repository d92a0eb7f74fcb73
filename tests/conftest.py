"""What holds for every test: none may see what another one left."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


@pytest.fixture(autouse=True)
def _environment_is_left_as_it_was() -> Iterator[None]:
    """Fails a test that leaves a variable behind: hosts of later tests would inherit it."""
    before = _environment()
    yield
    assert _environment() == before
