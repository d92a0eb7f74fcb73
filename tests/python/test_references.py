"""Exports are pickled by reference: another process opens the addon at their first use."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import shutil
import socket
import threading
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from conftest import Write, addon_path, package, run_program
from napi_python import (
    Addon,
    AddonCrashed,
    ExportReference,
    JSError,
    LoadError,
    Sandbox,
    host,
    load_addon,
    open_host,
    require,
)

METHODS = ("spawn", "forkserver", "fork")


def elsewhere(value: object, expression: str) -> str:
    """Returns what another process prints for an expression about `value`, which is pickled."""
    program = f"""
import pickle, os
from napi_python import *
value = pickle.loads(bytes.fromhex({pickle.dumps(value).hex()!r}))
try:
    print({expression})
except Exception as error:
    print(type(error).__name__, error)
"""
    done = run_program(program)
    assert done.stderr == ""
    return done.stdout.strip()


@pytest.fixture
def bench() -> Any:
    with load_addon(addon_path("bench")) as addon:
        yield addon


def test_in_its_own_process_a_pickle_is_the_export_itself(bench: Addon) -> None:
    for value in (bench, bench.add, bench.Counter):
        for again in (pickle.loads(pickle.dumps(value)), copy.copy(value), copy.deepcopy(value)):
            assert again is value


def test_another_process_opens_the_addon(bench: Addon) -> None:
    assert elsewhere(bench.add, "value(1, 2)") == "3"
    assert elsewhere(bench, "value.add(1, 2)") == "3"
    assert elsewhere(bench.Counter, "value(4).increment()") == "5"
    assert elsewhere(bench.Counter, "isinstance(value(4), value)") == "True"
    assert elsewhere(bench.add, "host(value).pid != os.getpid()") == "True"
    assert elsewhere(bench.add, "value.__name__, value") == "add <ExportReference to add of bench>"
    assert elsewhere(bench.add, "'add' in dir(pickle.loads(pickle.dumps(value)))") == "False"
    assert elsewhere([bench.add, bench.add], "value[0] == value[1], len(set(value))") == "True 1"


def test_one_process_of_the_addon_for_all_references(bench: Addon) -> None:
    expression = "host(value[0]).pid == host(value[1]).pid == host(value[2]).pid"
    assert elsewhere([bench.add, bench.Counter, bench], expression) == "True"


def test_options_travel(bench: Addon) -> None:
    options: dict[str, Any] = {"name": "other", "timeout": 0.2, "sandbox": Sandbox(threads=50)}
    with load_addon(addon_path("bench"), **options) as addon:
        shown = elsewhere(addon, "value, host(value).run_script('for (;;);')")
        assert shown.startswith("AddonTimeout")
        assert "0.2 s" in shown
        assert elsewhere(addon, "value") == "<ExportReference to other>"


def test_names_lead_to_what_is_inside_of_the_exports(bench: Addon) -> None:
    host(bench).run_script("addon.math = { deep: { twice: (x) => 2 * x, Point: class Point {} } }")
    for value in (bench.math.deep.twice, bench.math.deep.Point):
        assert isinstance(pickle.loads(pickle.dumps(value)), ExportReference)
    assert pickle.loads(pickle.dumps(bench.math.deep.twice))(4) == 8
    host(bench).run_script("addon.tool = new (class Tool { seven() { return 7; } })")
    assert pickle.loads(pickle.dumps(bench.tool)).seven() == 7
    assert pickle.loads(pickle.dumps(bench.tool.seven))() == 7
    again = pickle.loads(pickle.dumps(bench.math.deep.Point))
    assert isinstance(bench.math.deep.Point(), again)
    # An addon that is given a reference gets the export.
    same = host(bench).run_script("(f) => f === addon.math.deep.Point")
    assert same(again)


def test_class_of_a_reference_can_be_extended() -> None:
    with load_addon(addon_path("bench")) as addon:
        value = pickle.dumps(addon.Counter)
    counter: Any = pickle.loads(value)
    assert repr(counter) == "<ExportReference to Counter of bench>"

    class Own(counter):  # type: ignore[misc]
        def twice(self) -> Any:
            self.increment()
            return self.increment()

    assert Own(3).twice() == 5
    assert issubclass(Own, counter)
    assert isinstance(Own(1), counter)
    assert not isinstance(1, counter)
    host(counter).close()


def test_host_takes_addons_and_references_only() -> None:
    with pytest.raises(TypeError, match="takes an addon or a reference to one, got 3"):
        host(3)  # type: ignore[arg-type]


def test_reference_survives_a_crash() -> None:
    with load_addon(addon_path("crash")) as addon:
        value = pickle.dumps(addon.nullPointer)
    crash = pickle.loads(value)
    for _ in range(2):
        with pytest.raises(AddonCrashed):
            crash()
    assert host(crash).generation == 2
    host(crash).close()
    with pytest.raises(AddonCrashed):
        crash()
    host(crash).close()


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("() => 1", "no names lead to it"),
        ("new (class A {})", "no names lead to it"),
        ("(class A {})", "no names lead to it"),
        ("addon.list = [new (class A {})]; addon.list[0]", "no names lead to it"),
        ("addon.__own__ = { f() {} }", "not a plain one"),
    ],
)
def test_what_no_name_leads_to_is_refused(bench: Addon, source: str, why: str) -> None:
    value = host(bench).run_script(source)
    with pytest.raises(pickle.PicklingError, match=f"cannot be pickled or copied: .*{why}"):
        pickle.dumps(value)


def test_method_of_an_instance_is_refused(bench: Addon) -> None:
    with pytest.raises(pickle.PicklingError, match="a method of an object, and no names lead to"):
        pickle.dumps(bench.Counter(1).increment)


def test_host_that_lies_about_names_is_refused(bench: Addon) -> None:
    thing = host(bench).run_script("(class A {})")
    for answer in ("[1]", "'x'", "['__class__']", "Array(100).fill('a')", "({})", "null"):
        host(bench).run_script(f"Reflect.ownKeys = () => {{ throw new Error('no') }}; {answer}")
        with pytest.raises(pickle.PicklingError):
            pickle.dumps(thing)


def test_names_of_a_host_reach_no_attribute_of_python(bench: Addon) -> None:
    host(bench).run_script("addon.label = 'text'; addon.data = { twice: (x) => 2 * x }")
    for names in ("label format", "data items", "data pop", "label __class__"):
        # As if the host had said that these names lead to it.
        function, (key, label, _, _) = bench.add.__reduce__()
        with pytest.raises(AttributeError, match="has no property"):
            function(key, label, None, tuple(names.split()))()
    function, (key, label, _, _) = bench.add.__reduce__()
    assert function(key, label, None, ("data", "twice"))(4) == 8


def test_option_that_cannot_be_pickled_is_named() -> None:
    with (
        load_addon(addon_path("bench"), on_start=lambda addon: None) as addon,
        pytest.raises(pickle.PicklingError, match=r"its option on_start=.*pass a function of a"),
    ):
        pickle.dumps(addon.add)


def test_closed_original_is_opened_again() -> None:
    with load_addon(addon_path("bench")) as addon:
        value = pickle.dumps(addon.add)
    again = pickle.loads(value)
    assert again(1, 2) == 3
    host(again).close()


def test_file_that_differs_is_refused_with_both_identities(tmp_path: Path) -> None:
    file = tmp_path / "own.node"
    shutil.copyfile(addon_path("bench"), file)
    with load_addon(file) as addon:
        value = pickle.dumps(addon.add)
    former = file.read_bytes()
    file.unlink()
    with pytest.raises(LoadError, match=r"cannot be opened on .*No such file.*install it"):
        pickle.loads(value)()
    file.write_bytes(former + b"\0")
    machine = socket.gethostname()
    size = len(former)
    pattern = rf"own differs between machines: {machine} has own.node \({size} bytes, SHA-256 .*"
    with pytest.raises(LoadError, match=rf"{pattern} has own.node \({size + 1} bytes, SHA-256"):
        pickle.loads(value)(1, 2)
    file.write_bytes(former)
    again = pickle.loads(value)
    assert again(1, 2) == 3
    host(again).close()


def test_package_is_found_and_compared(project: Write) -> None:
    inner = package("inner", "exports.one = 1", version="1.0.0")
    outer = package("outer", "exports.one = () => require('inner').one; exports.Own = class {}")
    outer["node_modules/outer/package.json"] = (
        '{"name": "outer", "version": "2.0.0", "dependencies": {"inner": "*"}}'
    )
    root = project({**inner, **outer})
    with require("outer", root=root) as module:
        value = pickle.dumps(module.one)
        assert elsewhere(module.one, "value()") == "1"
        assert elsewhere(module, "value.one(), value") == "1 <ExportReference to outer 2.0.0>"
    own = root / "node_modules/outer/index.js"
    text = own.read_text()
    changes = {
        own: text + " ",
        root / "node_modules/inner/package.json": '{"name": "inner", "version": "1.0.1"}',
    }
    for file, content in changes.items():
        former = file.read_text()
        file.write_text(content)
        program = f"import pickle; pickle.loads(bytes.fromhex({value.hex()!r}))()"
        done = run_program(program)
        assert "LoadError: outer 2.0.0 differs between machines" in done.stderr
        assert done.stderr.count("has outer 2.0.0 (") == 2
        file.write_text(former)


def test_machine_without_the_package(project: Write, tmp_path: Path) -> None:
    root = project(package("outer", "exports.one = () => 1"))
    with require("outer", root=root) as module:
        value = pickle.dumps(module.one)
    moved = tmp_path / "moved"
    root.rename(moved)
    program = f"import pickle; print(pickle.loads(bytes.fromhex({value.hex()!r}))())"
    done = run_program(f"import os; os.chdir({str(tmp_path)!r})\n{program}")
    assert "outer 1.2.3, pickled on" in done.stderr
    assert "is not installed on" in done.stderr
    # Where the folder does not exist, packages are found from the working folder.
    done = run_program(f"import os; os.chdir({str(moved)!r})\n{program}")
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_modules_of_a_host_for_several(project: Write) -> None:
    root = project(package("outer", "exports.one = () => 1"))
    with open_host(root=root, sandbox="none") as opened:
        module = opened.require("outer")
        added = opened.load_addon(addon_path("bench"))
        assert elsewhere(module.one, "value()") == "1"
        assert elsewhere(added.add, "value(1, 2)") == "3"
        assert elsewhere(added.Counter, "value(1).increment()") == "2"


def double(value: int) -> int:
    return value * 2


@pytest.mark.parametrize("method", METHODS)
def test_multiprocessing(method: str, bench: Addon) -> None:
    context = multiprocessing.get_context(method)
    with context.Pool(2) as pool:
        assert pool.starmap(bench.add, [(n, n) for n in range(20)]) == [2 * n for n in range(20)]
        # The callback is called in the worker.
        assert pool.apply(bench.callOnce, (double, 21)) == 42
        with pytest.raises(JSError, match="napi_get_buffer_info"):
            pool.apply(bench.sumBuffer, ("text",))


@pytest.mark.parametrize("method", METHODS)
def test_process_pool_with_crashes(method: str) -> None:
    context = multiprocessing.get_context(method)
    with (
        load_addon(addon_path("crash")) as crash,
        load_addon(addon_path("bench")) as bench,
        ProcessPoolExecutor(2, context) as pool,
    ):
        sums = [pool.submit(bench.add, n, 1) for n in range(40)]
        crashes = [pool.submit(crash.nullPointer) for _ in range(4)]
        assert [one.result() for one in sums] == [n + 1 for n in range(40)]
        for one in crashes:
            with pytest.raises(AddonCrashed, match=r"while nullPointer\(\) was running"):
                one.result()
        # A result that is no data is refused, and the pool goes on.
        with pytest.raises(Exception, match="cannot be pickled"):
            pool.submit(bench.Counter, 1).result()
        assert pool.submit(bench.add, 1, 2).result() == 3


held: list[Any] = []


def use_held(_addon: Addon) -> None:
    for reference in held:
        reference(1, 2)


def test_reference_that_its_own_start_uses_is_refused() -> None:
    with load_addon(addon_path("bench"), on_start=use_held) as addon:
        value = pickle.dumps(addon.add)
    held.append(pickle.loads(value))
    try:
        with pytest.raises(RuntimeError, match="used while that is being opened"):
            held[0](1, 2)
    finally:
        reference = held.pop()
    assert reference(1, 2) == 3
    host(reference).close()


def test_threads_open_it_once(bench: Addon) -> None:
    program = f"""
import pickle, threading
from napi_python import host
value = pickle.loads(bytes.fromhex({pickle.dumps(bench.add).hex()!r}))
barrier, found = threading.Barrier(8), []
def use():
    barrier.wait()
    found.append((value(1, 2), host(value).pid))
threads = [threading.Thread(target=use) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(found), len(set(found)))
"""
    assert run_program(program).stdout == "8 1\n"


def test_forked_child_opens_its_own() -> None:
    with load_addon(addon_path("bench")) as addon:
        value = pickle.dumps(addon.add)
    reference = pickle.loads(value)
    assert reference(1, 2) == 3
    mine = host(reference).pid
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, f"{reference(2, 3)} {host(reference).pid}".encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    answer, pid = os.read(read, 100).split()
    os.close(read)
    os.close(write)
    assert int(answer) == 5
    assert int(pid) != mine
    assert reference(3, 4) == 7
    host(reference).close()


def test_functions_that_close_over_exports_are_pickled_by_value(bench: Addon) -> None:
    add = bench.add
    assert elsewhere(cloudpickle.dumps(lambda x: add(x, 1)), "pickle.loads(value)(4)") == "5"


def test_pickles_of_threads_are_the_same(bench: Addon) -> None:
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(pickle.dumps(bench.add))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
