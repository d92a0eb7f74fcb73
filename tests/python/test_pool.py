"""Pools of buffers: memory that Python processes of one user share."""

from __future__ import annotations

import array
import copy
import ctypes
import gc
import hashlib
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from children import forked
from conftest import run_program
from napi_python import BufferPool, PoolBuffer


@pytest.fixture(autouse=True)
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keeps names of pools in a folder of the test."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "napi_python"


@pytest.fixture
def pool() -> Iterator[BufferPool]:
    with BufferPool("4 MiB") as pool:
        yield pool


def in_child(work: Callable[[], object]) -> None:
    """Runs something in a forked child, which must end well."""
    assert forked(work) == 0


EVALUATES = """
import ast, pickle, sys
from napi_python import BufferPool, PoolBuffer
names = {"BufferPool": BufferPool, "pickle": pickle}
while True:
    text, given = pickle.load(sys.stdin.buffer)
    names.update(given)
    del given
    try:
        tree = ast.parse(text)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "sent", "exec"), names)
        value = eval(compile(ast.Expression(last.value), "sent", "eval"), names) if last else None
        answer = pickle.dumps((None, value))
        del value
    except Exception as error:
        answer = pickle.dumps((error, None))
    sys.stdout.buffer.write(answer)
    sys.stdout.buffer.flush()
"""


class Other:
    """Another Python process, which evaluates what it is sent, and can be killed."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", EVALUATES], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __call__(self, text: str, **names: object) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        pickle.dump((text, names), self.process.stdin)
        self.process.stdin.flush()
        error, found = pickle.load(self.process.stdout)
        if error is not None:
            raise error
        return found

    def kill(self) -> None:
        """Kills it and waits for its end; without effect the second time."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()


@pytest.fixture
def other() -> Iterator[Other]:
    process = Other()
    yield process
    process.kill()


# --- Buffers -------------------------------------------------------------------------------------


def test_buffer_is_a_writable_array_without_a_copy(pool: BufferPool) -> None:
    buffer = pool.zeros((3, 4), "float32")
    array = np.asarray(buffer)
    array[1, 2] = 7
    assert array.dtype == np.float32
    assert array.shape == buffer.shape == (3, 4)
    assert buffer.strides == (16, 4)
    assert (buffer.nbytes, buffer.itemsize, buffer.ndim) == (48, 4, 2)
    assert (buffer.dtype, buffer.format, buffer.readonly) == ("float32", "f", False)
    assert buffer[1, 2] == 7.0
    assert buffer.numpy()[1, 2] == 7.0
    assert buffer.pool is pool
    assert memoryview(buffer).tolist() == array.tolist() == buffer.tolist()


@pytest.mark.parametrize(
    "dtype",
    [
        *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
        *("float16", "float32", "float64", "complex64", "complex128"),
        *(np.dtype("<f4"), np.uint16, "<i8", "|u1", "f", "d", "q", int, float, bool, complex),
    ],
)
def test_element_types_are_those_of_numpy(pool: BufferPool, dtype: Any) -> None:
    buffer = pool.zeros(5, dtype)
    expected = np.dtype(dtype)
    assert np.asarray(buffer).dtype == expected
    assert np.dtype(buffer.dtype) == expected
    assert np.asarray(buffer).tolist() == [0] * 5


@pytest.mark.parametrize(
    "dtype", ["text", "", "float128", ">f4", "f8", 5, None.__class__, "x" * 999]
)
def test_unknown_element_types_are_refused(pool: BufferPool, dtype: Any) -> None:
    with pytest.raises(TypeError, match="dtype must be one of uint8,"):
        pool.empty(5, dtype)


@pytest.mark.parametrize(
    "source",
    [
        np.arange(24, dtype=np.int16).reshape(2, 3, 4),
        np.arange(24, dtype=np.float64).reshape(2, 3, 4)[:, ::-1, ::2],
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.array(5.5),
        np.zeros((0, 3), np.uint8),
        np.array([True, False]),
        np.array([1 + 2j]),
    ],
)
def test_copy_keeps_shape_and_type_of_arrays(pool: BufferPool, source: Any) -> None:
    made = np.asarray(pool.copy(source))
    assert made.dtype == source.dtype
    assert made.shape == source.shape
    assert made.tolist() == source.tolist()
    assert made.flags.c_contiguous


def test_copy_takes_what_has_a_buffer(pool: BufferPool, tmp_path: Path) -> None:
    import mmap

    file = tmp_path / "file"
    file.write_bytes(b"mapped")
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as map_:
        assert pool.copy(map_) == b"mapped"
    assert pool.copy(b"bytes") == b"bytes"
    assert pool.copy(bytearray(b"array")).decode() == "array"
    assert pool.copy(memoryview(b"abcdef")[::2]).tobytes() == b"ace"
    assert pool.copy(array.array("d", [1.5, 2.5])).tolist() == [1.5, 2.5]
    assert pool.copy((ctypes.c_int32 * 3)(1, 2, 3)).numpy().tolist() == [1, 2, 3]
    assert pool.copy(pool.copy(b"again")) == b"again"
    large = os.urandom(3 << 20)
    assert pool.copy(large) == large
    for wrong in ("text", 5, None, [1, 2]):
        with pytest.raises(TypeError):
            pool.copy(wrong)


