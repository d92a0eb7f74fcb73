"""libuv in this process: only addons that import it find its names, and loops end with sessions."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import napi_python
import pytest
from conftest import addon_path, run_program
from in_program import IMPORTABLE

SECONDS = 60
BIN = Path(napi_python.__file__).parent / "_bin"


@pytest.fixture(params=["own", "caller"])
def thread(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def exports(library: Path) -> set[str]:
    """Returns the names that a library has for others."""
    listed = subprocess.run(
        ["nm", "-D", "--defined-only", library],
        check=True,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    return {line.split()[-1] for line in listed.stdout.splitlines()}


def build(folder: Path, name: str, source: str) -> Path:
    """Compiles a library."""
    path = folder / f"{name}.so"
    (folder / f"{name}.c").write_text(source, encoding="ascii")
    command = ["cc", "-shared", "-fPIC", "-o", str(path), str(folder / f"{name}.c")]
    subprocess.run(command, check=True, timeout=SECONDS)
    return path


def test_libraries_export_nothing_but_what_addons_and_the_client_look_up() -> None:
    names = exports(BIN / "libhostd_library.so")
    ours = re.compile(r"napi_\w+|node_api_\w+|node_module_register")
    assert "napi_create_function" in names
    assert [name for name in names if not ours.fullmatch(name)] == []
    of_libuv = exports(BIN / "libhostd_uv.so")
    # The program exports the same ones.
    program = {name for name in exports(BIN / "napi-hostd") if name.startswith("uv_")}
    assert len(program) > 300
    assert of_libuv == program


BEGIN = (
    IMPORTABLE
    + """
import ctypes, queue, time
from in_program import check_flat, receive
from napi_python import LoadError, host, load_addon
path, thread = sys.argv[1:3]

def timer(addon, thread):
    reported = queue.Queue()
    addon.timer(reported.put, 1)
    return receive(addon, reported, takes_turns=thread == "caller")
"""
)

HIDDEN = (
    BEGIN
    + """
def are_global():
    process = ctypes.CDLL(None)
    return [hasattr(process, name) for name in ("uv_run", "uv_default_loop", "uv_timer_init")]

with load_addon(path, isolated=False, thread=thread) as addon:
    print(timer(addon, thread), *are_global())
print(*are_global())
"""
)


def test_names_of_libuv_do_not_become_global(thread: str) -> None:
    done = run_program(HIDDEN, addon_path("uv"), thread, timeout=SECONDS)
    assert done.stdout.splitlines() == ["timer False False False", "False False False"], done.stderr


UNUSED = (
    BEGIN
    + """
def has_libuv():
    return "libhostd_uv.so" in open("/proc/self/maps").read()

with load_addon(sys.argv[3], isolated=False, thread=thread) as addon:
    print(host(addon).run_script("process.versions.uv"), has_libuv())
with load_addon(path, isolated=False, thread=thread) as addon:
    print(has_libuv())
[stack] = [line for line in open("/proc/self/maps") if line.endswith("[stack]\\n")]
print(stack.split()[1])
"""
)


def test_libuv_is_loaded_with_the_first_addon_that_imports_it(thread: str) -> None:
    other = addon_path("primitive")
    done = run_program(UNUSED, addon_path("uv"), thread, other, timeout=SECONDS)
    version, before, after, stack = done.stdout.split()
    assert re.fullmatch(r"1\.\d+\.\d+", version)
    assert (before, after) == ("False", "True")
    # A library that does not say otherwise makes stacks executable.
    assert stack == "rw-p"


TAKEN = (
    BEGIN
    + """
other = ctypes.CDLL(sys.argv[3], ctypes.RTLD_GLOBAL)
for _ in range(2):
    try:
        load_addon(path, isolated=False, thread=thread)
    except LoadError as error:
        print(error)
with load_addon(sys.argv[4], isolated=False, thread=thread) as addon:
    print(host(addon).run_script("6 * 7"))
with load_addon(path) as addon:
    print(timer(addon, "own"))
