"""The command `stubs`: writes declarations of packages for type checkers of Python."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napi_python import _text
from napi_python._commands import _console
from napi_python._commands._progress import Progress

if TYPE_CHECKING:
    import argparse


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to those of the command line."""
    parser = commands.add_parser(
        "stubs",
        help="write stubs for type checkers",
        description=(
            "Writes stubs (.pyi) for npm packages and addons, of their TypeScript declarations, or "
            "of what they export if they have none. Type checkers then know what require() and "
            "load_addon() return. The declarations are parsed by the npm package oxc-parser."
        ),
    )
    parser.add_argument(
        "names", nargs="+", metavar="NAME_OR_FILE", help="a package, or the path of a .node file"
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        default="typings",
        help="the folder that gets the package napi_packages (default: typings)",
    )
    parser.add_argument(
        "--root", metavar="FOLDER", default=".", help="where packages are looked for"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from napi_python._stubs import _write  # noqa: PLC0415 - for this command only

    progress = Progress()
    try:
        output, root = Path(options.output), Path(options.root)
        written = _write.write(options.names, output, root, progress.show_part)
    finally:
        progress.clear()
    document = {
        "written": [
            {
                "name": item.name,
                "version": item.version,
                "declarations": None if item.declarations is None else str(item.declarations),
                "file": str(item.file),
            }
            for item in written
        ]
    }
    lines = []
    for item in written:
        source = "what it exports" if item.declarations is None else str(item.declarations)
        shown = _text.name(f"{item.name} {item.version}".strip())
        lines.append(f"{_text.name(str(item.file))}: {shown}, of {_text.name(source)}")
    _console.show(document, "\n".join(lines))
    return _console.OK
