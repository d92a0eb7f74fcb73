"""A host scripted by a test: it uses the protocol over the socket and sends arbitrary frames.

A script is Python source that defines `answer(host, number, body)`, called for each request but the
first, which loads the addon: it exports the function `f`, or what the script calls `EXPORTS`.
"""

from __future__ import annotations

import itertools
import os
import re
import socket
import struct
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CALL = 2
INVOKE = 32
RELEASES, WRITE_BACK = 1, 2
REQUEST, REPLY, FAILURE, NOTICE = 1, 2, 3, 4
TURN, RING, SETTLED, HOME_LANE = 12, 64, 65, 0

_HANDSHAKE = Path(__file__).resolve().parents[2] / "protocol" / "src" / "handshake.rs"
_NUMBER = re.search(r"const PROTOCOL: u32 = (\d+);", _HANDSHAKE.read_text("utf-8"))
assert _NUMBER is not None
PROTOCOL = int(_NUMBER[1])
#: the first message of each side, without the build: `Hello` there
HELLO = b"NAPIHOSTD" + struct.pack("<IB", PROTOCOL, 0) + bytes(64)
#: bytes of the handover after the hello, see protocol/src/handover.rs
RECORD_BYTES = 16

UNDEFINED = b"\x00"
NULL = b"\x01"


def u32(*numbers: int) -> bytes:
    """Returns fields of four bytes."""
    return struct.pack(f"<{len(numbers)}I", *numbers)


def text(value: str) -> bytes:
    """Returns a string."""
    data = value.encode()
    return b"\x08" + u32(len(data)) + data


def array(*items: bytes) -> bytes:
    """Returns an array."""
    return b"\x0b" + u32(len(items)) + b"".join(items)


def lent(number: int, kind: int, cls: int = 0) -> bytes:
    """Returns an object that lives in the host: 0 is a function, 1 a class, 2 an object."""
    return struct.pack("<BIBI", 22, number, kind, cls)


def releases(*each: tuple[int, int, int]) -> bytes:
    """Returns what gives objects back: the number of each, how often it came in, and went back."""
    return u32(len(each)) + b"".join(struct.pack("<IQQ", *one) for one in each)


def grown(index: int, length: int) -> bytes:
    """Returns the change of a list that only names its new length."""
    return struct.pack("<IBII", index, 0, length, 0)


def changes(*each: bytes) -> bytes:
    """Returns a write-back block."""
    return u32(len(each)) + b"".join(each)


class Host:
    """The host's end of the control socket, which is the standard input."""

    def __init__(self) -> None:
        self.socket = socket.socket(fileno=0)
        self.received = b""
        self.lanes: dict[int, bytes] = {}
        self.socket.sendall(HELLO)
        # The descriptors of the handover are closed at once.
        self._read(len(HELLO) + RECORD_BYTES)
        _, setup = self._packet()
        self.generation = struct.unpack_from("<I", setup, 4)[0]
        # Ready: its process, bytes of stack, and that it shares no memory.
        self._send(0, struct.pack("<IIQ?", 1, os.getpid(), 1 << 20, False))
        self.lane, self.call, self.number, self.flags = 0, 0, 0, 0

    def serve(self, answer: Callable[[Host, int, bytes], None], exports: bytes) -> None:
        """Loads, then answers each request."""
        self.next()
        self.reply(exports)
        while True:
            _, body = self.next()
            answer(self, self.number, body)

    def next(self) -> tuple[int, bytes]:
        """Waits for the next frame; returns its kind and its body."""
        while True:
            for lane, data in self.lanes.items():
                if len(data) < 16:
                    continue
                length, kind, flags, number, call, _ = struct.unpack_from("<IBBHII", data)
                if len(data) < 16 + length:
                    continue
                self.lanes[lane] = data[16 + length :]
                self.flags = flags
                if kind == REQUEST:
                    self.lane, self.number, self.call = lane, number, call
                return kind, data[16 : 16 + length]
            kind, payload = self._packet()
            if kind == 0 and payload[:4] == u32(1):
                sys.exit(0)
            if kind == 1:
                lane = struct.unpack_from("<H", payload)[0]
                self.lanes[lane] = self.lanes.get(lane, b"") + payload[2:]

    def released(self, body: bytes) -> list[int]:
        """Returns the objects that the frame that came last gives back."""
        if not self.flags & RELEASES:
            return []
        (count,) = struct.unpack_from("<I", body)
        return [struct.unpack_from("<I", body, 4 + 20 * place)[0] for place in range(count)]

    def reply(self, body: bytes, flags: int = 0, kind: int = REPLY) -> None:
        """Answers the request that came last."""
        self._frame(kind, flags, self.number, self.call, body)

    def ask(self, number: int, body: bytes, flags: int = 0) -> tuple[int, bytes]:
        """Makes a request in the middle of one; returns the kind and the body of the answer."""
        self._frame(REQUEST, flags, number, next(IDS), body)
        return self.next()

    def notice(self, number: int, body: bytes = b"", flags: int = 0, times: int = 1) -> None:
        """Sends a notice, so many times."""
        header = struct.pack("<IBBHII", len(body), NOTICE, flags, number, 0, self.generation)
        frames = memoryview((header + body) * times)
        for start in range(0, len(frames), 60_000):
            self._send(1, struct.pack("<H", HOME_LANE) + frames[start : start + 60_000])

    def _frame(self, kind: int, flags: int, number: int, call: int, body: bytes) -> None:
        header = (len(body), kind, flags, number, call, self.generation)
        frame = memoryview(struct.pack("<IBBHII", *header) + body)
        for start in range(0, len(frame), 60_000):
            self._send(1, struct.pack("<H", self.lane) + frame[start : start + 60_000])

    def _send(self, kind: int, payload: bytes) -> None:
        self.socket.sendall(struct.pack("<IB", len(payload), kind) + payload)

    def _packet(self) -> tuple[int, bytes]:
        length, kind = struct.unpack("<IB", self._read(5))
        return kind, self._read(length)

    def _read(self, length: int) -> bytes:
        while len(self.received) < length:
            data = self.socket.recv(1 << 20)
            if not data:
                sys.exit(0)
            self.received += data
        data, self.received = self.received[:length], self.received[length:]
        return data


IDS: Iterator[int] = itertools.count(1)
EXPORTS = lent(1, 2) + u32(1) + text("f") + lent(2, 0)


def forge(folder: Path, script: str) -> Path:
    """Returns a program that is a host with this script."""
    program = folder / "forged-hostd"
    program.write_text(
        f"#!{sys.executable}\n"
        f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from forged import *\n"
        f"{textwrap.dedent(script)}\n"
        "Host().serve(answer, EXPORTS)\n"
    )
    program.chmod(0o755)
    return program


@contextmanager
def loaded(folder: Path, script: str, addon: Path, **options: Any) -> Iterator[Any]:
    """Loads an addon into a host with this script."""
    from napi_python import load_addon

    before = os.environ.get("NAPI_PYTHON_HOSTD")
    os.environ["NAPI_PYTHON_HOSTD"] = str(forge(folder, script))
    try:
        with load_addon(addon, sandbox="none", carrier="socket", **options) as loaded:
            yield loaded
    finally:
        if before is None:
            del os.environ["NAPI_PYTHON_HOSTD"]
        else:
            os.environ["NAPI_PYTHON_HOSTD"] = before
