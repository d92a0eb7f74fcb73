"""Addons that misuse the memory of large buffers: their own process may end, Python goes on."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from conftest import addon_path
from napi_python import AddonCrashed, AddonError, JSError, host, load_addon

LENGTH = 1 << 20


@pytest.fixture
def addon() -> Iterator[Any]:
    with load_addon(addon_path("writer")) as loaded:
        yield loaded


@pytest.fixture
def overwritten(addon: Any) -> Iterator[Any]:
    """A buffer that a thread of the addon writes to all the time."""
    buffer = addon.start(host(addon).run_script(f"new Uint8Array({LENGTH}).fill(32)"))
    assert buffer.shared
    yield buffer
    with contextlib.suppress(AddonError):
        addon.stop()


READERS: dict[str, Callable[[Any, Any], object]] = {
    "numpy": lambda buffer, _: 0x20 * LENGTH <= np.asarray(buffer).sum(dtype=int) <= 0x7F * LENGTH,
    "bytes": lambda buffer, _: len(bytes(buffer)) == LENGTH,
    "text": lambda buffer, _: len(buffer.decode()) == LENGTH,
    "hash": lambda buffer, _: hashlib.sha256(buffer).digest(),
    "hex": lambda buffer, _: len(buffer.hex()) == 2 * LENGTH,
    "equal": lambda buffer, _: memoryview(buffer) == bytes(LENGTH) or True,
    "sort": lambda buffer, _: len(np.sort(np.asarray(buffer)[:5000])) == 5000,
    "write": lambda buffer, _: memoryview(buffer).__setitem__(slice(0, 9), bytes(9)) is None,
    "pass on": lambda buffer, script: script("b => b.length")(buffer) == LENGTH,
    "pass a copy": lambda buffer, script: script("b => b.length")(bytes(buffer)) == LENGTH,
    "pass a view": lambda buffer, script: script("b => b.length")(memoryview(buffer)) == LENGTH,
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_thread_writes_while_python_reads(
    read: Callable[[Any, Any], object], overwritten: Any, addon: Any
) -> None:
    script: Any = host(addon).run_script
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        assert read(overwritten, script)
    assert host(addon).generation == 1


def test_thread_writes_to_an_argument_while_it_is_written_back(addon: Any) -> None:
    """Which of the thread's bytes are seen is open; each call sees some of them."""
    call: Any = host(addon).run_script(
        # The thread has written to all of it before the call returns, and goes on writing.
        "(start, b) => { const kept = start(b); while (b[b.length - 1] === 0); return kept; }"
    )
    for _ in range(10):
        data = bytearray(LENGTH)
        kept = call(addon.start, data)
        for seen in data, kept:
            assert set(bytes(seen)) <= set(range(0x20, 0x7F))
        addon.stop()


def test_write_back_of_memory_that_a_thread_writes(addon: Any) -> None:
    data = bytearray(LENGTH)

    def callback() -> None:
        values.append(data[5])

    values: list[int] = []
    call = host(addon).run_script("(start, stop, b, f) => { start(b); f(); f(); stop(); f(); }")
    for _ in range(10):
        call(addon.start, addon.stop, data, callback)
    assert set(values) <= set(range(0x20, 0x7F)) | {0}
    assert len(set(data)) <= 3, "the thread has stopped somewhere"


@pytest.mark.parametrize("count", [8, 4096, 1 << 16])
def test_addon_writes_past_the_end(count: int, addon: Any) -> None:
    """What lies behind it is other memory of the addon, or nothing."""
    with contextlib.suppress(AddonCrashed):
        buffers = [addon.make(100_000) for _ in range(8)]
        for buffer in buffers:
            addon.overrun(buffer, count)
        for buffer in buffers:
            assert len(bytes(buffer)) == 100_000
        del buffers, buffer
        gc.collect()
        host(addon).collect()
        addon.overrun(bytearray(b"\x01" * 100_000), count)
    assert host(addon).run_script("1 + 1") == 2


def test_addon_writes_past_the_end_of_the_memory(addon: Any) -> None:
    """Behind the last page is nothing, so the addon ends."""
    buffer = addon.make(100_000)
    with pytest.raises(AddonCrashed) as raised:
        addon.overrun(buffer, 9 << 30)
    assert raised.value.signal_name in {"SIGSEGV", "SIGKILL"}
    assert len(bytes(buffer)) == 100_000
    assert addon.finalized() == 0


def test_detached_buffer_keeps_the_bytes_of_its_view(addon: Any) -> None:
    buffer = addon.make(LENGTH)
    view = memoryview(buffer).cast("B")
    view[5] = 9
    addon.detach(buffer)
    others = [addon.make(LENGTH) for _ in range(4)]
    for other in others:
        memoryview(other).cast("B")[5] = 1
    assert view[5] == 9
    again: Any = host(addon).run_script("b => b.byteLength")(buffer)
    assert again == 0
    with contextlib.suppress(JSError):
        addon.detach(buffer)


def test_external_memory_is_copied_before_it_is_freed(addon: Any) -> None:
    before = addon.finalized()
    buffers = [addon.external(LENGTH, False) for _ in range(3)]
    copies = [bytes(buffer) for buffer in buffers]
    assert not buffers[0].shared
    del buffers
    gc.collect()
    end = time.monotonic() + 10
    while addon.finalized() < before + 3 and time.monotonic() < end:
        host(addon).collect()
    assert addon.finalized() == before + 3
    assert copies == [bytes([7]) * LENGTH] * 3


@pytest.mark.parametrize("length", [8192, LENGTH])
def test_external_memory_that_is_freed_early_ends_the_addon(length: int, addon: Any) -> None:
    with pytest.raises(AddonCrashed) as raised:
        addon.external(length, True)
    assert raised.value.signal_name == "SIGSEGV"
    assert addon.finalized() == 0


def test_crash_while_python_reads(addon: Any) -> None:
    buffer = addon.make(LENGTH)
    memoryview(buffer)[:] = b"\x03" * LENGTH
    array = np.asarray(buffer)
    sums: list[int] = []
    over, begun = threading.Event(), threading.Event()

    def read() -> None:
        while not over.is_set():
            sums.append(int(array.sum()))
            begun.set()

    thread = threading.Thread(target=read)
    thread.start()
    assert begun.wait(10)
    for _ in range(3):
        with pytest.raises(AddonCrashed):
            addon.external(LENGTH, True)
    over.set()
    thread.join(10)
    assert set(sums) == {3 * LENGTH}