def test_zeros_and_bytes_are_zero_in_used_memory(pool: BufferPool) -> None:
    for size in (1, 100, 4096, 100_000, 3 << 20):
        for make in (pool.bytes, pool.zeros):
            dirty = pool.acquire(size)
            dirty[:] = b"x" * size
            dirty.release()
            assert not any(bytes(make(size)))


def test_slices_are_views(pool: BufferPool) -> None:
    buffer = pool.copy(np.arange(24).reshape(4, 6))
    array = np.arange(24).reshape(4, 6)
    keys: list[Any] = [
        *(1, -1, slice(1, 3), slice(None, None, -1), slice(3, 0, -2), slice(5, 9)),
        *((0, 0), (slice(None), 2), (..., -1), (slice(1, None), slice(None, None, 2)), ...),
        *((2, ...), (slice(None, None, sys.maxsize),)),
    ]
    for key in keys:
        found = buffer[key]
        assert np.asarray(found).tolist() == array[key].tolist(), key
    row = buffer[2]
    row[0] = 99
    assert buffer[2, 0] == 99
    assert isinstance(row, PoolBuffer)
    wrong: list[Any] = [4, -5, (0, 6), (0, 0, 0), (..., ...), sys.maxsize, -sys.maxsize]
    for key in wrong:
        with pytest.raises(IndexError):
            buffer[key]
    for key in ("a", 1.5, None, (0, None), 1 << 70):
        with pytest.raises(TypeError):
            buffer[key]


def test_parts_are_assigned(pool: BufferPool) -> None:
    buffer = pool.zeros((2, 3), "int32")
    buffer[1] = np.array([1, 2, 3], np.int32)
    buffer[:, ::2] = np.array([[7, 8], [9, 10]], np.int32)
    assert buffer.tolist() == [[7, 0, 8], [9, 2, 10]]
    text = pool.copy(b"abcdef")
    text[1:] = text[:-1]
    assert text == b"aabcde"
    text[::-1] = text
    assert text == b"edcbaa"
    for wrong in (b"123456", np.zeros((2, 2), np.int32), np.zeros((2, 3), np.float32)):
        with pytest.raises(ValueError, match="element type and shape"):
            buffer[:] = wrong
    with pytest.raises(TypeError):
        buffer[0, 0] = "text"
    with pytest.raises(TypeError, match="read-only"):
        buffer.toreadonly()[0, 0] = 1


def test_a_buffer_acts_as_bytes(pool: BufferPool) -> None:
    buffer = pool.copy("grüße".encode())
    assert buffer.decode() == "grüße"
    assert buffer.hex("-", 2) == "grüße".encode().hex("-", 2)
    assert bytes(buffer) == "grüße".encode()
    assert len(buffer) == 7
    assert list(buffer) == list("grüße".encode())
    assert buffer == "grüße".encode()
    assert buffer != b"other"
    assert buffer != 5
    assert buffer == pool.copy(buffer)
    assert [part.tolist() for part in pool.zeros((2, 2))] == [[0, 0], [0, 0]]
    with pytest.raises(TypeError, match="unhashable"):
        hash(buffer)
    duplicate = copy.deepcopy(buffer)
    duplicate[0] = 0
    assert buffer[0] == ord("g")


def test_cast_and_readonly(pool: BufferPool) -> None:
    buffer = pool.bytes(24)
    numbers = buffer.cast("int32", (2, 3))
    numbers[1, 2] = -1
    assert bytes(buffer[-4:]) == b"\xff" * 4
    assert buffer[8:].cast("float64").shape == (2,)
    for dtype, shape in (("int32", (7,)), ("int64", (2, 2)), ("int32", (1 << 62, 1 << 62))):
        with pytest.raises((TypeError, ValueError)):
            buffer.cast(dtype, shape)
    with pytest.raises(TypeError, match="multiple"):
        buffer[:7].cast("int32")
    with pytest.raises(TypeError, match="C order"):
        buffer[::2].cast("uint8")
    fixed = buffer.toreadonly()
    assert fixed.readonly
    assert fixed[0:2].readonly
    assert not np.asarray(fixed).flags.writeable
    with pytest.raises(TypeError, match="read-only"):
        fixed.write()
    buffer[0] = 5
    assert fixed[0] == 5


def test_layouts_that_are_not_asked_for_are_refused(pool: BufferPool) -> None:
    buffer = pool.copy(np.arange(6, dtype=np.int32).reshape(2, 3))
    assert b"".join([buffer]) == np.arange(6, dtype=np.int32).tobytes()
    with pytest.raises((BufferError, TypeError)):
        b"".join([buffer[:, ::2]])
    with pytest.raises((BufferError, TypeError)):
        hashlib.sha256(buffer[:, 1:])
    assert memoryview(buffer[:, 1]).strides == (12,)
    with pytest.raises((BufferError, TypeError)):
        (ctypes.c_char * 24).from_buffer(buffer.toreadonly())
    gc.collect()


