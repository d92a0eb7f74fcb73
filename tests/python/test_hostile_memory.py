"""A host that misuses the memory that it shares: errors or other bytes, and nothing else.

The host is `hostile-hostd`, which `make faults` builds: its function `command` does one thing.
"""

from __future__ import annotations

import contextlib
import gc
import mmap
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import addon_path
from napi_python import (
    AddonCrashed,
    AddonError,
    Buffer,
    ProtocolError,
    host,
    load_addon,
)

UINT8, UINT16, FLOAT64, TEXT = 1, 4, 8, 255
LENGTH = 1 << 16
MIB, GIB = 1 << 20, 1 << 30

Command = Callable[..., Any]
Load = Callable[..., Any]


#: set for the test that needs a program of its own
ALONE = "NAPI_PYTHON_TEST_ALONE"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Loads an addon into a hostile host, over lanes and without a restart."""
    root = Path(__file__).resolve().parents[2]
    target = Path(os.environ.get("CARGO_TARGET_DIR", root / "target"))
    binary = target / "debug" / "examples" / "hostile-hostd"
    if not binary.is_file():
        pytest.fail(f"{binary} is not built; run: make faults", pytrace=False)
    monkeypatch.setenv("NAPI_PYTHON_HOSTD", str(binary))
    monkeypatch.setenv("NAPI_HOSTD_SEED", "1")
    with contextlib.ExitStack() as hosts:

        def loaded(**options: Any) -> Any:
            settings = {"sandbox": "none", "carrier": "lanes", "restart": "never"}
            loaded = load_addon(addon_path("primitive"), **(settings | options))
            return hosts.enter_context(loaded)

        yield loaded


@pytest.fixture
def command(load: Load) -> Command:
    """The function of a hostile host."""
    function: Command = load().command
    return function


def value(
    offset: int,
    length: int = LENGTH,
    element: int = UINT8,
    *,
    writable: bool = True,
    memory: int = 30,
    of: int = 0,
    file: int = 0,
) -> list[int]:
    """The numbers that describe a value in shared memory."""
    return [element, of, int(writable), memory, file, offset, length]


def resident() -> int:
    """How much memory this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


def mappings() -> int:
    """How many memory files for large buffers this process has mapped."""
    return Path("/proc/self/maps").read_text().count("napi-hostd-memory")


def descriptors() -> int:
    """How many descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


# Places of the region: the bytes of a half to its offset and its length.
OUTSIDE: dict[str, Callable[[int], tuple[int, int]]] = {
    "in the half of the client": lambda _: (0, LENGTH),
    "beginning in the half of the client": lambda half: (half - 1, LENGTH),
    "at the end of the file": lambda half: (2 * half - LENGTH + 1, LENGTH),
    "behind the file": lambda half: (2 * half, LENGTH),
    "behind the file, empty": lambda half: (2 * half + 1, 0),
    "longer than the half": lambda half: (half, half + 1),
    "at the last address": lambda _: (2**64 - 1, 1),
    "ending at the last address": lambda _: (2**64 - LENGTH, LENGTH),
    "around the address space": lambda _: (2**64 - LENGTH, 2**64 - LENGTH),
    "as long as the address space": lambda half: (half, 2**64 - 1),
    "around to a valid end": lambda half: (half + LENGTH, 2**64 - 8),
    "negative": lambda half: (half, 2**63),
}


@pytest.mark.parametrize("kind", [UINT8, TEXT], ids=["buffer", "text"])
@pytest.mark.parametrize("place", OUTSIDE.values(), ids=OUTSIDE)
def test_region_outside_of_the_half_of_the_host(
    place: Callable[[int], tuple[int, int]], kind: int, command: Command
) -> None:
    offset, length = place(int(command("half")))
    # A text may also be longer than a message may be.
    with pytest.raises(
        (ProtocolError, ValueError),
        match=r"outside of the sender's memory|never lent|values in one message",
    ):
        command("value", *value(offset, length, kind))


@pytest.mark.parametrize("file", [1, 2**31, 2**32 - 1])
@pytest.mark.parametrize("kind", [UINT8, TEXT], ids=["buffer", "text"])
def test_region_of_another_file(kind: int, file: int, command: Command) -> None:
    half = int(command("half"))
    with pytest.raises(ProtocolError, match=r"a file of the client|never lent"):
        command("value", *value(half, element=kind, file=file))


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"element": FLOAT64, "length": LENGTH + 4}, "ends inside an element"),
        ({"element": UINT16, "length": LENGTH + 1}, "ends inside an element"),
        ({"element": 77}, "unknown kind of buffer"),
        ({"memory": 0}, "without an id"),
        ({"memory": 0, "element": TEXT}, "without an id"),
    ],
)
def test_fields_that_are_wrong(numbers: dict[str, int], message: str, command: Command) -> None:
    half = int(command("half"))
    with pytest.raises(ProtocolError, match=message):
        command("value", *value(half, **numbers))  # type: ignore[arg-type]


@pytest.mark.parametrize("memory", [30, 2**24, 2**24 + 1, 2**32 - 1])
def test_memory_by_any_id(memory: int, command: Command) -> None:
    """An id that was never lent is the host's own affair: the client releases what it was sent."""
    half = int(command("half"))
    with contextlib.suppress(ProtocolError):
        buffer = command("value", *value(half, memory=memory))
        assert len(buffer) == LENGTH
        del buffer
        assert command("half") == half


