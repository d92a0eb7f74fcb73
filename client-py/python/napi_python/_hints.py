"""Notes on exceptions of a confined addon that the sandbox may have caused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from napi_python import _text
from napi_python._errors import AddonError, AddonTimeout

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napi_python._denials import Denials
    from napi_python._sandbox import Sandbox

# Texts of the system for a denial, and the options that may change it.
_HINTS: Final = (
    (
        ("noexec", "failed to map segment", "cannot enable executable"),
        "exec_memory=True, if it makes code, or loads more of it after it was loaded itself",
    ),
    (
        # Rust's ErrorKind, for EACCES and EPERM.
        ("PermissionDenied",),
        "read=[...], write=[...], network=True, unix=[...], subprocess=True",
    ),
    (("ENOENT", "no such file"), "read=[...] or write=[...], for paths that do not exist for it"),
    (
        ("EACCES", "permission denied"),
        "read=[...] or write=[...], for files outside its own",
    ),
    (
        ("EPERM", "operation not permitted"),
        "network=True, unix=[...], subprocess=True, watch=True, exec_memory=True",
    ),
)
# Texts of the system for an exhausted resource, and the option of its limit.
_LIMITS: Final = (
    (("EFBIG", "file too large"), "file_size"),
    (("EMFILE", "too many open files"), "files"),
    (("ENOMEM", "cannot allocate memory", "out of memory"), "memory"),
    (("EAGAIN", "resource temporarily unavailable"), "threads"),
)


_TIMEOUT_NOTE: Final = (
    "The addon runs under the sandbox policy {!r}. An addon that does not expect a denial may "
    "hang; in sandbox=Sandbox(...), watch=True lets it watch files, network=True use the network, "
    "unix=[...] use local sockets."
)


def annotate(
    error: BaseException,
    confined: str | Sandbox,
    advice: Iterable[tuple[str, str]],
    denials: Denials | None = None,
) -> None:
    """Adds a note to an exception of a confined addon if the sandbox may be its reason.

    Args:
        error: The exception; only an `AddonError` without notes gets one.
        confined: The addon's sandbox, or the name of its policy. Nothing is imported for it: the
            interpreter may be at its end.
        advice: Pairs of the option of a limit and the text that says how to raise it.
        denials: The addon's denials, if they are recorded.

    """
    if not isinstance(error, AddonError) or getattr(error, "__notes__", None):
        return
    policy = confined if isinstance(confined, str) else confined.policy
    if isinstance(error, AddonTimeout):
        where = (
            " The logger napi_python.host has what was denied."
            if not isinstance(confined, str) and confined.diagnose
            else " diagnose=True logs what is denied."
        )
        error.add_note(_TIMEOUT_NOTE.format(policy) + where)
        return
    code = getattr(error, "code", None)
    said = f"{error} {_text.name(code)}" if isinstance(code, str) else str(error)
    option = _find(said, _HINTS)
    denied = denials.take(guesses=option is not None) if denials is not None else []
    if denials is not None and denied:
        error.add_note(denials.note(denied))
        return
    known = dict(advice)
    limit = _find(said, _LIMITS)
    if limit in known:
        why = known[limit]
    elif option is not None:
        why = f"options of sandbox=Sandbox(...) that may change that: {option}"
    else:
        return
    error.add_note(
        f"The addon runs under the sandbox policy {policy!r}, which may be the reason: {why}."
    )


def _find(said: str, table: Iterable[tuple[tuple[str, ...], str]]) -> str | None:
    """Returns the entry whose error code or text occurs in `said`, None without one."""
    lower = said.lower()
    for (code, *texts), found in table:
        if re.search(rf"\b{code}\b", said) or any(text in lower for text in texts):
            return found
    return None
