"""Traces of a profile, in the formats of speedscope and of Perfetto.

The second is the JSON of Chrome's tracing, which Perfetto and chrome://tracing open.
"""

from __future__ import annotations

import bisect
import os
from typing import Any, Final, NamedTuple

SUFFIXES: Final = {
    ".speedscope.json": "speedscope",
    ".perfetto.json": "perfetto",
    ".trace.json": "perfetto",
}
"""The formats, by the ends of names."""

_SCHEMA: Final = "https://www.speedscope.app/file-format-schema.json"
_NANOSECONDS_PER_MICROSECOND: Final = 1000
_CALL: Final = "call"
"""What the native part names the calls on the JS thread."""
_CANDIDATES_MAX: Final = 64
"""Calls of Python that are compared with one on the JS thread."""


class Span(NamedTuple):
    """A piece of time, in nanoseconds of the monotonic clock."""

    began: int
    ended: int
    name: str
    category: str


class Thread(NamedTuple):
    """What a thread did."""

    process: str
    name: str
    spans: list[Span]


Trace = list[Thread]


def trace_of(
    client: list[tuple[bool, int, int, int, int]],
    host: list[tuple[str, int, int]],
    names: dict[int, str],
    own: set[int],
    label: str,
) -> Trace:
    """Makes a trace of spans of Python's threads and of the JS thread.

    Args:
        client: Whether it is a callback, the number of the row, begin, end, number of the thread.
        host: What it is, begin, end.
        names: The names of rows.
        own: The rows of requests of this package.
        label: The name of the addon.

    """
    threads: dict[int, list[Span]] = {}
    calls: list[Span] = []
    for is_callback, row, began, ended, thread in client:
        if row in own:
            continue
        if is_callback:
            span = Span(began, ended, "callback", "callback")
        else:
            span = Span(began, ended, names.get(row, "?"), "call")
            calls.append(span)
        threads.setdefault(thread, []).append(span)
    calls.sort()
    served = [
        _served(Span(began, ended, name, _category(name)), calls) for name, began, ended in host
    ]
    python = f"Python, process {os.getpid()}"
    trace = [Thread(python, f"Python thread {one}", spans) for one, spans in threads.items()]
    spans = [span for span in served if span is not None]
    if spans:
        trace.append(Thread(label, f"JavaScript thread of {label}", spans))
    return trace


def _category(name: str) -> str:
    return "node-api" if "_" in name else name.split(maxsplit=1)[0].rstrip(",")


def _served(span: Span, calls: list[Span]) -> Span | None:
    """Returns a span of the JS thread, a call under the name that it has in Python."""
    if span.name != _CALL:
        return span
    last = bisect.bisect_right(calls, span.began, key=lambda call: call.began)
    for call in reversed(calls[max(last - _CANDIDATES_MAX, 0) : last]):
        # The clock of the reply may be read after it has arrived.
        if call.began <= span.began <= call.ended:
            return span._replace(name=call.name)
    return span


def _nested(spans: list[Span]) -> list[Span]:
    """Sorts spans, outer ones first, and cuts those that end after what is around them."""
    nested: list[Span] = []
    around: list[Span] = []
    for span in sorted(spans, key=lambda one: (one.began, -one.ended)):
        while around and around[-1].ended <= span.began:
            around.pop()
        if around and span.ended > around[-1].ended:
            span = span._replace(ended=around[-1].ended)  # noqa: PLW2901 - the same span, cut
        around.append(span)
        nested.append(span)
    return nested


def _base(trace: Trace) -> int:
    return min((span.began for thread in trace for span in thread.spans), default=0)


def speedscope(trace: Trace, label: str) -> dict[str, Any]:
    """Returns the document of speedscope: a profile for each thread."""
    base = _base(trace)
    frames: dict[str, int] = {}
    profiles = []
    for thread in trace:
        events: list[dict[str, Any]] = []
        around: list[tuple[int, int]] = []

        def close(until: int, events: list[dict[str, Any]], around: list[tuple[int, int]]) -> None:
            while around and around[-1][1] <= until:
                frame, ended = around.pop()
                events.append({"type": "C", "frame": frame, "at": ended - base})

        for span in _nested(thread.spans):
            close(span.began, events, around)
            frame = frames.setdefault(span.name, len(frames))
            events.append({"type": "O", "frame": frame, "at": span.began - base})
            around.append((frame, span.ended))
        while around:
            close(around[-1][1], events, around)
        profiles.append(
            {
                "type": "evented",
                "name": thread.name,
                "unit": "nanoseconds",
                "startValue": events[0]["at"] if events else 0,
                "endValue": events[-1]["at"] if events else 0,
                "events": events,
            }
        )
    return {
        "$schema": _SCHEMA,
        "name": f"Profile of {label}",
        "exporter": "napi_python",
        "activeProfileIndex": 0,
        "shared": {"frames": [{"name": name} for name in frames]},
        "profiles": profiles,
    }


def perfetto(trace: Trace, label: str) -> dict[str, Any]:
    """Returns the document of Perfetto: complete events, and the names of processes and threads."""
    base = _base(trace)
    processes: dict[str, int] = {}
    events: list[dict[str, Any]] = []
    for number, thread in enumerate(trace, 1):
        process = processes.setdefault(thread.process, len(processes) + 1)
        place = {"pid": process, "tid": number}
        named = {"process_name": thread.process, "thread_name": thread.name}
        events.extend(
            {"ph": "M", "name": kind, **place, "args": {"name": name}}
            for kind, name in named.items()
        )
        events.extend(
            {
                "ph": "X",
                "name": span.name,
                "cat": span.category,
                **place,
                "ts": (span.began - base) / _NANOSECONDS_PER_MICROSECOND,
                "dur": (span.ended - span.began) / _NANOSECONDS_PER_MICROSECOND,
            }
            for span in _nested(thread.spans)
        )
    return {
        "traceEvents": events,
        "displayTimeUnit": "ns",
        "otherData": {"exporter": "napi_python", "addon": label},
    }