"""
)


def test_names_that_are_taken_are_a_reason_to_refuse(thread: str, tmp_path: Path) -> None:
    provider = build(tmp_path, "provider", "int uv_timer_start(void) { return 0; }\n")
    arguments = (addon_path("uv"), thread, provider, addon_path("primitive"))
    done = run_program(TAKEN, *arguments, timeout=SECONDS)
    first, second, *rest = done.stdout.splitlines()
    assert first == second
    reason = r"uses libuv \(uv_\w+\), which it cannot have in this process: "
    assert re.search(rf"{reason}uv_timer_start is there already, from {provider}; ", first)
    assert "isolated=True" in first
    assert rest == ["42", "timer"]


TAKEN_LATER = (
    BEGIN
    + """
with load_addon(path, isolated=False, thread=thread) as addon:
    other = ctypes.CDLL(sys.argv[3], ctypes.RTLD_GLOBAL)
    print(timer(addon, thread))
"""
)


def test_library_that_is_loaded_later_takes_no_name_from_an_addon(
    thread: str, tmp_path: Path
) -> None:
    provider = build(tmp_path, "provider", "int uv_timer_start(void) { __builtin_trap(); }\n")
    done = run_program(TAKEN_LATER, addon_path("uv"), thread, provider, timeout=SECONDS)
    assert done.stdout == "timer\n", (done.returncode, done.stderr)


MISSING = """
import sys
path, thread, other, folder = sys.argv[1:]
sys.path.insert(0, folder)
import napi_python
assert napi_python.__file__.startswith(folder)
try:
    napi_python.load_addon(path, isolated=False, thread=thread)
except napi_python.LoadError as error:
    print(error)
with napi_python.load_addon(other, isolated=False, thread=thread) as addon:
    print(napi_python.host(addon).run_script("6 * 7"))
"""


def test_library_that_is_missing_or_another_one_is_named(thread: str, tmp_path: Path) -> None:
    shutil.copytree(BIN.parent, tmp_path / "napi_python")
    library = tmp_path / "napi_python" / "_bin" / "libhostd_uv.so"
    for damage, reason in (
        (library.unlink, "No such file or directory"),
        (lambda: library.write_bytes(b"text"), "file too short"),
        (
            lambda: build(library.parent, "libhostd_uv", "int uv_run(void) { return 0; }\n"),
            "it has no uv_default_loop",
        ),
    ):
        damage()
        arguments = (addon_path("uv"), thread, addon_path("primitive"), tmp_path)
        done = run_program(MISSING, *arguments, timeout=SECONDS)
        assert done.returncode == 0, done.stderr
        refusal, works = done.stdout.splitlines()
        assert f"cannot load {library}: " in refusal
        assert reason in refusal
        assert works == "42"


UVLOOP = (
    BEGIN
    + """
import asyncio
if sys.argv[3] == "uvloop first":
    import uvloop
addon = load_addon(path, isolated=False, thread=thread)
if sys.argv[3] == "addon first":
    print(timer(addon, thread))
    import uvloop

async def main():
    loop = asyncio.get_running_loop()
    assert type(loop).__module__ == "uvloop", type(loop)
    received = asyncio.Queue()

    def put(word):
        loop.call_soon_threadsafe(received.put_nowait, word)

    addon.timer(put, 5)
    addon.signs(put, 100)
    addon.work(put, 2)
    await asyncio.sleep(0.001)
    print(sorted([await asyncio.wait_for(received.get(), 30) for _ in range(3)]))
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    reader, _ = await asyncio.open_connection(*server.sockets[0].getsockname())
    print(await reader.read())
    child = await asyncio.create_subprocess_exec("true")
    print(await child.wait())
    server.close()

