"""Buffers of an addon as DLPack capsules and by `__array_interface__`."""

from __future__ import annotations

import gc
import threading
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import Script, addon_path, run_program
from dlpack_consumer import Consumed

# The JavaScript kinds of buffers, with the element type that Python sees.
KINDS = {
    "Int8Array": "int8",
    "Uint8Array": "uint8",
    "Uint8ClampedArray": "uint8",
    "Int16Array": "int16",
    "Uint16Array": "uint16",
    "Int32Array": "int32",
    "Uint32Array": "uint32",
    "Float32Array": "float32",
    "Float64Array": "float64",
    "BigInt64Array": "int64",
    "BigUint64Array": "uint64",
}


@pytest.mark.parametrize(("kind", "dtype"), KINDS.items())
def test_numpy_shares_a_typed_array(js: Script, kind: str, dtype: str) -> None:
    number = "BigInt" if kind.startswith("Big") else "Number"
    buffer = js(f"{kind}.from([1, 2, 100], {number})")
    seen = np.from_dlpack(buffer)
    assert seen.dtype == dtype
    assert seen.tolist() == [1, 2, 100]
    assert not seen.flags.writeable
    assert np.shares_memory(seen, np.asarray(buffer))
    assert buffer.__dlpack_device__() == (1, 0)
    interface = buffer.__array_interface__
    assert interface["typestr"] == np.dtype(dtype).str
    assert np.asarray(SimpleNamespace(__array_interface__=interface)).tolist() == [1, 2, 100]


@pytest.mark.parametrize(
    "source", ["Buffer.from('abc')", "new ArrayBuffer(3)", "new DataView(new ArrayBuffer(3))"]
)
def test_bytes_of_other_buffers(js: Script, source: str) -> None:
    buffer = js(source)
    assert np.from_dlpack(buffer).tobytes() == bytes(buffer)
    assert np.from_dlpack(buffer).dtype == "uint8"


def test_array_interface(js: Script) -> None:
    buffer = js("new Float64Array([1.5, -2])")
    address = np.asarray(buffer).ctypes.data
    assert buffer.__array_interface__ == {
        "shape": (2,),
        "typestr": "<f8",
        "data": (address, True),
        "strides": None,
        "version": 3,
    }


def test_structure_of_the_capsule(js: Script) -> None:
    buffer = js("new Uint16Array([1, 2, 3])")
    seen = Consumed(buffer.__dlpack__(max_version=(1, 0), dl_device=(1, 0), copy=False))
    assert (seen.name, seen.version, seen.flags) == ("dltensor_versioned", (1, 0), 1)
    assert (seen.data, seen.byte_offset) == (np.asarray(buffer).ctypes.data, 0)
    assert (seen.device, seen.element) == ((1, 0), (1, 16, 1))
    assert (seen.shape, seen.strides) == ((3,), (1,))
    seen.delete()


def test_read_only_memory_needs_dlpack_1(js: Script) -> None:
    buffer = js("new Uint8Array(3)")
    for wanted in (None, (0, 8)):
        with pytest.raises(BufferError, match=r"cannot export read-only memory: .* copy=True"):
            buffer.__dlpack__(max_version=wanted)


@pytest.mark.parametrize("wanted", [None, (1, 0)])
def test_copy_is_writable(js: Script, wanted: tuple[int, int] | None) -> None:
    buffer = js("new Uint8Array([1, 2, 3])")
    mine = np.from_dlpack(buffer, copy=True)
    mine[0] = 9
    assert mine.tolist() == [9, 2, 3]
    assert bytes(buffer) == b"\1\2\3"
    seen = Consumed(buffer.__dlpack__(max_version=wanted, copy=True))
    assert seen.flags == (2 if wanted else 0)
    assert seen.data != np.asarray(buffer).ctypes.data
    seen.delete()
    empty = np.from_dlpack(js("new Float32Array(0)"), copy=True)
    assert empty.shape == (0,)
    assert empty.dtype == "float32"


def test_empty_buffer(js: Script) -> None:
    buffer = js("new Float32Array(0)")
    seen = Consumed(buffer.__dlpack__(max_version=(1, 0)))
    assert (seen.data, seen.shape, seen.strides) == (None, (0,), (1,))
    seen.delete()
    assert np.from_dlpack(buffer).size == 0


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
    js: Script, options: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        js("new Uint8Array(3)").__dlpack__(**options)


@pytest.mark.parametrize("copy", [False, True])
def test_memory_lives_until_the_consumer_is_done(js: Script, copy: bool) -> None:
    buffer = js("new Uint8Array(100000).fill(7)")
    alive = weakref.ref(buffer)
    kept = [Consumed(buffer.__dlpack__(max_version=(1, 0), copy=copy)) for _ in range(4)]
    array = np.from_dlpack(buffer)
    unused = buffer.__dlpack__(max_version=(1, 0))
    del buffer, unused
    gc.collect()
    assert alive() is not None
    assert set(array.tobytes()) == {7}
    del array
    for consumer in kept:
        # Without the interpreter, in a thread that has never run Python of its own.
        assert copy or alive() is not None
        thread = threading.Thread(target=consumer.delete)
        thread.start()
        thread.join()
    gc.collect()
    assert alive() is None


EXITS = """
import sys
sys.path.append(sys.argv[1])
import numpy as np
from dlpack_consumer import Consumed
from napi_python import host, load_addon
addon = load_addon(sys.argv[2])
buffer = host(addon).run_script("new Uint8Array([1, 2, 3])")
array = np.from_dlpack(buffer)
capsule = buffer.__dlpack__(max_version=(1, 0))
consumer = Consumed(buffer.__dlpack__(max_version=(1, 0)))
class Late:
    def __del__(self, consumer=consumer):
        consumer.delete()
late = Late()
late.itself = late
sys.modules["keeps one"] = np.from_dlpack(buffer)
print(array.sum())
"""


def test_exit_with_consumers_alive() -> None:
    done = run_program(EXITS, Path(__file__).parent, addon_path("primitive"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "6\n", "")
