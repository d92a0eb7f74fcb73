"""Loading addons, and the functions that work on loaded ones."""

from __future__ import annotations

import atexit
import os
import pathlib
from typing import TYPE_CHECKING, Any, Literal

# Native code calls the hints, also while the interpreter ends, when it is too late for an import.
from napi_python import _denials, _hints, _native, _sandbox  # noqa: F401
from napi_python._errors import LoadError
from napi_python._restart import RestartPolicy, native

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napi_python._sandbox import Sandbox

HOST_VARIABLE = "NAPI_PYTHON_HOSTD"
# Whether every addon is loaded in debug mode; the pytest fixture says so while its test runs.
debug_everywhere = False


def _host_binary() -> str:
    """Returns the path of the host program."""
    given = os.environ.get(HOST_VARIABLE)
    if given:
        if not os.access(given, os.X_OK):
            text = f"{HOST_VARIABLE} is set to {given}, which does not exist or is not executable"
            raise LoadError(text, path=given)
        return given
    bundled = pathlib.Path(__file__).with_name("_bin") / "napi-hostd"
    if not os.access(bundled, os.X_OK):
        text = (
            f"the host program {bundled} does not exist: install napi_python from its wheel, "
            f"or set {HOST_VARIABLE} to a napi-hostd that you built"
        )
        raise LoadError(text, path=str(bundled))
    return str(bundled)


def _label(path: pathlib.Path) -> str:
    """Returns the name of an addon in messages and logs."""
    name = path.name.removesuffix(".node").removesuffix(".so")
    return name.removeprefix("lib") or "addon"


def _refuse_what_is_not_built(isolated: bool) -> None:  # noqa: FBT001
    if not isolated:
        text = (
            "isolated=False (the same engine in this process) is not implemented; leave it out to "
            "run the addon in its own process"
        )
        raise NotImplementedError(text)


def load_addon(  # noqa: PLR0913 - all but the path are options
    path: str | os.PathLike[str],
    *,
    isolated: bool = True,
    sandbox: Literal["default", "strict", "none"] | Sandbox = "default",
    remote: Literal["public", "exposed"] | None = None,
    restart: Literal["on-crash", "never"] | RestartPolicy = "on-crash",
    name: str | None = None,
    env: Mapping[str, str] | None = None,
    address: str | os.PathLike[str] | None = None,
    carrier: Literal["auto", "lanes", "socket"] = "auto",
    start_timeout: float = 10.0,
    timeout: float | None = None,
    nested_threads: bool = False,
    on_start: Callable[[_native.Addon], object] | None = None,
    debug: bool = False,
) -> _native.Addon:
    """Loads a Node-API addon in a process of its own and returns its exports.

    Args:
        path: The `.node` file.
        isolated: Must be True; running the addon in this process is not implemented.
        sandbox: What the addon may do: "default" (its own files and a folder for what it leaves
            behind; no network, no other processes), "strict" (the same, and nothing else exists
            for it), "none" (everything this user may), or a `Sandbox` with options. See
            docs/sandbox.md.
        remote: What of other Python objects the addon sees. "public" (the default with
            sandbox="none"): instances of classes written in Python are live for their public names.
            "exposed" (the default with any other): nothing but what `expose` and `by_ref` show.
        restart: Whether the call after a crash finds a fresh process ("on-crash") or raises
            `AddonCrashed` again ("never"); a `RestartPolicy` is a budget of crashes.
        name: The addon's name in messages and in the logger `napi_python.addon.<name>`.
        env: The environment of the process. Left out, it is this one's, or, with a sandbox, what
            this one says of language and time zone.
        address: The socket of a running `napi-hostd serve` of this user, which starts the process
            in its own environment, whatever the sandbox says of that; left out, this process starts
            it.
        carrier: How messages travel; "auto" uses shared memory where it is available.
        start_timeout: Seconds that the process may take to be ready, and then the addon to load.
        timeout: Seconds that each call may take, what is nested in it included; then it raises
            `AddonTimeout`, as under `deadline`. Without it, calls wait without end.
        nested_threads: Whether calls of other threads run while a Python callback is waited for,
            on top of it. Without it they wait, since JavaScript runs to completion.
        on_start: Called with the addon after each start of its process, the first included, before
            any other thread's call reaches it. What it raises is raised by the call that started
            the process, which is ended.
        debug: Whether the addon's misuse of Node-API and what it never gives back are reported to
            the logger `napi_python.host`, with native stacks. Slow. See docs/debug.md.

    Raises:
        LoadError: The file is not an addon, or cannot be loaded.
        SandboxUnavailable: This system cannot confine it as the policy requires.

    """
    _refuse_what_is_not_built(isolated)
    confined = _sandbox.parse(sandbox)
    if remote not in (None, "public", "exposed"):
        text = f"remote must be 'public' or 'exposed', got {remote!r}"
        raise ValueError(text)
    numbers, policy = native(restart)
    if carrier not in ("auto", "lanes", "socket"):
        text = f"carrier must be 'auto', 'lanes' or 'socket', got {carrier!r}"
        raise ValueError(text)
    if not start_timeout > 0:
        text = f"start_timeout must be > 0 seconds, got {start_timeout!r}"
        raise ValueError(text)
    if address is not None and (env is not None or (confined is not None and confined.env)):
        text = (
            "env= cannot be combined with address=: the process gets the environment of the "
            "server; set the variables there"
        )
        raise ValueError(text)
    if timeout is not None and not timeout > 0:
        text = f"timeout must be > 0 seconds or None, got {timeout!r}"
        raise ValueError(text)
    file = _addon_file(path)
    if confined is not None:
        env = None if address is not None else _sandbox.environment(confined, env)
    return _native._open(  # noqa: SLF001 - of this package
        str(file),
        label=name or _label(file),
        binary=_host_binary() if address is None else os.fsdecode(address),
        public=remote == "public" or (remote is None and confined is None),
        restart=numbers,
        policy=policy,
        env=None if env is None else [(str(k), str(v)) for k, v in env.items()],
        address=None if address is None else str(pathlib.Path(os.fsdecode(address)).absolute()),
        carrier=carrier,
        start_timeout=float(start_timeout),
        timeout=None if timeout is None else float(timeout),
        nested_threads=bool(nested_threads),
        debug=bool(debug or debug_everywhere),
        on_start=on_start,
        sandbox=None if confined is None else _sandbox.native(confined),
        policy_of_sandbox=confined,
    )


