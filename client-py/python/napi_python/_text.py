r"""Text that an addon or its host chose, made safe to show.

Control characters, changes of the writing direction and lone surrogates are replaced by escape
sequences such as `\x1b`; all other characters stay. docs/contract.md has the rule.
"""

from __future__ import annotations

import itertools
import re
import reprlib
from typing import Final

MESSAGE_MAX: Final = 10_000
"""How many characters of a message are shown."""
NAME_MAX: Final = 200
"""How many characters of a name are shown."""

# C0 without tab, line feed and carriage return; DEL and C1; marks, separators, overrides and
# isolates of the direction of writing; lone surrogates.
_UNSAFE: Final = (
    "\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f"
    "\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff"
)
_UNSAFE_IN_OUTPUT: Final = f"[{_UNSAFE}]+"
_UNSAFE_IN_TEXT: Final = f"[{_UNSAFE}\r]+"
_UNSAFE_IN_LINE: Final = f"[{_UNSAFE}\r\n\t]+"
# A line that has the prefix already is not changed, so that escaping twice is harmless.
_CONTINUATION: Final = r"\n(?!\|)"
# A text is cut only if more is left out than the length of the note, so no text is cut twice.
_NOTE_MAX: Final = 64


def _escape(unsafe: str, text: str) -> str:
    # No pattern is compiled for what most texts are.
    if text.isascii() and text.isprintable():
        return text
    return re.sub(unsafe, lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def cut(text: str, limit: int) -> str:
    """Returns the first `limit` characters, and how many are left out."""
    if len(text) <= limit + _NOTE_MAX:
        return text
    return f"{text[:limit]}... [{len(text) - limit} more characters]"


def output(text: str) -> str:
    r"""Returns a piece of output, of any length; `\n`, `\r` and `\t` stay."""
    return _escape(_UNSAFE_IN_OUTPUT, text)


def source(text: str) -> str:
    r"""Returns a line of source code, of any length; `\t` stays."""
    return _escape(_UNSAFE_IN_TEXT, text)


def name(text: str, limit: int = NAME_MAX) -> str:
    """Returns a name, a path or the like: always one line."""
    return _escape(_UNSAFE_IN_LINE, cut(text, limit))


def message(text: str, limit: int = MESSAGE_MAX) -> str:
    r"""Returns a message, in which `\n` and `\t` stay.

    All lines but the first begin with `| `: no line that Python prints by itself does.
    """
    text = cut(text, limit)
    if "\n" not in text:
        return _escape(_UNSAFE_IN_TEXT, text)
    text = _escape(_UNSAFE_IN_TEXT, text.replace("\r\n", "\n"))
    return re.sub(_CONTINUATION, "\n| ", text)


class _Brief(reprlib.Repr):
    """Writes ten items of each container, to a depth of three."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxdict = self.maxlist = self.maxset = 10
        self.maxstring = self.maxother = NAME_MAX

    def repr_dict(self, x: dict[object, object], level: int) -> str:
        """Returns the first items, without the sort of all keys that the base does."""
        if level <= 0 and x:
            return f"{{{self.fillvalue}}}"
        items = itertools.islice(x.items(), self.maxdict)
        shown = [f"{self.repr1(k, level - 1)}: {self.repr1(v, level - 1)}" for k, v in items]
        if len(x) > self.maxdict:
            shown.append(self.fillvalue)
        return f"{{{', '.join(shown)}}}"

    repr_Object = repr_dict  # noqa: N815 - the dict of this package


_brief: Final = _Brief()


def brief(value: object) -> str:
    """Returns a short repr of a value of an addon; never raises."""
    return _brief.repr(value)
