"""Node's fs in a confined host: what is denied is EACCES as in Node, with a note on the option."""

from __future__ import annotations

import asyncio
import errno
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import addon_path
from napi_python import Addon, JSError, Sandbox, host, load_addon

# What is called, with the path: the system call that Node names, and what is said to be denied.
CALLS = [
    ("readFileSync(path)", "open", "read of"),
    ("readFileSync(path, 'utf8')", "open", "read of"),
    ("openSync(path, 'r')", "open", "read of"),
    ("writeFileSync(path, 'x')", "open", "write to"),
    ("appendFileSync(path, 'x')", "open", "write to"),
    ("copyFileSync(path, `${path}.copy`)", "copyfile", "read of"),
    ("unlinkSync(path)", "unlink", "write to"),
    ("renameSync(path, `${path}.new`)", "rename", "write to"),
    ("linkSync(path, `${path}.new`)", "link", "write to"),
]


@pytest.fixture
def addon() -> Iterator[Addon]:
    """An addon under the default policy, in whose host scripts run."""
    with load_addon(addon_path("number")) as addon:
        yield addon


def script(addon: Addon, body: str) -> Any:
    """A function of a path whose body uses fs."""
    return host(addon).run_script(
        f"(path) => {{ const fs = process.getBuiltinModule('fs'); return fs.{body}; }}"
    )


def check(error: JSError, syscall: str, denied: str, path: str) -> None:
    """The error is Node's, and its note names path and option."""
    assert (error.code, error.errno, error.syscall) == ("EACCES", -errno.EACCES, syscall)
    assert error.message.startswith(f"EACCES: permission denied, {syscall} '{path}'")
    assert error.path == path
    (note,) = error.__notes__
    assert f'denied {denied} "{path}"' in note
    assert "pass sandbox=Sandbox(" in note


@pytest.mark.parametrize(("call", "syscall", "denied"), CALLS, ids=[call for call, _, _ in CALLS])
def test_denied_call_is_eacces_with_a_note(
    addon: Addon, ungranted: pathlib.Path, call: str, syscall: str, denied: str
) -> None:
    file = str(ungranted / "file")
    with pytest.raises(JSError) as caught:
        script(addon, call)(file)
    check(caught.value, syscall, denied, file)
    assert (ungranted / "file").read_text() == "mine"


def test_denied_folders(addon: Addon, ungranted: pathlib.Path) -> None:
    with pytest.raises(JSError) as caught:
        script(addon, "readdirSync(path)")(str(ungranted))
    check(caught.value, "scandir", "read of", str(ungranted))
    made = str(ungranted / "made")
    for call in ("mkdirSync(path)", "mkdirSync(path, { recursive: true })"):
        with pytest.raises(JSError) as caught:
            script(addon, call)(made)
        check(caught.value, "mkdir", "write to", made)
    assert not (ungranted / "made").exists()


def test_denied_promise_is_rejected_with_a_note(addon: Addon, ungranted: pathlib.Path) -> None:
    file = str(ungranted / "file")

    async def read() -> Any:
        return await script(addon, "promises.readFile(path, 'utf8')")(file)

    with pytest.raises(JSError) as caught:
        asyncio.run(read())
    check(caught.value, "open", "read of", file)


def test_what_is_granted_is_read_and_written(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("hällo")
    with load_addon(addon_path("number"), sandbox=Sandbox(write=[tmp_path])) as addon:
        assert script(addon, "readFileSync(path, 'utf8')")(str(tmp_path / "file")) == "hällo"
        script(addon, "mkdirSync(path, { recursive: true })")(str(tmp_path / "a" / "b"))
        script(addon, "writeFileSync(path, 'new')")(str(tmp_path / "a" / "new"))
        script(addon, "copyFileSync(path, `${path}.copy`)")(str(tmp_path / "file"))
        script(addon, "cpSync(path, `${path}.tree`, { recursive: true })")(str(tmp_path / "a"))
        script(addon, "cpSync(path, `${path}.copy2`)")(str(tmp_path / "file"))
        found = script(addon, "promises.readdir(path)")(str(tmp_path)).result(30)
        with pytest.raises(JSError, match="EPERM: operation not permitted, chmod"):
            script(addon, "chmodSync(path, 0o600)")(str(tmp_path / "file"))
    assert sorted(found) == ["a", "a.tree", "file", "file.copy", "file.copy2"]
    assert (tmp_path / "a" / "new").read_text() == "new"
    assert (tmp_path / "a" / "b").is_dir()


def test_missing_file_is_not_said_to_be_denied(addon: Addon, tmp_path: pathlib.Path) -> None:
    with pytest.raises(JSError) as caught:
        script(addon, "readFileSync(path)")(str(tmp_path / "absent"))
    assert caught.value.code == "ENOENT"
    assert not any("denied" in note for note in caught.value.__notes__)