def _addon_file(path: str | os.PathLike[str]) -> pathlib.Path:
    """Returns the addon's file, or raises a `LoadError` that says why there is none."""
    text = os.fspath(path)
    if not isinstance(text, str):
        text = os.fsdecode(text)
    if "\0" in text:
        message = f"the path {text!r} contains a NUL character"
        raise LoadError(message, path=text)
    file = pathlib.Path(text).absolute()
    if not file.exists():
        message = f"the file {file} does not exist; build or install the addon first"
        raise LoadError(message, path=str(file))
    if not file.is_file():
        message = f"{file} is not a file; pass the path of the .node file"
        raise LoadError(message, path=str(file))
    return file


def host(addon: _native.Addon, /) -> _native.Host:
    """Returns the process of an addon: its pid, generation, statistics, restart and close."""
    return _native._host(addon)  # noqa: SLF001 - of this package


def construct(
    function: _native.JSFunction | _native.JSClass | _native.Addon,
    /,
    *args: object,
    **kwargs: object,
) -> Any:  # noqa: ANN401 - any JavaScript value
    """Returns `new function(...args)`: for functions that are meant to construct."""
    return _native._construct(function, args, kwargs)  # noqa: SLF001 - of this package


def new_object(addon: _native.Addon, value: object = None, /) -> _native.JSObject:
    """Makes a JavaScript object that lives in the host, of plain data.

    Passed to the addon it is the same object every time, unlike a dict, which is copied.
    """
    return _native._new_object(addon, {} if value is None else value)  # noqa: SLF001


def clear_cache() -> None:
    """Removes what confined addons stored in their cache folders for later processes.

    Processes that run keep their own copies. docs/sandbox.md, "The cache", says what is stored.

    Raises:
        OSError: An entry could not be removed.

    """
    _native._clear_cache()  # noqa: SLF001 - of this package


atexit.register(_native._shutdown)  # noqa: SLF001 - of this package
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_native._after_fork)  # noqa: SLF001
