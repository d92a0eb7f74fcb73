"""Signatures and documentation of exports at run time, of the package's declarations."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import logging
import pydoc
import rlcompleter
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from conftest import Write, addon_path, package, run_program
from napi_python import JSClass, JSFunction, deadline, host, load_addon, open_host, require
from napi_python._stubs import _parser

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ROOT / "tests" / "packages"

CODE = """
exports.add = (a, b) => a + b;
exports.format = (value, options) => String(value) + JSON.stringify(options ?? null);
exports.sum = (...values) => values.reduce((a, b) => a + b, 0);
exports.Counter = class Counter {
  constructor(start) { this.value = start; }
  static parse(text) { return new Counter(Number(text)); }
  step() { return this.value += 1; }
};
exports.Plain = class Plain {};
Object.defineProperty(exports, "read", { enumerable: true, get: () => (path) => path });
exports.space = { inner() {} };
exports.undeclared = () => {};
"""
DECLARATIONS = """
/** Adds two numbers. */
export declare function add(a: number, b: number): number;
export interface Options { indent?: number }
/** Shows a number. */
export declare function format(value: number, options?: Options): string;
/** Shows a text. */
export declare function format(value: string): string;
export declare function sum(...values: number[]): number;
/** It counts. */
export declare class Counter {
  /** Begins with a number. */
  constructor(start: number);
  static parse(text: string): Counter;
  step(): number;
}
export declare class Plain {}
export declare function read(path: string): string;
export declare namespace space { function inner(): void }
"""


@pytest.fixture
def folder(project: Write) -> Path:
    folder = project(package("shown", CODE, types="index.d.ts"))
    (folder / "node_modules/shown/index.d.ts").write_text(DECLARATIONS, encoding="utf-8")
    (folder / "node_modules/oxc-parser").symlink_to(PACKAGES / "node_modules/oxc-parser")
    return folder


@pytest.fixture
def shown(folder: Path) -> Iterator[Any]:
    with require("shown", root=folder) as shown:
        yield shown


@pytest.fixture
def parsers(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The parsers that were made."""
    made: list[object] = []
    begin = _parser.Parser.__init__

    def count(self: _parser.Parser, roots: Any) -> None:
        made.append(self)
        begin(self, roots)

    monkeypatch.setattr(_parser.Parser, "__init__", count)
    return made


def signature(function: Callable[..., object]) -> str:
    return str(inspect.signature(function))


def is_unknown(function: object) -> bool:
    return not hasattr(function, "__signature__")


def helped(value: object) -> str:
    return pydoc.plain(pydoc.render_doc(value))


# --- Signatures ---


def test_function(shown: Any) -> None:
    assert signature(shown.add) == "(a: float, b: float, /) -> float"
    assert signature(shown.sum) == "(*values: float) -> float"


def test_annotations_are_texts(shown: Any) -> None:
    found = inspect.signature(shown.add)
    assert found.parameters["a"].annotation == found.return_annotation == "float"


def test_function_behind_a_getter(shown: Any) -> None:
    assert signature(shown.read) == "(path: str | PathLike[str], /) -> str"


def test_class_and_static_method(shown: Any) -> None:
    assert signature(shown.Counter) == "(start: float, /)"
    assert signature(shown.Counter.parse) == "(text: str | PathLike[str], /) -> Counter"
    assert signature(shown.Plain) == "()"


def test_overloads_are_one_signature_that_accepts_their_calls(shown: Any) -> None:
    found = inspect.signature(shown.format)
    assert str(found) == (
        "(value: float | str | PathLike[str], options: Options = undefined, /, "
        "**options_: Unpack[Options]) -> str"
    )
    for arguments, keywords in (((1,), {}), ((1, {"indent": 2}), {}), ((1,), {"indent": 2})):
        bound = found.bind(*arguments, **keywords)
        shown.format(*bound.args, **bound.kwargs)
    with pytest.raises(TypeError):
        found.bind()
    with pytest.raises(TypeError):
        found.bind(1, 2, 3)


def test_defaults_are_what_javascript_has_for_what_is_left_out(shown: Any) -> None:
    bound = inspect.signature(shown.format).bind(1)
    bound.apply_defaults()
    assert shown.format(*bound.args, **bound.kwargs) == shown.format(1) == "1null"


def test_what_is_not_declared_has_none(shown: Any) -> None:
    assert is_unknown(shown.undeclared)
    assert is_unknown(shown)
    # No names lead to them without reading the properties of the exports.
    assert is_unknown(shown.Counter(1).step)
    assert is_unknown(shown.space.inner)
    assert is_unknown(host(shown).run_script("() => {}"))


