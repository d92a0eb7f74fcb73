"""The command `repl`: statements of JavaScript in the process of an addon, and of Python."""

from __future__ import annotations

import ast
import builtins
import code
import contextlib
import inspect
import sys
import types
from typing import TYPE_CHECKING, Any, Final, cast

from napi_python import _modules, _native, _text
from napi_python._commands import _console, _history, _javascript, _opening
from napi_python._errors import AddonError

if TYPE_CHECKING:
    import argparse
    import asyncio
    from collections.abc import Coroutine

_HELP: Final = """\
.js            the next lines are JavaScript; .js SOURCE is one line of it
.py            the next lines are Python; .py SOURCE is one line of it
.break         forget the lines of a statement that is not complete
.exit          end, as Ctrl-D does
In JavaScript, `addon` is what the addon exports, `_` the last value; `await` and `require` work.
In Python, `addon` is the addon and `host` its process, and `await` works.
Ctrl-C ends what runs. Tab completes names.
"""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to those of the command line."""
    parser = commands.add_parser(
        "repl",
        help="run JavaScript and Python with an addon, line by line",
        description=(
            "Reads statements and runs them: in JavaScript in the process of the addon, or in "
            "Python. It begins with JavaScript; .py and .js switch, .help lists the commands. "
            "Statements may come from a pipe as well."
        ),
    )
    _opening.add_name(parser, optional=True)
    parser.add_argument("--python", action="store_true", help="begin with Python")
    _opening.add_sandbox(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    namespace: dict[str, Any] = {"__name__": "__console__"}
    with contextlib.ExitStack() as stack:
        if options.name is None:
            root = _opening.folder(options)
            host = _modules.open_host(root=root, **_opening.given(options))
            stack.enter_context(host)
        else:
            what = _opening.named(options)
            root = what.root
            addon = stack.enter_context(_opening.open_named(what, options))
            host = _native.host(addon)
            namespace["addon"] = addon
        namespace["host"] = host
        repl = _Repl(_javascript.JavaScript(host, root), namespace, is_python=options.python)
        return repl.run()


class _Console(code.InteractiveConsole):
    """Python's own console, with `await`; it remembers whether a statement has failed."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        # As `exec` adds them; a function does not.
        super().__init__({**namespace, "__builtins__": builtins})
        self.compile.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        self.failed: str | None = None
        self._runner: asyncio.Runner | None = None

    def runcode(self, code: types.CodeType) -> None:
        """Runs a statement; one that awaits on a loop that all of them share."""
        if not code.co_flags & inspect.CO_COROUTINE:
            super().runcode(code)
            return
        import asyncio  # noqa: PLC0415 - takes long to import

        if self._runner is None:
            self._runner = asyncio.Runner()
        try:
            # A function of such code returns a coroutine.
            made = types.FunctionType(code, self.locals)()
            self._runner.run(cast("Coroutine[Any, Any, object]", made))
        except SystemExit:
            raise
        except BaseException:  # noqa: BLE001 - as the base does
            self.showtraceback()

    def close(self) -> None:
        """Ends the loop, and the tasks that are left on it."""
        if self._runner is not None:
            self._runner.close()

    def showtraceback(self) -> None:
        """Shows the exception of a statement."""
        error = sys.exc_info()[1]
        self.failed = f"{type(error).__name__}: {error}"
        super().showtraceback()

    def showsyntaxerror(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - of a base
        """Shows why a statement cannot be parsed."""
        self.failed = f"SyntaxError: {sys.exc_info()[1]}"
        super().showsyntaxerror(*arguments, **options)


class _Repl:
    """Reads lines, and runs the statements that they make."""

    def __init__(
        self, javascript: _javascript.JavaScript, namespace: dict[str, Any], *, is_python: bool
    ) -> None:
        self._javascript = javascript
        self._python = _Console(namespace)
        self._is_python = is_python
        # The lines of a statement that is not complete.
        self._begun: list[str] = []
        self._is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
        self._found: list[str] = []
        self._status = _console.OK
        # With --json, what became of each statement.
        self._results: list[dict[str, Any]] = []
        self._shown: str | None = None

    def run(self) -> int:
        """Runs until the end of the input or `.exit`, and returns the exit status."""
        reconfigure = getattr(sys.stdin, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="surrogateescape")
        former, sys.displayhook = sys.displayhook, self._display
        try:
            with (
                _history.editing(self._complete) if self._is_terminal else contextlib.nullcontext()
            ):
                self._loop()
        finally:
            sys.displayhook = former
            self._python.close()
        if _console.is_json():
            _console.show({"results": self._results}, "")
        return _console.OK if self._is_terminal else self._status

    def _loop(self) -> None:
        if self._is_terminal:
            _console.write(f"napi_python {_native.__version__}: .help lists the commands")
        while True:
            try:
                line = self._read()
                if line is None or not self._take(line):
                    break
            except KeyboardInterrupt:
                if not self._is_terminal:
                    raise
                self._forget()
                _console.tell("\ninterrupted")
        if self._begun:
            self._failed("\n".join(self._begun), ValueError("the last statement is not complete"))

    def _read(self) -> str | None:
        """Returns the next line, None at the end of the input."""
        view = "py" if self._is_python else "js"
        try:
            if self._is_terminal:
                return input(f"{view}{'...' if self._begun else '>'} ")
            line = sys.stdin.readline()
        except EOFError:
            _console.write("\n")
            return None
        return line.rstrip("\n") if line else None

    def _take(self, line: str) -> bool:
        """Runs a command, or a statement that is complete; returns False if it is the end."""
        word, _, rest = line.strip().partition(" ")
        if word == ".break":
            self._forget()
        elif not self._begun and word == ".exit":
            return False
        elif not self._begun and word == ".help":
            _console.write(_HELP)
        elif not self._begun and word in {".js", ".py"}:
            former, self._is_python = self._is_python, word == ".py"
            if rest:
                self._statement(rest)
                if not self._begun:
                    self._is_python = former
        elif not self._begun and word.startswith(".") and word[1:].isalpha():
            self._failed(line, ValueError(f"there is no command {word}; .help lists them"))
        else:
            self._statement(line)
        return True

    def _forget(self) -> None:
        self._begun = []
        self._python.resetbuffer()

    def _statement(self, line: str) -> None:
        if not line.strip() and not self._begun:
            return
        self._begun.append(line)
        source = "\n".join(self._begun)
        self._shown = None
        if self._is_python:
            self._python.failed = None
            if self._python.push(line):
                return
            self._begun = []
            if self._python.failed is not None:
                self._status = self._status or _console.FAILED
                self._add(source, error={"message": self._python.failed})
                return
        else:
            try:
                self._shown = _text.output(self._javascript.run(source)) or None
            except _javascript.IncompleteError:
                return
            except (AddonError, TypeError, ValueError) as error:
                self._begun = []
                self._failed(source, error)
                return
            except KeyboardInterrupt:
                self._begun = []
                raise
            self._begun = []
            if self._shown is not None and not _console.is_json():
                _console.write(self._shown)
        self._add(source, result=self._shown)

    def _display(self, value: object) -> None:
        """Shows the value of a statement of Python, as Python does."""
        if value is None:
            return
        builtins._ = value  # type: ignore[attr-defined]
        self._shown = _text.output(repr(value))
        if not _console.is_json():
            _console.write(self._shown)

    def _failed(self, source: str, error: BaseException) -> None:
        self._status = self._status or _console.status_of(error)
        self._add(source, error=_console.described(error))
        if not _console.is_json():
            _console.tell(f"{type(error).__name__}: {_text.message(str(error))}")
            for note in getattr(error, "__notes__", ()):
                _console.tell(f"note: {_text.message(note)}")

    def _add(self, source: str, **outcome: object) -> None:
        if _console.is_json():
            view = "py" if self._is_python else "js"
            self._results.append({"view": view, "source": source, **outcome})

    def _complete(self, text: str, state: int) -> str | None:
        """Returns the n-th completion of a word, as readline asks for them."""
        if self._is_python:
            import rlcompleter  # noqa: PLC0415 - only for Tab

            if state == 0:
                self._completer = rlcompleter.Completer(self._python.locals)
            return self._completer.complete(text, state)
        if state == 0:
            try:
                self._found = self._javascript.complete(text)
            except (AddonError, TypeError, ValueError):
                self._found = []
        return self._found[state] if state < len(self._found) else None
