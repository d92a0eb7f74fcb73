"""`profile=True`: counts, times, tables, traces, and the command."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import command
from conftest import addon_path
from napi_python import (
    Addon,
    AddonCrashed,
    AddonPool,
    ExportProfile,
    JSError,
    Profile,
    bulk,
    host,
    load_addon,
    open_host,
)

ROOT = Path(__file__).resolve().parents[2]
MODES: list[dict[str, Any]] = [
    {},
    {"carrier": "socket"},
    {"isolated": False},
    {"isolated": False, "thread": "caller"},
]
MILLISECOND = 1_000_000


@pytest.fixture(params=MODES, ids=["isolated", "socket", "own", "caller"])
def load(request: pytest.FixtureRequest) -> Callable[..., Addon]:
    """Loads an addon in each mode."""
    mode: dict[str, Any] = request.param

    def open_one(name: str = "bench", **options: Any) -> Addon:
        options.setdefault("profile", True)
        return load_addon(addon_path(name), **mode, **options)

    return open_one


def export(profile: Profile, name: str) -> ExportProfile:
    """Returns the figures of one export."""
    found = [one for one in profile.exports if one.name == name]
    assert len(found) == 1, profile
    return found[0]


def parts(one: ExportProfile) -> int:
    """Returns the sum of the parts of an export's time."""
    host_parts = one.engine_ns + one.addon_ns + one.node_api_ns + one.collection_ns
    return one.python_ns + one.waiting_ns + one.marshalling_ns + host_parts


def check(profile: Profile) -> None:
    """Checks what holds of every profile."""
    for one in profile.exports:
        assert 0 <= one.own_ns <= one.total_ns, one
        assert one.measured <= one.calls, one
        assert one.failures <= one.calls, one
        # Each part is rounded when it is scaled.
        assert parts(one) <= one.total_ns * 1.02 + 2000 * one.calls, one
    for function in profile.functions:
        assert 0 <= function.own_ns <= function.total_ns + function.calls, function


# --- Counts ---------------------------------------------------------------------------------------


def test_calls_and_bytes_are_exact(load: Callable[..., Addon]) -> None:
    with load() as addon:
        for number in range(3000):
            assert addon.add(number, 1) == number + 1
        for _ in range(7):
            addon.noop()
        addon.stringLength("x" * 1000)
        profile = host(addon).profile()
        check(profile)
        add = export(profile, "add")
        assert (add.calls, add.failures) == (3000, 0)
        assert export(profile, "noop").calls == 7
        assert 0 < add.measured <= 3000
        text = export(profile, "stringLength")
        if text.bytes_out:
            assert 1000 < text.bytes_out < 2000
        # Calls that are made in place have no messages.
        sends_all = add.bytes_out >= 3000 * 16 and add.bytes_in >= 3000 * 16
        assert sends_all or add.bytes_out < 100


def test_every_call_can_be_measured(load: Callable[..., Addon]) -> None:
    with load(profile="every") as addon:
        for number in range(500):
            addon.add(number, 1)
        profile = host(addon).profile()
        check(profile)
        add = export(profile, "add")
        assert (add.calls, add.measured) == (500, 500)
        calls = {one.name: one.calls for one in profile.functions}
        assert calls["napi_get_cb_info"] == 500
        assert calls["napi_get_value_double"] == 1000
        assert calls["napi_create_double"] == 500


def test_functions_of_sampled_calls_are_estimated(load: Callable[..., Addon]) -> None:
    with load() as addon:
        for number in range(20_000):
            addon.add(number, 1)
        profile = host(addon).profile()
        calls = {one.name: one.calls for one in profile.functions}
        assert calls["napi_get_cb_info"] == pytest.approx(20_000, rel=0.1)
        assert calls["napi_get_value_double"] == pytest.approx(40_000, rel=0.1)


