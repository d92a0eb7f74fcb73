"""The exceptions of the package: one message each, the facts as attributes.

Every class is picklable and copyable: what belongs to a process (the JavaScript object behind a
`JSError`) stays behind.
"""

from __future__ import annotations

import re
import signal as _signal
from typing import TYPE_CHECKING, Any, ClassVar, cast

from napi_python._output import escape

_PLAIN = (type(None), bool, int, float, str, bytes)


def _portable(value: object, depth: int = 8) -> object:
    """Returns `value` with everything that lives in a process replaced by its text."""
    if isinstance(value, _PLAIN) or (isinstance(value, BaseException) and depth):
        return value
    if depth and isinstance(value, dict):
        return {str(key): _portable(item, depth - 1) for key, item in value.items()}
    if depth and isinstance(value, (list, tuple, set)):
        return [_portable(item, depth - 1) for item in value]
    return repr(value)


def _rebuild(cls: type[AddonError], message: str, state: dict[str, object]) -> AddonError:
    error = cls(message)
    for name, value in state.items():
        setattr(error, name, value)
    return error


class AddonError(Exception):
    """The base of all errors of this package."""

    _facts: ClassVar[tuple[str, ...]] = ()

    def __init__(self, message: str = "", /, **facts: object) -> None:
        """Makes the error of one message and the facts its class knows."""
        unknown = facts.keys() - set(self._facts)
        if unknown:
            names = ", ".join(sorted(unknown))
            text = f"{type(self).__name__} has no attribute {names}"
            raise TypeError(text)
        super().__init__(message)
        for name in self._facts:
            # Not into `__dict__`: an attribute of a built-in base would hide it there.
            setattr(self, name, facts.get(name))

    def __str__(self) -> str:
        """Returns the message."""
        return str(self.args[0]) if self.args else ""

    def __reduce__(self) -> tuple[object, ...]:
        """Keeps the message and the facts, in a form that any process understands."""
        facts = {name: getattr(self, name) for name in self._facts}
        state = {
            name: _portable(value)
            for name, value in {**self.__dict__, **facts}.items()
            if not name.startswith("_") or name == "__notes__"
        }
        return _rebuild, (type(self), str(self), state)


NapiError = AddonError


class JSError(AddonError, RuntimeError):
    """Something that JavaScript code or the addon threw.

    For an `Error`, `value` is None and the own properties of the object are attributes too; for
    anything else that was thrown, `value` is the thing itself.
    """

    _facts: ClassVar[tuple[str, ...]] = (
        "name",
        "message",
        "code",
        "stack",
        "cause",
        "value",
        "properties",
    )

    name: str | None
    message: str
    code: object
    stack: str | None
    cause: object
    value: object
    properties: dict[str, object]

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - an own property of the object
            """Own properties of the JavaScript object are attributes."""

    def __init__(self, message: str = "", /, **facts: object) -> None:
        """Makes the error; `message` may also be given as a fact, when it differs."""
        text = facts.pop("message", None)
        properties = facts.pop("properties", None)
        super().__init__(message, **facts)
        self.message = text if isinstance(text, str) else message
        self.properties = dict(properties) if isinstance(properties, dict) else {}
        for name, value in self.properties.items():
            if not name.startswith("_") and not hasattr(type(self), name):
                self.__dict__.setdefault(name, value)


class JSTypeError(JSError, TypeError):
    """A JavaScript `TypeError`."""


class JSRangeError(JSError, ValueError):
    """A JavaScript `RangeError`."""


class JSSyntaxError(JSError, SyntaxError):
    """A JavaScript `SyntaxError`.

    `msg` is the message. `filename`, `lineno` and `offset` are where the parser stopped, None if
    something else threw the error. `text` is the line, if it is one of a script for `run_script()`.
    """

    _facts: ClassVar[tuple[str, ...]] = (
        *JSError._facts,  # noqa: SLF001 - its base
        "filename",
        "lineno",
        "offset",
        "text",
    )

    def __init__(self, message: str = "", /, **facts: object) -> None:
        """Makes the error, with the place that the first line of its stack tells."""
        super().__init__(message, **facts)
        self.msg = message
        place = _FIRST_FRAME.search(self.stack or "")
        if place and place[1] is not None:
            self.filename = place[1]
            self.lineno, self.offset = int(place[2]), int(place[3])