# --- Sizes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, -1, 1 << 53, 1 << 63, 1 << 70, "0", "", "12 XB", "1e9", "-5"])
def test_sizes_that_no_pool_has_are_refused(size: Any) -> None:
    with pytest.raises((ValueError, MemoryError), match=r"size|pool"):
        BufferPool(size)


@pytest.mark.parametrize("size", [None, 1.5, True, b"1", float("nan"), [1]])
def test_sizes_that_are_no_numbers_are_refused(size: Any) -> None:
    with pytest.raises(TypeError, match="size must be an int or a text"):
        BufferPool(size)


def test_size_is_rounded_up_to_pages() -> None:
    assert BufferPool(1).size == 4096
    assert BufferPool("1.5 KiB").size == 4096
    assert BufferPool("256 MiB").size == 256 << 20


@pytest.mark.parametrize(
    ("shape", "error"),
    [
        (-1, ValueError),
        ((2, -1), ValueError),
        (float("nan"), TypeError),
        ((float("nan"),), TypeError),
        ("12", TypeError),
        (None, TypeError),
        (1 << 53, MemoryError),
        (1 << 70, ValueError),
        (-(1 << 70), ValueError),
        ((1 << 32, 1 << 32), ValueError),
        ((0, 1 << 62, 1 << 62), ValueError),
        ((1,) * 65, ValueError),
        (iter(int, 1), ValueError),
    ],
)
def test_shapes_that_no_buffer_has_are_refused(
    pool: BufferPool, shape: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"shape|extent|pool"):
        pool.empty(shape)
    assert pool.stats()["buffers"] == 0


@pytest.mark.parametrize("size", [-1, 1 << 53, 1 << 63, 1.5, None, "1", float("nan")])
def test_sizes_that_no_buffer_has_are_refused(pool: BufferPool, size: Any) -> None:
    for make in (pool.bytes, pool.acquire, lambda size: pool.preallocate(size, 1)):
        with pytest.raises((ValueError, TypeError, MemoryError), match=r"size|pool"):
            make(size)
    with pytest.raises((ValueError, TypeError, MemoryError), match=r"count|pool"):
        pool.preallocate(1, size)
    assert pool.stats()["buffers"] == pool.stats()["preallocated"] == 0


def test_buffers_without_bytes(pool: BufferPool) -> None:
    for buffer in (
        pool.bytes(0),
        pool.empty((0, 5)),
        pool.zeros((3, 0), "float64"),
        pool.copy(b""),
    ):
        assert buffer.nbytes == 0
        assert bytes(buffer) == b""
        assert np.asarray(buffer).size == 0
        assert pickle.loads(pickle.dumps(buffer)).shape == buffer.shape
    scalar = pool.zeros(())
    assert np.asarray(scalar).shape == ()
    assert scalar[()] == 0
    with pytest.raises(TypeError, match="no length"):
        len(scalar)


def test_a_full_pool_says_what_to_do() -> None:
    pool = BufferPool("1 MiB")
    whole = pool.bytes(1 << 20)
    with pytest.raises(
        MemoryError, match=r"1 MiB \(1048576 bytes\) 1048576 bytes are in use.*trim"
    ):
        pool.bytes(1)
    with pytest.raises(MemoryError):
        pool.preallocate(10, 1)
    whole.release()
    assert pool.bytes(1 << 20).nbytes == 1 << 20


def test_ten_thousand_small_buffers() -> None:
    pool = BufferPool("1 MiB")
    buffers = [pool.copy(b"%d" % number) for number in range(10_000)]
    assert [int(bytes(buffer)) for buffer in buffers] == list(range(10_000))
    assert pool.stats()["buffers"] == 10_000
    del buffers[::2]
    assert [int(bytes(buffer)) for buffer in buffers] == list(range(1, 10_000, 2))
    del buffers
    stats = pool.stats()
    assert (stats["buffers"], stats["used"], stats["largest_free"]) == (0, 0, 1 << 20)


def test_a_pool_larger_than_memory_takes_what_is_used() -> None:
    pool = BufferPool("8 TiB")
    buffer = pool.zeros(1 << 20)
    maps = Path("/proc/self/maps").read_text().splitlines()
    files = [line.split(maxsplit=5)[5] for line in maps if "napi_python-pool" in line]
    assert files
    assert all(file.startswith("/memfd:") for file in files), "no file of a file system"
    assert pool.stats()["resident"] == 1 << 20
    with pytest.raises(MemoryError, match=r"the system has [0-9]+ bytes of memory left"):
        pool.bytes(4 << 40)
    with pytest.raises(MemoryError, match="the system has"):
        pool.preallocate(1 << 30, 4000)
    pool.trim()
    assert pool.stats()["used"] == 1 << 20
    assert not any(bytes(buffer))


