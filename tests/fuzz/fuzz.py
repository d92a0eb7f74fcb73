"""Random programs of Node-API calls, run in Node and in the host.

The logs have to be equal, but for what `known.py` lists.

    python3 tests/fuzz/fuzz.py [--programs 100000] [--first SEED] [--misuse] [--operations BINARY]
                               [--thread own|caller]

A seed makes a program, whatever the machine. `--misuse` breaks the rules on purpose, in the host
alone, which has to survive. With `--operations` the host is the example of that name of
`server/napi`, instead of the one in the installed package; with `--thread`, it is a session in a
Python process.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "conformance"))
import in_process  # noqa: E402 - found by the path above
import oracle  # noqa: E402 - found by the path above

sys.path.insert(0, str(HERE))
from known import Known, explanation  # noqa: E402 - found by the path above

#: How many programs go to a process at a time.
BATCH = 500
LENGTH = 320
#: How long a batch may take.
SECONDS = 300.0
#: Builds of the addon: the same source for version 9 and 10.
ADDONS = ["fuzz", "fuzz_v10"]
#: What both processes run with: the zone is part of dates' texts, and the addon wants one thread
#: in the pool.
SETTINGS = {"TZ": "UTC", "UV_THREADPOOL_SIZE": "1"}
ENVIRONMENT = {**os.environ, **SETTINGS}

Runner = Callable[[Path, str], list[str]]


def program(seed: int) -> str:
    """Returns the program of a seed, in hexadecimal."""
    dice = random.Random(seed)
    return dice.randbytes(dice.randrange(20, LENGTH)).hex()


def source(seeds: range, *, misuse: bool) -> str:
    """Returns the text to evaluate in the global scope; its value is a promise of the logs."""
    script = (HERE / "fuzz.js").read_text(encoding="utf-8")
    programs = json.dumps([program(seed) for seed in seeds])
    head = f"const PROGRAMS = {programs};\nconst MISUSE = {str(misuse).lower()};"
    return f"(function () {{\n{head}\n{script}\n}})()"


def addon(name: str) -> Path:
    """Returns a build of the addon."""
    return oracle.build_folder() / f"{name}.node"


def _run(command: list[str], text: str) -> str:
    done = subprocess.run(
        command,
        input=text,
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode != 0:
        message = f"{command[0]} ended with {done.returncode}: {done.stderr[-4000:]}"
        raise RuntimeError(message)
    return done.stdout


def in_node(path: Path, text: str) -> list[str]:
    """Returns the logs that Node gives."""
    command = [str(oracle.oracle_node()), str(HERE.parent / "conformance" / "run_in_node.cjs")]
    output = _run(command, json.dumps({"addon": str(path), "source": text}))
    logs: list[str] = json.loads(output.splitlines()[0])
    return logs


def in_host(path: Path, text: str) -> list[str]:
    """Returns the logs that the host of the package gives."""
    from napi_python import host, load_addon

    with load_addon(path, env=ENVIRONMENT, timeout=SECONDS) as loaded:
        return list(host(loaded).run_script(text).result(SECONDS))


def in_this_process(thread: str) -> Runner:
    """Returns a runner that runs the session in a Python process, on that thread."""

    def run(path: Path, text: str) -> list[str]:
        logs, _ = in_process.answer(path, text, thread, seconds=SECONDS, settings=SETTINGS)
        return logs

    return run


def as_one_line(text: str) -> str:
    """Wraps a text to evaluate for the example `operations`: the logs have lines of their own."""
    return f"{text}.then((logs) => [JSON.stringify(logs)])"


def in_operations(binary: str) -> Runner:
    """Returns a runner that uses the example `operations`."""

    def run(path: Path, text: str) -> list[str]:
        logs: list[str] = json.loads(_run([binary, str(path)], as_one_line(text)))
        return logs

    return run


@dataclass(frozen=True)
class Difference:
    """Where two logs part."""

    seed: int
    addon: str
    before: list[str]
    node: str
    host: str

    @property
    def known(self) -> Known | None:
        """Returns what explains it, if anything does."""
        return explanation(self.node, self.host)

    def __str__(self) -> str:
        """Returns the difference with the calls before it."""
        lines = [f"seed {self.seed}, {self.addon}", *(f"    {line}" for line in self.before)]
        return "\n".join([*lines, f"  Node {self.node}", f"  host {self.host}"])


def compare(seed: int, name: str, node: str, host: str) -> Difference | None:
    """Returns the first line in which two logs differ."""
    if node == host:
        return None
    left, right = [*node.split("\n"), "<end>"], [*host.split("\n"), "<end>"]
    index = next(i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b)
    return Difference(seed, name, left[max(0, index - 3) : index], left[index], right[index])


def differences(seeds: range, name: str, host: Runner) -> Iterator[Difference]:
    """Runs programs in Node and in a host; yields what differs."""
    text = source(seeds, misuse=False)
    node_logs, host_logs = in_node(addon(name), text), host(addon(name), text)
    for seed, left, right in zip(seeds, node_logs, host_logs, strict=True):
        found = compare(seed, name, left, right)
        if found is not None:
            yield found


def outcome(seeds: range, name: str, host: Runner, *, misuse: bool) -> list[Difference]:
    """Runs programs as the command line asks; returns what differs."""
    if misuse:
        host(addon(name), source(seeds, misuse=True))
        return []
    return list(differences(seeds, name, host))


def batches(first: int, count: int) -> Iterator[range]:
    """Cuts a number of seeds into batches."""
    for start in range(first, first + count, BATCH):
        yield range(start, min(start + BATCH, first + count))


def trace(seed: int, host: Runner) -> int:
    """Prints the log of a program in Node, with the values that are passed, and where they part."""
    ENVIRONMENT["FUZZ_TRACE"] = "1"
    name = ADDONS[seed // BATCH % len(ADDONS)]
    text = source(range(seed, seed + 1), misuse=False)
    node, found = in_node(addon(name), text)[0], host(addon(name), text)[0]
    print(node)
    print(compare(seed, name, node, found) or "no difference")
    return 0 if node == found else 1


def main() -> int:
    """Runs what the command line asks for; fails on a difference that is not known."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--programs", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--misuse", action="store_true")
    parser.add_argument("--operations")
    parser.add_argument("--thread", choices=in_process.THREADS, help="with isolated=False")
    parser.add_argument("--show", type=int, default=20)
    parser.add_argument("--trace", type=int, metavar="SEED", help="show one program's logs")
    options = parser.parse_args()
    host = in_operations(options.operations) if options.operations else in_host
    if options.thread:
        host = in_this_process(options.thread)
    if options.trace is not None:
        return trace(options.trace, host)
    explained: Counter[str] = Counter()
    unexplained = 0
    for index, seeds in enumerate(batches(options.first, options.programs)):
        name = ADDONS[index % len(ADDONS)]
        try:
            found = outcome(seeds, name, host, misuse=options.misuse)
        except Exception as error:
            unexplained += 1
            print(f"seeds {seeds.start} to {seeds.stop - 1}, {name}: {error}", flush=True)
            continue
        for difference in found:
            if difference.known is not None:
                explained[difference.known.function] += 1
                continue
            unexplained += 1
            if unexplained <= options.show:
                print(difference, flush=True)
        if index % 20 == 19:
            print(f"{seeds.stop - options.first} programs, {unexplained} unexplained", flush=True)
    for function, count in explained.items():
        print(f"{count} differ in {function}, as docs/differences.md says")
    print(f"{options.programs} programs, {unexplained} unexplained differences")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
