"""`require` and `open_host`: packages and modules from Python."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import subprocess
import threading
from typing import Any

import pytest
from conftest import Write, addon_path, package
from napi_python import (
    AddonCrashed,
    AddonTimeout,
    JSError,
    LoadError,
    Module,
    Sandbox,
    StaleHandleError,
    host,
    load_addon,
    open_host,
    require,
)

ADDER = package("adder", "exports.add = (a, b) => a + b; exports.file = __filename;")


def test_package_is_found_above_the_root(project: Write) -> None:
    folder = project({**ADDER, "src/deep/x.py": ""})
    with require("adder", root=folder / "src" / "deep") as adder:
        assert isinstance(adder, Module)
        assert repr(adder) == "<Module adder 1.2.3>"
        assert adder.add(1, 2) == 3
        assert adder.file == str(folder / "node_modules/adder/index.js")
        assert {"add", "file"} <= set(dir(adder))
        assert host(adder).sandbox.policy == "default"


def test_root_is_the_folder_of_the_file_that_calls(project: Write) -> None:
    folder = project({**ADDER, "script.py": ""})
    names: dict[str, Any] = {"__file__": str(folder / "script.py")}
    exec("from napi_python import require\nadder = require('adder')", names)  # noqa: S102
    with names["adder"] as adder:
        assert adder.add(2, 2) == 4


def test_root_is_the_working_folder_without_a_file(
    project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project(ADDER))
    names: dict[str, Any] = {}
    exec("from napi_python import require\nadder = require('adder')", names)  # noqa: S102
    with names["adder"] as adder:
        assert adder.add(2, 3) == 5


def test_package_that_exports_a_function(project: Write) -> None:
    folder = project(package("shout", "module.exports = (text) => text.toUpperCase();"))
    with require("shout", root=folder) as shout:
        assert shout("hello") == "HELLO"


def test_package_that_exports_a_class(project: Write) -> None:
    text = "module.exports = class Counter { next() { return (this.n = (this.n ?? 4) + 1); } };"
    folder = project(package("counter", text))
    with require("counter", root=folder) as counter:
        assert counter().next() == 5


def test_module_is_passed_as_what_it_exports() -> None:
    with require("node:events") as events:
        same = host(events).run_script("(module, ...others) => others.every((o) => o === module)")
        assert same(events, events.EventEmitter, events)
        assert host(events).run_script("(listed) => new listed[0]().on !== undefined")([events])


def test_es_module(project: Write) -> None:
    text = "export const x = 1; export default function hello() { return 'hi'; }"
    folder = project(package("esm", text, type="module"))
    with require("esm", root=folder) as esm:
        assert (esm.x, esm.default()) == (1, "hi")


def test_es_module_that_waits(project: Write) -> None:
    text = "export const x = await new Promise((done) => setTimeout(done, 5, 'later'));"
    folder = project(package("waits", text, type="module"))
    with require("waits", root=folder) as waits:
        assert waits.x == "later"


def test_package_that_can_be_imported_only(project: Write) -> None:
    folder = project(
        package(
            "only", "export const by = 'import';", type="module", exports={"import": "./index.js"}
        )
    )
    with require("only", root=folder) as only:
        assert only.by == "import"


def test_subpath_and_scope(project: Write) -> None:
    folder = project(
        {
            **package("@scope/tools", "", exports={"./half/*": "./lib/*.js"}),
            "node_modules/@scope/tools/lib/a.js": "exports.half = 'a';",
        }
    )
    with require("@scope/tools/half/a", root=folder) as half:
        assert half.half == "a"


def test_module_by_its_path(project: Write) -> None:
    folder = project({**ADDER, "lib/own.js": "exports.sum = require('adder').add(20, 22);"})
    with require("./lib/own.js", root=folder) as own:
        assert own.sum == 42
    with require(str(folder / "lib" / "own"), root="/", sandbox="none") as own:
        assert own.sum == 42


def test_option_that_does_not_exist_is_named() -> None:
    with pytest.raises(TypeError, match="there is no option 'sandbx': load_addon"):
        require("node:path", sandbx="none")  # type: ignore[call-arg]


def test_module_of_node() -> None:
    with require("node:path") as path:
        assert path.join("a", "..", "b") == "b"


def test_missing_package_names_the_folders(project: Write) -> None:
    folder = project(ADDER)
    with pytest.raises(LoadError, match="Cannot find package 'gone'") as caught:
        require("gone", root=folder)
    assert f"{folder}/node_modules, " in str(caught.value)
    assert "python -m napi_python install" in str(caught.value)
    assert isinstance(caught.value.__cause__, JSError)
    assert caught.value.__cause__.code == "MODULE_NOT_FOUND"


def test_package_that_throws(project: Write) -> None:
    text = "\n\nthrow new RangeError('not today');"
    folder = project(package("throws", text))
    with pytest.raises(LoadError, match=r"throws 1\.2\.3 threw an exception.*not today") as caught:
        require("throws", root=folder)
    cause = caught.value.__cause__
    assert isinstance(cause, JSError)
    file = f"{folder}/node_modules/throws/index.js"
    assert f"{file}:3:" in (cause.stack or "")
    assert (cause.file, cause.line) == (file, 3)
    text = f"({file}:3:{cause.column})\n    throw new RangeError('not today');"
    assert caught.value.args[0].endswith(text)


def test_place_of_an_error_of_a_package(project: Write) -> None:
    text = """
        exports.fail = () => { throw new Error("here"); };
        exports.own = () => { throw Object.assign(new Error("own"), { line: "mine" }); };
        exports.native = () => require("fs").readFileSync("/gone");
    """
    folder = project(package("fails", text))
    file = f"{folder}/node_modules/fails/index.js"
    with require("fails", root=folder, sandbox="none") as fails:
        with pytest.raises(JSError, match="here") as caught:
            fails.fail()
        assert (caught.value.file, caught.value.line) == (file, 2)
        with pytest.raises(JSError, match="own") as caught:
            fails.own()
        assert (caught.value.file, caught.value.line) == (file, "mine")
        with pytest.raises(JSError, match="ENOENT") as caught:
            fails.native()
        assert (caught.value.file, caught.value.line) == (file, 4)


def test_native_file_that_needs_v8(project: Write) -> None:
    files = package("old", "exports.open = () => require('./build/Release/old.node');")
    symbol = "_ZN2v87Isolate10GetCurrentEv"
    text = f"extern int {symbol}(void); int use(void) {{ return {symbol}(); }}"
    folder = project({**files, "node_modules/old/build/Release/old.c": text})
    source = folder / "node_modules/old/build/Release/old.c"
    compiler = shlex.split(os.environ.get("CC", "cc"))
    native = source.with_suffix(".node")
    subprocess.run([*compiler, "-shared", "-fPIC", "-o", native, source], check=True)
    expected = (
        f"{native} calls V8 or Node's C++ interface directly ({symbol}), which exists only inside "
        "Node; only addons that use Node-API alone can be loaded; look for a version of the "
        "package that does"
    )
    with require("old", root=folder) as old, pytest.raises(JSError) as caught:
        old.open()
    assert caught.value.message == expected
    with pytest.raises(LoadError) as refused:
        load_addon(native)
    assert str(refused.value).startswith(expected)


BROKEN = {
    "no JSON": {"node_modules/x/package.json": "{", "node_modules/x/index.js": ""},
    "no JavaScript": package("x", "") | {"node_modules/x/index.js": "\x00 not ] JavaScript"},
    "outside": package("x", "", exports="./../../../etc/passwd"),
    "no main": {"node_modules/x/package.json": '{"main": "./gone.js"}'},
    "empty": {"node_modules/x/package.json": ""},
    "array": {"node_modules/x/package.json": "[]"},
    "a cycle that needs what is not there": package("x", "require('./b').f();")
    | {"node_modules/x/b.js": "exports.f = require('./index').nothing;"},
    "primitive": package("x", "module.exports = 42;"),
    "null": package("x", "module.exports = null;"),
}


@pytest.mark.parametrize("files", BROKEN.values(), ids=BROKEN)
def test_broken_package(files: dict[str, str], project: Write) -> None:
    with pytest.raises(LoadError):
        require("x", root=project(files))


def test_loop_of_links(project: Write) -> None:
    folder = project(ADDER)
    (folder / "node_modules" / "loop").symlink_to("loop")
    with pytest.raises(LoadError, match="Cannot find package 'loop'"):
        require("loop", root=folder)


def test_linked_store(project: Write) -> None:
    """As some package managers lay packages out: links into a store, dependencies beside."""
    store = "node_modules/.store"
    folder = project(
        {
            f"{store}/a@1/node_modules/a/package.json": '{"dependencies": {"b": "1"}}',
            f"{store}/a@1/node_modules/a/index.js": "module.exports = {b: require('b')};",
            f"{store}/b@1/node_modules/b/index.js": "module.exports = __filename;",
        }
    )
    (folder / "node_modules" / "a").symlink_to(".store/a@1/node_modules/a")
    (folder / f"{store}/a@1/node_modules/b").symlink_to("../../b@1/node_modules/b")
    with require("a", root=folder) as a:
        assert a.b == str(folder / f"{store}/b@1/node_modules/b/index.js")


def test_module_that_never_ends(project: Write) -> None:
    folder = project(package("endless", "for (;;);"))
    with pytest.raises(AddonTimeout, match="start_timeout"):
        require("endless", root=folder, start_timeout=0.5)


def test_module_that_never_settles(project: Write) -> None:
    folder = project(package("waits", "await new Promise(() => {});", type="module"))
    with pytest.raises(AddonTimeout, match="start_timeout"):
        require("waits", root=folder, start_timeout=0.5)


def test_exit_at_load(project: Write) -> None:
    folder = project(package("leaves", "process.exit(3);"))
    with pytest.raises(AddonCrashed):
        require("leaves", root=folder)


def test_large_file(project: Write) -> None:
    lines = "".join(f"exports.f{i} = () => {i};\n" for i in range(20_000))
    folder = project(package("large", f"{lines}// {'x' * 10_000_000}\n"))
    with require("large", root=folder) as large:
        assert large.f19999() == 19999


def test_file_that_is_no_utf8(project: Write) -> None:
    folder = project(ADDER)
    (folder / "node_modules/adder/index.js").write_bytes(b"exports.text = '\xff\xfe\xe4';")
    with require("adder", root=folder) as adder:
        assert adder.text == "\ufffd\ufffd\ufffd"


def test_package_that_changes_between_two_requires(project: Write) -> None:
    folder = project(ADDER)
    index = folder / "node_modules/adder/index.js"
    with require("adder", root=folder) as first:
        index.write_text("exports.add = () => 'changed';", encoding="utf-8")
        assert first.add(1, 1) == 2
        with require("adder", root=folder) as second:
            assert second.add(1, 1) == "changed"


def test_functions_are_bound_again_after_a_restart(project: Write) -> None:
    with require("adder", root=project(ADDER)) as adder:
        add = adder.add
        host(adder).restart()
        assert add(3, 4) == 7
        assert adder.add(3, 5) == 8


def test_only_its_own_tree_is_readable(project: Write) -> None:
    text = "exports.read = (path) => require('fs').readFileSync(path, 'utf8');"
    folder = project(
        {**package("reader", text, dependencies={"adder": "1"}), **ADDER, ".env": "SECRET=1"}
    )
    with require("reader", root=folder) as reader:
        assert "exports.add" in reader.read(str(folder / "node_modules/adder/index.js"))
        with pytest.raises(JSError, match="EACCES") as caught:
            reader.read(str(folder / ".env"))
        assert caught.value.code == "EACCES"
        assert "Sandbox(read=" in "".join(caught.value.__notes__)
    allowed = Sandbox(read=[folder / ".env"])
    with require("reader", root=folder, sandbox=allowed) as reader:
        assert reader.read(str(folder / ".env")) == "SECRET=1"


def test_strict(project: Write) -> None:
    with require("adder", root=project(ADDER), sandbox="strict") as adder:
        assert adder.add(5, 6) == 11


def test_several_modules_in_one_process(project: Write) -> None:
    folder = project(
        {
            **package(
                "maker",
                "exports.make = () => ({});",
            ),
            **package("judge", "exports.same = (a, b) => a === b;"),
        }
    )
    addons = Sandbox(read=[addon_path("number")])
    with open_host(root=folder, sandbox=addons) as shared:
        maker, judge = shared.require("maker"), shared.require("judge")
        assert shared.require("maker").make is not None
        assert judge.same(maker, shared.require("maker"))
        addon = shared.load_addon(addon_path("number"))
        assert judge.same(addon, addon)
        assert shared.run_script("1 + 1") == 2
        pid = shared.pid
    assert pid is not None
    assert shared.pid is None


def test_require_inside_a_callback(project: Write) -> None:
    folder = project({**ADDER, **package("calls", "exports.call = (f) => f();")})
    with open_host(root=folder) as shared:
        result = shared.require("calls").call(lambda: shared.require("adder").add(1, 1))
        assert result == 2


@pytest.mark.parametrize("exports", [{"import": "./index.js"}, "./index.js"])
def test_require_of_a_module_that_is_being_evaluated(exports: object, project: Write) -> None:
    text = "export const before = 1; export const seen = globalThis.ask(); export const after = 2;"
    folder = project(package("again", text, type="module", exports=exports))
    file = f"{folder}/node_modules/again/index.js"
    with open_host(root=folder) as shared:

        def ask() -> str:
            with pytest.raises(JSError) as caught:
                shared.require("again")
            assert caught.value.code == "ERR_REQUIRE_CYCLE_MODULE"
            return caught.value.message

        shared.run_script("(ask) => { globalThis.ask = ask; }")(ask)
        module = shared.require("again")
        assert module.seen.startswith(f"Cannot require() ES Module {file} in a cycle.")
        assert (module.before, module.after) == (1, 2)
        assert shared.require("again").after == 2


def test_module_that_waits_inside_a_callback(project: Write) -> None:
    text = "export const x = await new Promise((done) => setTimeout(done, 5, 'later'));"
    calls = package("calls", "exports.call = (f) => f();")
    folder = project({**calls, **package("waits", text, type="module")})
    # The time limit ends the test where the call waits for what cannot happen.
    with open_host(root=folder, timeout=10) as shared:
        call = shared.require("calls").call
        with pytest.raises(JSError, match="waits at its top level"):
            call(lambda: shared.require("waits"))
        assert shared.require("waits").x == "later"
        assert call(lambda: shared.require("waits").x) == "later"


def test_dynamic_import_of_a_package(project: Write) -> None:
    folder = project(
        {
            **package("imports", "exports.get = () => import('./late.mjs');"),
            "node_modules/imports/late.mjs": "export const late = 'came';",
        }
    )

    async def main() -> Any:
        with require("imports", root=folder) as imports:
            return (await imports.get()).late

    assert asyncio.run(main()) == "came"


def test_scripts_import_before_anything_is_required() -> None:
    script = "import('node:path').then(path => path.join('a', '..', 'b'))"
    with open_host() as empty, load_addon(addon_path("number")) as addon:
        for imports in (empty, host(addon)):
            assert imports.run_script(script).result() == "b"


def test_scripts_import_from_the_folder_of_the_host(project: Write) -> None:
    esm = package("esm", "export const name = 'esm'; export default 5;", type="module")
    cjs = package("cjs", "exports.name = 'cjs';")
    inner = {"inner/own.mjs": "export { name } from 'esm'; export const url = import.meta.url;"}
    root = project({**esm, **cjs, **inner})
    names = (
        "Promise.all(['esm', 'cjs'].map((name) => import(name)))"
        ".then((all) => all.map((it) => it.name))"
    )
    with open_host(root=root) as shared:
        assert shared.run_script(names).result() == ["esm", "cjs"]
        shared.restart()
        assert shared.run_script(names).result() == ["esm", "cjs"]
        assert shared.run_script("import('esm')").result().default == 5
        assert shared.require("esm").name == "esm"
    # As `require` does, from the folder of `root` and those above it; and paths are relative to it.
    with open_host(root=root / "inner", sandbox=Sandbox(read=[str(root)])) as below:
        assert below.run_script(names).result() == ["esm", "cjs"]
        own = below.run_script("import('./own.mjs')").result()
        assert (own.name, own.url) == ("esm", (root / "inner" / "own.mjs").as_uri())
    with require("cjs", root=root, sandbox=Sandbox(read=[str(root)])) as loaded:
        assert host(loaded).run_script(names).result() == ["esm", "cjs"]


def test_scripts_import_from_the_folder_of_an_addon(project: Write) -> None:
    root = project(package("beside", "exports.name = 'beside';"))
    shutil.copy(addon_path("number"), root / "number.node")
    with load_addon(root / "number.node", sandbox=Sandbox(read=[str(root)])) as addon:
        imported = host(addon).run_script("import('beside')").result()
        assert imported.name == host(addon).require("beside").name == "beside"


def test_import_of_what_is_not_there_names_the_folder(project: Write) -> None:
    root = project({"node_modules/.keep": ""})
    with open_host(root=root) as shared:
        with pytest.raises(JSError) as caught:
            shared.run_script("import('nowhere')").result()
        assert caught.value.code == "ERR_MODULE_NOT_FOUND"
        assert f"Cannot find package 'nowhere' imported from {root}/" in caught.value.message


def test_require_from_two_threads(project: Write) -> None:
    folder = project(ADDER)
    sums: list[int] = []
    with open_host(root=folder) as shared:

        def work() -> None:
            sums.extend(shared.require("adder").add(i, i) for i in range(50))

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(sums) == sorted(2 * [2 * i for i in range(50)])


def test_require_after_close(project: Write) -> None:
    shared = open_host(root=project(ADDER))
    shared.close()
    with pytest.raises(StaleHandleError, match="closed"):
        shared.require("adder")


def test_promise_of_a_package(project: Write) -> None:
    folder = project(
        package("later", "exports.later = async (x) => { await null; return x * 2; };")
    )

    async def main() -> Any:
        with require("later", root=folder) as later:
            return await later.later(21)

    assert asyncio.run(main()) == 42


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_name_that_is_none(name: str) -> None:
    with pytest.raises(ValueError, match="name must be"):
        require(name)


def test_options_are_those_of_load_addon(project: Write) -> None:
    folder = project(ADDER)
    with pytest.raises(ValueError, match="root must be a folder"):
        require("adder", root=folder / "gone")
    with pytest.raises(ValueError, match="start_timeout must be"):
        require("adder", root=folder, start_timeout=-1)
    with pytest.raises(TypeError):
        require("adder", root=folder, nonsense=1)  # type: ignore[call-arg]
    with require("adder", root=folder, env={"X": "1"}) as adder:
        assert host(adder).run_script("process.env.X") == "1"


@pytest.mark.parametrize("what", ["adder", "./node_modules/adder"])
def test_load_addon_of_a_package_names_require(
    what: str, project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project(ADDER))
    with pytest.raises(LoadError, match=r"require\("):
        load_addon(what)
