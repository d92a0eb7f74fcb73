"""What `import napi_python` and a first call import: the start of every program pays for it."""

from __future__ import annotations

from pathlib import Path

from conftest import addon_path, run_program

# Each takes longer to import than all of the package.
SLOW = (
    "asyncio",
    "concurrent.futures",
    "dataclasses",
    "inspect",
    "logging",
    "pathlib",
    "subprocess",
    "tempfile",
    "traceback",
    "urllib.parse",
)


def imported(program: str) -> list[str]:
    """Returns which of the slow modules a program has imported that Python itself has not."""
    program = f"""
import sys
before = set(sys.modules)
{program}
print(*(name for name in {SLOW!r} if name in sys.modules and name not in before))
"""
    return run_program(program).stdout.split()


def test_import_needs_none_of_the_slow_modules() -> None:
    assert imported("import napi_python") == []
    # Imported while the first host starts.
    program = """
import sys
before = set(sys.modules)
import napi_python
print({"datetime", "re", "typing"} & (sys.modules.keys() - before))
"""
    assert run_program(program).stdout == "set()\n"


def test_load_and_call_need_none_of_the_slow_modules() -> None:
    program = f"""
from napi_python import load_addon
assert load_addon({str(addon_path("bench"))!r}).add(1, 2) == 3
"""
    assert imported(program) == []


def test_require_needs_none_of_the_slow_modules(tmp_path: Path) -> None:
    package = tmp_path / "node_modules" / "one"
    package.mkdir(parents=True)
    (package / "package.json").write_text('{"name": "one", "version": "1.0.0"}')
    (package / "index.js").write_text("exports.twice = (callback) => callback(1) + callback(2);")
    program = f"""
from napi_python import require
assert require("one", root={str(tmp_path)!r}).twice(lambda value: value * 2) == 6
"""
    assert imported(program) == []


def test_end_of_output_without_lines_needs_no_logging() -> None:
    # Native code reports it for each stream of a host that ends, as at the end of a program.
    assert imported("from napi_python import _output; _output.show('x', False, b'')") == []
    assert "logging" in imported(
        "from napi_python import _output; _output.show('x', True, b'a\\n')"
    )


def test_slow_module_is_noticed() -> None:
    assert "asyncio" in imported("import napi_python; napi_python.aio")


def test_every_name_of_the_package_is_there() -> None:
    program = """
import napi_python
assert set(napi_python.__all__) <= set(dir(napi_python))
for name in napi_python.__all__:
    found = getattr(napi_python, name)
    assert found is getattr(napi_python, name), name
from napi_python import *
print(Sandbox(network=True), RestartPolicy(max=2))
"""
    shown = "Sandbox(network=True) RestartPolicy(max=2, window=300.0, backoff=0.0)\n"
    assert run_program(program).stdout == shown


def test_name_that_is_not_there() -> None:
    program = """
import napi_python
try:
    napi_python.nothing
except AttributeError as error:
    print(error, error.name)
"""
    said = "module 'napi_python' has no attribute 'nothing' nothing\n"
    assert run_program(program).stdout == said


def test_exception_of_an_import_during_the_start_is_raised() -> None:
    program = f"""
import sys
from napi_python import load_addon
sys.modules["napi_python._views"] = None
for _ in range(2):
    try:
        load_addon({str(addon_path("bench"))!r})
    except ImportError as error:
        print(error.name)
del sys.modules["napi_python._views"]
print(load_addon({str(addon_path("bench"))!r}).add(1, 2))
"""
    assert run_program(program).stdout == "napi_python._views\nnapi_python._views\n3\n"
