"""Builds for an older glibc than that of this machine.

The machine's own C compiler and linker do it, with other headers and libraries: zig has those of
every glibc. So the code is that of every other build; only the versions of the C library's names
are others. docs/decisions.md says why it is done so.
"""

from __future__ import annotations

import os
import pathlib
import platform
import re
import shlex
import shutil
import subprocess
import sys

#: What is required for such a build.
REQUIREMENT = "ziglang==0.17.1"
#: Tells the build scripts which glibc the program has to run on.
_VERSION_VARIABLE = "NAPI_HOSTD_GLIBC"
_MACHINE = "x86_64"
_TARGET = f"{_MACHINE}-unknown-linux-gnu"
#: The dynamic linker, which zig calls otherwise.
_LOADER, _LOADER_OF_ZIG = "ld-linux-x86-64.so.2", "libld.so.2"
#: What `-lc` finds: old versions of glibc have some functions in a static part.
_LIBC = f"GROUP ( libc.so.6 libc_nonshared.a AS_NEEDED ( {_LOADER} ) )\n"
_PROGRAM = "int main(void) { return 0; }\n"


def tag(version: str) -> str:
    """Returns the part of a wheel's platform tag that names this version of glibc."""
    found = re.fullmatch(r"2\.(\d{2})", version)
    if found is None:
        raise SystemExit(f"glibc must be a version such as 2.28, got {version!r}")
    return f"manylinux_2_{found[1]}"


def environment(version: str, folder: pathlib.Path) -> dict[str, str]:
    """Returns the variables with which cargo builds for this version of glibc.

    The headers and libraries, and all that cargo builds, are put into `folder`.
    """
    if platform.machine() != _MACHINE:
        raise SystemExit(f"building for glibc {version} needs a machine of {_MACHINE}")
    minor = tag(version).rpartition("_")[2]
    folder.mkdir(parents=True, exist_ok=True)
    libraries = folder / "glibc"
    _take_libraries(version, folder, libraries)
    compiler = folder / "cc"
    compiler.write_text(_wrapper(minor, libraries), encoding="utf-8")
    compiler.chmod(0o755)
    return {
        "CARGO_TARGET_DIR": str(folder),
        f"CARGO_TARGET_{_TARGET.upper().replace('-', '_')}_LINKER": str(compiler),
        f"CC_{_TARGET.replace('-', '_')}": str(compiler),
        _VERSION_VARIABLE: version,
    }


def _run(command: list[str], variables: dict[str, str] | None = None) -> str:
    done = subprocess.run(  # noqa: S603 - a compiler, with arguments of ours
        command,
        env={**os.environ, **(variables or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"{shlex.join(command)} fails: {done.stdout.strip()}")
    return done.stdout


def _zig(*arguments: str, cache: pathlib.Path) -> str:
    caches = dict.fromkeys(("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"), str(cache))
    return _run([sys.executable, "-m", "ziglang", *arguments], caches)


def _take_libraries(version: str, folder: pathlib.Path, libraries: pathlib.Path) -> None:
    """Copies what zig links a program with: libraries that have names and no code, and the start.

    The start of a program is that of the older version, too: it runs the constructors itself.
    """
    source = folder / "empty.c"
    source.write_text(_PROGRAM, encoding="utf-8")
    program = f"-femit-bin={folder / 'empty'}"
    target = f"{_MACHINE}-linux-gnu.{version}"
    shown = _zig(
        "build-exe", "-target", target, "-lc", "-fPIE", "--verbose-link", program, str(source),
        cache=folder / "zig",
    )  # fmt: skip
    words = [pathlib.Path(word) for word in shlex.split(shown)]
    shutil.rmtree(libraries, ignore_errors=True)
    libraries.mkdir()
    for path in words:
        name = _LOADER if path.name == _LOADER_OF_ZIG else path.name
        # Other words are their names alone.
        is_file = path.is_absolute() and path.is_file()
        if is_file and re.fullmatch(r"lib\w+\.so\.\d+|Scrt1\.o|libc_nonshared\.a", path.name):
            shutil.copyfile(path, libraries / name)
    for library in libraries.glob("lib*.so.*"):
        linked = library.with_name(library.name.partition(".so.")[0] + ".so")
        if library.name != "libc.so.6":
            linked.symlink_to(library.name)
    (libraries / "libc.so").write_text(_LIBC, encoding="utf-8")
    missing = {"Scrt1.o", "libc_nonshared.a", "libc.so.6", "libm.so.6", _LOADER} - {
        path.name for path in libraries.iterdir()
    }
    if missing:
        raise SystemExit(f"{REQUIREMENT} does not link a program with {sorted(missing)}: {shown}")


def _wrapper(minor: str, libraries: pathlib.Path) -> str:
    """Returns a program that is the machine's compiler with the headers and libraries of zig."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise SystemExit("building napi-python needs a C compiler: install gcc")
    own = _run([compiler, "-print-file-name=include"]).strip()
    asked = ("libc", "-includes", "-target", f"{_MACHINE}-linux-gnu.2.{minor}")
    headers = [own, *_zig(*asked, cache=libraries.parent / "zig").split("\n")]
    words = [
        compiler,
        "-nostdinc",
        *(part for header in headers if header for part in ("-isystem", header)),
        f"-D__GLIBC_MINOR__={minor}",
        f"-B{libraries}/",
        f"-L{libraries}",
        # The machine's own libgcc_s needs the machine's glibc; what is built needs any libgcc_s.
        "-Wl,--allow-shlib-undefined",
    ]
    return f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n'
