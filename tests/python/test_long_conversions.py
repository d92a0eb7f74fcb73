"""A long conversion ends at its deadline or at Ctrl-C, and lets other threads run meanwhile."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import addon_path, control_c
from forged import loaded
from napi_python import AddonTimeout, BigInt, deadline, host, load_addon

if TYPE_CHECKING:
    from conftest import Script

EMPTY_ARRAYS = """
    COUNT = 4_000_000
    FRAME = b"\\x0b" + u32(COUNT + 1) + array() * COUNT + lent(7, 0)

    def answer(host, number, body):
        released = host.released(body)
        if 7 in released:
            host.reply(b"\\3")
        else:
            host.reply(FRAME)
"""

NESTED = "Array.from({length: 20000}, (_, i) => (2n ** 61n - 1n) * BigInt(i + 1))"


def test_deadline_ends_the_reading_of_a_result(tmp_path: Path) -> None:
    with loaded(tmp_path, EMPTY_ARRAYS, addon_path("primitive"), timeout=0.3) as addon:
        began = time.process_time()
        with pytest.raises(AddonTimeout):
            addon.f()
        assert time.process_time() - began < 1.0
        pid = host(addon).pid
        assert addon.f() is True, "what was not read was given back"
        assert host(addon).pid == pid


def test_ctrl_c_ends_the_reading_of_a_result(tmp_path: Path) -> None:
    with loaded(tmp_path, EMPTY_ARRAYS, addon_path("primitive")) as addon:
        began = time.process_time()
        with control_c(0.3), pytest.raises(KeyboardInterrupt):
            addon.f()
        assert time.process_time() - began < 1.0
        assert addon.f() is True, "what was not read was given back"


def test_deadline_ends_the_reading_of_arguments(tmp_path: Path) -> None:
    script = EMPTY_ARRAYS.replace(
        "host.reply(FRAME)",
        "host.ask(INVOKE, u32(1, 1) + FRAME); host.reply(NULL)",
    )
    with loaded(tmp_path, script, addon_path("primitive"), timeout=0.3) as addon:
        began = time.process_time()
        with pytest.raises(AddonTimeout):
            addon.f(lambda _: pytest.fail("called"))
        assert time.process_time() - began < 1.5


def test_long_lists_end_at_the_deadline(js: Script) -> None:
    count = js("list => list.length")
    items: list[Any] = [[] for _ in range(3_000_000)]
    began = time.process_time()
    with deadline(0.1), pytest.raises(AddonTimeout):
        count(items)
    assert time.process_time() - began < 0.8
    assert count(items[:3]) == 3


def test_other_threads_run_meanwhile(tmp_path: Path) -> None:
    with loaded(tmp_path, EMPTY_ARRAYS, addon_path("primitive")) as addon:
        gaps, over = [], threading.Event()

        def watch() -> None:
            last = time.process_time()
            while not over.is_set():
                now = time.process_time()
                gaps.append(now - last)
                last = now

        thread = threading.Thread(target=watch)
        thread.start()
        began = time.process_time()
        assert len(addon.f()) == 4_000_001
        took = time.process_time() - began
        over.set()
        thread.join()
        assert max(gaps) < max(0.2, took / 4)


@pytest.mark.parametrize("kind", ["Set", "Map"])
def test_keys_that_collide_are_kept_out_of_tables(kind: str, js: Script) -> None:
    items = NESTED if kind == "Set" else f"{NESTED}.map(key => [key, 1])"
    make = js(f"(() => {{ const made = new {kind}({items}); return () => made; }})()")
    began = time.process_time()
    found = make()
    assert time.process_time() - began < 2
    assert type(found) is list
    assert len(found) == 20_000
    last = BigInt((2**61 - 1) * 20_000)
    assert found[-1] == (last if kind == "Set" else (last, 1))
    assert js(f"value => value instanceof {kind} ? 0 : value.length")(found) == 20_000


def test_buffers_that_collide_are_kept_out_of_tables(js: Script) -> None:
    began = time.process_time()
    found = js("new Set(Array.from({length: 5000}, (_, i) => new Float64Array([i])))")
    assert time.process_time() - began < 2
    assert type(found) is list


def test_large_bigints_that_do_not_collide_make_a_set(js: Script) -> None:
    found = js(
        "new Set(Array.from({length: 5000}, (_, i) => 7n ** BigInt(i % 90 + 20) + BigInt(i)))"
    )
    assert type(found) is set
    assert len(found) == 5000


def test_set_that_is_changed_to_colliding_items_is_refused(js: Script) -> None:
    change = js(f"set => {{ for (const item of {NESTED}) set.add(item); }}")
    items = {1}
    began = time.process_time()
    with pytest.raises(ValueError, match="same hash"):
        change(items)
    assert time.process_time() - began < 2


def test_a_list_that_collides_is_written_back(js: Script) -> None:
    change = js(f"(f) => {{ const set = new Set({NESTED}); f(set); return set.size; }}")
    assert change(lambda items: items.clear()) == 0


def test_short_deadline_of_an_ordinary_call() -> None:
    with load_addon(addon_path("primitive"), timeout=5) as addon:
        assert host(addon).run_script("[1, 2]") == [1, 2]
