"""The command `bench`: how long a call takes, in each mode and in Node."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napi_python import _programs, _text
from napi_python._commands import _calling, _console, _opening, _packages, _values
from napi_python._commands._progress import Progress
from napi_python._commands.call import add_call
from napi_python._errors import AddonError

if TYPE_CHECKING:
    import argparse

MODES: Final = ("isolated", "own", "caller", "node")

# How many calls are made before the first that counts, and for how many seconds at most.
_WARM_UP_CALLS: Final = 100
_WARM_UP_SECONDS: Final = 0.2
# How many calls are measured at most, which bounds the memory of their times.
_CALLS_MAX: Final = 1_000_000
# How many seconds a program that measures gets beside those of its calls.
_PROGRAM_SECONDS: Final = 60.0
_BYTES_KEY: Final = "$file"
# From which multiple of Node's time on no decimals are shown.
_DECIMALS_MAX: Final = 10

# Measures in Node what `_measure` does in Python; it is given a file with the request.
_NODE: Final = """
const {readFileSync} = require('node:fs');
const request = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const load = () => request.file === null ?
  require(require.resolve(request.name, {paths: [request.root]})) : require(request.file);
const main = async () => {
  const exported = load();
  const names = request.export === '.' ? [] : request.export.split('.');
  let self = undefined, target = exported;
  for (const name of names) [self, target] = [target, target[name]];
  const values = request.arguments.map((value) =>
    value !== null && typeof value === 'object' && KEY in value ?
      readFileSync(value[KEY]) : value);
  const isClass = /^class\\b/.test(Function.prototype.toString.call(target));
  const call = isClass ? () => new target(...values) : () => target.apply(self, values);
  const once = async () => { const made = call(); if (made instanceof Promise) await made; };
  const isAsync = call() instanceof Promise;
  const times = [];
  const run = async (count, seconds, kept) => {
    const end = process.hrtime.bigint() + BigInt(Math.round(seconds * 1e9));
    for (let done = 0; done < count; done += 1) {
      const begun = process.hrtime.bigint();
      if (begun > end) break;
      if (isAsync) await once(); else call();
      if (kept) times.push(Number(process.hrtime.bigint() - begun));
    }
  };
  await run(WARM_UP_CALLS, WARM_UP_SECONDS, false);
  await run(request.calls, request.seconds, true);
  times.sort((a, b) => a - b);
  const at = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))];
  console.log(JSON.stringify({bench: {
    calls: times.length, median_ns: at(0.5), p95_ns: at(0.95), version: process.version}}));
};
main().then(() => process.exit(0), (error) => {
  console.log(JSON.stringify({failed: String(error && error.message || error)}));
  process.exit(1);
});
"""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to those of the command line."""
    parser = commands.add_parser(
        "bench",
        help="measure how long a call takes",
        description=(
            "Calls an export again and again, waits for its promise each time, and shows the "
            "median and the 95th percentile, compared with those in Node if there is a node on "
            'PATH. The modes "own" and "caller" of docs/modes.md, and "node", run the addon '
            "without a sandbox, with all rights of this user: pass --no-node for an addon that "
            "you do not trust."
        ),
    )
    _opening.add_name(parser)
    add_call(parser)
    parser.add_argument(
        "--mode",
        action="append",
        choices=(*MODES, "all"),
        help='where the addon runs, "isolated" and "node" by default; may be repeated',
    )
    parser.add_argument(
        "--no-node", dest="node", action="store_false", help="do not compare with Node"
    )
    parser.add_argument(
        "--seconds",
        type=_opening.seconds,
        default=1.0,
        help="for how long each mode is measured (default: 1)",
    )
    parser.add_argument(
        "--calls",
        type=int,
        default=_CALLS_MAX,
        metavar="N",
        help="how many calls of each mode are measured at most",
    )
    _opening.add_sandbox(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    what = _opening.named(options)
    if not 0 < options.calls <= _CALLS_MAX:
        raise _console.UsageError(f"--calls must be from 1 to {_CALLS_MAX}, got {options.calls}")
    arguments = _values.arguments(options.arguments)
    named, modes, node = _modes(options)
    progress = Progress()
    results: dict[str, dict[str, Any]] = {}
    statuses = []
    try:
        for done, mode in enumerate(modes):
            progress.show_part(done, len(modes), f"{mode}: {what.word}.{options.export}")
            try:
                if mode == "isolated":
                    results[mode] = _measure(what, options, arguments, "isolated")
                else:
                    results[mode] = _apart(mode, node, what, options, arguments)
            except (AddonError, OSError, _console.CommandError) as error:
                if named == [mode]:
                    raise
                results[mode] = {"error": _console.described(error)}
                # A comparison that nobody has asked for does not fail the command.
                if mode in named:
                    statuses.append(_console.status_of(error))
    finally:
        progress.clear()
    compared = node if "node" in modes else None
    document = {"export": options.export, "node": compared, "modes": results}
    text = _text_of(what, options, results)
    if node is None and options.node and not options.mode:
        text += "Not compared with Node: node is not on PATH."
    _console.show(document, text)
    return statuses[0] if statuses else _console.OK


def _modes(options: argparse.Namespace) -> tuple[list[str], list[str], str | None]:
    """Returns the modes that were named, those that are measured, and the path of Node."""
    node = shutil.which("node") if options.node else None
    chosen = options.mode or ["isolated"]
    named = [mode for mode in MODES if mode in chosen or "all" in chosen]
    if "node" in named and node is None:
        if "node" in chosen:
            why = "node is not on PATH: install Node.js" if options.node else "--no-node is given"
            raise _console.CommandError(f"{why}, or leave out --mode node")
        named.remove("node")
    compared = ["node"] if node is not None and not options.mode else []
    return named, named + compared, node


def _measure(
    what: _opening.Named, options: argparse.Namespace, arguments: list[object], mode: _opening.Mode
) -> dict[str, Any]:
    """Measures the calls in this process."""
    with _opening.open_named(what, options, mode) as addon:
        call = _calling.bind(addon, options.export, what.shown(), arguments)
        try:
            return _times(call, options)
        except (TypeError, ValueError) as error:
            if isinstance(error, AddonError):
                raise
            raise _console.CommandError(f"{what.shown()}.{options.export}: {error}") from error


def _times(call: Any, options: argparse.Namespace) -> dict[str, Any]:  # noqa: ANN401 - any function
    first = call()
    is_promise = _calling.settled(first, options.timeout) is not first
    clock = time.perf_counter_ns
    times: list[int] = []
    for count, seconds, kept in (
        (_WARM_UP_CALLS, min(_WARM_UP_SECONDS, options.seconds), []),
        (options.calls, options.seconds, times),
    ):
        end = clock() + round(seconds * 1e9)
        for _ in range(count):
            begun = clock()
            if begun > end and kept:
                break
            if is_promise:
                _calling.settled(call(), options.timeout)
            else:
                call()
            kept.append(clock() - begun)
    times.sort()

    def at(share: float) -> int:
        return times[min(len(times) - 1, int(len(times) * share))]

    return {"calls": len(times), "median_ns": at(0.5), "p95_ns": at(0.95)}


def _apart(
    mode: str,
    node: str | None,
    what: _opening.Named,
    options: argparse.Namespace,
    arguments: list[object],
) -> dict[str, Any]:
    """Measures the calls in a program of their own, which the addon may end."""
    with tempfile.TemporaryDirectory(prefix="napi-python-bench-") as temporary:
        portable = [_portable(value, n, temporary) for n, value in enumerate(arguments)]
        request = {
            "mode": mode,
            "file": what.file,
            "name": _packages.module_name(what.word),
            "root": what.root,
            "export": options.export,
            "arguments": portable,
            "seconds": options.seconds,
            "calls": options.calls,
            "timeout": options.timeout,
            "start_timeout": options.start_timeout,
        }
        place = Path(temporary, "request.json")
        place.write_text(json.dumps(request), encoding="utf-8")
        if mode == "node":
            program = Path(temporary, "bench.cjs")
            source = _NODE.replace("KEY", json.dumps(_BYTES_KEY))
            source = source.replace("WARM_UP_CALLS", str(_WARM_UP_CALLS))
            source = source.replace("WARM_UP_SECONDS", str(_WARM_UP_SECONDS))
            program.write_text(source, encoding="utf-8")
            command = [str(node), str(program), str(place)]
        else:
            command = [sys.executable, "-m", "napi_python._commands._bench_apart", str(place)]
        until = time.monotonic() + 2 * options.seconds + _PROGRAM_SECONDS
        try:
            ended = _programs.run(command, folder=os.curdir, until=until)
        except TimeoutError:
            raise _console.CommandError(f"{mode}: the calls have not ended in time") from None
    return _result(mode, ended)


def _portable(value: object, number: int, folder: str) -> object:
    if not isinstance(value, bytes):
        return value
    path = Path(folder, f"argument-{number}")
    path.write_bytes(value)
    return {_BYTES_KEY: str(path)}


def _result(mode: str, ended: _programs.Ended) -> dict[str, Any]:
    for line in reversed(ended.output.splitlines()):
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict) and isinstance(found.get("bench"), dict):
            return dict(found["bench"])
        if isinstance(found, dict) and "failed" in found:
            raise _console.CommandError(f"{mode}: {found['failed']}")
    if ended.status < 0:
        text = f"{mode}: the addon has ended the program by signal {-ended.status}"
        raise _console.CommandError(text, _console.CRASHED)
    last = _text.message(ended.output.strip()[-_text.NAME_MAX :])
    raise _console.CommandError(f"{mode}: exit status {ended.status}: {last}")


