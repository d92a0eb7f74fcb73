"""Runs statements of JavaScript in a host for `repl`: bounded previews, `await`, completion.

The values stay in the host: what comes back is text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, cast

from napi_python import _text
from napi_python._errors import JSSyntaxError, StaleHandleError

if TYPE_CHECKING:
    from collections.abc import Callable

    from napi_python._native import Host, Promise

# The file name of what is run, as errors have it.
_NAME: Final = "repl"
# How many characters of a preview come back.
_PREVIEW_MAX: Final = 20_000

# Makes the functions that run, await and complete; `_` is the last value, as in Node's own.
_HELPERS: Final = """
(vm, util, module, folder) => {
  const MAX = %d, NAMES = 500;
  const define = (name, value) => Object.defineProperty(globalThis, name,
    {value, writable: true, configurable: true, enumerable: false});
  define('require', module.createRequire(folder + '/'));
  let awaited;
  define('__awaited', () => awaited);
  const evaluate = (source) => vm.runInThisContext(source, {filename: '%s'});
  const options = {depth: 3, maxArrayLength: 50, maxStringLength: 2000, breakLength: 80};
  const show = (value) => {
    define('_', value);
    return value === undefined ? '' : util.inspect(value, options).slice(0, MAX);
  };
  const run = (source) => show(evaluate(source));
  const wait = async (source, isKept) => {
    const value = await evaluate(source);
    if (isKept) { awaited = value; return ''; }
    return show(value);
  };
  const value = (object, name) => {
    for (let holder = object; holder !== null; holder = Object.getPrototypeOf(holder)) {
      const property = Object.getOwnPropertyDescriptor(holder, name);
      if (property) return property.value;
    }
  };
  const complete = (text) => {
    const parts = text.split('.'), prefix = parts.pop(), found = new Set();
    let object = globalThis;
    if (parts.length > 0) {
      object = evaluate(parts[0]);
      for (const name of parts.slice(1)) {
        if (object === null || object === undefined) return [];
        object = value(Object(object), name);
      }
    }
    if (object === null || object === undefined) return [];
    for (let holder = Object(object); holder !== null; holder = Object.getPrototypeOf(holder)) {
      for (const name of Reflect.ownKeys(holder)) {
        if (found.size >= NAMES) break;
        if (typeof name === 'string' && name.startsWith(prefix) && /^[\\w$]+$/.test(name) &&
            !/^\\d/.test(name) && !name.startsWith('__')) {
          found.add([...parts, name].join('.'));
        }
      }
    }
    return [...found].sort();
  };
  return [run, wait, complete];
}
""" % (_PREVIEW_MAX, _NAME)  # noqa: UP031 - the braces are JavaScript's

# A declaration whose value is awaited: its keyword, its names, the value.
_DECLARATION: Final = re.compile(r"\s*(const|let|var)\s+([^=]+?)\s*=\s*(await\b.*)", re.DOTALL)
# A word of a name, and the names before it, that can be completed.
_COMPLETABLE: Final = re.compile(r"(?:[A-Za-z_$][\w$]*\.)*[\w$]*", re.ASCII)


class IncompleteError(Exception):
    """The source is the beginning of a statement."""


class JavaScript:
    """The JavaScript view of a host."""

    def __init__(self, host: Host, folder: str) -> None:
        self._host = host
        self._folder = folder
        self._functions: list[Callable[..., Any]] | None = None

    def _call(self, place: int, *arguments: object) -> Any:  # noqa: ANN401 - any of the helpers
        """Calls a helper; makes them anew in the process that follows one that has ended."""
        for is_last in (False, True):
            if self._functions is None:
                make = cast("Callable[..., Any]", self._host.run_script(_HELPERS))
                modules = (self._host.require(f"node:{name}") for name in ("vm", "util", "module"))
                self._functions = list(make(*modules, self._folder))
            try:
                return self._functions[place](*arguments)
            except StaleHandleError:
                self._functions = None
                if is_last:
                    raise
        return None

    def run(self, source: str) -> str:
        """Runs a statement and returns a preview of its value, empty for `undefined`.

        Raises:
            AddonError: The statement throws, cannot be parsed, or the process ends.
            IncompleteError: More lines are needed; nothing was run.

        """
        try:
            return str(self._call(0, source))
        except JSSyntaxError as error:
            if error.filename != _NAME:
                raise
            if _ends_early(error, source):
                raise IncompleteError from None
            if "await" not in source:
                raise
            failed = error
        return self._run_awaiting(source, failed)

    def _run_awaiting(self, source: str, failed: JSSyntaxError) -> str:
        """Runs a statement in an async function, since it has `await` outside of one."""
        declaration = _DECLARATION.fullmatch(source.rstrip().removesuffix(";"))
        ways = [(f"(async () => (\n{source.rstrip().removesuffix(';')}\n))()", False)]
        if declaration:
            # The names are declared where all statements see them.
            ways.insert(0, (f"(async () => (\n{declaration[3]}\n))()", True))
        ways.append((f"(async () => {{\n{source}\n}})()", False))
        for wrapped, is_kept in ways:
            try:
                shown = str(self._wait(wrapped, is_kept=is_kept))
            except JSSyntaxError as error:
                if error.filename != _NAME:
                    raise
                continue
            if declaration and is_kept:
                return self.run(f"{declaration[1]} {declaration[2]} = __awaited();")
            return shown
        begun = f"(async () => {{\n{source}"
        try:
            self._wait(begun, is_kept=False)
        except JSSyntaxError as error:
            if _ends_early(error, begun):
                raise IncompleteError from None
        raise failed

    def _wait(self, source: str, *, is_kept: bool) -> object:
        promise: Promise = self._call(1, source, is_kept)
        return promise.result()

    def complete(self, text: str) -> list[str]:
        """Returns what a word, with the names and dots before it, may become."""
        if not _COMPLETABLE.fullmatch(text):
            return []
        return [_text.name(str(one)) for one in self._call(2, text)]


def _ends_early(error: JSSyntaxError, source: str) -> bool:
    """Returns whether the parser has reached the end of the source and needs more."""
    message = str(error)
    if message.endswith("unexpected end of comment"):
        return True
    lines = source.rstrip().encode("utf-8", "surrogatepass").split(b"\n")
    line, column = error.lineno or 0, error.offset or 0
    if message.endswith("unexpected end of string"):
        # Only a template may go on in the next line.
        return 0 < line <= len(lines) and lines[line - 1][column - 1 : column] == b"`"
    return (line, column) >= (len(lines), len(lines[-1]) + 1)
