"""What the site has beside docs/: documents of the root, and docstrings of the native module."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING

import griffe
from mkdocs.structure.files import File
from napi_python import _native

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).resolve().parents[1]
#: the documents of the root, and the pages that they become
DOCUMENTS = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the documents of the root, with their links as they are in the site."""
    for name, page in DOCUMENTS.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        for other, target in DOCUMENTS.items():
            text = text.replace(f"]({other}", f"]({target}")
        text = re.sub(r"\]\(docs/", "](", text)
        files.append(File.generated(config, page, content=text))
    return files


class NativeDocstrings(griffe.Extension):
    """Gives the objects of the stub of the native module the docstrings that the module has."""

    def on_package(self, *, pkg: griffe.Module, **_options: object) -> None:
        """Adds them to a package that was read."""
        if pkg.name == "napi_python":
            _document(pkg["_native"], _native)


def _document(found: griffe.Object, known: object) -> None:
    for name, member in found.members.items():
        actual = inspect.getattr_static(known, name, None)
        if actual is None or member.is_alias or name.startswith("_"):
            continue
        text = inspect.getdoc(actual)
        if member.docstring is None and text:
            member.docstring = griffe.Docstring(text, parent=member)
        if member.is_class:
            _document(member, actual)
