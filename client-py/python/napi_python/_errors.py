"""The exceptions of the package: one message each, the facts as attributes.

Every class is picklable and copyable: what belongs to a process (the JavaScript object behind a
`JSError`) stays behind.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, cast

from napi_python import _places, _text
from napi_python._native import ERROR, RANGE_ERROR, SYNTAX_ERROR, TYPE_ERROR

if TYPE_CHECKING:
    from napi_python._crash_report import CrashReport

_PLAIN = (type(None), bool, int, float, str, bytes)


def _portable(value: object, made: dict[int, Any]) -> object:
    """Returns `value` with everything that lives in a process replaced by its text.

    `made` has what became of each container, by its id: containers may contain themselves.
    """
    if isinstance(value, (*_PLAIN, BaseException)):
        return value
    if id(value) in made:
        return made[id(value)]
    if isinstance(value, dict):
        items: dict[str, object] = {}
        made[id(value)] = items
        items.update((str(key), _portable(item, made)) for key, item in value.items())
        return items
    if isinstance(value, (list, tuple, set)):
        parts: list[object] = []
        made[id(value)] = parts
        parts.extend(_portable(item, made) for item in value)
        return parts
    return repr(value)


class AddonError(Exception):
    """The base of all errors of this package.

    The message may contain text of an addon as it is, in `args`; `str()` and `repr()` show it
    escaped and cut.
    """

    _facts: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **options: object) -> None:
        """Makes the annotated attributes of a class its facts, after those of its base."""
        super().__init_subclass__(**options)
        own = (name for name in cls.__annotations__ if not name.startswith("_"))
        cls._facts = (*cls._facts, *own)

    def __init__(self, message: str = "", /, **facts: object) -> None:
        unknown = facts.keys() - set(self._facts)
        if unknown:
            names = ", ".join(sorted(unknown))
            raise TypeError(f"{type(self).__name__} has no attribute {names}")
        super().__init__(message)
        for name in self._facts:
            # Not into `__dict__`: an attribute of a built-in base would hide it there.
            setattr(self, name, facts.get(name))

    def _raw(self) -> str:
        return str(self.args[0]) if self.args else ""

    def __str__(self) -> str:
        """Returns the message as it is safe to print."""
        return _text.message(self._raw())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({_text.cut(self._raw(), _text.MESSAGE_MAX)!r})"

    def __reduce__(self) -> tuple[object, ...]:
        """Keeps the message and the facts, in a form that any process understands."""
        facts = {name: getattr(self, name) for name in self._facts}
        made: dict[int, Any] = {}
        state = {
            name: _portable(value, made)
            for name, value in {**self.__dict__, **facts}.items()
            if not name.startswith("_") or name == "__notes__"
        }
        # The state is set afterwards: the error may be part of it.
        return type(self), (self._raw(),), state


NapiError = AddonError


class JSError(AddonError, RuntimeError):
    """Something that JavaScript code or the addon threw.

    For an `Error`, `value` is None and the own properties of the object are attributes too; for
    anything else that was thrown, `value` is the thing itself. `file`, `line` and `column` are
    where JavaScript code threw it, counted from 1, and `package` is name and version of the package
    that this file belongs to, unless the object has properties of these names; what native code
    threw has none of them.
    """

    name: str | None
    message: str
    code: object
    stack: str | None
    cause: object
    value: object
    properties: dict[str, object]

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - an own property of the object
        """Reads the place in the stack; own properties of the object are found before."""
        if name in {"file", "line", "column", "package"}:
            place = _places.place(self.__dict__.get("stack"))
            found = getattr(place, name, None)
            found = found() if callable(found) else found
            if found is not None:
                return found
        text = f"{type(self).__name__!r} object has no attribute {name!r}"
        raise AttributeError(text, name=name, obj=self)

    def __init__(self, message: str = "", /, **facts: object) -> None:
        """Makes the error; `message` may also be given as a fact, when it differs."""
        text = facts.pop("message", None)
        properties = facts.pop("properties", None)
        super().__init__(message, **facts)
        self.message = text if isinstance(text, str) else message
        self.properties = dict(properties) if isinstance(properties, dict) else {}
        for name, value in self.properties.items():
            if name.startswith("_") or name in _PRINTED or hasattr(type(self), name):
                continue
            self.__dict__.setdefault(name, value)


# Python 3.11 prints an exception that has this attribute as a syntax error, with a place and a line
# of source that the object names.
_PRINTED = frozenset({"print_file_and_line"})


class JSTypeError(JSError, TypeError):
    """A JavaScript `TypeError`."""


class JSRangeError(JSError, ValueError):
    """A JavaScript `RangeError`."""


class JSSyntaxError(JSError, SyntaxError):
    """A JavaScript `SyntaxError`.

    `msg` is the message. `filename`, `lineno` and `offset` are where the parser stopped, None if
    something else threw the error. `text` is the line, if it is one of a script for `run_script()`.
    Python prints these attributes as they are, so they are escaped as `str()` is.
    """

    filename: str | None
    lineno: int | None
    offset: int | None
    text: str | None

    def __init__(self, message: str = "", /, **facts: object) -> None:
        """Makes the error, with the place that the first line of its stack tells."""
        super().__init__(message, **facts)
        self.msg = str(self)
        place = re.search(_FIRST_FRAME, self.stack or "")
        if place and place[1] is not None:
            self.filename = _text.name(place[1], _places.PATH_MAX)
            self.lineno, self.offset = int(place[2]), int(place[3])


# The first frame of a stack. The host gives an error of its parser one named `<parser>`.
_FIRST_FRAME = r"(?m)^    at (?:<parser> \((.*):(\d{1,9}):(\d{1,9})\)$)?"
# The file name of a script of `run_script()`.
_SCRIPT = "<run_script>"


def add_source_line(error: JSSyntaxError, source: str) -> None:
    """Gives an error in a script the line of its source, and counts its column in characters."""
    if error.filename != _SCRIPT or error.lineno is None or error.offset is None:
        return
    lines = re.split("\r\n|[\r\n\u2028\u2029]", source)
    if not 0 < error.lineno <= len(lines):
        return
    line = lines[error.lineno - 1]
    if len(line) > _places.LINE_MAX:
        return
    before = line.encode("utf-8", "surrogatepass")[: max(error.offset - 1, 0)]
    try:
        shown = _text.source(before.decode("utf-8", "surrogatepass"))
    except UnicodeDecodeError:
        return
    error.offset = len(shown) + 1
    error.text = _text.source(line)


class LoadError(AddonError, ImportError):
    """The addon could not be loaded; the message says why and what to do.

    `path` is the file or folder that it is about, if it is about one, and `errno` the number of the
    system's error, if the system refused to start a host.
    """

    path: str | None
    errno: int | None
    detail: object

    def __init__(self, message: str = "", /, **facts: object) -> None:
        super().__init__(message, **facts)
        self.msg = str(self)


class InstallError(AddonError):
    """A package could not be installed; the message says why and what to do.

    `cause` is the kind of cause: "not-found" (no such package or version), "registry" (it cannot be
    reached, or fails), "integrity", "npm-missing" (or too old), "not-writable", "disk-full",
    "platform", "conflict", "timeout", "killed", or "npm" for anything else. `code` is npm's own
    code, such as `E404`, and `output` the last of what npm printed; both are None if npm did not
    fail.
    """

    cause: str | None
    code: str | None
    output: str | None


class AddonCrashed(AddonError, ConnectionError):  # noqa: N818 - the name says what happened
    """The process of the addon ended without having been asked to.

    `signal` and `signal_name`, or `exit_code`, say how. `cause` is the kind of cause, a word such
    as "signal", "exit", "limit", "out-of-memory" or "call-timeout"; `reason` has the details: why
    this side killed the process, or "out of memory: …" where it printed that an allocation failed
    before it aborted, "maybe out of memory: …" where only the figures suggest that, "exit status
    unknown: …" where the kernel keeps none. `export` is the exported function that was running,
    `node_api` the Node-API function, `node_api_calls` in debug mode or with `record=` those that
    ran last, `address` the one whose access failed; `backtrace` the native functions, innermost
    first, each as `file!function+offset`; `stderr` the last output; `usage` what it used: `user`,
    `system` and `wall` seconds, and `peak_memory` in bytes. `thread` is the name of the thread that
    failed, if it is not the one that runs JavaScript; `registers` has its registers. `frames` has
    the parts of each entry of `backtrace`: `address`, `path`, `file_address` (as debuggers count
    it), `function`, `offset`. `modules` are the files of which code was mapped: `path`, `start`,
    `end`, `build_id`. `core_file` is the path of the core file that `core_file=` asked for, if the
    kernel wrote one. `confinement` lists what confined the process, as `mechanism=state`. `record`
    is the file of its record, if it was recorded. What is unknown is None. All but signal and exit
    code may come from the process itself, which may be hostile. `report()` has it all.
    """

    signal: int | None
    signal_name: str | None
    address: int | None
    exit_code: int | None
    cause: str | None
    reason: str | None
    export: str | None
    node_api: str | None
    backtrace: list[str] | None
    stderr: str | None
    usage: object
    generation: int | None
    pid: int | None
    thread: str | None
    node_api_calls: list[str] | None
    registers: dict[str, int] | None
    frames: list[dict[str, Any]] | None
    modules: list[dict[str, Any]] | None
    core_file: str | None
    confinement: list[str] | None
    record: str | None

    def report(self) -> CrashReport:
        """Returns all that is known of the crash: `print(error.report())`, or its `to_json()`."""
        from napi_python import _crash_report  # noqa: PLC0415 - few programs need it

        return _crash_report.make(self)


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

    call: str | None
    table: str | None
    arguments: list[int] | None
    path: str | None


class SandboxUnavailable(AddonError):  # noqa: N818 - the name says what happened
    """A layer that the sandbox of an addon requires is not available on this system.

    `mechanism` is its name, `errno` what the kernel answered, if it refused.
    """

    mechanism: str | None
    errno: int | None


class AddonTimeout(AddonError, TimeoutError):  # noqa: N818 - the name says what happened
    """A deadline passed before the addon answered.

    `seconds` is the length of the deadline that passed, of several the nearest; `export` the
    exported function that was called, if it was a call of one.
    """

    seconds: float | None
    export: str | None


class StaleHandleError(AddonError, ReferenceError):
    """The object lived in a process of the addon that is gone, or has been released.

    `__cause__` is the `AddonCrashed` that tells how that process ended, unless it was closed.
    """


class WrongThreadError(AddonError, RuntimeError):
    """The addon runs on the thread that loaded it (thread="caller"), and another thread used it.

    `thread="own"` lets every thread call the addon.
    """


class CudaError(AddonError, RuntimeError):
    """CUDA is not available, or its driver refused something.

    `name` and `code` are the driver's own name and number of the error, such as
    "CUDA_ERROR_OUT_OF_MEMORY" and 2; None if there is no driver, or it was not asked.
    """

    name: str | None
    code: int | None


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
        advice = (
            ". The paths were resolved when the Sandbox was made; make a new Sandbox if the change "
            "is intended"
        )
    elif mechanism == "proc":
        # Degrading is no way out: the limits would be those of another process.
        advice = ", or pass sandbox='none', which runs it with all rights of this user"
    else:
        way_out = _WAYS_OUT.get(mechanism)
        way_out = f"{way_out}. Or" if way_out else "Fix that, or"
        advice = (
            f". {way_out} choose what is available: sandbox=Sandbox(degrade='allow') runs it "
            "without, sandbox='none' with all rights of this user; `napi-python doctor` lists what "
            "this system offers"
        )
    text = f"the addon {label} was not loaded: {why}{advice}"
    return SandboxUnavailable(text, mechanism=_text.name(mechanism), errno=errno)


# How many characters of a message another message repeats.
_EXCERPT_MAX = 1000


def _crash_message(
    label: str, how: str, facts: dict[str, object], after: str, *, loading: bool
) -> str:
    where = " while it was being loaded" if loading else ""
    if facts.get("export"):
        where = f" while {facts['export']}() was running"
    if facts.pop("in_process", False):
        text = f"the addon {label} ended{where}: its session in this process {how}"
    else:
        text = f"the addon {label} crashed{where}: its process {how}"
    text += f". {after[0].upper()}{after[1:]}" if after else ""
    stderr = facts.get("stderr")
    if isinstance(stderr, str) and stderr.strip():
        lines = re.split("[\r\n]+", stderr.strip())[-3:]
        text += ". Last on its stderr: " + " | ".join(line.strip()[:200] for line in lines)
    return text


def _shown(item: object) -> object:
    if isinstance(item, dict):
        return {name: _shown(value) for name, value in item.items()}
    return _text.name(item, _places.PATH_MAX) if isinstance(item, str) else item


def crashed(label: str, facts: dict[str, object], after: str, loading: bool) -> AddonCrashed:  # noqa: FBT001 - called from native code
    """Makes the exception for a host that ended, of the facts that its supervisor found.

    The fact `how` is the sentence about the process; `after` says what the next call does, and is
    empty if there is none.
    """
    how = _text.name(str(facts.pop("how")), _text.MESSAGE_MAX)
    # The addon may have written any of it.
    for name, value in facts.items():
        if isinstance(value, str):
            facts[name] = (
                _text.output(value) if name == "stderr" else _text.name(value, _places.PATH_MAX)
            )
        elif isinstance(value, list) and name != "arguments":
            facts[name] = [_shown(item) for item in value]
    message = _crash_message(label, how, facts, after, loading=loading)
    cls = SandboxViolation if facts["cause"] == "forbidden-call" else AddonCrashed
    return cls(message, **facts)


_JS_CLASSES: dict[int, type[JSError]] = {
    ERROR: JSError,
    TYPE_ERROR: JSTypeError,
    RANGE_ERROR: JSRangeError,
    SYNTAX_ERROR: JSSyntaxError,
}


def js_error(  # noqa: PLR0913, PLR0917 - the fields of the wire, in its order
    kind: int,
    name: object,
    message: object,
    code: object,
    stack: object,
    cause: object,
    properties: dict[str, object],
    made: JSError | None = None,
) -> JSError:
    """Makes the exception for a JavaScript `Error` object, or fills what `js_error_of` made."""
    cls = _JS_CLASSES.get(kind, JSError)
    own = cls.__name__.removeprefix("JS")
    if not isinstance(message, str):
        message = "" if message is None else _text.brief(message)
    name = name if isinstance(name, str) and name else own
    text = message
    if name != own or not message:
        shown = _text.name(name)
        text = f"{shown}: {message}" if message else shown
    facts: dict[str, object] = {
        "name": name,
        "message": message,
        "code": code,
        "stack": stack if isinstance(stack, str) else None,
        "cause": cause,
        "properties": properties,
    }
    error = cls.__new__(cls) if made is None else made
    cls.__init__(error, text, **facts)
    if isinstance(cause, BaseException) and cause is not error:
        error.__cause__ = cause
    return error


def js_error_of(kind: int) -> JSError:
    """Makes the exception for a JavaScript `Error` object that is referred to by what is in it."""
    cls = _JS_CLASSES.get(kind, JSError)
    return cls.__new__(cls)


def js_thrown(value: object) -> JSError:
    """Makes the exception for something thrown that is not an `Error`."""
    text = value if isinstance(value, str) else _text.brief(value)
    return JSError(f"JavaScript threw {_text.cut(text, _text.MESSAGE_MAX)}", value=value)


def thrown_at_load(path: str | None, module: str | None, thrown: BaseException) -> LoadError:
    """Makes the exception for an addon or a module whose load threw, of which this is the cause."""
    said = _text.message(str(thrown), _EXCERPT_MAX)
    if module is None:
        text = (
            f"the addon {path or ''} threw an exception during initialisation: {said}; check what "
            "the addon needs at run time"
        )
    elif getattr(thrown, "code", None) == "MODULE_NOT_FOUND":
        text = f"{said}; install what is missing with python -m napi_python install"
    else:
        text = f"the module {module} threw an exception while it was loaded: {said}"
        place = _places.place(getattr(thrown, "stack", None))
        if place is not None:
            text = f"{text} ({place})"
            source = place.source()
            if source:
                text = f"{text}\n    {source}"
    error = LoadError(text, path=path)
    error.__cause__ = thrown
    return error


def describe(error: BaseException) -> tuple[int, str, str, str, object, object]:
    """Returns what an exception looks like to JavaScript.

    The class number, name, message, traceback text, code and cause. Runs no code of the
    exception but its `__str__`, and survives that.
    """
    if isinstance(error, JSError):
        kind = next((kind for kind, cls in _JS_CLASSES.items() if type(error) is cls), ERROR)
        name = error.name or type(error).__name__
        return kind, name, error.message, error.stack or "", error.code, error.cause
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - whatever its __str__ does, an error stays an error
        message = "(its __str__ failed)"
    kind = ERROR
    if isinstance(error, TypeError):
        kind = TYPE_ERROR
    elif isinstance(error, ValueError):
        kind = RANGE_ERROR
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
