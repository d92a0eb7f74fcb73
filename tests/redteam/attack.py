"""Runs every attack of the addon `redteam` against this system and says what came of each.

    python attack.py '{"addon": "redteam.node", "other": "primitive.node", "uid": 65534, ...}'

It is a client of its own, with a terminal, a secret in its environment, servers that somebody could
reach, and a file that is nobody's business. It prints one object of JSON: for each policy on each
system, what came of each attack, and what was found wrong besides.
"""

from __future__ import annotations

import codecs
import contextlib
import ctypes
import fcntl
import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import traceback
from collections.abc import Iterator
from typing import Any

import napi_python
from napi_python import (
    Addon,
    AddonCrashed,
    ProtocolError,
    Sandbox,
    SandboxUnavailable,
    host,
    load_addon,
)
from processes import began, gone_within, inventory, settled

# What makes a system look older, for the policies that run on it.
SYSTEMS: dict[str, dict[str, str]] = {
    "now": {},
    "landlock-4": {"NAPI_HOSTD_TEST_LANDLOCK_ABI": "4"},
    "landlock-1": {"NAPI_HOSTD_TEST_LANDLOCK_ABI": "1"},
    "no-landlock": {"NAPI_HOSTD_TEST_LANDLOCK_ABI": "0"},
    "no-namespaces": {"NAPI_HOSTD_TEST_NO_NAMESPACES": "1"},
    "neither": {"NAPI_HOSTD_TEST_LANDLOCK_ABI": "0", "NAPI_HOSTD_TEST_NO_NAMESPACES": "1"},
}
HOOKS = sorted({name for hooks in SYSTEMS.values() for name in hooks})

# What an addon is given besides its policy. At an address, a server has started its process.
OPTIONS: dict[str, dict[str, Any]] = {
    "network": {"network": True},
    "subprocess": {"subprocess": True},
    "address": {},
}
# Where processes may be made it ends the host during the call, which a copy of the host answers.
DAEMON = "E15_daemon"
SIGNALS: list[int] = []

# Without a sandbox these show that an attack does what its name says. They harm nobody; the others
# would.
CONTROLS = (
    "C01_read_own_file",
    "E01_read_secret",
    "E01_read_passwd",
    "E01_list_folder",
    "E01_read_beside_own_file",
    "E01_read_by_proc_root",
    "E03_write",
    "E03_chmod",
    "E03_times_by_descriptor",
    "E03_times_by_empty_path",
    "E03_times_by_proc",
    "E03_times_to_now",
    "E03_times_by_utime",
    "E03_times_by_utimes",
    "E03_times_by_futimesat",
    "E05_stat",
    "E05_chdir",
    "E07_flock_readable",
    "E08_tcp_connect",
    "E08_tcp_bind",
    "E08_listen_unbound",
    "E09_udp",
    "E10_unix_pathname",
    "E10_unix_abstract",
    "E10_datagram_pair_to_path",
    "E10_attach_filter",
    "E10_lock_filter",
    "E10_priority",
    "E11_kill",
    "E11_tgkill",
    "E11_setaffinity",
    "E11_prlimit",
    "E11_proc_status",
    "E12_clock_time",
    "E12_clock_resolution",
    "E12_clock_sleep",
    "E12_clock_timer",
    "E12_session",
    "E12_group",
    "E12_affinity",
    "E12_scheduler",
    "E12_parameters",
    "E12_attributes",
    "E12_interval",
    "E12_priority",
    "E12_io_priority",
    "E14_fork",
    "E14_posix_spawn",
    "E14_system",
    "E16_environ",
    "E16_proc_self_environ",
    "E18_dumpable",
    "E22_mmap_rwx",
    "E22_mprotect_rx",
    "E22_proc_self_mem",
    "R04_forks",
    "R07_shared_zero",
    "R12_send_buffer",
    "R12_receive_buffer",
    "R12_pipe_size",
    "R12_vmsplice",
    "R12_splice",
    "R12_sendfile",
    "R12_tee",
)
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38
# How much the client may grow by all floods of output together, of which it keeps 64 MiB at most
# for whoever reads it; how often another host must be served in a third of a second, and in how
# many storms at most it may come to that.
FLOOD_ROOM = 96 << 20
BEFORE_FLOODS: list[int] = []
STORM_CALLS = 10
STORMS_AT_MOST = 2
# They break the connection, or what is spoken over it.
BREAKS = (
    "S02_zeros",
    "S02_ones",
    "S02_noise",
    "S02_small_numbers",
    "S02_hole",
    "S12_descriptors",
    "S18_hang_up",
)
# They leave in their folder what the client has to remove when their process has ended.
LEAVE = ("R10_deep", "R10_closed")
# They keep the client busy for a third of a second.
STORMS = ("S10_log_flood", "S13_storm")
# How many files a host makes in its folder, and how many of 200 MiB: in a jail more than fit in,
# elsewhere a few, since the folder has no bounds there but that of a single file.
IN_A_JAIL = {"REDTEAM_FILES": "70000", "REDTEAM_LARGE_FILES": "16"}
ON_THE_DISK = {"REDTEAM_FILES": "100", "REDTEAM_LARGE_FILES": "1"}
# How deep a tree is made, and how many files the client may have open meanwhile.
LEVELS, DESCRIPTORS = 1500, 1024
# How long it may take to remove what hosts have left.
REMOVED_WITHIN = 60

