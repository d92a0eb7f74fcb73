"""Shared memory within limits: those of a sandbox, and those of the process that loads an addon."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import addon_path
from napi_python import Addon, AddonCrashed, JSError, Sandbox, _addon, host, load_addon

MIB = 1 << 20
SUM = """b => {
    let sum = 0;
    for (let at = 0; at < b.length; at += 4096) sum += b[at];
    b[1] = 9;
    return sum;
}"""


@pytest.fixture(autouse=True)
def _without_backtraces(monkeypatch: pytest.MonkeyPatch) -> None:
    """One takes so much memory that the watchdog may end a host that has run out of it."""
    monkeypatch.setenv("RUST_BACKTRACE", "0")


@pytest.fixture
def confined() -> Iterator[Callable[..., Addon]]:
    """Loads an addon under limits."""
    with contextlib.ExitStack() as hosts:
        yield lambda **options: hosts.enter_context(
            load_addon(addon_path("primitive"), sandbox=Sandbox(**options))
        )


def names(error: BaseException, *options: str) -> None:
    """Checks that a message names options."""
    for option in options:
        assert option in str(error)


def check(addon: Addon) -> None:
    """Passes a large buffer and a long text both ways."""
    script: Any = host(addon).run_script
    data = bytearray(b"\x01" * MIB)
    assert script(SUM)(data) == 256
    assert data[:3] == b"\x01\x09\x01"
    assert script("t => t + 'x'")("é" * MIB) == "é" * MIB + "x"
    made = script("globalThis.made = new Uint8Array(1 << 20).fill(3)")
    assert made.shared
    memoryview(made)[7] = 4
    assert script("made[7]") == 4


@pytest.mark.parametrize("policy", ["none", "default", "strict"])
@pytest.mark.parametrize("memory", [None, "64 MiB"])
def test_memory_is_shared_whatever_the_policy(policy: Any, memory: str | None) -> None:
    if policy == "none" and memory:
        pytest.skip("no limit without a sandbox")
    sandbox = Sandbox(policy=policy, memory=memory) if memory else policy
    with load_addon(addon_path("primitive"), sandbox=sandbox) as addon:
        check(addon)


# What the addon has in shared memory counts as its memory.


def test_buffers_of_scripts_are_within_the_limit(confined: Callable[..., Addon]) -> None:
    addon = confined(memory="64 MiB")
    script: Any = host(addon).run_script
    hoard = "const all = []; for (;;) all.push(new Uint8Array({}).fill(1))"
    for size in (MIB, 13 * MIB):
        with pytest.raises(JSError, match="out of memory"):
            script(f"(() => {{ {hoard.format(size)} }})()")
        host(addon).collect()
        check(addon)
    # What is freed can be used again, and does not count.
    used = f"for (let i = 0; i < 100; i++) new Uint8Array({30 * MIB}).fill(1)"
    script(f"(() => {{ {used} }})()")
    check(addon)
    assert host(addon).generation == 1
    # The engine cannot go on without a small block.
    with pytest.raises(AddonCrashed) as raised:
        script(f"(() => {{ {hoard.format(20_000)} }})()")
    names(raised.value, "out of memory", 'memory="64 MiB"', 'memory="128 MiB"')


@pytest.mark.parametrize("rest", ["private", "shared"])
def test_shared_and_private_memory_count_together(
    rest: str, confined: Callable[..., Addon]
) -> None:
    addon = confined(memory="64 MiB")
    script: Any = host(addon).run_script
    keep = script("globalThis.large = new Uint8Array(50 << 20).fill(1)")
    assert keep.shared
    size, count = (8000, 6500) if rest == "private" else (32768, 7000)
    fill = f"for (let i = 0; i < {count}; i++) all.push(new Uint8Array({size}).fill(i))"
    with pytest.raises((AddonCrashed, JSError)) as raised:
        script(f"globalThis.all = []; {fill}; for (;;);")
    if isinstance(raised.value, AddonCrashed):
        names(raised.value, 'memory="64 MiB"', 'memory="128 MiB"')
    # The view stays, with or without its host.
    assert memoryview(keep)[50 * MIB - 1] == 1


def test_arguments_beyond_the_limit_name_it(confined: Callable[..., Addon]) -> None:
    addon = confined(memory="64 MiB")
    script: Any = host(addon).run_script
    # It lies in shared memory, which is not the addon's own.
    assert script("b => b.length")(bytes(60 * MIB)) == 60 * MIB
    for argument in (bytes(128 * MIB), "x" * (128 * MIB)):
        with pytest.raises(AddonCrashed) as raised:
            script("a => a.length")(argument)
        names(raised.value, "out of memory", 'memory="64 MiB"', 'memory="128 MiB"')
    check(addon)


# Limits of the process that loads the addon.

LIMITED = """
import os, resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
from napi_python import load_addon, host
path, limit, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
kind = getattr(resource, limit)
resource.setrlimit(kind, (number, resource.getrlimit(kind)[1]))
addon = load_addon(path, sandbox="none")
data = bytearray(b"x" * (1 << 20))
script = host(addon).run_script
assert script("b => { b[9] = 1; return b.length; }")(data) == 1 << 20
assert data[9] == 1
assert script("t => t.length")("y" * (1 << 20)) == 1 << 20
made = script("new Uint8Array(1 << 20).fill(3)")
assert bytes(made) == b"\\3" * (1 << 20)
print("shared", made.shared)
"""


def run(limit: str, number: int) -> str:
    """Loads an addon under a limit; returns what was printed."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            textwrap.dedent(LIMITED),
            str(addon_path("primitive")),
            limit,
            str(number),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, (done.returncode, done.stderr)
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("number", "shared"), [(0, False), (4096, False), (1 << 20, False), (256 * MIB, True)]
)
def test_limit_of_file_sizes(number: int, shared: bool) -> None:
    """The system sends SIGXFSZ where a memory file is larger than files may be."""
    assert run("RLIMIT_FSIZE", number) == f"shared {shared}"