def test_kinds_of_calls_are_told_apart(load: Callable[..., Addon]) -> None:
    with load() as addon:
        counter = addon.Counter(1)
        counter.increment()
        assert counter.value == 2
        assert list(bulk(addon.add, [(1, 2), (3, 4)], star=True)) == [3, 7]
        with pytest.raises(JSError, match="thrown"):
            host(addon).run_script("throw new Error('thrown')")
        profile = host(addon).profile()
        check(profile)
        names = {one.name: one for one in profile.exports}
        for name in ("new Counter", "increment", "(run_script)"):
            assert names[name].calls == 1, profile
        # Each message is a call.
        assert 1 <= names["add (bulk)"].calls <= 2
        assert names["(run_script)"].failures == 1
        assert "(Profile)" not in names


# --- Times ----------------------------------------------------------------------------------------


def test_code_of_an_addon_is_told_from_the_rest(load: Callable[..., Addon]) -> None:
    with load() as addon:
        start = time.perf_counter_ns()
        for _ in range(5):
            addon.compute(5_000_000)
        taken = time.perf_counter_ns() - start
        profile = host(addon).profile()
        check(profile)
        compute = export(profile, "compute")
        # Calls of that length are measured each.
        assert compute.measured == compute.calls == 5
        assert compute.total_ns == pytest.approx(taken, rel=0.3)
        assert compute.addon_ns > 0.5 * compute.total_ns
        assert compute.longest_ns >= compute.total_ns / 5
        assert profile.times.addon_ns == compute.addon_ns


def test_javascript_is_told_from_the_rest(load: Callable[..., Addon]) -> None:
    with load() as addon:
        host(addon).run_script("for (let i = 0, s = 0; i < 2e6; i++) s += i; 0")
        profile = host(addon).profile()
        check(profile)
        script = export(profile, "(run_script)")
        assert script.engine_ns > 0.5 * script.total_ns > MILLISECOND


def test_callbacks_are_told_from_the_rest(load: Callable[..., Addon]) -> None:
    with load() as addon:

        def slow(number: float) -> float:
            time.sleep(0.005)
            return number

        for _ in range(4):
            addon.callOnce(slow, 1)
        profile = host(addon).profile()
        check(profile)
        once = export(profile, "callOnce")
        assert once.python_ns > 18 * MILLISECOND
        assert once.own_ns < once.total_ns - 18 * MILLISECOND
        # The host waited meanwhile, and did nothing of its own.
        assert once.addon_ns + once.node_api_ns + once.engine_ns < 0.5 * once.python_ns
        assert profile.times.python_ns == once.python_ns


def test_calls_in_callbacks_count_once(load: Callable[..., Addon]) -> None:
    with load(profile="every") as addon:

        def nested(number: float) -> float:
            addon.compute(3_000_000)
            return number

        addon.callOnce(nested, 1)
        profile = host(addon).profile()
        check(profile)
        outer, inner = export(profile, "callOnce"), export(profile, "compute")
        assert inner.addon_ns > MILLISECOND
        assert outer.python_ns > inner.total_ns * 0.9
        # The outer call has waited for the callback, in which the inner one did the work.
        assert outer.addon_ns < MILLISECOND
        assert outer.own_ns < outer.total_ns - inner.total_ns * 0.9
        assert profile.times.python_ns < outer.python_ns - inner.total_ns * 0.9
        whole = sum(
            getattr(profile.times, name)
            for name in ("python_ns", "waiting_ns", "marshalling_ns", "engine_ns", "addon_ns")
        )
        assert whole < outer.total_ns * 1.1 + 5 * MILLISECOND


def test_a_function_that_runs_an_addon_has_its_own_time_apart(load: Callable[..., Addon]) -> None:
    with load(profile="every") as addon:
        compute = addon.compute
        run = host(addon).run_script("(compute) => (steps) => { compute(steps); return 1 }")
        for _ in range(3):
            addon.callOnce(run(compute), 3_000_000)
        profile = host(addon).profile()
        check(profile)
        called = {one.name: one for one in profile.functions}["napi_call_function"]
        assert called.total_ns > 3 * MILLISECOND
        assert called.own_ns < 0.2 * called.total_ns


