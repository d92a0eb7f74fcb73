"""CUDA buffers, with a stand-in for the driver: `cuda_driver.c` says what it checks."""

from __future__ import annotations

import copy
import ctypes
import gc
import inspect
import os
import pickle
import shlex
import subprocess
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Script, addon_path, run_program
from dlpack_consumer import Consumed
from napi_python import (
    CudaBuffer,
    CudaError,
    CudaHandle,
    acquire_cuda,
    host,
    load_addon,
    preallocate_cuda,
    register,
)

VARIABLE = "NAPI_PYTHON_CUDA_DRIVER"
GIB = 1 << 30
Count = Callable[[str], int]


def compiled(folder: Path, name: str, *flags: str) -> Path:
    library = folder / name
    compiler = shlex.split(os.environ.get("CC", "cc"))
    source = Path(__file__).with_name("cuda_driver.c")
    options = ["-shared", "-fPIC", "-O1", "-pthread", *flags]
    subprocess.run([*compiler, *options, "-o", library, source], check=True)
    return library


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-in driver."""
    return compiled(tmp_path_factory.mktemp("cuda"), "libcuda-standin.so")


@pytest.fixture
def count(library: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Count]:
    """Makes this process use the stand-in, and returns what counts in it.

    Fails a test that leaves memory, a context, or a call that the driver does not expect.
    """
    monkeypatch.setenv(VARIABLE, str(library))
    counter = ctypes.CDLL(str(library)).standin_count
    counter.restype = ctypes.c_long

    def count(name: str) -> int:
        return int(counter(name.encode()))

    yield count
    monkeypatch.delenv("CUDA_STANDIN_FAIL", raising=False)
    gc.collect()
    left = {name: count(name) for name in ("allocations", "opened", "entered", "strays")}
    assert not any(left.values()), left
    assert count("contexts") <= 2


def calls(count: Count) -> int:
    """How often functions that a use of memory needs were called."""
    names = ("cuCtxPushCurrent_v2", "cuMemAlloc_v2", "cuMemFree_v2", "cuInit")
    return sum(count(name) for name in names)


# Contents and attributes.


def test_bytes_come_back(count: Count) -> None:
    with acquire_cuda(1 << 20) as buffer:
        data = os.urandom(1 << 20)
        buffer.copy_from(data)
        assert bytes(buffer) == data
        target = bytearray(1 << 20)
        buffer.copy_to(target)
        assert target == data
        assert count("allocations") == 1
    assert count("allocations") == 0


def test_attributes() -> None:
    assert CudaBuffer.__module__ == CudaHandle.__module__ == "napi_python"
    with pytest.raises(TypeError, match="CudaBuffer"):
        CudaBuffer()


def test_attributes_of_a_buffer(count: Count) -> None:
    with acquire_cuda(24, device=1) as buffer:
        assert buffer.size == len(buffer) == 24
        assert buffer.device == 1
        assert buffer.ptr > 0
        assert buffer.shape == (24,)
        assert buffer.dtype == "uint8"
        assert repr(buffer) == "<CudaBuffer of 24 bytes on device 1: uint8 [24]>"
        assert weakref.ref(buffer)() is buffer
        assert {buffer: 1}[buffer] == 1
    assert repr(buffer) == "<CudaBuffer of 24 bytes on device 1: uint8 [24], released>"
    assert buffer.size == 24
    assert count("cuMemAlloc_v2") > 0


def test_fill(count: Count) -> None:
    with acquire_cuda(100) as buffer:
        buffer.fill()
        assert bytes(buffer) == bytes(100)
        buffer.view(10, offset=20).fill(7)
        assert bytes(buffer) == bytes(20) + b"\x07" * 10 + bytes(70)
        with pytest.raises(OverflowError):
            buffer.fill(256)


def test_copies_at_an_offset(count: Count) -> None:
    with acquire_cuda(16) as buffer:
        buffer.fill(0)
        buffer.copy_from(b"abc", offset=5)
        buffer.copy_from(b"", offset=16)
        assert bytes(buffer) == b"\0\0\0\0\0abc" + bytes(8)
        part = bytearray(2)
        buffer.copy_to(part, offset=6)
        assert part == b"bc"
        assert bytes(buffer.view(4, offset=5).view(2, offset=1)) == b"bc"


@pytest.mark.parametrize(
    "source",
    [
        np.arange(24, dtype="<u2").reshape(4, 6)[:, ::2],
        np.arange(12, dtype="<u2").reshape(3, 4),
        memoryview(bytes(range(48)))[::2],
        (ctypes.c_uint16 * 12)(*range(12)),
    ],
)
def test_sources_of_any_layout(count: Count, source: Any) -> None:
    with acquire_cuda(24) as buffer:
        buffer.copy_from(source)
        assert bytes(buffer) == memoryview(source).tobytes()


def test_targets_that_are_refused(count: Count) -> None:
    with acquire_cuda(8) as buffer:
        for target in (bytes(8), memoryview(bytearray(16))[::2]):
            with pytest.raises(BufferError, match="read-only or not contiguous; pass a writable"):
                buffer.copy_to(target)
        for value in (3, "text", None):
            with pytest.raises(TypeError):
                buffer.copy_to(value)
            with pytest.raises(TypeError):
                buffer.copy_from(value)


@pytest.mark.parametrize(("length", "offset"), [(9, 0), (1, 8), (0, 9), (8, 1), (1, 2**63 - 1)])
def test_ranges_outside_are_refused(count: Count, length: int, offset: int) -> None:
    with acquire_cuda(8) as buffer:
        text = f"cannot copy {length} bytes at offset {offset}: the CudaBuffer has 8 bytes"
        with pytest.raises(ValueError, match=text):
            buffer.copy_from(bytes(length), offset)
        with pytest.raises(ValueError, match=text):
            buffer.copy_to(bytearray(length), offset)
        with pytest.raises(ValueError, match="offset must be >= 0, got -1"):
            buffer.copy_to(bytearray(1), -1)


# Sizes, devices, and the answers of the driver.


@pytest.mark.parametrize("size", [0, -1, -(2**62)])
def test_sizes_must_be_positive(count: Count, size: int) -> None:
    with pytest.raises(ValueError, match=f"size must be > 0, got {size}"):
        acquire_cuda(size)
    with pytest.raises(ValueError, match=f"size must be > 0, got {size}"):
        preallocate_cuda(size, 1)


@pytest.mark.parametrize("size", [2**63, -(2**63) - 1, 1 << 4096])
def test_sizes_beyond_an_address_space(count: Count, size: int) -> None:
    with pytest.raises(ValueError, match=r"size must be between -2\^63 and 2\^63 - 1"):
        acquire_cuda(size)


@pytest.mark.parametrize("size", [2.5, "8", None, float("nan"), [8]])
def test_sizes_are_integers(count: Count, size: Any) -> None:
    with pytest.raises(TypeError, match=f"size must be an int, got {type(size).__name__}"):
        acquire_cuda(size)


@pytest.mark.parametrize("size", [GIB + 1, 2**53, 2**63 - 1])
def test_more_memory_than_there_is(count: Count, size: int) -> None:
    with pytest.raises(CudaError) as caught:
        acquire_cuda(size)
    assert str(caught.value) == (
        f"cannot allocate {size} bytes on CUDA device 0: CUDA_ERROR_OUT_OF_MEMORY: out of memory; "
        "release buffers, give back preallocated ones, or ask for fewer bytes"
    )
    assert caught.value.name == "CUDA_ERROR_OUT_OF_MEMORY"
    assert caught.value.code == 2
    assert isinstance(caught.value, RuntimeError)
    assert pickle.loads(pickle.dumps(caught.value)).name == "CUDA_ERROR_OUT_OF_MEMORY"


@pytest.mark.parametrize("device", [2, -1, 2**31 - 1])
def test_unknown_devices(count: Count, device: int) -> None:
    text = (
        f"on CUDA device {device}: CUDA_ERROR_INVALID_DEVICE: invalid device ordinal; "
        "the driver has 2 devices, 0 to 1"
    )
    with pytest.raises(CudaError, match=text):
        acquire_cuda(8, device)
    with pytest.raises(CudaError, match=text):
        preallocate_cuda(8, 1, device)
    with pytest.raises(ValueError, match="device must be the number of one, got"):
        acquire_cuda(8, 2**31)
    with pytest.raises(TypeError, match="device must be an int, got str"):
        acquire_cuda(8, "cuda:0")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("function", "use"),
    [
        ("cuCtxPushCurrent_v2", lambda _: acquire_cuda(8)),
        ("cuMemAlloc_v2", lambda _: acquire_cuda(8)),
        ("cuMemAlloc_v2", lambda _: preallocate_cuda(8, 2)),
        ("cuMemcpyHtoD_v2", lambda buffer: buffer.copy_from(b"x")),
        ("cuStreamSynchronize", lambda buffer: buffer.copy_from(b"x")),
        ("cuMemcpyDtoH_v2", lambda buffer: buffer.copy_to(bytearray(1))),
        ("cuMemcpyDtoH_v2", bytes),
        ("cuMemsetD8_v2", lambda buffer: buffer.fill()),
        ("cuIpcGetMemHandle", lambda buffer: buffer.ipc_handle()),
    ],
)
def test_answers_of_the_driver_are_exceptions(
    count: Count, monkeypatch: pytest.MonkeyPatch, function: str, use: Callable[[Any], object]
) -> None:
    with acquire_cuda(8) as buffer:
        monkeypatch.setenv("CUDA_STANDIN_FAIL", f"{function}=700")
        with pytest.raises(CudaError, match="CUDA_ERROR_ILLEGAL_ADDRESS: an illegal") as caught:
            use(buffer)
        assert caught.value.code == 700
        monkeypatch.setenv("CUDA_STANDIN_FAIL", f"{function}=4242")
        with pytest.raises(
            CudaError, match="an error without a name: error 4242 of the driver"
        ) as caught:
            use(buffer)
        assert (caught.value.name, caught.value.code) == (None, 4242)
        monkeypatch.delenv("CUDA_STANDIN_FAIL")
        buffer.fill()


def test_error_at_release_is_an_exception(count: Count, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = acquire_cuda(8)
    address = buffer.ptr
    monkeypatch.setenv("CUDA_STANDIN_FAIL", "cuMemFree_v2=700")
    with pytest.raises(CudaError, match="cannot release a CudaBuffer: CUDA_ERROR_ILLEGAL_ADDRESS"):
        buffer.release()
    buffer.release()
    other = acquire_cuda(16)
    # Without an explicit release no caller can receive an exception.
    others = other.ptr
    del other
    monkeypatch.delenv("CUDA_STANDIN_FAIL")
    # The driver still has both; the test gives them back, so that nothing is left.
    driver = ctypes.CDLL(os.environ[VARIABLE])
    context = ctypes.c_void_p()
    assert driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), 1000) == 0
    assert driver.cuCtxPushCurrent_v2(context) == 0
    for left in (address, others):
        assert driver.cuMemFree_v2(ctypes.c_uint64(left)) == 0
    assert driver.cuCtxPopCurrent_v2(ctypes.byref(context)) == 0
    assert driver.cuDevicePrimaryCtxRelease_v2(1000) == 0


# Release.


USES: list[Callable[[CudaBuffer], object]] = [
    lambda buffer: buffer.ptr,
    lambda buffer: buffer.view(),
    lambda buffer: buffer.fill(),
    lambda buffer: buffer.copy_from(b"x"),
    lambda buffer: buffer.copy_to(bytearray(1)),
    lambda buffer: buffer.ipc_handle(),
    lambda buffer: buffer.__cuda_array_interface__,
    lambda buffer: buffer.__dlpack__(),
    lambda buffer: buffer.__dlpack_device__(),
    lambda buffer: buffer.__enter__(),
    bytes,
]


@pytest.mark.parametrize("use", USES)
def test_use_after_release_is_an_error(count: Count, use: Callable[[CudaBuffer], object]) -> None:
    buffer = acquire_cuda(8)
    buffer.release()
    buffer.release()
    before = calls(count)
    with pytest.raises(ValueError, match="the CudaBuffer cannot be used: it was released"):
        use(buffer)
    assert calls(count) == before


def test_memory_ends_with_its_last_view(count: Count) -> None:
    buffer = acquire_cuda(64)
    view = buffer.view(dtype="float32")
    again = view.view((2, 4), "int32", 8)
    address = buffer.ptr
    buffer.release()
    view.copy_from(np.arange(16, dtype="float32"))
    del view
    assert count("allocations") == 1
    assert again.ptr == address + 8
    with again:
        pass
    assert count("allocations") == 0


def test_buffer_that_is_dropped_is_freed(count: Count) -> None:
    buffer = acquire_cuda(8)
    assert count("allocations") == 1
    del buffer
    gc.collect()
    assert count("allocations") == 0


def test_exception_in_a_with_block_passes(count: Count) -> None:
    with pytest.raises(KeyError), acquire_cuda(8):
        raise KeyError
    assert count("allocations") == 0


def test_release_while_another_thread_copies(count: Count) -> None:
    data = bytes(4 << 20)
    for _ in range(20):
        buffer = acquire_cuda(len(data))
        begun = threading.Event()

        def copies(buffer: CudaBuffer = buffer, begun: threading.Event = begun) -> None:
            begun.set()
            with pytest.raises(ValueError, match="it was released"):
                while True:
                    buffer.copy_from(data)

        thread = threading.Thread(target=copies)
        thread.start()
        begun.wait()
        buffer.release()
        thread.join()
        assert count("allocations") == 0


# Views.


def test_views(count: Count) -> None:
    with acquire_cuda(48) as buffer:
        view = buffer.view((3, 4), "float32")
        assert (view.shape, view.dtype, view.size, len(view)) == ((3, 4), "float32", 48, 3)
        assert buffer.view(2, np.dtype("int16"), 4).size == 4
        assert buffer.view(dtype="<f8").shape == (6,)
        assert buffer.view((), "int64").shape == ()
        assert buffer.view((5, 0), "int64", 48).size == 0
        assert buffer.view([np.int64(2), 2]).shape == (2, 2)
        assert bytes(buffer.view((0, 2**40))) == b""
        with pytest.raises(TypeError, match="without dimensions"):
            len(buffer.view(()))


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((13, "float32"), ValueError, r"needs more than the 48 bytes that there are"),
        (((2**31, 2**31, 2),), ValueError, "needs more than"),
        (((0, 2**62, 2**62),), ValueError, "needs more than"),
        (((0, 2**63),), ValueError, "an extent of shape must be between"),
        ((-1,), ValueError, "an extent of shape must be >= 0, got -1"),
        (((1,) * 65,), ValueError, "at most 64 dimensions"),
        (((1.5,),), TypeError, "an extent of shape must be an int, got float"),
        ((float("nan"),), TypeError, "an extent of shape must be an int, got float"),
        ((range(2),), TypeError, "an extent of shape must be an int, got range"),
        ((1, "float31"), ValueError, "dtype must be one of uint8, .*, got 'float31'|\"float31\""),
        ((1, "x" * 100_000), ValueError, "dtype must be one of"),
        ((1, 3), TypeError, "dtype must be a name such as 'float32' or a numpy dtype, got int"),
        ((1, np.dtype("datetime64[s]")), ValueError, "datetime64"),
        ((1, "int32", 2), ValueError, "must be a multiple of the 4 bytes of an element"),
        ((1, "uint8", 49), ValueError, "offset 49: the CudaBuffer has 48 bytes"),
        ((None, "complex128", 32 + 16 + 16), ValueError, "offset 64"),
        ((None, "float64", 44), ValueError, "multiple of the 8 bytes"),
    ],
)
def test_views_that_are_refused(
    count: Count, arguments: tuple[Any, ...], error: type[Exception], text: str
) -> None:
    with acquire_cuda(48) as buffer, pytest.raises(error, match=text):
        buffer.view(*arguments)


def test_view_of_all_needs_whole_elements(count: Count) -> None:
    with acquire_cuda(10) as buffer, pytest.raises(ValueError, match="an element has 4 bytes"):
        buffer.view(dtype="float32")


# Preallocation.


def test_preallocated_buffers_need_no_driver(count: Count) -> None:
    preallocate_cuda(4096, 3)
    assert count("allocations") == 3
    before = calls(count)
    taken = [acquire_cuda(4096) for _ in range(3)]
    assert calls(count) == before
    assert len({buffer.ptr for buffer in taken}) == 3
    fourth = acquire_cuda(4096)
    assert count("allocations") == 4
    addresses = {buffer.ptr for buffer in taken}
    for buffer in taken:
        buffer.release()
    assert count("allocations") == 4
    # There are as many as are to be kept, so this one is freed.
    fourth.release()
    assert count("allocations") == 3
    assert acquire_cuda(4096).ptr in addresses
    preallocate_cuda(4096, 1)
    assert count("allocations") == 1
    preallocate_cuda(4096, 0)
    assert count("allocations") == 0


def test_preallocation_is_by_size_and_device(count: Count) -> None:
    preallocate_cuda(4096, 1, device=1)
    with acquire_cuda(4096), acquire_cuda(4095, 1):
        assert count("allocations") == 3
    with acquire_cuda(4096, 1):
        assert count("allocations") == 1
    preallocate_cuda(4096, 0, device=1)


def test_reused_memory_waits_for_the_device(count: Count) -> None:
    preallocate_cuda(64, 1)
    before = count("cuCtxSynchronize")
    acquire_cuda(64).release()
    assert count("cuCtxSynchronize") == before + 1
    preallocate_cuda(64, 0)


def test_memory_that_was_shared_is_not_reused(count: Count) -> None:
    preallocate_cuda(64, 1)
    buffer = acquire_cuda(64)
    buffer.ipc_handle()
    buffer.release()
    assert count("allocations") == 0
    preallocate_cuda(64, 0)


def test_preallocation_that_fails_changes_nothing(
    count: Count, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_STANDIN_MEMORY", "10000")
    preallocate_cuda(4096, 1)
    with pytest.raises(CudaError, match="CUDA_ERROR_OUT_OF_MEMORY"):
        preallocate_cuda(4096, 2**40)
    assert count("allocations") == 1
    preallocate_cuda(4096, 2)
    for number in (-1, 2**63):
        with pytest.raises(ValueError, match="count must be"):
            preallocate_cuda(4096, number)
    with pytest.raises(TypeError, match="count must be an int, got float"):
        preallocate_cuda(4096, 1.0)  # type: ignore[arg-type]
    preallocate_cuda(4096, 0)


def test_failing_device_gives_no_memory_back_to_the_list(
    count: Count, monkeypatch: pytest.MonkeyPatch
) -> None:
    preallocate_cuda(64, 1)
    buffer = acquire_cuda(64)
    monkeypatch.setenv("CUDA_STANDIN_FAIL", "cuCtxSynchronize=700")
    with pytest.raises(CudaError, match="CUDA_ERROR_ILLEGAL_ADDRESS"):
        buffer.release()
    assert count("allocations") == 0
    preallocate_cuda(64, 0)


def test_threads_share_preallocated_buffers(count: Count) -> None:
    preallocate_cuda(256, 4)

    def work(number: int) -> bool:
        mine = bytes([number % 256]) * 256
        for _ in range(50):
            with acquire_cuda(256) as buffer:
                buffer.copy_from(mine)
                if bytes(buffer) != mine:
                    return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(16)))
    assert count("allocations") == 4
    preallocate_cuda(256, 0)


# Export.


def test_cuda_array_interface(count: Count) -> None:
    with acquire_cuda(48) as buffer:
        assert buffer.view((3, 4), "float32").__cuda_array_interface__ == {
            "shape": (3, 4),
            "typestr": "<f4",
            "data": (buffer.ptr, False),
            "strides": None,
            "stream": None,
            "version": 3,
        }
        assert buffer.view(0).__cuda_array_interface__["data"] == (0, False)
        for name in ("bool", "int8", "uint16", "int64", "float16", "float64", "complex64"):
            typestr = buffer.view(1, name).__cuda_array_interface__["typestr"]
            assert typestr == np.dtype(name).str
        half = buffer.view(1, "bfloat16")
        assert not hasattr(half, "__cuda_array_interface__")


@pytest.mark.parametrize(
    ("wanted", "name", "version"),
    [
        (None, "dltensor", None),
        ((0, 8), "dltensor", None),
        ((1, 0), "dltensor_versioned", (1, 0)),
        ((1, 3), "dltensor_versioned", (1, 0)),
        ((2, 0), "dltensor_versioned", (1, 0)),
    ],
)
def test_dlpack(
    count: Count, wanted: tuple[int, int] | None, name: str, version: tuple[int, int] | None
) -> None:
    buffer = acquire_cuda(200, 1)
    array = buffer.view((2, 3, 4), "float64", 8)
    assert array.__dlpack_device__() == (2, 1)
    seen = Consumed(array.__dlpack__(max_version=wanted, stream=1, copy=False, dl_device=(2, 1)))
    assert (seen.name, seen.version, seen.flags) == (name, version, 0)
    assert (seen.data, seen.byte_offset) == (array.ptr, 0)
    assert (seen.device, seen.element) == ((2, 1), (2, 64, 1))
    assert (seen.shape, seen.strides) == ((2, 3, 4), (12, 4, 1))
    # The consumer has the memory for as long as it wants.
    buffer.release()
    array.release()
    del buffer, array
    assert count("allocations") == 1
    seen.delete()
    assert count("allocations") == 0


@pytest.mark.parametrize("wanted", [None, (1, 0)])
def test_deleter_in_another_thread(count: Count, wanted: tuple[int, int] | None) -> None:
    buffer = acquire_cuda(8)
    consumers = [Consumed(buffer.__dlpack__(max_version=wanted)) for _ in range(8)]
    del buffer
    for consumer in consumers:
        assert count("allocations") == 1
        thread = threading.Thread(target=consumer.delete)
        thread.start()
        thread.join()
    assert count("allocations") == 0


@pytest.mark.parametrize("wanted", [None, (1, 0)])
def test_capsule_without_a_consumer(count: Count, wanted: tuple[int, int] | None) -> None:
    buffer = acquire_cuda(8)
    capsule = buffer.__dlpack__(max_version=wanted)
    buffer.release()
    assert count("allocations") == 1
    del capsule
    gc.collect()
    assert count("allocations") == 0


def test_consumer_gives_memory_back_to_the_list(count: Count) -> None:
    preallocate_cuda(128, 1)
    buffer = acquire_cuda(128)
    seen = Consumed(buffer.__dlpack__())
    address = buffer.ptr
    buffer.release()
    with acquire_cuda(128) as other:
        assert other.ptr != address
        seen.delete()
    with acquire_cuda(128) as other:
        assert other.ptr == address
    preallocate_cuda(128, 0)


@pytest.mark.parametrize(
    ("name", "element"),
    [
        ("bool", (6, 8, 1)),
        ("int8", (0, 8, 1)),
        ("int64", (0, 64, 1)),
        ("uint8", (1, 8, 1)),
        ("uint32", (1, 32, 1)),
        ("float16", (2, 16, 1)),
        ("bfloat16", (4, 16, 1)),
        ("complex128", (5, 128, 1)),
    ],
)
def test_elements_in_dlpack(count: Count, name: str, element: tuple[int, int, int]) -> None:
    with acquire_cuda(16) as buffer:
        seen = Consumed(buffer.view((), name).__dlpack__())
        assert (seen.element, seen.shape, seen.strides) == (element, (), ())
        seen.delete()


def test_empty_array_in_dlpack(count: Count) -> None:
    with acquire_cuda(16) as buffer:
        seen = Consumed(buffer.view((2, 0, 3)).__dlpack__())
        assert (seen.data, seen.shape, seen.strides) == (None, (2, 0, 3), (3, 3, 1))
        seen.delete()


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"copy": True}, BufferError, r"cannot export a copy: .* copy it with copy_to\(\)"),
        ({"dl_device": (1, 0)}, BufferError, r"memory is on DLPack device \(2, 0\)"),
        ({"dl_device": (2, 1)}, BufferError, "to another device"),
        ({"stream": 0}, ValueError, "0 is ambiguous"),
        ({"stream": -2}, ValueError, "stream must be None, -1, 1 or 2"),
        ({"stream": 2**64}, ValueError, "stream must be"),
        ({"stream": "s"}, ValueError, "stream must be"),
        ({"max_version": 1}, TypeError, "tuple"),
        ({"max_version": (-1, 0)}, OverflowError, "out of range"),
    ],
)
def test_dlpack_that_is_refused(
    count: Count, options: dict[str, Any], error: type[Exception], text: str
) -> None:
    with acquire_cuda(16) as buffer:
        with pytest.raises(error, match=text):
            buffer.__dlpack__(**options)
        for stream in (None, -1, 1, 2, 2**63 + 8):
            buffer.__dlpack__(stream=stream)


# Other processes.

OPENS = """
import pickle, sys
from napi_python import CudaBuffer
handle = pickle.loads(bytes.fromhex(sys.argv[1]))
with CudaBuffer.open(handle) as buffer:
    print(buffer.size, buffer.device, bytes(buffer).decode())
    view = buffer.view(2, offset=1)