def test_free_memory_goes_back_to_the_system(pool: BufferPool) -> None:
    pool.bytes(2 << 20).release()
    assert pool.stats()["resident"] == 2 << 20
    pool.trim()
    assert pool.stats()["resident"] == 0


def test_address_space_that_is_limited_is_a_memory_error() -> None:
    done = run_program(
        """
import resource
from napi_python import BufferPool
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
try:
    BufferPool("1 TiB")
except MemoryError as error:
    print("pool cannot be made" in str(error))
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
try:
    BufferPool("1 MiB")
except OSError as error:
    print("Too many open files" in str(error))
"""
    )
    assert done.stdout.split() == ["True", "True"], done.stderr


# --- Preallocation -------------------------------------------------------------------------------


def test_preallocated_buffers_are_used_again(pool: BufferPool) -> None:
    pool.preallocate(100_000, 3)
    assert pool.stats()["preallocated"] == 3 * 100_032
    buffers = [pool.acquire(100_000) for _ in range(4)]
    assert pool.stats()["preallocated"] == 0
    del buffers
    assert pool.stats()["preallocated"] == 3 * 100_032
    pool.preallocate(100_000, 2)
    assert pool.stats()["preallocated"] == 3 * 100_032
    pool.trim()
    assert pool.stats()["preallocated"] == 0
    assert pool.stats()["largest_free"] == 4 << 20


def test_preallocation_that_does_not_fit_allocates_nothing(pool: BufferPool) -> None:
    with pytest.raises(MemoryError, match="cannot be allocated"):
        pool.preallocate(1 << 20, 5)
    keep = pool.bytes(1 << 20)
    with pytest.raises(MemoryError, match="cannot be allocated"):
        pool.preallocate(1 << 20, 4)
    assert pool.stats()["preallocated"] == 0
    pool.preallocate(1 << 20, 3)
    with pytest.raises(MemoryError, match="3145728 are preallocated"):
        pool.bytes(10)
    del keep


def test_many_sizes_are_preallocated_up_to_a_limit(pool: BufferPool) -> None:
    for number in range(64):
        pool.preallocate(64 * (number + 1), 1)
    with pytest.raises(MemoryError, match="sizes of preallocated buffers"):
        pool.preallocate(64 * 100, 1)
    pool.trim()
    pool.preallocate(64 * 100, 1)


# --- Release -------------------------------------------------------------------------------------


def uses(buffer: PoolBuffer) -> list[Callable[[], object]]:
    return [
        lambda: memoryview(buffer),
        lambda: np.asarray(buffer, dtype=np.uint8).sum() if memoryview(buffer) else None,
        lambda: bytes(buffer),
        lambda: buffer[0],
        lambda: buffer[1:],
        lambda: buffer.__setitem__(0, 1),
        lambda: len(buffer),
        lambda: list(buffer),
        lambda: buffer.refcount,
        lambda: buffer.read(),
        lambda: buffer.write(),
        lambda: buffer.hex(),
        lambda: buffer.decode(),
        lambda: buffer.tolist(),
        lambda: buffer.tobytes(),
        lambda: buffer.numpy(),
        lambda: buffer.toreadonly(),
        lambda: buffer.cast("int8"),
        lambda: buffer == b"other",
        lambda: pickle.dumps(buffer),
        lambda: copy.deepcopy(buffer),
        lambda: buffer.pool.copy(buffer),
    ]


@pytest.mark.parametrize("method", ["release", "forget"])
def test_a_released_buffer_raises(pool: BufferPool, method: str) -> None:
    buffer = pool.bytes(10)
    getattr(buffer, method)()
    getattr(buffer, method)()
    assert buffer.released
    assert "(released)" in repr(buffer)
    assert buffer.nbytes == 10
    for use in uses(buffer):
        with pytest.raises(ValueError, match="released"):
            use()
    assert pool.stats()["buffers"] == 0


def test_no_view_outlives_its_memory(pool: BufferPool) -> None:
    buffer = pool.copy(b"0123456789")
    view = memoryview(buffer)
    array = np.asarray(buffer[2:4])
    with pytest.raises(BufferError, match="1 memoryviews"):
        buffer.release()
    with pytest.raises(BufferError, match="2 memoryviews"):
        buffer.forget()
    view.release()
    buffer.release()
    assert array.tobytes() == b"23"
    assert pool.stats()["buffers"] == 1
    del array
    assert pool.stats()["buffers"] == 0


def test_slices_keep_the_memory(pool: BufferPool) -> None:
    buffer = pool.copy(b"0123456789")
    part = buffer[2:]
    assert buffer.refcount == 1
    buffer.release()
    assert part == b"23456789"
    assert part.refcount == 1
    other = part[1:]
    part.forget()
    assert other.released
    assert pool.stats()["buffers"] == 0


