"""Limits of resources end in an exception that names the limit and the option to raise it."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import addon_path
from napi_python import (
    Addon,
    AddonCrashed,
    AddonError,
    JSError,
    Sandbox,
    SandboxUnavailable,
    _addon,
    host,
    load_addon,
)
from processes import marked

Confined = Callable[..., Any]
IS_ROOT = os.geteuid() == 0


@pytest.fixture(params=["default", "strict"])
def confined(request: pytest.FixtureRequest) -> Iterator[Confined]:
    """Loads the sample under a policy with some limits."""
    loaded: list[Addon] = []

    def load(sample: str = "crash", **options: Any) -> Addon:
        sandbox = Sandbox(policy=request.param, **options)
        try:
            loaded.append(load_addon(addon_path(sample), sandbox=sandbox))
        except SandboxUnavailable as error:
            if request.param == "strict" and error.mechanism == "namespaces":
                pytest.skip(str(error))
            raise
        return loaded[-1]

    yield load
    for addon in loaded:
        addon.__exit__(None, None, None)


def said(error: AddonError) -> str:
    """The message of an exception, with the notes on it."""
    return "\n".join([str(error), *getattr(error, "__notes__", [])])


def names(error: AddonError, now: str, more: str) -> None:
    """Checks that an exception names a limit, and the option that raises it."""
    text = said(error)
    assert f"its limit is {now}; sandbox=Sandbox({more}) allows twice as much" in text, text


def test_memory_that_is_refused(confined: Confined) -> None:
    addon = confined(memory="256 MiB")
    with pytest.raises(JSError) as thrown:
        addon.refusedMemoryThrows(512)
    names(thrown.value, 'memory="256 MiB"', 'memory="512 MiB"')
    with pytest.raises(AddonCrashed) as crashed:
        addon.exhaustMemory(1e9)
    names(crashed.value, 'memory="256 MiB"', 'memory="512 MiB"')
    assert (crashed.value.reason or "").startswith("maybe out of memory")
    assert addon.add(1, 2) == 3


@pytest.mark.parametrize(("kind", "too_many"), [("hoard", 4096), ("pageTables", 1024)])
def test_memory_that_the_kernel_does_not_count(
    kind: str, too_many: int, confined: Confined
) -> None:
    """Written pages that became read-only, and page tables of a sparse map that is only read."""
    addon = confined(memory="128 MiB")
    take = getattr(addon, kind)
    assert take(64) == 64
    with pytest.raises(AddonCrashed) as crashed:
        # It stops by itself in case the limit does not hold.
        take(too_many)
    names(crashed.value, 'memory="128 MiB"', 'memory="256 MiB"')
    assert re.search(r"it had \d+ MiB of memory", str(crashed.value))
    assert addon.add(1, 2) == 3


def test_shared_zeros_are_denied(confined: Confined) -> None:
    """A shared map of /dev/zero allocates memory on read, which no limit counts."""
    addon = confined(memory="128 MiB")
    with pytest.raises(JSError, match=r"Permission denied|No such file"):
        addon.sharedZeros(512)


@pytest.mark.parametrize("options", [{}, {"unix": []}, {"network": True}])
def test_buffers_of_sockets(confined: Confined, options: dict[str, Any]) -> None:
    """Sockets that are open or in flight hold at most half of the memory limit."""
    addon = confined(memory="128 MiB", **options)
    assert 0 < addon.socketBuffers(512) <= 64


def test_fewer_descriptors_where_memory_is_small(confined: Confined) -> None:
    small = confined(memory="64 MiB")
    with pytest.raises(JSError) as thrown:
        small.openMany(100)
    count = int(re.findall(r"its limit is files=(\d+)", said(thrown.value))[0])
    assert count < 100
    # The number that the user names applies.
    confined(memory="64 MiB", files=128).openMany(100)


def test_address_space(confined: Confined) -> None:
    addon = confined(memory="128 MiB")
    addon.reserveAddresses(128 << 10)
    with pytest.raises(JSError) as thrown:
        addon.reserveAddresses(1 << 20)
    names(thrown.value, 'memory="128 MiB"', 'memory="256 MiB"')


def test_memory_is_limited_while_no_call_waits(confined: Confined) -> None:
    """The watchdog works without a call, and the next call raises its reason."""
    addon = confined(memory="128 MiB")
    host(addon).run_script("setTimeout(() => addon.hoard(4096), 0)")
    end = time.monotonic() + 30
    while host(addon).generation == 1 and time.monotonic() < end:
        try:
            addon.add(1, 2)
        except AddonCrashed as error:
            names(error, 'memory="128 MiB"', 'memory="256 MiB"')
            break
        time.sleep(0.01)
    assert addon.add(1, 2) == 3
    assert host(addon).generation == 2


PROGRAMS = """#!/bin/sh
# Each below the limit, and each without its parent.
for one in 1 2 3 4 5 6 7 8; do
  ( ( x=$(head -c 40000000 /dev/urandom | tr -c x x); sleep 600; : "$x" ) & )