def test_garbage_collections_and_finalizers_are_counted(load: Callable[..., Addon]) -> None:
    with load() as addon:
        for _ in range(20):
            addon.makeExternal(100_000)
        host(addon).collect()
        profile = host(addon).profile()
        collections = profile.collections
        assert collections.collections >= 1
        assert collections.collections_ns > 0
        assert collections.finalizers >= 20
        assert collections.finalizers_ns > 0
        assert "finalizers" in str(profile)


def test_collections_of_the_engine_are_counted(load: Callable[..., Addon]) -> None:
    with load() as addon:
        run = host(addon).run_script
        run("for (let i = 0; i < 3e5; i++) { const a = {}; a.b = {a} } 0")
        profile = host(addon).profile()
        assert profile.collections.collections >= 3
        script = export(profile, "(run_script)")
        assert 0 < script.collection_ns < script.total_ns
        assert script.collection_ns == pytest.approx(profile.collections.collections_ns, rel=0.2)


def test_turns_are_calls(load: Callable[..., Addon]) -> None:
    with load("bench") as addon:

        async def main() -> None:
            assert await asyncio.gather(*[addon.asyncAdd(1, 2) for _ in range(50)]) == [3] * 50

        asyncio.run(main())
        profile = host(addon).profile()
        check(profile)
        assert export(profile, "asyncAdd").calls == 50
        promises = profile.promises
        assert (promises.made, promises.settled, promises.rejected) == (50, 50, 0)
        assert sum(count for _, count in promises.histogram) == 50
        assert promises.total_ns > 0
        assert all(bound & (bound - 1) == 0 for bound, _ in promises.histogram)
        assert "50 settled" in str(profile)


def test_promises_by_their_latency(load: Callable[..., Addon]) -> None:
    with load() as addon:
        script = host(addon).run_script
        wait = script("(ms, fails) => new Promise((ok, no) => setTimeout(fails ? no : ok, ms))")

        async def main() -> None:
            await wait(30, False)
            with pytest.raises(JSError):
                await wait(1, True)
            _pending = wait(100_000, False)

        asyncio.run(main())
        promises = host(addon).profile().promises
        assert (promises.made, promises.settled, promises.rejected) == (3, 2, 1)
        assert promises.total_ns > 29 * MILLISECOND
        slowest = promises.histogram[-1]
        assert slowest[1] == 1
        assert slowest[0] >= 29 * MILLISECOND


def test_threads_are_counted_together() -> None:
    with load_addon(addon_path("bench"), profile=True) as addon:

        def work() -> None:
            for number in range(500):
                assert addon.callOnce(lambda value: value + 1, number) == number + 1

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        profile = host(addon).profile()
        check(profile)
        assert export(profile, "callOnce").calls == 2000


def test_nested_threads_do_not_disturb_each_other() -> None:
    options: dict[str, Any] = {"nested_threads": True, "profile": True}
    with load_addon(addon_path("bench"), **options) as addon:
        inside, leave = threading.Event(), threading.Event()

        def callback(number: float) -> float:
            inside.set()
            leave.wait(20)
            return number

        waiting = threading.Thread(target=lambda: addon.callOnce(callback, 1))
        waiting.start()
        assert inside.wait(20)
        for _ in range(300):
            addon.compute(20_000)
        leave.set()
        waiting.join()
        profile = host(addon).profile()
        check(profile)
        assert export(profile, "compute").calls == 300
        once = export(profile, "callOnce")
        assert once.addon_ns < MILLISECOND * 5
        assert once.python_ns > 0.5 * once.total_ns


# --- Life -----------------------------------------------------------------------------------------


def test_without_the_option_there_is_no_profile() -> None:
    with (
        load_addon(addon_path("bench")) as addon,
        pytest.raises(ValueError, match="load it with profile=True"),
    ):
        host(addon).profile()
    with pytest.raises(ValueError, match="profile must be True, False or 'every', got 1"):
        load_addon(addon_path("bench"), profile=1)  # type: ignore[arg-type]


