"""Writes `server/start.ld`: the functions of the engine that a host runs until it is idle.

To be run when the version of the engine changes, after `make package addons`; needs gdb:
`.venv/bin/python tests/bench/start_order.py`. gdb runs this file as well.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

HERE = Path(__file__).resolve()
ROOT = HERE.parent.parent.parent
SCRIPT = ROOT / "server" / "start.ld"
RELEASE = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
PROGRAM = RELEASE / "napi-hostd"
#: the folder in which gdb reports
FOLDER = "START_ORDER_FOLDER"
HEADER = """\
/* The order of the code in the program, for the linker. The kernel maps 64 KiB of a file around
   each page that is used. The functions of the engine that a host runs until it is idle come
   first, so that no others are mapped with them. A name that no function has any more does no
   harm. Written by tests/bench/start_order.py. */
"""
#: starts gdb, which attaches to this process, and becomes the host
WRAPPER = """\
#!/bin/sh
gdb -nx -batch -p $$ -x {script} > {folder}/gdb.log 2>&1 &
read -r _ < {folder}/attached
exec {program} "$@"
"""


def functions(file: Path) -> dict[str, int]:
    """Returns the functions that a file with symbols defines, with their addresses in it."""
    listed = subprocess.run(["nm", file], check=True, capture_output=True, text=True).stdout
    rows = (line.split() for line in listed.splitlines())
    defined = {row[2]: int(row[0], 16) for row in rows if len(row) == 3 and row[1] in "tT"}
    # Second names, and parts of functions that lie elsewhere.
    return {k: v for k, v in defined.items() if not k.endswith((".localalias", ".cold"))}


def engine_functions() -> dict[str, int]:
    """Returns those of the engine in the program."""
    archives = RELEASE.glob("build/hostd-quickjs-*/out/libquickjs.a")
    newest = max(archives, key=lambda file: file.stat().st_mtime)
    engine = functions(newest).keys()
    return {name: address for name, address in functions(PROGRAM).items() if name in engine}


def trace() -> None:
    """Runs in gdb: writes the names of functions when they are first called."""
    import gdb  # exists in gdb only

    folder = Path(os.environ[FOLDER])
    # The client starts hosts with all signals blocked; gdb needs its own.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])

    class Called(gdb.Breakpoint):  # type: ignore[misc]
        """A breakpoint at a function."""

        def __init__(self, name: str, address: int) -> None:
            super().__init__(f"*{address:#x}", internal=True)
            self.name = name

        def stop(self) -> bool:
            """Notes the function, and goes on."""
            self.enabled = False
            with (folder / "called").open("a") as called:
                called.write(f"{self.name}\n")
            return False

    for command in ("set breakpoint always-inserted on", "catch exec"):
        gdb.execute(command)
    # The shell waits for a line; a pipe that is opened for both directions does not wait.
    with (folder / "attached").open("r+b", buffering=0) as attached:
        attached.write(b"\n")
        gdb.execute("continue")
    maps = Path(f"/proc/{gdb.selected_inferior().pid}/maps").read_text()
    start = min(
        int(line.split("-")[0], 16) for line in maps.splitlines() if line.endswith(str(PROGRAM))
    )
    for name, address in engine_functions().items():
        Called(name, start + address)
    gdb.execute("continue")


def called(folder: Path) -> list[str]:
    """Starts a host in gdb, loads an addon, and returns the functions that were called."""
    from napi_python import host, load_addon  # gdb's Python has no such package

    wrapper = folder / "wrapper"
    names = {"script": HERE, "folder": folder, "program": PROGRAM}
    wrapper.write_text(WRAPPER.format(**{k: shlex.quote(str(v)) for k, v in names.items()}))
    wrapper.chmod(0o700)
    os.mkfifo(folder / "attached")
    os.environ["NAPI_PYTHON_HOSTD"] = str(wrapper)
    environment = {**os.environ, FOLDER: str(folder)}
    addon = load_addon(
        ROOT / "addons" / "build" / "bench.node",
        sandbox="none",
        start_timeout=300,
        env=environment,
        restart="never",
    )
    pid = host(addon).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    host(addon).close()
    return (folder / "called").read_text().split()


def main() -> None:
    """Writes the list."""
    with tempfile.TemporaryDirectory() as folder:
        names = called(Path(folder))
    # What the compiler appends to a name differs between its versions.
    sections = {
        f".text.{name}" if "." not in name else f".text.{name.split('.')[0]}.*" for name in names
    }
    listed = textwrap.fill(" ".join(sorted(sections)), 100, break_on_hyphens=False)
    SCRIPT.write_text(
        f"{HEADER}SECTIONS {{\n.text.start : {{ *(\n{listed}\n) }}\n}} INSERT BEFORE .text;\n"
    )
    sys.stdout.write(f"{len(sections)} functions\n")


if __name__ == "__main__":
    if FOLDER in os.environ:
        trace()
    else:
        main()
