"""Every kind of crash names its signal and function, and leaves nothing behind."""

from __future__ import annotations

import gc
import os
import pickle
import shutil
import signal
import statistics
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import addon_path
from napi_python import Addon, AddonCrashed, JSError, host, load_addon

# A loaded machine may be this many times slower than the figures that are aimed at.
SLACK = 5
CRASHES = int(os.environ.get("NAPI_HOSTD_TEST_CRASHES", "100"))


def death(addon: Addon, export: str, *arguments: Any) -> AddonCrashed:
    """Calls a function that does not come back, and another that does."""
    with pytest.raises(AddonCrashed) as caught:
        getattr(addon, export)(*arguments)
    assert caught.value.export == export
    assert f"while {export}() was running" in str(caught.value)
    return caught.value


def functions(error: AddonCrashed) -> list[str]:
    """The functions of the backtrace, without their offsets."""
    assert error.backtrace is not None
    return [frame.rpartition("+")[0] or frame for frame in error.backtrace]


@pytest.mark.parametrize(
    ("export", "signal_name", "function", "text"),
    [
        ("nullPointer", "SIGSEGV", "NullPointer", "it used a null pointer"),
        ("readOnlyMemory", "SIGSEGV", "ReadOnlyMemory", "memory that is not its own, at 0x"),
        ("wildPointer", "SIGSEGV", "WildPointer", "at 0xdeadbeef000"),
        ("wildJump", "SIGSEGV", "WildJump", "at 0xdeadbeef000"),
        ("doubleFree", "SIGABRT", "DoubleFree", "double free detected"),
        ("stackOverflow", "SIGSEGV", "descend", "its stack overflowed"),
        ("stackOverflowOnThread", "SIGSEGV", "descend", "its stack overflowed"),
        ("nullPointerOnThread", "SIGSEGV", "die_on_thread", "on a thread of its own"),
        ("divideByZero", "SIGFPE", "DivideByZero", "division by zero"),
        ("illegalInstruction", "SIGILL", "IllegalInstruction", "compiler trap"),
        ("abort", "SIGABRT", "Abort", "abort()"),
        ("fatalError", "SIGABRT", "FatalError", "the addon gives up"),
        ("cppException", "SIGABRT", "crash_throw_cpp_exception", "thrown by the addon"),
        ("pureVirtualCall", "SIGABRT", "crash_pure_virtual_call", "pure virtual method"),
    ],
)
def test_death_names_signal_export_and_function(
    export: str, signal_name: str, function: str, text: str, crash: Addon
) -> None:
    error = death(crash, export)
    assert error.signal_name == signal_name
    assert error.exit_code is None
    assert error.reason is None
    assert f"crash.node!{function}" in functions(error)
    assert text in str(error)
    assert crash.add(1, 2) == 3


def test_wild_jump_shows_where_it_went_and_where_it_came_from(crash: Addon) -> None:
    error = death(crash, "wildJump")
    assert error.address == 0xDEADBEEF000
    assert error.backtrace is not None
    assert error.backtrace[0] == "0xdeadbeef000"
    assert error.backtrace[1].startswith("crash.node!WildJump+")


@pytest.mark.parametrize(
    ("export", "address"), [("nullPointer", 0), ("wildPointer", 0xDEADBEEF000), ("abort", None)]
)
def test_address_is_the_one_that_failed(export: str, address: int | None, crash: Addon) -> None:
    assert death(crash, export).address == address


def test_stack_is_followed_through_node_api_and_javascript(crash: Addon) -> None:
    nested = host(crash).run_script("(dies) => { dies(); }")
    with pytest.raises(AddonCrashed) as caught:
        nested(crash.nullPointer)
    names = functions(caught.value)
    assert names[0] == "crash.node!NullPointer"
    assert "napi-hostd!JS_CallInternal" in names
    assert any(name.endswith("!__libc_start_main") or "main" in name for name in names)


def test_node_api_function_in_flight_is_named(crash: Addon) -> None:
    assert death(crash, "fatalError").node_api == "napi_fatal_error"
    assert death(crash, "nullPointer").node_api is None


