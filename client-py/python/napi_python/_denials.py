"""Reports what the sandbox denied an addon: notes on exceptions, warnings, and a list."""

from __future__ import annotations

import collections
import os
import warnings
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from napi_python import _text
from napi_python._errors import SandboxWarning

if TYPE_CHECKING:
    from napi_python._sandbox import Sandbox

# What was denied, by the option that allows it.
_DENIED: Final = {
    "read": "read of",
    "write": "write to",
    "network": "network access by",
    "unix": "use of",
    "subprocess": "start of",
    "watch": "watching of",
}
# How many different denials are counted, how many are remembered as reported, and how many one
# message names.
_LISTED_MAX: Final = 256
_REPORTED_MAX: Final = 4096
_NAMED_MAX: Final = 5
# How many characters of a path are shown: the kernel's PATH_MAX.
_PATH_MAX: Final = 4096


class Denial(NamedTuple):
    """One denial as the host reported it, which may be forged.

    Attributes:
        option: The option that allows it.
        js_thread: Whether it happened on the JS thread.
        is_guess: Whether it may have been a failure without the sandbox, too.
        subject: The path, address or name.
        grants: The paths that would have to be granted.

    """

    option: str
    js_thread: bool
    is_guess: bool
    subject: str
    grants: tuple[str, ...]

    def __str__(self) -> str:
        subject = self.subject
        if self.option in ("read", "write") or (self.option == "subprocess" and subject):
            subject = _quoted(subject)
        elif self.option == "network":
            # Else it is a name that was to be looked up.
            subject = subject if subject == "a socket" else _quoted(subject)
        else:
            other = {"unix": "a local socket", "subprocess": "a program"}
            subject = other.get(self.option, "files")
        return f"{_DENIED[self.option]} {subject}"


def _quoted(text: str) -> str:
    """Returns a Python literal, in double quotes where that needs no escape."""
    literal = repr(_text.cut(text, _PATH_MAX))
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
    """Returns the Python source of a sandbox that also allows these denials."""
    from napi_python import _sandbox  # noqa: PLC0415 - takes long to import

    options = _sandbox.changed(sandbox)
    for denial in denials:
        option = denial.option
        if option in ("read", "write"):
            known: Any = options.get(option, ())
            options[option] = [*known, *(path for path in denial.grants if path not in known)]
        elif option == "unix":
            options.setdefault(option, [])
        else:
            options[option] = True
    if "subprocess" in options:
        # The two options cannot be combined.
        options.pop("diagnose", None)
    if "env" in options:
        options["env"] = ...
    shown = (f"{name}={_shown(value)}" for name, value in options.items())
    return f"sandbox=Sandbox({', '.join(shown)})".replace("env=Ellipsis", "env=...")


class Denials:
    """The denials of one addon, over all of its hosts."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._recent: list[tuple[Denial, bool]] = []
        self._taken: list[Denial] = []
        self._reported: collections.OrderedDict[tuple[str, str], None] = collections.OrderedDict()
        self._counts: dict[Denial, int] = {}

    def add(self, denials: list[tuple[str, bool, bool, bytes, list[bytes]]]) -> None:
        """Adds denials that the host reported."""
        for option, js_thread, is_guess, subject, grants in denials:
            paths = tuple(os.fsdecode(path) for path in grants)
            denial = Denial(option, js_thread, is_guess, os.fsdecode(subject), paths)
            self._recent.append((denial, False))
            if denial in self._counts or len(self._counts) < _LISTED_MAX:
                self._counts[denial] = self._counts.get(denial, 0) + 1
        del self._recent[:-_LISTED_MAX]

    def take(self, *, guesses: bool) -> list[Denial]:
        """Returns recent denials for an exception and forgets them.

        With `guesses` it returns the latest guess if there is nothing certain.
        """
        recent = [denial for denial, _ in self._recent]
        certain = [denial for denial in recent if not denial.is_guess]
        self._recent.clear()
        found = certain or (recent[-1:] if guesses else [])
        found = list(dict.fromkeys(found))
        for denial in found:
            self._mark_reported(denial)
        self._taken = found
        return found

    def put_back(self, error: BaseException) -> None:
        """Undoes the last `take` if it was for this exception, which is dropped unseen."""
        if self._taken and self.note(self._taken) in getattr(error, "__notes__", ()):
            self._recent[:0] = [(denial, False) for denial in self._taken]
            self._taken = []

    def note(self, denials: list[Denial]) -> str:
        """Returns the note for an exception."""
        named = ", ".join(map(str, denials[:_NAMED_MAX]))
        more = f" and {len(denials) - _NAMED_MAX} more" if len(denials) > _NAMED_MAX else ""
        return (
            f"The sandbox policy {self._sandbox.policy!r} denied {named}{more}; "
            f"pass {advice(self._sandbox, denials[:_NAMED_MAX])}"
        )

    def warn(self, where: str, is_end: bool) -> bool:  # noqa: FBT001 - called from native code
        """Warns once per path of denials that no exception reported; returns whether some are left.

        Denials of other threads may still be reported by an exception: they are kept until the
        next call, or until a promise was fulfilled (`is_end`).
        """
        due = [d for d, is_old in self._recent if d.js_thread or is_old or is_end]
        self._recent = [
            (d, True)
            for d, is_old in self._recent
            if not (d.js_thread or is_old or is_end or d.is_guess)
        ]
        for denial in due:
            if not denial.is_guess and self._mark_reported(denial):
                text = (
                    f"{_text.name(where)}: denied {denial}; pass {advice(self._sandbox, [denial])}"
                )
                warnings.warn(text, SandboxWarning, stacklevel=2)
        return bool(self._recent)

    def _mark_reported(self, denial: Denial) -> bool:
        """Marks a denial as reported; returns whether it was not before."""
        key = (denial.option, denial.subject)
        if key in self._reported:
            return False
        self._reported[key] = None
        if len(self._reported) > _REPORTED_MAX:
            self._reported.popitem(last=False)
        return True

    def listed(self) -> list[dict[str, object]]:
        """Returns the denials for `host(addon).stats()`."""
        return [
            {
                "what": denial.option,
                "subject": denial.subject,
                "option": advice(type(self._sandbox)(), [denial]),
                "count": count,
            }
            for denial, count in self._counts.items()
            if not denial.is_guess
        ]
