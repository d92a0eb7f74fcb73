"""What the sandbox denied an addon: notes on exceptions, warnings, and a list."""

from __future__ import annotations

import collections
import dataclasses
import os
import warnings
from typing import TYPE_CHECKING, Any, Final

from napi_python._errors import SandboxWarning

if TYPE_CHECKING:
    from napi_python._sandbox import Sandbox

# What was denied by its number on the wire, and the option that allows it.
_KINDS: Final = (
    ("read of", "read"),
    ("write to", "write"),
    ("network access by", "network"),
    ("use of", "unix"),
    ("start of", "subprocess"),
    ("watching of", "watch"),
)
# How many different denials are kept, and how many are named at once.
_LISTED: Final = 256
_TOLD: Final = 4096
_NAMED: Final = 5


@dataclasses.dataclass(frozen=True)
class Denial:
    """One denial, as the host reported it: not to be trusted."""

    what: int
    js_thread: bool
    is_guess: bool
    subject: str
    grants: tuple[str, ...]

    def __str__(self) -> str:
        """Says what was denied."""
        subject = self.subject
        if self.what in (0, 1) or (self.what == 4 and subject):  # noqa: PLR2004 - a program
            subject = _quoted(subject)
        elif self.what == 2:  # noqa: PLR2004 - a name that was to be looked up
            subject = subject if subject == "a socket" else _quoted(subject)
        else:
            subject = {3: "a local socket", 4: "a program"}.get(self.what, "files")
        return f"{_KINDS[self.what][0]} {subject}"


def _quoted(text: str) -> str:
    """Returns a Python literal, in double quotes where that needs no escape."""
    literal = repr(text)
    if literal[0] == "'" and '"' not in text:
        return f'"{literal[1:-1]}"'
    return literal


def _shown(value: object) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_shown(item) for item in value)}]"
    return repr(value)


def advice(sandbox: Sandbox, denials: list[Denial]) -> str:
    """Returns the sandbox that allows this besides what is allowed now, as it is written."""
    options: dict[str, object] = {}
    for field in dataclasses.fields(sandbox):
        value = getattr(sandbox, field.name)
        if value != field.default and not (field.name in ("read", "write", "env") and not value):
            options[field.name] = value
    for denial in denials:
        option = _KINDS[denial.what][1]
        if option in ("read", "write"):
            known: Any = options.get(option, ())
            options[option] = [*known, *(path for path in denial.grants if path not in known)]
        elif option == "unix":
            options.setdefault(option, [])
        else:
            options[option] = True
    if "subprocess" in options:
        # Programs can't be diagnosed.
        options.pop("diagnose", None)
    if "env" in options:
        options["env"] = ...
    shown = (f"{name}={_shown(value)}" for name, value in options.items())
    return f"sandbox=Sandbox({', '.join(shown)})".replace("env=Ellipsis", "env=...")


class Denials:
    """What the hosts of one addon were denied."""

    def __init__(self, sandbox: Sandbox) -> None:
        """Begins without any."""
        self._sandbox = sandbox
        self._recent: list[tuple[Denial, bool]] = []
        self._told: collections.OrderedDict[tuple[int, str], None] = collections.OrderedDict()
        self._counts: dict[Denial, int] = {}

    def add(self, denials: list[tuple[int, bool, bool, bytes, list[bytes]]]) -> None:
        """Takes what the host reported."""
        for what, js_thread, is_guess, subject, grants in denials:
            paths = tuple(os.fsdecode(path) for path in grants)
            denial = Denial(what, js_thread, is_guess, os.fsdecode(subject), paths)
            self._recent.append((denial, False))
            if denial in self._counts or len(self._counts) < _LISTED:
                self._counts[denial] = self._counts.get(denial, 0) + 1
        del self._recent[:-_LISTED]

    def take(self, *, guesses: bool) -> list[Denial]:
        """Returns what was denied recently, for an exception; guesses if there is nothing else."""
        recent = [denial for denial, _ in self._recent]
        certain = [denial for denial in recent if not denial.is_guess]
        self._recent.clear()
        found = certain or (recent[-1:] if guesses else [])
        found = list(dict.fromkeys(found))
        for denial in found:
            self._tell(denial)
        return found

    def note(self, denials: list[Denial]) -> str:
        """Returns the note for an exception."""
        named = ", ".join(map(str, denials[:_NAMED]))
        more = f" and {len(denials) - _NAMED} more" if len(denials) > _NAMED else ""
        return (
            f"The sandbox policy {self._sandbox.policy!r} denied {named}{more}; "
            f"pass {advice(self._sandbox, denials[:_NAMED])}"
        )

    def warn(self, where: str, is_end: bool) -> bool:  # noqa: FBT001 - called from native code
        """Warns of what no exception told, once for each path; says whether something is left.

        What another thread was denied may yet be told by an exception: it is kept until the next
        time, or until a promise was fulfilled (`is_end`).
        """
        due = [d for d, is_old in self._recent if d.js_thread or is_old or is_end]
        self._recent = [
            (d, True)
            for d, is_old in self._recent
            if not (d.js_thread or is_old or is_end or d.is_guess)
        ]
        for denial in due:
            if not denial.is_guess and self._tell(denial):
                text = f"{where}: denied {denial}; pass {advice(self._sandbox, [denial])}"
                warnings.warn(text, SandboxWarning, stacklevel=2)
        return bool(self._recent)

    def _tell(self, denial: Denial) -> bool:
        """Says whether it was not told before."""
        key = (denial.what, denial.subject)
        if key in self._told:
            return False
        self._told[key] = None
        if len(self._told) > _TOLD:
            self._told.popitem(last=False)
        return True

    def listed(self) -> list[dict[str, object]]:
        """Returns what was denied, for statistics."""
        return [
            {
                "what": _KINDS[denial.what][1],
                "subject": denial.subject,
                "option": advice(type(self._sandbox)(), [denial]),
                "count": count,
            }
            for denial, count in self._counts.items()
            if not denial.is_guess
        ]
