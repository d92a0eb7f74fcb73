"""Where the host answers a random program otherwise than Node: docs/differences.md says why.

Each entry is about one function and one outcome. What comes after it in the same program is not
compared, for from there on the two hold other values.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """A difference that is known."""

    #: The function.
    function: str
    #: Whether what is logged of the call after the function's name, in Node and in the host,
    #: differs in this way and in no other.
    explains: Callable[[str, str], bool]
    #: How the line of docs/differences.md begins that says why.
    reason: str
    #: The operation of the conformance kit in which it shows: a case and how its line begins.
    operation: tuple[str, str]


def _names(line: str) -> list[str] | None:
    """Returns the names in a list of keys, but for those of elements."""
    shown = re.fullmatch(r" -> 0 \(Array\(\d+\)((?: \d+=.*)?)\)", line)
    if shown is None:
        return None
    # A key of the list is a number before `=`; what it holds is a name.
    names = re.split(r" \d+=", shown.group(1))[1:]
    return [name for name in names if not re.fullmatch(r'"?\d+"?', name)]


def _differ_in_elements(node: str, host: str) -> bool:
    names = _names(node)
    return names is not None and names == _names(host)


def _is_refused(node: str, host: str) -> bool:
    return node == " -> 0 (Object)" and re.fullmatch(r" -> 22(?: pending)?", host) is not None


KNOWN = [
    Known(
        "napi_get_all_property_names",
        _differ_in_elements,
        "- The elements of what is frozen or sealed pass the filters",
        ("property", "an element that was defined with attributes"),
    ),
    Known(
        "node_api_create_external_sharedarraybuffer",
        _is_refused,
        "- `node_api_create_external_sharedarraybuffer` always answers",
        ("arraybuffer", "node_api_create_external_sharedarraybuffer(3)"),
    ),
]


def explanation(node: str, host: str) -> Known | None:
    """Returns what explains that two lines differ."""
    for known in KNOWN:
        head, name, of_node = node.partition(known.function)
        if name and host.startswith(head + name):
            of_host = host[len(head + name) :]
            if known.explains(of_node, of_host):
                return known
    return None
