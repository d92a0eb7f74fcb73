"""Buffers of a pool cross to addons without a copy."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import addon_path
from napi_python import (
    Buffer,
    BufferPool,
    JSError,
    PoolBuffer,
    Sandbox,
    SharedArrayBuffer,
    TypedArray,
    host,
    load_addon,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Script

LENGTH = 100_000


@pytest.fixture
def pool() -> Iterator[BufferPool]:
    """A pool of its own."""
    with BufferPool("16 MiB") as made:
        yield made


def test_addon_writes_into_the_pool(pool: BufferPool, js: Script) -> None:
    array = np.asarray(pool.zeros((100, 250), "float32"))
    js("globalThis.write = (a, at, value) => { a[at] = value; }")
    js("globalThis.kept = null; a => { kept = a; a[777] = 1.5; }")(array)
    assert array.ravel()[777] == 1.5
    js("kept[778] = 2.5")
    assert array.ravel()[778] == 2.5, "after the call, too"
    array[0, 5] = 3.5
    assert js("kept[5]") == 3.5
    js("kept = null")


@pytest.mark.parametrize("length", [1, 100, LENGTH])
def test_views_of_any_kind_are_shared(length: int, pool: BufferPool, js: Script) -> None:
    buffer = pool.bytes(length)
    fill = js("(b, x) => { b.fill(x); return [b.constructor.name, b.length]; }")
    whole = np.asarray(buffer)
    for number, view in enumerate((buffer, memoryview(buffer), whole, whole.view("int8")), 1):
        name = fill(view, number)[0]
        assert name in {"Buffer", "Uint8Array", "Int8Array"}
        assert whole[length - 1] == number


def test_part_of_a_buffer(pool: BufferPool, js: Script) -> None:
    array = np.asarray(pool.zeros(LENGTH, "uint16"))
    js("a => { a[0] = 7; a[a.length - 1] = 8; }")(array[10:20])
    assert array[8:22].tolist() == [0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0]


def test_strided_view_is_copied_and_written_back(pool: BufferPool, js: Script) -> None:
    array = np.asarray(pool.zeros(LENGTH, "uint8"))
    js("a => { a[1] = 9; }")(array[::3])
    assert array[:5].tolist() == [0, 0, 0, 9, 0]


def test_shared_array_buffer_is_written_back(pool: BufferPool, js: Script) -> None:
    array = np.asarray(pool.zeros(LENGTH, "uint8"))
    js("b => { new Uint8Array(b)[1] = 9; }")(SharedArrayBuffer(array))
    assert array[1] == 9


def test_same_buffer_twice_and_overlapping_views(pool: BufferPool, js: Script) -> None:
    array = np.asarray(pool.zeros(LENGTH, "uint8"))
    same = js("(a, b, c) => { b[0] = 5; return [a === b, a[0], c[0]]; }")
    assert same(array, array, array[:50_000]) == [True, 5, 5]


def test_in_containers_callbacks_promises_and_events(pool: BufferPool, js: Script) -> None:
    array = np.asarray(pool.zeros(LENGTH, "uint8"))
    js("o => { o.list[0].a[3] = 3; }")({"list": [{"a": array}]})
    assert array[3] == 3
    assert js("f => { const b = f(); b[4] = 4; return b.length; }")(lambda: array) == LENGTH
    assert array[4] == 4

    async def awaited() -> None:
        async def later() -> Any:
            return array

        assert await js("p => p.then(b => { b[5] = 5; return b.length; })")(later()) == LENGTH
        assert array[5] == 5

    asyncio.run(awaited())


@pytest.mark.parametrize("length", [3, LENGTH])
def test_part_that_comes_back_is_the_same_memory(length: int, pool: BufferPool, js: Script) -> None:
    array = np.asarray(pool.zeros(length + 10, "int32"))
    back = js("a => { a[11] = 5; return a.subarray(10); }")(array)
    assert isinstance(back, Buffer)
    assert back.shared
    assert np.asarray(back)[:2].tolist() == [0, 5]
    array[11] = 124
    assert back[1] == 124
    np.asarray(back)[2] = 6
    assert array[12] == 6
    assert js("(a, b) => a === b && a.buffer === b.buffer")(back, back), "it is the JS object"


def test_what_comes_back_goes_to_another_host(pool: BufferPool, js: Script) -> None:
    array = np.asarray(pool.zeros(LENGTH, "uint8"))
    back = js("a => a.subarray(5, 50_000)")(array)
    with load_addon(addon_path("primitive")) as other:
        host(other).run_script("b => { b[0] = 7; }")(np.asarray(back))
    assert array[5] == 7


def test_overlapping_parts_come_back(pool: BufferPool, js: Script) -> None:
    array = np.asarray(pool.zeros(LENGTH, "uint8"))
    parts = [array, array[:10], array[5:20_000], array[5:7], array[:1]]
    back = js("(...all) => all.map((b, i) => b.subarray(0, 9 + i))")(*parts)
    for number, (buffer, part) in enumerate(zip(back, parts, strict=True)):
        buffer[0] = number + 1
        assert (part[0], buffer.shared) == (number + 1, True)
        assert len(buffer) == min(9 + number, len(part))


def test_read_only_view_comes_back_as_a_copy(pool: BufferPool, js: Script) -> None:
    frame = pool.bytes(LENGTH)
    back = js("b => b")(memoryview(frame).toreadonly())
    assert not back.shared
    assert memoryview(back).readonly
    np.asarray(frame)[0] = 1
    assert back[0] == 0


def test_buffer_is_not_released_while_it_came_back(pool: BufferPool, js: Script) -> None:
    frame = pool.bytes(LENGTH)
    back = js("b => b.subarray(1)")(frame)
    with pytest.raises(BufferError):
        frame.release()
    del back
    # The release of the JavaScript object travels with one frame, that of its memory with another.
    for _ in range(3):
        gc.collect()
        js("0")
    frame.release()


def test_several_hosts_share_one_buffer(pool: BufferPool) -> None:
    array = np.asarray(pool.zeros(LENGTH, "uint8"))
    with (
        load_addon(addon_path("primitive")) as first,
        load_addon(addon_path("primitive"), sandbox="strict") as second,
        load_addon(addon_path("primitive"), sandbox="none") as third,
    ):
        scripts = [host(one).run_script for one in (first, second, third)]
        for number, run in enumerate(scripts):
            run("globalThis.kept = null; (a, i) => { kept = a; a[i] = i + 1; }")(array, number)
        assert [run("[kept[0], kept[1], kept[2]]") for run in scripts] == [[1, 2, 3]] * 3


def test_buffer_stays_while_an_addon_keeps_it(pool: BufferPool, js: Script) -> None:
    buffer = pool.bytes(LENGTH)
    js("globalThis.kept = null; b => { kept = b; }")(buffer)
    with pytest.raises(BufferError):
        buffer.release()
    js("kept = null")
    # The release travels with a later frame.
    js("0")
    gc.collect()
    buffer.release()
    with pytest.raises(ValueError, match="released or forgotten"):
        js("b => 0")(buffer)


@pytest.mark.parametrize("end", [PoolBuffer.release, PoolBuffer.forget])
def test_released_buffer_is_no_argument(
    end: Callable[[PoolBuffer], None], pool: BufferPool, js: Script
) -> None:
    for length in (10, LENGTH):
        buffer = pool.bytes(length)
        part = buffer[1:]
        wrapped = TypedArray("uint8", buffer)
        end(buffer)
        given: list[Any] = [buffer, [buffer], {"key": buffer}, wrapped]
        given += [] if end is PoolBuffer.release else [part]
        for argument in given:
            with pytest.raises(ValueError, match="the pool buffer was released or forgotten"):
                js("b => 0")(argument)
        with pytest.raises(ValueError, match="the pool buffer was released or forgotten"):
            js("f => f()")(lambda buffer=buffer: buffer)
    assert js("b => b[0]")(pool.copy(b"next")) == ord("n"), "the addon can be called as before"


def test_read_only_and_writable_at_once(pool: BufferPool, js: Script) -> None:
    buffer = pool.zeros(LENGTH, "uint8")
    fixed: Any = np.asarray(buffer)
    fixed.flags.writeable = False
    call = js("(...all) => { all[0][1] = 7; return [all.map(b => b[1]), all[0] === all[1]]; }")
    for given in ((buffer, fixed, buffer.toreadonly()), (buffer[:], fixed, memoryview(fixed))):
        assert call(*given) == [[7, 7, 7], False]
        assert buffer[1] == 7
        buffer[1] = 0


@pytest.mark.parametrize(
    "how", ["b.buffer.transfer()", "structuredClone(b.buffer, {transfer: [b.buffer]})"]
)
def test_memory_of_a_pool_is_detached(how: str, pool: BufferPool, js: Script) -> None:
    buffer = pool.zeros(LENGTH, "uint8")
    take, read, drop = js(f"""(() => {{
        let kept;
        const take = b => {{ b[3] = 252; kept = new Uint8Array({how}); return b.length; }};
        return [take, () => kept[3], () => {{ kept = null; }}];
    }})()""")
    assert take(buffer) == 0
    assert (buffer[3], read()) == (252, 252)
    assert take(buffer) == 0, "each call has an ArrayBuffer of its own"
    drop()
    for _ in range(3):
        gc.collect()
        js("0")
    buffer.release()


def test_memory_of_a_pool_cannot_be_resized(pool: BufferPool, js: Script) -> None:
    buffer = pool.zeros(LENGTH, "uint8")
    assert js("b => b.buffer.resizable")(buffer) is False
    with pytest.raises(JSError, match="not resizable"):
        js("b => b.buffer.resize(0)")(buffer)
    assert not np.asarray(buffer).any()


def test_guard_whose_view_an_addon_keeps(pool: BufferPool, js: Script) -> None:
    buffer = pool.zeros(LENGTH, "uint8")
    keep = js("globalThis.guarded = null; b => { guarded = b; b[0] = 1; }")
    with pytest.raises(BufferError, match="addons use its memory"), buffer.write() as view:
        keep(view)
    with pytest.raises(ValueError, match="released memoryview"):
        keep(view)
    with buffer.write() as view:
        assert view[0] == 1, "the guard has ended"
    assert js("guarded[0]") == 1, "no view outlives its memory"
    js("guarded = null")


def test_closed_pool_keeps_what_an_addon_uses(js: Script) -> None:
    pool = BufferPool("1 MiB")
    js("globalThis.kept = null; b => { kept = b; b.fill(6); }")(pool.bytes(LENGTH))
    pool.close()
    gc.collect()
    assert js("kept[LENGTH - 1]".replace("LENGTH", str(LENGTH))) == 6
    js("kept = null")
    for _ in range(20):
        with BufferPool("1 MiB") as other:
            js("b => { b[0] = 1; }")(other.bytes(10))


def test_restart_and_crash_leave_the_pool(pool: BufferPool) -> None:
    array = np.asarray(pool.zeros(LENGTH, "uint8"))
    with load_addon(addon_path("crash")) as loaded:
        fill = "(a, x) => { a.fill(x); globalThis.kept = a; }"
        host(loaded).run_script(fill)(array, 1)
        host(loaded).restart()
        assert array[9] == 1
        host(loaded).run_script(fill)(array, 2)
        with pytest.raises(Exception, match=r"signal|SIG"):
            loaded.nullPointer()
        assert array[9] == 2
        host(loaded).run_script(fill)(array, 3)
    assert array[9] == 3


def test_more_than_the_memory_of_a_sandbox(tmp_path: Path) -> None:
    policy = Sandbox(memory="256 MiB", read=[str(tmp_path)])
    with (
        BufferPool("1 GiB") as pool,
        load_addon(addon_path("primitive"), sandbox=policy) as loaded,
    ):
        array = np.asarray(pool.zeros(64 << 20, "uint8"))
        assert host(loaded).run_script("a => { a[a.length - 1] = 4; return a.length; }")(array)
        assert array[-1] == 4


def test_without_shared_memory_it_is_copied(pool: BufferPool) -> None:
    array = np.asarray(pool.zeros(LENGTH, "uint8"))
    with load_addon(addon_path("primitive"), carrier="socket") as loaded:
        host(loaded).run_script("a => { a[7] = 7; }")(array)
    assert array[7] == 7


def shared_memory_of(pids: list[int]) -> int:
    """Returns the shared memory that processes use together, in bytes."""
    total = 0
    for pid in pids:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        line = next(line for line in text.splitlines() if line.startswith("Pss_Shmem:"))
        total += int(line.split()[1]) << 10
    return total


def test_four_hosts_use_the_memory_of_one_buffer(request: pytest.FixtureRequest) -> None:
    size = (1 << 30) if request.config.getoption("--whole") else (64 << 20)
    with BufferPool(2 * size) as pool, contextlib.ExitStack() as hosts:
        addons = [
            hosts.enter_context(load_addon(addon_path("bench"), sandbox="none")) for _ in range(4)
        ]
        pids = [os.getpid(), *(host(addon).pid or 0 for addon in addons)]
        before = shared_memory_of(pids)
        array = np.asarray(pool.zeros(size, "uint8"))
        array.fill(1)
        for addon in addons:
            assert addon.sumBuffer(array) == size
        grown = shared_memory_of(pids) - before
    assert size <= grown < size + size // 4