def test_memory_outlives_its_pool() -> None:
    pool = BufferPool("1 MiB")
    array = np.asarray(pool.copy(b"kept"))
    pool.close()
    del pool
    gc.collect()
    assert array.tobytes() == b"kept"


def test_a_closed_pool_raises(pool: BufferPool) -> None:
    buffer = pool.bytes(10)
    assert not pool.closed
    with pool as same:
        assert same is pool
    pool.close()
    assert pool.closed
    assert repr(pool) == "<BufferPool (closed)>"
    for use in (
        lambda: pool.bytes(1),
        lambda: pool.acquire(1),
        lambda: pool.zeros(1),
        lambda: pool.empty(1),
        lambda: pool.copy(b"x"),
        lambda: pool.preallocate(1, 1),
        lambda: pool.trim(),
        lambda: pool.stats(),
        lambda: pool.size,
        lambda: pool.name,
        lambda: pickle.dumps(pool),
    ):
        with pytest.raises(ValueError, match="the pool is closed"):
            use()
    buffer[0] = 1
    assert buffer[0] == 1


def test_nothing_is_left_of_a_thousand_pools() -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = descriptors()
    for _ in range(1000):
        pool = BufferPool("1 GiB")
        buffer = pool.bytes(10)
        del pool, buffer
    assert descriptors() == before


# --- Guards --------------------------------------------------------------------------------------


def test_guards_give_views_for_their_with(pool: BufferPool) -> None:
    buffer = pool.bytes(10)
    with buffer.write() as view:
        view[0] = 5
        assert not view.readonly
    with buffer.read() as fixed:
        assert fixed[0] == 5
        assert fixed.readonly
        with pytest.raises(TypeError):
            fixed[0] = 1
    for used in (view, fixed):
        with pytest.raises(ValueError, match="released"):
            used[0]


def test_guards_exclude_each_other(pool: BufferPool) -> None:
    buffer = pool.bytes(10)
    reading = pytest.raises(TimeoutError, match=f"being read by process {os.getpid()}")
    with buffer.read(), buffer.read(), reading:
        buffer.write().__enter__()
    with buffer.write():
        for guard in (buffer.read(), buffer[1:].write(timeout=0.01)):
            with pytest.raises(TimeoutError, match="being written by process"), guard:
                pass
    with buffer.write():
        pass


def test_a_guard_waits_for_another_one(pool: BufferPool) -> None:
    buffer = pool.zeros(1, "int64")

    def work() -> None:
        for _ in range(200):
            with buffer.write(timeout=None) as view:
                view[0] += 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert buffer[0] == 800


def test_guards_that_are_used_wrongly(pool: BufferPool) -> None:
    buffer = pool.bytes(10)
    guard = buffer.write()
    with pytest.raises(RuntimeError, match="not entered"):
        guard.__exit__(None, None, None)
    guard = buffer.write()
    with guard:
        with pytest.raises(RuntimeError, match="entered once"):
            guard.__enter__()
        with pytest.raises(BufferError):
            buffer.forget()
    with pytest.raises(RuntimeError, match="entered once"):
        guard.__enter__()
    array: Any = None
    with pytest.raises(BufferError), buffer.write() as view:
        array = np.asarray(view)
    with buffer.write():
        pass
    assert array.size == 10
    for timeout in (-1, float("nan")):
        with pytest.raises(ValueError, match="timeout"):
            buffer.read(timeout=timeout)
    abandoned = buffer.write()
    abandoned.__enter__()
    del abandoned
    with buffer.write():
        pass


def test_guards_hold_over_processes_and_end_with_them(pool: BufferPool, other: Other) -> None:
    buffer = pool.bytes(10)
    other("guard = buffer.write(); view = guard.__enter__()", buffer=buffer)
    with pytest.raises(TimeoutError, match=f"being written by process {other.process.pid}"):
        buffer.read().__enter__()
    other.kill()
    with buffer.write():
        assert buffer.refcount == 1


# --- Several processes ---------------------------------------------------------------------------


def test_a_pool_is_opened_by_name(names: Path, other: Other) -> None:
    with BufferPool("1 MiB", name="frames") as pool:
        assert pool.name == "frames"
        assert [file.name for file in names.iterdir()] == ["frames"]
        assert names.stat().st_mode & 0o777 == 0o700
        buffer = other("pool = BufferPool.open('frames'); kept = pool.copy(b'hello'); kept")
        assert buffer == b"hello"
        assert buffer.pool == pool
        assert buffer.pool != BufferPool(1)
        assert hash(buffer.pool) == hash(pool)
        assert pool.stats()["processes"] == 2
        assert BufferPool.open("frames") == pool
    assert list(names.iterdir()) == []
    with pytest.raises(FileNotFoundError, match='there is no pool named "frames"'):
        BufferPool.open("frames")


