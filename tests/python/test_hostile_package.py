"""A package that takes the native functions of its host, and passes them what no script would."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import Write, package
from napi_python import open_host

# Some of what it passes are paths, which are denied.
pytestmark = pytest.mark.filterwarnings("ignore::napi_python.SandboxWarning")

# The host's scripts use the same prototypes as packages do: what they call can be observed.
THIEF = r"""
const { get } = Map.prototype;
const seen = new Set();
Map.prototype.get = function (key) { seen.add(this); return Reflect.apply(get, this, [key]); };
process.umask();
process.memoryUsage();
structuredClone(1);
require('crypto').createHash('sha256').digest();
require('zlib').gzipSync('x');
Map.prototype.get = get;

const groups = [...seen].find((map) => typeof map.get('fs')?.run === 'function');
const { get: internalBinding } = [...seen].map((map) => map.get('bindings')).find(Boolean);

// They change the process for good, or end another one.
const LEFT_OUT = new Set(['umask', 'kill', 'setPriority', 'chdir', 'setModuleHooks', 'sleep']);

const VALUES = [
  undefined, null, NaN, Infinity, -1, 2 ** 31, 2 ** 53, -0, 1.5, 2n ** 64n, Symbol('x'),
  '', 'x'.repeat(1 << 16), '\ud800', 'a\0b', { toString() { throw new Error('mine'); } },
  new Proxy({}, { get() { throw new Error('mine'); } }), [, 1, ,], new ArrayBuffer(0),
  new SharedArrayBuffer(8), new Uint8Array(new ArrayBuffer(64), 60), () => {}, {},
];
const sweep = (functions) => {
  let calls = 0;
  for (const name of Object.keys(functions)) {
    const call = functions[name];
    if (typeof call !== 'function' || LEFT_OUT.has(name)) continue;
    for (const value of VALUES) {
      for (const args of [[value], Array(9).fill(value)]) {
        try {
          Reflect.apply(call, value, args);
        } catch {
          // An exception is an answer.
        }
        calls++;
      }
    }
  }
  return calls;
};

exports.groups = () => [...groups.keys()];
exports.sweepGroup = (name) => sweep(groups.get(name));
exports.sweepBinding = (name) => sweep(internalBinding(name));
"""


def test_stolen_functions_answer_what_a_package_passes(project: Write) -> None:
    root = project(package("thief", THIEF))
    with open_host(root=root, timeout=60) as shared:
        thief: Any = shared.require("thief")
        groups = thief.groups()
        assert {"fs", "os", "zlib", "crypto", "value"} <= set(groups)
        for group in groups:
            assert thief.sweepGroup(group) > 0
        for name in ("fs", "zlib", "crypto", "url", "util", "messaging", "spawn_sync", "blob"):
            assert thief.sweepBinding(name) > 0
        assert shared.generation == 1
        assert shared.run_script("1 + 1") == 2
