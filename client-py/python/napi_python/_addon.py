"""Loading addons: checks the options of `load_addon`, and registers what ends the hosts."""

from __future__ import annotations

import atexit
import os
import sys

from napi_python import _environment, _native, _restart

# As of `typing`, which is imported later.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Literal, Unpack

    from napi_python._modules import HostOptions
    from napi_python._recording import Recording
    from napi_python._restart_policy import RestartPolicy
    from napi_python._sandbox import Sandbox

HOST_VARIABLE = "NAPI_PYTHON_HOSTD"
# A label of so many characters is not cut.
_SHORT = 100
# Whether every addon is loaded in debug mode; set by the pytest fixture during its test.
debug_everywhere = False
# The options that are not given, as `load_addon` describes them.
_DEFAULTS: HostOptions = {
    "isolated": True,
    "thread": "own",
    "sandbox": None,
    "remote": None,
    "restart": None,
    "env": None,
    "address": None,
    "carrier": "auto",
    "start_timeout": 10.0,
    "timeout": None,
    "max_values": 1 << 26,
    "unsolicited_cpu": 0.25,
    "nested_threads": False,
    "on_start": None,
    "debug": False,
    "core_file": None,
    "record": None,
    "profile": False,
}


def _host_binary() -> str:
    """Returns the path of the host program."""
    given = os.environ.get(HOST_VARIABLE)
    if given:
        if not os.access(given, os.X_OK):
            text = f"{HOST_VARIABLE} is set to {given}, which does not exist or is not executable"
            raise _load_error(text, given)
        return given
    bundled = _bundled("napi-hostd")
    if not os.access(bundled, os.X_OK):
        text = (
            f"the host program {bundled} does not exist: install napi_python from its wheel, "
            f"or set {HOST_VARIABLE} to a napi-hostd that you built"
        )
        raise _load_error(text, bundled)
    return bundled


def _load_error(message: str, path: str) -> Exception:
    from napi_python._errors import LoadError  # noqa: PLC0415 - what it imports takes long

    return LoadError(message, path=path)


def _shown(label: str) -> str:
    """Returns a label as it is safe to show."""
    # Nothing is imported for what most labels are.
    if label.isascii() and label.isprintable() and len(label) <= _SHORT:
        return label
    from napi_python import _text  # noqa: PLC0415 - what it imports takes long

    return _text.name(label)


def _bundled(name: str) -> str:
    """Returns the path of a file that the package brings."""
    return os.path.join(os.path.dirname(__file__), "_bin", name)


def _label(name: str | None, path: str) -> str:
    """Returns the name of an addon in messages and logs: `name`, or that of its file."""
    if name is not None and not isinstance(name, str):
        raise TypeError(f"name must be str or None, got {name!r}")
    stem = os.path.basename(path).removesuffix(".node").removesuffix(".so").removeprefix("lib")
    return name or stem or "addon"


def _library() -> str:
    """Returns the path of the library that runs addons in this process."""
    return _bundled("libhostd_library.so")


def _check_in_process(given: HostOptions) -> None:
    """Refuses options that need a process of its own."""
    confining = None if given["sandbox"] == "none" else given["sandbox"]
    names = ("restart", "env", "address", "core_file")
    values = (given["restart"], given["env"], given["address"], given["core_file"])
    for name, value in [("sandbox", confining), *zip(names, values, strict=True)]:
        if value is not None:
            text = (
                f"{name}={value!r} needs a process of its own, and isolated=False runs the addon "
                f"in this one: leave out {name}=, or isolated=False"
            )
            raise ValueError(text)
    if given["thread"] not in ("own", "caller"):
        raise ValueError(f"thread must be 'own' or 'caller', got {given['thread']!r}")


def _check_numbers(given: HostOptions) -> None:
    """Refuses numbers that are out of their range."""
    start_timeout, timeout = given["start_timeout"], given["timeout"]
    max_values, unsolicited_cpu = given["max_values"], given["unsolicited_cpu"]
    if not start_timeout > 0:
        raise ValueError(f"start_timeout must be > 0 seconds, got {start_timeout!r}")
    if timeout is not None and not timeout > 0:
        raise ValueError(f"timeout must be > 0 seconds or None, got {timeout!r}")
    if type(max_values) is not int or not 0 < max_values < 1 << 32:
        raise ValueError(f"max_values must be an int between 1 and 2**32 - 1, got {max_values!r}")
    if not unsolicited_cpu > 0:
        raise ValueError(f"unsolicited_cpu must be > 0, got {unsolicited_cpu!r}")


