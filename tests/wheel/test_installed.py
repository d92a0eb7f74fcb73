"""A wheel in a bare environment: no compiler, no Node, no HOME, an ordinary user."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import bare
import document_blocks
import pytest
from document_blocks import ROOT
from modes import addon_path

pytest_plugins = "built"

PAGES = (ROOT / "README.md", ROOT / "client-py" / "README.md")
BLOCKS = [
    block
    for page in PAGES
    for block in document_blocks.blocks(page)
    if block.is_run and block.language == "python"
]
ADDONS = ("primitive", "sample_rust", "crash", "cpp", "uv")
#: What the blocks require.
PACKAGES = (
    "sharp", "semver", "detect-libc", "@img/colour", "@img/sharp-linux-x64",
    "@img/sharp-libvips-linux-x64",
)  # fmt: skip

pytestmark = pytest.mark.timeout(300)


def fill(folder: Path) -> None:
    """Copies addons and packages into a folder of the user, as the documents assume them."""
    addons = folder / "addons" / "build"
    addons.mkdir(parents=True)
    for name in ADDONS:
        shutil.copyfile(addon_path(name), addons / f"{name}.node")
    shutil.copyfile(addon_path("primitive"), folder / "addon.node")
    for name in PACKAGES:
        shutil.copytree(
            document_blocks.PACKAGES / name, folder / "node_modules" / name, symlinks=True
        )
    for path in (folder, *folder.rglob("*")):
        bare.give(path)


def test_blocks_are_found() -> None:
    assert {block.page for block in BLOCKS} == set(PAGES)


BARE = """
import importlib.metadata, os, shutil
print([name for name in ("cc", "gcc", "clang", "cargo", "node", "npm") if shutil.which(name)])
print("HOME" in os.environ, os.geteuid())
print(*sorted({one.name for one in importlib.metadata.distributions()} - {"pip", "setuptools"}))
"""


def test_environment_is_bare(environment: bare.Environment) -> None:
    user = 65534 if os.geteuid() == 0 else os.geteuid()
    assert environment.run("-c", BARE) == f"[]\nFalse {user}\nnapi-python\n"


@pytest.mark.parametrize("block", [pytest.param(one, id=one.name) for one in BLOCKS])
def test_block_of_the_readme_runs(
    environment: bare.Environment, block: document_blocks.Block
) -> None:
    with environment.folder() as folder:
        fill(folder)
        environment.run(*document_blocks.program(block, folder), folder=folder)


MODES = """
import sys
from napi_python import JSRangeError, load_addon

options = eval(sys.argv[1])
def load(name):
    return load_addon(f"addons/build/{name}.node", **options)
addon = load("sample_rust")
counter = addon.Counter(10)
counter.increment()
print(addon.add(1, 2), counter.value, addon.mapAndSum([1, 2, 3], lambda x: x * 2))
try:
    load("cpp").Stack().pop()
except JSRangeError as error:
    print(error)
print(load("uv").sameLoop())
"""

CRASH = """
from napi_python import AddonCrashed, load_addon

addon = load_addon("addons/build/crash.node")
for _ in range(2):
    try:
        addon.nullPointer()
    except AddonCrashed as error:
        print(error.signal_name, error.export, error.backtrace[0].partition("+")[0])
"""


@pytest.mark.parametrize(
    "options",
    [{}, {"sandbox": "none"}, {"isolated": False}, {"isolated": False, "thread": "caller"}],
    ids=["sandbox", "process", "own", "caller"],
)
def test_addons_run_in_every_mode(
    environment: bare.Environment, options: dict[str, object]
) -> None:
    with environment.folder() as folder:
        fill(folder)
        printed = environment.run("-c", MODES, options, folder=folder)
    assert printed.splitlines() == ["3 11 12", "The stack is empty", "True"]


def test_crash_is_an_exception(environment: bare.Environment) -> None:
    with environment.folder() as folder:
        fill(folder)
        printed = environment.run("-c", CRASH, folder=folder)
    assert printed == "SIGSEGV nullPointer crash.node!NullPointer\n" * 2


def test_commands_are_there(environment: bare.Environment) -> None:
    program = environment.python.with_name("napi-python")
    assert "napi" in environment.run(program, "--version")
    assert "ok: " in environment.run(program, "doctor")
