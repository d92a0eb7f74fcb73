"""isolated=False, in both of its modes: the contract, what it refuses, and what it leaves alone."""

from __future__ import annotations

import array
import asyncio
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, cast

import napi_python
import numpy as np
import pytest
from conftest import addon_path, run_program
from in_program import IMPORTABLE
from napi_python import (
    AddonTimeout,
    JSError,
    Sandbox,
    deadline,
    expose,
    host,
    load_addon,
)

SECONDS = 30
MODES = ["own", "caller"]

Thread = Literal["own", "caller"]


@pytest.fixture(params=MODES)
def thread(request: pytest.FixtureRequest) -> Thread:
    return cast("Thread", request.param)


@pytest.fixture
def script(thread: Thread) -> Iterator[Any]:
    """What runs JavaScript in a session of this process."""
    with load_addon(addon_path("order"), isolated=False, thread=thread) as addon:
        yield host(addon).run_script


def test_values_cross_as_they_do_to_a_process(script: Any) -> None:
    identity = script("x => x")
    values: list[Any] = [
        None,
        True,
        0,
        -1,
        2**53 - 1,
        2**80,
        1.5,
        "",
        "text ä 🐍",
        [1, [2.5, "x"]],
        {"a": {"b": [None]}},
        {1, 2},
    ]
    assert [identity(value) for value in values] == values
    assert bytes(identity(b"bytes")) == b"bytes"
    shared: list[Any] = []
    assert script("(a, b) => a === b")(shared, shared) is True
    assert script("x => { x.push(1) }")(shared) is None
    assert shared == [1]


def test_classes_getters_and_iterators(script: Any) -> None:
    made = script(
        "class Counter { constructor(n) { this.n = n } get next() { return ++this.n }"
        " *[Symbol.iterator]() { yield this.n; yield this.n + 1 } }; Counter"
    )
    counter = made(4)
    assert isinstance(counter, made)
    assert counter.next == 5
    assert list(counter) == [5, 6]


def test_callbacks_nest_and_errors_come_back_as_they_were(script: Any) -> None:
    down = script("(f, n) => n === 0 ? 0 : f(n - 1) + 1")

    def deeper(depth: int) -> int:
        return int(down(deeper, depth))

    assert down(deeper, 20) == 20
    error = LookupError("of Python")

    def fail() -> None:
        raise error

    with pytest.raises(LookupError) as caught:
        script("f => f()")(fail)
    assert caught.value is error
    with pytest.raises(JSError, match="of JavaScript"):
        script("throw new RangeError('of JavaScript')")


def test_objects_that_are_exposed_are_read(script: Any) -> None:
    class Point:
        x = 3

    assert script("p => p.x")(expose(Point())) == 3


def test_promises_settle_both_ways(script: Any) -> None:
    async def main() -> list[Any]:
        later = script("n => new Promise(done => setTimeout(() => done(n), 1))")
        values = await asyncio.gather(*(later(n) for n in range(50)))

        async def of_python() -> str:
            await asyncio.sleep(0)
            return "of Python"

        return [*values, await script("async p => (await p) + '!'")(of_python())]

    assert asyncio.run(main()) == [*range(50), "of Python!"]


def test_deadlines_end_javascript(script: Any) -> None:
    with pytest.raises(AddonTimeout), deadline(0.05):
        script("for (;;) {}")
    assert script("1") == 1


def test_memory_of_python_is_the_same_memory(script: Any) -> None:
    numbers = array.array("d", range(100_000))
    at = script("a => { globalThis.kept = a; a[0] = 7 }")
    at(numbers)
    assert numbers[0] == 7
    numbers[1] = 9
    assert script("kept[1]") == 9
    script("kept[2] = 11")
    assert numbers[2] == 11
    grid = np.arange(1 << 16, dtype=np.int32)
    script("a => { a.set([5, 6]) }")(grid)
    assert grid[:3].tolist() == [5, 6, 2]
    with pytest.raises(BufferError):
        numbers.append(1.0)