# The first frame of a stack. The host gives an error of its parser one named `<parser>`.
_FIRST_FRAME = re.compile(r"^    at (?:<parser> \((.*):(\d{1,9}):(\d{1,9})\)$)?", re.MULTILINE)
# The file name of a script of `run_script()`.
_SCRIPT = "<run_script>"
# Longer lines, as of minified code, are left out.
_TEXT_MAX_CHARACTERS = 1000


def add_source_line(error: JSSyntaxError, source: str) -> None:
    """Gives an error in a script the line of its source, and counts its column in characters."""
    if error.filename != _SCRIPT or error.lineno is None or error.offset is None:
        return
    lines = re.split("\r\n|[\r\n\u2028\u2029]", source)
    if not 0 < error.lineno <= len(lines):
        return
    line = lines[error.lineno - 1]
    if len(line) > _TEXT_MAX_CHARACTERS:
        return
    before = line.encode("utf-8", "surrogatepass")[: max(error.offset - 1, 0)]
    try:
        error.offset = len(before.decode("utf-8", "surrogatepass")) + 1
    except UnicodeDecodeError:
        return
    error.text = line


class LoadError(AddonError, ImportError):
    """The addon could not be loaded; the message says why and what to do."""

    _facts = ("path", "detail")

    path: str | None
    detail: object

    def __init__(self, message: str = "", /, **facts: object) -> None:
        """Makes the error of one message and the facts."""
        super().__init__(message, **facts)
        self.msg = message


class AddonCrashed(AddonError, ConnectionError):  # noqa: N818 - the name says what happened
    """The process of the addon ended without having been asked to.

    `signal` and `signal_name`, or `exit_code`, say how; `reason` why, where this side ended it, or
    "maybe out of memory" where the figures speak for that;
    `export` is the exported function that was running, `node_api` the Node-API function that this
    was in, `address` the one whose use failed; `backtrace` the native functions, innermost first,
    each as `file!function+offset`; `stderr` the last that was printed; `usage` what it used:
    `user`, `system` and `wall` seconds, and `peak_memory` in bytes. What is unknown is None. All
    but signal and exit code is what the process said of itself, and an addon that is hostile may
    have said it.
    """

    _facts: ClassVar[tuple[str, ...]] = (
        "signal",
        "signal_name",
        "address",
        "exit_code",
        "reason",
        "export",
        "node_api",
        "backtrace",
        "stderr",
        "usage",
        "generation",
        "pid",
    )

    signal: int | None
    signal_name: str | None
    address: int | None
    exit_code: int | None
    reason: str | None
    export: str | None
    node_api: str | None
    backtrace: list[str] | None
    stderr: str | None
    usage: object
    generation: int | None
    pid: int | None


class SandboxWarning(UserWarning):
    """The sandbox denied an addon something, and no exception says so.

    The message names it, and the option that allows it.
    """


class SandboxViolation(AddonCrashed):
    """The addon did what its sandbox forbids, and its process was ended for it.

    `call` is the name of the call to the kernel, `table` the table of numbers it is from,
    `arguments` its arguments as numbers, `path` the path among them where there is one; all None
    if the process ended without a record.
    """

    _facts: ClassVar[tuple[str, ...]] = (
        *AddonCrashed._facts,  # noqa: SLF001 - its base
        "call",
        "table",
        "arguments",
        "path",
    )

    call: str | None
    table: str | None
    arguments: list[int] | None
    path: str | None


class SandboxUnavailable(AddonError):  # noqa: N818 - the name says what happened
    """A layer that the sandbox of an addon requires is not available on this system.

    `mechanism` is its name, `errno` what the kernel answered, if it refused.
    """

    _facts = ("mechanism", "errno")

    mechanism: str | None
    errno: int | None


