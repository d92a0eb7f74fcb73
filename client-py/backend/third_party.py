"""The licences of what is compiled into a wheel: crates, and the C libraries that some carry."""

from __future__ import annotations

import pathlib
from collections import defaultdict
from typing import Any

#: The things that cargo makes for a wheel.
_ROOTS = ("napi-hostd", "hostd-library", "napi-python")
#: What a licence's file is called, to upper case.
_NAMES = ("LICEN", "UNLICEN", "COPYING", "COPYRIGHT", "NOTICE")

#: How `cargo metadata` has to be asked: the crates with the sources of libuv and of the engine hang
#: on features that nothing is built with.
METADATA = (
    "metadata",
    "--locked",
    "--format-version=1",
    "--features=hostd-libuv/sources,hostd-quickjs/sources",
)

_RULE = "=" * 100


def notices(metadata: dict[str, Any], own: str, node: str) -> str:
    """Returns one text with every licence: from `cargo metadata`, our own one, and that of Node."""
    by_text: dict[str, list[str]] = defaultdict(list)
    without: list[str] = []
    for package in _compiled_in(metadata):
        label = f"{package['name']} {package['version']} ({package['license'] or 'see below'})"
        texts = _texts(pathlib.Path(package["manifest_path"]).parent)
        if not texts:
            without.append(f"{label}, {', '.join(package['authors']) or package['repository']}")
        for part, text in texts.items():
            by_text[text].append(f"{label}: {part}")
    parts = [own, "This program contains the following software.\n", node]
    if without:
        listed = "\n".join(without)
        parts.append(f"Published with the name of a licence and without its text:\n\n{listed}\n")
    parts += ["\n".join(labels) + f"\n\n{text}" for text, labels in sorted(by_text.items())]
    return f"\n{_RULE}\n\n".join(parts)


def _compiled_in(metadata: dict[str, Any]) -> list[dict[str, Any]]:
    """The published packages that the roots need other than for building and testing."""
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    found: set[str] = set()
    waiting = [key for key, package in packages.items() if package["name"] in _ROOTS]
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            waiting += [
                dependency["pkg"]
                for dependency in nodes[key]["deps"]
                if any(kind["kind"] is None for kind in dependency["dep_kinds"])
            ]
    published = [packages[key] for key in found if packages[key]["source"]]
    return sorted(published, key=lambda package: (package["name"], package["version"]))


def _texts(folder: pathlib.Path) -> dict[str, str]:
    """The licence files of a crate and of the libraries in folders of it."""
    files = [*folder.glob("*"), *folder.glob("*/*")]
    return {
        str(file.relative_to(folder)): file.read_text(encoding="utf-8", errors="replace")
        for file in sorted(files)
        if file.name.upper().startswith(_NAMES) and file.is_file()
    }