def measure_apart(request: dict[str, Any]) -> dict[str, Any]:
    """Does what `_apart` asks for, in the program of its own."""
    import argparse  # noqa: PLC0415 - only there

    names = ("export", "seconds", "calls", "timeout", "start_timeout")
    options = argparse.Namespace(**{name: request[name] for name in names})
    what = _opening.Named(request["name"], request["file"], request["root"])
    arguments = [
        Path(value[_BYTES_KEY]).read_bytes()
        if isinstance(value, dict) and _BYTES_KEY in value
        else value
        for value in request["arguments"]
    ]
    return _measure(what, options, arguments, request["mode"])


def _text_of(
    what: _opening.Named, options: argparse.Namespace, results: dict[str, dict[str, Any]]
) -> str:
    of_node = results.get("node", {}).get("median_ns")
    rows = [["", "calls", "median", "95 %", *(["times Node's"] if of_node else [])]]
    for mode, one in results.items():
        if "error" in one:
            rows.append([mode, _text.name(one["error"]["message"])])
            continue
        name = f"{mode} {one['version']}" if "version" in one else mode
        row = [name, str(one["calls"]), _time(one["median_ns"]), _time(one["p95_ns"])]
        if of_node:
            ratio = one["median_ns"] / of_node
            row.append(f"{ratio:.2f}" if ratio < _DECIMALS_MAX else f"{ratio:.0f}")
        rows.append(row)
    title = f"{what.shown()}: {_text.name(options.export)}"
    return f"{_console.bold(title)}\n{_console.table(rows)}"


def _time(nanoseconds: float) -> str:
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.2f} {unit}"
    return f"{nanoseconds:.0f} ns"