done
sleep 600
:
"""


def test_programs_that_it_starts_count_with_it(confined: Confined, tmp_path: Path) -> None:
    script = tmp_path / "programs"
    script.write_text(PROGRAMS)
    script.chmod(0o755)
    tmp_path.chmod(0o755)
    addon = confined("probe", memory="192 MiB", subprocess=True, read=[tmp_path])
    with pytest.raises(AddonCrashed) as crashed:
        addon.run("/bin/sh", str(script))
    names(crashed.value, 'memory="192 MiB"', 'memory="384 MiB"')
    assert re.search(r"it and its child processes, \d+ in all, had \d+ MiB", str(crashed.value))


@pytest.mark.parametrize("policy", ["default", "strict"])
@pytest.mark.parametrize("end", ["close", "kill"])
def test_programs_end_with_the_process_of_the_addon(end: str, policy: Any, tmp_path: Path) -> None:
    script = tmp_path / "programs"
    mark = f"PROGRAMS_OF={tmp_path}"
    script.write_text(
        f"#!/bin/sh\nexport {mark}\nfor one in 1 2 3 4 5; do ( sleep 600 & ) ; done\n"
    )
    script.chmod(0o755)
    tmp_path.chmod(0o755)
    sandbox = Sandbox(policy=policy, subprocess=True, read=[tmp_path])
    try:
        addon = load_addon(addon_path("probe"), sandbox=sandbox)
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    with addon:
        assert addon.run("/bin/sh", str(script)) == 0
        pid = host(addon).pid
        assert pid is not None
        until = time.monotonic() + 20
        while len(marked(mark)) < 5 and time.monotonic() < until:
            time.sleep(0.02)
        assert len(marked(mark)) >= 5
        if end == "kill":
            os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + 10
    while marked(mark) and time.monotonic() < until:
        time.sleep(0.02)
    assert marked(mark) == set()


def test_threads(confined: Confined) -> None:
    addon = confined(threads=40)
    with pytest.raises((JSError, AddonCrashed)) as raised:
        addon.idleThreads(400)
        # What the kernel does not refuse is noticed when some time was spent.
        addon.loopForever()
    threads = re.search(r"its limit is threads=(\d+)", said(raised.value))
    assert threads is not None, said(raised.value)
    count = int(threads[1])
    # Under root a jail counts processes by their numbers, of which there are some hundred at least.
    assert count == 40 or (IS_ROOT and count < 300)
    names(raised.value, f"threads={count}", f"threads={count * 2}")


def test_descriptors(confined: Confined) -> None:
    addon = confined(files=64)
    with pytest.raises(JSError) as thrown:
        addon.openMany(100)
    names(thrown.value, "files=64", "files=128")


def test_length_of_a_file(confined: Confined, tmp_path: Path) -> None:
    addon = confined(file_size="1 MiB", write=[tmp_path])
    path = str(tmp_path / "long")
    addon.longFile(path, 1 << 20)
    with pytest.raises(JSError) as thrown:
        addon.longFile(path, (1 << 20) + 1)
    names(thrown.value, 'file_size="1 MiB"', 'file_size="2 MiB"')
    with pytest.raises(AddonCrashed) as crashed:
        addon.longFile(path, (1 << 20) + 1, True)
    assert crashed.value.signal_name == "SIGXFSZ"
    names(crashed.value, 'file_size="1 MiB"', 'file_size="2 MiB"')


def test_processor_time(confined: Confined) -> None:
    addon = confined(cpu=1)
    with pytest.raises(AddonCrashed) as crashed:
        addon.loopForever()
    assert crashed.value.signal_name == "SIGXCPU"
    names(crashed.value, "cpu=1", "cpu=2")
    assert "processor time" in str(crashed.value)


@pytest.mark.parametrize(("policy", "stream"), [("none", 1), ("default", 2), ("strict", 1)])
def test_flood_of_output_is_dropped_and_counted(
    policy: Any, stream: int, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    flood = 24
    try:
        addon = load_addon(addon_path("crash"), sandbox=policy)
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    with addon, caplog.at_level(logging.WARNING, logger="napi_python.host"):
        addon.flood(stream, flood)
        assert addon.add(1, 2) == 3
        host(addon).close()
        printed = capfd.readouterr()
        shown = len(printed.out if stream == 1 else printed.err)
        # With the last of it the counter is there.
        end = time.monotonic() + 10
        while not caplog.records and time.monotonic() < end:
            time.sleep(0.01)
    assert shown < flood << 20
    reported = [record.getMessage() for record in caplog.records]
    name = "stdout" if stream == 1 else "stderr"
    dropped = [re.search(rf"dropped (\d+) bytes of {name}", text) for text in reported]
    counted = sum(int(found[1]) for found in dropped if found)
    assert shown + counted >= flood << 20, reported
    assert counted > 1 << 20
    assert "it prints more than" in reported[0]


def test_output_that_was_dropped_is_in_the_stats(capfd: pytest.CaptureFixture[str]) -> None:
    with load_addon(addon_path("crash")) as addon:
        assert host(addon).stats()["output_dropped"] == 0
        addon.flood(2, 24)
        end = time.monotonic() + 10
        while not host(addon).stats()["output_dropped"] and time.monotonic() < end:
            time.sleep(0.01)
        dropped = host(addon).stats()["output_dropped"]
    capfd.readouterr()
    assert dropped


def test_host_that_does_nothing_costs_nothing_to_watch(confined: Confined) -> None:
    """Neither process runs, nor does the watchdog's thread: no context is switched."""
    addon = confined()
    assert addon.add(1, 2) == 3

    def switches() -> int:
        count = 0
        for task in Path("/proc/self/task").iterdir():
            if (task / "comm").read_text().startswith("hostd-superviso"):
                status = (task / "status").read_text()
                count += sum(int(n) for n in re.findall(r"ctxt_switches:\s+(\d+)", status))
        return count

    # What the start and the call have still to do comes to its end.
    before, end = switches(), time.monotonic() + 20
    while time.monotonic() < end:
        time.sleep(0.5)
        now = switches()
        if now == before:
            return
        before = now
    pytest.fail("the supervisor keeps waking up")


