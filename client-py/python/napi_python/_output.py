"""Output of addons, log lines of hosts, and unhandled exceptions."""

from __future__ import annotations

import codecs
import contextlib
import sys
import threading
from typing import TYPE_CHECKING

from napi_python import _places, _text
from napi_python._errors import JSError

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

_LINE_LIMIT = 64 * 1024

_decoders: dict[tuple[str, bool], codecs.IncrementalDecoder] = {}
_lines: dict[tuple[str, bool], str] = {}


def _logger(name: str) -> logging.Logger:
    import logging  # noqa: PLC0415 - takes long to import

    from napi_python import _logs  # noqa: PLC0415 - only here

    _logs.apply()
    return logging.getLogger(f"napi_python.{name}")


def _logger_of(label: str) -> logging.Logger:
    return _logger(f"addon.{label.replace('.', '_')}")


def show(label: str, error: bool, data: bytes) -> None:  # noqa: FBT001 - called from native code
    """Writes output of an addon to Python's stream and logs its lines; no data ends the stream."""
    key = (label, error)
    is_end = not data
    decoder = _decoders.pop(key, None) if is_end else _decoders.get(key)
    if decoder is None:
        decoder = codecs.getincrementaldecoder("utf-8")(errors="backslashreplace")
        if not is_end:
            _decoders[key] = decoder
    text = _text.output(decoder.decode(data, final=is_end))
    stream = sys.stderr if error else sys.stdout
    if stream is not None:
        # If Python's own stream is closed, the log still gets the lines.
        with contextlib.suppress(ValueError, OSError):
            stream.write(text)
            stream.flush()
    *lines, rest = (_lines.pop(key, "") + text).split("\n")
    if rest and (is_end or len(rest) > _LINE_LIMIT):
        lines.append(rest)
    elif rest:
        _lines[key] = rest
    if not lines:
        return
    logger = _logger_of(label)
    for line in lines:
        shown = _text.source(line.rstrip("\r"))
        logger.info("%s", shown, extra={"stream": "stderr" if error else "stdout"})


def log(level: int, target: str, message: str) -> None:
    """Passes a line of a host's log to Python's logging."""
    _logger("host").log(level, "%s: %s", _text.name(target), _text.message(message, _LINE_LIMIT))


def _stack(thread: int) -> str:
    import traceback  # noqa: PLC0415 - only here

    frame = sys._current_frames().get(thread)  # noqa: SLF001 - there is no other way
    name = next((t.name for t in threading.enumerate() if t.ident == thread), "unnamed thread")
    stack = "".join(traceback.format_stack(frame)) if frame else "  (no Python frames)\n"
    return f"{name} ({thread}):\n{stack}"


def queued(label: str, behind: list[int]) -> None:
    """Warns of a call that has waited 1 s for callbacks of other threads."""
    stacks = "".join(_stack(thread) for thread in behind)
    _logger_of(label).warning(
        "possible deadlock: a call to the addon %s has waited 1 s for a Python callback in another "
        "thread to return; if that callback waits for this call, neither returns: set a "
        "deadline(), or load the addon with nested_threads=True\n"
        "waiting call, in thread %scallback, in thread %s",
        label,
        _stack(threading.get_ident()),
        stacks.rstrip(),
    )


_hook: Callable[[BaseException], object] | None = None


def on_uncaught(
    hook: Callable[[BaseException], object] | None, /
) -> Callable[[BaseException], object] | None:
    """Sets the hook for exceptions that no call can raise, and returns the previous hook.

    These are exceptions of threadsafe functions, timers and finalizers, and unhandled rejections;
    `package`, `file`, `line` and `column` of a `JSError` say where it was thrown. With None, the
    default, they are logged at ERROR, with package and place, and their traceback.
    """
    global _hook
    former, _hook = _hook, hook
    return former


def uncaught(label: str, error: BaseException, origin: object) -> None:
    """Calls the hook of `on_uncaught`, or logs the exception, with its place and package."""
    if _hook is not None:
        _hook(error)
        return
    place = _places.place(error.stack) if isinstance(error, JSError) else None
    _logger_of(label).error(
        "unhandled exception in %s of %s%s",
        _text.name(str(origin)),
        (place.package() if place else None) or label,
        f", at {place}" if place else "",
        exc_info=(type(error), error, error.__traceback__),
    )


def trouble(label: str, error: BaseException) -> None:
    """Logs the failure of a background task."""
    _logger_of(label).error("background task failed: %s", error, exc_info=error)
