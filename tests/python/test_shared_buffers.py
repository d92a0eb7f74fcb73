"""Large buffers: their bytes lie in memory that both processes share."""

from __future__ import annotations

import array
import asyncio
import contextlib
import mmap
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import addon_path
from napi_python import (
    ArrayBuffer,
    Buffer,
    DataView,
    JSError,
    SharedArrayBuffer,
    TypedArray,
    host,
    load_addon,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Script
    from napi_python import Addon

#: more than what travels in a frame, and no multiple of a page
LENGTH = 100_008
PIECE = 4096

DATA = bytes(range(251)) * (LENGTH // 251 + 1)
DATA = DATA[:LENGTH]

SUM = """b => {
    const bytes = ArrayBuffer.isView(b) ? new Uint8Array(b.buffer, b.byteOffset, b.byteLength)
                                        : new Uint8Array(b);
    let sum = 0;
    for (let i = 0; i < bytes.length; i += 97) sum += bytes[i];
    return [b.constructor.name, bytes.length, sum];
}"""


@pytest.fixture
def fresh() -> Iterator[Callable[..., Addon]]:
    """Loads an addon into a host of its own, with options."""
    with contextlib.ExitStack() as hosts:
        yield lambda **options: hosts.enter_context(load_addon(addon_path("primitive"), **options))


def total(data: bytes) -> int:
    """Returns what the script sums."""
    return sum(data[::97])


def mapped(tmp_path: Path) -> mmap.mmap:
    """Returns a mapped file."""
    path = tmp_path / "mapped"
    path.write_bytes(DATA)
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), 0)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (bytes, "Buffer"),
        (bytearray, "Buffer"),
        (memoryview, "Buffer"),
        (lambda data: array.array("d", data), "Float64Array"),
        (lambda data: np.frombuffer(data, "int16"), "Int16Array"),
        (lambda data: np.frombuffer(bytearray(data), "float64"), "Float64Array"),
        (ArrayBuffer, "ArrayBuffer"),
        (DataView, "DataView"),
        (SharedArrayBuffer, "SharedArrayBuffer"),
        (lambda data: TypedArray("uint8", bytearray(data)), "Uint8Array"),
    ],
)
def test_argument_has_its_bytes(make: Callable[[bytes], Any], name: str, js: Script) -> None:
    assert js(SUM)(make(DATA)) == [name, LENGTH, total(DATA)]


def test_mapped_file_is_an_argument(tmp_path: Path, js: Script) -> None:
    assert js(SUM)(mapped(tmp_path)) == ["Uint8Array", LENGTH, total(DATA)]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("step", [1, 2, -1])
def test_array_of_any_layout_crosses_and_is_written_back(order: Any, step: int, js: Script) -> None:
    whole = np.asarray(np.arange(200 * 300, dtype="int32").reshape(200, 300), order=order)
    part = whole[::step, 10::step]
    before, outside = part.copy(), whole[:, 0].copy()
    assert js("a => a[5] = a.reduce((x, y) => x + y, 0) | 0")(part) == int(
        np.int64(before.sum()).astype("int32")
    )
    flat = before.ravel()
    flat[5] = np.int64(flat.sum()).astype("int32")
    assert (part == flat.reshape(before.shape)).all()
    assert (whole[:, 0] == outside).all()


@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_next_call_reuses_the_memory_of_an_argument(
    kind: Callable[[bytes], Any], fresh: Callable[..., Addon]
) -> None:
    loaded = fresh()
    length = host(loaded).run_script("b => b.length")
    argument = kind(bytes(1 << 20))
    for _ in range(5):
        assert length(argument) == 1 << 20
        shared = host(loaded).stats()["shared"]
        assert (shared["arguments"], shared["retained"]) == (0, 1 << 20)


def test_read_only_memory_is_not_changed(js: Script) -> None:
    frozen = np.frombuffer(DATA, "uint8")
    assert js("a => { a.fill(7); return a[50000]; }")(frozen) == 7
    assert frozen.tobytes() == DATA
    assert js("a => { a.fill(7); return a[50000]; }")(DATA) == 7
    assert total(DATA) == sum(bytes(DATA)[::97])


def test_changes_are_written_back_wherever_they_are(js: Script) -> None:
    places = [0, 1, PIECE - 1, PIECE, 50_000, LENGTH - 1]
    target = bytearray(DATA)
    js("(b, places) => { for (const place of places) b[place] = 252; }")(target, places)
    expected = bytearray(DATA)
    for place in places:
        expected[place] = 252
    assert target == expected


