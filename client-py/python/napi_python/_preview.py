"""The text of an object's first properties, for its `repr`.

Native code gets them from the host, which may send anything.
"""

from __future__ import annotations

from typing import Any, Final

from napi_python import _text

_PREVIEW_MAX: Final = 300
"""How many characters of a preview are shown."""


def text(found: Any) -> str:  # noqa: ANN401 - as the host sent it
    """Returns `Name a=1, b='x', ...` for the name of a class and its properties.

    Each property is a key, a value, and whether the value is a text that stands for one.
    """
    name, properties, more = found
    shown = [
        f"{_key(key)}={value if stands else _text.brief(value)}"
        for key, value, stands in properties
    ]
    if more:
        shown.append("...")
    return _text.name(" ".join(filter(None, (name, ", ".join(shown)))), _PREVIEW_MAX)


def _key(key: str) -> str:
    return key if key.isidentifier() or key.startswith("[") else repr(key)
