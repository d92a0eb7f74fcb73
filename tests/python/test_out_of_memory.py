"""A host that the system refuses memory: an error of JavaScript, or an end whose cause says so."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import addon_path
from napi_python import Addon, AddonCrashed, JSError, Sandbox, host, load_addon

MIB = 1 << 20
LIMIT_MIB = 480


@pytest.fixture
def limited() -> Iterator[Addon]:
    """An addon whose host inherits a limit of its address space that this process drops again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_MIB * MIB, hard))
    try:
        loaded = load_addon(addon_path("primitive"))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    with loaded:
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


def test_host_that_ends_for_lack_of_memory_says_so(limited: Addon) -> None:
    """The request itself does not fit, so the process exits."""
    take = host(limited).run_script("(value) => 1")
    with pytest.raises(AddonCrashed) as crashed:
        take(bytes(450 * MIB))
    reason = crashed.value.reason or ""
    assert reason.startswith("out of memory: a message needs "), crashed.value
    assert f"RLIMIT_AS (ulimit -v) limits its address space to {LIMIT_MIB} MiB" in reason
    assert reason in str(crashed.value)


def test_limit_of_the_sandbox_is_named() -> None:
    with load_addon(addon_path("primitive"), sandbox=Sandbox(memory="256 MiB")) as addon:
        take = host(addon).run_script("(value) => 1")
        with pytest.raises(AddonCrashed) as crashed:
            take(bytes(300 * MIB))
    reason = crashed.value.reason or ""
    assert reason.startswith("out of memory: a message needs "), crashed.value
    assert 'its limit is memory="256 MiB"' in reason
    assert 'sandbox=Sandbox(memory="512 MiB")' in reason