def test_exports_that_are_a_function(project: Write) -> None:
    folder = project(package("twice", "module.exports = (a) => 2 * a;", types="index.d.ts"))
    text = "declare function twice(a: number): number;\nexport = twice;\n"
    (folder / "node_modules/twice/index.d.ts").write_text(text, encoding="utf-8")
    (folder / "node_modules/oxc-parser").symlink_to(PACKAGES / "node_modules/oxc-parser")
    with require("twice", root=folder) as twice:
        assert signature(twice) == "(a: float, /) -> float"
        doc = twice.__doc__
        assert doc is not None and doc.startswith("twice(a: float, /) -> float")


def test_more_modules_of_a_host(folder: Path) -> None:
    with open_host(root=folder) as process:
        assert signature(process.require("shown").add) == "(a: float, b: float, /) -> float"
        assert is_unknown(process.require("node:path").join)
        assert signature(process.require("./node_modules/shown").sum) == "(*values: float) -> float"


def test_addon_with_declarations_beside_it(folder: Path, parsers: list[object]) -> None:
    path = folder / "sample.node"
    path.symlink_to(addon_path("sample_rust"))
    with load_addon(path) as addon:
        assert is_unknown(addon.add)
        assert parsers == []
        text = "export declare function add(a: number, b: number): number;"
        path.with_suffix(".d.ts").write_text(text, encoding="utf-8")
        assert signature(addon.add) == "(a: float, b: float, /) -> float"


@pytest.mark.parametrize(
    ("name", "export", "expected"),
    [
        ("usearch", "Index", "(dimensionsOrConfigs: float | BigInt | IndexConfig, metric: "),
        ("date-fns", "isWeekend", "(date: datetime | float | str | PathLike[str], options: "),
        ("sharp", None, "(options: SharpOptions | SharpInput | Sequence[SharpInput] = undefined, "),
    ],
)
def test_published_package(name: str, export: str | None, expected: str) -> None:
    with require(name, root=PACKAGES, sandbox="none") as module:
        found = module if export is None else getattr(module, export)
        assert signature(found).startswith(expected)


# --- Documentation ---


def test_help_shows_signatures_and_what_declarations_say(shown: Any) -> None:
    text = helped(shown.format)
    for part in (
        "format(value: float, options: Options = undefined, /) -> str\n",
        "format(value: float, /, **options: Unpack[Options]) -> str\n",
        "format(value: str | PathLike[str], /) -> str\n",
        "Shows a number.",
        "Shows a text.",
    ):
        assert part in text
    counter = helped(shown.Counter)
    assert "Counter(start: float, /)\n" in counter
    assert "It counts." in counter and "Begins with a number." in counter


def test_doc_alone_starts_no_parser(shown: Any, parsers: list[object]) -> None:
    @functools.wraps(shown.add)
    def wrapper() -> None: ...

    assert wrapper.__doc__ == shown.add.__doc__ == JSFunction.__doc__
    assert parsers == []
    assert signature(shown.add)
    assert len(parsers) == 1
    assert shown.add.__doc__ == "add(a: float, b: float, /) -> float\n\nAdds two numbers."
    assert signature(wrapper) == signature(shown.add)


def test_types_keep_their_own() -> None:
    assert JSFunction.__doc__ is not None and JSFunction.__doc__.startswith("A JavaScript function")
    assert JSClass.__doc__ is not None and JSClass.__doc__.startswith("A JavaScript class")
    assert is_unknown(JSFunction) and is_unknown(JSClass)


# --- When declarations are read ---


def test_function_that_is_passed_starts_no_parser(shown: Any, parsers: list[object]) -> None:
    @functools.wraps(shown.add)
    def wrapped(*args: Any) -> Any:
        return shown.add(*args)

    with load_addon(addon_path("sample_rust")) as addon:
        length = host(addon).run_script("(f) => f.length")
        passed = (functools.partial(shown.add, 1), functools.partial(shown.Counter), wrapped)
        before = [length(function) for function in passed]
        assert parsers == []
        # What is known later changes nothing.
        assert signature(shown.add)
        assert [length(function) for function in passed] == before
    own = host(shown).run_script("(f) => f.length")
    assert own(shown.add) == 2


def test_looking_at_exports_starts_no_parser(shown: Any, parsers: list[object]) -> None:
    @dataclasses.dataclass
    class Holder:
        function: Any = shown.add
        cls: Any = shown.Counter

    repr(Holder())
    dataclasses.asdict(dataclasses.replace(Holder(), cls=None, function=None))
    with mock.patch.object(Holder, "function"):
        mock.create_autospec(shown.add)
        mock.Mock(wraps=shown)
    completer = rlcompleter.Completer({"shown": shown})
    assert completer.complete("shown.ad", 0) == "shown.add("
    for function in (shown.add, shown.Counter, shown):
        repr(function)
        dir(function)
        callable(function)
        inspect.isroutine(function)
        inspect.iscoroutinefunction(function)
        inspect.unwrap(function)
        inspect.getmembers(function)
    assert parsers == []


def test_declarations_are_read_once(folder: Path, shown: Any, parsers: list[object]) -> None:
    for _ in range(2):
        assert signature(shown.add)
        assert signature(shown.format)
    with require("shown", root=folder) as other:
        assert signature(other.add)
    assert len(parsers) == 1