class AddonTimeout(AddonError, TimeoutError):  # noqa: N818 - the name says what happened
    """A deadline passed before the addon answered.

    `seconds` is the length of the deadline that passed, of several the nearest; `export` the
    exported function that was called, if it was a call of one.
    """

    _facts = ("seconds", "export")

    seconds: float | None
    export: str | None


class StaleHandleError(AddonError, ReferenceError):
    """The object lived in a process of the addon that is gone, or has been released.

    `__cause__` is the `AddonCrashed` that tells how that process ended, unless it was closed.
    """


class ProtocolError(AddonError):
    """The host said something that is not in the protocol: a defect, or a hostile host."""


_WAYS_OUT = {
    "landlock": (
        "it requires Linux 5.13 (6.12 for the policy 'strict') with Landlock enabled; the "
        "policy 'default' can use user namespaces instead"
    ),
    "seccomp": "it requires a kernel with seccomp filters and a container that allows them",
    "namespaces": (
        "it requires user namespaces: see user.max_user_namespaces, the restrictions of AppArmor, "
        "and the container's own filter"
    ),
}


def sandbox_unavailable(
    label: str, why: str, mechanism: str, errno: int | None
) -> SandboxUnavailable:
    """Makes the exception for a host that could not be confined."""
    if mechanism == "granted_paths":
        text = (
            f"the addon {label} was not loaded: {escape(why)}. The paths were resolved when "
            "the Sandbox was made; make a new Sandbox if the change is intended"
        )
        return SandboxUnavailable(text, mechanism=mechanism, errno=errno)
    way_out = _WAYS_OUT.get(mechanism)
    way_out = f"{way_out}. Or" if way_out else "Fix that, or"
    text = (
        f"the addon {label} was not loaded: {escape(why)}. {way_out} choose what is available: "
        "sandbox=Sandbox(degrade='allow') runs it without, sandbox='none' with all rights of this "
        "user; `napi-hostd doctor` lists what this system offers"
    )
    return SandboxUnavailable(text, mechanism=escape(mechanism), errno=errno)


def _signal_name(number: int) -> str:
    try:
        return _signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


_LIKELY = {
    "SIGSEGV": "it read or wrote memory that is not its own, or its stack overflowed",
    "SIGBUS": "it touched memory that is no longer there",
    "SIGFPE": "probably an integer division by zero",
    "SIGILL": "an instruction this processor does not have, or a compiler trap",
    "SIGABRT": "it called abort(): an assertion, an uncaught C++ exception, a damaged heap",
    "SIGKILL": "something killed it: the kernel when memory runs out, or a user",
    "SIGSYS": "a system call that the sandbox forbids",
    "SIGXCPU": "the processor time that its sandbox allows is used up, cpu=...",
}


# The ways in which Rust code in an addon comes to its end: no author wrote these.
_OTHERS = ("std::", "core::", "alloc::", "__rustc::", "<core::", "<alloc::", "<std::", "rust_")
# The signals of an instruction that failed, so that the innermost frame is where it failed; those
# of abort() and kill() come out of the C library.
_FAULTS = frozenset({"SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL"})
# The frames of the host process, and of an addon.
_HOST = "napi-hostd!"
_ADDON = re.compile(r"\.node[!+]")
# Libraries of the system: what they fail at they were asked to do.
_SYSTEM = ("libc.", "libc-", "libm.", "libpthread", "ld-linux", "libstdc++", "libgcc_s", "[vdso]")
# What the host exports for addons to call.
_EXPORTED = ("napi_", "node_api_", "uv_")
_OURS = (
    "this is a defect of napi-hostd, unless the addon damaged memory or handed over memory that is "
    "not there; please report it with the backtrace"
)
_POINTER = "the addon passed a wrong pointer or length, or this is a defect of napi-hostd"
# How a reason begins that nobody is sure of.
_GUESS = "maybe "
# Nothing is ever mapped below this address.
_NULL_END = 0x10000