def test_one_id_for_several_regions(command: Command) -> None:
    half = int(command("half"))
    command("fill", half, 2 * LENGTH, 7)
    first = command("value", *value(half))
    second = command("value", *value(half + LENGTH - 8))
    same = command("value", *value(half, of=31))
    again = command("value", *value(half + 8, of=31))
    assert first.shared and second.shared
    memoryview(first)[LENGTH - 8] = 9
    assert second[0] == 9
    assert (same[0], again[0]) == (7, 7)
    del first
    gc.collect()
    command("half")
    assert second[0] == 9
    # The memory that an object is lent by is that of the object too.
    both = command("value", *value(half, memory=32, of=32))
    assert both[0] == 7
    both.release()
    assert command("half") == half


@pytest.mark.parametrize("place", ["array", "many"])
@pytest.mark.parametrize("kind", [UINT8, TEXT], ids=["buffer", "text"])
def test_a_hundred_thousand_values(place: str, kind: int, command: Command) -> None:
    half = int(command("half"))
    length = LENGTH if kind == UINT8 else 8
    before = resident()
    values = command(place, *value(half, length, kind), 100_000)
    assert len(values) == 100_000
    # A value that counts as four takes less than 4 x 96 bytes, and a list.
    assert resident() - before < 60 * MIB
    assert len({len(each) for each in values}) == 1
    del values
    assert command("half") == half