def test_results_are_live_memory(script: Any) -> None:
    made = script("globalThis.made = new Uint8Array(1 << 20); made")
    script("made[5] = 42")
    assert made[5] == 42
    np.frombuffer(made, dtype=np.uint8)[6] = 43
    assert script("made[6]") == 43


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("sandbox", "default"),
        ("sandbox", "strict"),
        ("sandbox", Sandbox(network=True)),
        ("restart", "on-crash"),
        ("env", {"A": "b"}),
        ("address", "/run/of-no-server"),
    ],
)
def test_what_needs_a_process_is_refused(thread: Thread, option: str, value: object) -> None:
    options: dict[str, Any] = {option: value}
    with pytest.raises(ValueError, match=f"{option}=.* needs a process of its own"):
        load_addon(addon_path("primitive"), isolated=False, thread=thread, **options)


def test_threads_are_of_this_process_only() -> None:
    with pytest.raises(ValueError, match="needs isolated=False"):
        load_addon(addon_path("primitive"), thread="caller")
    with pytest.raises(ValueError, match="'own' or 'caller'"):
        options: dict[str, Any] = {"thread": "mine"}
        load_addon(addon_path("primitive"), isolated=False, **options)


def test_own_thread_serves_all_threads_at_once() -> None:
    with load_addon(addon_path("order"), isolated=False) as addon:
        add = host(addon).run_script("(a, b) => a + b")
        sums: list[int] = []

        def run(start: int) -> None:
            sums.append(sum(add(start, n) for n in range(200)))

        threads = [threading.Thread(target=run, args=(n,)) for n in range(8)]
        for one in threads:
            one.start()
        for one in threads:
            one.join(SECONDS)
        assert sorted(sums) == [200 * n + 19_900 for n in range(8)]


CRASH = """
import faulthandler, sys
from napi_python import load_addon
addon = load_addon(sys.argv[1], isolated=False, thread=sys.argv[2])
getattr(addon, sys.argv[3])()
"""


def test_crash_of_the_addon_ends_the_program(thread: Thread) -> None:
    done = run_program(CRASH, addon_path("crash"), thread, "nullPointer", timeout=SECONDS)
    assert done.returncode == -11


def test_fatal_error_names_addon_and_function(thread: Thread) -> None:
    path = addon_path("crash")
    done = run_program(CRASH, path, thread, "fatalError", timeout=SECONDS)
    assert done.returncode == -6
    assert f"FATAL ERROR: crash.c the addon gives up\n    in fatalError of {path}\n" in done.stderr


NAMES = """
import ctypes, sys
process = ctypes.CDLL(None)
hidden = ["uv_default_loop", "uv_run", "JS_NewRuntime", "JS_Call", "hostd_session", "mi_malloc"]
shared = ["malloc", "free", "pthread_create", "dlopen", "sigaction", "write"]
def address(name):
    try:
        return ctypes.cast(getattr(process, name), ctypes.c_void_p).value
    except AttributeError:
        return None
before = [address(name) for name in hidden + shared]
assert address("napi_create_function") is None
import numpy
from napi_python import host, load_addon
for thread in ("own", "caller"):
    with load_addon(sys.argv[1], isolated=False, thread=thread) as addon:
        assert host(addon).run_script("6 * 7") == 42
        assert numpy.linalg.det(numpy.eye(3)) == 1.0
assert address("napi_create_function") is not None
assert [address(name) for name in hidden + shared] == before
print("same")
"""


def test_nothing_but_the_names_of_node_api_becomes_global() -> None:
    done = run_program(NAMES, addon_path("primitive"), timeout=SECONDS)
    assert (done.returncode, done.stdout) == (0, "same\n"), done.stderr


TAKEN = """
import ctypes, sys
other = ctypes.CDLL(sys.argv[2], ctypes.RTLD_GLOBAL)
from napi_python import host, load_addon
try:
    load_addon(sys.argv[1], isolated=False)
except Exception as error:
    print(type(error).__name__, error)
with load_addon(sys.argv[1]) as addon:
    print(host(addon).run_script("6 * 7"))
"""


def test_names_that_are_taken_are_a_reason_to_refuse(tmp_path: Path) -> None:
    source = tmp_path / "provider.c"
    source.write_text("int napi_create_function(void) { return 0; }\n")
    provider = tmp_path / "provider.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", provider, source], check=True, timeout=SECONDS)
    done = run_program(TAKEN, addon_path("primitive"), provider, timeout=SECONDS)
    refused, works = done.stdout.splitlines()
    assert "functions of Node-API are in this process already" in refused
    assert str(provider) in refused
    assert works == "42"