def test_a_pickled_buffer_is_the_same_memory(pool: BufferPool, other: Other) -> None:
    buffer = pool.copy(np.arange(12, dtype=np.int32).reshape(3, 4))
    other("buffer[1, 1] = 99", buffer=buffer[:, ::2])
    assert buffer[1, 2] == 99
    assert buffer.refcount == 2
    assert other("buffer.shape, buffer.dtype, buffer.readonly") == ((3, 2), "int32", False)
    other("del buffer")
    assert buffer.refcount == 1
    assert other("buffer.readonly", buffer=buffer.toreadonly()) is True
    made = other("pool = given; buffer = pool.zeros((2, 2), 'float64'); buffer", given=pool)
    assert made.tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_a_buffer_that_was_released_before_it_arrives(pool: BufferPool, other: Other) -> None:
    pickled = pickle.dumps(pool.bytes(10))
    with pytest.raises(ValueError, match="the pool buffer was released"):
        pickle.loads(pickled)
    keep = pool.bytes(10)
    with pytest.raises(ValueError, match="the pool buffer was released"):
        pickle.loads(pickled)
    del keep
    with pytest.raises(ValueError, match="the pool buffer was released"):
        other("pickle.loads(pickled)", pickled=pickled)


def test_a_pool_that_is_gone_is_not_opened(other: Other) -> None:
    pickled = other("pool = BufferPool(1); pickle.dumps(pool)")
    other("pool.close(); pool = None")
    for _ in range(2):
        with pytest.raises(FileNotFoundError, match="the pool is gone: process"):
            pickle.loads(pickled)
        other.kill()


def test_a_forked_child_has_references_of_its_own(pool: BufferPool) -> None:
    buffer = pool.copy(b"parent")
    array = np.asarray(buffer)
    inside = []

    def work() -> None:
        assert buffer.refcount == 2
        assert bytes(array) == b"parent"
        array[0] = ord("P")
        inside.append(pool.copy(b"child"))
        assert pool.stats()["buffers"] == 2
        assert pool.stats()["processes"] == 2
        assert pickle.loads(pickle.dumps(buffer)).refcount == 3
        in_child(lambda: bytes(inside[0]))

    in_child(work)
    assert buffer == b"Parent"
    assert buffer.refcount == 1
    stats = pool.stats()
    assert (stats["buffers"], stats["processes"], stats["reclaimed"]) == (1, 1, 1)


def test_a_guard_excludes_a_forked_child(pool: BufferPool) -> None:
    buffer = pool.bytes(10)

    def work() -> None:
        with pytest.raises(TimeoutError, match=f"being written by process {os.getppid()}"):
            buffer.read().__enter__()

    with buffer.write():
        in_child(work)
        with pytest.raises(TimeoutError, match="being written by process"):
            buffer.read().__enter__()
    with buffer.write():
        pass


def test_a_child_keeps_what_its_parent_releases(pool: BufferPool) -> None:
    buffer = pool.copy(b"kept")
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(read, 1)
        os._exit(0 if bytes(buffer) == b"kept" else 1)
    buffer.release()
    assert pool.stats()["buffers"] == 1
    overwriting = [pool.copy(b"lost") for _ in range(100)]
    os.write(write, b"x")
    os.close(read)
    os.close(write)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    del overwriting
    assert pool.stats()["buffers"] == 0


def _spawned(pool: BufferPool, buffer: PoolBuffer, results: Any) -> None:
    buffer[0] = buffer[0] + 1
    results.put((bytes(buffer), pool.size))


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(pool: BufferPool, method: str) -> None:
    context: Any = multiprocessing.get_context(method)
    buffer = pool.bytes(3)
    results = context.Queue()
    process = context.Process(target=_spawned, args=(pool, buffer, results))
    process.start()
    assert results.get(timeout=30) == (b"\x01\x00\x00", pool.size)
    process.join()
    assert process.exitcode == 0
    assert buffer[0] == 1
    assert buffer.refcount == 1
    results.close()


def test_a_child_that_python_does_not_know_of_is_told_so(pool: BufferPool) -> None:
    buffer = pool.copy(b"data")
    array = np.asarray(buffer)
    pid = ctypes.CDLL(None).fork()
    if pid == 0:
        code = 1
        try:
            assert array.tobytes() == b"data"
            buffer[0] = 0
            uses: list[Callable[[], object]]
            uses = [lambda: pool.bytes(1), lambda: buffer.refcount, pool.stats, pool.trim]
            for use in uses:
                with pytest.raises(RuntimeError, match=r"fork with os\.fork"):
                    use()
            pool.close()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert bytes(buffer) == b"\0ata"
    assert pool.stats()["buffers"] == 1


