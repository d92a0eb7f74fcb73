"""The REPL: statements of JavaScript and Python from a pipe and from a terminal."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import COMMAND, command, document
from conftest import Write, addon_path, package

RUST = addon_path("sample_rust")
SECONDS = 30


def results(text: str, *words: object, status: int = 0) -> list[object]:
    """Returns what statements from a pipe result in, or the messages of their errors."""
    found = document("repl", *words, input=text, status=status)["results"]
    return [one.get("result", one.get("error", {}).get("message")) for one in found]


def test_statements_of_javascript() -> None:
    text = """\
let kept = {a: 1, f() {}};
kept
kept.a = 2; kept
addon.add(kept.a, 1)
_ + 1
undefined
const {one, two} = await Promise.resolve({one: 1, two: 2})
one + two
await addon.asyncAdd(20, 22)
for (const x of [1]) { globalThis.seen = await Promise.resolve(x); }
seen
"""
    assert results(text, RUST) == [
        None,
        "{ a: 1, f: [Function: f] }",
        "{ a: 2, f: [Function: f] }",
        "3",
        "4",
        None,
        None,
        "3",
        "42",
        None,
        "1",
    ]


def test_statements_of_several_lines() -> None:
    text = """\
function twice(n) {
  return n * 2;
}
twice(
  4)
`a
b`
/* not
   run */ 5
const r = await Promise.resolve({
  c: 7 })
r.c
.py
for n in range(2):
    n + addon.add(1, 1)