LOADS = (
    IMPORTABLE
    + """
from in_program import check_flat
from napi_python import host, load_addon

def run():
    with load_addon(sys.argv[1], isolated=False, thread=sys.argv[2]) as addon:
        host(addon).run_script("1")

check_flat(run, int(sys.argv[3]))
print("flat")
"""
)


def test_many_loads_leave_memory_threads_and_descriptors_flat(thread: Thread) -> None:
    done = run_program(LOADS, addon_path("primitive"), thread, "1000", timeout=240)
    assert (done.returncode, done.stdout) == (0, "flat\n"), done.stderr


SECOND_COPY = """
import sys
from napi_python import load_addon
path, thread, folder = sys.argv[1:]
first = load_addon(path, isolated=False, thread=thread)
for name in [name for name in sys.modules if name.partition(".")[0] == "napi_python"]:
    del sys.modules[name]
sys.path.insert(0, folder)
import napi_python
assert napi_python.__file__.startswith(folder)
try:
    napi_python.load_addon(path, isolated=False, thread=thread)
except napi_python.LoadError as error:
    print(error)
with napi_python.load_addon(path) as isolated:
    print(dir(isolated) == dir(first))
"""


def test_second_copy_of_the_package_is_refused(thread: Thread, tmp_path: Path) -> None:
    folder = Path(napi_python.__file__).parent
    shutil.copytree(folder, tmp_path / "napi_python")
    done = run_program(SECOND_COPY, addon_path("primitive"), thread, tmp_path, timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    refusal, same = done.stdout.splitlines()
    assert f"in this process already, from {folder}" in refusal
    assert same == "True"


UNLOADABLE = """
import sys
from napi_python import LoadError, host, load_addon
try:
    load_addon(sys.argv[1], isolated=False, thread=sys.argv[2])
except LoadError as error:
    print(error)
with load_addon(sys.argv[1]) as isolated:
    print(host(isolated).run_script("6 * 7"))
"""


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot open shared object file: No such file or directory"),
        (b"", "file too short"),
        (b"no library" * 100, "invalid ELF header"),
    ],
)
def test_library_that_cannot_be_loaded_is_refused_with_the_reason_of_the_system(
    thread: Thread, tmp_path: Path, content: bytes | None, reason: str
) -> None:
    copy = tmp_path / "napi_python"
    shutil.copytree(Path(napi_python.__file__).parent, copy)
    library = copy / "_bin" / "libhostd_library.so"
    library.unlink()
    if content is not None:
        library.write_bytes(content)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    path = addon_path("primitive")
    done = run_program(UNLOADABLE, path, thread, timeout=SECONDS, env=environment)
    assert done.returncode == 0, done.stderr
    refusal, works = done.stdout.splitlines()
    assert f"{library}: {reason}" in refusal
    assert works == "42"


UVLOOP = """
import asyncio, sys
import uvloop
from napi_python import host, load_addon

async def double(number):
    await asyncio.sleep(0)
    return 2 * number

async def main():
    with load_addon(sys.argv[1], isolated=False, thread=sys.argv[2]) as addon:
        script = host(addon).run_script
        after = script("(ms, value) => new Promise(done => setTimeout(done, ms, value))")
        print(await asyncio.gather(*(after(5, number) for number in range(5))))
        print(await script("async call => (await call(20)) + 1")(double))
        called = asyncio.Event()
        script("call => { setTimeout(call, 1) }")(called.set)
        await asyncio.wait_for(called.wait(), 10)
        print("called")

uvloop.run(main())
"""


def test_event_loop_of_uvloop(thread: Thread) -> None:
    done = run_program(UVLOOP, addon_path("primitive"), thread, timeout=SECONDS)
    assert done.stdout.splitlines() == ["[0, 1, 2, 3, 4]", "41", "called"], done.stderr


SUB_INTERPRETER = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
import napi_python
try:
    failed = interpreters.run_string(interpreters.create(), "import napi_python._native")
except Exception as error:
    failed = error
print(failed)
"""


def test_sub_interpreters_are_refused() -> None:
    done = run_program(SUB_INTERPRETER, timeout=SECONDS)
    assert "not in a subinterpreter" in done.stdout, done.stderr
