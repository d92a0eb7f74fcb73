"""A virtual environment with a wheel and nothing else, as an ordinary user has it.

Programs run in it without HOME, and find no compiler and no Node: `PATH` has the environment only.
Where the tests run as root, they run as the user `nobody`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

#: The versions of CPython that the wheel is for.
VERSIONS: Final = ("3.11", "3.12", "3.13", "3.14")
SEARCHED: Final = "on PATH, and among the versions of pyenv"
_NOBODY: Final = 65534
#: seconds
_TIMEOUT: Final = 300
# Whether an interpreter can make environments, and where it is installed.
_ASKED: Final = """
import ensurepip, sys, venv
print(*sys.version_info[:2], sep=".", end=" ")
print(sys.base_prefix)
"""


def _user() -> dict[str, Any]:
    """The options of `subprocess` that make a program one of an ordinary user."""
    if os.geteuid() != 0:
        return {}
    return {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}


def _candidates(version: str) -> Iterator[Path]:
    for folder in os.get_exec_path():
        yield Path(folder, f"python{version}")
    root = Path(os.environ.get("PYENV_ROOT") or "~/.pyenv").expanduser()
    yield from sorted((root / "versions").glob(f"{version}.*/bin/python{version}"))


def interpreter(version: str) -> Path | None:
    """Returns the folder of a Python of this version that can make environments, None if none."""
    for program in _candidates(version):
        if program.is_file():
            done = subprocess.run(
                [program, "-I", "-c", _ASKED],
                capture_output=True,
                text=True,
                check=False,
                timeout=_TIMEOUT,
            )
            found, _, prefix = done.stdout.strip().partition(" ")
            if done.returncode == 0 and found == version:
                return Path(prefix)
    return None


@dataclass(frozen=True)
class Environment:
    """An environment with the wheel."""

    #: A folder of the user.
    home: Path
    python: Path
    #: Where the shared library of a copied Python is, or nothing.
    libraries: str

    def run(self, *arguments: object, folder: Path | None = None) -> str:
        """Runs its Python with these arguments; returns what it prints. It must not fail."""
        done = _run([self.python, "-W", "error", *arguments], folder or self.home, self._variables)
        said = f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert (done.returncode, done.stderr) == (0, ""), said
        return done.stdout

    @property
    def _variables(self) -> dict[str, str]:
        return {"PATH": str(self.python.parent), **_library_path(self.libraries)}

    @contextlib.contextmanager
    def folder(self) -> Iterator[Path]:
        """Makes a folder of the user."""
        with tempfile.TemporaryDirectory(dir=self.home) as made:
            give(Path(made))
            yield Path(made)


def _library_path(folder: str) -> dict[str, str]:
    return {"LD_LIBRARY_PATH": folder} if folder else {}


def _run(
    command: list[object], folder: Path, variables: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={"PATH": "", "LC_ALL": "C.UTF-8", **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIMEOUT,
        **_user(),
    )


def give(path: Path) -> None:
    """Gives a file or folder to the user, and lets every user read it."""
    path.chmod(0o755)
    if os.geteuid() == 0:
        os.chown(path, _NOBODY, _NOBODY)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _reachable(prefix: Path, program: Path, home: Path) -> tuple[Path, str]:
    """Returns the program of a Python that the user can run, and the folder of its library.

    Where the user cannot reach the Python, that is a copy of it.
    """
    with contextlib.suppress(PermissionError):
        if _run([program, "-c", ""], home, {}).returncode == 0:
            return program, ""
    copied = home / "python"
    shutil.copytree(prefix, copied, symlinks=True, copy_function=_link)
    return copied / program.relative_to(prefix), str(copied / "lib")


@contextlib.contextmanager
def installed(version: str, prefix: Path, wheel: Path) -> Iterator[Environment]:
    """Makes an environment with the wheel, without a network; removes it at the end."""
    with tempfile.TemporaryDirectory(prefix="napi-python-wheel-") as temporary:
        home = Path(temporary)
        give(home)
        shutil.copyfile(wheel, home / wheel.name)
        give(home / wheel.name)
        program, libraries = _reachable(prefix, prefix / "bin" / f"python{version}", home)
        made = Environment(home, home / "venv" / "bin" / "python", libraries)
        pip = [made.python, "-I", "-m", "pip", "install", "--no-index", "--no-cache-dir"]
        for command in ([program, "-I", "-m", "venv", home / "venv"], [*pip, wheel.name]):
            done = _run([*command], home, _library_path(libraries))
            assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        yield made