def test_changed_declarations_are_read_again(folder: Path, shown: Any) -> None:
    assert signature(shown.add) == "(a: float, b: float, /) -> float"
    file = folder / "node_modules/shown/index.d.ts"
    file.write_text("export * from './other';", encoding="utf-8")
    other = file.with_name("other.d.ts")
    other.write_text("export declare function add(x: string): void;", encoding="utf-8")
    assert signature(shown.add) == "(x: str | PathLike[str], /) -> None"
    other.write_text("export declare function add(changed: string): void;", encoding="utf-8")
    assert signature(shown.add) == "(changed: str | PathLike[str], /) -> None"
    other.unlink()
    assert is_unknown(shown.add)


def test_few_packages_are_kept(
    folder: Path, shown: Any, parsers: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    from napi_python import _signatures

    monkeypatch.setattr(_signatures, "_KNOWN_MAX", 1)
    path = folder / "sample.node"
    path.symlink_to(addon_path("sample_rust"))
    text = "export declare function add(a: number, b: number): number;"
    path.with_suffix(".d.ts").write_text(text, encoding="utf-8")
    with load_addon(path) as addon:
        for _ in range(2):
            assert signature(addon.add) == signature(shown.add)
    assert len(parsers) == 4


def test_threads_read_once(shown: Any, parsers: list[object]) -> None:
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(signature(shown.add))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["(a: float, b: float, /) -> float"] * 4
    assert len(parsers) == 1


# --- What goes wrong ---


def test_deadline_ends_the_parser(shown: Any) -> None:
    with deadline(0):
        assert is_unknown(shown.add)
    assert signature(shown.add)


def test_parser_that_hangs(
    shown: Any, parsers: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    from napi_python import _signatures

    monkeypatch.setattr(_parser, "_SCRIPT", "() => { for (;;); }")
    monkeypatch.setattr(_signatures, "_SECONDS_MAX", 0.2)
    assert is_unknown(shown.add)
    # It is not tried again at once.
    assert is_unknown(shown.add)
    assert len(parsers) == 1


def test_without_the_parser_the_reason_is_logged(
    folder: Path, shown: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "node_modules/oxc-parser").unlink()
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    with caplog.at_level(logging.INFO, "napi_python.stubs"):
        assert is_unknown(shown.add)
    assert "oxc-parser is not installed there; run: " in caplog.text


def test_package_does_not_bring_the_parser(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    package = folder / "node_modules/shown"
    (package / "node_modules").mkdir()
    (folder / "node_modules/oxc-parser").rename(package / "node_modules/oxc-parser")
    with require("./index.js", root=package) as shown, caplog.at_level(logging.INFO):
        assert is_unknown(shown.add)
    assert "oxc-parser is not installed there" in caplog.text


def test_deep_types_in_a_deep_program(folder: Path, shown: Any) -> None:
    def deep(left: int) -> bool:
        return deep(left - 1) if left else is_unknown(shown.add)

    text = f"export declare function add(a: {'Array<' * 40}number{'>' * 40}): number;"
    (folder / "node_modules/shown/index.d.ts").write_text(text, encoding="utf-8")
    assert signature(shown.add).count("Sequence[") == 40
    found: list[bool] = []
    with contextlib.suppress(RecursionError):
        found.extend(deep(left) for left in range(100, sys.getrecursionlimit(), 50))
    # Where it cannot be made any more, there is none.
    assert found[0] is False and found[-1] is True


@pytest.mark.parametrize(
    "text", ["export const ((", "export type A = " + "Array<" * 2000 + "1" + ">" * 2000, "\0"]
)
def test_hostile_declarations(text: str, folder: Path, shown: Any) -> None:
    (folder / "node_modules/shown/index.d.ts").write_text(text, encoding="utf-8")
    assert is_unknown(shown.add)
    assert shown.add(1, 2) == 3


# --- IPython ---


def test_ipython(folder: Path) -> None:
    pytest.importorskip("IPython")
    program = f"""
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from napi_python import require
from napi_python._stubs import _parser

made = []
begin = _parser.Parser.__init__
_parser.Parser.__init__ = lambda self, roots: (made.append(self), begin(self, roots))[1]
shell = InteractiveShell.instance(enable_html_pager=False)
shown = shell.user_ns["shown"] = require("shown", root={str(folder)!r})
with provisionalcompleter():
    names = {{item.text for item in shell.Completer.completions("shown.ad", 8)}}
print(sorted(names), len(made))
found = shell.object_inspect("shown.add")
print(found["definition"])
print(found["docstring"])
shown.__exit__()
"""
    done = run_program(program)
    assert done.stdout == (
        "['add'] 0\n"
        "shown.add(a: float, b: float, /) -> float\n"
        "add(a: float, b: float, /) -> float\n\nAdds two numbers.\n"
    )
