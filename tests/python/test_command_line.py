"""The command line itself: usage errors, files that are no addons, streams that fail, signals."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from command_line import COMMAND, command, document, error
from conftest import Write, addon_path, package
from napi_python import __version__
from processes import is_alive

RUST = addon_path("sample_rust")


def test_usage_errors_are_documents_too() -> None:
    assert "required" in error("call", status=2)["message"]
    assert "invalid choice" in error("nothing", status=2)["message"]
    assert "--no-such" in error("find", "x", "--no-such", status=2)["message"]
    done = command("call")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("see napi-python call --help\n")
    assert command("--version").stdout == f"napi_python {__version__}\n"


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A folder with what is no addon."""
    os.mkfifo(tmp_path / "fifo.node")
    (tmp_path / "text.node").write_text("text")
    (tmp_path / "empty.node").touch()
    (tmp_path / "folder.node").mkdir()
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "socket.node"))
    return tmp_path


@pytest.mark.parametrize("name", ["fifo", "text", "empty", "folder", "socket", "missing"])
def test_file_that_is_no_addon_is_an_error(odd: Path, name: str) -> None:
    path = odd / f"{name}.node"
    found = document("inspect", path, status=1, timeout=20)
    assert found["error"]["message"].startswith((str(path), "the file "))
    assert found["exports"] is None
    assert error("call", path, "x", status=1, timeout=20)["kind"] == "LoadError"


def test_name_that_is_not_unicode(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff\n.node"
    shutil.copy(addon_path("primitive"), os.fsdecode(path))
    found = document("inspect", path)
    assert found["native_files"][0]["refused"] is None
    assert found["exports"]["kind"] == "object"
    done = command("inspect", path)
    assert done.returncode == 0
    assert "\\udcff\\n.node" in done.stdout


def test_output_that_nothing_reads(tmp_path: Path) -> None:
    for words in (["inspect", str(RUST)], ["inspect", str(RUST), "--json"]):
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run(
            [*COMMAND, *words], stdout=write, stderr=subprocess.PIPE, timeout=60, check=False
        )
        os.close(write)
        assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


@pytest.mark.parametrize("words", [["--json"], []])
def test_output_that_cannot_be_written(words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, "call", str(RUST), "add", "1", "2", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    said = "error: cannot write the output: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, said)


def test_program_without_standard_streams() -> None:
    words = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *COMMAND]
    for more in (["call", str(RUST), "add", "1", "2"], ["repl", str(RUST)]):
        for form in ([], ["--json"]):
            assert subprocess.run([*words, *more, *form], timeout=60, check=False).returncode == 0


def test_without_a_home(tmp_path: Path) -> None:
    names = ("HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    assert document("call", RUST, "add", "1", "2", env=environment) == {"result": 3}
    assert document("clear-cache", env=environment)["folder"] is None
    done = command("repl", RUST, input="addon.add(1, 2)\n", env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "3\n", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_a_call_and_its_process(project: Write, number: signal.Signals) -> None:
    source = "exports.loop = () => { console.log('begun ' + process.pid); for (;;); }"
    root = project(package("endless", source))
    words = [*COMMAND, "call", "endless", "loop", "--root", str(root), "--json"]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        assert program.stderr is not None and program.stdout is not None
        begun = re.fullmatch(r"begun (\d+)\n", program.stderr.readline())
        assert begun
        program.send_signal(number)
        found = json.loads(program.stdout.read())
        assert program.wait(30) == 128 + number
    assert found["error"]["exit_code"] == 128 + number
    assert not is_alive(int(begun[1]))
