"""The scaling curves measure what they say, and their picture has what was measured."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import curve_calls
import curve_idle
import curve_picture
import curve_promises
import curve_values
import curves
import measure
import pytest
from curve_panels import QUICK, SYSTEMS, Best, Extent, Found, Kind, Panel
from napi_python import JSError
from svg_checks import check_readable, polylines

TIMES = Panel("time < of & it", "bytes", (1, 1024, 1 << 20))
RATES = Panel("calls", "threads", (1, 2, 4), Kind.RATE, node_once=True)
PANELS = {"times": TIMES, "absent": Panel("absent", "hosts", (1, 2)), "rates": RATES}
FOUND: Found = {
    ("times", 1, "lanes"): 1e3,
    ("times", 1024, "lanes"): 1e4,
    ("times", 1 << 20, "lanes"): 1e5,
    ("times", 1, "node"): 1e2,
    ("times", 1024, "node"): 1e4,
    ("rates", 1, "lanes"): 1e5,
    ("rates", 2, "lanes"): 2e5,
    ("rates", 4, "lanes"): 4e5,
    ("rates", 1, "node"): 1e7,
}


def in_node(source: str) -> Any:
    script = f"const addon = require({json.dumps(str(measure.ADDON))}); console.log({source})"
    answer = subprocess.run(["node", "-e", script], check=True, capture_output=True, text=True)
    return json.loads(answer.stdout)


def test_quick_run_measures_and_draws_every_panel_in_every_system_that_it_applies_to() -> None:
    found, _ = curves.measured(QUICK, 0)
    systems = {key: {one for name, _, one in found if name == key} for key in curves.PANELS}
    for key, panel in curves.PANELS.items():
        expected = {"lanes", "own", "node"} | ({"caller"} if not panel.node_once else set())
        assert systems[key] == expected, key
        for one in systems[key]:
            places = panel.places[: 1 if panel.node_once and one == "node" else QUICK.places]
            assert {at for name, at, system in found if (name, system) == (key, one)} == set(places)
    svg = curve_picture.drawing(curves.PANELS, found)
    check_readable(svg)
    assert len(polylines(svg)) == sum(map(len, systems.values()))
    assert all(panel.title in curves.table(found) for panel in curves.PANELS.values())


def test_arguments_are_the_same_in_node_and_have_the_size_of_their_place() -> None:
    with measure.load("lanes") as addon:
        node = measure.start_node("node_curves.cjs")
        for key in curve_values.PANELS:
            value = curve_values.MADE[key](64)
            if key != "nested":
                assert len(value) == 64
            assert node.ask(f"value {key} 64 3") > 0
        node.close()
        nested = curve_values.records(64)
        leaves = sum(len([one["id"], one["name"], *one["at"]]) for one in nested)
        assert leaves == 64
        own = sum(one["id"] + len(one["name"]) + sum(one["at"]) for one in nested)
        assert addon.sumAll(nested) == own == in_node(f"addon.sumAll({json.dumps(nested)})")
        assert addon.compute(1000) == in_node("addon.compute(1000)")


def test_sum_of_a_value_that_contains_itself_is_an_error_that_node_has_too() -> None:
    endless: list[object] = []
    endless.append(endless)
    with measure.load("lanes") as addon, pytest.raises(JSError, match="too deep") as error:
        addon.sumAll(endless)
    source = "(() => { const a = []; a.push(a); try { addon.sumAll(a) } catch (e) { return e } })()"
    assert in_node(f"JSON.stringify({source}.message)") == str(error.value).partition("\n")[0]


@pytest.mark.parametrize("system", ["lanes", "caller"])
def test_promises_are_settled_and_the_next_ones_are_others(system: str) -> None:
    with measure.load(system) as addon:
        for count in (1, 60, 5):
            assert min(asyncio.run(curve_promises.pended(addon, count))) > 0
        assert addon.settle() == 0


def test_rate_counts_the_repetitions_of_all_threads() -> None:
    done = [0, 0, 0]

    def run_of(number: int) -> measure.Run:
        def run(times: int) -> None:
            done[number] += times

        return run

    rate = curve_calls.rate([run_of(number) for number in range(3)], 0.02, 7)
    # One repetition before the window, then seven at a time in each thread.
    assert all(count % 7 == 1 for count in done)
    counted = sum(done) - len(done)
    assert counted > 0
    assert rate <= counted / 0.02


def test_exception_of_a_thread_ends_the_measurement_of_a_rate() -> None:
    def fail(times: int) -> None:
        raise LookupError(times)

    with pytest.raises(LookupError):
        curve_calls.rate([lambda _: None, fail, lambda _: None], 60, 1)


def test_memory_of_a_process_grows_by_what_it_touches() -> None:
    before = curve_idle.share_of_memory(os.getpid())
    touched = bytearray(os.urandom(1 << 20)) * 32
    grown = curve_idle.share_of_memory(os.getpid()) - before
    assert 31 << 20 <= grown <= 40 << 20, len(touched)


def test_best_of_the_rounds_is_kept_and_what_has_no_logarithm_refused() -> None:
    best = Best(PANELS)
    for value in (3.0, 2.0, 4.0):
        best.note("times", 1, "own", value)
        best.note("rates", 1, "own", value)
    assert best.found == {("times", 1, "own"): 2.0, ("rates", 1, "own"): 4.0}
    with pytest.raises(ValueError, match=r"times at 1 must be > 0 for own, got 0\.0"):
        best.note("times", 1, "own", 0.0)


def test_fastest_pass_is_returned_and_a_long_call_is_made_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, asked = [0.0], list[int]()
    monkeypatch.setattr("curve_panels.time.perf_counter", lambda: clock[0])

    def pass_of(*nanoseconds: float) -> Callable[[int], float]:
        asked.clear()

        def timed(times: int) -> float:
            asked.append(times)
            taken = nanoseconds[min(len(asked), len(nanoseconds)) - 1]
            clock[0] += taken * times / 1e9
            return taken

        return timed

    extent = Extent(places=1, window=0, spent=1e-3)
    # As many as fill a fifth of the time, and no more than the limit.
    assert extent.fastest(pass_of(1000, 500, 100)) == 100
    assert asked[:4] == [1, 200, 400, 2000]
    # A short call that was interrupted is made again.
    assert extent.fastest(pass_of(2e6, 1000)) == 1000
    assert len(asked) == 4
    assert extent.fastest(pass_of(11e6, 1000)) == 11e6
    assert asked == [1]


@pytest.mark.parametrize(("seconds", "rounds"), [(0, 1), (21, 1), (33, 3), (150, 14)])
def test_rounds_end_within_the_time(
    monkeypatch: pytest.MonkeyPatch, seconds: float, rounds: int
) -> None:
    clock, made = [100.0], list[float]()

    def one_round(best: Best, extent: Extent) -> None:
        made.append(clock[0])
        # The first round takes longer than the others.
        clock[0] += 10 if len(made) > 1 else 11

    monkeypatch.setattr(curves, "one_round", one_round)
    monkeypatch.setattr("curves.time.monotonic", lambda: clock[0])
    assert curves.measured(QUICK, seconds) == ({}, rounds)
    assert len(made) == rounds
    assert rounds == 1 or clock[0] - 100 <= seconds


def test_curves_lie_where_their_values_are() -> None:
    svg = curve_picture.drawing(PANELS, FOUND)
    check_readable(svg)
    found = polylines(svg)
    name = curve_picture.CURVES["lanes"][0]
    assert set(found) == {
        f"{panel.title}: {one}" for panel in (TIMES, RATES) for one in (name, "Node")
    }
    # Both scales are logarithmic: the same factor is the same distance.
    (x1, y1), (x2, y2), (x3, y3) = found[f"{TIMES.title}: {name}"][0]
    assert x2 - x1 == pytest.approx(x3 - x2, abs=0.2)
    assert y1 - y2 == pytest.approx(y2 - y3, abs=0.2)
    assert y1 > y2, "larger values are higher"
    node = found[f"{TIMES.title}: Node"][0]
    assert node[1] == (x2, y2)
    assert node[0][0] == x1
    assert node[0][1] == pytest.approx(2 * y1 - y2, abs=0.2)
    # Node, which has one thread, is a level line over all of the panel.
    line, style = found[f"{RATES.title}: Node"]
    assert "stroke-dasharray" in style
    assert line[0][1] == line[1][1]
    calls = found[f"{RATES.title}: {name}"][0]
    assert [line[0][0], line[1][0]] == [calls[0][0], calls[-1][0]]
    assert "Node: one thread" in svg
    assert len({style["stroke"] for _, style in found.values()}) == 2


def test_nothing_measured_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        curve_picture.drawing(PANELS, {})


@pytest.mark.parametrize(
    ("lowest", "highest", "expected"),
    [
        (80, 2e5, [100, 1e3, 1e4, 1e5]),
        (80, 4000, [100, 300, 1000, 3000]),
        (90, 400, [100, 200]),
    ],
)
def test_few_lines_have_others_between(
    lowest: float, highest: float, expected: list[float]
) -> None:
    assert curve_picture.ticks(lowest, highest) == pytest.approx(expected)


def test_table_has_ratios_to_node() -> None:
    lines = curves.table({("bytes", 4, "lanes"): 300.0, ("bytes", 4, "node"): 100.0}).splitlines()
    assert [line for line in lines if re.match(r" +4 ", line)] == [
        f"{4:>12}{'300 ns':>17}{'':>34}{'100 ns':>17}{'3.00':>9}{'':>18}"
    ]


def test_picture_of_the_repository_has_every_panel() -> None:
    path = Path(__file__).parents[2] / "docs" / "scaling.svg"
    titles = {title.rpartition(": ")[0] for title in polylines(path.read_text(encoding="utf-8"))}
    assert titles == {panel.title for panel in curves.PANELS.values()}
    assert {title.rpartition(": ")[2] for title in polylines(path.read_text(encoding="utf-8"))} == {
        curve_picture.CURVES[one][0] for one in SYSTEMS
    }