@pytest.mark.parametrize(
    ("export", "function", "caller"),
    [
        ("wildArgument", "napi_create_string_utf8", "WildArgument"),
        ("wildResult", "napi_create_object", "WildResult"),
    ],
)
def test_wild_pointer_in_a_node_api_function_names_it_and_its_caller(
    export: str, function: str, caller: str, crash: Addon
) -> None:
    error = death(crash, export)
    assert error.address == 0xDEADBEEF000
    assert error.backtrace is not None
    innermost = error.backtrace[0].rpartition("+")[0]
    assert f"SIGSEGV in {innermost}, inside Node-API function {function}, called by " in str(error)
    assert f"called by crash.node!{caller} (" in str(error)
    assert "the addon passed a wrong pointer or length" in str(error)


def test_fatal_error_names_only_its_function(crash: Addon) -> None:
    text = str(death(crash, "fatalError"))
    assert "SIGABRT inside Node-API function napi_fatal_error, called by crash.node!Fatal" in text
    assert "napi-hostd" not in text


def test_fault_in_a_library_names_it_and_its_caller(crash: Addon) -> None:
    error = death(crash, "wildText")
    assert error.backtrace is not None
    assert error.backtrace[0].startswith("libc.so")
    innermost = error.backtrace[0].rpartition("+")[0]
    assert f"SIGSEGV in {innermost}" in str(error)
    assert ", called by crash.node!WildText (" in str(error)
    assert "defect" not in str(error)


def test_fault_in_the_host_outside_of_node_api_is_reported_as_a_defect(crash: Addon) -> None:
    run = host(crash).run_script("(buffer) => new Uint8Array(buffer())[3]")
    with pytest.raises(AddonCrashed) as caught:
        run(crash.wildBuffer)
    error = caught.value
    assert error.backtrace is not None
    assert f"SIGSEGV in {error.backtrace[0].rpartition('+')[0]} (" in str(error)
    assert "this is a defect of napi-hostd, unless the addon damaged memory" in str(error)


def test_signal_from_outside_is_no_defect_of_the_host(crash: Addon) -> None:
    pid = host(crash).pid
    assert pid is not None
    promise = host(crash).run_script("new Promise(() => {})")
    os.kill(pid, signal.SIGSEGV)
    with pytest.raises(AddonCrashed) as caught:
        promise.result(30)
    assert caught.value.signal_name == "SIGSEGV"
    assert "defect" not in str(caught.value)


@pytest.mark.parametrize(("export", "code"), [("exitZero", 0), ("exitNow", 7)])
def test_exit_has_a_code_and_no_signal(export: str, code: int, crash: Addon) -> None:
    error = death(crash, export)
    assert error.exit_code == code
    assert error.signal is None
    assert error.signal_name is None
    assert error.backtrace is None
    assert crash.add(1, 2) == 3


@pytest.mark.parametrize(
    ("export", "signal_name"), [("raiseKill", "SIGKILL"), ("raiseTerminate", "SIGTERM")]
)
def test_signal_that_leaves_no_record_names_the_export(
    export: str, signal_name: str, crash: Addon
) -> None:
    error = death(crash, export)
    assert error.signal_name == signal_name
    assert error.backtrace is None
    assert error.address is None


def test_kill_from_outside_names_the_export_that_ran(crash: Addon) -> None:
    pid = host(crash).pid
    assert pid is not None
    killer = threading.Timer(0.2, os.kill, (pid, 9))
    killer.start()
    error = death(crash, "loopForever")
    killer.join()
    assert error.signal_name == "SIGKILL"
    assert error.reason is None
    assert error.usage is not None


def test_rust_panic_that_is_caught_is_an_error(rust: Addon) -> None:
    with pytest.raises(JSError, match="caught on its way out"):
        rust.panicCaught()


def test_uncaught_rust_panic_is_a_crash() -> None:
    with load_addon(addon_path("sample_rust")) as rust:
        error = death(rust, "panicUncaught")
        assert error.signal_name == "SIGABRT"
        assert error.stderr is not None
        assert "nobody catches this" in error.stderr
        assert "in sample_rust.node!sample_rust::give_up (" in str(error)
        assert any("panic_uncaught" in name for name in functions(error))
        assert rust.add(1, 2) == 3