def test_reset_begins_anew(load: Callable[..., Addon]) -> None:
    with load() as addon:
        for _ in range(100):
            addon.add(1, 2)
        before = host(addon).profile(reset=True)
        assert export(before, "add").calls == 100
        after = host(addon).profile()
        assert after.exports == []
        assert after.functions == []
        assert after.elapsed_ns < before.elapsed_ns
        addon.add(1, 2)
        assert export(host(addon).profile(), "add").calls == 1


def test_figures_stay_when_the_process_ends() -> None:
    with load_addon(addon_path("bench"), profile="every", sandbox="none") as addon:
        for _ in range(10):
            addon.add(1, 2)
        assert {one.calls for one in host(addon).profile().functions} == {10, 20}
        addon.noop()
        with pytest.raises(AddonCrashed):
            host(addon).run_script("process.abort()")
        # The process has taken along what it had not reported: the functions that noop called.
        profile = host(addon).profile()
        assert export(profile, "add").calls == 10
        assert export(profile, "noop").calls == 1
        assert export(profile, "(run_script)").failures == 1
        assert {one.calls for one in profile.functions} == {10, 20}
        generation = host(addon).generation
        addon.add(1, 2)
        assert host(addon).generation == generation + 1
        profile = host(addon).profile()
        assert export(profile, "add").calls == 11
        assert {one.calls for one in profile.functions} == {11, 22}
    profile = host(addon).profile()
    assert export(profile, "add").calls == 11


def test_packages_and_hosts_have_profiles(tmp_path: Path) -> None:
    (tmp_path / "twice.js").write_text("module.exports = (x) => x * 2\n")
    with open_host(root=tmp_path, sandbox="none", profile=True) as opened:
        twice = opened.require("./twice.js")
        assert [twice(number) for number in range(5)] == [0, 2, 4, 6, 8]
        profile = opened.profile()
        check(profile)
        assert sum(one.calls for one in profile.exports if one.name != "(load)") >= 5


def test_pools_add_up_their_workers() -> None:
    with AddonPool(addon_path("bench"), workers=2, profile=True) as pool:
        assert list(pool.map("add", range(40), range(40))) == [2 * one for one in range(40)]
        profile = pool.profile(reset=True)
        check(profile)
        assert export(profile, "add").calls == 40
        assert pool.profile().exports == []


# --- Tables and traces ----------------------------------------------------------------------------


def profiled() -> Profile:
    """Returns a profile with callbacks, promises and finalizers."""
    with load_addon(addon_path("bench"), profile="every") as addon:
        for number in range(50):
            addon.add(number, 1)
            addon.callTimes(lambda value: value, 3)
        addon.makeExternal(100_000)
        addon.asyncAdd(1, 2).result(10)
        host(addon).collect()
        return host(addon).profile()


def test_tables_say_what_the_figures_are() -> None:
    profile = profiled()
    text = str(profile)
    assert text.startswith("Profile of bench: ")
    for part in ("Exports", "Functions of Node-API", "Where the time went", "Garbage", "Promises"):
        assert part in text
    assert "napi_call_function" in text
    (line,) = (line for line in text.splitlines() if line.startswith("  add "))
    assert line.split()[1] == "50"
    assert max(map(len, text.splitlines())) < 200
    assert repr(profile).startswith("<Profile of bench: ")


def test_html_is_escaped() -> None:
    source = "module.exports = {'<b>&\\u202e': () => 1}"
    profile = profiled()
    shown = profile._repr_html_()
    assert shown.count("<table>") == shown.count("</table>") == 5
    assert "<td>napi_get_cb_info</td>" in shown
    assert "<td>callTimes</td>" in shown
    forged = ExportProfile("<b>&", *([1] * 15))
    hostile = Profile(
        "<i>",
        1,
        exports=[forged],
        functions=[],
        times=profile.times,
        promises=profile.promises,
        collections=profile.collections,
        trace=[],
    )
    assert source
    assert "<b>" not in hostile._repr_html_()
    assert "<i>" not in hostile._repr_html_()
    assert "&lt;b&gt;&amp;" in hostile._repr_html_()


