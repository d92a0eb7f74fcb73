"""What a confined addon cannot do, what it can, and what is reported."""

from __future__ import annotations

import copy
import errno
import os
import pathlib
import pickle
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import addon_path
from napi_python import (
    Addon,
    AddonCrashed,
    JSError,
    LoadError,
    Sandbox,
    SandboxUnavailable,
    SandboxViolation,
    _addon,
    by_ref,
    host,
    load_addon,
)

# The denials that are tried here.
pytestmark = pytest.mark.filterwarnings("ignore::napi_python.SandboxWarning")

PROGRAM = _addon._host_binary()  # noqa: SLF001 - the one that is tested
POLICIES = ("default", "strict")
IS_ROOT = os.geteuid() == 0

# Numbers of system calls on x86-64.
READ, WRITE, OPEN, CLOSE, STAT, MMAP, MPROTECT, EXIT_GROUP = 0, 1, 2, 3, 4, 9, 10, 231
SOCKET, CONNECT, SENDTO, SOCKETPAIR, CLONE, FORK, EXECVE, KILL = 41, 42, 44, 53, 56, 57, 59, 62
CHDIR, RENAME, MKDIR, UNLINK, CHMOD, PTRACE, PRCTL, UNSHARE = 80, 82, 83, 87, 90, 101, 157, 272
TRUNCATE, INOTIFY_ADD_WATCH, INOTIFY_INIT1, MEMFD, EXECVEAT = 76, 254, 294, 319, 322
SYMLINK, LINK, SETXATTR, IO_URING_SETUP, PIDFD_OPEN, CLONE3 = 88, 86, 188, 425, 434, 435
SIGACTION, SIGPROCMASK, X32, SIGSYS = 13, 14, 0x40000000, 31
SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK = 0, 1, 2
BIND, SECCOMP, PKEY_MPROTECT, READ_ONLY = 49, 317, 329, 1
PROCESS_VM_READV, PRLIMIT, SCHED_SETAFFINITY, GETPID, OPENAT2 = 310, 302, 203, 39, 437

EPERM, EACCES, ENOENT, ENOSYS = -errno.EPERM, -errno.EACCES, -errno.ENOENT, -errno.ENOSYS
EROFS, ESRCH = -errno.EROFS, -errno.ESRCH
UTIME, UTIMES, FUTIMESAT, UTIMENSAT, AT_FDCWD = 132, 235, 261, 280, -100
CREATE = os.O_CREAT | os.O_WRONLY
SIGCHLD, NEWUSER = 17, 0x10000000
NOBODY = 65534


def _can_jail() -> str:
    """Returns why no jail can be had here, or nothing."""
    try:
        load_addon(addon_path("probe"), sandbox="strict").__exit__(None, None, None)
    except SandboxUnavailable as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def no_jail() -> str:
    """Why no jail is available here, or nothing; found out once."""
    return _can_jail()


@pytest.fixture
def confined(request: pytest.FixtureRequest, no_jail: str) -> Iterator[Callable[..., Addon]]:
    """Loads the probe under a policy; skips, and says why, what this system can't do."""
    loaded: list[Addon] = []

    def load(policy: str, **options: Any) -> Addon:
        if policy == "strict" and no_jail:
            pytest.skip(no_jail)
        addon = load_addon(
            addon_path("probe"),
            sandbox=Sandbox(policy=policy, **options),  # type: ignore[arg-type]
        )
        loaded.append(addon)
        return addon

    yield load
    for addon in loaded:
        addon.__exit__(None, None, None)


@pytest.fixture(params=POLICIES)
def probe(request: pytest.FixtureRequest, confined: Callable[..., Addon]) -> Addon:
    """The probe under each policy."""
    return confined(request.param)


def opened(probe: Addon, path: os.PathLike[str] | str, flags: int = os.O_RDONLY) -> int:
    """Opens a file in the host and returns what the kernel said."""
    return int(probe.call(OPEN, os.fspath(path), flags, 0o600))


def test_report_names_every_layer(probe: Addon) -> None:
    report = host(probe).sandbox
    assert report.degraded == []
    for name in ("limits", "no_new_privs", "landlock", "seccomp", "self_test"):
        assert report[name].required
        assert report[name].state == "applied"
        assert name in repr(report)
    status = pathlib.Path(f"/proc/{host(probe).pid}/status").read_text()
    if report.policy == "default":
        assert "Seccomp:\t2" in status
        assert "NoNewPrivs:\t1" in status


def test_without_a_sandbox_the_report_says_so() -> None:
    with load_addon(addon_path("probe"), sandbox="none") as probe:
        report = host(probe).sandbox
        assert report.policy == "none"
        assert list(report) == []
        assert opened(probe, "/etc/passwd") >= 0
        assert probe.atLoad == 0


def test_constructor_runs_confined(probe: Addon) -> None:
    assert probe.atLoad in (EACCES, ENOENT)


