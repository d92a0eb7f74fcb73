"""Where the host answers otherwise than Node, line by line; the reasons are in docs/differences.md."""

from __future__ import annotations

#: case -> what Node says -> what the host says
DIFFERENCES: dict[str, dict[str, str]] = {}
