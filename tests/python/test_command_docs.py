"""Every command that a message or a document names exists."""

from __future__ import annotations

import ast
import importlib
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import napi_python
import pytest
from napi_python import __main__ as command_line

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
COMMANDS = command_line.parser().get_default("commands")

_NAMED = re.compile(r"(?:napi-python|python3? -m napi_python) +(?!from )([a-z][a-z-]*)")
_OF_HOST = re.compile(r"napi-hostd +([a-z][a-z-]*)")


def sources() -> Iterator[tuple[str, str]]:
    """The documents, and the texts in the code of the package and of the host."""
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        code = re.findall(r"```.*?```|`[^`\n]+`", path.read_text(encoding="utf-8"), re.DOTALL)
        yield path.name, "\n".join(code)
    package = Path(napi_python.__file__).resolve().parent
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield path.name, node.value
    for folder in ("server", "client-py", "protocol"):
        for path in (ROOT / folder).rglob("*.rs"):
            for text in re.findall(r'"(?:[^"\\]|\\.)*"', path.read_text(encoding="utf-8")):
                yield path.name, text


def test_every_command_that_a_text_names_exists() -> None:
    named = {(name, file) for file, text in sources() for name in _NAMED.findall(text)}
    assert {name for name, _ in named} >= {"install", "doctor", "audit"}
    unknown = sorted((name, file) for name, file in named if name not in COMMANDS)
    assert unknown == []


def test_every_command_of_the_host_that_a_text_names_exists() -> None:
    binary = Path(napi_python.__file__).parent / "_bin" / "napi-hostd"
    done = subprocess.run([binary, "--help"], capture_output=True, text=True, check=True)
    known = set(re.findall(r"^  napi-hostd ([a-z]+)", done.stdout, re.MULTILINE))
    assert known >= {"audit", "doctor", "inspect", "serve"}
    named = {
        (name, file)
        for file, text in sources()
        for name in _OF_HOST.findall(text)
        # "napi-hostd serve" is a command; a sentence about the program goes on with a verb.
        if f"`napi-hostd {name}" in text or f"see napi-hostd {name}" in text
    }
    assert sorted(one for one in named if one[0] not in known) == []


def test_each_command_is_described() -> None:
    for name in COMMANDS:
        assert f"[`{name}`]" in PAGE, name


def test_script_on_path_is_declared() -> None:
    text = (ROOT / "client-py" / "pyproject.toml").read_text(encoding="utf-8")
    module, _, function = tomllib.loads(text)["project"]["scripts"]["napi-python"].partition(":")
    assert getattr(importlib.import_module(module), function) is command_line.main


@pytest.mark.skipif(shutil.which("cargo") is None, reason="the metadata is made with cargo")
def test_script_on_path_is_in_the_metadata_of_the_wheel(tmp_path: Path) -> None:
    words = ["pep517", "write-dist-info", "--interpreter", sys.executable]
    subprocess.run(
        [Path(sys.executable).parent / "maturin", *words, "--metadata-directory", tmp_path],
        cwd=ROOT / "client-py",
        check=True,
        capture_output=True,
    )
    (found,) = tmp_path.glob("*.dist-info/entry_points.txt")
    assert "\nnapi-python=napi_python.__main__:main\n" in found.read_text(encoding="utf-8")