uvloop.run(main())
"""
)


@pytest.mark.parametrize("order", ["uvloop first", "addon first"])
def test_uvloop_has_a_libuv_of_its_own_in_either_order(
    thread: str, order: str, tmp_path: Path
) -> None:
    # The names of its libuv are visible: global ones would be found before them.
    output = tmp_path / "bindings"
    settings = {**os.environ, "LD_DEBUG": "bindings", "LD_DEBUG_OUTPUT": str(output)}
    path = addon_path("uv")
    done = run_program(UVLOOP, path, thread, order, env=settings, timeout=SECONDS)
    expected = ["['800', 'timer', 'work']", "b''", "0"]
    if order == "addon first":
        expected.insert(0, "timer")
    assert done.stdout.splitlines() == expected, done.stderr
    # Of this process, and of the child that it starts.
    text = "".join(file.read_text(encoding="utf-8") for file in tmp_path.glob("bindings.*"))
    bindings = re.findall(r"binding file (\S+) \[0\] to (\S+) \[0\]: .*`uv_", text)
    ours = {Path(to).name for of, to in bindings if Path(of).name == "uv.node"}
    theirs = {(of, to) for of, to in bindings if Path(of).name.startswith("loop.")}
    assert ours == {"libhostd_uv.so"}
    assert len(theirs) == 1
    assert all(of == to for of, to in theirs)


TWO = (
    BEGIN
    + """
first = load_addon(path, isolated=False, thread=thread)
second = load_addon(path, isolated=False, thread=sys.argv[3])
print(first.sameLoop(), second.sameLoop())
for _ in range(50):
    assert timer(first, thread) == timer(second, sys.argv[3]) == "timer"
host(first).close()
print(timer(second, sys.argv[3]))
third = load_addon(path, isolated=False, thread=thread)
print(third.sameLoop(), timer(third, thread))
"""
)


@pytest.mark.parametrize("other", ["own", "caller"])
def test_two_sessions_have_a_loop_each(thread: str, other: str) -> None:
    done = run_program(TWO, addon_path("uv"), thread, other, timeout=SECONDS)
    # The first one has the default loop, until it ends.
    assert done.stdout.splitlines() == ["True False", "timer", "True timer"], done.stderr


LOADS = (
    BEGIN
    + """
def run():
    with load_addon(path, isolated=False, thread=thread) as addon:
        assert timer(addon, thread) == "timer"
        addon.holdUntilTheEnd()

# What serves the connection of a session ends after it.
check_flat(run, int(sys.argv[3]), settling=10)
maps = open("/proc/self/maps").read()
assert maps.count("napi-link") == 1, maps.count("napi-link")
print("flat")
"""
)


def test_many_loads_leave_memory_threads_and_descriptors_flat(thread: str) -> None:
    done = run_program(LOADS, addon_path("uv"), thread, "200", timeout=240)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "flat"


OPEN = (
    BEGIN
    + """
addon = load_addon(path, isolated=False, thread=thread)
print(timer(addon, thread), flush=True)
addon.idlePoll(print)
addon.unrefTimer(print, 60_000)
addon.holdSyncUntilTheEnd()
addon.work(print, 64)
if sys.argv[3] == "closed":
    host(addon).close()
elif sys.argv[3] == "raised":
    raise SystemExit(3)
"""
)


@pytest.mark.parametrize(("end", "code"), [("closed", 0), ("left", 0), ("raised", 3)])
def test_interpreter_ends_with_handles_open(thread: str, end: str, code: int) -> None:
    done = run_program(OPEN, addon_path("uv"), thread, end, timeout=SECONDS)
    assert done.returncode == code, done.stderr
    assert done.stdout.splitlines()[0] == "timer"
    if end == "closed":
        assert done.stdout.splitlines()[1:] == ["hook", "the handle of a hook is closed"]


FORK = (
    BEGIN
    + """
import os, warnings
warnings.simplefilter("ignore")
addon = load_addon(path, isolated=False, thread=thread)
addon.work(lambda _: None, 1)
print(timer(addon, thread), flush=True)
child = os.fork()
if child == 0:
    try:
        timer(addon, thread)
    except Exception as error:
        print(type(error).__name__, flush=True)
    try:
        load_addon(path, isolated=False, thread=thread)
    except Exception as error:
        print(type(error).__name__, flush=True)
    with load_addon(path) as isolated:
        print(timer(isolated, "own"), flush=True)
    sys.exit(7)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), timer(addon, thread))
"""
)


def test_forked_child_leaves_the_loop_of_its_parent_alone(thread: str) -> None:
    done = run_program(FORK, addon_path("uv"), thread, timeout=SECONDS)
    first, refused, none, isolated, last = done.stdout.splitlines()
    assert (first, isolated, last) == ("timer", "timer", "7 timer"), done.stderr
    assert refused.endswith("Error")
    assert none.endswith("Error")
