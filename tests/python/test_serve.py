"""`napi-hostd serve` and `load_addon(path, address=...)`: hosts that a server starts."""

from __future__ import annotations

import asyncio
import os
import re
import resource
import signal
import socket
import stat
import struct
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import addon_path
from forged import HELLO, PROTOCOL, RECORD_BYTES
from napi_python import (
    Addon,
    AddonCrashed,
    AddonTimeout,
    BufferPool,
    JSError,
    LoadError,
    Sandbox,
    _addon,
    deadline,
    host,
    load_addon,
)
from processes import gone_within, killed_client, settled
from test_turns import check_that_the_host_wakes_the_loop, heard_on

PROGRAM = _addon._host_binary()  # noqa: SLF001
CRASH = addon_path("crash")
#: the number of `HostMessage::Refused`
REFUSED = 2
#: the roles of a handover
LANES, CRASH_PAGE, WAKE_PIPE, STDOUT, STDERR, STATUS = range(1, 7)


class Server(subprocess.Popen[str]):
    """A server, and where it listens."""

    def __init__(self, *arguments: str, **options: Any) -> None:
        super().__init__(
            [PROGRAM, "serve", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
        assert self.stdout is not None
        self.address = Path(self.stdout.readline().rstrip("\n"))


@contextmanager
def serving(*arguments: str, **options: Any) -> Iterator[Server]:
    with Server(*arguments, **options) as server:
        try:
            yield server
        finally:
            server.kill()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server in a folder of its own."""
    with serving("--socket", str(tmp_path / "server" / "socket")) as started:
        yield started


def parent_of(pid: int) -> int:
    text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    return int(text.rsplit(")", 1)[1].split()[1])


def descriptors(addon: Addon) -> Counter[str]:
    """Returns what the descriptors of a host refer to, without the numbers."""
    folder = Path(f"/proc/{host(addon).pid}/fd")
    return Counter(re.sub(r"\[?\d+\]?", "", str(entry.readlink())) for entry in folder.iterdir())


def mappings(pid: int) -> str:
    return Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")


@pytest.mark.parametrize("carrier", ["lanes", "socket"])
def test_everything_works_at_an_address(carrier: Any, server: Server) -> None:
    with load_addon(CRASH, address=server.address, carrier=carrier) as loaded:
        assert loaded.add(1, 2) == 3
        assert loaded.call(lambda: loaded.add(1, 2)) == 3
        pid = host(loaded).pid
        assert pid is not None
        assert parent_of(pid) == server.pid
        assert ("napi-hostd-lanes" in mappings(pid)) == (carrier == "lanes")
    assert gone_within(pid, 2)


@pytest.mark.parametrize("carrier", ["lanes", "socket"])
def test_large_buffers_at_an_address(carrier: Any, server: Server) -> None:
    length = 3 << 20
    with load_addon(CRASH, address=server.address, carrier=carrier) as loaded:
        run = host(loaded).run_script
        target = bytearray(length)
        assert run("b => { b[70000] = 7; return b.length; }")(target) == length
        assert (target[70_000], target.count(0)) == (7, length - 1)
        made = run(f"globalThis.made = new Uint8Array({length}).fill(9)")
        assert bytes(made) == b"\x09" * length
        # Only memory that both share is a live view.
        assert made.shared == (carrier == "lanes")
        assert ("shared" in host(loaded).stats()) == (carrier == "lanes")
        text = "naïve — " * 100_000
        assert run("t => t + '!'")(text) == text + "!"


@pytest.mark.parametrize("carrier", ["lanes", "socket"])
def test_buffers_of_a_pool_at_an_address(carrier: Any, server: Server) -> None:
    with BufferPool("64 MiB") as pool:
        buffer = pool.zeros((1 << 20,), "uint8")
        with load_addon(CRASH, address=server.address, carrier=carrier) as loaded:
            run = host(loaded).run_script
            run("b => { globalThis.kept = b; b[1] = 5; }")(buffer)
            assert buffer[1] == 5
            run("kept[2] = 6")
            # After the call, only what is shared is seen.
            assert buffer[2] == (6 if carrier == "lanes" else 0)
            with pytest.raises(AddonCrashed):
                loaded.abort()
            # The next process is handed the pool anew.
            run = host(loaded).run_script
            assert run("b => b[1]")(buffer) == 5
        buffer[3] = 8
        assert buffer[:4].tolist() == [0, 5, buffer[2], 8]


def test_each_session_has_a_process_of_its_own(server: Server) -> None:
    loaded = [load_addon(CRASH, address=str(server.address)) for _ in range(5)]
    assert len({host(addon).pid for addon in loaded}) == 5
    with pytest.raises(AddonCrashed):
        loaded[0].abort()
    assert [addon.add(1, 2) for addon in loaded] == [3] * 5
    for addon in loaded:
        host(addon).close()


@pytest.mark.parametrize(
    ("export", "signal_name", "code"),
    [("nullPointer", "SIGSEGV", None), ("abort", "SIGABRT", None), ("exitNow", None, 7)],
)
def test_crash_says_why_and_the_next_call_knocks_again(
    export: str, signal_name: str | None, code: int | None, server: Server
) -> None:
    with load_addon(CRASH, address=server.address) as loaded:
        loaded.printError("last words\n")
        with pytest.raises(AddonCrashed) as caught:
            getattr(loaded, export)()
        error = caught.value
        assert (error.signal_name, error.exit_code) == (signal_name, code)
        assert error.export == export
        assert "last words" in (error.stderr or "")
        assert loaded.add(1, 2) == 3
        assert host(loaded).generation == 2


@pytest.mark.parametrize("carrier", ["lanes", "socket"])
def test_crash_has_the_same_facts_as_one_of_an_own_process(carrier: Any, server: Server) -> None:
    with (
        load_addon(CRASH, address=server.address, carrier=carrier) as there,
        load_addon(CRASH, carrier=carrier) as here,
    ):
        for export in ("nullPointer", "stackOverflowOnThread", "fatalError", "cppException"):
            found = []
            for loaded in (there, here):
                with pytest.raises(AddonCrashed) as caught:
                    getattr(loaded, export)()
                found.append(caught.value)
            far, near = found
            for fact in ("signal_name", "export", "node_api", "exit_code", "reason"):
                assert getattr(far, fact) == getattr(near, fact), (export, fact)
            assert near.backtrace
            assert [frame for frame in far.backtrace or [] if "crash.node!" in frame] == [
                frame for frame in near.backtrace if "crash.node!" in frame
            ]
            assert (far.address is None) == (near.address is None)
            for error in found:
                assert isinstance(error.usage, dict)
                assert error.usage["wall"] > 0
                assert error.usage["peak_memory"] > 1 << 20


def test_usage_of_a_session_that_leaves_no_record(server: Server) -> None:
    # The kernel counts what a process had before its program was started: only more is reported.
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    with load_addon(CRASH, address=server.address) as loaded:
        loaded.exhaustMemory(own + 100)
        with pytest.raises(AddonCrashed) as caught:
            loaded.raiseKill()
        assert caught.value.export == "raiseKill"
        assert isinstance(caught.value.usage, dict)
        assert own + 100 < caught.value.usage["peak_memory"] >> 20 < own + 300
        assert caught.value.usage["user"] + caught.value.usage["system"] > 0


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_loop_is_woken_by_a_served_host(is_restarted: bool, server: Server) -> None:
    with load_addon(addon_path("order"), address=server.address) as order:
        assert asyncio.run(heard_on(order)) is threading.current_thread()
        check_that_the_host_wakes_the_loop(order, is_restarted=is_restarted)


@pytest.mark.parametrize("carrier", ["lanes", "socket"])
def test_host_holds_the_descriptors_of_a_spawned_one(carrier: Any, server: Server) -> None:
    with (
        load_addon(CRASH, address=server.address, carrier=carrier) as there,
        load_addon(CRASH, carrier=carrier) as here,
    ):
        # A pidfd of its client, which is not its parent.
        assert descriptors(there) - descriptors(here) == {"anon_inode:[pidfd]": 1}
        assert not descriptors(here) - descriptors(there)


def test_deadline_kills_a_session_that_hangs(server: Server) -> None:
    with load_addon(CRASH, address=server.address) as loaded:
        with pytest.raises(AddonTimeout), deadline(0.1):
            loaded.loopForever()
        assert loaded.add(1, 2) == 3


def test_output_comes_to_this_side(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    with load_addon(CRASH, address=server.address) as loaded:
        loaded.print("hello from afar\n")
    assert "hello from afar" in capfd.readouterr().out


def test_folder_and_socket_are_for_this_user_only(server: Server) -> None:
    assert stat.S_IMODE(server.address.parent.stat().st_mode) == 0o700


def test_generated_address(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    with serving(env=environment) as server:
        assert server.address.is_relative_to(tmp_path)
        assert stat.S_IMODE(server.address.parent.stat().st_mode) == 0o700
        with load_addon(CRASH, address=server.address) as loaded:
            assert loaded.add(1, 2) == 3
        server.terminate()
        assert server.wait(5) == 0
        assert not server.address.parent.exists()


def test_open_folder_is_refused_by_both(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    with serving("--socket", str(folder / "socket")) as server:
        assert server.wait(5) == 1
        assert server.stderr is not None
        assert "chmod 700" in server.stderr.read()
    folder.chmod(0o700)
    with serving("--socket", str(folder / "socket")) as server:
        folder.chmod(0o755)
        with pytest.raises(LoadError, match="chmod 700"):
            load_addon(CRASH, address=server.address)


def test_socket_in_use_is_refused_and_a_stale_one_replaced(server: Server) -> None:
    with serving("--socket", str(server.address)) as second:
        assert second.wait(5) == 1
        assert second.stderr is not None
        assert "in use" in second.stderr.read()
    with load_addon(CRASH, address=server.address) as loaded:
        assert loaded.add(1, 2) == 3
    server.kill()
    server.wait()
    assert server.address.exists()
    with (
        serving("--socket", str(server.address)) as third,
        load_addon(CRASH, address=third.address) as loaded,
    ):
        assert loaded.add(1, 2) == 3


@pytest.mark.parametrize(
    ("option", "error", "says"),
    [
        ({"address": ""}, ValueError, "address must be the path of a socket, got ''"),
        ({"address": "a\0b"}, ValueError, r"address must be the path of a socket, got 'a\\x00b'"),
        ({"env": {"A\0": "b"}}, TypeError, "env: names and values must be str without NUL"),
        ({"env": {"A": 5}}, TypeError, "env: names and values must be str without NUL"),
        ({"env": {"": "b"}}, ValueError, "env: '' is not a valid name of a variable"),
        ({"env": {"A=B": "c"}}, ValueError, "env: 'A=B' is not a valid name of a variable"),
        ({"env": [("A", "b")]}, TypeError, "env must be a dict"),
        ({"name": 5}, TypeError, "name must be str or None, got 5"),
        ({"name": ["x"]}, TypeError, "name must be str or None"),
    ],
)
def test_option_that_cannot_be_used_is_named(option: Any, error: Any, says: str) -> None:
    with pytest.raises(error, match=says):
        load_addon(CRASH, **option)


def test_path_that_cannot_be_granted_is_named() -> None:
    with pytest.raises(ValueError, match=r"read: the path '/a\\x00' contains a NUL"):
        Sandbox(read=["/a\0"])


def test_refusal_of_a_hostile_server_is_escaped(tmp_path: Path) -> None:
    text = b'a\x1b[2J\nTraceback (most recent call last):\n  File "/fake.py", line 1'
    tmp_path.chmod(0o700)
    address = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen()

        def refuse() -> None:
            with listener.accept()[0] as client:
                _, descriptors, _, _ = socket.recv_fds(client, 4096, 8)
                for descriptor in descriptors:
                    os.close(descriptor)
                message = struct.pack("<IQ", REFUSED, len(text)) + text
                client.sendall(HELLO + struct.pack("<IB", len(message), 0) + message)

        server = threading.Thread(target=refuse)
        server.start()
        with pytest.raises(LoadError) as caught:
            load_addon(CRASH, address=address)
        server.join()
    assert "it refused: a\\x1b[2J\n| Traceback (most" in str(caught.value)
    assert "\n|   File" in str(caught.value)
    assert repr(caught.value).isprintable()


def test_no_server_says_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(LoadError, match=r"server at .*nothing"):
        load_addon(CRASH, address=tmp_path / "nothing")
    options: list[dict[str, Any]] = [{"env": {}}, {"sandbox": Sandbox(env={"MODE": "quick"})}]
    for option in options:
        with pytest.raises(ValueError, match=r"env=.*environment of the server"):
            load_addon(CRASH, address=tmp_path / "nothing", **option)


def test_environment_of_a_confined_addon_is_the_servers(tmp_path: Path) -> None:
    folder = tmp_path / "for-addons"
    folder.mkdir(mode=0o700)
    environment = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "TMPDIR": str(folder)}
    with serving("--socket", str(tmp_path / "d" / "s"), env=environment) as server:
        sandbox = Sandbox(scratch=folder, file_size="1 MiB")
        with load_addon(CRASH, address=server.address, sandbox=sandbox) as loaded:
            seen = host(loaded).run_script("({...process.env})")
            assert seen == environment
            loaded.longFile(f"{seen['TMPDIR']}/kept", 4096)
            with pytest.raises(JSError, match="EACCES"):
                loaded.longFile(f"{tmp_path}/elsewhere", 4096)
            # Its limits hold as anywhere.
            with pytest.raises(JSError, match="EFBIG") as refused:
                loaded.longFile(f"{seen['TMPDIR']}/long", 2 << 20)
            assert "sandbox=Sandbox(file_size=" in "".join(refused.value.__notes__)
    assert {path.name for path in folder.iterdir()} == {"kept", "long"}


def test_end_in_order(server: Server) -> None:
    loaded = load_addon(CRASH, address=server.address)
    pid = host(loaded).pid
    assert pid is not None
    server.terminate()
    end = time.monotonic() + 5
    while server.address.exists() and time.monotonic() < end:
        time.sleep(0.01)
    # New clients are refused, sessions go on.
    with pytest.raises(LoadError):
        load_addon(CRASH, address=server.address)
    assert loaded.add(1, 2) == 3
    assert server.poll() is None
    host(loaded).close()
    assert server.wait(5) == 0
    assert gone_within(pid, 1)


def test_second_signal_ends_the_server_at_once(server: Server) -> None:
    loaded = load_addon(CRASH, address=server.address)
    failed: list[BaseException] = []

    def work() -> None:
        try:
            loaded.loopForever()
        except AddonCrashed as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.2)
    server.terminate()
    time.sleep(0.2)
    server.terminate()
    assert server.wait(5) == 0
    thread.join(5)
    assert len(failed) == 1
    with pytest.raises(LoadError, match="server at"):
        loaded.add(1, 2)


def test_sessions_die_with_the_server(server: Server) -> None:
    loaded = load_addon(CRASH, address=server.address)
    pid = host(loaded).pid
    assert pid is not None
    server.kill()
    assert gone_within(pid, 2)
    with pytest.raises((AddonCrashed, LoadError)):
        loaded.add(1, 2)


@pytest.mark.parametrize("fork", ["", "os.fork() == 0 and [os.close(1), time.sleep(60)];"])
def test_sessions_die_with_their_client(fork: str, server: Server) -> None:
    """A forked child holds the connection open, and is not the client."""
    script = (
        "import os, time; from napi_python import *;"
        f"a = load_addon({str(CRASH)!r}, address={str(server.address)!r});"
        f"{fork} print(host(a).pid, flush=True); time.sleep(60)"
    )
    with killed_client(script) as pid:
        assert gone_within(pid, 2)


def handover(*roles: int) -> bytes:
    return HELLO + bytes([len(roles), *roles]).ljust(RECORD_BYTES, b"\0")


def refusal(server: Server, words: bytes, descriptors: list[int]) -> str:
    """Sends this to the server in place of a handover; returns why it refuses."""
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.settimeout(5)
        stranger.connect(str(server.address))
        socket.send_fds(stranger, [words], descriptors)
        answer = b""
        try:
            while more := stranger.recv(4096):
                answer += more
        except ConnectionResetError:
            pass  # it has not read all that was sent
    assert answer.startswith(HELLO[:13])
    length, kind, number, text = struct.unpack_from("<IBIQ", answer, len(HELLO))
    assert (kind, number, length, len(answer)) == (0, REFUSED, 12 + text, len(HELLO) + 17 + text)
    return answer[-text:].decode()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (b"x", "truncated"),
        (b"GET / HTTP/1.1\r\n\r\n".ljust(200), "no napi-hostd at the other end"),
        (HELLO, "truncated"),
        (
            HELLO.replace(bytes([PROTOCOL]), b"\x09"),
            f"protocol versions differ: {PROTOCOL} here, 9 in the peer",
        ),
        (handover()[:-1], "truncated"),
        (handover(), "without a pipe for output, errors or status"),
        (handover(STDOUT), "another number of descriptors than of roles"),
        (handover(77), "unknown role"),
        (HELLO + b"\xff" * RECORD_BYTES, "another number of roles"),
    ],
)
def test_strangers_do_no_harm(words: bytes, why: str, server: Server) -> None:
    assert why in refusal(server, words, [])
    silent = [socket.socket(socket.AF_UNIX) for _ in range(20)]
    for stranger in silent:
        stranger.connect(str(server.address))
    with load_addon(CRASH, address=server.address) as loaded:
        assert loaded.add(1, 2) == 3
    for stranger in silent:
        stranger.close()
    assert server.poll() is None


@pytest.mark.parametrize(
    ("roles", "why"),
    [
        ([STDOUT, STDERR, STDERR], "a role twice"),
        ([STDOUT, STDERR], "another number of descriptors than of roles"),
        ([STDOUT, STDERR, STATUS, WAKE_PIPE], "another number of descriptors than of roles"),
        ([STDOUT, STDERR, LANES], "lanes that is not a memory file"),
        ([STDOUT, STDERR, CRASH_PAGE], "crash page that is not a memory file"),
    ],
)
def test_descriptors_that_do_not_fit_are_refused(
    roles: list[int], why: str, server: Server
) -> None:
    before = settled(pid=server.pid)
    pipes = [os.pipe() for _ in range(3)]
    for _ in range(20):
        assert why in refusal(server, handover(*roles), [writer for _, writer in pipes])
    for reader, writer in pipes:
        os.close(writer)
        assert os.read(reader, 1) == b"", "the server has closed its copies"
        os.close(reader)
    with Path(__file__).open("rb") as file:
        three = [file.fileno()] * 3
        assert "not a pipe" in refusal(server, handover(STDOUT, STDERR, STATUS), three)
    assert settled(before, server.pid) == before


def test_full_status_pipe_does_not_block_the_server(server: Server) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(writer, bytes(4096))
    os.set_blocking(writer, True)
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.connect(str(server.address))
        socket.send_fds(stranger, [handover(STDOUT, STDERR, STATUS)], [writer] * 3)
        with load_addon(CRASH, address=server.address) as loaded:
            assert loaded.add(1, 2) == 3
    os.close(reader)
    os.close(writer)


def test_a_hundred_sessions_leave_nothing(server: Server) -> None:
    def session() -> None:
        with load_addon(CRASH, address=server.address) as loaded:
            assert loaded.call(lambda: loaded.add(1, 2)) == 3

    session()
    ours, theirs = settled(), settled(pid=server.pid)
    assert theirs["children"] == 0
    for _ in range(100):
        session()
    assert settled(ours) == ours
    assert settled(theirs, server.pid) == theirs


def test_interrupt_ends_it_too(tmp_path: Path) -> None:
    with serving("--socket", str(tmp_path / "d" / "s")) as server:
        server.send_signal(signal.SIGINT)
        assert server.wait(5) == 0
        assert not server.address.exists()


def test_debug_mode_is_requested_by_the_client(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    for debug in (False, True):
        with load_addon(addon_path("reference"), address=server.address, debug=debug) as loaded:
            host(loaded).run_script("addon.napi_create_reference(3, {}, 2).status")
        assert ("leak: a napi_ref (count 2)" in caplog.text) is debug
