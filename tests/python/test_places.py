"""Where an exception that no call raises was thrown: its package, file, line and column."""

from __future__ import annotations

import json
import logging
import os
import pathlib
import queue
from collections.abc import Callable, Iterator

import pytest
from napi_python import JSError, on_uncaught, open_host, require
from napi_python._places import Place, place

Write = Callable[[str, str], pathlib.Path]

DEP = """\
const { EventEmitter } = require("node:events");
exports.reject = () => void (async () => {
  await null;
  throw new TypeError("of a promise");
})();
exports.timer = () => void setTimeout(() => { throw new Error("of a timer"); });
exports.emit = () => {
  const emitter = new EventEmitter();
  emitter.on("ready", () => { throw new RangeError("of a listener"); });
  setImmediate(() => emitter.emit("ready"));
};
exports.text = () => void Promise.reject("no Error");
exports.inner = async (f) => f();
exports.timed = (f) => void setTimeout(f);
"""
THROWN = {"reject": (4, 13), "timer": (6, 57), "emit": (9, 41)}


@pytest.fixture
def write(tmp_path: pathlib.Path) -> Write:
    """Writes a file of a project."""

    def write(name: str, text: str) -> pathlib.Path:
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def root(write: Write) -> pathlib.Path:
    """A project with a package, and one that this depends on."""
    outer = {"name": "outer", "version": "3.0.0", "dependencies": {"@in/dep": "*"}}
    write("node_modules/outer/package.json", json.dumps(outer))
    write("node_modules/outer/index.js", "module.exports = { ...require('@in/dep') };")
    write("node_modules/@in/dep/package.json", '{"name": "@in/dep", "version": "1.2.3"}')
    return write("node_modules/@in/dep/index.js", DEP).parents[3]


@pytest.fixture
def reported() -> Iterator[queue.Queue[BaseException]]:
    """The exceptions that no call raises."""
    errors: queue.Queue[BaseException] = queue.Queue()
    former = on_uncaught(errors.put)
    yield errors
    on_uncaught(former)


