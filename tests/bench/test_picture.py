"""The picture of the benchmark has what was measured, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import bench
import picture
import pytest
from svg_checks import SVG, check_readable, parsed

#: as of a run
MEDIAN = {
    ("add", "lanes"): 2600.0,
    ("add", "own"): 2400.0,
    ("add", "caller"): 900.0,
    ("add", "socket"): 90_000.0,
    ("add", "node"): 100.0,
    ("bytes-64", "lanes"): 20e6,
    ("bytes-64", "node"): 10e6,
    ("start", "lanes"): 8e6,
    ("start", "node"): 40e6,
    ("only-here", "lanes"): 1.0,
    ("only-node", "node"): 1.0,
}
TITLES = [("add", "add(1, 2)"), ("bytes-64", "a < b & c"), ("start", "start")]


def points(svg: str) -> dict[str, tuple[float, float, str]]:
    """Returns place and colour of each point, by its text."""
    found = {}
    for circle in parsed(svg).iter(f"{SVG}circle"):
        title = circle.find(f"{SVG}title")
        if title is not None and title.text:
            place = float(circle.attrib["cx"]), float(circle.attrib["cy"])
            found[title.text] = (*place, circle.attrib["fill"])
    return found


def test_points_lie_where_their_ratios_are() -> None:
    drawn = picture.drawing([*TITLES, ("only-here", "x"), ("only-node", "y")], MEDIAN)
    found = points(drawn)
    assert set(found) == {
        "add(1, 2): 26.00",
        "add(1, 2): 24.00",
        "add(1, 2): 9.00",
        "a < b & c: 2.00",
        "start: 0.20",
    }
    x = {text: place[0] for text, place in found.items()}
    by_ratio = sorted(x, key=lambda text: float(text.rpartition(" ")[2]))
    assert by_ratio == sorted(x, key=lambda text: x[text])
    # The scale is logarithmic: the same factor is the same distance.
    node = re.search(r'<text x="([\d.]+)" [^>]*>Node<', drawn)
    assert node
    step = x["a < b & c: 2.00"] - float(node[1])
    ten = x["a < b & c: 2.00"] - x["start: 0.20"]
    assert ten / step == pytest.approx(3.3219, rel=0.01)
    # One line for each row, a colour for each system.
    assert len({found[text][1] for text in found if text.startswith("add")}) == 1
    assert len({found[text][2] for text in found if text.startswith("add")}) == 3


def test_everything_is_within_the_picture_and_readable_on_light_and_dark() -> None:
    check_readable(picture.drawing(TITLES, MEDIAN))


def test_nothing_measured_is_an_error() -> None:
    with pytest.raises(ValueError, match="no row"):
        picture.drawing(TITLES, {})


def test_picture_of_the_repository_has_the_rows_of_the_benchmark() -> None:
    svg = (Path(__file__).parents[2] / "docs" / "benchmark.svg").read_text(encoding="utf-8")
    drawn = {text.rpartition(": ")[0] for text in points(svg)}
    assert drawn == {bench.titles()[row] for row in bench.DRAWN}