view.copy_from(b"##")
view.release()
buffer = CudaBuffer.open(handle, device=0)
print(buffer.device, bytes(buffer).decode())
"""


def test_another_process_opens_a_buffer(count: Count) -> None:
    buffer = acquire_cuda(64, 1)
    buffer.fill(ord("."))
    part = buffer.view(6, offset=32)
    part.copy_from(b"shared")
    handle = part.ipc_handle()
    assert (handle.size, handle.offset, handle.device, len(handle.handle)) == (6, 32, 1, 64)
    assert repr(handle) == "<CudaHandle of 6 bytes on device 1>"
    assert copy.copy(handle) == handle == pickle.loads(pickle.dumps(handle))
    assert hash(handle) == hash(CudaHandle(handle.handle, 6, 1, 32))
    assert handle != part.view(5).ipc_handle()
    done = run_program(OPENS, pickle.dumps(handle).hex())
    assert done.stdout == "6 1 shared\n0 s##red\n", done.stderr
    assert done.returncode == 0
    assert bytes(part) == b"s##red"


def test_handle_of_this_process_is_refused(count: Count) -> None:
    with acquire_cuda(64) as buffer:
        text = "cannot open 64 bytes of another process .*CUDA_ERROR_INVALID_CONTEXT: .* another"
        with pytest.raises(CudaError, match=text):
            CudaBuffer.open(buffer.ipc_handle())


REFUSES = """
import pickle, sys
from napi_python import CudaBuffer, CudaError, CudaHandle
handle = pickle.loads(bytes.fromhex(sys.argv[1]))
def check(handle, error, text, **options):
    try:
        CudaBuffer.open(handle, **options)
    except error as caught:
        assert text in str(caught), caught
    else:
        raise AssertionError(handle)