class _Queue(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: queue.Queue[logging.LogRecord] = queue.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        self.records.put(record)


@pytest.fixture
def logged() -> Iterator[Callable[[], logging.LogRecord]]:
    """Waits for a record of a package."""
    handler = _Queue()
    logger = logging.getLogger("napi_python.addon")
    logger.addHandler(handler)
    yield lambda: handler.records.get(timeout=30)
    logger.removeHandler(handler)


@pytest.mark.parametrize("name", THROWN)
def test_log_names_package_and_place(
    name: str, root: pathlib.Path, logged: Callable[[], logging.LogRecord]
) -> None:
    line, column = THROWN[name]
    with open_host(root=root) as shared:
        getattr(shared.require("outer"), name)()
        record = logged()
    assert record.name == "napi_python.addon.project"
    file = f"{root}/node_modules/@in/dep/index.js"
    text, _, shown = record.getMessage().rpartition(":")
    assert text.endswith(f" of @in/dep 1.2.3, at {file}:{line}")
    assert int(shown) == column


@pytest.mark.parametrize("name", THROWN)
def test_hook_reads_package_and_place(
    name: str, root: pathlib.Path, reported: queue.Queue[BaseException]
) -> None:
    with require("outer", root=root) as outer:
        getattr(outer, name)()
        error = reported.get(timeout=30)
    assert isinstance(error, JSError)
    assert error.package == "@in/dep 1.2.3"
    file = str(root / "node_modules/@in/dep/index.js")
    assert (error.file, error.line) == (file, THROWN[name][0])


def test_what_is_no_error_names_what_was_loaded(
    root: pathlib.Path, logged: Callable[[], logging.LogRecord]
) -> None:
    with require("outer", root=root) as outer:
        outer.text()
        message = logged().getMessage()
    assert message == "unhandled exception in unhandled rejection of outer 3.0.0"


def test_python_exception_names_what_was_loaded(
    root: pathlib.Path, logged: Callable[[], logging.LogRecord]
) -> None:
    class AwkwardError(Exception):
        @property
        def stack(self) -> str:
            raise RuntimeError("not to be read")

    def fail() -> None:
        raise AwkwardError

    with require("outer", root=root) as outer:
        outer.timed(fail)
        record = logged()
    assert record.getMessage() == "unhandled exception in timer of outer 3.0.0"


def test_file_of_the_project_that_a_package_calls(
    root: pathlib.Path, write: Write, logged: Callable[[], logging.LogRecord]
) -> None:
    text = "exports.run = () => void require('outer').inner(() => { throw new Error('own'); });"
    own = write("lib/own.js", text)
    with require("./lib/own.js", root=root) as module:
        module.run()
        assert f" of own.js, at {own}:1:" in logged().getMessage()
        write("package.json", '{"name": "app", "version": "0.1.0"}')
        module.run()
        assert f" of app 0.1.0, at {own}:1:" in logged().getMessage()


def test_attributes_of_an_error_of_a_call(root: pathlib.Path) -> None:
    with require("outer", root=root) as outer:
        with pytest.raises(JSError) as caught:
            outer.inner(0).result(30)
        assert caught.value.package == "@in/dep 1.2.3"
        text = "Object.assign(new Error('x'), { package: 'its own' })"
        (root / "node_modules/outer/index.js").write_text(f"exports.f = () => {{ throw {text}; }}")
    with require("outer", root=root) as outer, pytest.raises(JSError) as caught:
        outer.f()
    assert caught.value.package == "its own"


PACKAGES = {
    "one": ("node_modules/one/lib/x.js", "node_modules/one/package.json", "one 1.0.0"),
    "scoped": ("node_modules/@a/b/x.js", "node_modules/@a/b/package.json", "@a/b 1.0.0"),
    "store": (
        "node_modules/.pnpm/one@1.0.0/node_modules/one/x.js",
        "node_modules/.pnpm/one@1.0.0/node_modules/one/package.json",
        "one 1.0.0",
    ),
    "manifest inside": ("node_modules/one/esm/x.js", "node_modules/one/esm/package.json", "one"),
    "no package": ("node_modules/x.js", "package.json", None),
    "scope alone": ("node_modules/@a/x.js", "package.json", None),
    "project": ("src/deep/x.js", "package.json", "manifest 1.0.0"),
    "project inside": ("src/deep/x.js", "src/package.json", "manifest 1.0.0"),
}


@pytest.mark.parametrize("case", PACKAGES)
def test_package_of_a_file(case: str, write: Write, tmp_path: pathlib.Path) -> None:
    file, manifest, package = PACKAGES[case]
    write(manifest, '{"name": "manifest", "version": "1.0.0"}')
    assert Place(str(tmp_path / "project" / file), 1, 1).package() == package


@pytest.mark.parametrize("text", ["", "[]", "{", '{"version": 5}', "[" * 100_000, '"\\ud800"'])
def test_manifest_that_says_nothing(text: str, write: Write) -> None:
    manifest = write("node_modules/one/package.json", text)
    assert Place(str(manifest.with_name("x.js")), 1, 1).package() == "one"


def test_manifest_is_not_waited_for(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "node_modules" / "one"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "package.json")
    assert Place(str(folder / "x.js"), 1, 1).package() == "one"


def test_version_is_shown_on_one_line(write: Write) -> None:
    manifest = write("node_modules/one/package.json", '{"version": "1\\nERROR forged"}')
    assert Place(str(manifest.with_name("x.js")), 1, 1).package() == "one 1\\nERROR forged"


@pytest.mark.parametrize(
    ("stack", "expected"),
    [
        ("    at f (/a/b.js:3:9)\n    at /c.js:1:1", ("/a/b.js", 3, 9)),
        ("    at file:///a%20b/c.mjs:3:9", ("/a b/c.mjs", 3, 9)),
        ("    at g (native)\n    at h (node:fs:1:2)\n    at /c%20.js:1:1", ("/c%20.js", 1, 1)),
        ("    at f (<run_script>:2:1)", ("<run_script>", 2, 1)),
        ("    at native", None),
        ("", None),
        (None, None),
    ],
)
def test_place_in_a_stack(stack: str | None, expected: tuple[str, int, int] | None) -> None:
    assert place(stack) == expected