MAPLESS = """
import sys
from napi_python import AddonCrashed, Sandbox, host, load_addon
addon = load_addon(sys.argv[1], sandbox=Sandbox(threads=40))
print(host(addon).sandbox["threads"].state, host(addon).sandbox["threads"].detail)
try:
    addon.idleThreads(400)
    addon.loopForever()
except AddonCrashed as error:
    print(error)
"""


@pytest.mark.skipif(not IS_ROOT, reason="only root can make a system like that")
def test_threads_are_counted_where_a_user_namespace_can_have_no_users() -> None:
    """Some systems allow creating one but not mapping users in it."""
    kit = Path(tempfile.mkdtemp(prefix="mapless-"))
    try:
        program = _addon._host_binary()  # noqa: SLF001 - it is copied
        for file in (Path(program), addon_path("crash")):
            shutil.copy(file, kit / file.name)
            (kit / file.name).chmod(0o755)
        kit.chmod(0o755)
        # The maps are files in /proc, and can't be written to.
        steps = "mount -o remount,bind,ro /proc && exec setpriv --reuid 65534 --regid 65534 "
        steps += '--clear-groups "$@"'
        command = ["unshare", "--mount", "/bin/sh", "-c", steps, "sh", sys.executable, "-c"]
        done = subprocess.run(
            [*command, MAPLESS, str(kit / "crash.node")],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": os.pathsep.join(sys.path),
                "NAPI_PYTHON_HOSTD": str(kit / Path(program).name),
            },
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        shutil.rmtree(kit)
    if "mount" in done.stderr or "setpriv" in done.stderr:
        pytest.skip(f"no such system can be made here: {done.stderr}")
    said, _, crash = done.stdout.partition("\n")
    assert said.startswith("partial 40 threads, counted by the client: "), done
    assert "its limit is threads=40" in crash, done
