"""The loggers of the package: what `NAPI_PYTHON_LOG` sets, and what hosts send."""

from __future__ import annotations

import os

import pytest
from conftest import addon_path, run_program

#: an addon that prints, and whose Node-API function fails, which the host traces
PROGRAM = f"""
import contextlib
from napi_python import JSError, host, load_addon

for options in ({{}}, {{"isolated": False}}):
    with load_addon({str(addon_path("number"))!r}, **options) as addon:
        host(addon).run_script("console.log('printed')")
        with contextlib.suppress(JSError):
            addon.napi_get_value_int32("no number")
"""
#: what is logged of the output of a process; what is printed in this one is no output of another
LINE = "INFO napi_python.addon.number: printed"


def logged(variable: str | None, program: str = PROGRAM) -> list[str]:
    """Returns what a program writes to stderr with this value of the variable."""
    environment = {key: value for key, value in os.environ.items() if key != "NAPI_PYTHON_LOG"}
    if variable is not None:
        environment["NAPI_PYTHON_LOG"] = variable
    done = run_program(program, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("printed") == 2
    return done.stderr.splitlines()


def test_without_the_variable_only_warnings_are_shown() -> None:
    assert logged(None) == []
    assert logged("") == []


@pytest.mark.parametrize(
    "variable",
    ["info", "INFO", "addon=info", "napi_python.addon.number=info"],
)
def test_level_of_all_and_of_one_logger(variable: str) -> None:
    assert logged(variable) == [LINE]


@pytest.mark.parametrize("variable", ["warning", "off", "info,addon=error", "addon.other=info"])
def test_level_that_hides_the_line(variable: str) -> None:
    assert logged(variable) == []


@pytest.mark.parametrize("variable", ["trace", "addon=info, host=trace"])
def test_host_sends_what_is_asked_for(variable: str) -> None:
    found = logged(variable)
    traced = [line for line in found if line.startswith("TRACE napi_python.host: ")]
    # In the process of the host, and in this one.
    assert sum("napi_get_value_int32" in line for line in traced) == 2
    assert found.count(LINE) == 1


def test_level_of_the_logger_is_what_the_host_sends() -> None:
    start = "import logging, sys\nlogging.basicConfig(level={})\n"
    assert any("napi_get_value_int32" in line for line in logged(None, start.format(5) + PROGRAM))
    assert not any("napi_get" in line for line in logged(None, start.format("'INFO'") + PROGRAM))


def test_program_that_configures_logging_shows_each_line_once() -> None:
    start = "import logging\nlogging.basicConfig(level='WARNING', format='own: %(message)s')\n"
    assert logged("info", start + PROGRAM) == ["own: printed"]


@pytest.mark.parametrize(
    "variable", ["verbose", "hosts=info", "host=", "=info=", "info;host=debug"]
)
def test_variable_that_is_invalid_is_an_error(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napi_python import load_addon

    monkeypatch.setenv("NAPI_PYTHON_LOG", variable)
    with pytest.raises(ValueError, match=r"NAPI_PYTHON_LOG is invalid: .*; correct or unset it"):
        load_addon(addon_path("number"))


def test_logging_is_imported_when_something_is_logged() -> None:
    program = f"""
import sys
from napi_python import load_addon
with load_addon({str(addon_path("bench"))!r}) as addon:
    assert addon.add(1, 2) == 3
    print("logging" in sys.modules)
"""
    environment = {**os.environ, "NAPI_PYTHON_LOG": "debug"}
    assert run_program(program, env=environment).stdout == "False\n"