"""
    found = results(text, RUST)
    assert found[:-1] == [None, "8", "'a\\nb'", "5", None, "7"]


def test_errors_are_told_and_the_rest_runs() -> None:
    text = "nope\n1 2\n'abc\n.js 1\n.nothing\n.py 1/0\nthrow {a: 1}\n2\n"
    done = command("repl", RUST, input=text)
    assert (done.returncode, done.stdout) == (1, "1\n2\n")
    assert "ReferenceError: nope is not defined" in done.stderr
    assert "ZeroDivisionError" in done.stderr
    assert "there is no command .nothing" in done.stderr
    found = results(text, RUST, status=1)
    assert len(found) == 8
    assert found[2] == "unexpected end of string"


def test_statement_that_is_not_complete_is_told() -> None:
    assert results("1 +\n", RUST, status=1) == ["the last statement is not complete"]
    assert results("1 +\n.break\n7\n", RUST) == ["7"]


def test_views_of_python_and_javascript() -> None:
    text = (
        ".py addon.Counter(3).value\n"
        "1 + 1\n"
        ".py\n"
        "counter = addon.Counter(5)\n"
        "counter.increment(); counter\n"
        "host.run_script('1n')\n"
        ".js\n"
        "[1]\n"
    )
    found = document("repl", RUST, input=text)["results"]
    assert [one["view"] for one in found] == ["py", "js", "py", "py", "py", "js"]
    assert found[0]["result"] == "3"
    assert "JSObject" in found[3]["result"]
    assert found[5]["result"] == "[ 1 ]"
    assert results("addon.add(2, 2)\n", RUST, "--python") == ["4"]


def test_await_in_python() -> None:
    text = (
        ".py\n"
        "await addon.asyncAdd(1, 2)\n"
        "import asyncio\n"
        "both = await asyncio.gather(addon.asyncAdd(1, 1), addon.asyncAdd(2, 2))\n"
        "both\n"
        "await addon.asyncDivide(1, 0)\n"
        "await addon.asyncAdd(3, 4)\n"
    )
    found = results(text, RUST, status=1)
    assert [found[place] for place in (0, 1, 2, 3, 5)] == ["3", None, None, "[2, 4]", "7"]
    assert str(found[4]).startswith("JSError: ")


def test_process_without_an_addon_requires_packages(project: Write) -> None:
    root = project(package("leaf", "exports.value = 'of leaf'"))
    text = "require('leaf').value\n.py host.require('leaf').value\n"
    assert results(text, "--root", root) == ["'of leaf'", "'of leaf'"]
    assert results("addon.value\n", "leaf", "--root", root) == ["'of leaf'"]


def test_preview_is_bounded() -> None:
    text = "'x'.repeat(1e6)\nnew Array(1e6).fill(1)\n({get x() { throw 1 }})\n"
    long, array, getter = results(text, RUST)
    assert len(str(long)) < 3000
    assert str(array).endswith("999950 more items\n]")
    assert getter == "{ x: [Getter] }"


def test_text_of_an_addon_is_escaped() -> None:
    done = command("repl", RUST, input="({toString: 1, [Symbol.toStringTag]: '\\x1b[31m'})\n")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert "31m" in done.stdout


def test_statements_after_a_crash_run_in_a_new_process() -> None:
    text = "let kept = 1\naddon.nullPointer()\ntypeof kept\ntypeof addon\n"
    found = results(text, addon_path("crash"), status=3)
    assert "SIGSEGV" in str(found[1])
    assert found[2:] == ["'undefined'", "'object'"]


def test_deadline_ends_a_statement() -> None:
    found = results("for (;;);\n1\n", RUST, "--timeout", "0.3", status=4)
    assert found[1] == "1"


# --- On a terminal -------------------------------------------------------------------------------


class Terminal:
    """A REPL on a pseudo-terminal."""

    def __init__(self, end: int, program: subprocess.Popen[bytes]) -> None:
        self._end = end
        self._seen = b""
        self.program = program

    def send(self, text: str) -> None:
        """Types a text. Control characters take effect once the prompt is there."""
        os.write(self._end, text.encode())

    def until(self, pattern: str) -> str:
        """Reads until this has been printed, and returns all that was printed before its end."""
        limit = time.monotonic() + SECONDS
        while True:
            shown = re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", self._seen.decode("utf-8", "replace"))
            if found := re.search(pattern, shown):
                self._seen = shown[found.end() :].encode()
                return shown[: found.end()]
            left = limit - time.monotonic()
            assert left > 0, f"{pattern!r} is not in {shown!r}"
            ready, _, _ = select.select([self._end], [], [], left)
            if ready:
                try:
                    data = os.read(self._end, 65536)
                except OSError:
                    data = b""
                assert data, f"the program has ended; {pattern!r} is not in {shown!r}"
                self._seen += data


@contextlib.contextmanager
def terminal(home: Path, *words: object) -> Iterator[Terminal]:
    end, other = pty.openpty()
    arguments = [str(word) for word in words]
    environment = {**os.environ, "HOME": str(home), "TERM": "xterm", "COLUMNS": "200"}
    environment.pop("XDG_STATE_HOME", None)
    with subprocess.Popen(
        # The first terminal that a new session opens controls it: Ctrl-C is a signal for it.
        ["sh", "-c", 'exec "$@" <>"$0" >&0 2>&1', os.ttyname(other), *COMMAND, "repl", *arguments],
        env=environment,
        start_new_session=True,
    ) as program:
        try:
            found = Terminal(end, program)
            found.until("js> ")
            # Not before: a terminal that no process has open yet cannot be read.
            os.close(other)
            yield found
        finally:
            program.kill()
            os.close(end)


def test_terminal_has_prompts_and_values(tmp_path: Path) -> None:
    with terminal(tmp_path, RUST) as repl:
        repl.send("addon.add(1,\r")
        repl.until(re.escape("js... "))
        repl.send("2)\r")
        repl.until(r"\n3\r\n")
        repl.send(".py\r")
        repl.until("py> ")
        repl.send("addon.add(3, 4)\r")
        repl.until(r"\n7\r\n")
        repl.send(".exit\r")
        assert repl.program.wait(SECONDS) == 0


def test_ctrl_c_ends_the_statement_and_not_the_repl(tmp_path: Path) -> None:
    with terminal(tmp_path, RUST) as repl:
        repl.send("console.log('be' + 'gun'); for (;;);\r")
        repl.until("begun")
        repl.send("\x03")
        repl.until("interrupted")
        repl.send(
            "new Promise(() => console.log('wai' + 'ting')).then(1); await new Promise(() => {})\r"
        )
        repl.until("waiting")
        repl.send("\x03")
        repl.until("interrupted")
        repl.until("js> ")
        repl.send("1 +\r")
        repl.until(re.escape("js... "))
        repl.send("\x03")
        repl.until("interrupted")
        repl.until("js> ")
        repl.send(".py\r")
        repl.until("py> ")
        repl.send("print('be' 'gun'); host.run_script('for (;;);')\r")
        repl.until("\nbegun")
        repl.send("\x03")
        repl.until("KeyboardInterrupt")
        repl.until("py> ")
        repl.send("print('wai' 'ting'); await host.run_script('new Promise(() => {})')\r")
        repl.until("\nwaiting")
        repl.send("\x03")
        repl.until("KeyboardInterrupt")
        repl.until("py> ")
        repl.send(".js 40 + 2\r")
        repl.until(r"\n42\r\n")
        repl.until("py> ")
        repl.send("\x04")
        assert repl.program.wait(SECONDS) == 0


def test_tab_completes_in_both_views(tmp_path: Path) -> None:
    with terminal(tmp_path, RUST) as repl:
        repl.send("addon.describeP\t")
        repl.until(re.escape("addon.describePerson"))
        repl.send("\x15let mine = {first: {second: 5}}\r")
        repl.until("js> ")
        repl.send("mine.first.se\t")
        repl.until(re.escape("mine.first.second"))
        repl.send("\r")
        repl.until(r"\n5\r\n")
        repl.until("js> ")
        repl.send("({get x() { throw 1 }}).\t\x15.py\r")
        repl.until("py> ")
        repl.send("addon.describeP\t")
        repl.until(re.escape("addon.describePerson("))
        repl.send("\x15counter = addon.Counter(1)\r")
        repl.until("py> ")
        repl.send("coun\t.incr\t")
        repl.until(re.escape("counter.increment("))


def test_history_is_kept_for_this_user_alone(tmp_path: Path) -> None:
    with terminal(tmp_path, RUST) as repl:
        repl.send("'of the ' + 'past'\r")
        repl.until("'of the past'")
        repl.until("js> ")
        repl.send("\x04")
        assert repl.program.wait(SECONDS) == 0
    file = tmp_path / ".local" / "state" / "napi-python" / "history"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with terminal(tmp_path, RUST) as repl:
        repl.send("\x1b[A\r")
        repl.until("\n'of the past'")


def test_history_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / ".local").touch()
    with terminal(tmp_path, RUST) as repl:
        repl.send("1 + 1\r")
        repl.until(r"\n2\r\n")
        repl.until("js> ")
        repl.send("\x04")
        assert repl.program.wait(SECONDS) == 0


def test_interrupt_of_a_pipe_ends_the_program() -> None:
    with subprocess.Popen(
        [*COMMAND, "repl", str(RUST)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdin is not None and program.stdout is not None
        program.stdin.write("console.log('begun'); for (;;);\n")
        program.stdin.flush()
        assert program.stdout.readline() == "begun\n"
        program.send_signal(signal.SIGINT)
        program.stdin.close()
        assert program.wait(SECONDS) == 128 + signal.SIGINT


@pytest.mark.parametrize("line", ["\udcff", "'\\ud800'", "\0", "a" * 100_000])
def test_odd_lines_are_no_failure_of_the_repl(line: str) -> None:
    text = os.fsencode(f"{line}\n'af' + 'ter'\n")
    done = subprocess.run(
        [*COMMAND, "repl", RUST], input=text, capture_output=True, timeout=60, check=False
    )
    assert done.stdout.endswith(b"'after'\n")
    assert b"Traceback" not in done.stderr