check(CudaHandle(handle.handle, handle.size + 1, 0), CudaError, "CUDA_ERROR_INVALID_VALUE")
check(CudaHandle(handle.handle, handle.size, 0, 1), CudaError, "CUDA_ERROR_INVALID_VALUE")
check(CudaHandle(handle.handle, 2**62, 0, 2**62), ValueError, "it cannot have so many")
check(CudaHandle(handle.handle, 2**64 - 1, 0, 2**64 - 1), ValueError, "it cannot have so many")
check(CudaHandle(handle.handle, 0, 0), ValueError, "it cannot have so many")
check(CudaHandle(bytes(64), 8, 0), CudaError, "CUDA_ERROR_INVALID_HANDLE: invalid resource handle")
check(CudaHandle(b"\\xff" * 64, 8, 0), CudaError, "get a new handle from the process")
check(handle, CudaError, "the driver has 2 devices", device=7)
check(handle.handle, TypeError, "CudaHandle")
whole = CudaBuffer.open(handle)
try:
    whole.ipc_handle()
except CudaError as caught:
    assert caught.code == 1
print("refused")
"""


def test_handles_that_are_refused(count: Count) -> None:
    with acquire_cuda(64) as buffer:
        done = run_program(REFUSES, pickle.dumps(buffer.ipc_handle()).hex())
        assert done.stdout == "refused\n", done.stderr
    with pytest.raises(ValueError, match="handle must be 64 bytes, got 3"):
        CudaHandle(b"abc", 8, 0)
    with pytest.raises(TypeError):
        CudaHandle("abc", 8, 0)  # type: ignore[arg-type]
    with pytest.raises(OverflowError):
        CudaHandle(bytes(64), -8, 0)


def test_handle_of_a_freed_buffer(count: Count) -> None:
    buffer = acquire_cuda(64)
    handle = buffer.ipc_handle()
    buffer.release()
    program = """