def test_texts_count_with_their_length(load: Load) -> None:
    """A region that is named a thousand times is a thousand texts."""
    command = load(max_values=1 << 16).command
    half = int(command("half"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="max_values="):
        command("array", *value(half, MIB, TEXT), 1000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 << 10


def test_buffer_as_large_as_the_half_is_no_memory(command: Command) -> None:
    half = int(command("half"))
    before = resident()
    buffers = [command("value", *value(half, half, memory=memory)) for memory in range(30, 40)]
    assert {len(buffer) for buffer in buffers} == {half}
    assert buffers[3][half - 1] == 0
    assert resident() - before < 4 * MIB


@pytest.mark.parametrize("place", ["array", "object", "set", "key of map", "error"])
@pytest.mark.parametrize("kind", [UINT8, FLOAT64, TEXT], ids=["buffer", "numbers", "text"])
def test_value_anywhere(place: str, kind: int, command: Command) -> None:
    half = int(command("half"))
    command("fill", half, LENGTH, ord("x"))
    found = command(place, *value(half, element=kind))
    expected = "x" * LENGTH if kind == TEXT else None
    if place == "error":
        assert isinstance(found, BaseException)
        str(found), repr(found)
        assert found.__cause__ is None or expected is None or isinstance(found, AddonError)
        return
    if place == "object":
        (item,) = found.values()
    elif place == "key of map" and isinstance(found, list):
        ((item, _),) = found
    else:
        (item,) = found
    if expected is None:
        assert isinstance(item, Buffer)
        assert bytes(item) == b"x" * LENGTH
    else:
        assert item == expected


@pytest.mark.parametrize("place", ["throw value", "throw error"])
@pytest.mark.parametrize("kind", [UINT8, TEXT], ids=["buffer", "text"])
def test_value_that_is_thrown(place: str, kind: int, command: Command) -> None:
    half = int(command("half"))
    command("fill", half, LENGTH, ord("x"))
    with pytest.raises(AddonError) as raised:
        command(place, *value(half, element=kind))
    str(raised.value), repr(raised.value)
    assert command("half") == half


@pytest.mark.parametrize("kind", [UINT8, TEXT], ids=["buffer", "text"])
def test_key_of_an_object_is_in_the_frame(kind: int, command: Command) -> None:
    half = int(command("half"))
    with pytest.raises(ProtocolError):
        command("key of object", *value(half, element=kind))


@pytest.mark.parametrize("kind", [UINT8, TEXT], ids=["buffer", "text"])
def test_value_in_a_write_back(kind: int, load: Load) -> None:
    addon = load()
    half = int(addon.command("half"))
    addon.command("fill", half, LENGTH, ord("x"))
    # The list is the first object of the request, behind the numbers.
    target: list[object] = [1]
    addon.command("change", *value(half, element=kind), target)
    (item,) = target
    assert bytes(item) == b"x" * LENGTH if isinstance(item, Buffer) else item == "x" * LENGTH


@pytest.mark.parametrize("byte", [0xC3, 0xFF, 0x80])
def test_text_that_is_not_utf8(byte: int, command: Command) -> None:
    half = int(command("half"))
    command("fill", half, LENGTH, byte)
    with pytest.raises(ProtocolError, match="not UTF-8"):
        command("value", *value(half, element=TEXT))


@pytest.mark.parametrize(
    "ask",
    [
        lambda addon: dir(addon.command),
        lambda addon: host(addon).stats(),
        lambda addon: addon.command.length,
    ],
)
def test_host_goes_on_after_commands(ask: Callable[[Any], object], load: Load) -> None:
    """A buffer that is out does not disturb other calls, whatever these give."""
    addon = load()
    half = int(addon.command("half"))
    buffer = addon.command("value", *value(half))
    with contextlib.suppress(AddonError):
        ask(addon)
    assert len(bytes(buffer)) == LENGTH


# What is done to the file.


def test_file_cannot_be_resized(command: Command) -> None:
    half = int(command("half"))
    buffer = command("value", *value(2 * half - LENGTH))
    assert command("resize") == 0
    assert bytes(buffer) == bytes(LENGTH)
    assert sum(bytearray(memoryview(buffer))) == 0


def test_holes_are_zeros(command: Command) -> None:
    half = int(command("half"))
    command("fill", half, LENGTH, 7)
    buffer = command("value", *value(half))
    argument = bytearray(b"\x05" * LENGTH)
    assert buffer[0] == 7
    assert command("punch", argument) == 1
    assert bytes(buffer) == bytes(LENGTH)
    memoryview(buffer)[0] = 3
    assert command("byte", half) == 3
    # The addon has changed all of it.
    assert argument == bytes(LENGTH)


READERS: dict[str, Callable[[Buffer], object]] = {
    "bytes": bytes,
    "hex": lambda buffer: buffer.hex(),
    "decode": lambda buffer: buffer.decode("utf-8", "replace"),
    "numpy": lambda buffer: int(np.asarray(buffer).sum()),
    "copy": lambda buffer: np.asarray(buffer).copy(),
    "compare": lambda buffer: memoryview(buffer) == bytes(len(buffer)),
    "write": lambda buffer: memoryview(buffer).__setitem__(slice(None), bytes(len(buffer))),
    "slice": lambda buffer: bytes(buffer[100:-100]),
    "hash": lambda buffer: hash(bytes(buffer)),
}


def test_memory_is_overwritten_while_python_uses_it(command: Command) -> None:
    half = int(command("half"))
    buffer = command("value", *value(half, MIB))
    command("scribble")
    failed: list[BaseException] = []
    over = threading.Event()

    def read(reader: Callable[[Buffer], object]) -> None:
        try:
            while not over.is_set():
                reader(buffer)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=read, args=(reader,)) for reader in READERS.values()]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 3
    argument, texts = bytearray(MIB), 0
    try:
        while time.monotonic() < end:
            # What is written back is what the host wrote meanwhile.
            assert command("half", argument) == half
            assert len(command("value", *value(half, LENGTH, TEXT))) == LENGTH
            texts += 1
    finally:
        over.set()
        for thread in threads:
            thread.join(30)
    assert failed == []
    assert texts > 10
    command("rest")