@pytest.mark.parametrize(
    "change",
    [
        {"key": (1 << 40, 1, 4)},
        {"key": (0, 999, 4)},
        {"key": (0, 1, 1 << 40)},
        {"itemsize": 0},
        {"itemsize": 1 << 40},
        {"shape": (5,)},
        {"shape": (-1,)},
        {"shape": (1 << 62, 1 << 62), "strides": (0, 0)},
        {"shape": (1,) * 65, "strides": (1,) * 65},
        {"shape": (4, 1)},
        {"strides": (2,)},
        {"strides": (-1,)},
        {"strides": (1 << 62,)},
        {"offset": 1},
        {"offset": 1 << 63},
        {"offset": (1 << 63) - 1},
        {"element": b"x" * 5000},
        {"element": b"a\0b"},
        {"element": b"T{"},
    ],
)
def test_a_forged_pickle_leads_nowhere(pool: BufferPool, change: dict[str, Any]) -> None:
    buffer = pool.copy(b"data")
    make, given = buffer.__reduce__()
    names = ("address", "key", "element", "itemsize", "shape", "strides", "offset", "readonly")
    arguments = {**dict(zip(names, given, strict=True)), **change}
    try:
        forged = make(*arguments.values())
    except (ValueError, OverflowError):
        pass
    else:
        assert bytes(forged) == b"data"
    assert bytes(make(*given)) == b"data"
    for address in (
        (0, 0, 0, 0, 0),
        (1, 5, 6, 7, 8),
        (os.getpid(), 0, 1, 2, 3),
        (2**32 - 1, -1, -1, 0, 0),
    ):
        with pytest.raises(OSError, match="pool"):
            make(address, *given[1:])


def test_what_a_killed_process_holds_is_reclaimed(pool: BufferPool, other: Other) -> None:
    shared = pool.copy(b"shared")
    other("held = [pool.bytes(1 << 20) for _ in range(3)]", pool=pool, shared=shared)
    assert shared.refcount == 2
    with pytest.raises(MemoryError):
        pool.bytes(2 << 20)
    other.kill()
    assert pool.bytes(2 << 20).nbytes == 2 << 20
    assert shared.refcount == 1
    stats = pool.stats()
    assert (stats["processes"], stats["reclaimed"]) == (1, 3)


def test_a_pool_outlives_its_maker(other: Other) -> None:
    pool = other("pool = BufferPool('1 MiB', name='kept'); pool")
    buffer = other("buffer = pool.copy(b'data'); buffer")
    other.kill()
    assert BufferPool.open("kept") == pool
    stranger = Other()
    with pytest.raises(FileNotFoundError, match=r'"kept" is gone: process .* has ended'):
        stranger("BufferPool.open('kept')")
    stranger.kill()
    assert buffer == b"data"
    in_child(lambda: pool.copy(b"more").release())
    again = pickle.loads(pickle.dumps(pool))
    assert again.bytes(5).nbytes == 5
    assert pool.stats()["buffers"] == 1


KILLED = """
import os, pickle, random, sys
from napi_python import BufferPool
pool = pickle.loads(bytes.fromhex(sys.argv[1]))
random.seed(int(sys.argv[2]))
print("ready", flush=True)
held = []
while True:
    try:
        what = random.randrange(6)
        if what < 3:
            held.append(pool.copy(b"x" * random.choice([1, 100, 5000, 100_000])))
        elif what == 3:
            pool.preallocate(100, random.randrange(20))
        elif what == 4:
            pool.trim()
        elif held:
            held.pop(random.randrange(len(held)))
    except MemoryError:
        held.clear()
"""


def test_processes_are_killed_at_any_moment() -> None:
    pool = BufferPool("2 MiB")
    kept = {number: pool.copy(b"%d" % number) for number in range(50)}
    pickled = pickle.dumps(pool).hex()
    seeds = iter(range(1000))

    def start() -> subprocess.Popen[bytes]:
        program = [sys.executable, "-c", KILLED, pickled, str(next(seeds))]
        process = subprocess.Popen(program, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        return process

    for _ in range(12):
        processes = [start() for _ in range(2)]
        for _ in range(50):
            try:
                kept[0] = pool.copy(b"0")
            except MemoryError:
                pool.stats()
        for process in processes:
            process.kill()
            process.communicate()
        for number, buffer in kept.items():
            assert bytes(buffer) == b"%d" % number
            assert buffer.refcount == 1
        stats = pool.stats()
        assert (stats["buffers"], stats["processes"]) == (50, 1)
    del buffer
    kept.clear()
    pool.trim()
    stats = pool.stats()
    assert (stats["used"], stats["largest_free"], stats["resident"]) == (0, 2 << 20, 0)


def test_a_stopped_process_does_not_stop_the_others(pool: BufferPool, other: Other) -> None:
    other("buffer = pool.bytes(10)", pool=pool)
    other.process.send_signal(signal.SIGSTOP)
    assert pool.bytes(10).refcount == 1
    assert pool.stats()["processes"] == 2
    other.process.send_signal(signal.SIGCONT)


def test_threads_use_a_pool_at_once(pool: BufferPool) -> None:
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for round_ in range(300):
                text = b"%d %d" % (number, round_) * (round_ % 50 + 1)
                buffer = pool.copy(text)
                part = buffer[1:]
                assert bytes(buffer) == text
                buffer.release()
                assert bytes(part) == text[1:]
                if round_ % 50 == 0:
                    BufferPool(1, name=f"thread-{number}").close()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        in_child(lambda: pool.copy(b"child").release())
    for thread in threads:
        thread.join()
    assert not failed
    assert pool.stats()["buffers"] == 0


# --- Names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a/b", "/etc/passwd", "../x", "a b", "x" * 101, ".new", "ä", "a\n", "a\0"],
)
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    uses: list[Callable[[], object]]
    uses = [lambda: BufferPool(1, name=name), lambda: BufferPool.open(name)]
    for use in uses:
        with pytest.raises(ValueError, match="a name of a pool has 1 to 100 letters"):
            use()


