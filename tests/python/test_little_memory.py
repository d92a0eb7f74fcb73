"""A cgroup with little memory: the kernel kills the host that uses it, and no other process."""

from __future__ import annotations

import pytest
from conftest import addon_path, memory_cgroup, run_program

LIMIT = 192 << 20
POLICIES = ("default", "strict")

PROGRAM = """
import sys
from napi_python import AddonCrashed, Sandbox, SandboxUnavailable, host, load_addon

policy, crash, probe, attack = sys.argv[1:]
OPEN, WRITE, CREATE_TO_WRITE = 2, 1, 0o101
other = load_addon(crash, sandbox="none")
other_pid = host(other).pid
try:
    addon = load_addon(probe if attack == "files" else crash, sandbox=policy)
except SandboxUnavailable as error:
    sys.exit(f"unavailable: {error}")

def files():
    name = host(addon).run_script("process.env.HOME + '/large'")
    file, piece = addon.call(OPEN, name, CREATE_TO_WRITE, 0o600), b"x" * (1 << 20)
    while addon.call(WRITE, file, piece, len(piece)) > 0:
        pass

def script():
    host(addon).run_script("const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1))")

def result():
    host(addon).run_script("Array.from({length: 1 << 19}, (_, n) => 'x'.repeat(300) + n)")

ATTACKS = {
    "memory": lambda: addon.exhaustMemory(400),
    "hoard": lambda: addon.hoard(400),
    "files": files,
    "script": script,
    "result": result,
}
for turn in range(2):
    try:
        ATTACKS[attack]()
        print("went on")
    except AddonCrashed as error:
        assert error.signal_name == "SIGKILL", error
        assert "out of memory" in (error.reason or ""), error
        print("ended")
    except MemoryError as error:
        print("refused", error)
    if attack != "files":
        assert addon.add(1, 2) == 3
    assert other.add(1, 2) == 3 and host(other).pid == other_pid
print("alive")
"""


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("attack", ["memory", "hoard", "files", "script", "result"])
def test_host_is_killed_and_the_client_is_not(attack: str, policy: str) -> None:
    if attack == "files" and policy == "default":
        pytest.skip("its files are on the disk, which is not memory")
    addons = (addon_path("crash"), addon_path("probe"))
    with memory_cgroup(LIMIT) as group:
        enter = f'echo $$ > "{group}/cgroup.procs"; exec "$@"'
        prefix = ("/bin/sh", "-c", enter, "sh")
        done = run_program(PROGRAM, policy, *addons, attack, prefix=prefix)
    *outcomes, last = done.stdout.splitlines() or [""]
    assert last == "alive", (done.returncode, done.stdout, done.stderr)
    if attack != "result":
        assert outcomes == ["ended"] * 2, outcomes
