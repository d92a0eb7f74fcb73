"""Buffers of a pool as DLPack capsules."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from dlpack_consumer import Consumed
from napi_python import BufferPool, PoolBuffer

DTYPES = (
    *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *("float16", "float32", "float64", "complex64", "complex128"),
)


@pytest.fixture
def pool() -> Iterator[BufferPool]:
    """A pool of its own."""
    with BufferPool("4 MiB") as made:
        yield made


@pytest.mark.parametrize("dtype", DTYPES)
def test_numpy_shares_a_buffer(pool: BufferPool, dtype: str) -> None:
    buffer = pool.zeros((2, 3), dtype)
    seen = np.from_dlpack(buffer)
    assert (seen.dtype, seen.shape, seen.flags.writeable) == (np.dtype(dtype), (2, 3), True)
    assert np.shares_memory(seen, np.asarray(buffer))
    seen[1, 2] = 1
    assert np.asarray(buffer)[1, 2] == 1
    assert buffer.__dlpack_device__() == (1, 0)


@pytest.mark.parametrize(
    "key",
    [
        (slice(None), slice(None, None, 2)),
        (slice(None, None, -1), slice(1, None)),
        (slice(2, 2),),
        (1,),
        (..., 3),
    ],
)
def test_slices_have_their_strides(pool: BufferPool, key: Any) -> None:
    buffer = pool.copy(np.arange(20, dtype="int32").reshape(4, 5))
    part = buffer[key]
    seen = np.from_dlpack(part)
    expected = np.asarray(part)
    assert (seen.shape, seen.tolist()) == (expected.shape, expected.tolist())
    if seen.size:
        assert seen.ctypes.data == expected.ctypes.data
    copied = np.from_dlpack(part, copy=True)
    assert copied.tolist() == expected.tolist()
    assert copied.flags.c_contiguous
    assert not np.shares_memory(copied, expected)


def test_buffer_without_dimensions(pool: BufferPool) -> None:
    buffer = pool.copy(np.array(5.5))
    seen = np.from_dlpack(buffer)
    assert seen.shape == ()
    assert seen[()] == 5.5
    assert np.shares_memory(seen, np.asarray(buffer))


def test_structure_of_the_capsule(pool: BufferPool) -> None:
    buffer = pool.zeros((3, 4), "uint16")[:, 1:]
    seen = Consumed(buffer.__dlpack__(max_version=(1, 0), dl_device=(1, 0), copy=False))
    assert (seen.name, seen.version, seen.flags) == ("dltensor_versioned", (1, 0), 0)
    assert (seen.data, seen.byte_offset) == (np.asarray(buffer).ctypes.data, 0)
    assert (seen.device, seen.element) == ((1, 0), (1, 16, 1))
    assert (seen.shape, seen.strides) == ((3, 3), (4, 1))
    seen.delete()
    legacy = Consumed(buffer.__dlpack__())
    assert (legacy.name, legacy.shape, legacy.strides) == ("dltensor", (3, 3), (4, 1))
    legacy.delete()


def test_read_only_buffer_is_exported_read_only(pool: BufferPool) -> None:
    fixed = pool.copy(b"abc").toreadonly()
    assert not np.from_dlpack(fixed).flags.writeable
    seen = Consumed(fixed.__dlpack__(max_version=(1, 0)))
    assert seen.flags == 1
    seen.delete()
    for wanted in (None, (0, 8)):
        with pytest.raises(BufferError, match=r"cannot export read-only memory: .* copy=True"):
            fixed.__dlpack__(max_version=wanted)
    mine = np.from_dlpack(fixed, copy=True)
    mine[0] = 0
    assert bytes(fixed) == b"abc"


@pytest.mark.parametrize("end", [PoolBuffer.release, PoolBuffer.forget])
def test_released_buffer_is_refused(pool: BufferPool, end: Callable[[PoolBuffer], None]) -> None:
    buffer = pool.bytes(10)
    end(buffer)
    for copy in (None, True):
        with pytest.raises(ValueError, match="released or forgotten"):
            buffer.__dlpack__(max_version=(1, 0), copy=copy)


def test_buffer_is_not_released_while_a_consumer_has_it(pool: BufferPool) -> None:
    buffer = pool.copy(b"abc")
    seen = Consumed(buffer.__dlpack__(max_version=(1, 0)))
    for end in (buffer.release, buffer.forget):
        with pytest.raises(BufferError, match="1 memoryviews"):
            end()
    # Without the interpreter, in a thread that has never run Python of its own.
    thread = threading.Thread(target=seen.delete)
    thread.start()
    thread.join()
    unused = buffer.__dlpack__()
    del unused
    gc.collect()
    buffer.release()
    assert pool.stats()["buffers"] == 0


def test_memory_lives_as_long_as_its_consumer() -> None:
    with BufferPool("1 MiB") as pool:
        array = np.from_dlpack(pool.copy(b"abc"))
    gc.collect()
    assert array.tobytes() == b"abc"


def test_a_copy_does_not_keep_the_buffer(pool: BufferPool) -> None:
    buffer = pool.copy(np.arange(1 << 18))
    copied = np.from_dlpack(buffer, copy=True)
    buffer.release()
    assert copied[-1] == (1 << 18) - 1


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"dl_device": (2, 0)}, BufferError, r"the memory is on DLPack device \(1, 0\)"),
        ({"stream": 1}, ValueError, "stream must be None"),
        ({"max_version": "1.0"}, TypeError, "tuple"),
        ({"copy": 1}, TypeError, "bool"),
    ],
)
def test_what_is_refused(
    pool: BufferPool, options: dict[str, Any], error: type[Exception], text: str
) -> None:
    buffer = pool.bytes(3)
    with pytest.raises(error, match=text):
        buffer.__dlpack__(**options)
    buffer.release()


@pytest.mark.parametrize("dtype", [">i4", [("x", "i4"), ("y", "f8")], "S3"])
def test_element_types_that_dlpack_does_not_have(pool: BufferPool, dtype: Any) -> None:
    buffer = pool.copy(np.zeros(3, dtype))
    with pytest.raises(BufferError, match="DLPack has no such type"):
        buffer.__dlpack__()


def test_strides_that_dlpack_does_not_have(pool: BufferPool) -> None:
    buffer = pool.zeros(4, "int32")
    function, (address, key, element, size, _, _, offset, readonly) = buffer.__reduce__()
    # 6 bytes from one element of 4 bytes to the next.
    odd = function(address, key, element, size, (2,), (6,), offset, readonly)
    with pytest.raises(BufferError, match="multiples of their size"):
        odd.__dlpack__()
    assert np.from_dlpack(odd, copy=True).tolist() == [0, 0]