def load_addon(  # noqa: PLR0913 - all but the path are options
    path: str | os.PathLike[str],
    *,
    isolated: bool = True,
    thread: Literal["own", "caller"] = "own",
    sandbox: Literal["default", "strict", "none"] | Sandbox | None = None,
    remote: Literal["public", "exposed"] | None = None,
    restart: Literal["on-crash", "never"] | RestartPolicy | None = None,
    name: str | None = None,
    env: Mapping[str, str] | None = None,
    address: str | os.PathLike[str] | None = None,
    carrier: Literal["auto", "lanes", "socket"] = "auto",
    start_timeout: float = 10.0,
    timeout: float | None = None,
    max_values: int = 1 << 26,
    unsolicited_cpu: float = 0.25,
    nested_threads: bool = False,
    on_start: Callable[[_native.Addon], object] | None = None,
    debug: bool = False,
    core_file: str | os.PathLike[str] | None = None,
    record: str | os.PathLike[str] | Recording | None = None,
    profile: bool | Literal["every"] = False,
) -> _native.Addon:
    """Loads a Node-API addon, in a process of its own, and returns its exports.

    Args:
        path: The `.node` file.
        isolated: Whether the addon gets a process of its own. False runs it in this process, for
            addons that are trusted: a crash of it ends the program. Then `restart`, `env`,
            `address`, `core_file` and any `sandbox` but "none" cannot be given. See docs/modes.md.
        thread: With isolated=False, where its JavaScript and its functions run: on a thread of
            their own ("own"), which any thread of the program may call, or on the thread that
            loads it ("caller"): its calls run there directly, and other threads that call it get
            `WrongThreadError`. What is due between calls runs in turns of an asyncio loop of that
            thread, while it waits for a promise, or in `host(addon).run_pending()`.
        sandbox: What the addon may do: "default" (its own package and a folder of its own; no
            network, no other processes), "strict" (the same, and other files and processes do not
            exist for it), "none" (everything this user may), or a `Sandbox` with options. None is
            "default", or "none" with isolated=False. See docs/sandbox.md.
        remote: Which other Python objects the addon can access. "public" (the default with
            sandbox="none"): instances of classes written in Python, by their public names.
            "exposed" (the default otherwise): only what `expose` and `by_ref` show.
        restart: Whether the call after a crash starts a new process ("on-crash", which None
            means) or raises `AddonCrashed` again ("never"); a `RestartPolicy` limits the number of
            crashes.
        name: The addon's name in messages and in the logger `napi_python.addon.<name>`.
        env: The environment of the process, a dict of `str`. By default it is this process'
            environment, with a sandbox only its language, time zone and numbers of threads.
        address: The socket of a running `napi-hostd serve` of this user, which starts the process
            in its own environment. By default this process starts it.
        carrier: How messages travel; "auto" uses shared memory if it is available.
        start_timeout: Seconds that the process may take to start, and again the addon to load.
        timeout: Seconds that each call may take, nested calls included; then it raises
            `AddonTimeout`, as under `deadline`. None means no limit.
        max_values: How many values one message, and what the addon writes back during one call,
            may have the other side create: each value, key, empty place of a list and 64 bytes of
            a text or a buffer counts as one. Exceeding it is a `ValueError` that names this option.
        unsolicited_cpu: The share of one CPU of this process that the addon may take outside
            calls: by notices, unhandled errors, and event-loop turns that call nothing here. It
            may take 20 seconds' worth at once. An addon that exceeds it is warned of, then its
            process is killed; output and logs beyond it are dropped.
        nested_threads: Whether calls of other threads run on top of a Python callback that is in
            progress. Otherwise they wait, since JavaScript runs to completion.
        on_start: Called with the addon after each start of its process, including the first, before
            any other thread's call reaches it. If it raises, the process is ended, and the call
            that started it raises that exception.
        debug: Whether misuse of Node-API and leaks are reported to the logger `napi_python.host`,
            with native stacks. Slow. See docs/debug.md.
        core_file: Where the core file is put that the kernel writes when the process crashes, for
            debuggers; a file of this name is replaced. It contains the memory of the process, and
            its sandbox permits other processes of this user to inspect it then. See docs/debug.md.
        record: The file in which what passes between this process and the addon's is recorded, with
            all arguments and results, or a `Recording` with options. `python -m napi_python replay`
            plays it. Slow for large buffers, which are copied then. See docs/debug.md.
        profile: Whether calls are counted and measured for `host(addon).profile()`. True measures a
            part of short calls, so that they take some 2 to 6 % longer; "every" measures each call,
            whatever that takes. It cannot be combined with `record`. See docs/profile.md.

    Raises:
        LoadError: The file is not an addon, or cannot be loaded; or the record cannot be written.
        SandboxUnavailable: This system cannot confine the addon as the policy requires.
        TypeError: An option has the wrong type.
        ValueError: An option has an invalid value, or cannot be combined with another.

    """
    file = addon_file(path)
    return open_addon(
        file,
        None,
        _label(name, file),
        isolated=isolated,
        thread=thread,
        sandbox=sandbox,
        remote=remote,
        restart=restart,
        env=env,
        address=address,
        carrier=carrier,
        start_timeout=start_timeout,
        timeout=timeout,
        max_values=max_values,
        unsolicited_cpu=unsolicited_cpu,
        nested_threads=nested_threads,
        on_start=on_start,
        debug=debug,
        core_file=core_file,
        record=record,
        profile=profile,
    )