def _cause(name: str, facts: dict[str, object]) -> str:
    """Returns a signal with where it was raised and what it means most likely."""
    place, is_ours = _place(name, facts)
    text = name + place
    if facts.get("thread") is not None:
        text += f" on a thread of its own ({facts['thread']})"
    likely = _LIKELY.get(name)
    if name == "SIGSYS" and facts.get("backtrace") is not None:
        likely = f"{likely}: {_called(facts)}" if facts.get("call") is not None else None
    address = facts.get("address")
    if facts.get("overflowed"):
        likely = "its stack overflowed"
    elif isinstance(address, int) and name == "SIGSEGV":
        likely = (
            "it used a null pointer"
            if address < _NULL_END
            else f"it read, wrote or ran memory that is not its own, at {address:#x}"
        )
    if is_ours and not facts.get("overflowed"):
        likely = f"{likely}; {_OURS if is_ours == 'defect' else _POINTER}"
    return f"{text} ({likely})" if likely else text


def _place(name: str, facts: dict[str, object]) -> tuple[str, str]:
    """Returns where a signal was raised, and whether that is the host's own code.

    The second is empty for the addon's code and that of libraries, "argument" for a function that
    the addon called, whose arguments may be the reason, and else "defect".
    """
    backtrace = facts.get("backtrace")
    if not isinstance(backtrace, list):
        return "", ""
    frames = [str(frame) for frame in backtrace if not str(frame).startswith("0x")]
    inside = [_function(frame) for frame in frames if _ADDON.search(frame)]
    own = (function for function in inside if not function.partition("!")[2].startswith(_OTHERS))
    caller = next(own, "") or next(iter(inside), "")
    by = f", called by {caller}" if caller else ""
    innermost = _function(frames[0]) if frames and name in _FAULTS else ""
    culprit = next((frame for frame in frames if not frame.startswith(_SYSTEM)), "")
    if not culprit.startswith(_HOST):
        if not innermost or innermost in inside:
            return f" in {caller}" if caller else "", ""
        return f" in {innermost}{by}", ""
    addon = next((i for i, frame in enumerate(frames) if _ADDON.search(frame)), 0)
    entered = (_function(frame).removeprefix(_HOST) for frame in reversed(frames[:addon]))
    function = facts.get("node_api") or next(
        (name for name in entered if name.startswith(_EXPORTED)), None
    )
    if function:
        api = "libuv" if str(function).startswith("uv_") else "Node-API"
        inner = f" in {innermost}," if innermost else ""
        return f"{inner} inside {api} function {function}{by}", "argument" if inner else ""
    if not innermost:
        return f" in {caller}" if caller else "", ""
    # Of a signal that was sent there is no address, and the code is where it happened to be.
    is_fault = facts.get("address") is not None or name in {"SIGFPE", "SIGILL"}
    by = f", called by {_function(culprit)}" if culprit != frames[0] else ""
    return f" in {innermost}{by}", "defect" if is_fault else ""


def _function(frame: str) -> str:
    """Returns a frame without the offset; where no function is known, the offset stays."""
    return frame.rpartition("+")[0] if "!" in frame else frame


def _called(facts: dict[str, object]) -> str:
    """Returns a call to the kernel as one would write it."""
    arguments = facts.get("arguments")
    numbers = [f"{number:#x}" for number in arguments] if isinstance(arguments, list) else []
    path = f", path {facts['path']!r}" if facts.get("path") else ""
    return f"{facts['call']}({', '.join(numbers)}) by the numbers of {facts['table']}{path}"


def _crash_message(label: str, facts: dict[str, object], after: str, *, loading: bool) -> str:
    where = " while it was being loaded" if loading else ""
    if facts.get("export"):
        where = f" while {facts['export']}() was running"
    number = facts.get("signal")
    reason = facts.get("reason")
    is_guess = isinstance(reason, str) and reason.startswith(_GUESS)
    if reason and not is_guess:
        how = f"its process was ended: {reason}"
    elif isinstance(number, int):
        how = f"its process died of {_cause(_signal_name(number), facts)}"
        how += f", {reason}" if is_guess else ""
    elif facts.get("exit_code") is not None:
        how = f"its process exited with code {facts['exit_code']} without being asked to"
    else:
        how = "its process is gone"
    text = f"the addon {label} crashed{where}: {how}"
    text += f". {after[0].upper()}{after[1:]}" if after else ""
    stderr = facts.get("stderr")
    if isinstance(stderr, str) and stderr.strip():
        lines = stderr.strip().splitlines()[-3:]
        text += ". Last on its stderr: " + " | ".join(line.strip()[:200] for line in lines)
    return text