def test_figures_are_written_as_json() -> None:
    profile = profiled()
    document = json.loads(profile.to_json(indent=1))
    assert document == json.loads(json.dumps(profile.to_dict()))
    assert {one["name"] for one in document["exports"]} >= {"add", "callTimes", "asyncAdd"}
    assert document["times"]["addon_ns"] == profile.times.addon_ns
    assert document["promises"]["settled"] == 1
    assert document["collections"]["finalizers"] == profile.collections.finalizers


def check_speedscope(document: dict[str, Any]) -> None:
    """Checks a document by the rules of https://www.speedscope.app/file-format-schema.json."""
    assert document["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    assert set(document) <= {
        *("$schema", "name", "exporter", "activeProfileIndex", "shared", "profiles")
    }
    frames = document["shared"]["frames"]
    assert all(isinstance(frame["name"], str) for frame in frames)
    assert document["profiles"]
    for profile in document["profiles"]:
        assert profile["type"] == "evented"
        assert profile["unit"] in {"none", "nanoseconds", "microseconds", "milliseconds"}
        assert isinstance(profile["name"], str)
        now, stack = profile["startValue"], []
        for event in profile["events"]:
            assert set(event) == {"type", "frame", "at"}
            assert event["at"] >= now
            now = event["at"]
            assert 0 <= event["frame"] < len(frames)
            if event["type"] == "O":
                stack.append(event["frame"])
            else:
                assert event["type"] == "C"
                assert stack.pop() == event["frame"]
        assert stack == []
        assert now <= profile["endValue"]


