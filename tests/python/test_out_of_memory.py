"""A host that the system refuses memory: an error of JavaScript, or an end whose cause says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import addon_path, run_program
from napi_python import Addon, AddonCrashed, JSError, Sandbox, _addon, host, load_addon

BINARY = _addon._host_binary()  # noqa: SLF001
MIB = 1 << 20
LIMIT_MIB = 480


@pytest.fixture
def limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Addon]:
    """An addon whose host starts with a limit of its address space.

    The limit is not set in this process, which may be larger and could then spawn nothing.
    """
    program = tmp_path / "limited-hostd"
    program.write_text(f'#!/bin/sh\nulimit -S -v {LIMIT_MIB << 10}\nexec "{BINARY}" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("NAPI_PYTHON_HOSTD", str(program))
    with load_addon(addon_path("primitive")) as loaded:
        yield loaded


def lives_on(addon: Addon) -> None:
    assert host(addon).run_script("6 * 7") == 42
    assert host(addon).generation == 1


@pytest.mark.parametrize(
    "script",
    [
        "new ArrayBuffer(2 ** 31 - 1)",
        "'x'.repeat(2 ** 29) + 'y'.repeat(2 ** 29)",
        "new Array(60e6).fill(1)",
        "Buffer.alloc(300 * 2 ** 20).indexOf('x')",
        "Buffer.alloc(300 * 2 ** 20).compare(Buffer.alloc(1))",
        "Buffer.alloc(300 * 2 ** 20).toString('latin1')",
        "structuredClone(Buffer.alloc(300 * 2 ** 20))",
        "Buffer.alloc(130 * 2 ** 20).toString('hex')",
        "Buffer.alloc(200 * 2 ** 20).toString('base64')",
        "new TextDecoder('utf-16le').decode(Buffer.alloc(230 * 2 ** 20))",
    ],
)
def test_javascript_that_needs_too_much_gets_an_error(script: str, limited: Addon) -> None:
    with pytest.raises(JSError, match=r"out of memory|allocation failed|Invalid string length"):
        host(limited).run_script(f"{script}, 1")
    lives_on(limited)


@pytest.mark.parametrize(
    "make",
    [lambda: bytes(230 * MIB), lambda: [1.5] * 24_000_000, lambda: [1] * 30_000_000],
    ids=["bytes", "floats", "integers"],
)
def test_argument_that_does_not_fit_is_an_error(make: Callable[[], Any], limited: Addon) -> None:
    take = host(limited).run_script("(value) => 1")
    with pytest.raises(JSError, match="out of memory"):
        take(make())
    lives_on(limited)


def test_host_that_ends_for_lack_of_memory_says_so() -> None:
    """The request itself does not fit, so the process exits. It inherits the limit of Python."""
    script = f"""
import resource
from napi_python import AddonCrashed, host, load_addon
hard = resource.getrlimit(resource.RLIMIT_AS)[1]
resource.setrlimit(resource.RLIMIT_AS, ({LIMIT_MIB * MIB}, hard))
addon = load_addon({str(addon_path("primitive"))!r})
resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
take = host(addon).run_script("(value) => 1")
try:
    take(bytes({450 * MIB}))
except AddonCrashed as error:
    assert error.reason in str(error)
    print(error.reason)
"""
    ended = run_program(script)
    reason = ended.stdout
    assert reason.startswith("out of memory: a message needs "), ended
    assert f"RLIMIT_AS (ulimit -v) limits its address space to {LIMIT_MIB} MiB" in reason


def test_limit_of_the_sandbox_is_named() -> None:
    with load_addon(addon_path("primitive"), sandbox=Sandbox(memory="256 MiB")) as addon:
        take = host(addon).run_script("(value) => 1")
        with pytest.raises(AddonCrashed) as crashed:
            take(bytes(300 * MIB))
    reason = crashed.value.reason or ""
    assert reason.startswith("out of memory: a message needs "), crashed.value
    assert 'its limit is memory="256 MiB"' in reason
    assert 'sandbox=Sandbox(memory="512 MiB")' in reason
