"""The pytest fixture `napi_leakcheck`: a test fails where an addon misuses Node-API or leaks.

Enable it with `pytest_plugins = ["napi_python.pytest_plugin"]` in a `conftest.py`.
"""

from __future__ import annotations

import gc
import logging
from typing import TYPE_CHECKING

import pytest

from napi_python import _addon

if TYPE_CHECKING:
    from collections.abc import Iterator


class LeakCheck(logging.Handler):
    """Collects the debug reports of the hosts that a test starts."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.reports: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a line of a host's log if it is a report of debug mode."""
        message = record.getMessage()
        if "misuse: " in message or "leak: " in message:
            self.reports.append(message)


@pytest.fixture
def napi_leakcheck(monkeypatch: pytest.MonkeyPatch) -> Iterator[LeakCheck]:
    """Loads addons in debug mode; fails the test if one misused Node-API or leaked.

    The addons must be closed in the test, since leaks are listed at close. A test that expects
    reports removes them from `reports`.
    """
    monkeypatch.setattr(_addon, "debug_everywhere", True)
    check = LeakCheck()
    logger = logging.getLogger("napi_python.host")
    logger.addHandler(check)
    try:
        yield check
        gc.collect()
    finally:
        logger.removeHandler(check)
    if check.reports:
        pytest.fail("\n".join(check.reports), pytrace=False)