def check_perfetto(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Checks a document by the rules of the Trace Event Format; returns its spans."""
    events = document["traceEvents"]
    assert document["displayTimeUnit"] in {"ms", "ns"}
    threads: dict[tuple[int, int], list[dict[str, Any]]] = {}
    named = set()
    for event in events:
        assert isinstance(event["name"], str)
        assert isinstance(event["pid"], int)
        assert isinstance(event["tid"], int)
        if event["ph"] == "M":
            assert event["name"] in {"process_name", "thread_name"}
            assert isinstance(event["args"]["name"], str)
            named.add((event["pid"], event["tid"]))
            continue
        assert event["ph"] == "X"
        assert event["ts"] >= 0
        assert event["dur"] >= 0
        threads.setdefault((event["pid"], event["tid"]), []).append(event)
    assert set(threads) <= named
    for spans in threads.values():
        # Perfetto drops spans of a thread that overlap without being nested.
        around: list[float] = []
        for span in sorted(spans, key=lambda one: (one["ts"], -one["dur"])):
            while around and around[-1] <= span["ts"] + 1e-3:
                around.pop()
            assert not around or span["ts"] + span["dur"] <= around[-1] + 1e-3
            around.append(span["ts"] + span["dur"])
    return [event for event in events if event["ph"] == "X"]


def test_trace_for_speedscope(tmp_path: Path) -> None:
    path = tmp_path / "trace.speedscope.json"
    profiled().save(path)
    document = json.loads(path.read_text())
    check_speedscope(document)
    names = {frame["name"] for frame in document["shared"]["frames"]}
    assert {"add", "callTimes", "callback", "addon", "napi_call_function"} <= names
    # Another thread of Python may have taken turns.
    assert len(document["profiles"]) >= 2


def test_trace_for_perfetto(tmp_path: Path) -> None:
    path = tmp_path / "trace.perfetto.json"
    profiled().save(str(path))
    spans = check_perfetto(json.loads(path.read_text()))
    by_name: dict[str, list[dict[str, Any]]] = {}
    for span in spans:
        by_name.setdefault(span["name"], []).append(span)
    # A call is on the track of Python, and on that of the JS thread inside of it.
    adds = sorted(by_name["add"], key=lambda one: one["ts"])
    assert len(adds) == 100
    assert len({(one["pid"], one["tid"]) for one in adds}) == 2
    assert {"callback", "addon", "napi_get_cb_info"} <= set(by_name)
    outer, inner = adds[0], adds[1]
    assert outer["ts"] <= inner["ts"] <= outer["ts"] + outer["dur"]


def test_what_cannot_be_saved(tmp_path: Path) -> None:
    profile = profiled()
    profile.save(tmp_path / "named", format="perfetto")
    check_perfetto(json.loads((tmp_path / "named").read_text()))
    with pytest.raises(ValueError, match=r"the name must end with one of \.speedscope\.json"):
        profile.save(tmp_path / "trace.txt")
    with pytest.raises(ValueError, match="format must be 'speedscope' or 'perfetto', got 'x'"):
        profile.save(tmp_path / "trace", format="x")  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        profile.save(tmp_path / "none" / "trace.trace.json")


def test_trace_is_bounded() -> None:
    with load_addon(addon_path("bench"), profile="every") as addon:
        add = addon.add
        for number in range(40_000):
            add(number, 1)
        profile = host(addon).profile()
        assert export(profile, "add").calls == 40_000
        spans = [len(thread.spans) for thread in profile._trace]  # noqa: SLF001
        assert 30_000 < max(spans) <= 32 << 10


def test_trace_of_the_demo_opens(tmp_path: Path) -> None:
    """Each addon and package of the demo is profiled, and its trace is checked."""
    program = f"""
import atexit, runpy, sys
import napi_python
kept, number = [], 0
def profiled(load):
    def open_one(*args, **kwargs):
        opened = load(*args, profile=True, **kwargs)
        end = type(opened).__exit__
        kept.append(opened)
        return opened
    return open_one
napi_python.load_addon = profiled(napi_python.load_addon)
napi_python.require = profiled(napi_python.require)
host, close = napi_python.host, napi_python.Addon.__exit__
sys.argv = ["demo"]
runpy.run_path({str(ROOT / "tests" / "demo" / "demo.py")!r}, run_name="__main__")
for number, opened in enumerate(kept):
    profile = host(opened).profile()
    print(profile, file=sys.stderr)
    for suffix in ("perfetto", "speedscope"):
        profile.save({str(tmp_path)!r} + f"/{{number}}.{{suffix}}.json")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    traces = sorted(tmp_path.glob("*.perfetto.json"))
    assert len(traces) >= 3, done.stdout
    names: set[str] = set()
    for trace in traces:
        names |= {span["name"] for span in check_perfetto(json.loads(trace.read_text()))}
        check_speedscope(json.loads(Path(str(trace).replace("perfetto", "speedscope")).read_text()))
    assert {"add", "greet"} <= names


# --- The command ----------------------------------------------------------------------------------


def test_command_shows_and_saves(tmp_path: Path) -> None:
    traces = [tmp_path / "one.speedscope.json", tmp_path / "one.trace.json"]
    saving = [word for trace in traces for word in ("--save", str(trace))]
    words = ["profile", str(addon_path("bench")), "add", "1", "2", "--calls", "500"]
    done = command(*words, *saving)
    assert done.returncode == 0, done.stderr
    assert "Where the time went" in done.stdout
    assert "napi_get_cb_info" in done.stdout
    assert f"Saved as {traces[0]}" in done.stdout
    check_speedscope(json.loads(traces[0].read_text()))
    check_perfetto(json.loads(traces[1].read_text()))


def test_command_writes_json() -> None:
    words = ["profile", str(addon_path("bench")), "asyncAdd", "1", "2", "--calls", "20"]
    done = command(*words, "--every", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    (one,) = (one for one in document["exports"] if one["name"] == "asyncAdd")
    assert (one["calls"], one["measured"]) == (20, 20)
    assert document["promises"]["settled"] == 20
    assert document["saved"] == []


def test_command_refuses_what_it_cannot_do(tmp_path: Path) -> None:
    addon = str(addon_path("bench"))
    done = command("profile", addon, "add", "1", "2", "--save", "trace.txt")
    assert done.returncode == 2
    assert "the name must end with one of" in done.stderr
    done = command("profile", addon, "add", "1", "2", "--calls", "0")
    assert done.returncode == 2
    missing = str(tmp_path / "none" / "a.trace.json")
    done = command("profile", addon, "add", "1", "2", "--calls", "1", "--save", missing)
    assert done.returncode == 1
    assert "No such file or directory" in done.stderr