def test_host_dies_while_python_reads(load: Load) -> None:
    addon = load()
    half = int(addon.command("half"))
    addon.command("fill", half, MIB, 7)
    buffer = addon.command("value", *value(half, MIB))
    array = np.asarray(buffer)
    reading, over = threading.Event(), threading.Event()
    sums: list[int] = []

    def read() -> None:
        while not over.is_set():
            sums.append(int(array.sum()))
            reading.set()

    thread = threading.Thread(target=read)
    thread.start()
    assert reading.wait(10)
    pid = host(addon).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(AddonCrashed):
        addon.command("half")
    after = len(sums)
    while len(sums) < after + 10:
        time.sleep(0.001)
    over.set()
    thread.join(10)
    assert set(sums) == {7 * MIB}
    array[0] = 8
    assert (buffer[0], bytes(buffer)[1]) == (8, 7)
    buffer[2:4].release()


def test_views_outlive_restarts_and_leave_nothing(load: Load) -> None:
    addon = load(restart="on-crash")
    before = (descriptors(), mappings())
    views = []
    for number in range(8):
        half = int(addon.command("half"))
        addon.command("fill", half, 2 * MIB, number)
        views.append(memoryview(addon.command("value", *value(half))))
        host(addon).restart()
    for number, view in enumerate(views):
        assert bytes(view) == bytes([number]) * LENGTH
        view[0] = 99
    assert mappings() >= before[1] + 7
    views.clear()
    del view
    gc.collect()
    assert (descriptors(), mappings()) == before


def blocks() -> int:
    """The bytes of all memory files for large buffers that this process has mapped."""
    total = 0
    for line in Path("/proc/self/maps").read_text().splitlines():
        if "napi-hostd-memory" in line:
            total += Path(f"/proc/self/map_files/{line.split()[0]}").stat().st_blocks * 512
    return total


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can see the files that it has mapped")
def test_view_of_an_ended_host_costs_its_own_bytes(load: Load) -> None:
    """The rest of the memory that its host has used is freed."""
    addon = load(restart="on-crash")
    views = []
    for _ in range(3):
        half = int(addon.command("half"))
        addon.command("fill", half, 32 * MIB, 5)
        addon.command("half", bytearray(8 * MIB))
        views.append(memoryview(addon.command("value", *value(half + 100))))
        pid = host(addon).pid
        assert pid is not None
        assert blocks() >= 40 * MIB
        os.kill(pid, signal.SIGKILL)
        host(addon).restart()
        end = time.monotonic() + 10
        while blocks() > len(views) * (LENGTH + mmap.PAGESIZE) + MIB and time.monotonic() < end:
            time.sleep(0.01)
        assert blocks() < len(views) * (LENGTH + mmap.PAGESIZE) + MIB
    assert all(bytes(view) == b"\x05" * LENGTH for view in views)


# Memory of arguments.


def test_memory_of_arguments_is_released_twice(load: Load) -> None:
    for received, times in [(1, 2), (2, 1), (2**64 - 1, 1), (0, 1)]:
        command = load().command
        argument = bytearray(LENGTH)
        command("half", argument)
        assert command("held") == 1
        memory = int(command("held id", 0))
        with pytest.raises((AddonCrashed, ProtocolError), match=r"protocol violation|malformed"):
            command("release", memory, received, times)


def test_memory_that_was_never_lent_is_released(load: Load) -> None:
    for memory in (1, 7, 2**24, 2**32 - 1):
        command = load().command
        with pytest.raises((AddonCrashed, ProtocolError), match=r"protocol violation|malformed"):
            command("release", memory, 1)


