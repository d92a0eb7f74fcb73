"""The command `doctor`: whether this machine has what hosts need, and what to do if not."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from napi_python import _modules, _native, _npm, _text
from napi_python._commands import _cache, _console, _host_program
from napi_python._errors import AddonError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

State = Literal["ok", "note", "FAILED"]

# How many seconds npm may take to say its version.
_NPM_TIMEOUT: Final = 30.0
# With less shared memory, or fewer open files, programs with several addons reach the limit.
_SHARED_MIN: Final = 64 << 20
_FILES_MIN: Final = 256
# How many bytes are read of a file of the kernel.
_FACT_MAX: Final = 4096


class Check(NamedTuple):
    """One thing that was looked at: what was found, and what to do if it is not as it should be.

    "note" is what works with less; "FAILED" is what no addon can be loaded without.
    """

    name: str
    state: State
    found: str
    advice: str = ""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to those of the command line."""
    parser = commands.add_parser(
        "doctor",
        help="check what this machine offers, and what is missing",
        description=(
            "Checks Python, the host program, the kernel, each policy of the sandbox, npm and the "
            "cache, starts a host and calls it. It exits with 1 if addons cannot be loaded in a "
            "sandbox."
        ),
    )
    parser.set_defaults(run=_run)


def _run(_options: argparse.Namespace) -> int:
    system: dict[str, Any] = {}
    checks: list[Check] = []
    for check in _checks(system):
        checks.append(check)
        if not _console.is_json():
            _console.write(_line(check))
    has_failed = any(check.state == "FAILED" for check in checks)
    document = {"ok": not has_failed, "checks": [one._asdict() for one in checks], **system}
    summary = "addons cannot be loaded as they should: see FAILED above" if has_failed else ""
    _console.show(document, summary)
    return _console.FAILED if has_failed else _console.OK


def _line(check: Check) -> str:
    state = _console.bold(check.state) if check.state != "ok" else "ok"
    line = f"{check.name:<14} {state}: {_text.message(check.found)}"
    return f"{line}; {_text.message(check.advice)}" if check.advice else line


def _checks(system: dict[str, Any]) -> Iterator[Check]:
    """Yields the checks; what the host program says of the system is put into `system`."""
    yield _python()
    yield _package()
    yield _host()
    yield _libc()
    yield from _sandbox(system)
    yield _seccomp()
    yield _user_namespaces()
    yield _shared_memory()
    yield _open_files()
    yield _start()
    yield _find_npm()
    yield _node()
    yield _cached()


def _python() -> Check:
    found = f"{platform.python_implementation()} {platform.python_version()} at {sys.executable}"
    return Check("python", "ok", found)


def _package() -> Check:
    folder = Path(_native.__file__).parent
    return Check("napi_python", "ok", f"{_native.__version__} in {folder}")


def _host() -> Check:
    try:
        version = _host_program.version()
    except (AddonError, OSError, _console.CommandError) as error:
        return Check("host", "FAILED", str(error), "install napi-python from its wheel")
    found = f"{version} at {_host_program.path()}"
    if version.split()[-1:] != [_native.__version__]:
        return Check(
            "host",
            "FAILED",
            f"{found}, which is not version {_native.__version__} of the package",
            "reinstall napi-python, and unset NAPI_PYTHON_HOSTD",
        )
    return Check("host", "ok", found)


def _libc() -> Check:
    name, version = platform.libc_ver()
    machine = platform.machine()
    found = f"{name or 'unknown C library'} {version} on {platform.system()} {machine}".strip()
    if name != "glibc" or machine != "x86_64":
        return Check("system", "note", found, "only glibc on Linux on x86-64 is tested")
    return Check("system", "ok", found)


def _sandbox(system: dict[str, Any]) -> Iterator[Check]:
    try:
        found = _host_program.doctor()
    except (AddonError, OSError, _console.CommandError) as error:
        yield Check("kernel", "FAILED", str(error), "repair the host program first")
        return
    system["system"] = found
    landlock = found["landlock"] or "none"
    user = "root" if found["root"] else "an ordinary user"
    yield Check("kernel", "ok", f"Linux {found['kernel']}, Landlock {landlock}, as {user}")
    for policy in found["policies"]:
        layers = policy["layers"] or []
        missing = [
            f"{layer['name']} {layer['state']}"
            + (f" ({os.strerror(layer['errno'])})" if layer["errno"] else "")
            for layer in layers
            if layer["required"] and layer["state"] != "applied"
        ]
        name = f"policy {policy['name']}"
        if policy["available"]:
            applied = sum(1 for layer in layers if layer["state"] == "applied")
            yield Check(name, "ok", f"{applied} layers applied")
            continue
        why = ", ".join(missing) or policy["error"] or "it cannot be tried"
        is_default = policy["name"] == "default"
        advice = "docs/sandbox.md explains each layer"
        if is_default:
            advice += "; sandbox=Sandbox(degrade='allow') loads addons without them"
        yield Check(name, "FAILED" if is_default else "note", why, advice)


