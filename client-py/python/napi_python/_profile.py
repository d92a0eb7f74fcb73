"""`Profile`: where the time of calls went, as tables and as traces for other tools."""

from __future__ import annotations

import html
import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napi_python import _text, _traces

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

    from napi_python._traces import Trace

_ROWS_MAX: Final = 20
"""Rows of each table of the text and of the HTML."""

_UNNAMED: Final = {
    "Call": "(function without a name)",
    "CallMethod": "(method without a name)",
    "Construct": "(class without a name)",
    "Bulk": "(bulk)",
    "Get": "(get property)",
    "Set": "(set property)",
    "Delete": "(delete property)",
    "Has": "(has property)",
    "Keys": "(keys)",
    "RunScript": "(run_script)",
    "Turn": "(event-loop turn)",
    "LoadMore": "(load)",
    "Watch": "(outcome of a promise)",
    "Settle": "(outcome of an awaitable)",
    "Iterate": "(iterate)",
    "IterateAsync": "(iterate)",
    "Next": "(next item)",
    "Release": "(release objects)",
    "Collect": "(collect)",
    "Describe": "(describe)",
    "NewObject": "(new_object)",
    "RunStep": "(run_step)",
}
_OWN_CALLS: Final = frozenset({"Profile", "Stats"})
"""Requests of this package for figures: they are left out."""


@dataclass(frozen=True, slots=True)
class ExportProfile:
    """An exported function, class or method, or another kind of call, in a `Profile`.

    Times are nanoseconds of all calls; those of calls that were not measured are estimated from the
    measured ones.
    """

    name: str
    #: Calls, and how many of them raised: both exact.
    calls: int
    failures: int
    #: How many of the calls were measured.
    measured: int
    #: From the call in Python to its return, and without callbacks in Python.
    total_ns: int
    own_ns: int
    #: The longest measured call.
    longest_ns: int
    #: Callbacks in Python, with the calls that they make.
    python_ns: int
    #: The wait for the process and for the transport of messages, without what the addon did.
    waiting_ns: int
    #: Conversion of values, on both sides.
    marshalling_ns: int
    #: JavaScript; the addon's own code; functions of Node-API that it called.
    engine_ns: int
    addon_ns: int
    node_api_ns: int
    #: Garbage collection and finalizers in these calls.
    collection_ns: int
    #: Bytes of messages to the addon and from it, exact. What shared memory holds is not in them.
    bytes_out: int
    bytes_in: int


@dataclass(frozen=True, slots=True)
class FunctionProfile:
    """A function of Node-API in a `Profile`.

    Figures of calls that were not measured are estimated from the measured ones.
    """

    name: str
    calls: int
    #: From its call to its return, and without what it called in the addon.
    total_ns: int
    own_ns: int


@dataclass(frozen=True, slots=True)
class PromiseProfile:
    """The promises of a `Profile`: how long they took from their arrival to their outcome."""

    #: Promises that came, and how many were settled, and rejected.
    made: int
    settled: int
    rejected: int
    #: The sum of the times of those that were settled.
    total_ns: int
    #: The number of promises by time: each upper bound in nanoseconds is twice the one before.
    histogram: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class TimeProfile:
    """Where the time of all calls of a `Profile` went, in nanoseconds, each part once."""

    python_ns: int
    waiting_ns: int
    marshalling_ns: int
    engine_ns: int
    addon_ns: int
    node_api_ns: int
    collection_ns: int


@dataclass(frozen=True, slots=True)
class CollectionProfile:
    """Garbage collections and finalizers of a `Profile`, in calls and outside of them: exact."""

    collections: int
    collections_ns: int
    finalizers: int
    finalizers_ns: int


