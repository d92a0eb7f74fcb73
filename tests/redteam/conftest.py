"""Options of the attacks, and the modules that they share with the tests of the package."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds what makes the attacks longer, and what writes their outcomes down."""
    parser.addoption("--attacks", type=int, default=2, help="how many times each attack is made")
    parser.addoption("--golden", action="store_true", help="write matrix.txt instead of reading it")
