"""Gives the number of a host that has ended to somebody else, and has the client do all it can.

    unshare --user --map-root-user --pid --fork --mount-proc python reused.py addon.node

In a process namespace of its own the next number can be chosen. It prints one line for each way
in which the number became free.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time
from typing import Any

from napi_python import Addon, AddonError, host, load_addon
from processes import gone_within

LAST = pathlib.Path("/proc/sys/kernel/ns_last_pid")
# How long a thread of this process may keep the number.
SECONDS_MAX = 20.0


def innocent(pid: int) -> subprocess.Popen[bytes]:
    """Starts a process that has this number."""
    end = time.monotonic() + SECONDS_MAX
    # A thread of this process may have the number for a while.
    while time.monotonic() < end:
        LAST.write_text(str(pid - 1))
        process = subprocess.Popen(["/bin/sleep", "600"])
        if process.pid == pid:
            return process
        process.kill()
        process.wait()
        time.sleep(0.01)
    text = f"no process got the number {pid}"
    raise RuntimeError(text)


def everything(addon: Addon) -> None:
    """Does what ends a host, or speaks to it."""
    for act in (
        lambda: addon.add(1, 2),
        lambda: host(addon).stats(),
        lambda: host(addon).restart(),
        lambda: host(addon).close(),
        lambda: addon.__exit__(None, None, None),
    ):
        with contextlib.suppress(AddonError):
            act()


def main() -> None:
    """Tries each policy, with a status that the client took and one that somebody else took."""
    LAST.write_text("1000")
    for policy in ("none", "default", "strict"):
        for stolen in (False, True):
            sandbox: Any = policy
            addon = load_addon(sys.argv[1], sandbox=sandbox, restart="never")
            pid = host(addon).pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            if stolen:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, 0)
            # Until it is reaped, the number is its own.
            assert gone_within(pid, 10)
            while pathlib.Path(f"/proc/{pid}").exists():
                pass
            other = innocent(pid)
            everything(addon)
            print(policy, "stolen" if stolen else "taken", other.poll(), flush=True)
            other.kill()
            other.wait()


main()