class Profile:
    """Where the time of an addon's calls went.

    `str()` returns it as tables, and Jupyter shows it so.

    Attributes:
        label: The name of the addon.
        elapsed_ns: Nanoseconds since the addon was loaded, or the profile was reset.
        exports: An `ExportProfile` for each export that was called, and for other kinds of calls in
            parentheses; those that took longest first.
        functions: A `FunctionProfile` for each function of Node-API, longest first.
        times: A `TimeProfile`, over all exports.
        promises: A `PromiseProfile`.
        collections: A `CollectionProfile`.

    """

    def __init__(  # noqa: PLR0913 - its attributes
        self,
        label: str,
        elapsed_ns: int,
        *,
        exports: Iterable[ExportProfile],
        functions: Iterable[FunctionProfile],
        times: TimeProfile,
        promises: PromiseProfile,
        collections: CollectionProfile,
        trace: Trace,
    ) -> None:
        self.label = label
        self.elapsed_ns = elapsed_ns
        self.exports = sorted(exports, key=lambda one: -one.total_ns)
        self.functions = sorted(functions, key=lambda one: -one.total_ns)
        self.times = times
        self.promises = promises
        self.collections = collections
        self._trace = trace

    def __repr__(self) -> str:
        calls = sum(one.calls for one in self.exports)
        return f"<Profile of {self.label}: {calls} calls>"

    def __str__(self) -> str:
        parts = [_heading(self)]
        for title, rows in _tables(self):
            parts.append(f"{title}\n{_table(rows)}")
        return "\n\n".join(parts)

    def _repr_html_(self) -> str:
        parts = [f"<p>{html.escape(_heading(self))}</p>"]
        for title, rows in _tables(self):
            head, *body = ["".join(map(_cell, row)) for row in rows]
            lines = "".join(f"<tr>{row}</tr>" for row in body)
            parts.append(
                f"<table><caption>{html.escape(title)}</caption>"
                f"<thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"
            )
        return "".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Returns all figures as a dict of plain values, without the trace."""
        return {
            "label": self.label,
            "elapsed_ns": self.elapsed_ns,
            "exports": [asdict(one) for one in self.exports],
            "functions": [asdict(one) for one in self.functions],
            "times": asdict(self.times),
            "promises": asdict(self.promises),
            "collections": asdict(self.collections),
        }

    def to_json(self, indent: int | None = None) -> str:
        """Returns all figures as JSON, without the trace.

        `indent` is the number of spaces of each level; None writes one line.
        """
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False)

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        format: Literal["speedscope", "perfetto"] | None = None,  # noqa: A002 - as `plt.savefig`
    ) -> None:
        """Writes the last measured calls as a trace: what each thread did when.

        Args:
            path: The file, which is replaced.
            format: "speedscope" for https://www.speedscope.app, "perfetto" for
                https://ui.perfetto.dev and chrome://tracing. By default the end of the name
                decides: ".speedscope.json", or ".perfetto.json" or ".trace.json".

        Raises:
            OSError: The file cannot be written.
            ValueError: The format is unknown, or the name says none.

        """
        name = os.fspath(path)
        chosen: str | None = format
        for suffix, known in _traces.SUFFIXES.items():
            if format is None and name.endswith(suffix):
                chosen = known
        if chosen is None:
            shown = ", ".join(_traces.SUFFIXES)
            raise ValueError(f"the name must end with one of {shown}, or format= be given: {name}")
        if chosen not in ("speedscope", "perfetto"):
            raise ValueError(f"format must be 'speedscope' or 'perfetto', got {format!r}")
        write = _traces.speedscope if chosen == "speedscope" else _traces.perfetto
        document = write(self._trace, self.label)
        Path(name).write_text(json.dumps(document, separators=(",", ":")), encoding="utf-8")


def profile_of(facts: dict[str, Any]) -> Profile:
    """Makes a profile of what the native part knows."""
    label = facts["label"]
    rows = [row for row in facts["rows"] if row["call"] not in _OWN_CALLS]
    # A row by kind of call may be empty since a reset.
    exports = [_export(row) for row in rows if row["calls"]]
    made, rejected, classes, total = facts["promises"]
    histogram = tuple((1 << place, count) for place, count in enumerate(classes) if count)
    promises = PromiseProfile(made, sum(classes), rejected, total, histogram)
    names = {row["number"]: _name(row) for row in facts["rows"]}
    own = {row["number"] for row in facts["rows"] if row["call"] in _OWN_CALLS}
    return Profile(
        label,
        facts["elapsed"],
        exports=exports,
        functions=[FunctionProfile(*one) for one in facts["functions"]],
        times=_times(rows),
        promises=promises,
        collections=CollectionProfile(*facts["collections"], *facts["finalizers"]),
        trace=_traces.trace_of(facts["client_spans"], facts["host_spans"], names, own, label),
    )


def merged(profiles: list[Profile], label: str) -> Profile:
    """Adds up the profiles of several hosts of one addon."""
    exports: dict[str, ExportProfile] = {}
    functions: dict[str, FunctionProfile] = {}
    histogram: dict[int, int] = {}
    for profile in profiles:
        for export in profile.exports:
            known = exports.get(export.name)
            exports[export.name] = export if known is None else _sum(known, export)
        for function in profile.functions:
            former = functions.get(function.name)
            functions[function.name] = function if former is None else _sum(former, function)
        for bound, count in profile.promises.histogram:
            histogram[bound] = histogram.get(bound, 0) + count
    made, settled, rejected, total = (
        sum(getattr(profile.promises, name) for profile in profiles)
        for name in ("made", "settled", "rejected", "total_ns")
    )
    histogram_of_all = tuple(sorted(histogram.items()))
    return Profile(
        label,
        max((profile.elapsed_ns for profile in profiles), default=0),
        exports=exports.values(),
        functions=functions.values(),
        times=_sum(*[profile.times for profile in profiles]),
        promises=PromiseProfile(made, settled, rejected, total, histogram_of_all),
        collections=_sum(*[profile.collections for profile in profiles]),
        trace=[thread for profile in profiles for thread in profile._trace],  # noqa: SLF001 - of this module
    )


def _sum(*parts: Any) -> Any:  # noqa: ANN401 - dataclasses of one type
    values = {}
    for field in fields(parts[0]):
        all_values = [getattr(part, field.name) for part in parts]
        if field.name == "name":
            values[field.name] = all_values[0]
        else:
            values[field.name] = max(all_values) if field.name == "longest_ns" else sum(all_values)
    return type(parts[0])(**values)


def _name(row: dict[str, Any]) -> str:
    name, call = row["name"], row["call"]
    if name is None:
        return _UNNAMED.get(call, f"({call})")
    shown = _text.name(name)
    if call == "Construct":
        return f"new {shown}"
    return f"{shown} (bulk)" if call == "Bulk" else shown


def _scaled(row: dict[str, Any], name: str) -> int:
    """Returns a sum over all calls of a row, from that over the measured ones."""
    weight: int = row["weight"]
    return 0 if weight == 0 else row[name] * row["calls"] // weight


def _export(row: dict[str, Any]) -> ExportProfile:
    total, python = _scaled(row, "total"), _scaled(row, "callbacks")
    return ExportProfile(
        name=_name(row),
        calls=row["calls"],
        failures=row["failures"],
        measured=row["samples"],
        total_ns=total,
        own_ns=max(total - python, 0),
        longest_ns=row["longest"],
        python_ns=python,
        waiting_ns=_scaled(row, "waiting"),
        marshalling_ns=_scaled(row, "marshalling") + _scaled(row, "host_marshalling"),
        engine_ns=_scaled(row, "engine"),
        addon_ns=_scaled(row, "addon"),
        node_api_ns=_scaled(row, "functions"),
        collection_ns=_scaled(row, "collection"),
        bytes_out=row["sent"],
        bytes_in=row["received"],
    )


def _times(rows: list[dict[str, Any]]) -> TimeProfile:
    def every(*names: str) -> int:
        return sum(_scaled(row, name) for row in rows for name in names)

    return TimeProfile(
        # Calls that a callback makes have rows of their own.
        python_ns=max(every("callbacks") - every("nested"), 0),
        waiting_ns=every("waiting"),
        marshalling_ns=every("marshalling", "host_marshalling"),
        engine_ns=every("engine"),
        addon_ns=every("addon"),
        node_api_ns=every("functions"),
        collection_ns=every("collection"),
    )


# --- Tables --------------------------------------------------------------------------------------


def _heading(profile: Profile) -> str:
    calls = sum(one.calls for one in profile.exports)
    measured = sum(one.measured for one in profile.exports)
    return (
        f"Profile of {profile.label}: {calls} calls in {_time(profile.elapsed_ns)}, "
        f"{measured} of them measured"
    )


def _tables(profile: Profile) -> list[tuple[str, list[list[str]]]]:
    tables = []
    if profile.exports:
        head = "calls mean total own Python waiting marshalling engine addon Node-API GC out in"
        rows = [["export", *head.split()]]
        for one in profile.exports[:_ROWS_MAX]:
            parts = (
                *(one.total_ns // max(one.calls, 1), one.total_ns, one.own_ns, one.python_ns),
                *(one.waiting_ns, one.marshalling_ns, one.engine_ns, one.addon_ns),
                *(one.node_api_ns, one.collection_ns),
            )
            sizes = (_size(one.bytes_out), _size(one.bytes_in))
            rows.append([one.name, str(one.calls), *map(_time, parts), *sizes])
        tables.append((_title("Exports", len(profile.exports)), rows))
    if profile.functions:
        rows = [["function of Node-API", "calls", "mean", "total", "own"]]
        for function in profile.functions[:_ROWS_MAX]:
            mean = function.total_ns // max(function.calls, 1)
            shown = map(_time, (mean, function.total_ns, function.own_ns))
            rows.append([function.name, str(function.calls), *shown])
        tables.append((_title("Functions of Node-API", len(profile.functions)), rows))
    times = asdict(profile.times)
    whole = sum(times.values())
    if whole:
        rows = [["part", "time", "share"]]
        for name, title in _PARTS.items():
            share = f"{100 * times[name] / whole:.1f} %"
            rows.append([title, _time(times[name]), share])
        tables.append(("Where the time went", rows))
    collections = profile.collections
    if collections.collections or collections.finalizers:
        rows = [["", "count", "time"]]
        time = _time(collections.collections_ns)
        rows.append(["garbage collections", str(collections.collections), time])
        time = _time(collections.finalizers_ns)
        rows.append(["finalizers", str(collections.finalizers), time])
        tables.append(("Garbage", rows))
    promises = profile.promises
    if promises.made:
        rows = [["settled within", "promises"]]
        rows += [[_time(bound), str(count)] for bound, count in promises.histogram]
        pending = max(promises.made - promises.settled, 0)
        title = f"Promises: {promises.settled} settled, {promises.rejected} of them rejected"
        tables.append((f"{title}, {pending} pending", rows))
    return tables


_PARTS: Final = {
    "python_ns": "callbacks in Python",
    "waiting_ns": "waiting and transport",
    "marshalling_ns": "conversion of values",
    "engine_ns": "JavaScript",
    "addon_ns": "the addon's code",
    "node_api_ns": "functions of Node-API",
    "collection_ns": "garbage collection, finalizers",
}


def _title(what: str, count: int) -> str:
    return what if count <= _ROWS_MAX else f"{what}: the first {_ROWS_MAX} of {count}"


def _table(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        numbers = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([f"  {first.ljust(widths[0])}", *numbers]).rstrip())
    return "\n".join(lines)


def _cell(text: str) -> str:
    return f"<td>{html.escape(text)}</td>"


def _time(nanoseconds: float) -> str:
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.2f} {unit}"
    return f"{nanoseconds:.0f} ns" if nanoseconds else "0"


def _size(count: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count:.0f} B" if count else "0"
