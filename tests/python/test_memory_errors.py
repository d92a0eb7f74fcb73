"""Where there is no memory for a message, Python raises MemoryError and goes on."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PRELUDE = """
import ctypes, resource, sys, time
sys.path.insert(0, {tests!r})
from pathlib import Path
from conftest import addon_path
from forged import loaded
from napi_python import AddonCrashed, AddonError, JSError, host, load_addon

def allow(more):
    # So many more MiB of address space; any, if it is below 0.
    if more < 0:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        return
    # What was shared with an ended host is unmapped soon, which would make room.
    end = time.monotonic() + 10
    while Path("/proc/self/maps").read_text().count(":napi-hostd-memory") > 1:
        assert time.monotonic() < end
        time.sleep(0.001)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + (more << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))

def fails(call, *arguments):
    try:
        call(*arguments)
    except MemoryError:
        return
    raise AssertionError("no MemoryError")

class Exhausted:
    # Within it there is no memory at all, not even for small blocks.

    def __init__(self):
        libc = ctypes.CDLL(None)
        self.malloc, self.free = libc.malloc, libc.free
        self.malloc.restype, self.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
        self.blocks = [None] * 400_000
        self.small = [None] * 100

    def __enter__(self):
        allow(0)
        self.count = 0
        for size in (1 << 20, 1 << 16, 1 << 12, 1 << 10, 1 << 8, 1 << 6, 1 << 4):
            try:
                while block := self.malloc(size):
                    self.blocks[self.count] = block
                    self.count += 1
            except MemoryError:
                pass
        try:
            for place in range(100):
                self.small[place] = [[] for _ in range(20_000)]
        except MemoryError:
            pass

    def __exit__(self, *exception):
        for place in range(100):
            self.small[place] = None
        for place in range(self.count):
            self.free(self.blocks[place])
            self.blocks[place] = None
        allow(-1)