class Opening:
    """What was opened, and with which options: a pickle of an export refers to it."""

    __slots__ = ("label", "module", "options", "path", "pickled")

    def __init__(
        self,
        path: str,
        module: tuple[str | None, str] | None,
        label: str,
        options: Mapping[str, Any],
    ) -> None:
        """Keeps the arguments of `open_addon`."""
        self.path = path
        self.module = module
        self.label = label
        self.options = options
        #: Its pickle, once there is one.
        self.pickled: bytes | None = None


def open_addon(
    path: str, module: tuple[str | None, str] | None, label: str, **options: Unpack[HostOptions]
) -> _native.Addon:
    """Starts a host that loads the addon `path`, or the module of a name and a folder.

    Raises:
        TypeError: There is no such option.

    """
    unknown = options.keys() - _DEFAULTS.keys()
    if unknown:
        raise TypeError(f"there is no option {min(unknown)!r}: load_addon() lists them")
    opening = Opening(path, module, label, options)
    return _open(path, module, label, opening, {**_DEFAULTS, **options})


def _open(
    path: str,
    module: tuple[str | None, str] | None,
    label: str,
    opening: Opening,
    given: HostOptions,
) -> _native.Addon:
    """Checks the options, of which all are given, and starts the host."""
    isolated, thread, sandbox = given["isolated"], given["thread"], given["sandbox"]
    remote, restart, address = given["remote"], given["restart"], given["address"]
    start_timeout, timeout = given["start_timeout"], given["timeout"]
    core_file, record = given["core_file"], given["record"]
    if not isolated:
        _check_in_process(given)
        sandbox, restart = "none", "never"
    elif thread != "own":
        raise ValueError(f"thread={thread!r} needs isolated=False")
    label = _shown(label)
    confined = _confined("default" if sandbox is None else sandbox)
    if remote not in (None, "public", "exposed"):
        raise ValueError(f"remote must be 'public' or 'exposed', got {remote!r}")
    numbers, policy = _restart.native("on-crash" if restart is None else restart)
    if not isolated:
        policy = "it ran in this process; host(addon).restart() starts it anew"
    if given["carrier"] not in ("auto", "lanes", "socket"):
        raise ValueError(f"carrier must be 'auto', 'lanes' or 'socket', got {given['carrier']!r}")
    profile = given["profile"]
    if not isinstance(profile, bool) and profile != "every":
        raise ValueError(f"profile must be True, False or 'every', got {profile!r}")
    if given["profile"] and given["record"] is not None:
        raise ValueError("profile= cannot be combined with record=, which takes more than calls do")
    _check_numbers(given)
    env = _environment_of(confined, given["env"], address)
    return _native._open(  # noqa: SLF001 - of this package
        path,
        module=module,
        label=label,
        binary=_binary(isolated, address),
        library=None if isolated else (_library(), thread == "caller"),
        public=remote == "public" or (remote is None and confined is None),
        restart=numbers,
        policy=policy,
        env=None if env is None else list(env.items()),
        address=None if address is None else _socket(address),
        carrier=given["carrier"],
        start_timeout=float(start_timeout),
        timeout=None if timeout is None else float(timeout),
        max_values=given["max_values"],
        unsolicited_cpu=float(given["unsolicited_cpu"]),
        nested_threads=bool(given["nested_threads"]),
        debug=bool(given["debug"] or debug_everywhere),
        core_file=None if core_file is None else _core_path(core_file),
        profile=profile == "every" if profile else None,
        log=_log_level(),
        on_start=given["on_start"],
        sandbox=confined,
        opening=opening,
        record=None if record is None else _recorded(record),
    )


