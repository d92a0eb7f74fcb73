"""Lent objects: the counts of both sides, releases that cross with sends, and what is let go."""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import signal
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from conftest import addon_path
from napi_python import Addon, AddonCrashed, AddonTimeout, by_ref, deadline, host, load_addon

if TYPE_CHECKING:
    from conftest import Script


@pytest.fixture
def lender() -> Iterator[Addon]:
    """An addon of its own, so that its tables are not shared."""
    with load_addon(addon_path("crash")) as loaded:
        yield loaded


def stats(addon: Addon) -> dict[str, Any]:
    return dict(host(addon).stats())


def eventually(holds: Callable[[], bool], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.02)
    return holds()


def run_all(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


def test_id_sent_again_while_its_release_is_on_its_way(lender: Addon) -> None:
    """Threads take and drop one object of the host: sends and releases of its id cross."""
    run = host(lender).run_script
    get = run("const one = new (class One { constructor() { this.x = 1; } })(); () => one")
    gc.collect()
    baseline = stats(lender)["lent"]
    wrong: list[object] = []

    def work() -> None:
        try:
            for _ in range(1500):
                thing = get()
                if thing.x != 1:
                    wrong.append("another object")
                del thing
        except BaseException as error:
            wrong.append(error)

    run_all([threading.Thread(target=work) for _ in range(6)])
    assert wrong == []
    assert host(lender).generation == 1
    assert eventually(lambda: stats(lender)["lent"] <= baseline), (baseline, stats(lender))


def test_callable_sent_again_while_the_host_releases_it(lender: Addon) -> None:
    """Threads lend one function that the host drops at once."""
    call = host(lender).run_script("(f) => f()")
    wrong: list[object] = []
    baseline = stats(lender)["python_objects_lent"]

    def one() -> int:
        return 7

    def work() -> None:
        try:
            wrong.extend("another function" for _ in range(1500) if call(one) != 7)
        except BaseException as error:
            wrong.append(error)

    run_all([threading.Thread(target=work) for _ in range(6)])
    assert wrong == []
    assert host(lender).generation == 1
    assert eventually(lambda: stats(lender)["python_objects_lent"] <= baseline)


def test_both_directions_with_objects_that_die_in_between(lender: Addon) -> None:
    keep = host(lender).run_script("(f) => ({ f, get() { return f; } })")
    wrong: list[object] = []
    baseline = stats(lender)

    def work() -> None:
        try:
            for number in range(300):
                box = keep(lambda n=number: n)
                back = box.get()
                if back() != number:
                    wrong.append(number)
        except BaseException as error:
            wrong.append(error)

    run_all([threading.Thread(target=work) for _ in range(4)])
    assert wrong == []
    gc.collect()
    assert eventually(lambda: stats(lender)["lent"] <= baseline["lent"] + 1)
    # The host's own garbage collection decides when it lets go.
    host(lender).run_script("globalThis.gc && gc(); for (let i = 0; i < 1e5; i++) ({ i });")
    assert eventually(
        lambda: stats(lender)["python_objects_lent"] <= baseline["python_objects_lent"] + 8
    )


def test_one_object_is_one_proxy_in_all_threads(js: Script) -> None:
    get = js("const same = new (class Same {})(); () => same")
    found: list[object] = []
    run_all([threading.Thread(target=lambda: found.append(get())) for _ in range(20)])
    assert all(thing is found[0] for thing in found)


def test_releases_go_out_when_nothing_is_said(lender: Addon) -> None:
    many = host(lender).run_script("() => Array.from({length: 20}, () => new (class A {})())")
    baseline = stats(lender)["lent"]
    things = many()
    assert stats(lender)["lent"] >= baseline + 20
    calls = stats(lender)["calls"]
    things.clear()
    gc.collect()
    time.sleep(0.4)
    after = stats(lender)
    assert after["lent"] <= baseline + 1
    # One message took them all, beside the two that read the statistics.
    assert after["calls"] - calls <= 3


def test_many_releases_do_not_wait(lender: Addon) -> None:
    many = host(lender).run_script("() => Array.from({length: 2000}, () => new (class A {})())")
    baseline = stats(lender)["lent"]
    things = many()
    assert stats(lender)["lent"] >= baseline + 2000
    things.clear()
    gc.collect()
    assert eventually(lambda: stats(lender)["lent"] <= baseline + 1)


def test_host_releases_when_nothing_is_said(lender: Addon) -> None:
    call = host(lender).run_script("(f) => f()")
    baseline = stats(lender)["python_objects_lent"]
    function = weak_function()
    dropped = weakref.ref(function)
    call(function)
    del function
    assert eventually(lambda: dropped() is None)
    assert stats(lender)["python_objects_lent"] <= baseline


def weak_function() -> Callable[[], int]:
    return lambda: 1


def test_objects_lent_to_a_host_that_dies_are_dropped(lender: Addon) -> None:
    class Thing:
        pass

    thing = Thing()
    dropped = weakref.ref(thing)
    host(lender).run_script("(x) => { globalThis.kept = x; }")(by_ref(thing))
    del thing
    gc.collect()
    assert dropped() is not None
    with pytest.raises(AddonCrashed) as caught:
        lender.abort()
    del caught
    assert eventually(lambda: gc.collect() >= 0 and dropped() is None)
    assert lender.add(1, 2) == 3
    assert stats(lender)["python_objects_lent"] == 0


def test_objects_lent_to_a_host_that_is_closed_or_restarted_are_dropped() -> None:
    class Thing:
        pass

    loaded = load_addon(addon_path("crash"))
    watched: list[weakref.ref[Thing]] = []
    for end in (host(loaded).restart, host(loaded).close):
        thing = Thing()
        watched.append(weakref.ref(thing))
        host(loaded).run_script("(x) => { globalThis.kept = x; }")(by_ref(thing))
        del thing
        end()
        assert eventually(lambda: gc.collect() >= 0 and not any(d() for d in watched))


def test_drop_during_encoding_does_no_harm(lender: Addon) -> None:
    """`__index__` of an argument drops proxies while the frame is being written."""
    make = host(lender).run_script("() => new (class A {})()")
    echo = host(lender).run_script("(...a) => a.length")

    class Dropping:
        def __init__(self) -> None:
            self.things = [make() for _ in range(10)]

        def __index__(self) -> int:
            self.things.clear()
            return 1

    for _ in range(50):
        assert echo(Dropping(), make(), Dropping()) == 3
    assert host(lender).generation == 1


def test_objects_that_come_back_while_their_release_overtakes_them(lender: Addon) -> None:
    """Each answer means an object that JavaScript has dropped when the answer is on its way."""
    run = host(lender).run_script
    give = run("(f) => [f, { f }, f]")
    many = run("(...f) => f")
    baseline = stats(lender)["python_objects_lent"]
    wrong: list[object] = []

    def work() -> None:
        try:
            for _ in range(300):
                function = weak_function()
                first, box, last = give(function)
                if not first is box["f"] is last is function:
                    wrong.append("another function")
                functions = [weak_function() for _ in range(5)]
                if many(*functions) != functions:
                    wrong.append("other functions")
        except BaseException as error:
            wrong.append(error)

    run_all([threading.Thread(target=work) for _ in range(8)])
    assert wrong == []
    assert host(lender).generation == 1
    assert eventually(lambda: stats(lender)["python_objects_lent"] <= baseline)


def test_proxy_that_dies_while_its_id_is_on_its_way(lender: Addon) -> None:
    """Another thread's call would take the release along before the list is sent."""
    run = host(lender).run_script
    make = run("() => new (class Made { constructor() { this.x = 1; } })()")
    look = run("(items) => items[0].x")
    call = run("(f) => f()[0].x")
    baseline = stats(lender)["lent"]
    items: list[Any] = []

    class Emptying:
        def __index__(self) -> int:
            items.clear()
            run_all([threading.Thread(target=lambda: run("1"))])
            return 1

    for _ in range(5):
        items.append(make())
        assert look(items, Emptying()) == 1
        # What a callback returns has no other owner.
        assert call(lambda: [make(), 1]) == 1
    assert eventually(lambda: gc.collect() >= 0 and stats(lender)["lent"] <= baseline)


def test_interrupted_calls_leave_nothing_lent(lender: Addon) -> None:
    """What comes after the interruption is refused or dropped, but counted."""
    run = host(lender).run_script
    forever = run("(f) => { for (;;) f(new (class A {})(), f, [f]); }")
    give = run(
        "(f, n) => { const end = Date.now() + n; while (Date.now() < end); return [f, () => 1]; }"
    )
    pid = host(lender).pid
    baseline = stats(lender)
    function = weak_function()
    dropped = weakref.ref(function)
    for number in range(20):
        with pytest.raises(AddonTimeout), deadline(0.01 + number / 1000):
            forever(lambda *_: None)
        with contextlib.suppress(AddonTimeout), deadline(0.01):
            give(function, 10)
    del function
    assert eventually(lambda: gc.collect() >= 0 and dropped() is None)
    assert eventually(lambda: stats(lender)["lent"] <= baseline["lent"])
    assert stats(lender)["python_objects_lent"] <= baseline["python_objects_lent"]
    assert host(lender).pid == pid


def test_object_that_comes_back_from_a_dead_process_is_no_breach(lender: Addon) -> None:
    """The process dies while its answer, which means objects of ours, is being read."""
    pid = host(lender).pid
    assert pid is not None
    kill = functools.partial(os.kill, pid, signal.SIGKILL)

    class Key:
        """Hashing it kills the process, and waits until what it held is dropped."""

        def __hash__(self) -> int:
            kill()
            assert eventually(lambda: dropped() is None)
            return 1

    kept = weak_function()
    dropped = weakref.ref(kept)
    host(lender).run_script("(x) => { globalThis.kept = x; }")(kept)
    del kept
    give = host(lender).run_script("(key, f) => [new Map([[key, 1]]), f]")
    with pytest.raises(AddonCrashed) as caught:
        give(by_ref(Key()), weak_function())
    assert caught.value.signal == signal.SIGKILL
    assert lender.add(1, 2) == 3