def _fact(path: str) -> str | None:
    """Returns what a file of the kernel says; None if it is not there."""
    try:
        with Path(path).open("rb") as file:
            return file.read(_FACT_MAX).decode("utf-8", "replace").strip()
    except OSError:
        return None


def _seccomp() -> Check:
    actions = _fact("/proc/sys/kernel/seccomp/actions_avail")
    if actions is None:
        return Check("seccomp", "note", "the kernel does not say what it has", "see the policies")
    status = _fact("/proc/self/status") or ""
    mode = next((line[8:].strip() for line in status.splitlines() if line[:8] == "Seccomp:"), "?")
    own = {"0": "no filter on this process", "2": "a filter on this process"}
    return Check("seccomp", "ok", f"{own.get(mode, f'mode {mode}')}; the kernel has {actions}")


def _user_namespaces() -> Check:
    most = _fact("/proc/sys/user/max_user_namespaces")
    restricted = _fact("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
    cloned = _fact("/proc/sys/kernel/unprivileged_userns_clone")
    found = f"at most {most}" if most is not None else "the kernel has none"
    if most in {None, "0"}:
        return Check(
            "namespaces", "note", found, "the policy strict needs them: user.max_user_namespaces"
        )
    if restricted == "1" and os.geteuid():
        return Check(
            "namespaces",
            "note",
            f"{found}, restricted by AppArmor",
            "the policy strict needs them: kernel.apparmor_restrict_unprivileged_userns=0",
        )
    if cloned == "0" and os.geteuid():
        return Check(
            "namespaces",
            "note",
            f"{found}, for root only",
            "the policy strict needs them: kernel.unprivileged_userns_clone=1",
        )
    return Check("namespaces", "ok", found)


def _shared_memory() -> Check:
    try:
        os.close(os.memfd_create("napi-python-doctor", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING))
    except OSError as error:
        return Check(
            "shared memory",
            "note",
            f"memfd_create fails: {error.strerror}",
            "messages travel over a socket, which is slower",
        )
    try:
        usage = shutil.disk_usage("/dev/shm")  # noqa: S108 - where the kernel has named memory
    except OSError:
        return Check("shared memory", "note", "no /dev/shm", "pools with a name need it")
    found = f"memory files work; /dev/shm has {_console.size(usage.free)} free"
    if usage.free < _SHARED_MIN:
        return Check("shared memory", "note", found, "enlarge /dev/shm for pools with a name")
    return Check("shared memory", "ok", found)


def _open_files() -> Check:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    shown = "no limit" if soft == resource.RLIM_INFINITY else f"at most {soft}, up to {hard}"
    if 0 <= soft < _FILES_MIN:
        return Check("open files", "note", shown, "raise it with ulimit -n for several addons")
    return Check("open files", "ok", shown)


def _start() -> Check:
    begun = time.monotonic()
    try:
        with _modules.open_host(root=os.sep) as opened:
            answer = opened.run_script("6 * 7")
            layers = opened.sandbox.degraded
    except (AddonError, OSError) as error:
        return Check("call", "FAILED", str(error), "see the checks above")
    took = f"{(time.monotonic() - begun) * 1e3:.0f} ms"
    if answer != 42 or layers:  # noqa: PLR2004 - the answer to the script
        return Check("call", "FAILED", f"a host answered {answer!r}", "see the checks above")
    return Check("call", "ok", f"a host started in a sandbox, answered and ended in {took}")


def _find_npm() -> Check:
    found = _npm.usable(time.monotonic() + _NPM_TIMEOUT)
    if isinstance(found, str):
        return Check("npm", "note", found, f"to install packages, {_npm.WAYS}")
    return Check("npm", "ok", found.command[-1])


def _node() -> Check:
    found = shutil.which("node")
    if found is None:
        return Check("node", "note", "not on PATH", "only napi-python bench --mode node needs it")
    return Check("node", "ok", found)


def _cached() -> Check:
    folder = _cache.folder()
    if folder is None:
        return Check("cache", "note", "neither HOME nor XDG_CACHE_HOME is set", "nothing is stored")
    usage = _cache.usage(folder)
    found = f"{usage.entries} entries, {_console.size(usage.size)} in {folder}"
    return Check("cache", "ok", found)
