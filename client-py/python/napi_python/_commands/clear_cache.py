"""The command `clear-cache`: removes what hosts have stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napi_python import _native, _text
from napi_python._commands import _cache, _console

if TYPE_CHECKING:
    import argparse


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to those of the command line."""
    parser = commands.add_parser(
        "clear-cache",
        help="remove the stored cache folders of confined addons",
        description=(
            "Removes the stored cache folders of confined addons, as napi_python.clear_cache() "
            'does, and shows how much that was. docs/sandbox.md, "The cache", says what is stored.'
        ),
    )
    parser.set_defaults(run=_run)


def _run(_options: argparse.Namespace) -> int:
    folder = _cache.folder()
    before = _cache.Usage(0, 0) if folder is None else _cache.usage(folder)
    _native.clear_cache()
    after = _cache.Usage(0, 0) if folder is None else _cache.usage(folder)
    freed = _cache.Usage(before.entries - after.entries, before.size - after.size)
    document = {
        "folder": None if folder is None else str(folder),
        "entries": freed.entries,
        "bytes": freed.size,
    }
    noun = "entry" if freed.entries == 1 else "entries"
    where = "" if folder is None else f" in {_text.name(str(folder))}"
    size = _console.size(freed.size)
    _console.show(document, f"removed {freed.entries} {noun}{where}, {size}")
    return _console.OK