"""


# What is freed is given back to the system, so that the limit holds for what is allocated next.
EXACT = {
    "MALLOC_MMAP_THRESHOLD_": "131072",
    "MALLOC_TRIM_THRESHOLD_": "131072",
    "MALLOC_ARENA_MAX": "1",
}


def run(script: str) -> None:
    """Runs Python code in a process of its own."""
    program = PRELUDE.replace("{tests!r}", repr(str(Path(__file__).parent))) + textwrap.dedent(
        script
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **EXACT},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Panic" not in done.stderr, done.stderr[-2000:]


RESULTS = {
    "Array.from({length: 1e6}, (_, i) => i + 0.5)": 24,
    "Array.from({length: 1e6}, (_, i) => i + 1000)": 24,
    "Array(2e6).fill(null)": 12,
    "'x'.repeat(2e7)": 30,
    r"'\ud800'.repeat(1e7)": 30,
    "new Set(Array(5e5).keys())": 16,
    "new Map(Array(5e5).entries())": 24,
    "Array.from({length: 2e5}, () => ({}))": 8,
    "Array.from({length: 2e5}, () => new Map([[1, {}]]))": 16,
}
ARGUMENTS = {
    "[0.5] * 4_000_000": 16,
    "[1] * 8_000_000": 16,
    "[None] * 20_000_000": 12,
    "1 << 400_000_000": 40,
    "{'x': [[] for _ in range(300_000)]}": 4,
    "dict.fromkeys(map(str, range(500_000)))": 4,
    "set(range(1_000_000))": 4,
}


def test_result_for_which_there_is_no_memory() -> None:
    run(f"""
        with load_addon(addon_path("primitive")) as addon:
            for value, more in {RESULTS!r}.items():
                allow(-1)
                make = host(addon).run_script("() => " + value)
                allow(more)
                fails(make)
                # Where the frame itself found no memory, another process has taken over.
                fails(host(addon).run_script, value)
                assert host(addon).run_script("[1, 'a', {{b: 2.5}}]") == [1, "a", {{"b": 2.5}}]
    """)


def test_argument_for_which_there_is_no_memory() -> None:
    run(f"""
        with load_addon(addon_path("primitive")) as addon:
            kind = host(addon).run_script("value => typeof value")
            for source, more in {ARGUMENTS!r}.items():
                allow(-1)
                value = eval(source)
                allow(more)
                fails(kind, value)
                fails(kind, value)
                assert kind([1, "a", {{"b": 2.5}}]) == "object"
    """)


def test_large_buffers_need_no_memory_of_their_own() -> None:
    """Those that travel in frames do, and so does a text."""
    run("""
        with load_addon(addon_path("primitive")) as addon:
            length, make, text = (
                host(addon).run_script(source)
                for source in ("a => a.length", "n => new Uint8Array(n)", "n => 'x'.repeat(n)")
            )
            length(bytes(40_000)), make(40_000), text(40_000)
            arguments = bytes(40_000_000), "x" * 40_000_000
            allow(8)
            for argument in arguments:
                assert length(argument) == 40_000_000
            made = make(40_000_000)
            assert len(made) == 40_000_000 and made.shared
            fails(bytes, made)
            fails(text, 40_000_000)
            fails(made.hex)
            assert memoryview(made)[39_999_999] == 0
        with load_addon(addon_path("primitive"), carrier="socket") as addon:
            length, make = map(
                host(addon).run_script, ("a => a.length", "n => new Uint8Array(n)")
            )
            for argument in arguments:
                allow(20)
                fails(length, argument)
                allow(-1)
            allow(24)
            fails(make, 40_000_000)
    """)


def test_shared_memory_without_any_memory() -> None:
    """Neither for tables of the allocator nor for the objects."""
    run("""
        SOURCES = "a => a.length", "n => new Uint8Array(40000)", "t => t + 'x'"
        values = bytearray(40_000), "\\u20ac" * 20_000, memoryview(bytes(80_000))[::2]
        exhausted, raised = Exhausted(), 0
        # What a thread makes once is made with the first host.
        with load_addon(addon_path("primitive")) as addon:
            for call in map(host(addon).run_script, SOURCES):
                for value in values:
                    call(value)
        with load_addon(addon_path("primitive")) as addon:
            calls = [host(addon).run_script(source) for source in SOURCES]
            # At first nothing of the shared memory is prepared, later everything.
            for turn in range(3):
                for call in calls:
                    for value in values:
                        with exhausted:
                            try:
                                call(value)
                            except (MemoryError, AddonError, JSError):
                                raised += 1
                for call in calls[:2]:
                    call(values[0])
            assert raised
            assert calls[0](values[0]) == 40_000
            assert len(bytes(calls[1](1))) == 40_000
    """)


def test_argument_of_a_callback_for_which_there_is_no_memory() -> None:
    run("""
        with load_addon(addon_path("primitive")) as addon:
            call = host(addon).run_script("(f) => f(Array.from({length: 1e6}, (_, i) => i + 0.5))")
            allow(24)
            fails(call, lambda items: len(items))
            assert host(addon).run_script("1") == 1
    """)


@pytest.mark.parametrize("tag", [11, 14, 15, 16])
def test_counts_of_a_frame_allocate_nothing(tag: int, tmp_path: Path) -> None:
    """Each of 40 nested containers says that all bytes to come are items of it."""
    script = f"""
        def answer(host, number, body):
            rest = 32 << 20
            key = text("k") if {tag} == 14 else b"\\1" if {tag} == 15 else b""
            each = {{11: 1, 14: 6, 15: 2, 16: 1}}[{tag}]
            head = b"".join(
                bytes([{tag}]) + u32((rest // each) - 100 * place) + key for place in range(40)
            )
            host.reply(head + b"\\1" * rest)
    """
    run(f"""
        from napi_python import ProtocolError
        path, script = Path({str(tmp_path)!r}), {script!r}
        with loaded(path, script, addon_path("primitive")) as addon:
            addon.f
            allow(500)
            try:
                addon.f()
            except (MemoryError, ProtocolError):
                pass
            else:
                raise AssertionError("read")
    """)


def test_keys_and_exports_for_which_there_is_no_memory(tmp_path: Path) -> None:
    script = """
        def serve(self, answer, *exports):
            self.next()
            names = b"".join(text(f"f{i:07}") + lent(i + 2, 0) for i in range(300_000))
            self.reply(lent(1, 2) + u32(300_000) + names)
        Host.serve = serve
        def answer(host, number, body):
            pass
    """
    run(f"""
        path, script = Path({str(tmp_path)!r}), {script!r}
        allow(60)
        try:
            with loaded(path, script, addon_path("primitive")):
                raise AssertionError("loaded")
        except MemoryError:
            pass
        allow(-1)
        with load_addon(addon_path("primitive")) as addon:
            make = "Object.fromEntries(Array.from({{length: 3e5}}, (_, i) => ['k' + i, i]))"
            many = host(addon).run_script(
                "new (class A {{ constructor() {{ Object.assign(this, " + make + ") }} }})()"
            )
            allow(8)
            fails(dir, many)
            allow(-1)
            assert len(dir(many)) >= 300_000
    """)


def test_objects_of_the_host_for_which_there_is_no_memory() -> None:
    run("""
        with load_addon(addon_path("primitive")) as addon:
            run = host(addon).run_script
            for more in range(0, 24, 3):
                make = run("() => Array.from({length: 2e5}, () => () => 1)")
                allow(more)
                fails(make)
                allow(-1)
                assert run("1") == 1
    """)


def test_objects_lent_to_the_host_for_which_there_is_no_memory() -> None:
    run("""
        class Thing:
            def __call__(self):
                return 1

        with load_addon(addon_path("primitive")) as addon:
            run = host(addon).run_script
            count = run("(all) => all.length")
            things = [Thing() for _ in range(300_000)]
            failed = 0
            for more in range(1, 40, 3):
                allow(more)
                try:
                    assert count(things) == len(things)
                except MemoryError:
                    failed += 1
                allow(-1)
                count = run("(all) => all.length")
                end = time.monotonic() + 20
                while host(addon).stats()["python_objects_lent"] and time.monotonic() < end:
                    host(addon).collect()
                assert host(addon).stats()["python_objects_lent"] == 0
            assert failed
    """)


def test_changes_of_callback_arguments_for_which_there_is_no_memory() -> None:
    run("""
        with load_addon(addon_path("primitive")) as addon:
            ask = host(addon).run_script(
                "(call) => { const all = Array.from({length: 1e5}, () => [1]);"
                " call(all); return all.length + all[0].length; }"
            )
            def change(more):
                def called(items):
                    for item in items:
                        item.append(2)
                    allow(more)
                return called
            for more in range(1, 16, 3):
                allow(-1)
                fails(ask, change(more))
            allow(-1)
            assert ask(change(-1)) == 100_002
    """)


def test_socket_for_which_there_is_no_memory() -> None:
    run("""
        with load_addon(addon_path("primitive"), carrier="socket") as addon:
            length = host(addon).run_script("(text) => text.length")
            for value, more in (("x" * 20_000_000, 8), ("x" * 1000, 8)):
                allow(more)
                try:
                    assert length(value) == len(value)
                except (MemoryError, AddonCrashed) as error:
                    assert "out of memory" in str(error) or isinstance(error, MemoryError), error
                allow(-1)
                assert host(addon).run_script("1") == 1
    """)


SMALL_CALLS = """
        def called(*items):
            return [items, {"a": len}, ValueError("x")]

        def calls(addon):
            run = host(addon).run_script
            yield lambda: run("[1, 2.5, 'x', null, true, {a: {}}, 2n ** 70n, new Map([[1, 2]])]")
            yield lambda: run("[() => 1, class {}, new (class A {})(), Symbol('x')]")
            yield lambda: run("Buffer.from('x')")
            yield lambda: run("throw new TypeError('x')")
            yield lambda: run("[new Error('x'), new Date(0), new Set([1]), '\\ud800']")
            yield lambda: run("(f) => f([1], {a: [2]}, 'x')")(called)
            yield lambda: run("(f) => f")([len, {1, 2}, b"x", bytearray(9), 1 << 70, (1,), {}])
            yield lambda: run("new (class A { m() { return 1 } })()").m()
            yield lambda: dir(run("new (class A { constructor() { this.a = 1 } })()"))
            yield lambda: run("Promise.resolve([1])").result(5)
            yield lambda: run("(text) => text")("\\u20ac\\ud800" * 10)
            yield lambda: addon.absent
            yield lambda: list(run("new (class A { *[Symbol.iterator]() { yield 1 } })()"))

        EXPECTED = (MemoryError, AddonError, JSError, AttributeError)
"""


def test_calls_without_any_memory() -> None:
    run(
        SMALL_CALLS
        + """
        with load_addon(addon_path("primitive")) as addon:
            for call in calls(addon):
                # What is looked up once is there.
                try:
                    call()
                except EXPECTED:
                    pass
            exhausted = Exhausted()
            wrong = None
            for call in calls(addon):
                with exhausted:
                    try:
                        call()
                    except EXPECTED:
                        pass
                    except BaseException as error:
                        wrong = error
                if wrong is not None:
                    raise wrong
                assert host(addon).run_script("6 * 7") == 42
    """
    )


def test_each_allocation_of_python_fails() -> None:
    pytest.importorskip("_testcapi", reason="this Python cannot make its allocators fail")
    run(
        SMALL_CALLS
        + """
        from _testcapi import remove_mem_hooks, set_nomemory

        def attempt(call, place):
            set_nomemory(place, place + 1)
            try:
                call()
            except EXPECTED as error:
                return type(error)
            except SystemError as error:
                # Python 3.11's own: it loses an AttributeError, of any class, in this way.
                assert "exception" in str(error), error
                return MemoryError
            finally:
                remove_mem_hooks()

        with load_addon(addon_path("primitive")) as addon:
            for number, call in enumerate(calls(addon)):
                try:
                    call()
                except EXPECTED:
                    pass
                unaffected = 0
                for place in range(1, 2000):
                    try:
                        kind = attempt(call, place)
                    except BaseException as error:
                        raise AssertionError(f"call {number}, allocation {place}") from error
                    unaffected = 0 if kind is MemoryError else unaffected + 1
                    if unaffected == 60:
                        break
                assert host(addon).run_script("6 * 7") == 42
    """
    )