def test_deaths_outside_of_functions_have_a_backtrace(crash: Addon) -> None:
    with pytest.raises(AddonCrashed) as caught:
        crash.Deadly(False)
    assert functions(caught.value)[0] == "crash.node!Deadly"
    with pytest.raises(AddonCrashed) as caught:
        load_addon(addon_path("broken/crash_at_load"))
    assert any(name.startswith("crash_at_load.node!") for name in functions(caught.value))


def test_calls_that_die_with_another_name_the_one_that_ran(crash: Addon) -> None:
    errors: list[AddonCrashed] = []

    def call(export: str) -> None:
        with pytest.raises(AddonCrashed) as caught:
            getattr(crash, export)()
        errors.append(caught.value)

    first = threading.Thread(target=call, args=("loopForever",))
    first.start()
    time.sleep(0.3)
    others = [threading.Thread(target=call, args=("abort",)) for _ in range(3)]
    for other in others:
        other.start()
    time.sleep(0.3)
    pid = host(crash).pid
    assert pid is not None
    os.kill(pid, 6)
    for thread in [first, *others]:
        thread.join(20)
    assert [error.export for error in errors] == ["loopForever"] * 4
    assert all(functions(error)[0] == "crash.node!LoopForever" for error in errors)


def test_call_inside_a_callback_is_the_one_that_ran(crash: Addon) -> None:
    with pytest.raises(AddonCrashed) as caught:
        crash.call(lambda: crash.abort())
    assert caught.value.export == "abort"


def test_report_survives_pickling(crash: Addon) -> None:
    error = death(crash, "nullPointer")
    copy = pickle.loads(pickle.dumps(error))
    for name in ("signal", "address", "export", "node_api", "backtrace", "usage", "generation"):
        assert getattr(copy, name) == getattr(error, name)


def test_file_that_was_replaced_meanwhile_does_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "crash.node"
    shutil.copyfile(addon_path("crash"), file)
    with load_addon(file) as loaded:
        file.unlink()
        file.write_bytes(b"\x7fELF" + b"\xff" * 4096)
        with pytest.raises(AddonCrashed) as caught:
            loaded.nullPointer()
    assert caught.value.signal_name == "SIGSEGV"
    assert caught.value.backtrace


def test_crash_is_noticed_and_replaced_quickly(
    crash: Addon, record_property: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    to_exception, to_ready = [], []
    for _ in range(15):
        crash.add(1, 2)
        begin = time.perf_counter()
        with pytest.raises(AddonCrashed):
            crash.nullPointer()
        to_exception.append(time.perf_counter() - begin)
        crash.add(1, 2)
        to_ready.append(time.perf_counter() - begin)
    exception, ready = (statistics.median(times) * 1e3 for times in (to_exception, to_ready))
    record_property("crash_to_exception_ms", exception)
    record_property("crash_to_ready_ms", ready)
    with capsys.disabled():
        print(f" [crash to exception {exception:.1f} ms, to ready again {ready:.1f} ms]", end="")
    assert exception <= 5 * SLACK
    assert ready <= 20 * SLACK


def test_many_crashes_leave_nothing_behind(crash: Addon) -> None:
    """As many as NAPI_HOSTD_TEST_CRASHES says, 100 by default."""
    deaths = ["nullPointer", "abort", "exitNow", "raiseKill", "nullPointerOnThread"]

    def crash_and_call(times: int) -> None:
        for turn in range(times):
            death(crash, deaths[turn % len(deaths)])
            assert crash.add(turn, 1) == turn + 1

    crash_and_call(10)
    before = footprint()
    crash_and_call(CRASHES)
    for _ in range(100):
        after = footprint()
        # Threads of the last deaths may be on their way out.
        if all(now <= then for now, then in zip(after, before, strict=True)):
            return
        time.sleep(0.1)
    pytest.fail(f"children, descriptors, threads, mappings were {before} and are {after}")


def footprint() -> tuple[int, int, int, int]:
    """Children, descriptors, threads and shared mappings of this process."""
    gc.collect()
    children = sum(
        len(Path(task, "children").read_text().split())
        for task in Path("/proc/self/task").iterdir()
        if Path(task, "children").exists()
    )
    maps = Path("/proc/self/maps").read_text()
    return (
        children,
        len(list(Path("/proc/self/fd").iterdir())),
        len(list(Path("/proc/self/task").iterdir())),
        maps.count("napi-hostd"),
    )
