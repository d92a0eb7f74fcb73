"""Wrappers that pass bytes as an ArrayBuffer, a typed array, a DataView."""

from __future__ import annotations

import array
import mmap
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napi_python import ArrayBuffer, DataView, SharedArrayBuffer, TypedArray

if TYPE_CHECKING:
    from conftest import Script

KINDS = {
    "int8": ("Int8Array", [-1, 2]),
    "uint8": ("Uint8Array", [1, 255]),
    "uint8clamped": ("Uint8ClampedArray", [1, 255]),
    "int16": ("Int16Array", [-300, 2]),
    "uint16": ("Uint16Array", [300, 2]),
    "int32": ("Int32Array", [-70000, 2]),
    "uint32": ("Uint32Array", [70000, 2]),
    "float16": ("Float16Array", [0.5, -2]),
    "float32": ("Float32Array", [0.5, -2]),
    "float64": ("Float64Array", [0.1, -2]),
    "bigint64": ("BigInt64Array", [-(2**60), 2]),
    "biguint64": ("BigUint64Array", [2**63, 2]),
}


@pytest.fixture(scope="module")
def look(js: Script) -> Any:
    return js("(v) => [Object.prototype.toString.call(v).slice(8, -1), v.byteLength]")


@pytest.mark.parametrize("source", [b"abcd", bytearray(b"abcd"), array.array("i", [1])])
def test_wrapper_has_the_kind_that_it_names(source: Any, look: Any, js: Script) -> None:
    assert look(ArrayBuffer(source)) == ["ArrayBuffer", 4]
    assert look(SharedArrayBuffer(source)) == ["SharedArrayBuffer", 4]
    assert look(DataView(source)) == ["DataView", 4]
    assert js("(b) => [...new Uint8Array(b)]")(ArrayBuffer(source)) == list(bytes(source))


@pytest.mark.parametrize("kind", KINDS)
def test_typed_array_of_numbers_and_of_bytes(kind: Any, js: Script) -> None:
    name, numbers = KINDS[kind]
    look = js("(v) => [v.constructor.name, [...v]]")
    assert look(TypedArray(kind, numbers)) == [name, numbers]
    raw = bytes(js(f"(v) => new {name}(v)")([1, 2]) if "64" not in name else b"\1" + b"\0" * 7)
    assert look(TypedArray(kind, raw))[0] == name
    assert look(TypedArray(kind, b"")) == [name, []]


def test_buffer_of_the_same_elements_is_taken_as_it_is(js: Script) -> None:
    total = js("(v) => v.constructor.name + [...v]")
    assert total(TypedArray("float32", np.array([0.5, 1], "f"))) == "Float32Array0.5,1"
    assert total(TypedArray("bigint64", np.array([7]))) == "BigInt64Array7"
    assert (
        total(TypedArray("float64", memoryview(array.array("d", [0.5])).cast("B")))
        == "Float64Array0.5"
    )


def test_wrong_sources_are_refused() -> None:
    with pytest.raises(TypeError, match="is no float32; convert its elements"):
        TypedArray("float32", np.array([0.5]))
    with pytest.raises(ValueError, match="3 bytes are no whole number of uint16"):
        TypedArray("uint16", b"abc")
    with pytest.raises(ValueError, match="must be one of int8"):
        TypedArray("int7", b"")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="do not fit"):
        TypedArray("uint8", [256])
    for make in (ArrayBuffer, DataView, SharedArrayBuffer):
        with pytest.raises(TypeError, match="takes an object with bytes"):
            make("text")


def test_source_that_shrank_is_refused(js: Script) -> None:
    source = bytearray(4)
    view = TypedArray("uint16", source)
    source.pop()
    with pytest.raises(TypeError, match="argument 1: the bytes are no whole number"):
        js("(v) => 0")(view)


@pytest.mark.parametrize("make", [ArrayBuffer, SharedArrayBuffer])
def test_changes_of_the_buffer_are_written_back(make: Any, js: Script) -> None:
    source = bytearray(4)
    js("(b) => { new Uint8Array(b).set([1, 2], 1); }")(make(source))
    assert source == b"\0\1\2\0"


def test_writes_reach_sources_of_every_kind(js: Script) -> None:
    numbers = np.zeros(4, "f")
    js("(v) => { v[1] = 0.5; }")(TypedArray("float32", numbers[::2]))
    assert list(numbers) == [0, 0, 0.5, 0]
    with mmap.mmap(-1, 4) as memory:
        js("(v) => { v.setUint16(1, 0x0102); }")(DataView(memory))
        assert memory[:] == b"\0\1\2\0"
    source = bytearray(2)
    seen: list[int] = []
    js("(v, f) => { v.setUint8(0, 7); f(); }")(DataView(source), lambda: seen.append(source[0]))
    assert seen == [7]
    assert source == b"\7\0"


def test_one_wrapper_is_one_buffer_within_a_message(js: Script) -> None:
    view = ArrayBuffer(bytearray(2))
    assert js("(a, [b]) => a === b")(view, [view])


def test_bytes_stay_as_they_are(js: Script) -> None:
    js("(b) => { new Uint8Array(b)[0] = 9; }")(ArrayBuffer(b"ab"))


def test_nothing_keeps_a_wrapper_or_its_source(js: Script) -> None:
    source = bytearray(2)
    before = sys.getrefcount(source)
    js("(b) => 0")(ArrayBuffer(source))
    js("(b) => 0")(1)
    assert sys.getrefcount(source) == before
    source.append(1)
