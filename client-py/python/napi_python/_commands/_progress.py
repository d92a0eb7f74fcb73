"""The line on a terminal that says what a command does: by rich, if that is installed."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING, Final, Protocol

from napi_python import _text

if TYPE_CHECKING:
    from typing import TextIO

# At most how often the line is drawn, in seconds.
_REDRAW_INTERVAL: Final = 0.1
# How many characters the bar has.
_BAR: Final = 20


class _Line(Protocol):
    """A line of a terminal."""

    def draw(self, text: str, part: float | None) -> None:
        """Replaces the line by a text and how much is done, from 0 to 1."""

    def clear(self) -> None:
        """Removes the line."""


class _PlainLine:
    """A line of plain characters."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def draw(self, text: str, part: float | None) -> None:
        width = max(shutil.get_terminal_size().columns - 1, _BAR)
        if part is not None:
            filled = round(_BAR * part)
            text = f"[{'#' * filled}{'.' * (_BAR - filled)}] {text}"
        self._stream.write(f"\r\x1b[K{text[:width]}")
        self._stream.flush()

    def clear(self) -> None:
        self._stream.write("\r\x1b[K")
        self._stream.flush()


class _RichLine:
    """A bar of rich. It is drawn by the calling thread: a measurement runs beside it."""

    def __init__(self, stream: TextIO) -> None:
        from rich import progress  # noqa: PLC0415 - it may be missing
        from rich.console import Console  # noqa: PLC0415
        from rich.table import Column  # noqa: PLC0415

        column = Column(no_wrap=True, overflow="ellipsis", ratio=1)
        self._progress = progress.Progress(
            progress.BarColumn(bar_width=_BAR),
            # Names of packages are no markup.
            progress.TextColumn("{task.description}", markup=False, table_column=column),
            console=Console(file=stream),
            auto_refresh=False,
            transient=True,
            expand=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._progress.add_task("", total=None)

    def draw(self, text: str, part: float | None) -> None:
        self._progress.start()
        total = None if part is None else 1.0
        self._progress.update(self._task, description=text, completed=part or 0.0, total=total)
        self._progress.refresh()

    def clear(self) -> None:
        self._progress.stop()


def _line(stream: TextIO) -> _Line:
    try:
        return _RichLine(stream)
    except ImportError:
        return _PlainLine(stream)


class Progress:
    """A line on a terminal; nothing elsewhere."""

    def __init__(self, stream: TextIO | None = None) -> None:
        stream = sys.stderr if stream is None else stream
        self._line = _line(stream) if stream.isatty() else None
        self._shown_at = 0.0
        self._begun = time.monotonic()

    def seconds(self) -> str:
        """Returns the time since the beginning."""
        return f"{time.monotonic() - self._begun:.0f} s"

    def is_due(self) -> bool:
        """Returns whether the line may be drawn again."""
        now = time.monotonic()
        if self._line is None or now - self._shown_at < _REDRAW_INTERVAL:
            return False
        self._shown_at = now
        return True

    def show(self, text: str) -> None:
        """Replaces the line."""
        if self._line is not None:
            self._line.draw(_text.name(text), None)

    def show_part(self, done: float, whole: float, text: str) -> None:
        """Replaces the line by a bar and a text."""
        if self._line is not None:
            self._line.draw(_text.name(text), min(max(done / whole, 0.0), 1.0))

    def clear(self) -> None:
        """Removes the line."""
        if self._line is not None:
            self._line.clear()