import pickle, sys
from napi_python import CudaBuffer, CudaError
try:
    CudaBuffer.open(pickle.loads(bytes.fromhex(sys.argv[1])))
except CudaError as error:
    print(error.name)
"""
    done = run_program(program, pickle.dumps(handle).hex())
    assert done.stdout == "CUDA_ERROR_INVALID_HANDLE\n", done.stderr


def test_buffers_are_not_pickled(count: Count) -> None:
    with acquire_cuda(8) as buffer:
        for use in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match=r"pickle what ipc_handle\(\) returns"):
                use(buffer)


# Addons.


def test_buffer_is_an_object_to_an_addon(count: Count, js: Script) -> None:
    with acquire_cuda(64, 1) as buffer:
        describe = js(
            "x => [typeof x.pointer, x.pointer, x.size, x.device, Object.keys(x), "
            "Object.getPrototypeOf(x) === Object.prototype]"
        )
        keys = ["pointer", "size", "device"]
        assert describe(buffer) == ["bigint", buffer.ptr, 64, 1, keys, True]
        part = buffer.view(2, "float32", 8)
        assert describe(part)[:3] == ["bigint", buffer.ptr + 8, 8]
        # The same buffer twice is the same object, and what is written to it is lost.
        assert js("(a, b) => a === b.buffer && (a.size = 1, true)")(buffer, {"buffer": buffer})
        assert buffer.size == 64
        handle = buffer.ipc_handle()
        assert js("x => [Buffer.isBuffer(x.handle), x.handle.length, x.offset, x.size, x.device]")(
            handle
        ) == [True, 64, 0, 64, 1]
    with pytest.raises(ValueError, match="it was released") as caught:
        describe(buffer)
    assert "argument 1" in "".join(caught.value.__notes__)


def test_conversion_can_be_replaced(count: Count, js: Script) -> None:
    register(CudaBuffer, lambda buffer: buffer.size)
    try:
        with acquire_cuda(64) as buffer:
            assert js("x => x")(buffer) == 64
    finally:
        register(CudaBuffer, None)


# Without a driver, and with one that is not usable.


def test_nothing_is_loaded_before_it_is_used(library: Path) -> None:
    program = """