# What a container's filter denies, by the numbers of x86-64: clone and unshare of namespaces,
# mounts, tracing, keys, and other parts of the kernel. `clone3` it does not know.
CONTAINER_DENIES = (
    101, 155, 161, 165, 166, 167, 168, 169, 175, 176, 246, 248, 249, 250, 272, 298, 304, 308, 310,
    311, 312, 313, 320, 321, 323, 425, 426, 427, 428, 429, 430, 431, 432, 433, 438, 442,
)  # fmt: skip
CLONE, CLONE3, NAMESPACES = 56, 435, 0x7E020000


class Target:
    """What the attacks are aimed at: files, servers and a terminal of the client."""

    def __init__(self, folder: pathlib.Path) -> None:
        """Puts all of it in a new folder, and names it in the environment."""
        self.folder = folder
        self.secret = folder / "secret"
        self.sockets: list[socket.socket] = []
        folder.mkdir(mode=0o700)
        self.secret.write_text("mine")
        self.secret.chmod(0o644)
        (folder / "empty").mkdir()
        # Granted for reading; not in the folder, which no attack may change.
        self.readable = folder.with_name("readable")
        self.readable.write_text("published")
        (folder / "points").symlink_to("/")
        self.before = self.seen()
        port = self._pair_of_servers()
        stream, datagram = str(folder) + "-stream", str(folder) + "-datagram"
        abstract = f"redteam-{os.getpid()}-{port}"
        self._server(socket.AF_UNIX, socket.SOCK_STREAM, stream)
        self._server(socket.AF_UNIX, socket.SOCK_DGRAM, datagram)
        # As long as the addon says it is: with the NUL at its end.
        self._server(socket.AF_UNIX, socket.SOCK_STREAM, f"\0{abstract}")
        self.names = {
            "REDTEAM_SECRET": str(self.secret),
            "REDTEAM_FOLDER": str(folder),
            "REDTEAM_READABLE": str(self.readable),
            "REDTEAM_CLIENT": str(os.getpid()),
            "REDTEAM_PORT": str(port),
            "REDTEAM_SOCKET": stream,
            "REDTEAM_DATAGRAM": datagram,
            "REDTEAM_ABSTRACT": abstract,
            "REDTEAM_LEVELS": str(LEVELS),
            "REDTEAM_TTY": os.ttyname(0) if os.isatty(0) else "/dev/tty",
        }

    def _pair_of_servers(self) -> int:
        """Listens by TCP and by UDP at a port that is free for both."""
        while True:
            tcp = self._server(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0))
            port = int(tcp.getsockname()[1])
            try:
                self._server(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", port))
            except OSError:
                self.sockets.remove(tcp)
                tcp.close()
            else:
                return port

    def _server(self, family: int, kind: int, address: Any) -> socket.socket:
        made = socket.socket(family, kind)
        try:
            made.bind(address)
        except OSError:
            made.close()
            raise
        if kind == socket.SOCK_STREAM:
            made.listen(64)
        made.setblocking(False)
        self.sockets.append(made)
        return made

    def seen(self) -> list[Any]:
        """What an attack could have changed."""
        found = self.secret.stat()
        names = sorted(path.name for path in self.folder.iterdir())
        readable = self.readable.stat()
        return [
            names, self.secret.read_text(), found.st_mode, found.st_uid, found.st_mtime_ns,
            readable.st_mtime_ns, readable.st_ctime_ns,
        ]  # fmt: skip

    def heard(self) -> list[str]:
        """Which of the servers somebody has spoken to; each forgets it."""
        said = []
        for server in self.sockets:
            with contextlib.suppress(BlockingIOError):
                while True:
                    if server.type == socket.SOCK_STREAM:
                        server.accept()[0].close()
                    else:
                        server.recv(64)
                    said.append(f"{server.family.name} {server.type.name}")
        return said


def attacked(addon: Addon, name: str) -> str:
    """Runs one attack; says what came of it."""
    try:
        return str(getattr(addon, name)())
    except AddonCrashed as crash:
        killed = str(crash.signal_name)
    except ProtocolError:
        killed = "it broke the protocol"
    # The next process works, and so the budget of crashes is whole again.
    after = addon.C01_read_own_file()
    return f"killed: {killed}" + ("" if after == "allowed" else f", then {after}")


def resident(figure: str) -> int:
    """Returns how much memory this process has, or had at most, in bytes."""
    status = pathlib.Path("/proc/self/status").read_text()
    figures = dict(line.split(":", 1) for line in status.splitlines())
    return int(figures[figure].split()[0]) << 10


def flooded(addon: Addon, wrong: list[str]) -> str:
    """Has the addon print 8 MiB without an end of a line."""
    BEFORE_FLOODS.append(resident("VmRSS"))
    outcome = attacked(addon, "R11_flood")
    grown = resident("VmHWM") - BEFORE_FLOODS[0]
    if grown > FLOOD_ROOM:
        wrong.append(f"R11_flood: {len(BEFORE_FLOODS)} took {grown >> 20} MiB of the client")
    return outcome


def stormed(addon: Addon, other: Addon, name: str, wrong: list[str]) -> str:
    """Has the addon request turns or log without end while another host is called."""
    outcomes: list[str] = []
    served = 0
    # One storm that met a machine whose processors were wanted elsewhere says nothing yet.
    while served < STORM_CALLS and len(outcomes) < STORMS_AT_MOST:
        storm = threading.Thread(target=lambda: outcomes.append(attacked(addon, name)))
        storm.start()
        while storm.is_alive():
            host(other).run_script("1 + 2")
            served += 1
        storm.join()
    if served < STORM_CALLS:
        wrong.append(f"{name}: another host served {served} calls meanwhile")
    return outcomes[-1]


def made(addon: Addon, other: Addon, name: str, wrong: list[str]) -> str:
    """Makes one attack, with what it needs around it."""
    if name == "R11_flood":
        return flooded(addon, wrong)
    if name in STORMS:
        return stormed(addon, other, name, wrong)
    outcome = attacked(addon, name)
    if name in LEAVE:
        host(addon).restart()
    # The host itself notices as well that its client is lost: who is first is all the same.
    return outcome.partition(":")[0] if name in BREAKS else outcome


@contextlib.contextmanager
def served(target: Target, names: dict[str, str]) -> Iterator[tuple[pathlib.Path, pathlib.Path]]:
    """A server, which is attacked in the client's place: its address, and a folder for its addons.

    Its hosts have the server's environment.
    """
    place = target.folder.with_name("server")
    scratch = place / "scratch"
    scratch.mkdir(mode=0o700, parents=True)
    place.chmod(0o700)
    own = {"HOME": str(scratch), "TMPDIR": str(scratch), "PATH": os.environ["PATH"]}
    start = 'REDTEAM_CLIENT=$$ exec "$0" serve --socket "$1"'
    binary, address = os.environ["NAPI_PYTHON_HOSTD"], str(place / "listener" / "socket")
    server = subprocess.Popen(
        ["/bin/sh", "-c", start, binary, address],
        env={**names, **own},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        yield pathlib.Path(server.stdout.readline().rstrip("\n")), scratch
        if server.poll() is not None:
            raise RuntimeError(f"the server ended: {server.returncode}")
    finally:
        server.kill()
        server.wait()
        server.stdout.close()  # type: ignore[union-attr]
        # What is left in it may be deeper than Python's own function goes.
        subprocess.run(["rm", "-rf", place], check=True)


def sandbox_of(
    policy: str, system: str, target: Target, stack: contextlib.ExitStack
) -> dict[str, Any]:
    """Returns how the addon is loaded."""
    if policy == "none":
        return {"sandbox": "none"}
    is_alone = policy == "strict" and system != "address"
    share = IN_A_JAIL if is_alone or system == "no-landlock" else ON_THE_DISK
    at_load = DAEMON if system == "subprocess" else "1"
    names = {**target.names, **share, "REDTEAM_AT_LOAD": at_load}
    options = {"policy": policy, "read": [target.readable], **OPTIONS.get(system, {})}
    if system != "address":
        return {"sandbox": Sandbox(env=names, **options)}
    address, scratch = stack.enter_context(served(target, names))
    return {"sandbox": Sandbox(scratch=scratch, **options), "address": address}


def one_policy(
    policy: str, system: str, given: dict[str, Any], target: Target, repeats: int
) -> tuple[dict[str, str], list[str]]:
    """Runs the attacks under a policy; returns their outcomes, and what else went wrong."""
    with contextlib.ExitStack() as stack:
        options = sandbox_of(policy, system, target, stack)
        try:
            addon = load_addon(given["addon"], timeout=60, **options)
        except SandboxUnavailable as error:
            wrong = [] if str(error) else ["SandboxUnavailable says nothing"]
            return {"load": "unavailable"}, wrong
        return attacks_on(addon, (policy, system), given, target, repeats)


def attacks_on(
    addon: Addon,
    column: tuple[str, str],
    given: dict[str, Any],
    target: Target,
    repeats: int,
) -> tuple[dict[str, str], list[str]]:
    """Makes the attacks of an addon, and closes it."""
    policy, system = column
    wrong: list[str] = []
    outcomes: dict[str, str] = {}
    with addon, load_addon(given["other"], sandbox="none") as other:
        neighbour = host(other).pid
        seen = {(pid, began(pid)) for pid in (neighbour, host(addon).pid) if pid is not None}
        outcomes["load"] = "loaded"
        at_load = dict(line.split(" ", 1) for line in str(addon.atLoad).splitlines())
        for place in ("Relocation", "Init", "Needed", "ThreadEnd"):
            outcomes[f"E23_at_{place.lower()}"] = str(getattr(addon, f"at{place}"))
        # What the constructor reached counts, too.
        wrong += [f"at load: reached {server}" for server in reached(target, system)]
        attacks = CONTROLS if policy == "none" else str(addon.names).split()
        # Such a folder stays, with what they leave in it.
        left_out = {"subprocess": (DAEMON,), "address": LEAVE}.get(system, ())
        for name in attacks:
            if name in left_out:
                continue
            for turn in range(repeats):
                outcome = made(addon, other, name, wrong)
                if (pid := host(addon).pid) is not None:
                    seen.add((pid, began(pid)))
                # Each time, or servers that nobody listens at would be full.
                heard = reached(target, system)
                if policy != "none":
                    wrong += [f"{name}: reached {server}" for server in heard]
                if outcomes.setdefault(name, outcome) != outcome:
                    wrong.append(f"{name}: {outcomes[name]}, and at turn {turn}: {outcome}")
                    if outcome == "allowed":
                        outcomes[name] = outcome
            if policy != "none":
                if at_load.get(name, outcomes[name]) != outcomes[name]:
                    wrong.append(f"{name}: {outcomes[name]}, and in a constructor: {at_load[name]}")
                    if at_load[name] == "allowed":
                        outcomes[name] = "allowed"
                if SIGNALS:
                    wrong.append(f"{name}: sent signals to the client: {SIGNALS}")
                    SIGNALS.clear()
                if target.seen() != target.before:
                    wrong.append(f"{name}: changed a file: {target.before} to {target.seen()}")
                    target.before = target.seen()
            if host(other).pid != neighbour or host(other).run_script("1 + 2") != 3:
                wrong.append(f"{name}: disturbed another host")
    end = time.monotonic() + 10
    for pid, beginning in seen:
        if not gone_within(pid, max(0.0, end - time.monotonic()), beginning=beginning):
            wrong.append(f"still there: {pid}")
    target.heard()
    target.before = target.seen()
    return outcomes, wrong


def reached(target: Target, system: str) -> list[str]:
    """Which servers of the client's an attack has reached that it was not granted."""
    granted = "AF_INET " if system == "network" else None
    return [server for server in target.heard() if not granted or not server.startswith(granted)]


def take_terminal() -> None:
    """Gets a session with a terminal, as a user at a keyboard has."""
    os.setsid()
    _, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    os.dup2(terminal, 0)


def become(uid: int) -> None:
    """Becomes an ordinary user, who can be looked into by others of that name as users can."""
    if os.geteuid() == uid:
        return
    # Read from a file that the user may not be able to read.
    codecs.lookup("ascii")
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    if ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0:
        raise OSError("can't be inspectable again")


def enter_container() -> None:
    """Puts a filter like a container's on this process."""
    load, equal, any_bit, answer = 0x20, 0x15, 0x45, 0x06
    allow, eperm, enosys = 0x7FFF0000, 0x00050001, 0x00050026
    program = [(load, 0, 0, 0)]
    for number in CONTAINER_DENIES:
        program += [(equal, 0, 1, number), (answer, 0, 0, eperm)]
    program += [
        (equal, 0, 1, CLONE3), (answer, 0, 0, enosys),
        (equal, 0, 3, CLONE), (load, 0, 0, 16), (any_bit, 0, 1, NAMESPACES), (answer, 0, 0, eperm),
        (answer, 0, 0, allow),
    ]  # fmt: skip
    packed = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    code = ctypes.create_string_buffer(packed)
    given = ctypes.create_string_buffer(struct.pack("HP", len(program), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or libc.syscall(317, 1, 0, given) != 0:
        raise OSError(ctypes.get_errno(), "no filter")


def left_in(folder: pathlib.Path) -> list[str]:
    """What hosts have left behind there that is not removed in time."""
    end = time.monotonic() + REMOVED_WITHIN
    while (names := [path.name for path in folder.iterdir()]) and time.monotonic() < end:
        time.sleep(0.05)
    return names


def main() -> None:
    """Does what the argument says."""
    # The user that it becomes may not be able to read Python's own files.
    for name in napi_python.__all__:
        getattr(napi_python, name)
    given = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    # What addons print is nobody's concern here.
    sys.stdout = sys.stderr = pathlib.Path(os.devnull).open("w")  # noqa: SIM115 - to the end
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    take_terminal()
    signal.signal(signal.SIGWINCH, lambda number, _: SIGNALS.append(number))
    become(given["uid"])
    if given["contained"]:
        enter_container()
    os.environ["REDTEAM_HIDDEN"] = "hunter2"
    folder = pathlib.Path(tempfile.mkdtemp(prefix="redteam-"))
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder / "temporary")
    (folder / "temporary").mkdir()
    report: dict[str, Any] = {"outcomes": {}, "wrong": []}
    try:
        target = Target(folder / "home")
        os.environ.update(target.names)
        # What the first confined host opens stays open.
        with load_addon(given["other"]) as first:
            host(first).run_script("1 + 2")
        before = settled()
        for policy, system in given["columns"]:
            for hook in HOOKS:
                os.environ.pop(hook, None)
            os.environ.update(SYSTEMS.get(system, {}))
            outcomes, wrong = one_policy(policy, system, given, target, given["repeats"])
            report["outcomes"][f"{policy}/{system}"] = outcomes
            report["wrong"] += [f"{policy}/{system}: {text}" for text in wrong]
            # What the client itself holds must not grow by being attacked.
            if settled(before) != before:
                report["wrong"].append(f"{policy}/{system}: {inventory(os.getpid())} of {before}")
        left = left_in(folder / "temporary")
        report["wrong"] += [f"left behind: {name}" for name in left]
    except Exception:
        report["wrong"].append(traceback.format_exc())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    json.dump(report, answers)
    answers.close()


if __name__ == "__main__":
    main()