def _recorded(record: str | os.PathLike[str] | Recording) -> tuple[str, int, int, bool] | None:
    """Returns what `record=` means, as the native part takes it."""
    from napi_python import _recording  # noqa: PLC0415 - mostly not needed

    return _recording.native(record)


def _log_level() -> int:
    """Returns the lowest level of the lines that the host is to send, as `logging` counts."""
    if "logging" not in sys.modules and "NAPI_PYTHON_LOG" not in os.environ:
        return 20
    from napi_python import _logs  # noqa: PLC0415 - mostly not needed

    return _logs.host_level()


def _core_path(value: str | os.PathLike[str]) -> str:
    """Returns the absolute path of the core file."""
    from napi_python import _core_file  # noqa: PLC0415 - few programs need it

    return _core_file.checked(value)


def _confined(value: object) -> Literal["default", "strict"] | Sandbox | None:
    """Returns the policy or the options that `sandbox=` names, None for "none"."""
    if value == "none":
        return None
    if value == "default" or value == "strict":  # noqa: PLR1714 - they are literals
        return value
    from napi_python._sandbox import Sandbox  # noqa: PLC0415 - takes long to import

    if isinstance(value, Sandbox):
        return value
    text = f"sandbox must be 'default', 'strict', 'none' or a Sandbox(...), got {value!r}"
    raise (ValueError if isinstance(value, str) else TypeError)(text)


def _environment_of(
    confined: Literal["default", "strict"] | Sandbox | None,
    given: Mapping[str, str] | None,
    address: str | os.PathLike[str] | None,
) -> dict[str, str] | None:
    """Returns the environment of a host, None for this process' or a server's own."""
    options = None if isinstance(confined, str) else confined
    if address is not None and (given is not None or (options is not None and options.env)):
        text = (
            "env= cannot be combined with address=: the process gets the environment of the "
            "server; set the variables there"
        )
        raise ValueError(text)
    checked = None if given is None else _environment.checked(given)
    if confined is None or address is not None:
        return checked
    passed = _environment.confined(checked)
    if options is None:
        return passed
    passed |= options.env
    own = options.scratch
    return passed if own in (None, "auto") else _environment.with_folder(passed, str(own))


def _binary(isolated: bool, address: str | os.PathLike[str] | None) -> str:  # noqa: FBT001
    """Returns the path of what starts the process, for messages too."""
    if not isolated:
        return _library()
    return _host_binary() if address is None else _socket(address)


def _socket(address: str | os.PathLike[str]) -> str:
    """Returns the absolute path of a server's socket."""
    text = os.fsdecode(address)
    if not text or "\0" in text:
        raise ValueError(f"address must be the path of a socket, got {text!r}")
    return absolute(text)


def absolute(path: str) -> str:
    """Returns an absolute path, with links and `..` as they are."""
    whole = path if path.startswith("/") else f"{os.getcwd()}/{path}"
    return "/" + "/".join(part for part in whole.split("/") if part not in ("", "."))


def addon_file(path: str | os.PathLike[str]) -> str:
    """Returns the absolute path of the addon's file."""
    text = os.fspath(path)
    if not isinstance(text, str):
        text = os.fsdecode(text)
    if "\0" in text:
        message = f"the path {text!r} contains a NUL character"
        raise _load_error(message, text)
    file = absolute(text)
    if not os.path.exists(file):
        message = f"the file {file} does not exist; build or install the addon first"
        if not text.endswith((".node", ".so")):
            message = f"{message}, or write require({text!r}) to load a package"
        raise _load_error(message, file)
    if os.path.isfile(os.path.join(file, "package.json")):
        message = f"{file} is a package; write require({file!r}) to load it"
        raise _load_error(message, file)
    if not os.path.isfile(file):
        message = f"{file} is not a file; pass the path of the .node file"
        raise _load_error(message, file)
    return file


atexit.register(_native._shutdown)  # noqa: SLF001 - of this package
os.register_at_fork(after_in_child=_native._after_fork)  # noqa: SLF001
