"""Writes docs/node-api.md: every function of Node-API, how it is entered, and what tests it.

    python3 tests/conformance/table.py [--check]

All of it is read from the sources: the tables of exports, the headers' list of symbols by version,
the tests in Rust, the addons and scripts of the kit, and the fuzz addon.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXPORTS = ROOT / "server" / "napi" / "src" / "abi" / "exports"
RUST_TESTS = ROOT / "server" / "napi" / "tests"
HEADERS = ROOT / "addons" / "node_modules" / "node-api-headers" / "symbols.js"
DOCUMENT = ROOT / "docs" / "node-api.md"

INTRODUCTION = """\
# Every function of Node-API

This table is written by `python3 tests/conformance/table.py`; a test says when it is out of date.

- **Version**: the version of Node-API that brought the function; none for what is experimental.
- **Mode**: how it is entered. `js` refuses while an exception is pending or JavaScript cannot run;
  `env` works with a pending exception; `basic` works in basic finalizers too; `none` has no
  environment to check.
- **Tested by**: the tests in Rust that call it (`server/napi/tests`), and the addon that does.
- **Compared with Node**: the scripts of the conformance kit that call it (`tests/conformance`), and
  `fuzz` where the random programs do (`tests/fuzz`).

"""

# Not of Node-API: a name of Node's own that old addons need to be loaded.
FOREIGN = {"node_module_register"}


@dataclass(frozen=True)
class Row:
    """A function as the tables of exports have it."""

    name: str
    mode: str
    module: str


def rows() -> list[Row]:
    """Returns the functions in the order of the headers."""
    found: list[Row] = []
    for file in ["js_native_api.rs", "node_api.rs"]:
        text = (EXPORTS / file).read_text(encoding="utf-8")
        for mode, module, name in re.findall(
            r"^    (js|env|basic|peek)\s+(\w+)::(n\w+)\(", text, re.MULTILINE
        ):
            found.append(Row(name, "basic" if mode == "peek" else mode, module))
        free = text.partition("napi_free_exports! {")[2].partition("\n}")[0]
        found += [
            Row(name, "none", module)
            for module, name in re.findall(r"^ +(\w+)::(n\w+)\(", free, re.MULTILINE)
        ]
        by_hand = re.findall(r'pub unsafe extern "C" fn (n\w+)\(', text)
        found += [Row(name, "none", "fatal" if "fatal" in name else "module") for name in by_hand]
    return [row for row in dict.fromkeys(found) if row.name not in FOREIGN]


def versions() -> dict[str, str]:
    """Returns the version of each function, as the headers' package lists them."""
    text = HEADERS.read_text(encoding="utf-8")
    found: dict[str, str] = {}
    blocks = re.findall(r"const (\w+) = \{(.*?)\n\}", text, re.DOTALL)
    for name, body in blocks:
        number = re.fullmatch(r"v(\d+)", name)
        for symbol in re.findall(r"'(n\w+)'", body):
            found.setdefault(symbol, number.group(1) if number else "experimental")
    return found


def mentions(paths: list[Path], names: set[str]) -> dict[str, list[str]]:
    """Returns which files have each name in them."""
    found: dict[str, list[str]] = {name: [] for name in names}
    for path in paths:
        words = set(re.findall(r"\bn(?:api|ode_api)_\w+", path.read_text(encoding="utf-8")))
        for word in words & names:
            found[word].append(path.stem)
    return found


def document() -> str:
    """Returns the text of the document."""
    functions = rows()
    names = {row.name for row in functions}
    since = versions()
    rust = mentions(sorted(RUST_TESTS.rglob("*.rs")), names)
    kit = ROOT / "tests" / "conformance"
    samples = mentions(
        [
            path
            for path in sorted((ROOT / "addons").glob("*/*.c"))
            if (kit / f"{path.stem}.js").exists()
        ],
        names,
    )
    fuzzed = mentions(sorted((ROOT / "addons" / "fuzz").glob("*.h")), names)
    lines = ["| Function | Version | Mode | Tested by | Compared with Node |"]
    lines.append("|---|---|---|---|---|")
    for row in functions:
        tests = [f"{name}.rs" for name in rust[row.name] if name not in {"harness", "symbols"}]
        addons = samples[row.name]
        tests += [f"{name}.c" for name in addons]
        compared = [*addons, *(["fuzz"] if fuzzed[row.name] else [])]
        cells = [
            f"`{row.name}`",
            since.get(row.name, "experimental"),
            row.mode,
            ", ".join(dict.fromkeys(tests)),
            ", ".join(dict.fromkeys(compared)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    summary = f"All {len(functions)} functions are implemented.\n\n"
    return INTRODUCTION + summary + "\n".join(lines) + "\n"


def main() -> int:
    """Writes the document, or checks that it is what would be written."""
    parser = argparse.ArgumentParser(description=json.dumps(__doc__))
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    text = document()
    if options.check:
        current = DOCUMENT.read_text(encoding="utf-8") if DOCUMENT.exists() else ""
        if current != text:
            print("docs/node-api.md is out of date: run `python3 tests/conformance/table.py`")
            return 1
        return 0
    DOCUMENT.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
