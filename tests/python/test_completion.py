"""Tab on an instance of each kind, in Python's own completer and in that of IPython."""

from __future__ import annotations

import rlcompleter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import addon_path, run_program
from napi_python import Addon, BufferPool, host, load_addon

#: what Tab has to offer for the instance of each name
EXPECTED = {
    "addon": {"add", "Counter"},
    "process": {"pid", "run_script"},
    "module": {"join", "basename"},
    "function": {"length", "name"},
    "cls": {"length", "prototype"},
    "instance": {"increment", "value"},
    "plain": {"alpha", "keys"},
    "promise": {"done", "result"},
    "buffer": {"shared", "toreadonly"},
    "iterator": {"close"},
    "number": {"bit_length"},
    "report": {"policy", "mechanisms"},
    "pool": {"acquire", "trim"},
    "pooled": {"numpy", "release"},
}
#: those without attributes of their own: Tab must not fail
OPAQUE = ("symbol", "external")


def instances(addon: Any) -> dict[str, object]:
    process = host(addon)
    pool = BufferPool(1 << 16)
    return {
        "addon": addon,
        "process": process,
        "module": process.require("node:path"),
        "function": addon.add,
        "cls": addon.Counter,
        "instance": addon.Counter(1),
        "plain": process.run_script("({alpha: 1})"),
        "promise": addon.asyncAdd(1, 2),
        "buffer": addon.createBuffer(3),
        "iterator": iter(process.run_script("new (class { *[Symbol.iterator]() {} })")),
        "number": process.run_script("5n"),
        "report": process.sandbox,
        "pool": pool,
        "pooled": pool.bytes(8),
        "symbol": process.run_script("Symbol('s')"),
        "external": addon.makeExternal(1),
    }


@pytest.fixture(scope="module")
def namespace(mode: str) -> Iterator[dict[str, object]]:
    with load_addon(addon_path("sample_rust")) as addon:
        assert isinstance(addon, Addon)
        yield instances(addon)


def completions(namespace: dict[str, Any], text: str) -> set[str]:
    completer = rlcompleter.Completer(namespace)
    found: set[str] = set()
    while (one := completer.complete(text, len(found))) is not None:
        found.add(one)
    return found


@pytest.mark.parametrize("name", [*EXPECTED, *OPAQUE])
def test_tab_in_the_standard_completer(namespace: dict[str, object], name: str) -> None:
    found = completions(namespace, f"{name}.")
    names = {one.removeprefix(f"{name}.").rstrip("()") for one in found}
    assert EXPECTED.get(name, set()) <= names


def test_tab_completes_the_beginning_of_a_name(namespace: dict[str, object]) -> None:
    assert completions(namespace, "addon.asyncA") == {"addon.asyncAdd("}
    assert completions(namespace, "instance.incr") == {"instance.increment("}
    assert completions(namespace, "addon.nothingOf") == set()


IPYTHON = """
import json, sys
sys.path.insert(0, {tests!r})
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from napi_python import load_addon
from test_completion import EXPECTED, OPAQUE, instances
shell = InteractiveShell.instance()
shell.push(instances(load_addon({addon!r})))
for use_jedi in (True, False):
    shell.Completer.use_jedi = use_jedi
    for name in (*EXPECTED, *OPAQUE):
        text = f"{{name}}."
        with provisionalcompleter():
            found = {{one.text.lstrip(".") for one in shell.Completer.completions(text, len(text))}}
        missing = EXPECTED.get(name, set()) - found
        assert not missing, (use_jedi, name, missing, found)
with provisionalcompleter():
    found = [one.text for one in shell.Completer.completions("addon.asyncA", 12)]
assert found == [".asyncAdd"], found
print("done")
"""


def test_tab_in_ipython(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    tests = str(Path(__file__).resolve().parent)
    source = IPYTHON.format(tests=tests, addon=str(addon_path("sample_rust")))
    done = run_program(source)
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["done"]), done.stderr
