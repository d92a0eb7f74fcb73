"""The command `find`: where a package is, and which of its native files this machine can load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from napi_python import _text
from napi_python._commands import _console, _opening, _packages
from napi_python._native import host

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

# Returns the native files that a package has loaded, from Node's own list of modules.
_LOADED = "(module) => Object.keys(module._cache).filter((file) => file.endsWith('.node'))"


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to those of the command line."""
    parser = commands.add_parser(
        "find",
        help="show where a package is found, and its native files",
        description=(
            "Shows where require() finds a package, its version, and the native files of it and of "
            "the packages that it depends on: which of them this machine can load, and why not the "
            "others. No code of the package is run without --load."
        ),
    )
    _opening.add_name(parser)
    parser.add_argument(
        "--load",
        action="store_true",
        help="load the package in a sandbox, and show which native files it has loaded",
    )
    _opening.add_sandbox(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    what = _opening.named(options)
    if what.file is not None:
        raise _console.UsageError(
            f"find takes the name of a package, got the file {what.shown()}; inspect takes files"
        )
    package = _packages.find(what.word, what.root)
    files = _packages.native_files(package)
    loaded = _loaded(what, options) if options.load else None
    document = {
        "name": package.name,
        "version": package.version,
        "path": str(package.path),
        "root": what.root,
        "complete": len(files) < _packages.FILES_MAX,
        "native_files": [
            {
                "file": str(one.path),
                "package": one.owner,
                "size": one.size,
                "loadable": one.is_loadable,
                "refused": one.facts.get("refused"),
                "loaded": None if loaded is None else str(one.path) in loaded,
            }
            for one in files
        ],
    }
    _console.show(document, _text_of(package, files, loaded))
    return _console.OK


def _loaded(what: _opening.Named, options: argparse.Namespace) -> set[str]:
    """Loads the package, and returns the native files that it has loaded so far."""
    with _opening.open_named(what, options) as opened:
        process = host(opened)
        listed = cast("Callable[[Any], list[str]]", process.run_script(_LOADED))
        return set(listed(process.require("node:module")))


def _text_of(
    package: _packages.Package, files: list[_packages.NativeFile], loaded: set[str] | None
) -> str:
    title = f"{_text.name(package.name)} {_text.name(package.version or 'without version')}"
    lines = [_console.bold(title), f"  in {_text.name(str(package.path))}"]
    if not files:
        lines.append("  no native files")
    if len(files) >= _packages.FILES_MAX:
        lines.append(f"  the first {len(files)} native files:")
    for one in files:
        inside = one.path.is_relative_to(package.path)
        path = one.path.relative_to(package.path) if inside else one.path
        if one.is_loadable:
            state = "can be loaded here"
            if loaded is not None:
                state = "loaded" if str(one.path) in loaded else "can be loaded here, was not"
        else:
            # The message begins with the path, which is there already.
            reason = _text.message(str(one.facts.get("refused")))
            state = f"not for this machine: {reason.removeprefix(f'{one.path} ')}"
        owner = "" if one.owner == package.name else f" of {_text.name(one.owner)}"
        lines.append(f"  {_text.name(str(path))}{owner}, {_console.size(one.size)}: {state}")
    return "\n".join(lines)