@pytest.mark.parametrize("step", [1, 2])
def test_changes_of_a_long_buffer_are_written_back(step: int, js: Script) -> None:
    whole = np.arange(9_000_001 * step, dtype="uint8")
    target = whole[::step]
    run = 4 << 20  # what is copied between two pauses
    places = [0, run - 1, run, run + PIECE, 2 * run - 1, 2 * run, 9_000_000]
    expected = target.copy()
    for place in places:
        expected[place] ^= 1

    def callback() -> None:
        target[run // 2] = expected[run // 2] = 77

    js("(b, places, f) => { f(); for (const place of places) b[place] ^= 1; }")(
        target, places, callback
    )
    assert (target == expected).all()


@pytest.mark.parametrize("length", [100, 20_000, LENGTH])
def test_shared_array_buffer_is_written_back(length: int, js: Script) -> None:
    target = bytearray(length)
    js("b => { new Uint8Array(b)[3] = 7; }")(SharedArrayBuffer(target))
    assert target[3] == 7


def test_callback_sees_changes_and_its_own_are_kept(js: Script) -> None:
    target = bytearray(DATA)
    seen = []

    def callback() -> None:
        seen.append((target[0], target[20_000]))
        target[40_000] = 253
        target[60_000] = 253

    js("(b, f) => { b[0] = 252; f(); b[60001] = 251; b[20000] = 250; f(); }")(target, callback)
    assert seen == [(252, DATA[20_000]), (252, 250)]
    assert (target[40_000], target[0], target[60_001]) == (253, 252, 251)


def test_same_buffer_twice_is_one_object_and_slices_are_copies(js: Script) -> None:
    target = bytearray(DATA)
    assert js("(a, b) => { b[9] = 252; return a === b && a[9]; }")(target, target) == 252
    assert target[9] == 252
    first, second = memoryview(target)[:50_000], memoryview(target)[25_000:75_000]
    js("(a, b) => { a[0] = 1; b[49999] = 2; }")(first, second)
    assert (target[0], target[74_999]) == (1, 2)


def test_same_memory_read_only_and_writable(js: Script) -> None:
    target = bytearray(DATA)
    js("(a, b) => { a[0] = 9; b[1] = 8; }")(memoryview(target).toreadonly(), target)
    assert target[:2] == bytes([DATA[0], 8])


def test_addon_keeps_an_argument(js: Script) -> None:
    keep, read = js(
        """(() => {
            const kept = [];
            return [b => { kept.push(b); }, () => kept.map(b => b[70000])];
        })()"""
    )
    for number in range(5):
        keep(bytes([number]) * LENGTH)
    sums = js(SUM)
    for _ in range(20):
        sums(DATA)
    assert read() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("make", [bytes, bytearray, lambda data: np.frombuffer(data, "uint16")])
def test_argument_comes_back_as_a_live_view(
    make: Callable[[bytes], Any], fresh: Callable[..., Addon]
) -> None:
    loaded = fresh()
    run = host(loaded).run_script
    target = make(DATA)
    back, part = run(
        "b => { globalThis.kept = b; b[1] = 9; return [b, b.subarray(b.length / 2)]; }"
    )(target)
    assert (back.shared, part.shared, back[1]) == (True, True, 9)
    assert bytes(part) == DATA[LENGTH // 2 :]
    run("kept[2] = 7")
    assert back[2] == 7
    back[3] = 5
    assert run("kept[3]") == 5
    assert run("(b, p) => b === kept && b.buffer === p.buffer")(back, part)
    assert bytes(memoryview(target).cast("B"))[4:8] == DATA[4:8], "a copy of what was passed"
    assert run("kept.subarray(0, 100)").shared is False, "a small part of an argument"
    run("kept = null")
    host(loaded).restart()
    assert (back[1], back[2], bytes(part)) == (9, 7, DATA[LENGTH // 2 :])
    # What is free is used by others, and what is not is not.
    run("b => b.length")(bytes(LENGTH))
    assert back[3] == 5


def test_memory_of_arguments_that_come_back_is_released(fresh: Callable[..., Addon]) -> None:
    loaded = fresh()
    run = host(loaded).run_script
    part = run("b => b.subarray(10)")

    def call(number: int) -> None:
        for _ in range(50):
            back = part(bytes([number]) * LENGTH)
            assert (len(back), back[0]) == (LENGTH - 10, number)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(call, range(8)))
    for _ in range(3):
        run("0")
    host(loaded).collect()
    assert host(loaded).stats()["shared"]["arguments"] == 0


def test_callback_gets_the_memory_of_an_argument(js: Script) -> None:
    target = bytearray(DATA)

    def callback(buffer: Buffer) -> Buffer:
        assert buffer.shared
        buffer[0] = 250
        return buffer

    same = js("(b, f) => f(b) === b && b[0]")
    assert same(target, callback) == 250
    assert target[0] == 250


def test_promise_of_an_argument(js: Script) -> None:
    async def awaited() -> Any:
        return await js("b => Promise.resolve(b)")(DATA)

    back = asyncio.run(awaited())
    assert back.shared
    assert bytes(back) == DATA


@pytest.mark.parametrize(
    "how", ["b.buffer.transfer()", "structuredClone(b.buffer, {transfer: [b.buffer]})"]
)
def test_argument_is_detached(how: str, js: Script) -> None:
    target = bytearray(DATA)
    script = f"""(() => {{
        let kept;
        const take = b => {{ b[3] = 252; kept = {how}; return b.length; }};
        return [take, () => new Uint8Array(kept)[3]];
    }})()"""
    take, read = js(script)
    assert take(target) == 0
    assert target[3] == 252
    for _ in range(5):
        js(SUM)(DATA)
    assert read() == 252


def test_buffer_that_is_resized_during_the_call(js: Script) -> None:
    target = bytearray(DATA)
    with pytest.raises(BufferError, match="changed its size"):
        js("(b, f) => { f(); b[99999] = 252; }")(target, target.clear)


def test_buffer_that_grows_during_the_call(js: Script) -> None:
    target = bytearray(DATA)
    js("(b, f) => { f(); b[99999] = 252; }")(target, lambda: target.extend(b"more"))
    assert (len(target), target[99999]) == (LENGTH + 4, 252)
    assert target.endswith(b"more")


@pytest.mark.parametrize("length", [0, 10, LENGTH // 2, 4 * LENGTH])
def test_view_of_a_buffer_that_javascript_resizes(length: int, js: Script) -> None:
    run = js(f"""(() => {{
        const made = new ArrayBuffer({LENGTH}, {{maxByteLength: {8 * LENGTH}}});
        new Uint8Array(made).fill(7);
        return [() => made, x => {{ made.resize(x); return new Uint8Array(made).fill(9).length; }}];
    }})()""")
    buffer = run[0]()
    view = memoryview(buffer)
    assert run[1](length) == length
    # It has the bytes of either moment at each place, and keeps its length.
    assert (view.nbytes, set(bytes(view)) <= {0, 7, 9}) == (LENGTH, True)
    assert bytes(run[0]()) == b"\x09" * length
    js(f"globalThis.others = Array.from({{length: 9}}, () => new Uint8Array({LENGTH}).fill(3))")
    assert 3 not in bytes(view), "its memory is not used for others"
    js("others = null")


def test_buffers_in_containers_and_callbacks(js: Script) -> None:
    target = bytearray(DATA)
    assert (
        js("o => { o.list[1][7] = 252; return o.list[1].length; }")({"list": [0, target]}) == LENGTH
    )
    assert target[7] == 252
    results = js("(f, g) => { const b = f(); b[0] = 5; return [b.length, g(b), b[0]]; }")(
        lambda: DATA, lambda buffer: bytes(buffer[:2])
    )
    assert [results[0], bytes(results[1]), results[2]] == [LENGTH, bytes([5, DATA[1]]), 5]


MAKERS = [
    f"new ArrayBuffer({LENGTH})",
    f"new Uint8Array({LENGTH})",
    f"new Float64Array({LENGTH} / 8)",
    f"new DataView(new ArrayBuffer({LENGTH}))",
    f"new SharedArrayBuffer({LENGTH})",
    f"new SharedArrayBuffer({LENGTH}, {{maxByteLength: 2 * {LENGTH}}})",
    f"Buffer.alloc({LENGTH})",
    f"Buffer.allocUnsafe({LENGTH}).fill(0)",
    f"Buffer.from('00'.repeat({LENGTH}), 'hex')",
    f"new Uint8Array(2 * {LENGTH}).subarray(8, {LENGTH} + 8)",
]


@pytest.mark.parametrize("make", MAKERS)
def test_result_is_a_live_view(make: str, js: Script) -> None:
    made, bytes_of = js(f"""(() => {{
        const made = {make};
        const bytes = ArrayBuffer.isView(made)
            ? new Uint8Array(made.buffer, made.byteOffset, made.byteLength) : new Uint8Array(made);
        return [() => made, (at, value) => value === undefined ? bytes[at] : bytes[at] = value];
    }})()""")
    buffer = made()
    assert isinstance(buffer, Buffer)
    assert buffer.shared
    view = memoryview(buffer).cast("B")
    assert (view.nbytes, view.readonly, view[77]) == (LENGTH, False, 0)
    bytes_of(77, 252)
    assert view[77] == 252
    view[78] = 251
    assert bytes_of(78) == 251
    assert made() is buffer, "as long as it is alive"
    stable = bytes(buffer)
    bytes_of(77, 1)
    assert (stable[77], view[77]) == (252, 1)


def test_small_results_are_copies(js: Script) -> None:
    buffer = js("globalThis.small = new Uint8Array(100)")
    assert not buffer.shared
    assert memoryview(buffer).readonly
    js("small[0] = 9")
    assert buffer[0] == 0


def test_numpy_works_on_a_result(js: Script) -> None:
    buffer = js("globalThis.numbers = new Float64Array(10000).fill(2)")
    numbers = np.asarray(buffer)
    numbers *= 3
    assert js("numbers[9999]") == 6
    assert not numbers.flags.owndata


def test_memory_of_the_addon_is_copied() -> None:
    with load_addon(addon_path("arraybuffer")) as loaded:
        made = loaded.napi_create_external_arraybuffer(LENGTH).result
        assert not made.shared
        assert memoryview(made).readonly
        assert len(made) == LENGTH
        assert bytes(made) == bytes(made.toreadonly())
        assert hash(made) == hash(bytes(made))


def test_shared_buffer_cannot_be_hashed(js: Script) -> None:
    with pytest.raises(TypeError, match="not hashable"):
        hash(js(f"new Uint8Array({LENGTH})"))


def test_read_only_view(js: Script) -> None:
    buffer = js(f"new Uint8Array({LENGTH})")
    view = buffer.toreadonly()
    assert view.readonly
    assert view.nbytes == LENGTH


def test_view_outlives_its_buffer_and_its_host(fresh: Callable[..., Addon]) -> None:
    loaded = fresh()
    run = host(loaded).run_script
    buffer = run(f"globalThis.b = new Uint8Array({LENGTH}).fill(7)")
    view = memoryview(buffer)
    run("b.buffer.transfer()")
    run(f"globalThis.others = Array.from({{length: 20}}, () => new Uint8Array({LENGTH}).fill(9))")
    assert view[5000] == 7, "its memory is not used for others"
    del buffer
    kept = run("others[3]")
    host(loaded).restart()
    assert (view[LENGTH - 1], kept[0]) == (7, 9)
    view[0] = 1
    host(loaded).close()
    assert (view[0], bytes(kept)[-1]) == (1, 9)
    pid = os.fork()
    if pid == 0:
        os._exit(0 if (view[0], kept[1]) == (1, 9) else 1)
    assert os.waitpid(pid, 0)[1] == 0


def test_killed_host_leaves_views_and_no_memory(fresh: Callable[..., Addon]) -> None:
    loaded = fresh()
    run = host(loaded).run_script
    view = memoryview(run(f"new Uint8Array({LENGTH}).fill(7)"))
    with pytest.raises(Exception, match="exit"):
        run("process.exit(3)")
    assert view[0] == 7
    assert js_sum(loaded, DATA) == ["Buffer", LENGTH, total(DATA)], "the next host has memory, too"
    assert view.tobytes() == b"\x07" * LENGTH


def js_sum(loaded: Addon, data: Any) -> Any:
    """Sums in a script."""
    return host(loaded).run_script(SUM)(data)


def test_promise_of_a_buffer(js: Script) -> None:
    async def awaited() -> Any:
        return await js(f"Promise.resolve(new Uint8Array({LENGTH}).fill(7))")

    buffer = asyncio.run(awaited())
    assert buffer.shared
    assert buffer[LENGTH - 1] == 7


def test_memory_stays_flat(fresh: Callable[..., Addon]) -> None:
    loaded = fresh()
    run = host(loaded).run_script
    make, read = run("n => new Uint8Array(n).fill(1)"), run("b => b[b.length - 1]")
    data = bytes(1 << 20)
    for _ in range(300):
        assert make(1 << 20)[0] == 1
        assert read(data) == 0
    stats = host(loaded).stats()
    assert stats["shared"]["results"] <= 4 << 20
    assert stats["shared"]["arguments"] <= 4 << 20
    assert stats["shared"]["retained"] > 0
    host(loaded).collect()
    assert host(loaded).stats()["shared"]["retained"] == 0


def test_read_only_signed_bytes_are_never_written_to(js: Script) -> None:
    # What pyarrow.Buffer exports: read-only elements of the format "b".
    data = bytes(LENGTH)
    view = memoryview(data).cast("b")
    assert view.readonly
    change = js("b => { b[70000] = -1; return [b.constructor.name, b[70000], b.length]; }")
    assert change(view) == ["Int8Array", -1, LENGTH]
    assert data.count(0) == LENGTH
    assert memoryview(js("b => b")(view[::2])).tolist() == [0] * (LENGTH // 2)


def test_without_shared_memory_they_are_copied(fresh: Callable[..., Addon]) -> None:
    loaded = fresh(carrier="socket")
    assert js_sum(loaded, DATA) == ["Buffer", LENGTH, total(DATA)]
    target = bytearray(DATA)
    host(loaded).run_script("b => { b[70000] = 252; }")(target)
    assert target[70_000] == 252
    buffer = host(loaded).run_script(f"new Uint8Array({LENGTH}).fill(7)")
    assert not buffer.shared
    assert bytes(buffer) == b"\x07" * LENGTH


@pytest.mark.parametrize("length", [16, LENGTH])
def test_slices_are_buffers(length: int, js: Script) -> None:
    buffer = js(f"globalThis.sliced = Uint16Array.from({{length: {length} / 2}}, (_, i) => i)")
    part = buffer[2:5]
    assert isinstance(part, Buffer)
    assert (memoryview(part).tolist(), part.shared) == ([2, 3, 4], buffer.shared)
    assert js(SUM)(part)[:2] == ["Uint16Array", 6]
    assert memoryview(buffer[-3:][1:]).tolist() == memoryview(buffer).tolist()[-2:]
    assert (memoryview(buffer[7:3]).tolist(), len(buffer[:])) == ([], length // 2)
    assert buffer[6:0:-2].tolist() == [6, 4, 2]
    if buffer.shared:
        part[0] = 99
        assert (js("sliced[2]"), buffer[2]) == (99, 99)
    else:
        with pytest.raises(TypeError):
            part[0] = 99


def test_cast_is_a_view_in_another_format(js: Script) -> None:
    buffer = js("Float64Array.of(1, 2, 3, 4)")
    assert buffer.cast("B").nbytes == 32
    assert buffer.cast("d", (2, 2)).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("length", [16, LENGTH])
def test_released_buffer_has_no_bytes(length: int, js: Script) -> None:
    buffer = js(f"globalThis.dropped = new Uint8Array({length}).fill(5)")
    view, part = memoryview(buffer), buffer[:3]
    with pytest.raises(BufferError, match="there are views"):
        buffer.release()
    view.release()
    buffer.release()
    buffer.release()
    for use in (bytes, memoryview, Buffer.hex, lambda b: b[0], lambda b: b[:1]):
        with pytest.raises(ValueError, match="released"):
            use(buffer)
    assert memoryview(part).tolist() == [5, 5, 5], "a part has its own claim"
    assert js("b => b === dropped && b.length")(buffer) == length, "the object is still known"


@pytest.mark.parametrize("unit", ["x", "é", "€", "𝄞", "x€"])
def test_long_texts_cross(unit: str, js: Script) -> None:
    text = unit * (LENGTH // len(unit))
    assert js("s => s.length")(text) == len(text.encode("utf-16-le")) // 2
    assert js("s => s + '!'")(text) == text + "!"
    assert js("(s, f) => f(s) === s")(text, lambda got: got if got == text else "") is True
    target = [text, {"key": text}]
    js("l => { l[0] += '.'; l[1].key = 1; l.push(l[0]); }")(target)
    assert target == [text + ".", {"key": 1}, text + "."]
    assert js("m => { throw new Error(m); }") is not None
    with pytest.raises(JSError) as caught:
        js("m => { throw new Error(m); }")(text)
    assert caught.value.message == text


def test_long_text_with_a_lone_surrogate(js: Script) -> None:
    text = "x" * LENGTH + "\ud800"
    assert js("s => s + s")(text) == text + text


def test_long_texts_count_against_the_limit(fresh: Callable[..., Addon]) -> None:
    loaded = fresh(max_values=2000)
    assert len(host(loaded).run_script("'x'.repeat(100000)")) == 100_000
    with pytest.raises(Exception, match="values"):
        host(loaded).run_script("'x'.repeat(200000)")
