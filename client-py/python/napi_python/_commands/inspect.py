"""The command `inspect`: what an addon or package exports, imports and needs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napi_python import _text
from napi_python._commands import _console, _exports, _host_program, _opening, _packages
from napi_python._commands._progress import Progress
from napi_python._errors import AddonError

if TYPE_CHECKING:
    import argparse

# How many native files of a package are loaded to see what they need.
_AUDITS_MAX: Final = 16
# How many seconds the addon may take to answer, by default.
_TIMEOUT: Final = 30.0


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to those of the command line."""
    parser = commands.add_parser(
        "inspect",
        help="show what an addon or package exports, imports and needs",
        description=(
            "Shows what a native file says of itself (the version of Node-API, what it imports, "
            "the libraries that it needs), what the sandbox denies it while it is loaded, and what "
            "the addon or package exports. With --no-load none of its code is run."
        ),
    )
    _opening.add_name(parser)
    parser.add_argument(
        "--no-load", action="store_true", help="only read the files, and load nothing"
    )
    _opening.add_sandbox(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    what = _opening.named(options)
    if options.timeout is None:
        options.timeout = _TIMEOUT
    document: dict[str, Any] = {"name": what.word, "version": None}
    if what.file is not None:
        facts = _host_program.inspect([what.file])
        files = [(Path(what.file), fact) for fact in facts]
    else:
        package = _packages.find(what.word, what.root)
        document |= {"version": package.version, "path": str(package.path)}
        found = _packages.native_files(package)
        # Those for other machines are what `find` lists.
        files = [(one.path, one.facts) for one in found if one.is_loadable]
    natives = [{"file": str(path), **fact, "audit": None} for path, fact in files]
    document |= {"native_files": natives, "exports": None}
    status = _console.OK
    refused = what.file is not None and natives[0]["refused"] is not None
    error: BaseException | None = None
    if refused:
        error = _console.CommandError(str(natives[0]["refused"]))
    elif not options.no_load:
        error = _load(what, options, document)
    if error is not None:
        document["error"] = _console.described(error)
        status = _console.status_of(error)
    _console.show(document, _text_of(what, document))
    if error is not None and not _console.is_json():
        _console.fail(error)
    return status


def _load(
    what: _opening.Named, options: argparse.Namespace, document: dict[str, Any]
) -> BaseException | None:
    """Adds what is seen when the addon is loaded; returns why it cannot be loaded."""
    progress = Progress()
    try:
        natives = document["native_files"][:_AUDITS_MAX]
        for done, native in enumerate(natives):
            progress.show_part(done, len(natives), f"loading {native['file']} in a sandbox")
            try:
                audit = _host_program.audit(native["file"], timeout=options.start_timeout)
                native["audit"] = audit.document()
            except (OSError, _console.CommandError) as error:
                native["audit_error"] = str(error)
        progress.show(f"loading {what.word}")
        with _opening.open_named(what, options) as opened:
            document["exports"] = _exports.describe(opened)
    except AddonError as error:
        return error
    finally:
        progress.clear()
    return None


def _text_of(what: _opening.Named, document: dict[str, Any]) -> str:
    version = "" if document["version"] is None else f" {_text.name(document['version'])}"
    lines = [_console.bold(f"{what.shown()}{version}")]
    if "path" in document:
        lines.append(f"  in {_text.name(document['path'])}")
    for native in document["native_files"]:
        lines += _native_lines(native)
    if not document["native_files"]:
        lines.append("  no native files for this machine")
    if document["exports"] is not None:
        first, *rest = _exports.lines(document["exports"])
        lines += [f"  {_console.bold('exports')} {first}", *(f"  {line}" for line in rest)]
    return "\n".join(lines)


def _native_lines(native: dict[str, Any]) -> list[str]:
    lines = [f"  {_console.bold('native file')} {_text.name(native['file'])}"]
    rows: list[list[str]] = []
    if "node_api" in native:
        rows += _facts(native)
    if native["audit"] is not None:
        rows.append(["sandbox", _audit(native["audit"])])
    elif "audit_error" in native:
        rows.append(["sandbox", f"not loaded: {_text.name(native['audit_error'])}"])
    return lines + _console.table(rows, "    ").splitlines()


def _facts(native: dict[str, Any]) -> list[list[str]]:
    api = native["node_api"]
    parts = []
    if native["audit"] is not None and native["audit"]["api_version"] is not None:
        parts.append(f"runs under version {_version(native['audit']['api_version'])}")
    if api["newest"] is not None:
        parts.append(f"imports functions up to version {api['newest']}")
    if api["experimental"]:
        shown = ", ".join(map(_text.name, api["experimental"]))
        parts.append(f"imports experimental functions: {shown}")
    rows = [["Node-API", "; ".join(parts) or "no version is known without loading it"]]
    # An addon may also look them up by name when it is loaded, as those of napi-rs do.
    counts = f"{len(api['functions'])} functions of Node-API"
    if native["libuv"]:
        counts += f", {len(native['libuv'])} of libuv"
    rows.append(["imports", f"{counts}; {native['imports']} names in all"])
    for place, library in enumerate(native["libraries"]):
        where = "NOT FOUND" if library["file"] is None else _text.name(library["file"])
        needed = max(library["versions"], key=_parts, default=None)
        newest = "" if needed is None else f", needs {_text.name(needed)}"
        name = "libraries" if place == 0 else ""
        rows.append([name, f"{_text.name(library['name'])}{newest}: {where}"])
    return rows


def _parts(version: str) -> list[int]:
    """Returns the numbers in the name of a version, such as GLIBC_2.34."""
    return [int(digits[:9]) for digits in re.findall(r"[0-9]+", version)]


# The number by which an addon asks for what is experimental: the largest one.
_EXPERIMENTAL: Final = 2**31 - 1


def _version(number: int) -> str:
    return "experimental" if number == _EXPERIMENTAL else str(number)


def _audit(audit: dict[str, Any]) -> str:
    """Returns what an addon needs, by the options of a sandbox."""
    if audit["ended"] is not None:
        return f"no policy is known to be enough: {_text.name(audit['ended']['text'])}"
    if audit["refused"] is not None:
        return f'"default" is not enough: {_text.name(audit["refused"])}'
    if audit["options"]:
        shown = _text.name(", ".join(audit["options"]))
        return f'loads under "default"; what was denied is allowed by Sandbox({shown})'
    if audit["denied"]:
        return 'loads under "default"; no option allows what was denied'
    return '"default" is enough: nothing was denied while it was loaded'