import sys
import napi_python
def is_loaded():
    return sys.argv[1] in open("/proc/self/maps").read()
assert not is_loaded()
napi_python.acquire_cuda(8).release()
assert is_loaded()
"""
    env = {**os.environ, VARIABLE: str(library)}
    done = run_program(program, library, env=env)
    assert done.returncode == 0, done.stderr


FAILS = """
from napi_python import CudaBuffer, CudaError, CudaHandle, acquire_cuda, preallocate_cuda
uses = (lambda: acquire_cuda(8), lambda: preallocate_cuda(8, 1),
        lambda: CudaBuffer.open(CudaHandle(bytes(64), 8, 0)))
errors = set()
for use in uses * 2:
    try:
        use()
    except CudaError as error:
        errors.add((str(error), error.name, error.code))
[(text, name, code)] = errors
print(name, code, text)
"""


def failure(driver: object, **more: str) -> str:
    """Returns what every use of CUDA raises in a new process: name, code and message."""
    done = run_program(FAILS, env={**os.environ, VARIABLE: str(driver), **more})
    assert done.returncode == 0, done.stderr
    return done.stdout.rstrip("\n")


def test_without_a_driver(tmp_path: Path) -> None:
    missing = tmp_path / "libcuda.so.1"
    assert failure(missing) == (
        f"None None CUDA is not available: {missing} cannot be loaded: {missing}: cannot open "
        "shared object file: No such file or directory; install the NVIDIA driver, or set "
        f"{VARIABLE} to its libcuda.so"
    )
    missing.write_text("not a library")
    assert "cannot be loaded" in failure(missing)
    # An empty variable is none.
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        text = failure("")
        assert text.startswith("None None CUDA is not available: libcuda.so.1 cannot be loaded: ")


def test_driver_that_is_too_old(tmp_path: Path) -> None:
    old = compiled(tmp_path, "libcuda-old.so", "-DTOO_OLD")
    assert failure(old) == (
        f"None None CUDA is not available: the driver {old} (CUDA 10.2) lacks "
        "cuDevicePrimaryCtxRelease_v2; install an NVIDIA driver for CUDA 11.0 or newer"
    )
    libc = Path(next(line.split()[-1] for line in maps() if "libc.so.6" in line))
    assert failure(libc).endswith("lacks cuInit; install an NVIDIA driver for CUDA 11.0 or newer")


def maps() -> list[str]:
    return Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()


def test_system_without_a_device(library: Path) -> None:
    assert failure(library, CUDA_STANDIN_DEVICES="0") == (
        "CUDA_ERROR_NO_DEVICE 100 CUDA is not available: CUDA_ERROR_NO_DEVICE: no CUDA-capable "
        "device is detected; check that nvidia-smi lists a GPU, and that CUDA_VISIBLE_DEVICES "
        "does not hide it"
    )
    assert failure(library, CUDA_STANDIN_FAIL="cuInit=803").startswith(
        "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH 803 CUDA is not available: "
    )
    assert failure(library, CUDA_STANDIN_FAIL="cuInit=3").startswith(
        "CUDA_ERROR_NOT_INITIALIZED 3 CUDA is not available: "
    )
    assert failure(library, CUDA_STANDIN_FAIL="cuDeviceGetCount=999").startswith(
        "None 999 CUDA is not available: an error without a name: error 999 of the driver"
    )


def test_device_that_cannot_be_used(library: Path) -> None:
    program = """
