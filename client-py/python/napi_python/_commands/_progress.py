"""The line on a terminal that says what a command does."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING, Final

from napi_python import _text

if TYPE_CHECKING:
    from typing import TextIO

# At most how often the line is drawn, in seconds.
_REDRAW_INTERVAL: Final = 0.1
# How many characters the bar has.
_BAR: Final = 20


class Progress:
    """A line on a terminal; nothing elsewhere."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._is_shown = self._stream.isatty()
        self._shown_at = 0.0
        self._begun = time.monotonic()

    def seconds(self) -> str:
        """Returns the time since the beginning."""
        return f"{time.monotonic() - self._begun:.0f} s"

    def is_due(self) -> bool:
        """Returns whether the line may be drawn again."""
        now = time.monotonic()
        if not self._is_shown or now - self._shown_at < _REDRAW_INTERVAL:
            return False
        self._shown_at = now
        return True

    def show(self, text: str) -> None:
        """Replaces the line."""
        if self._is_shown:
            width = max(shutil.get_terminal_size().columns - 1, 20)
            self._stream.write(f"\r\x1b[K{_text.name(text)[:width]}")
            self._stream.flush()

    def show_part(self, done: float, whole: float, text: str) -> None:
        """Replaces the line by a bar and a text."""
        filled = round(_BAR * min(max(done / whole, 0.0), 1.0))
        self.show(f"[{'#' * filled}{'.' * (_BAR - filled)}] {text}")

    def clear(self) -> None:
        """Removes the line."""
        if self._is_shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
