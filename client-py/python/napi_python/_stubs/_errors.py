"""The error of declarations that cannot be read, and the bounds of what is read."""

from __future__ import annotations

from typing import Final

from napi_python._errors import AddonError

FILE_MAX: Final = 8 << 20
"""How many bytes one file of declarations may have."""
TOTAL_MAX: Final = 32 << 20
"""How many bytes all files of one package may have."""
FILES_MAX: Final = 4000
"""How many files are read for one package."""
SECONDS_MAX: Final = 60.0
"""How many seconds one file may take to be parsed."""
STEPS_MAX: Final = 1_000_000
"""How many types are translated for one package, those that aliases expand to included."""
DEFINITIONS_MAX: Final = 50_000
"""How many lines of definitions are written for one package."""


class StubsError(AddonError):
    """Declarations could not be found, read or written: the message says why and what to do."""
