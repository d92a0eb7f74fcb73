"""Published addons through `napi_python`: the answers are Node's, byte for byte."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import platform
import queue
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from napi_python import (
    AddonCrashed,
    AddonError,
    AddonTimeout,
    ArrayBuffer,
    BigInt,
    Buffer,
    Sandbox,
    SandboxUnavailable,
    SandboxWarning,
    StaleHandleError,
    host,
    load_addon,
    new_object,
)

sys.path.insert(0, str(Path(__file__).resolve().parent))
from in_program import receive
from rows import ROWS, Row, node_output, row

pytestmark = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"),
    reason="the packages that are installed hold addons for linux-x64 with glibc",
)


@pytest.fixture(autouse=True)
def _no_published_addon_is_warned_of(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fails where Node-API warns outside of debug mode: Node accepts what these addons do."""
    yield
    warnings = [
        record.getMessage()
        for when in ("setup", "call")
        for record in caplog.get_records(when)
        if record.name == "napi_python.host" and record.getMessage().startswith("hostd_napi")
    ]
    assert warnings == []


CALLS: dict[str, Callable[[Any], Any]] = {}


def calls(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Registers what a row calls, under the name of the function."""
    CALLS[function.__name__] = function
    return function


@calls
def crc32(addon: Any) -> Any:
    return [addon.crc32("hello"), addon.crc32c(b"hello"), addon.crc32("lo", addon.crc32("hel"))]


@calls
def xxhash(addon: Any) -> Any:
    return [
        addon.xxh32("hello"),
        addon.xxh64("hello"),
        addon.Xxh32(0).update("he").update("llo").digest(),
        addon.xxh3.xxh128("hello"),
    ]


@calls
def bufferutil(addon: Any) -> Any:
    mask = bytes([1, 2, 3, 4])
    out = bytearray(5)
    addon.mask(b"hello", mask, out, 0, 5)
    masked = bytes(out)
    addon.unmask(out, mask)
    return [masked, out.decode()]


@calls
def utf_8_validate(addon: Any) -> Any:
    return [addon("h\u00e9llo".encode()), addon(b"\xff\xfe")]


@calls
def keccak(addon: Any) -> Any:
    k = addon()
    k.initialize(1088, 512)
    k.absorb(b"hello")
    return k.squeeze(32)


@calls
def css_inline(addon: Any) -> Any:
    page = "<html><head><style>p{color:red}</style></head><body><p>x</p></body></html>"
    return addon.inline(page)


@calls
def argon2(addon: Any) -> Any:
    hashed = addon.hashSync("pw", salt=b"\1" * 16, memoryCost=4096)
    return [hashed, addon.verifySync(hashed, "pw"), addon.verifySync(hashed, "other")]


@calls
def resvg(addon: Any) -> Any:
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10">'
        '<rect width="10" height="10" fill="red"/></svg>'
    )
    image = addon.Resvg(svg, json.dumps({"background": "white"})).render()
    return [image.width, image.height, len(bytes(image.asPng())), list(bytes(image.pixels)[:4])]


@calls
def lightningcss(addon: Any) -> Any:
    sheet = addon.transform(
        filename="a.css", code=b".a{color:yellow;width:calc(1px + 2px)}", minify=True
    )
    doubled = addon.transform(
        filename="a.css",
        code=b".a{width:10px}",
        minify=True,
        visitor={"Length": lambda length: {"unit": length.unit, "value": length.value * 2}},
    )
    return [bytes(sheet.code).decode(), bytes(doubled.code).decode()]


@calls
def oxc_transform(addon: Any) -> Any:
    return [
        addon.transformSync("a.ts", "const a: number = 1").code,
        addon.isolatedDeclarationSync("a.ts", "export const a: number = 1").code,
    ]


@calls
def tailwindcss_oxide(addon: Any) -> Any:
    found = addon.Scanner(sources=[]).getCandidatesWithPositions(
        content='<div class="p-4 flex">', extension="html"
    )
    return [f"{one.candidate}@{one.position}" for one in found]


@calls
def swc(addon: Any) -> Any:
    options = {
        "jsc": {"parser": {"syntax": "typescript"}, "target": "es2020"},
        "filename": "a.ts",
    }
    return addon.transformSync("const a: number = 1", False, json.dumps(options).encode()).code


def _better_sqlite3_database(addon: Any) -> Any:
    """Returns a database in memory, of the initialised addon."""
    # The class of errors is JavaScript's; the rest of what the addon calls is Python.
    sqlite_error = host(addon).run_script(
        """(class SqliteError extends Error {
            constructor(message, code) {
                super(message);
                this.code = code;
            }
        })"""
    )
    addon.initialize(
        sqlite_error,
        lambda *values: list(values),
        lambda rows, *values: rows.extend(values),
        lambda *keys: lambda *values: dict(zip(keys, values, strict=True)),
        lambda value: {"value": value, "done": False},
    )
    # No file, in memory, may be written, need not exist; no log, no content, no descriptors.
    where = (":memory:", ":memory:", True, False, False, 5000, None, None, None, None)
    return addon.Database(*where)


@calls
def better_sqlite3(addon: Any) -> Any:
    database = _better_sqlite3_database(addon)
    database.exec("create table t (a integer, b text)")
    database.exec("insert into t values (1, 'x'), (2, 'y')")

    def prepare(sql: str) -> Any:
        return database.prepare(sql, {}, False, False)

    one = prepare("select a, b from t where a = ?").get(2)
    every = prepare("select a, b from t where a > ?").all(0)
    each = list(prepare("select a, b from t where a >= ?").iterate(1))
    numbers = (
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 10000)"
        " select i from n"
    )
    many = prepare(numbers).all()
    counted = [len(many), sum(row.i for row in many), many[-1].i]
    with pytest.raises(AddonError) as caught:
        prepare("select a from nowhere")
    error: Any = caught.value
    database.close()
    return [one, every, each, counted, [error.code, error.message]]


@calls
def argon2_async(addon: Any) -> Any:
    options = {"salt": b"\1" * 16, "memoryCost": 4096}

    async def main() -> Any:
        hashed = await addon.hash("pw", options)
        both = await asyncio.gather(addon.verify(hashed, "pw"), addon.verify(hashed, "no"))
        return [hashed, *both, await addon.hashRaw("pw", options)]

    return asyncio.run(main())


@calls
def bcrypt(addon: Any) -> Any:
    salt = "$2b$04$.OC/.OC/.OC/.OC/.OC/.O"
    hashed = addon.encrypt_sync(b"pw", salt)
    told: queue.Queue[Any] = queue.Queue()
    addon.encrypt(b"pw", salt, lambda _error, result: told.put(result))
    encrypted = receive(addon, told, takes_turns=True)
    addon.compare("pw", hashed, lambda error, result: told.put([error, result]))
    return [hashed, encrypted, receive(addon, told, takes_turns=True)]


@calls
def jieba(addon: Any) -> Any:
    words = "\u6211 1000 r\n\u6765\u5230 1000 v\n\u5317\u4eac 1000 ns\n"
    dictionary = addon.Jieba.withDict(words.encode())
    return dictionary.cutAsync("\u6211\u6765\u5230\u5317\u4eac", False).result(30)


@calls
def snappy(addon: Any) -> Any:
    text = "abc" * 100
    compressed = bytes(addon.compressSync(text.encode()))
    again = bytes(addon.compress(text).result(30))
    back = addon.uncompress(compressed, asBuffer=False).result(30)
    return [compressed, compressed == again, back == text]


@calls
def lz4(addon: Any) -> Any:
    text = "abc" * 100
    compressed = bytes(addon.compressSync(text.encode()))
    again = bytes(addon.compress(text).result(30))
    return [compressed, compressed == again, addon.uncompressSync(compressed).decode() == text]


@calls
def blake(addon: Any) -> Any:
    key = bytes(range(32))
    keyed = addon.Blake3Hasher.newKeyed(key)
    keyed.update(bytes([7]) * 100_000).update("é")
    first = keyed.digest("hex")
    keyed.reset()
    parameters = addon.Blake2BParam()
    parameters.hashLength = 20
    short = addon.Blake2BHasher.withParams(parameters).update("x").digestBuffer()
    return [
        bytes(addon.blake3("hello")).hex(),
        first,
        keyed.digest("hex") == addon.Blake3Hasher.newKeyed(key).digest("hex"),
        len(addon.Blake3Hasher.deriveKey("context", b"material")),
        bytes(short).hex(),
    ]


@calls
def oxc_parser(addon: Any) -> Any:
    program = json.loads(addon.parse("a.js", "let x").result(30).program)
    return program.get("node", program)["type"]


@calls
def rollup(addon: Any) -> Any:
    tree = addon.parseAsync("let b=2", False, False).result(30)
    return [len(tree), addon.xxhashBase16(b"hello")]


@calls
def lightningcss_async(addon: Any) -> Any:
    files = {"/a.css": '@import "b.css"; .a{color:red}', "/b.css": ".b{color:blue}"}

    async def read(name: str) -> str:
        return files[name]

    async def main() -> Any:
        return await addon.bundleAsync(
            filename="/a.css",
            minify=True,
            resolver={"read": read, "resolve": lambda specifier, _origin: f"/{specifier}"},
        )

    return bytes(asyncio.run(main()).code).decode()


@calls
def ast_grep(addon: Any) -> Any:
    pattern = "console.log($A)"
    root = addon.parse("JavaScript", 'console.log("x")').root()
    seen, told = [], threading.Event()

    def heard(_error: Any, found: Any) -> None:
        seen.append([node.text() for node in found])
        told.set()

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "x.js").write_text("console.log(1); console.log(2)", encoding="utf-8")
        count = addon.js.findInFiles(
            {"paths": [folder], "matcher": {"rule": {"pattern": pattern}}},
            heard,
        ).result(30)
        # The promise may be settled before what was found is told.
        assert told.wait(30)
    return [root.find(pattern).getMatch("A").text(), count, seen]


@calls
def watcher(addon: Any) -> Any:
    told: queue.Queue[Any] = queue.Queue()

    def heard(error: Any, events: Any) -> None:
        told.put([error, [(event.type, event.path) for event in events]])

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        addon.subscribe(str(folder), heard, {}).result(30)
        (folder / "new.txt").write_text("x", encoding="utf-8")
        error, events = receive(addon, told, takes_turns=True)
        addon.unsubscribe(str(folder), heard, {}).result(30)
    return [error, [f"{kind}:{path.removeprefix(str(folder))}" for kind, path in events]]


@calls
def classic_level(addon: Any) -> Any:
    async def main(folder: str) -> Any:
        database = addon.db_init()
        await addon.db_open(database, folder, createIfMissing=True)
        await addon.db_put(database, "k", "v", {})
        value = await addon.db_get(database, 1, "k", None)
        await addon.db_close(database)
        return value

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(main(folder))


@calls
def libsql(addon: Any) -> Any:
    # These functions take what they work on as `this`.
    on = host(addon).run_script("(self, name, ...args) => addon[name].apply(self, args)")
    database = addon.databaseOpen(":memory:", "", "aes256cbc", "", 0, "")
    on(database, "databaseExecAsync", "create table t(a); insert into t values (1), (2)").result(30)
    statement = on(database, "databasePrepareAsync", "select a from t where a > ?").result(30)
    on(statement, "statementRaw", True)
    return [on(statement, "statementIsReader"), on(statement, "statementGet", [1])]


@calls
def koffi(addon: Any) -> Any:
    libc = addon.load("libc.so.6")
    rand = libc.func("rand", "int", [])
    libc.func("srand", "void", ["uint"])(1)
    absolute = libc.func("int abs(int)")
    told: queue.Queue[Any] = queue.Queue()
    getattr(absolute, "async")(-9, lambda error, result: told.put([error, result]))
    later = receive(addon, told, takes_turns=True)
    pair = addon.struct("div_t", {"quot": "int", "rem": "int"})
    quotient = libc.func("div", pair, ["int", "int"])(17, 5)
    addon.proto("int Compare(const void *left, const void *right)")
    sort = libc.func("void qsort(_Inout_ int *base, size_t count, size_t size, Compare *compare)")
    numbers = [3, 1, 2]
    sort(numbers, 3, 4, lambda left, right: addon.decode(left, "int") - addon.decode(right, "int"))
    return [rand(), absolute(-5), later, quotient, numbers]


@calls
def msgpackr_extract(addon: Any) -> Any:
    message = b"\x93\xa5hello\xa6w\xc3\xb6rld\xd9\x28" + b"x" * 40
    source = ArrayBuffer(message)
    return [addon.extractStrings(start, len(message), source) for start in (1, 7)]


@calls
def sodium_native(addon: Any) -> Any:
    # It takes and fills bare array buffers.
    hello, salt = ArrayBuffer(b"hello"), ArrayBuffer(bytes([1] * 16))
    hashed = bytearray(32)
    addon.crypto_generichash(ArrayBuffer(hashed), 0, 32, hello, 0, 5, ArrayBuffer(b""), 0, 0)
    memory = addon.sodium_malloc(16)
    # What is written after the call is not written back: this one lives in the host.
    key = new_object(addon, ArrayBuffer(bytearray(16)))
    told: queue.Queue[Any] = queue.Queue()
    addon.crypto_pwhash_async(key, 0, 16, hello, 0, 5, salt, 0, 16, 1, 8192, 2, told.put)
    return [hashed, len(memory), receive(addon, told, takes_turns=True), key.slice(0)]


@calls
def zeromq(addon: Any) -> Any:
    pair, pull, push = 0, 7, 8

    def texts(parts: Any) -> list[str]:
        return [bytes(part).decode() for part in parts]

    async def main(place: str) -> Any:
        pusher, puller = addon.Socket(push), addon.Socket(pull)
        await pusher.bind("inproc://x")
        puller.connect("inproc://x")
        await pusher.send(["hi", "there"])
        first = texts(await puller.receive())
        later = puller.receive()
        await pusher.send(["later"])
        second = texts(await later)
        one, other = addon.Socket(pair), addon.Socket(pair)
        await one.bind(place)
        other.connect(place)
        count = 0
        while count < 50:
            await one.send([str(count)])
            await other.send(await other.receive())
            if texts(await one.receive()) != [str(count)]:
                break
            count += 1
        for socket in [pusher, puller, one, other]:
            socket.close()
        return [first, second, count]

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(main(f"ipc://{folder}/pair"))


def canonical(value: Any) -> Any:
    """Puts a value into the form that the oracle scripts print."""
    if isinstance(value, BigInt):
        return str(int(value))
    if isinstance(value, bytes | bytearray | Buffer):
        return bytes(value).hex()
    if isinstance(value, list):
        return [canonical(item) for item in value]
    if isinstance(value, dict):
        return {key: canonical(item) for key, item in value.items()}
    return value


@pytest.mark.parametrize("policy", ["default", "strict"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_real_addon_answers_as_in_node(
    row: Row,
    policy: Literal["default", "strict"],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert row.path.is_file(), "run `npm ci` in tests/real"
    # Where the rows make the files that the addon is to work on.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    confined = Sandbox(
        policy=policy,
        write=[tmp_path],
        watch=row.watches,
        unix=[tmp_path] if row.talks else None,
        exec_memory=row.runs_own or None,
    )
    try:
        loaded = load_addon(row.path, sandbox=confined)
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    with loaded as addon:
        result = canonical(CALLS[row.name](addon))
    ours = json.dumps(result, ensure_ascii=False, separators=(",", ":"))
    assert ours == node_output(row, tmp_path)


@pytest.mark.parametrize("thread", ["own", "caller"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_real_addon_answers_as_in_node_in_this_process(
    row: Row, thread: Literal["own", "caller"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with load_addon(row.path, isolated=False, thread=thread, remote="exposed") as addon:
        assert host(addon).pid == os.getpid()
        result = canonical(CALLS[row.name](addon))
    ours = json.dumps(result, ensure_ascii=False, separators=(",", ":"))
    assert ours == node_output(row, tmp_path)


def test_addon_that_needs_sockets_names_the_option() -> None:
    with (
        load_addon(row("zeromq").path, sandbox="default") as addon,
        pytest.raises(AddonError) as caught,
    ):
        CALLS["zeromq"](addon)
    # Its own thread aborts the process: within one of our calls, or between two.
    error = caught.value
    crash = error.__cause__ if isinstance(error, StaleHandleError) else error
    assert crash is not None
    (note,) = crash.__notes__
    assert "unix=" in note


@pytest.mark.parametrize("scan", ["ast_grep", "tailwindcss_oxide"])
def test_scan_that_finds_nothing_for_a_denial_warns(scan: str, tmp_path: Path) -> None:
    source = "<p class='p-4'>" if scan == "tailwindcss_oxide" else "console.log(1)"
    (tmp_path / "x.js").write_text(source, encoding="utf-8")
    option = f'pass sandbox=Sandbox(read=["{tmp_path}"])'

    def find(addon: Any) -> Any:
        if scan == "ast_grep":
            matcher = {"rule": {"pattern": "console.log($A)"}}
            wanted = {"paths": [str(tmp_path)], "matcher": matcher}
            return addon.js.findInFiles(wanted, lambda *_: None).result(30)
        sources = [{"base": str(tmp_path), "pattern": "**/*", "negated": False}]
        return addon.Scanner(sources=sources).scan()

    with load_addon(row(scan).path) as addon:
        with pytest.warns(SandboxWarning, match=re.escape(option)):
            found = find(addon)
        assert found in (0, [])


def test_database_that_is_dropped_after_prepare_serves_its_statement() -> None:
    with load_addon(row("better_sqlite3").path) as addon:
        database = _better_sqlite3_database(addon)
        database.exec("create table t (a integer); insert into t values (1), (2)")
        statement = database.prepare("select a from t", {}, False, False)
        del database
        # A call takes the release of the database along; in Node it waits for a collection.
        assert host(addon).run_script("1") == 1
        assert statement.all() == [{"a": 1}, {"a": 2}]


def test_zeromq_schedules_its_threads() -> None:
    priority, policy, cpu, first = 3, 4, 7, min(os.sched_getaffinity(0))

    async def main(addon: Any) -> str:
        context = addon.Context()
        for option, value in ((priority, 0), (policy, 0), (cpu, first)):
            context.setInt32Option(option, value)
        one, other = (addon.Socket(0, {"context": context}) for _ in range(2))
        await one.bind("inproc://threads")
        other.connect("inproc://threads")
        await one.send(["hi"])
        (part,) = await other.receive()
        one.close()
        other.close()
        return bytes(part).decode()

    with load_addon(row("zeromq").path) as addon:
        assert asyncio.run(main(addon)) == "hi"


def test_addon_that_dies_of_a_denial_between_two_calls_names_the_option() -> None:
    with load_addon(row("zeromq").path, sandbox="default") as addon:
        socket = None
        while socket is None:
            with contextlib.suppress(AddonCrashed):
                # Its threads ask for real-time scheduling, and abort when that is denied.
                context = addon.Context()
                context.setInt32Option(3, 1)
                context.setInt32Option(4, os.SCHED_FIFO)
                socket = addon.Socket(8, {"context": context})
        while host(addon).pid is not None:
            time.sleep(0.001)
        with pytest.raises(StaleHandleError) as caught:
            socket.bind("inproc://x")
        crash = caught.value.__cause__
        assert isinstance(crash, AddonCrashed)
        (note,) = crash.__notes__
        assert "unix=" in note


def test_addon_that_hangs_for_a_denial_names_the_option(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    confined = Sandbox(write=[tmp_path], diagnose=True)
    with load_addon(row("watcher").path, sandbox=confined, timeout=2) as addon:
        with pytest.raises(AddonTimeout) as caught:
            addon.subscribe(str(tmp_path), lambda *_: None, {"backend": "inotify"}).result(2)
        (note,) = caught.value.__notes__
        assert "watch=True" in note
        assert "napi_python.host" in note
    lines = [record.getMessage() for record in caplog.records]
    assert any("denied: inotify_init" in line and "watch=True" in line for line in lines), lines


def test_addon_that_runs_what_it_wrote_names_the_option() -> None:
    try:
        with pytest.raises(AddonError) as caught:
            load_addon(row("swc").path, sandbox="strict")
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    (note,) = caught.value.__notes__
    assert "exec_memory=True" in note


def test_every_row_is_called() -> None:
    assert set(CALLS) == {row.name for row in ROWS}
