"""What the tests of the pictures look at."""

from __future__ import annotations

import xml.etree.ElementTree as ET

SVG = "{http://www.w3.org/2000/svg}"


def parsed(svg: str) -> ET.Element:
    """Returns the elements of a picture."""
    return ET.fromstring(svg)  # noqa: S314 - it is our own


def polylines(svg: str) -> dict[str, tuple[list[tuple[float, float]], dict[str, str]]]:
    """Returns points and attributes of each curve, by its title."""
    found = {}
    for curve in parsed(svg).iter(f"{SVG}polyline"):
        title = curve.findtext(f"{SVG}title", "")
        assert title not in found, f"two curves are called {title!r}"
        found[title] = (_points(curve), curve.attrib)
    return found


def _points(element: ET.Element) -> list[tuple[float, float]]:
    pairs = [pair.split(",") for pair in element.attrib.get("points", "").split()]
    return [(float(x), float(y)) for x, y in pairs]


def check_readable(svg: str) -> None:
    """Fails where something lies outside of the picture, or is hard to see on white or black."""
    root = parsed(svg)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for element in root.iter():
        points = _points(element)
        across = [float(element.attrib.get(name, 0)) for name in ("x", "x1", "x2", "cx")]
        down = [float(element.attrib.get(name, 0)) for name in ("y", "y1", "y2", "cy")]
        assert all(0 <= x <= width for x in [*across, *(x for x, _ in points)]), element.attrib
        assert all(0 <= y <= height for y in [*down, *(y for _, y in points)]), element.attrib
    colours = {
        one.attrib[key] for one in root.iter() for key in ("fill", "stroke") if key in one.attrib
    }
    for colour in colours - {"none"}:
        light = sum(int(colour[at : at + 2], 16) for at in (1, 3, 5)) / 3
        assert 0x50 < light < 0xB0, f"{colour} is hard to see on white or black"
