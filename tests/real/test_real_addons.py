"""Published addons through `napi_python`: the answers are Node's, byte for byte."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from napi_python import AddonError, BigInt, Buffer, host, load_addon

sys.path.insert(0, str(Path(__file__).resolve().parent))
from rows import ROWS, Row, node_output

pytestmark = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"),
    reason="the packages that are installed hold addons for linux-x64 with glibc",
)

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


@calls
def better_sqlite3(addon: Any) -> Any:
    # The class of errors and the function that changes its argument are JavaScript's; the rest of
    # what the addon calls is Python.
    ours = host(addon).run_script(
        """({
            SqliteError: class SqliteError extends Error {
                constructor(message, code) {
                    super(message);
                    this.code = code;
                }
            },
            append: (list, ...values) => void list.push(...values),
        })"""
    )
    addon.initialize(
        ours.SqliteError,
        lambda *values: list(values),
        ours.append,
        lambda *keys: lambda *values: dict(zip(keys, values, strict=True)),
        lambda value: {"value": value, "done": False},
    )
    # No file, in memory, may be written, need not exist; no log, no content, no descriptors.
    where = (":memory:", ":memory:", True, False, False, 5000, None, None, None, None)
    database = addon.Database(*where)
    database.exec("create table t (a integer, b text)")
    database.exec("insert into t values (1, 'x'), (2, 'y')")

    def prepare(sql: str) -> Any:
        return database.prepare(sql, {}, False, False)

    one = prepare("select a, b from t where a = ?").get(2)
    every = prepare("select a, b from t where a > ?").all(0)
    each = list(prepare("select a, b from t where a >= ?").iterate(1))
    with pytest.raises(AddonError) as caught:
        prepare("select a from nowhere")
    error: Any = caught.value
    database.close()
    return [one, every, each, [error.code, error.message]]


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


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_real_addon_answers_as_in_node(
    row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert row.path.is_file(), "run `npm ci` in tests/real"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with load_addon(row.path) as addon:
        result = canonical(CALLS[row.name](addon))
    ours = json.dumps(result, ensure_ascii=False, separators=(",", ":"))
    assert ours == node_output(row, tmp_path)


def test_every_row_is_called() -> None:
    assert set(CALLS) == {row.name for row in ROWS}