import os
from napi_python import CudaError, acquire_cuda
try:
    acquire_cuda(8)
except CudaError as error:
    print(error.code)
del os.environ["CUDA_STANDIN_FAIL"]
acquire_cuda(8).release()
"""
    env = {**os.environ, VARIABLE: str(library), "CUDA_STANDIN_FAIL": "cuDevicePrimaryCtxRetain=2"}
    done = run_program(program, env=env)
    assert done.stdout == "2\n", done.stderr
    assert done.returncode == 0


def test_first_use_in_many_threads_at_once(library: Path) -> None:
    program = """
import ctypes, os, threading
from napi_python import acquire_cuda
barrier = threading.Barrier(16)
kept = []
def work(number):
    barrier.wait()
    kept.append(acquire_cuda(8, number % 2))
threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
count = ctypes.CDLL(os.environ["NAPI_PYTHON_CUDA_DRIVER"]).standin_count
print(len(kept), count(b"allocations"), count(b"contexts"), count(b"entered"), count(b"strays"))
"""
    # All threads find that no context was retained.
    env = {**os.environ, VARIABLE: str(library), "CUDA_STANDIN_MEET": "16"}
    done = run_program(program, env=env)
    assert done.stdout == "16 16 2 0 0\n", done.stderr


# Forks and exits.

FORKS = """
import gc, os, sys
sys.path.append(sys.argv[1])
from children import forked
from dlpack_consumer import Consumed
from napi_python import CudaBuffer, CudaError, CudaHandle, acquire_cuda, preallocate_cuda