def test_a_taken_name_is_refused(other: Other) -> None:
    pool = BufferPool(1, name="taken")
    text = f'"taken" is taken: process {os.getpid()}'
    with pytest.raises(FileExistsError, match=text):
        BufferPool(1, name="taken")
    with pytest.raises(FileExistsError, match=text):
        other("BufferPool(1, name='taken')")
    pool.close()
    other("pool = BufferPool(1, name='taken')")
    pool.close()
    assert BufferPool.open("taken").size == 4096


def test_a_name_of_a_killed_process_is_taken_over(other: Other) -> None:
    other("pool = BufferPool(1, name='stale')")
    other.kill()
    with pytest.raises(FileNotFoundError, match=f"process {other.process.pid}, which made it"):
        BufferPool.open("stale")
    with BufferPool("1 MiB", name="stale") as pool:
        assert BufferPool.open("stale") == pool


def test_a_name_ends_with_its_process(names: Path) -> None:
    done = run_program(
        "from napi_python import BufferPool\n"
        "import builtins; builtins.kept = BufferPool(1, name='ended')"
    )
    assert done.returncode == 0, done.stderr
    assert list(names.iterdir()) == []


def test_a_name_belongs_to_the_process_that_gave_it(names: Path) -> None:
    pool = BufferPool(1, name="parent")
    in_child(pool.close)
    assert BufferPool.open("parent") == pool
    BufferPool.open("parent").close()
    assert names.joinpath("parent").exists()


def test_planted_files_and_links_are_not_followed(names: Path, tmp_path: Path) -> None:
    BufferPool(1, name="first").close()
    secret = tmp_path / "secret"
    secret.write_text("secret")
    for name in ("link", ".new"):
        names.joinpath(name).symlink_to(secret)
    with BufferPool(1, name="link") as pool:
        assert BufferPool.open("link") == pool
    assert secret.read_text() == "secret"
    names.joinpath("dangling").symlink_to(secret)
    os.mkfifo(names / "pipe")
    names.joinpath("garbage").write_bytes(b"\xff" * 100_000)
    names.joinpath("zero").write_text(f"napi_python-pool-1 {os.getpid()} 0 0 0 0\n")
    for name in ("dangling", "pipe", "garbage", "zero"):
        with pytest.raises(FileNotFoundError):
            BufferPool.open(name)


def test_a_folder_of_names_that_others_may_enter_is_refused(names: Path, tmp_path: Path) -> None:
    names.mkdir(mode=0o777)
    names.chmod(0o777)
    with pytest.raises(OSError, match="of pool names cannot be used"):
        BufferPool(1, name="open")
    names.rmdir()
    names.symlink_to(tmp_path)
    with pytest.raises(OSError, match="of pool names cannot be used"):
        BufferPool(1, name="open")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file to another user")
def test_a_pool_of_another_user_is_refused(pool: BufferPool, other: Other) -> None:
    pickled = pickle.dumps(pool)
    _, (address,) = pool.__reduce__()
    for descriptor in address[1:3]:
        os.fchown(descriptor, 12345, -1)
    with pytest.raises(PermissionError, match="it belongs to user 12345, and this process runs as"):
        other("pickle.loads(pickled)", pickled=pickled)


# --- The end of the interpreter ------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        "import builtins; builtins.kept = pool.bytes(10), memoryview(pool.bytes(10))",
        "a = pool.bytes(10); a_view = memoryview(a); pool.close(); del pool, a",
        "cycle = [pool.bytes(10)]; cycle.append(cycle); del pool",
        "guard = pool.bytes(10).write(); view = guard.__enter__()",
        (
            "import threading\n"
            "def work():\n"
            "    while True: pool.bytes(100)\n"
            "threading.Thread(target=work, daemon=True).start()"
        ),
        "import os; pid = os.fork()\nif pid: os.waitpid(pid, 0)",
        "capsule = pool.bytes(10).__dlpack__()",
        (
            "class Late:\n"
            "    def __del__(self): assert bytes(buffer) == bytes(10)\n"
            "buffer = pool.bytes(10); late = Late()"
        ),
    ],
)
def test_the_interpreter_ends_in_any_state(body: str) -> None:
    head = "from napi_python import BufferPool\npool = BufferPool('1 MiB', name='ending')\n"
    done = run_program(head + body)
    assert (done.returncode, done.stderr) == (0, "")