def test_files_of_the_user_are_out_of_reach(probe: Addon, tmp_path: pathlib.Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("mine")
    secret.chmod(0o644)
    denied = (EACCES, ENOENT, EPERM, EROFS)
    assert opened(probe, secret) in denied
    assert opened(probe, secret, os.O_WRONLY | os.O_TRUNC) in denied
    assert opened(probe, secret, os.O_RDONLY | os.O_TRUNC) in denied
    assert opened(probe, tmp_path / "new", CREATE) in denied
    for number, *arguments in (
        (TRUNCATE, 0),
        (UNLINK,),
        (RENAME, str(tmp_path / "other")),
        (CHMOD, 0),
        (LINK, str(tmp_path / "other")),
        (SETXATTR, "user.x", "x", 1, 0),
    ):
        assert probe.call(number, str(secret), *arguments) in denied, number
    assert probe.call(MKDIR, str(tmp_path / "folder"), 0o700) in denied
    assert probe.call(SYMLINK, "/", str(tmp_path / "link")) in denied
    assert secret.read_text() == "mine"
    assert secret.stat().st_mode & 0o777 == 0o644
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret"]
    assert opened(probe, "/etc/passwd") in denied
    assert opened(probe, pathlib.Path.home()) in denied


def test_strict_hides_that_files_exist(
    confined: Callable[..., Addon], tmp_path: pathlib.Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("mine")
    found = bytes(256)
    assert confined("default").call(STAT, str(secret), bytearray(found)) == 0
    assert confined("strict").call(STAT, str(secret), bytearray(found)) == ENOENT


def test_the_client_is_out_of_reach(probe: Addon) -> None:
    this = os.getpid()
    for file in ("mem", "environ", "maps", "fd", "root"):
        assert opened(probe, f"/proc/{this}/{file}") in (EACCES, ENOENT), file
    assert probe.call(KILL, this, 0) == EPERM
    assert probe.call(KILL, -1, 0) == EPERM
    for number in (PTRACE, PROCESS_VM_READV, PIDFD_OPEN):
        assert probe.call(number, this, this, 0) == EPERM, number
    # Accepted as for a thread of its own, and without effect.
    cpus = os.sched_getaffinity(0)
    assert probe.call(SCHED_SETAFFINITY, this, 8, (1 << min(cpus)).to_bytes(8, "little")) in (
        0,
        ESRCH,
    )
    assert os.sched_getaffinity(0) == cpus
    assert probe.call(PRLIMIT, this, 0, None, bytes(16)) == EPERM


def test_the_network_is_out_of_reach(probe: Addon) -> None:
    for family in (1, 2, 10, 16, 17, 38, 40):
        for kind in (1, 2, 3):
            assert probe.call(SOCKET, family, kind, 0) == EPERM, (family, kind)
    for protocol in (132, 262):  # SCTP, MPTCP
        assert probe.call(SOCKET, 2, 1, protocol) == EPERM
    assert probe.call(SOCKETPAIR, 1, 2, 0, bytes(8)) == EPERM
    assert probe.call(SOCKETPAIR, 1, 1, 0, bytes(8)) == 0


def test_no_other_process_can_be_made(probe: Addon, tmp_path: pathlib.Path) -> None:
    assert probe.call(FORK) == EPERM
    assert probe.call(CLONE, SIGCHLD, 0, 0, 0, 0) == EPERM
    assert probe.call(CLONE3, bytes(88), 88) == ENOSYS
    assert probe.call(EXECVE, "/bin/true", None, None) == EPERM
    assert probe.call(EXECVEAT, -100, "/bin/true", None, None, 0) == EPERM


def test_dangerous_parts_of_the_kernel_are_closed(probe: Addon) -> None:
    assert probe.call(UNSHARE, NEWUSER) == EPERM
    assert probe.call(IO_URING_SETUP, 8, bytes(120)) == EPERM
    assert probe.call(MEMFD, "x", 0) == EPERM
    assert probe.call(INOTIFY_INIT1, 0) == EPERM
    assert probe.call(MMAP, 0, 4096, 3, 0x21, -1, 0) == EPERM
    assert probe.call(OPENAT2, -100, "/", bytes(24), 24) == ENOSYS
    assert probe.call(PRCTL, 1, 0) == EPERM  # PR_SET_PDEATHSIG
    assert probe.call(PRCTL, 4, 1) == EPERM  # PR_SET_DUMPABLE
    assert probe.call(100000) == ENOSYS


def test_written_memory_runs_under_default_only(confined: Callable[..., Addon]) -> None:
    run_and_write = 7
    page = confined("default").call(MMAP, 0, 4096, run_and_write, 0x22, -1, 0)
    assert page > 0
    assert confined("strict").call(MMAP, 0, 4096, run_and_write, 0x22, -1, 0) == EACCES


def test_nothing_becomes_code_once_a_strict_addon_is_loaded(
    confined: Callable[..., Addon], tmp_path: pathlib.Path
) -> None:
    write, run, private, anonymous = 2, 4, 2, 0x20
    library = next(pathlib.Path("/usr/lib").rglob("libc.so.6"))

    def mapped(probe: Addon, path: os.PathLike[str] | str, protection: int) -> int:
        fd = opened(probe, path)
        assert fd >= 0
        return int(probe.call(MMAP, 0, 4096, protection, private, fd, 0))

    probe = confined("strict", write=[tmp_path])
    assert host(probe).sandbox["no_new_code"].state == "applied"
    (tmp_path / "code").write_bytes(bytes(4096))
    for path in (library, addon_path("probe"), tmp_path / "code"):
        assert mapped(probe, path, READ_ONLY) > 0
        assert mapped(probe, path, READ_ONLY | run) == EPERM
    page = probe.call(MMAP, 0, 4096, READ_ONLY, private | anonymous, -1, 0)
    assert page > 0
    assert probe.call(MPROTECT, page, 4096, READ_ONLY | run) == EACCES
    assert probe.call(PKEY_MPROTECT, page, 4096, READ_ONLY | run, 0) == EACCES
    assert probe.call(MPROTECT, page, 4096, READ_ONLY | write) == 0
    assert probe.call(SECCOMP, 1, 1, bytes(16)) == EPERM
    # Code may run that comes from where it can't be written.
    probe = confined("strict", write=[tmp_path], exec_memory=True)
    assert "no_new_code" not in {layer.name for layer in host(probe).sandbox}
    assert mapped(probe, tmp_path / "code", READ_ONLY | run) > 0
    # Programs load themselves.
    assert confined("strict", subprocess=True).run("/bin/true") == 0
    # The default policy, with less.
    assert mapped(confined("default", exec_memory=False), library, READ_ONLY | run) == EPERM


def test_addon_that_keeps_its_sandbox_from_being_completed_is_refused(no_jail: str) -> None:
    if no_jail:
        pytest.skip(no_jail)
    sandbox = Sandbox(policy="strict", env={"REDTEAM_FILTER": "1"})
    with pytest.raises(LoadError, match="being completed") as caught:
        load_addon(addon_path("redteam"), sandbox=sandbox)
    assert "seccomp" in str(caught.value.detail)


def test_local_sockets_are_opened_by_their_option(
    confined: Callable[..., Addon], tmp_path: pathlib.Path
) -> None:
    def address(path: pathlib.Path) -> bytes:
        return b"\x01\x00" + os.fsencode(path) + b"\x00"

    granted, other = tmp_path / "granted", tmp_path / "other"
    granted.mkdir()
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as apart:
        for made, path in ((server, granted / "socket"), (apart, other)):
            made.bind(str(path))
            made.listen()
        for policy in POLICIES:
            for grant in (granted, granted / "socket"):
                probe = confined(policy, unix=[grant])
                for path, answer in ((granted / "socket", 0), (other, ENOENT)):
                    fd = probe.call(SOCKET, 1, 1, 0)
                    assert fd >= 0
                    where = address(path)
                    assert probe.call(CONNECT, fd, where, len(where)) == answer, (policy, path)
                assert probe.call(SOCKET, 2, 1, 0) == EPERM
                server.accept()[0].close()
            # A name in a list of its own.
            where = b"\x01\x00\x00redteam"
            fd = probe.call(SOCKET, 1, 1, 0)
            assert probe.call(BIND, fd, where, len(where)) == 0
    with pytest.raises(ValueError, match="cannot be combined"):
        Sandbox(unix=[], degrade="allow")


def test_foreign_table_of_calls_is_a_violation(confined: Callable[..., Addon]) -> None:
    for policy in POLICIES:
        probe = confined(policy)
        with pytest.raises(SandboxViolation, match=r"getpid.* 32-bit x86") as caught:
            probe.foreign()
        death = caught.value
        assert death.signal_name == "SIGSYS"
        assert (death.call, death.table) == ("getpid", "32-bit x86")
        assert death.path is None
        assert death.arguments is not None
        assert len(death.arguments) == 6
        assert death.backtrace is not None
        assert any("probe.node!foreign" in frame for frame in death.backtrace)
        again = pickle.loads(pickle.dumps(death))
        assert (again.call, again.arguments) == (death.call, death.arguments)
        report = death.report()
        assert report.facts["forbidden_call"]["table"] == "32-bit x86"
        assert "\nforbidden call: getpid(0x" in str(report)
        with pytest.raises(SandboxViolation) as caught:
            probe.call(X32 | OPEN, "/etc/passwd", os.O_RDONLY, 7)
        death = caught.value
        assert (death.call, death.table, death.path) == ("open", "x32", "/etc/passwd")
        assert death.arguments is not None
        assert death.arguments[1:3] == [os.O_RDONLY, 7]
        # The addon cannot change what happens then.
        assert probe.call(SIGACTION, SIGSYS, bytes(32), None, 8) == EPERM
        assert probe.call(SIGACTION, SIGSYS, None, bytes(32), 8) == 0
        with pytest.raises(AddonCrashed) as crash:
            probe.call(KILL, probe.call(GETPID), SIGSYS)
        assert crash.value.signal_name == "SIGSYS"
        assert not isinstance(crash.value, SandboxViolation)
        assert probe.call(GETPID) > 0


def test_environment_is_not_passed_on(
    confined: Callable[..., Addon], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setenv("LC_TIME", "C")
    for policy in POLICIES:
        probe = confined(policy, env={"ADDON_MODE": "quick"})
        fd = opened(probe, "/proc/self/environ")
        if fd < 0:
            # Not of this process, which may not be inspected.
            assert fd == EACCES
            continue
        text = host(probe).run_script(
            f"const b = Buffer.alloc(65536);b.subarray(0, addon.call(0, {fd}, b, 65536)).toString()"
        )
        assert "hunter2" not in text
        assert "LC_TIME=C" in text
        assert "ADDON_MODE=quick" in text


def test_scratch_is_home_and_goes_with_the_host(
    confined: Callable[..., Addon], tmp_path: pathlib.Path
) -> None:
    for policy in POLICIES:
        probe = confined(policy)
        folder = scratch_of(probe)
        assert opened(probe, f"{folder}/kept", CREATE) >= 0
        assert probe.call(MKDIR, f"{folder}/deep", 0o700) == 0
        assert pathlib.Path(folder).stat().st_mode & 0o777 == 0o700
        # In a jail it is in the memory of that alone.
        assert pathlib.Path(folder, "kept").exists() == (policy == "default")
        probe.__exit__(None, None, None)
        assert not pathlib.Path(folder).exists()
    given = tmp_path / "given"
    given.mkdir()
    for policy in POLICIES:
        probe = confined(policy, scratch=given)
        assert opened(probe, given / policy, CREATE) >= 0
        probe.__exit__(None, None, None)
        assert (given / policy).exists()


@pytest.mark.parametrize("policy", POLICIES)
def test_folder_of_a_client_that_was_killed_goes_with_the_next(
    policy: str, no_jail: str, tmp_path: pathlib.Path
) -> None:
    if policy == "strict" and no_jail:
        pytest.skip(no_jail)
    script = (
        "import sys, time\n"
        "from napi_python import load_addon, host\n"
        "addon = load_addon(sys.argv[1], sandbox=sys.argv[2])\n"
        "print(host(addon).pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script, str(addon_path("probe")), policy]
    environment = os.environ | {"TMPDIR": str(tmp_path)}

    def client() -> subprocess.Popen[bytes]:
        started = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )
        assert started.stdout is not None
        assert int(started.stdout.readline()) > 0
        return started

    def folders() -> set[pathlib.Path]:
        return set(tmp_path.glob("napi-hostd-scratch-*"))

    foreign = tmp_path / "napi-hostd-scratch-not-so"
    foreign.symlink_to("/etc")
    with client() as first:
        (own,) = folders() - {foreign}
        with client() as second:
            # It lives, and so does what is its own.
            assert own in folders()
            kept = folders() - {foreign, own}
            first.kill()
            first.wait()
            with client() as third:
                assert eventually(lambda: own not in folders())
                assert kept < folders()
                third.communicate()
            second.communicate()
    assert eventually(lambda: folders() == {foreign})


def eventually(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + 10
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)
    return holds()


def scratch_of(probe: Addon) -> str:
    """Returns the folder that a host has for itself, by what it was started with."""
    pid = host(probe).pid
    environ = pathlib.Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return next(line[5:] for line in environ if line.startswith("HOME="))


@pytest.mark.parametrize("policy", POLICIES)
def test_granted_paths_are_granted(
    policy: str, confined: Callable[..., Addon], tmp_path: pathlib.Path
) -> None:
    readable, writable = tmp_path / "readable", tmp_path / "writable"
    for folder in (readable, writable):
        folder.mkdir()
        (folder / "file").write_text("text")
    link = tmp_path / "link"
    link.symlink_to(readable)
    probe = confined(policy, read=[link, readable / "file"], write=[writable])
    assert opened(probe, readable / "file") >= 0
    assert opened(probe, readable / "file", os.O_WRONLY) in (EACCES, EROFS)
    assert opened(probe, readable / "new", CREATE) in (EACCES, EROFS)
    assert opened(probe, writable / "file", os.O_RDWR | os.O_TRUNC) >= 0
    assert opened(probe, writable / "new", CREATE) >= 0
    assert probe.call(RENAME, str(writable / "new"), str(writable / "other")) == 0
    assert probe.call(UNLINK, str(writable / "other")) == 0
    assert opened(probe, tmp_path) in (EACCES, ENOENT, 0) or policy == "strict"
    assert (writable / "file").read_text() == ""


@pytest.mark.parametrize("policy", ["default", "jail", "strict"])
def test_times_are_changed_only_in_a_jail_on_writable_mounts(
    policy: str, no_jail: str, confined: Callable[..., Addon], tmp_path: pathlib.Path
) -> None:
    if policy != "default" and no_jail:
        pytest.skip(no_jail)
    paths = [tmp_path / "readable", tmp_path / "writable"]
    for folder in paths:
        folder.mkdir()
        (folder / "file").write_text("text")
    options: dict[str, Any] = {"read": paths[:1], "write": paths[1:]}
    if policy == "jail":
        options["unix"] = []
    probe = confined("strict" if policy == "strict" else "default", **options)
    times = struct.pack("4q", 1, 0, 2, 0)
    for folder in paths:
        file = folder / "file"
        before = file.stat()
        fd = opened(probe, file)
        assert fd >= 0
        answers = {
            probe.call(UTIMENSAT, fd, None, times, 0),
            probe.call(UTIMENSAT, fd, None, None, 0),
            probe.call(UTIMENSAT, AT_FDCWD, str(file), times, 0),
            probe.call(UTIMENSAT, AT_FDCWD, f"/proc/self/fd/{fd}", times, 0),
            probe.call(FUTIMESAT, AT_FDCWD, str(file), times),
            probe.call(UTIMES, str(file), times),
            probe.call(UTIME, str(file), times[:16]),
        }
        if policy != "default" and folder == paths[1]:
            assert answers == {0}
            assert file.stat().st_mtime == 0
        else:
            assert answers == {EPERM if policy == "default" else EROFS}
            assert (file.stat().st_mtime_ns, file.stat().st_ctime_ns) == (
                before.st_mtime_ns,
                before.st_ctime_ns,
            )


@pytest.mark.parametrize("system", ["now", "without Landlock", "degraded"])
def test_link_in_place_of_a_granted_path_grants_nothing(
    system: str,
    confined: Callable[..., Addon],
    tmp_path: pathlib.Path,
    no_jail: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options: dict[str, Any] = {}
    if system == "degraded":
        options = {"degrade": "allow"}
    elif system != "now":
        if no_jail:
            pytest.skip(no_jail)
        monkeypatch.setenv("NAPI_HOSTD_TEST_LANDLOCK_ABI", "0")
    inner, secret = tmp_path / "granted" / "inner", tmp_path / "secret"
    inner.mkdir(parents=True)
    secret.mkdir()
    (secret / "file").write_text("mine")
    probe = confined("default", write=[inner.parent], read=[inner], **options)
    # In a jail it can't be moved away by the addon itself; there are others.
    if probe.call(RENAME, str(inner), f"{inner}-away") != 0:
        inner.rename(f"{inner}-away")
    if probe.call(SYMLINK, str(secret), str(inner)) != 0:
        inner.symlink_to(secret)
    with pytest.raises(AddonCrashed):
        probe.call(KILL, probe.call(GETPID), signal.SIGSEGV)
    with pytest.raises(SandboxUnavailable, match=r"cannot grant .*inner: .* link"):
        opened(probe, secret / "file")
    inner.unlink()
    inner.mkdir()
    assert opened(probe, secret / "file") < 0


@pytest.mark.parametrize("policy", POLICIES)
def test_working_folder_keeps_its_name(
    policy: str,
    confined: Callable[..., Addon],
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").write_text("text")
    assert opened(confined(policy), "here") in (EACCES, ENOENT)
    assert opened(confined(policy, read=["."]), "here") >= 0


def test_network_is_opened_by_its_option(confined: Callable[..., Addon]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        address = b"\x02\x00" + port.to_bytes(2, "big") + bytes([127, 0, 0, 1]) + bytes(8)
        for policy in POLICIES:
            probe = confined(policy, network=True)
            fd = probe.call(SOCKET, 2, 1, 0)
            assert fd >= 0
            assert probe.call(CONNECT, fd, address, 16) == 0
            accepted, _ = server.accept()
            accepted.close()
            assert probe.call(SOCKET, 1, 1, 0) == EPERM
            assert probe.call(SOCKET, 2, 1, 262) == EPERM


def test_programs_are_started_by_their_option_and_confined(
    confined: Callable[..., Addon], tmp_path: pathlib.Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("mine")
    for policy in POLICIES:
        assert confined(policy).run("/bin/true") == EPERM
        probe = confined(policy, subprocess=True)
        assert probe.run("/bin/true") == 0
        assert probe.run("/bin/false") == 1
        # It reads no more than the process that started it.
        assert probe.run("/bin/cat", "/dev/null") == 0
        assert probe.run("/bin/cat", str(secret)) == 1
        assert probe.call(KILL, os.getpid(), 0) in (EPERM, ESRCH)


def test_a_home_is_no_package(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, no_jail: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    addon = tmp_path / "probe.node"
    shutil.copy(addon_path("probe"), addon)
    link = tmp_path / "link.node"
    link.symlink_to(addon)
    (tmp_path / "secret").write_text("mine")
    for policy in POLICIES:
        if policy == "strict" and no_jail:
            continue
        with load_addon(link, sandbox=policy) as probe:  # type: ignore[arg-type]
            assert opened(probe, addon) >= 0
            assert opened(probe, tmp_path / "secret") in (EACCES, ENOENT)


def test_a_home_elsewhere_is_no_package_either(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, no_jail: str
) -> None:
    """A home is one also where HOME names another folder, as for root or a service."""
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "id").write_text("mine")
    (home / "package.json").write_text("{}")
    monkeypatch.setenv("HOME", "/nonexistent")
    addon = home / "probe.node"
    shutil.copy(addon_path("probe"), addon)
    library = home / "libbeside.so.1"
    library.write_text("a library")
    for policy in POLICIES:
        if policy == "strict" and no_jail:
            continue
        with load_addon(addon, sandbox=policy) as probe:  # type: ignore[arg-type]
            assert opened(probe, addon) >= 0
            assert opened(probe, library) >= 0
            for secret in (home / ".ssh" / "id", home / ".ssh", home / "package.json"):
                assert opened(probe, secret) in (EACCES, ENOENT)
            report = host(probe).sandbox
            assert set(report.package) == {addon, library}
            assert f"reads of its package: {library}" in repr(report)


def test_a_package_is_granted_as_far_as_the_addon_needs_it(
    tmp_path: pathlib.Path, no_jail: str
) -> None:
    work = tmp_path / "work"
    inner = work / "build" / "Release"
    installed = work / "node_modules" / "@scope" / "addon"
    dependency = work / "node_modules" / "@scope" / "library"
    other = work / "node_modules" / "other"
    for folder in (inner, installed / "bin", dependency, other):
        folder.mkdir(parents=True)
        (folder / "data").write_text("public")
    (work / "package.json").write_text("{}")
    (work / ".env").write_text("secret")
    manifest = '{"optionalDependencies": {"@scope/library": "1"}}'
    (installed / "package.json").write_text(manifest)
    for folder in (inner, installed / "bin"):
        shutil.copy(addon_path("probe"), folder / "probe.node")
    for policy in POLICIES:
        if policy == "strict" and no_jail:
            continue
        hidden = [work / ".env", work / "package.json", other / "data"]
        with load_addon(inner / "probe.node", sandbox=policy) as probe:  # type: ignore[arg-type]
            assert host(probe).sandbox.package == (work / "build",)
            assert opened(probe, inner / "data") >= 0
            assert opened(probe, inner / "data", os.O_RDWR) in (EACCES, EROFS)
            for path in (*hidden, dependency / "data"):
                assert opened(probe, path) in (EACCES, ENOENT)
        path = installed / "bin" / "probe.node"
        with load_addon(path, sandbox=policy) as probe:  # type: ignore[arg-type]
            assert host(probe).sandbox.package == (installed, dependency)
            for folder in (installed / "bin", dependency):
                assert opened(probe, folder / "data") >= 0
            for path in hidden:
                assert opened(probe, path) in (EACCES, ENOENT)


IN_NEW_PID_NAMESPACE = """
import sys
from napi_python import Sandbox, SandboxUnavailable, load_addon
for sandbox in ("default", "strict", Sandbox(degrade="allow")):
    try:
        load_addon(sys.argv[1], sandbox=sandbox)
    except SandboxUnavailable as error:
        print(error.mechanism, error)
print(load_addon(sys.argv[1], sandbox="none").run("/bin/true"))
"""


@pytest.mark.parametrize("mounted", [False, True])
def test_proc_of_another_pid_namespace_is_named(*, mounted: bool, no_jail: str) -> None:
    if no_jail:
        pytest.skip(no_jail)
    steps = ["unshare", "--pid", "--fork", *([] if IS_ROOT else ["--user", "--map-root-user"])]
    steps += ["--mount-proc"] if mounted else []
    done = subprocess.run(
        [*steps, sys.executable, "-c", IN_NEW_PID_NAMESPACE, str(addon_path("probe"))],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    *refused, last = done.stdout.splitlines()
    assert last == "0"
    if mounted:
        assert not refused
    else:
        assert len(refused) == 3
        assert all(line.startswith("proc ") for line in refused)
        assert all("/proc shows another PID namespace" in line for line in refused)


def test_watching_is_opened_by_its_option(
    confined: Callable[..., Addon], tmp_path: pathlib.Path
) -> None:
    probe = confined("default", watch=True, read=[tmp_path])
    fd = probe.call(INOTIFY_INIT1, 0)
    assert fd >= 0
    assert probe.call(INOTIFY_ADD_WATCH, fd, str(tmp_path), 2) >= 0


def test_memory_ends_at_its_limit(confined: Callable[..., Addon]) -> None:
    for policy in POLICIES:
        got = confined(policy, memory="256 MiB").memory(1024)
        assert 64 < got < 256, policy


def test_files_end_at_their_limit(confined: Callable[..., Addon], tmp_path: pathlib.Path) -> None:
    probe = confined("default", files=64)
    answers = [opened(probe, "/dev/null") for _ in range(80)]
    assert answers[-1] == -errno.EMFILE
    probe = confined("default", file_size=8192, write=[tmp_path])
    fd = opened(probe, tmp_path / "large", CREATE)
    assert probe.call(WRITE, fd, bytes(8192), 8192) == 8192
    assert probe.call(WRITE, fd, bytes(1), 1) == -errno.EFBIG


def test_threads_end_at_their_limit(confined: Callable[..., Addon]) -> None:
    assert confined("strict", threads=32).threads(400) < 400
    probe = confined("default", threads=32)
    layer = host(probe).sandbox["threads"]
    if IS_ROOT:
        # What becomes of too many is in test_sandbox_limits.
        assert layer.state == "partial"
        assert "32 threads, counted by the client" in layer.detail
    else:
        assert probe.threads(400) <= 32


def test_processor_time_ends_the_host(confined: Callable[..., Addon]) -> None:
    with pytest.raises(AddonCrashed, match="processor time"):
        confined("default", cpu=1).spin()


@pytest.mark.parametrize("policy", POLICIES)
def test_crash_in_the_sandbox_is_reported_as_ever(
    policy: str, no_jail: str, confined: Callable[..., Addon]
) -> None:
    if policy == "strict" and no_jail:
        pytest.skip(no_jail)
    with load_addon(addon_path("crash"), sandbox=policy) as crash:  # type: ignore[arg-type]
        for name, signal in (("nullPointer", "SIGSEGV"), ("abort", "SIGABRT")):
            if not hasattr(crash, name):
                continue
            with pytest.raises(AddonCrashed) as caught:
                getattr(crash, name)()
            assert caught.value.signal_name == signal
            assert any(
                name in frame or "crash.node" in frame for frame in caught.value.backtrace or []
            )
        assert crash.add(1, 2) == 3


def test_errors_name_the_policy_and_the_option(confined: Callable[..., Addon]) -> None:
    probe = confined("default")
    for text, option in (
        ("EACCES: permission denied, open '/etc/passwd'", "read="),
        ("spawn failed: Operation not permitted", "subprocess=True"),
        ("EMFILE", "files="),
        ("no access to the storage: PermissionDenied", "unix="),
    ):
        with pytest.raises(JSError) as caught:
            probe.fail(text)
        (note,) = caught.value.__notes__
        assert "'default'" in note
        assert option in note
    with pytest.raises(JSError) as caught:
        probe.fail("an ordinary mistake")
    assert not hasattr(caught.value, "__notes__")


def test_python_objects_are_not_shown_without_being_exposed(
    confined: Callable[..., Addon],
) -> None:
    class Plain:
        shown = 1

    probe = confined("default")
    look = host(probe).run_script("(o) => String(o.shown)")
    assert look(by_ref(Plain())) == "undefined"
    with pytest.raises(TypeError, match="expose"):
        look(Plain())
    with load_addon(addon_path("probe"), sandbox="none") as free:
        assert host(free).run_script("(o) => String(o.shown)")(Plain()) == "1"


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"memory": "two pigs"}, ValueError, "number of bytes"),
        ({"memory": "1 KiB"}, ValueError, "must be from"),
        ({"memory": True}, TypeError, "an int or None"),
        ({"memory": "99999999 TiB"}, ValueError, "must be from"),
        ({"memory": "9" * 400 + " GiB"}, ValueError, "must be from"),
        ({"exec_memory": 1}, TypeError, "True, False or None"),
        ({"read": [""]}, ValueError, "empty path"),
        ({"scratch": ""}, ValueError, "empty path"),
        ({"env": {"A=B": "c"}}, ValueError, "not a valid name"),
        ({"env": {"": "c"}}, ValueError, "not a valid name"),
        ({"cpu": 0}, ValueError, "must be from 1 "),
        ({"threads": "many"}, TypeError, "an int or None"),
        ({"read": ["/there/is/no/such"]}, FileNotFoundError, "No such file"),
        ({"read": "/etc"}, TypeError, "list of paths"),
        ({"write": [1]}, TypeError, "must contain paths"),
        ({"policy": "loose"}, ValueError, "'default' or 'strict'"),
        ({"policy": "strict", "degrade": "allow"}, ValueError, "cannot be combined"),
        ({"degrade": True}, ValueError, "'error' or 'allow'"),
        ({"network": 1}, TypeError, "True or False"),
        ({"env": {"A": 1}}, TypeError, "must be str"),
        ({"scratch": "/etc/passwd"}, ValueError, "folder that this user owns"),
        ({"diagnose": True, "subprocess": True}, ValueError, "cannot be combined"),
        ({"colour": "red"}, TypeError, "colour"),
    ],
)
def test_options_that_make_no_sense(
    options: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        Sandbox(**options)


def test_folder_of_another_user_is_no_scratch(tmp_path: pathlib.Path) -> None:
    folder = pathlib.Path("/usr")
    if IS_ROOT:
        folder = tmp_path / "theirs"
        folder.mkdir()
        os.chown(folder, NOBODY, NOBODY)
    with pytest.raises(ValueError, match="folder that this user owns"):
        Sandbox(scratch=folder)


def test_sockets_of_files_are_not_granted(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        with pytest.raises(ValueError, match="grant it with unix="):
            Sandbox(read=[path])


def test_options_are_a_value(tmp_path: pathlib.Path) -> None:
    one = Sandbox(read=[tmp_path], memory="2 GiB", env={"TOKEN": "secret"})
    assert one == Sandbox(read=(tmp_path,), memory=2 << 30, env={"TOKEN": "secret"})
    assert repr(one) == f"Sandbox(read=[{str(tmp_path)!r}], memory={2 << 30}, env=['TOKEN'])"
    assert repr(Sandbox()) == "Sandbox()"
    with pytest.raises(AttributeError):
        one.network = True  # type: ignore[misc]
    assert len({one, copy.copy(one), pickle.loads(pickle.dumps(one))}) == 1


def test_sandbox_that_cannot_be_had_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPI_HOSTD_TEST_LANDLOCK_ABI", "0")
    monkeypatch.setenv("NAPI_HOSTD_TEST_NO_NAMESPACES", "1")
    with pytest.raises(SandboxUnavailable, match="sandbox='none'") as caught:
        load_addon(addon_path("probe"), sandbox="default")
    assert caught.value.mechanism == "landlock"
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.mechanism) == (str(caught.value), "landlock")
    monkeypatch.delenv("NAPI_HOSTD_TEST_LANDLOCK_ABI")
    for sandbox in ("strict", Sandbox(unix=[])):
        with pytest.raises(SandboxUnavailable) as caught:
            load_addon(addon_path("probe"), sandbox=sandbox)
        assert caught.value.mechanism == "namespaces"


def test_jail_stands_in_for_landlock(
    monkeypatch: pytest.MonkeyPatch, confined: Callable[..., Addon], tmp_path: pathlib.Path
) -> None:
    monkeypatch.setenv("NAPI_HOSTD_TEST_LANDLOCK_ABI", "0")
    granted, secret = tmp_path / "granted", tmp_path / "secret"
    for path in (granted, secret):
        path.write_text("mine")
    try:
        probe = confined("default", read=[granted])
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    report = host(probe).sandbox
    assert report.degraded == []
    assert (report["namespaces"].state, report["namespaces"].required) == ("applied", True)
    assert (report["landlock"].state, report["landlock"].required) == ("unavailable", False)
    assert opened(probe, granted) >= 0
    assert opened(probe, granted, os.O_WRONLY) == EROFS
    assert opened(probe, secret) == ENOENT
    assert opened(probe, f"{scratch_of(probe)}/new", CREATE) >= 0
    # Only root of a namespace may change these.
    assert opened(probe, "/proc/sys/kernel/core_pattern", os.O_WRONLY) == EROFS
    assert opened(probe, "/proc/1/mem") in (EACCES, ENOENT)
    test_the_client_is_out_of_reach(probe)
    test_the_network_is_out_of_reach(probe)


def test_degrading_is_requested_and_reported(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NAPI_HOSTD_TEST_LANDLOCK_ABI", "0")
    monkeypatch.setenv("NAPI_HOSTD_TEST_NO_NAMESPACES", "1")
    with load_addon(addon_path("probe"), sandbox=Sandbox(degrade="allow")) as probe:
        report = host(probe).sandbox
        assert report.degraded == ["landlock", "self_test"]
        assert report["seccomp"].state == "applied"
        assert probe.call(SOCKET, 2, 1, 0) == EPERM
        host(probe).close()
    assert any("runs without landlock" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("version", ["1", "2", "3", "4", "5", "6"])
def test_older_landlock_is_made_up_for(
    version: str,
    confined: Callable[..., Addon],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: pathlib.Path,
) -> None:
    monkeypatch.setenv("NAPI_HOSTD_TEST_LANDLOCK_ABI", version)
    probe = confined("default", read=[tmp_path])
    secret = tmp_path / "secret"
    secret.write_text("mine")
    assert host(probe).sandbox["landlock"].detail.startswith(f"version {version}")
    assert opened(probe, secret) >= 0
    assert probe.call(TRUNCATE, str(secret), 0) in (EPERM, EACCES)
    assert opened(probe, secret, os.O_TRUNC) in (EPERM, EACCES)
    assert probe.call(KILL, os.getpid(), 0) == EPERM
    assert secret.read_text() == "mine"
    test_the_client_is_out_of_reach(probe)
    test_the_network_is_out_of_reach(probe)


def test_confined_host_ends_with_its_client(no_jail: str) -> None:
    script = (
        "import os, sys\n"
        "from napi_python import load_addon, host\n"
        "addon = load_addon(sys.argv[1], sandbox=sys.argv[2])\n"
        "pids = [host(addon).pid]\n"
        "for pid in pids:\n"
        "    pids += open(f'/proc/{pid}/task/{pid}/children').read().split()\n"
        "print(*pids, flush=True)\n"
        "sys.stdin.read()\n"
        "os.kill(os.getpid(), 9)\n"
    )
    for policy in POLICIES:
        if policy == "strict" and no_jail:
            continue
        with subprocess.Popen(
            [sys.executable, "-c", script, str(addon_path("probe")), policy],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as client:
            assert client.stdin is not None
            assert client.stdout is not None
            pids = [int(pid) for pid in client.stdout.readline().split()]
            assert len(pids) == (3 if policy == "strict" else 1)
            watched = [os.pidfd_open(pid) for pid in pids]
            client.stdin.close()
            for fd in watched:
                assert select.select([fd], [], [], 10)[0], policy
                os.close(fd)


def test_diagnosis_names_call_path_and_option(
    confined: Callable[..., Addon],
    caplog: pytest.LogCaptureFixture,
    tmp_path: pathlib.Path,
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("mine")
    for policy, denied in (("default", EACCES), ("strict", ENOENT)):
        caplog.clear()
        probe = confined(policy, diagnose=True)
        assert opened(probe, secret) == denied
        assert opened(probe, "/dev/null") >= 0
        assert probe.call(SOCKET, 2, 1, 0) == EPERM
        assert probe.call(EXECVE, "/bin/true", None, None) == EPERM
        assert probe.call(OPEN, 16, 0, 0) == -errno.EFAULT
        probe.foreign()
        probe.__exit__(None, None, None)
        lines = [record.getMessage() for record in caplog.records]
        for text in (f"read=['{secret}']".replace("'", '"'), "network=True", "subprocess=True"):
            assert sum(text in line and "denied: " in line for line in lines) == 1, (text, lines)
        assert not any("/dev/null" in line for line in lines)
        # Each with where it came from.
        denied_lines = [line for line in lines if "denied: " in line]
        assert all("; in " in line for line in denied_lines)
        assert all("probe.node!" in line for line in denied_lines), denied_lines


def test_thread_that_blocks_all_signals_is_diagnosed(
    confined: Callable[..., Addon], caplog: pytest.LogCaptureFixture
) -> None:
    """Many a runtime does so in its threads, and the C library while it starts a program."""
    everything = b"\xff" * 8
    for policy in POLICIES:
        caplog.clear()
        probe = confined(policy, diagnose=True)
        generation = host(probe).generation
        old, now = bytearray(8), bytearray(8)
        assert probe.call(SIGPROCMASK, SIG_SETMASK, everything, old, 8) == 0
        assert probe.call(SIGPROCMASK, SIG_BLOCK, None, now, 8) == 0
        assert probe.call(SOCKET, 2, 1, 0) == EPERM
        blocked = int.from_bytes(now, "little")
        # All but that one, and the two that cannot be blocked.
        assert not blocked >> SIGSYS - 1 & 1
        assert blocked.bit_count() == 64 - 3
        assert probe.call(SIGPROCMASK, SIG_UNBLOCK, everything, now, 8) == 0
        assert int.from_bytes(now, "little") == blocked
        assert probe.call(SIGPROCMASK, SIG_SETMASK, old, now, 8) == 0
        assert int.from_bytes(now, "little") == 0
        assert probe.call(SIGPROCMASK, SIG_BLOCK, 16, None, 8) == -errno.EFAULT
        assert probe.call(SIGPROCMASK, 7, everything, None, 8) == -errno.EINVAL
        assert probe.call(SIGPROCMASK, SIG_BLOCK, everything, None, 4) == -errno.EINVAL
        assert probe.run("/bin/true") == EPERM
        assert host(probe).generation == generation
        probe.__exit__(None, None, None)
        lines = [record.getMessage() for record in caplog.records]
        assert any("denied: socket(" in line for line in lines), lines
        assert any("denied: clone(" in line or "denied: vfork(" in line for line in lines), lines


@pytest.mark.parametrize("end", ["close", "crash", "exit"])
def test_every_denial_is_reported_before_the_process_ends(
    end: str, confined: Callable[..., Addon], caplog: pytest.LogCaptureFixture
) -> None:
    probe = confined("default", diagnose=True)
    count = 200
    pid = probe.call(GETPID)
    for number in range(count):
        assert probe.call(MKDIR, f"/etc/nobody-{number}", 0) == EACCES
    if end == "close":
        probe.__exit__(None, None, None)
    else:
        last = (KILL, pid, signal.SIGSEGV) if end == "crash" else (EXIT_GROUP, 3)
        with pytest.raises(AddonCrashed) as crashed:
            probe.call(*last)
        # The very same end as without a diagnosis.
        assert (crashed.value.signal_name, crashed.value.exit_code) == {
            "crash": ("SIGSEGV", None),
            "exit": (None, 3),
        }[end]

    def told() -> int:
        lines = [record.getMessage() for record in list(caplog.records)]
        return sum('denied: mkdir("/etc/nobody-' in line for line in lines)

    # The end is reported at once, the log by a thread of its own.
    end_of_wait = time.monotonic() + 30
    while told() < count and end != "close" and time.monotonic() < end_of_wait:
        time.sleep(0.01)
    assert told() == count


def audit(*arguments: str, addon: str = "probe", status: int = 0, **variables: str) -> str:
    """Returns what the audit of a sample says; checks its exit status."""
    run = subprocess.run(
        [PROGRAM, "audit", str(addon_path(addon)), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **variables},
    )
    assert run.returncode == status, run.stderr
    return run.stdout


def test_audit_lists_denials(tmp_path: pathlib.Path) -> None:
    said = audit()
    assert 'read=["/etc/passwd"] allows it' in said
    assert "in libc.so.6!" in said
    said = audit("--call", f"call({SOCKET}, 2, 1, 0)", TMPDIR=str(tmp_path))
    assert f"It returned: {EPERM}" in said
    assert said.splitlines()[-1] == 'Options that allow it: network=True, read=["/etc/passwd"]'
    script = tmp_path / "script.js"
    # Its own folder it may write to.
    script.write_text(
        f"const new_ = addon.call({OPEN}, `${{process.env.HOME}}/new`, {CREATE}, 0o600);"
        f"Promise.resolve([new_ >= 0, addon.call({FORK})])"
    )
    said = audit("--run", str(script), TMPDIR=str(tmp_path))
    assert f"It returned: true,{EPERM}" in said
    assert "subprocess=True" in said
    assert "write=" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["script.js"]
    assert "It threw: TypeError" in audit("--call", "nothing()")
    assert "Nothing was denied" in audit(addon="primitive")
    assert "subprocess=True" in audit("--call", "run('/bin/true')").splitlines()[-1]


def test_audit_lists_denials_before_a_crash(tmp_path: pathlib.Path) -> None:
    script = tmp_path / "script.js"
    denied = f"for (let i = 0; i < 50; i++) addon.call({MKDIR}, `/etc/nobody-${{i}}`, 0);"
    for last, end in (
        (f"addon.call({KILL}, addon.call({GETPID}), {signal.SIGSEGV:d})", "by signal 11"),
        (f"addon.call({EXIT_GROUP}, 3)", "with exit code 3"),
    ):
        script.write_text(denied + last)
        said = audit("--run", str(script), status=3)
        assert said.count('denied: mkdir("/etc/nobody-') == 50
        assert said.splitlines()[-1] == f"It ended the process {end}."


def test_audit_that_can_not_be_made_says_why_once(tmp_path: pathlib.Path) -> None:
    missing = tmp_path / "no.node"
    run = subprocess.run(
        [PROGRAM, "audit", str(missing)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr.splitlines() == [
        f"napi-hostd: cannot find the addon {missing}: No such file or directory (os error 2)"
    ]


@pytest.mark.skipif(
    not os.access("/proc/sys/vm/drop_caches", os.W_OK),
    reason="only root of the machine can make the kernel forget what nobody uses",
)
def test_grants_hold_when_the_kernel_drops_unused_entries(probe: Addon) -> None:
    paths = ["/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/self/status"]
    for path in paths:
        assert probe.call(CLOSE, opened(probe, path)) == 0
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("2")
    assert all(opened(probe, path) >= 0 for path in paths)
    assert "by signal 11" in audit("--call", "nullPointer()", addon="crash", status=3)


@pytest.mark.parametrize(
    ("name", "end"), [("exit_at_load", "with exit code 0"), ("crash_in_init", "by signal 11")]
)
def test_audit_of_what_ends_while_it_is_loaded(name: str, end: str) -> None:
    said = audit(addon=f"broken/{name}", status=3)
    path = addon_path(f"broken/{name}")
    assert said.splitlines() == [f"{path} ended the process {end} while it was loaded."]