def child(work):
    assert forked(work) == 0

# As long as the parent has not used CUDA, a child can.
child(lambda: acquire_cuda(8).fill())

preallocate_cuda(64, 2)
kept = {"buffer": acquire_cuda(64)}
kept["buffer"].fill(1)
kept["capsule"] = kept["buffer"].__dlpack__()
kept["consumer"] = Consumed(kept["buffer"].__dlpack__())
buffer = acquire_cuda(64)
uses = [
    lambda: acquire_cuda(64), lambda: acquire_cuda(8), lambda: preallocate_cuda(8, 1),
    lambda: preallocate_cuda(64, 0), lambda: buffer.ptr, lambda: bytes(buffer), buffer.fill,
    lambda: buffer.copy_from(b"x"), lambda: buffer.copy_to(bytearray(1)), buffer.view,
    buffer.ipc_handle, lambda: buffer.__cuda_array_interface__, buffer.__dlpack__,
    buffer.__dlpack_device__, lambda: CudaBuffer.open(CudaHandle(bytes(64), 8, 0)),
]

def uses_it():
    for use in uses:
        try:
            use()
        except CudaError as error:
            assert "in this forked child" in str(error) and "spawn" in str(error), error
        else:
            raise AssertionError(use)
    assert buffer.size == 64 and "64 bytes" in repr(buffer)
    # What a child drops is the parent's: the driver is not called, which would abort.
    buffer.release()
    kept["consumer"].delete()
    kept.clear()
    gc.collect()