@pytest.mark.parametrize("gib", [1, 2, 9, 17, 200])
def test_limit_of_the_address_space(gib: int) -> None:
    """Shared memory takes a small part of it, or none: numpy needs it more."""
    printed = run("RLIMIT_AS", gib << 30)
    assert printed in {"shared True", "shared False"}
    if gib >= 9:
        assert printed == "shared True"


@pytest.mark.parametrize("number", [64, 128])
def test_limit_of_descriptors(number: int) -> None:
    assert run("RLIMIT_NOFILE", number) == "shared True"


def test_address_space_is_left_to_the_program(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent("""
        import mmap, resource, sys
        from napi_python import load_addon
        resource.setrlimit(resource.RLIMIT_AS, (9 << 30, resource.RLIM_INFINITY))
        addons = [load_addon(sys.argv[1], sandbox="none") for _ in range(2)]
        mapped = mmap.mmap(-1, 6 << 30, flags=mmap.MAP_PRIVATE)
        print(len(mapped) >> 30)
        """)
    )
    done = subprocess.run(
        [sys.executable, str(program), str(addon_path("primitive"))],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "6"), done.stderr


@pytest.mark.parametrize("sandbox", ["none", "default", "strict"])
@pytest.mark.parametrize("mib", [480, 1 << 20])
def test_limit_of_the_address_space_of_a_host(
    mib: int, sandbox: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host without room for the memory gets the bytes of buffers in frames."""
    program = tmp_path / "limited-hostd"
    binary = _addon._host_binary()  # noqa: SLF001
    program.write_text(f'#!/bin/sh\nulimit -S -v {mib << 10}\nexec "{binary}" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("NAPI_PYTHON_HOSTD", str(program))
    with load_addon(addon_path("primitive"), sandbox=sandbox) as addon:
        script: Any = host(addon).run_script
        data = bytearray(b"\x01" * MIB)
        assert script(SUM)(data) == 256
        assert data[:3] == b"\x01\x09\x01"
        made = script("globalThis.made = new Uint8Array(1 << 20).fill(3)")
        assert bytes(made) == b"\x03" * MIB
        assert made.shared == (mib > 480)
        assert script("t => t + 'x'")("é" * MIB) == "é" * MIB + "x"
        assert host(addon).generation == 1
