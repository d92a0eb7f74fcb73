"""What passes between Python and a host is recorded, and replayed against a fresh one."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import addon_path
from napi_python import (
    Addon,
    AddonCrashed,
    AddonPool,
    AddonTimeout,
    LoadError,
    Recording,
    deadline,
    host,
    load_addon,
    require,
)
from records import calls, command, replay

if TYPE_CHECKING:
    from collections.abc import Callable

MODULES = Path(__file__).parent.parent / "real/node_modules"

EVENT_SECONDS = 5.0
RESVG = MODULES / "@resvg/resvg-js-linux-x64-gnu/resvgjs.linux-x64-gnu.node"


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """The file of a record."""
    return tmp_path / "calls.rec"


def _crash(call: Callable[[], object]) -> AddonCrashed:
    with pytest.raises(AddonCrashed) as caught:
        call()
    return caught.value


def _same(record: Path, calls_min: int = 1) -> dict[str, Any]:
    """Replays a record that must end as it did, without differences."""
    status, found = replay(record)
    assert found["differences"] == []
    assert found["same"] is True
    assert status == 0
    assert found["skipped"] == 0
    assert found["played"] >= calls_min
    return found


def test_crash_comes_again(record: Path) -> None:
    with load_addon(addon_path("crash"), record=record) as addon:
        assert addon.add(1, 2) == 3
        error = _crash(addon.wildPointer)
    assert error.record == str(record)
    found = _same(record, 3)
    assert found["end"]["signal_name"] == "SIGSEGV"
    assert found["export"] == "wildPointer"
    assert "WildPointer" in found["place"]
    assert calls(record)[0] == "Load()"
    assert "add(int, int)" in calls(record)


def test_report_has_shapes_and_no_values(record: Path) -> None:
    with load_addon(addon_path("crash"), record=record) as addon:
        error = _crash(lambda: addon.wildPointer("secret" * 100, {"a": 1, "b": 2, "c": 3}, b"12"))
    report = error.report()
    assert report.facts["record"] == str(record)
    shapes = "wildPointer(str of 600, dict of 3, Buffer of 2 bytes)"
    assert report.facts["calls"] == [shapes]
    assert shapes in str(report)
    assert "secret" not in str(report)


def test_report_of_a_crash_without_a_record(crash: Addon) -> None:
    error = _crash(crash.wildPointer)
    assert error.record is None
    assert error.report().facts["record"] is None
    assert error.report().facts["calls"] is None


def test_end_in_order_comes_again(record: Path) -> None:
    with load_addon(addon_path("crash"), record=record) as addon:
        assert addon.add(1, 2) == 3
    found = _same(record, 2)
    assert found["end"] is None
    assert found["recorded"]["crashed"] is False


def test_callbacks_are_answered_from_the_record(record: Path) -> None:
    with load_addon(addon_path("crash"), record=record) as addon:
        numbers = iter(range(100))
        sum_up = host(addon).run_script(
            "(take, n) => { let s = ''; for (let i = 0; i < n; i++) s += take(i); return s }"
        )
        assert sum_up(lambda _: next(numbers), 5) == "01234"
        check = host(addon).run_script("s => { if (s === '01234') process.abort(); return s }")
        assert check("other") == "other"
        # A call inside of a callback, whose result decides what the callback returns.
        nested = host(addon).run_script("f => f(7)")
        assert nested(lambda x: addon.add(x, 1)) == 8
        thrown = host(addon).run_script("f => { try { f() } catch (e) { return e.message } }")

        def fail() -> None:
            raise ValueError("for a reason")

        assert thrown(fail) == "for a reason"
        _crash(lambda: check("01234"))
    assert _same(record)["end"]["signal_name"] == "SIGABRT"


def test_attributes_of_exposed_objects_are_answered(record: Path) -> None:
    class Point:
        def __init__(self) -> None:
            self.x = 20

        def twice(self, number: int) -> int:
            return 2 * number

    with load_addon(addon_path("crash"), sandbox="none", record=record) as addon:
        use = host(addon).run_script("p => p.twice(p.x + 1)")
        assert use(Point()) == 42
    _same(record)


def test_changes_of_arguments_are_in_the_record(record: Path) -> None:
    with load_addon(addon_path("crash"), record=record) as addon:
        push = host(addon).run_script("(list, f) => { list.push(1); f(list); return list.length }")
        items: list[int] = []
        assert push(items, lambda inner: inner.append(2)) == 2
        assert items == [1, 2]
        data = bytearray(100_000)
        fill = host(addon).run_script("b => { b.fill(7); return b.length }")
        assert fill(data) == 100_000
        assert data == b"\7" * 100_000
    _same(record)
    assert record.stat().st_size > 100_000


def test_large_buffers_and_texts_are_in_the_record(record: Path) -> None:
    data, text = bytes(range(256)) * 2000, "text" * 100_000
    with load_addon(addon_path("bench"), record=record) as addon:
        assert len(addon.makeBuffer(1 << 20)) == 1 << 20
        assert addon.sumBuffer(data) == sum(data)
        assert addon.copyText(text) == text
        changed = bytearray(data)
        addon.changeBuffer(changed)
    assert record.stat().st_size > 3 << 20
    found = _same(record, 5)
    assert found["difference_count"] == 0


def test_replay_that_breaks_off_is_no_success(record: Path, tmp_path: Path) -> None:
    with load_addon(addon_path("bench"), record=record) as addon:
        addon.sumBuffer(b"1234" * 100)
    replaced = tmp_path / "host"
    replaced.write_text("#!/bin/sh\nexit 1\n")
    replaced.chmod(0o700)
    status, found = replay(record, "--host", replaced)
    assert status != 0
    assert "same" not in found or found["same"] is not True


def test_functions_of_node_api_that_ran_last_are_known_of_a_recorded_process(record: Path) -> None:
    with load_addon(addon_path("crash"), record=record) as addon:
        error = _crash(addon.wildResult)
    assert error.node_api_calls is not None
    assert error.node_api_calls[-1] == "napi_create_object"


def test_objects_and_classes_live_and_are_released(record: Path) -> None:
    with load_addon(addon_path("crash"), record=record) as addon:
        counter = host(addon).run_script(
            "class Counter { constructor(n) { this.n = n } next() { return ++this.n } "
            "same(o) { return o === this } }; Counter"
        )
        for start in range(300):
            # Ids are used again when they were released.
            one, other = counter(start), counter(0)
            assert one.next() == start + 1
            assert one.same(one)
            assert not other.same(one)
            del one, other
        gc.collect()
        made = host(addon).run_script("() => [{ f: () => 1 }, { f: () => 2 }].map(o => o.f)")()
        assert [function() for function in made] == [1, 2]
        _crash(addon.nullPointer)
    found = _same(record, 900)
    assert found["export"] == "nullPointer"


def test_promises(record: Path) -> None:
    async def use(addon: Addon) -> int:
        later = host(addon).run_script(
            "v => new Promise(done => setTimeout(() => done({ get: () => v }), 20))"
        )
        first, second = await asyncio.gather(later(1), later(2))
        # What the promises gave is used.
        waits = host(addon).run_script("async f => await f(2) + 1")

        async def plus(x: int) -> int:
            await asyncio.sleep(0.01)
            return x + 40

        total: int = first["get"]() + second["get"]() + await waits(plus)
        return total

    with load_addon(addon_path("crash"), record=record) as addon:
        assert asyncio.run(use(addon)) == 46
        _crash(addon.nullPointer)
    _same(record)


def test_events_of_threads(record: Path) -> None:
    async def use(addon: Addon) -> list[int]:
        came: list[int] = []
        every = host(addon).run_script(
            "f => { let n = 0; const t = setInterval(() => { f(n); if (++n === 5) "
            "clearInterval(t) }, 5) }"
        )
        every(came.append)
        until = time.monotonic() + EVENT_SECONDS
        while len(came) < 5 and time.monotonic() < until:  # noqa: ASYNC110 - nothing tells it
            await asyncio.sleep(0.005)
        return came

    with load_addon(addon_path("crash"), record=record) as addon:
        assert asyncio.run(use(addon)) == [0, 1, 2, 3, 4]
        _crash(addon.nullPointer)
    _same(record)


def test_crash_of_a_thread_of_the_addon(record: Path) -> None:
    with load_addon(addon_path("crash"), record=record) as addon:
        _crash(lambda: addon.work(True).result(EVENT_SECONDS))
    status, found = replay(record)
    assert status == 0
    assert found["same"] is True
    assert found["end"]["signal_name"] == "SIGSEGV"


def test_calls_of_several_threads(record: Path) -> None:
    with load_addon(addon_path("crash"), record=record) as addon:
        call = host(addon).run_script("(f, x) => f(x) + 1")
        wrong: list[int] = []

        def work(number: int) -> None:
            made = [call(lambda x: addon.add(x, 1), number * step) for step in range(50)]
            wrong.extend(set(made) - {number * step + 2 for step in range(50)})

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        _crash(addon.nullPointer)
    _same(record, 200)


def test_calls_of_other_threads_inside_of_a_callback(record: Path) -> None:
    with load_addon(addon_path("crash"), nested_threads=True, record=record) as addon:
        call = host(addon).run_script("f => f()")

        def meanwhile() -> int:
            found: list[int] = []
            thread = threading.Thread(target=lambda: found.append(addon.add(1, 2)))
            thread.start()
            thread.join(EVENT_SECONDS)
            return found[0]

        assert call(meanwhile) == 3
        _crash(addon.nullPointer)
    _same(record, 3)


def test_call_that_is_interrupted(record: Path) -> None:
    with load_addon(addon_path("crash"), record=record) as addon:
        loop = host(addon).run_script("n => { for (let i = 0; i < n; i++); return n }")
        with pytest.raises(AddonTimeout), deadline(0.2):
            loop(1 << 40)
        assert loop(5) == 5
        _crash(addon.nullPointer)
    _same(record, 4)


def test_process_that_is_killed_for_its_deadline(record: Path) -> None:
    with (
        load_addon(addon_path("crash"), record=record) as addon,
        pytest.raises(AddonTimeout),
        deadline(0.1),
    ):
        addon.loopForever()
    status, found = replay(record, "--timeout", 0.2)
    assert status == 0, found
    assert found["same"] is True
    assert found["end"]["cause"] == "call-timeout"


def test_crash_of_this_process_is_replayed_in_another(record: Path) -> None:
    program = textwrap.dedent(f"""
        from napi_python import load_addon
        addon = load_addon({str(addon_path("crash"))!r}, isolated=False, record={str(record)!r})
        print(addon.add(1, 2), flush=True)
        addon.nullPointer()
    """)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.stdout == b"3\n"
    assert done.returncode == -signal.SIGSEGV
    status, found = replay(record)
    assert status == 3
    assert found["same"] is None
    assert found["export"] == "nullPointer"


def test_reference_in_another_process_is_not_recorded(record: Path) -> None:
    program = "import pickle, sys; print(pickle.load(sys.stdin.buffer)(1, 2))"
    with load_addon(addon_path("crash"), record=record) as addon:
        before = record.stat().st_ino
        done = subprocess.run(
            [sys.executable, "-c", program],
            input=pickle.dumps(addon.add),
            capture_output=True,
            check=False,
        )
        assert done.stdout == b"3\n", done.stderr
        assert record.stat().st_ino == before
    assert len(list(record.parent.iterdir())) == 1


@pytest.mark.parametrize("thread", ["own", "caller"])
def test_record_of_an_addon_in_this_process(thread: Any, record: Path) -> None:
    with load_addon(addon_path("crash"), isolated=False, thread=thread, record=record) as addon:
        assert addon.add(1, 2) == 3
        assert addon.call(lambda: 5) == 5
        text = "é" * 50_000
        assert host(addon).run_script("s => s.length")(text) == 50_000
        data = bytes(100_000)
        assert host(addon).run_script("b => b.length")(data) == 100_000
    assert "add(int, int)" in calls(record)
    _same(record, 6)


def test_package(record: Path, tmp_path: Path) -> None:
    folder = tmp_path / "node_modules" / "counts"
    folder.mkdir(parents=True)
    (folder / "package.json").write_text('{"name": "counts", "version": "1.2.3", "main": "m.js"}')
    (folder / "m.js").write_text("let n = 0; exports.next = () => ++n; exports.die = () => "
                                 "process.abort()")  # fmt: skip
    with require("counts", root=tmp_path, record=record) as package:
        assert [package.next(), package.next()] == [1, 2]
        _crash(package.die)
    assert _same(record, 4)["end"]["signal_name"] == "SIGABRT"


@pytest.mark.skipif(not RESVG.exists(), reason="resvg is not installed")
def test_exports_come_in_another_order_in_each_process(record: Path) -> None:
    with load_addon(RESVG, record=record) as addon:
        svg = '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"/>'
        assert addon.Resvg(svg, "{}").render().width == 4
    for _ in range(4):
        _same(record, 4)


def test_each_process_has_a_file_and_their_number_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "calls.rec"
    with load_addon(addon_path("crash"), record=Recording(path, files=2)) as addon:
        for _ in range(3):
            _crash(addon.nullPointer)
        assert addon.add(1, 1) == 2
    assert sorted(file.name for file in tmp_path.iterdir()) == ["calls-3.rec", "calls-4.rec"]
    assert replay(tmp_path / "calls-3.rec")[1]["same"]
    assert "nullPointer()" not in calls(tmp_path / "calls-4.rec")


def test_workers_of_a_pool_have_files(tmp_path: Path) -> None:
    path = tmp_path / "calls.rec"
    with AddonPool(addon_path("crash"), workers=2, record=path) as pool:
        assert list(pool.map("add", [1, 2, 3], [1, 1, 1])) == [2, 3, 4]
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["calls.rec", "calls.worker2.rec"]
    made = [call for name in names for call in calls(tmp_path / name)]
    assert made.count("add(int, int)") == 3


def test_recording_stops_at_its_limit(record: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with load_addon(addon_path("crash"), record=Recording(record, limit="1 MiB")) as addon:
        text = "x" * 100_000
        size = host(addon).run_script("s => s.length")
        for _ in range(20):
            assert size(text) == 100_000
        until = time.monotonic() + EVENT_SECONDS
        while "has reached its limit" not in caplog.text and time.monotonic() < until:
            time.sleep(0.01)
        _crash(addon.nullPointer)
    assert "has reached its limit" in caplog.text
    assert 900_000 < record.stat().st_size <= 1 << 20
    status, document = command("replay", record, "--list")
    assert status == 0
    assert "limit" in document["record"]["stopped"]
    assert document["record"]["end"]["signal_name"] == "SIGSEGV"
    # The call that crashed is not in it.
    status, found = replay(record)
    assert status == 1
    assert found["same"] is False


def test_disk_that_is_full_leaves_a_record_that_can_be_read(record: Path) -> None:
    script = f"""if True:
        import os, resource
        from napi_python import load_addon

        with load_addon({str(addon_path("bench"))!r}, record={str(record)!r}) as addon:
            assert addon.add(1, 2) == 3
            limit = os.stat({str(record)!r}).st_size + 1000
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            # A part of this fits.
            assert addon.sumBuffer(bytes(50_000)) == 0
            assert addon.add(2, 2) == 4
    """
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert "stopped: cannot write" in done.stderr
    assert "add(int, int)" in calls(record)
    found = replay(record)[1]
    assert found["played"] == 2
    assert found["failure"] is None


def test_record_without_values(record: Path) -> None:
    with load_addon(addon_path("crash"), record=Recording(record, values=False)) as addon:
        addon.printError("secret-of-mine")
        error = _crash(addon.nullPointer)
    assert b"secret-of-mine" not in record.read_bytes()
    assert b"nullPointer" in record.read_bytes()
    assert error.report().facts["calls"] is None
    for name in ("replay", "minimize"):
        status, document = command(name, record)
        assert status == 1
        assert "has no values" in document["error"]["message"]
    assert command("replay", record, "--list")[0] == 1


def test_record_of_a_program_that_is_killed(record: Path) -> None:
    program = textwrap.dedent(f"""
        import sys
        from napi_python import load_addon
        addon = load_addon({str(addon_path("crash"))!r}, record={str(record)!r})
        number = 0
        while True:
            number = addon.call(lambda: addon.add(number, 1))
            if number == 100:
                print("ready", flush=True)
    """)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        child.send_signal(signal.SIGKILL)
        child.wait()
    # What was written last may be cut anywhere.
    whole = record.read_bytes()
    for cut in (0, 1, 30):
        record.write_bytes(whole[: len(whole) - cut])
        status, found = replay(record)
        assert status == 0, found
        assert found["played"] > 100
        assert found["same"] is None
        assert found["differences"] == []


def test_another_file_in_the_place_of_the_addon_is_told(record: Path, tmp_path: Path) -> None:
    file = tmp_path / "addon.node"
    file.write_bytes(addon_path("crash").read_bytes())
    with load_addon(file, record=record) as addon:
        assert addon.add(1, 2) == 3
        _crash(addon.nullPointer)
    file.write_bytes(addon_path("sample_rust").read_bytes())
    status, found = replay(record)
    assert status == 1
    assert found["same"] is False
    assert "is not the file that was recorded" in found["differences"][0]


def test_until_stops_before_a_call(record: Path) -> None:
    with load_addon(addon_path("crash"), record=record) as addon:
        assert addon.add(1, 2) == 3
        _crash(addon.nullPointer)
    number = calls(record).index("nullPointer()") + 1
    status, found = replay(record, "--until", number)
    assert status == 0
    assert found["stopped"] is True
    assert found["end"] is None
    assert found["played"] == number - 1


def test_record_that_is_none(tmp_path: Path) -> None:
    status, document = command("replay", tmp_path / "none.rec")
    assert status == 1
    assert "No such file" in document["error"]["message"]
    other = tmp_path / "other.rec"
    for content in (b"", b"x", b"NAPI-REC", bytes(1000), b"\x7fELF" * 100):
        other.write_bytes(content)
        status, document = command("replay", other)
        assert status == 1
        assert "is not a record" in document["error"]["message"]
    other.write_bytes(b"NAPI-REC" + b"\xff" * 100)
    assert "version" in command("replay", other)[1]["error"]["message"]


def test_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"cannot record to .*No such file"):
        load_addon(addon_path("crash"), record=tmp_path / "none" / "calls.rec")
    with pytest.raises(LoadError, match="something that is not a file"):
        load_addon(addon_path("crash"), record=tmp_path)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"path": ""}, ValueError, "must be the path of a file"),
        ({"path": 5}, TypeError, "must be a path"),
        ({"path": "x", "limit": 10}, ValueError, "limit must be"),
        ({"path": "x", "limit": "much"}, ValueError, "limit must be"),
        ({"path": "x", "files": 0}, ValueError, "files must be"),
        ({"path": "x", "files": 1.5}, TypeError, "files must be"),
        ({"path": "x", "values": 1}, TypeError, "values must be"),
    ],
)
def test_options_are_checked(options: dict[str, Any], error: type, match: str) -> None:
    with pytest.raises(error, match=match):
        Recording(**options)


def test_only_this_user_may_read_a_record(record: Path) -> None:
    old = os.umask(0)
    try:
        load_addon(addon_path("crash"), record=record)
    finally:
        os.umask(old)
    assert record.stat().st_mode & 0o777 == 0o600
