"""JavaScript buffers in Python: the buffer protocol, and identity."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napi_python import Buffer

if TYPE_CHECKING:
    from conftest import Script


@pytest.mark.parametrize(
    ("source", "code", "values"),
    [
        ("Int8Array.of(-1, 2)", "b", [-1, 2]),
        ("Uint8Array.of(1, 255)", "B", [1, 255]),
        ("Uint8ClampedArray.of(1, 300)", "B", [1, 255]),
        ("Int16Array.of(-1)", "h", [-1]),
        ("Uint16Array.of(65535)", "H", [65535]),
        ("Int32Array.of(-1)", "i", [-1]),
        ("Uint32Array.of(4294967295)", "I", [4294967295]),
        ("Float32Array.of(0.5)", "f", [0.5]),
        ("Float64Array.of(0.1)", "d", [0.1]),
        ("BigInt64Array.of(-1n)", "q", [-1]),
        ("BigUint64Array.of(1n)", "Q", [1]),
    ],
)
def test_typed_array_has_the_right_format(
    source: str, code: str, values: list[Any], js: Script
) -> None:
    buffer = js(source)
    assert isinstance(buffer, Buffer)
    view = memoryview(buffer)
    assert view.format == code
    assert view.tolist() == values
    assert view.readonly
    assert np.asarray(buffer).tolist() == values
    assert len(buffer) == len(values)


@pytest.mark.parametrize(
    "source",
    [
        "Buffer.from([1, 2, 3])",
        "Uint8Array.of(1, 2, 3).buffer",
        "new DataView(Uint8Array.of(1, 2, 3).buffer)",
    ],
)
def test_bytes_of_a_buffer(source: str, js: Script) -> None:
    buffer = js(source)
    assert bytes(buffer) == b"\x01\x02\x03"
    assert buffer == b"\x01\x02\x03"
    assert buffer != b"other"
    assert buffer[1] == 2
    assert bytes(buffer[1:]) == b"\x02\x03"


def test_empty_buffer(js: Script) -> None:
    buffer = js("Buffer.alloc(0)")
    assert bytes(buffer) == b""
    assert len(buffer) == 0


def test_float16_of_numpy_goes_over(js: Script) -> None:
    if not js("typeof Float16Array === 'function'"):
        with pytest.raises(Exception, match="16"):
            js("(b) => b.length")(np.zeros(2, dtype=np.float16))
        return
    assert js("(b) => [b.constructor.name, b[0]]")(np.array([0.5], dtype=np.float16)) == [
        "Float16Array",
        0.5,
    ]
    back = js("Float16Array.of(0.5)")
    assert np.asarray(back).dtype == np.float16


def test_passed_back_it_is_the_very_object(js: Script) -> None:
    js("globalThis.bytes_ = Uint8Array.of(1, 2)")
    buffer = js("bytes_")
    assert js("(b) => b === bytes_")(buffer)
    assert js("([b]) => b === bytes_")([buffer])


def test_bytes_that_changed_meanwhile_come_with_the_next_receipt(js: Script) -> None:
    js("globalThis.changing = Uint8Array.of(1)")
    before = js("changing")
    js("changing[0] = 9")
    assert bytes(js("changing")) == b"\x09"
    assert bytes(before) == b"\x01"


def test_bytes_as_text(js: Script) -> None:
    buffer = js("Buffer.from([0xc3, 0xa9, 0x21])")
    assert buffer.hex() == "c3a921"
    assert buffer.hex("-", 2) == bytes(buffer).hex("-", 2)
    assert buffer.hex(sep=b":") == "c3:a9:21"
    assert buffer.decode() == "é!"
    assert buffer.decode("latin-1") == "Ã©!"
    assert buffer.decode(errors="ignore", encoding="ascii") == "!"
    assert js("Uint16Array.of(0x3041)").decode("utf-16-le") == "\u3041"
    with pytest.raises(UnicodeDecodeError):
        buffer.decode("ascii")
    with pytest.raises(LookupError):
        buffer.decode("no-such-codec")
    with pytest.raises(TypeError):
        buffer.hex(1)


def test_a_buffer_is_read_only(js: Script) -> None:
    view = memoryview(js("Buffer.from('abc')"))
    with pytest.raises(TypeError, match="read-only"):
        view[0] = 1


def test_a_buffer_is_not_pickled(js: Script) -> None:
    with pytest.raises(TypeError, match=r"bytes\(buffer\)"):
        pickle.dumps(js("Buffer.from('abc')"))


def test_a_large_buffer_goes_over_and_back(js: Script) -> None:
    large = bytes(range(256)) * 20_000
    assert js("(b) => b.length")(large) == len(large)
    assert bytes(js("(b) => Buffer.from(b)")(large)) == large