def test_memory_is_released_during_its_call_and_used_again(command: Command) -> None:
    """The bytes of an argument are written back even if the host has released them."""
    argument = bytearray(b"\x05" * LENGTH)
    command("half", argument)
    memory = int(command("held id", 0))
    command("release", memory, 1)
    command("half", bytearray(b"\x06" * LENGTH))
    assert argument == b"\x05" * LENGTH


def test_memory_of_an_argument_is_a_buffer(command: Command) -> None:
    half = int(command("half", b"\x07" * LENGTH))
    memory = int(command("held id", 0))
    buffer = command("value", *value(0, memory=memory))
    assert bytes(buffer) == b"\x07" * LENGTH
    part = command("value", *value(8, 16, FLOAT64, writable=False, memory=memory))
    assert (len(part), part.shared) == (2, True)
    buffer[8] = 9
    assert bytes(part)[0] == 9
    many = command("array", *value(0, memory=memory), 100_000)
    assert len(many) == 100_000
    # It stays while there are buffers of it, whatever the host says.
    command("release", memory, 1)
    command("half", b"\x05" * LENGTH)
    assert bytes(buffer)[:9] == b"\x07" * 8 + b"\x09"
    assert command("half") == half


@pytest.mark.parametrize(
    ("offset", "length", "file"),
    [(1, LENGTH, 0), (LENGTH, 1, 0), (0, LENGTH + 1, 0), (0, LENGTH, 1), (2**64 - 1, 2, 7)],
)
def test_region_outside_of_an_argument(
    offset: int, length: int, file: int, command: Command
) -> None:
    command("half", bytes(LENGTH))
    memory = int(command("held id", 0))
    with pytest.raises((ProtocolError, ValueError), match=r"outside of|values in one message"):
        command("value", *value(offset, length, memory=memory, file=file))


def test_object_is_no_memory(load: Load) -> None:
    function = lambda: None  # noqa: E731
    for memory in range(1, 4):
        command = load().command
        command("half", function)
        with pytest.raises(ProtocolError, match="never lent"):
            command("value", *value(0, memory=memory))


def test_memory_of_an_argument_is_no_object(command: Command) -> None:
    """The id of memory stands for memory only."""
    command("half", bytes(LENGTH))
    memory = int(command("held id", 0))
    with pytest.raises(ProtocolError, match="never lent"):
        command("own", memory)


@pytest.fixture
def little_address_space() -> Iterator[None]:
    """A limit of the address space, of which the memory of a host is a small part."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    now = int(Path("/proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE
    resource.setrlimit(resource.RLIMIT_AS, (now + 3 * GIB, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, limits)


def test_host_that_keeps_all_memory_gets_copies() -> None:
    """In a program of its own: of this one, ended hosts and threads hold address space."""
    test = f"{__file__}::test_copies_in_a_little_address_space"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test]
    environment = {**os.environ, ALONE: "1"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert "1 passed" in done.stdout


@pytest.mark.skipif(ALONE not in os.environ, reason="run by the test above, in its own program")
@pytest.mark.usefixtures("little_address_space")
def test_copies_in_a_little_address_space(load: Load) -> None:
    """When the memory of the client is full, buffers travel in frames."""
    command = load(max_values=1 << 17).command
    half = int(command("half"))
    assert 64 * MIB < half < GIB
    size = half // 4
    with mmap.mmap(-1, size) as block:
        for kept in range(1, 4):
            assert command("half", block) == half
            assert command("held") == kept
        rest = bytearray(b"\x01" * (8 * MIB))
        for _ in range(size // len(rest) + 2):
            assert command("half", rest) == half
        assert command("held") <= 3 + size // len(rest)
        # There is no room for another one, and in a frame neither.
        with pytest.raises(ValueError, match="bytes in one message") as raised:
            command("half", block)
        assert "max_values=" in str(raised.value)
        assert command("half", b"x" * LENGTH, "x" * LENGTH) == half
    assert rest == b"\x01" * len(rest)