def crashed(label: str, facts: dict[str, object], after: str, loading: bool) -> AddonCrashed:  # noqa: FBT001 - called from native code
    """Makes the exception for a host that died, of what its supervisor knows.

    `after` is what the next call does, empty if there is none.
    """
    # The addon may have written any of it.
    for name, value in facts.items():
        if isinstance(value, str):
            facts[name] = escape(value)
        elif isinstance(value, list) and name != "arguments":
            facts[name] = [escape(str(line)) for line in value]
    number = facts.get("signal")
    if isinstance(number, int):
        facts["signal_name"] = _signal_name(number)
    # Of a signal that was just sent there is a record, and no call in it.
    is_sent = facts.get("backtrace") is not None and facts.get("call") is None
    is_violation = facts.get("signal_name") == "SIGSYS" and not is_sent
    cls = SandboxViolation if is_violation else AddonCrashed
    message = _crash_message(label, facts, after, loading=loading)
    # What only the message says.
    for name in ("overflowed", "thread"):
        facts.pop(name, None)
    if cls is AddonCrashed:
        for name in ("call", "table", "arguments", "path"):
            facts.pop(name, None)
    return cls(message, **facts)


_JS_CLASSES: tuple[type[JSError], ...] = (JSError, JSTypeError, JSRangeError, JSSyntaxError)
_JS_NAMES = ("Error", "TypeError", "RangeError", "SyntaxError")


def js_error(  # noqa: PLR0913, PLR0917 - the fields of the wire, in its order
    kind: int,
    name: object,
    message: object,
    code: object,
    stack: object,
    cause: object,
    properties: dict[str, object],
) -> JSError:
    """Makes the exception for a JavaScript `Error` object."""
    cls = _JS_CLASSES[kind] if kind < len(_JS_CLASSES) else JSError
    own = _JS_NAMES[kind] if kind < len(_JS_NAMES) else "Error"
    message = message if isinstance(message, str) else "" if message is None else str(message)
    name = name if isinstance(name, str) and name else own
    text = message if name == own else f"{name}: {message}" if message else name
    error = cls(
        text or name,
        name=name,
        message=message,
        code=code,
        stack=stack if isinstance(stack, str) else None,
        cause=cause,
        properties=properties,
    )
    if isinstance(cause, BaseException):
        error.__cause__ = cause
    return error


def js_thrown(value: object) -> JSError:
    """Makes the exception for something thrown that is not an `Error`."""
    text = value if isinstance(value, str) else repr(value)
    return JSError(f"JavaScript threw {text}"[:1000], value=value)


def describe(error: BaseException) -> tuple[int, str, str, str, object, object]:
    """Returns what an exception looks like to JavaScript.

    The class number, name, message, traceback text, code and cause. Runs no code of the
    exception but its `__str__`, and survives that.
    """
    if isinstance(error, JSError):
        kind = next((i for i, cls in enumerate(_JS_CLASSES) if type(error) is cls), 0)
        name = error.name or type(error).__name__
        return kind, name, error.message, error.stack or "", error.code, error.cause
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - whatever its __str__ does, an error stays an error
        message = "(its __str__ failed)"
    kind = 1 if isinstance(error, TypeError) else 2 if isinstance(error, ValueError) else 0
    name = type(error).__name__
    stack = f"{name}: {message}"
    try:
        frames: list[str] = []
        traceback = error.__traceback__
        while traceback is not None and len(frames) < 50:  # noqa: PLR2004
            code = traceback.tb_frame.f_code
            frames.append(f"    at {code.co_name} ({code.co_filename}:{traceback.tb_lineno})")
            traceback = traceback.tb_next
        stack = "\n".join([stack, *reversed(frames)])
    except AttributeError:
        pass
    cause = cast("object", error.__cause__)
    return kind, name, message, stack, None, cause
