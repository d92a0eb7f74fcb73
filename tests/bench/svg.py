"""The parts of the benchmarks' pictures: SVG that light and dark pages show."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

GREY = "#808080"


def text(x: float, y: float, content: str, anchor: str = "middle", colour: str = GREY) -> str:
    """Returns a text."""
    shown = escape(content)
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{shown}</text>'


def line(start: tuple[float, float], end: tuple[float, float], style: str) -> str:
    """Returns a line."""
    (x1, y1), (x2, y2) = start, end
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {style}/>'


def axis(y: float, name: str) -> str:
    """Returns the name of the vertical axis, whose middle is at a height."""
    return (
        f'<text transform="translate(13 {y}) rotate(-90)" text-anchor="middle" '
        f'fill="{GREY}">{escape(name)}</text>'
    )


def document(width: float, height: float, title: str, parts: Iterable[str]) -> str:
    """Returns the whole picture."""
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="sans-serif" font-size="12">\n'
        f"<title>{escape(title, quote=False)}</title>\n{body}\n</svg>\n"
    )
