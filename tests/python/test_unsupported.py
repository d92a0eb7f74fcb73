"""A system that is too old: the import says what is too old and what is needed."""

from __future__ import annotations

import errno
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import filtered
import napi_python
import pytest
from napi_python import _unsupported

PIDFD_OPEN, WAITID, P_PIDFD = 434, 247, 3

MISSING = "/lib64/libc.so.6: version `GLIBC_2.18' not found (required by /x/_native.abi3.so)"
IMPORT = """
try:
    import napi_python
except ImportError as error:
    print(type(error).__name__, error.name, error)
"""


def explained(said: str) -> str:
    return str(_unsupported.explained(ImportError(said, name="napi_python._native")))


def confstr(monkeypatch: pytest.MonkeyPatch, answer: str | None) -> None:
    monkeypatch.setattr(os, "confstr", lambda _: answer)


def test_old_glibc_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    confstr(monkeypatch, "glibc 2.17")
    text = explained(MISSING)
    assert text.startswith(
        "cannot import napi_python: this system is too old: it has glibc 2.17, and this build of "
        "napi_python needs glibc 2.28 or newer; "
    )
    assert text.endswith(f"what failed: {MISSING}")


def test_build_for_a_newer_glibc_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    confstr(monkeypatch, "glibc 2.31")
    assert "needs glibc 2.34 or newer" in explained(MISSING.replace("2.18", "2.34"))
    assert "needs glibc 2.100 or newer" in explained(MISSING.replace("2.18", "2.100"))


@pytest.mark.parametrize("answer", [None, "musl", "glibc", "glibc ?"])
def test_other_c_library_is_named(monkeypatch: pytest.MonkeyPatch, answer: str | None) -> None:
    confstr(monkeypatch, answer)
    text = explained("Error relocating /x/_native.abi3.so: gnu_get_libc_version: symbol not found")
    assert "it needs glibc 2.28 or newer, and this Python uses another C library" in text


@pytest.mark.parametrize("error", [ValueError("unrecognized name"), OSError(errno.EINVAL, "")])
def test_c_library_that_does_not_know_the_question(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def confstr(_: str) -> str:
        raise error

    monkeypatch.setattr(os, "confstr", confstr)
    assert _unsupported.glibc() is None


def test_other_machines_and_builds_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(platform, "machine", lambda: "aarch64")
        assert "it needs a processor of x86_64, and this is aarch64" in explained("x")
    with monkeypatch.context() as patch:
        patch.setattr(sysconfig, "get_config_var", lambda _: 1)
        assert "it does not support a free-threaded Python" in explained("x")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", "darwin")
        patch.setattr(platform, "system", lambda: "Darwin")
        assert "it needs Linux, and this is Darwin" in explained("x")


def test_other_reasons_are_left_as_they_are() -> None:
    error = ImportError("no such file")
    assert _unsupported.explained(error) is error


def imported(folder: Path) -> str:
    """Imports a copy of the package with a native part that cannot be loaded; what it prints."""
    source = Path(napi_python.__file__).parent
    copied = folder / "napi_python"
    shutil.copytree(source, copied, ignore=shutil.ignore_patterns("_bin", "*.so", "__pycache__"))
    (copied / "_native.py").write_text(f"raise ImportError({MISSING!r}, name=__name__)\n")
    program = f"import os; os.confstr = lambda _: 'glibc 2.17'\n{IMPORT}"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_import_raises_what_is_explained(tmp_path: Path) -> None:
    text = imported(tmp_path)
    assert text.startswith("ImportError napi_python._native cannot import napi_python: this system")
    assert "it has glibc 2.17" in text


@pytest.mark.parametrize(
    ("missing", "what"),
    [
        ([PIDFD_OPEN, None, errno.ENOSYS], "pidfd_open"),
        ([WAITID, P_PIDFD, errno.EINVAL], "P_PIDFD of waitid"),
    ],
)
def test_old_kernel_is_named(missing: list[int | None], what: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: filtered.take_away([missing]),
    )
    release = os.uname().release
    assert done.stdout == (
        "ImportError None cannot import napi_python: this kernel, Linux "
        f"{release}, is too old: it does not have {what}; use Linux 5.4 or newer\n"
    )


def test_call_that_a_filter_forbids_is_no_old_kernel() -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{IMPORT}\nprint('imported')"],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: filtered.take_away([[PIDFD_OPEN, None, errno.EPERM]]),
    )
    assert done.stdout == "imported\n"