child(uses_it)
assert bytes(kept["buffer"]) == b"\\1" * 64
kept["consumer"].delete()
kept.clear()
buffer.release()
preallocate_cuda(64, 0)
print("done")
"""


def test_forked_child(library: Path) -> None:
    env = {**os.environ, VARIABLE: str(library)}
    done = run_program(FORKS, Path(__file__).parent, env=env)
    assert done.stdout == "done\n", done.stderr


EXITS = """
import atexit, sys, threading
sys.path.append(sys.argv[1])
from dlpack_consumer import Consumed
from napi_python import acquire_cuda, preallocate_cuda

preallocate_cuda(1 << 20, 2)
buffer = acquire_cuda(1 << 20)
view = buffer.view(dtype="float32")
capsule = view.__dlpack__()
consumer = Consumed(view.__dlpack__(max_version=(1, 0)))
class Keeper:
    def __del__(self, buffer=acquire_cuda(8)):
        buffer.fill()
cycle = Keeper()
cycle.itself = cycle
sys.modules["keeps a buffer"] = acquire_cuda(16)
atexit.register(acquire_cuda(32).release)
data = bytes(1 << 20)
begun = threading.Barrier(4)
def copies():
    begun.wait()
    while True:
        with acquire_cuda(1 << 20) as mine:
            mine.copy_from(data)
for _ in range(3):
    threading.Thread(target=copies, daemon=True).start()
begun.wait()
print("ended")
"""


@pytest.mark.parametrize("number", range(5))
def test_exit_with_buffers_alive(library: Path, number: int) -> None:
    env = {**os.environ, VARIABLE: str(library)}
    done = run_program(EXITS, Path(__file__).parent, env=env)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ended\n", "")


def test_many_rounds_leave_nothing(count: Count) -> None:
    for _ in range(500):
        with acquire_cuda(4096) as buffer:
            seen = Consumed(buffer.view(4, "float32").__dlpack__())
        seen.delete()
    assert count("allocations") == 0


def test_addon_in_its_own_process_is_unaffected(count: Count) -> None:
    with acquire_cuda(8), load_addon(addon_path("primitive")) as addon:
        assert host(addon).run_script("1 + 1") == 2


def test_example_of_the_documentation(count: Count) -> None:
    page = Path(__file__).parents[2] / "docs" / "memory.md"
    text = page.read_text(encoding="utf-8").split("\n## CUDA\n")[1]
    names: dict[str, Any] = {}
    exec(text.split("```python\n")[1].split("```")[0], names)  # noqa: S102 - our own page
    assert names["data"] == bytes(4096)
    names.clear()


def test_signatures_tell_the_defaults() -> None:
    shown: dict[Callable[..., Any], str] = {
        acquire_cuda: "(size, device=0)",
        preallocate_cuda: "(size, count, device=0)",
        CudaBuffer.view: "(self, /, shape=None, dtype='uint8', offset=0)",
        CudaBuffer.copy_from: "(self, source, /, offset=0)",
        CudaBuffer.copy_to: "(self, target, /, offset=0)",
    }
    for function, signature in shown.items():
        assert str(inspect.signature(function)) == signature


WHOLE = """
import os, pickle, subprocess, sys
from napi_python import CudaBuffer, CudaError, acquire_cuda, preallocate_cuda

CHILD = '''
import pickle, sys
from napi_python import CudaBuffer
with CudaBuffer.open(pickle.loads(bytes.fromhex(sys.argv[1]))) as buffer:
    assert bytes(buffer) == b"parent", bytes(buffer)
    buffer.copy_from(b"child!")
'''
SIZE = 4 << 20
try:
    buffer = acquire_cuda(SIZE)
except CudaError as error:
    sys.exit(f"unavailable: {error}")

data = os.urandom(SIZE)
buffer.copy_from(data)
assert bytes(buffer) == data
part = bytearray(1000)
buffer.view(SIZE - 8, offset=8).copy_to(part, offset=SIZE - 1008)
assert part == data[-1000:]
buffer.view(16, offset=16).fill(0xAB)
assert bytes(buffer.view(48)) == data[:16] + b"\\xab" * 16 + data[32:48]

shared = buffer.view(6, offset=4096)
shared.copy_from(b"parent")
handle = pickle.dumps(shared.ipc_handle()).hex()
subprocess.run([sys.executable, "-c", CHILD, handle], check=True)
assert bytes(shared) == b"child!"
try:
    CudaBuffer.open(shared.ipc_handle())
except CudaError as error:
    assert error.name, error
else:
    raise AssertionError("opened in the same process")
shared.release()
buffer.release()

preallocate_cuda(SIZE, 2)
first = acquire_cuda(SIZE)
address = first.ptr
first.fill(1)
first.release()
assert acquire_cuda(SIZE).ptr == address
preallocate_cuda(SIZE, 0)

for size, device, name in (
    (2**53, 0, "CUDA_ERROR_OUT_OF_MEMORY"),
    (8, 4096, "CUDA_ERROR_INVALID_DEVICE"),
    (8, -1, "CUDA_ERROR_INVALID_DEVICE"),
):
    try:
        acquire_cuda(size, device)
    except CudaError as error:
        assert error.name == name, error
    else:
        raise AssertionError(name)
print("whole")
"""


@pytest.mark.parametrize("driver", ["stand-in", "system"])
def test_whole_path_with_each_driver(library: Path, driver: str) -> None:
    """The same program with the stand-in and, where there is a GPU, with the system's driver."""
    env = {**os.environ, VARIABLE: str(library) if driver == "stand-in" else ""}
    done = run_program(WHOLE, env=env)
    assert done.stdout == "whole\n", done.stderr
