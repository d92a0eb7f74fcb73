"""Loads a sample on a system that lacks some system calls, and prints the outcome.

python filtered.py addon.node '{"policy": "strict"}' '[[317, null, 38], [157, 65, 22]]'

Each missing call is a number, its first argument if only that one is missing, the error, and the
position of the argument if it is another one.
"""

from __future__ import annotations

import ctypes
import json
import struct
import sys
from typing import Any

from napi_python import AddonError, Sandbox, SandboxUnavailable, host, load_addon

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, MODE_FILTER = 38, 22, 2
LOAD, EQUAL, ANSWER = 0x20, 0x15, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
FIRST_ARGUMENT, ARGUMENT_BYTES = 16, 8


def take_away(missing: list[list[Any]]) -> None:
    """Has the kernel answer some calls of this process, and of those it starts, with an error."""
    program = []
    for number, argument, error, *position in missing:
        place = FIRST_ARGUMENT + ARGUMENT_BYTES * (position[0] if position else 0)
        program.append((LOAD, 0, 0, 0))
        if argument is None:
            program.append((EQUAL, 0, 1, number))
        else:
            program += [
                (EQUAL, 0, 3, number),
                (LOAD, 0, 0, place),
                (EQUAL, 0, 1, argument),
            ]
        program.append((ANSWER, 0, 0, ERRNO | error))
    program.append((ANSWER, 0, 0, ALLOW))
    packed = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    code = ctypes.create_string_buffer(packed)
    given = ctypes.create_string_buffer(struct.pack("HP", len(program), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    if (
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
        or libc.prctl(PR_SET_SECCOMP, MODE_FILTER, given, 0, 0) != 0
    ):
        raise OSError(ctypes.get_errno(), "no filter")


def main() -> None:
    """Does what the arguments say."""
    addon, options, missing = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
    take_away(missing)
    answer: dict[str, object]
    try:
        with load_addon(addon, sandbox=Sandbox(**options)) as loaded:
            report = host(loaded).sandbox
            states = {mechanism.name: mechanism.state for mechanism in report}
            answer = {"states": states, "degraded": report.degraded}
    except SandboxUnavailable as error:
        answer = {"unavailable": error.mechanism, "errno": error.errno, "text": str(error)}
    except AddonError as error:
        answer = {
            "error": type(error).__name__,
            "text": str(error),
            "errno": getattr(error, "errno", None),
            "path": getattr(error, "path", None),
        }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
