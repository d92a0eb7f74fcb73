"""Denials of a confined addon are reported by a note on its exception, or else by a warning."""

from __future__ import annotations

import asyncio
import errno
import pathlib
import queue
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import addon_path
from napi_python import (
    Addon,
    JSError,
    Sandbox,
    SandboxUnavailable,
    SandboxWarning,
    host,
    load_addon,
)
from napi_python._denials import Denials


@pytest.fixture
def system() -> Iterator[Addon]:
    """The sample under the default policy."""
    with load_addon(addon_path("system")) as addon:
        yield addon


def attempts(ungranted: pathlib.Path) -> list[tuple[tuple[str, ...], str, str]]:
    """What is attempted, what is said to be denied, and the option."""
    file, new = str(ungranted / "file"), str(ungranted / "new")
    read, change = f'read of "{file}"', f'write to "{file}"'
    entry = f'write=["{ungranted}"]'
    return [
        (("open", file), read, f'read=["{file}"]'),
        (("openat", file), read, f'read=["{file}"]'),
        (("read", file), read, f'read=["{file}"]'),
        (("opendir", str(ungranted)), f'read of "{ungranted}"', f'read=["{ungranted}"]'),
        (("write", file), change, f'write=["{file}"]'),
        (("create", new), f'write to "{new}"', entry),
        (("mkdir", new), f'write to "{new}"', entry),
        (("unlink", file), change, entry),
        (
            ("rename", file, str(ungranted / "other" / "x")),
            change,
            f'{entry[:-1]}, "{ungranted}/other"]',
        ),
        (("socket",), "network access by a socket", "network=True"),
        (("lookup", "host.invalid"), 'network access by "host.invalid"', "network=True"),
        (("spawn", "/bin/true"), 'start of "/bin/true"', "subprocess=True"),
        (("watch",), "watching of files", "watch=True"),
    ]


def test_exception_has_a_note_about_the_denial(system: Addon, ungranted: pathlib.Path) -> None:
    for call, denied, option in attempts(ungranted):
        for _ in range(2):
            with pytest.raises(JSError, match="could not do it") as caught:
                system.demand(*call)
            (note,) = caught.value.__notes__
            assert f"denied {denied}; pass sandbox=Sandbox({option})" in note, call


def test_call_that_does_not_raise_warns_once(ungranted: pathlib.Path) -> None:
    for call, denied, option in attempts(ungranted):
        with load_addon(addon_path("system")) as system:
            with pytest.warns(SandboxWarning) as warned:
                assert system.attempt(*call) != 0
            text = f"system.attempt: denied {denied}; pass sandbox=Sandbox({option})"
            assert [str(one.message) for one in warned] == [text]
            assert warned[0].filename == __file__
            system.attempt(*call)
            (listed,) = host(system).stats()["denied"]
            assert listed["option"] == f"sandbox=Sandbox({option})"


def test_advice_works_and_keeps_earlier_grants(ungranted: pathlib.Path) -> None:
    sandbox = Sandbox(read=[ungranted / "other"])
    file = ungranted / "file"
    with (
        load_addon(addon_path("system"), sandbox=sandbox) as system,
        pytest.raises(JSError) as caught,
    ):
        system.demand("open", str(file))
    _, _, advice = caught.value.__notes__[0].partition("pass sandbox=")
    advised = eval(advice, {"Sandbox": Sandbox})  # noqa: S307 - what is pasted
    assert advised == Sandbox(read=[ungranted / "other", file])
    with load_addon(addon_path("system"), sandbox=advised) as system:
        assert system.attempt("open", str(file)) == 0


def test_nothing_is_said_where_nothing_is_denied(system: Addon, tmp_path: pathlib.Path) -> None:
    """Warnings are errors in these tests."""
    assert system.attempt("open", str(tmp_path / "absent")) == errno.ENOENT
    assert system.attempt("stat", str(tmp_path)) == 0
    # Many programs look there.
    assert system.attempt("open", "/proc/1/environ") != 0
    with pytest.raises(JSError) as caught:
        system.demand("open", str(tmp_path / "absent"))
    assert not hasattr(caught.value, "__notes__")
    assert host(system).stats()["denied"] == []
    with load_addon(addon_path("system"), sandbox="none") as free:
        assert free.attempt("open", str(tmp_path)) == 0
        assert host(free).stats()["denied"] == []


def test_denial_on_another_thread_is_noted_on_the_rejection(
    system: Addon, ungranted: pathlib.Path
) -> None:
    file = str(ungranted / "file")
    with pytest.raises(JSError) as caught:
        system.demandLater("open", file).result(30)
    assert f'denied read of "{file}"' in caught.value.__notes__[0]

    async def wait() -> Any:
        return await system.demandLater("open", file)

    with pytest.raises(JSError) as caught:
        asyncio.run(wait())
    assert f'denied read of "{file}"' in caught.value.__notes__[0]
    told: queue.Queue[Any] = queue.Queue()
    system.callBack("open", file, "", told.put)
    assert f'denied read of "{file}"' in told.get(timeout=30).__notes__[0]
    with pytest.warns(SandboxWarning, match="denied read of"):
        assert system.attemptLater("opendir", str(ungranted)).result(30) == errno.EACCES


def test_asking_for_an_outcome_does_not_report_the_denial(
    system: Addon, ungranted: pathlib.Path
) -> None:
    """The denial comes with the reply, before the rejection that it belongs to."""
    file = str(ungranted / "file")

    async def wait() -> None:
        # From now on this loop takes the turns.
        assert await system.attemptLater("stat", str(ungranted)) == 0
        promise = system.demandDone("open", file)
        with pytest.raises(RuntimeError, match="await the promise"):
            promise.result()
        await promise

    with pytest.raises(JSError) as caught:
        asyncio.run(wait())
    assert f'denied read of "{file}"' in caught.value.__notes__[0]


def test_rejection_that_overtakes_its_promise_keeps_its_note(
    system: Addon, ungranted: pathlib.Path
) -> None:
    """While the changes of the argument are converted, another thread reads the rejection."""
    file = str(ungranted / "file")
    change = """(call, path, list) => {
        for (const place of list.keys()) list[place] = new Date(0);
        return call("open", path);
    }"""
    changed = host(system).run_script(change)
    for _ in range(5):
        promise = changed(system.demandLater, file, [0] * 20_000)
        with pytest.raises(JSError) as caught:
            promise.result(30)
        assert f'denied read of "{file}"' in caught.value.__notes__[0]


def test_strict_names_paths_that_do_not_exist_for_the_addon(ungranted: pathlib.Path) -> None:
    try:
        addon = load_addon(addon_path("system"), sandbox="strict")
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    with addon, pytest.raises(JSError) as caught:
        addon.demand("opendir", str(ungranted / "file"))
    assert not hasattr(caught.value, "__notes__")
    with load_addon(addon_path("system"), sandbox="strict") as addon:
        fail = host(addon).run_script(
            "(path) => { addon.attempt('open', path); throw new Error('ENOENT: no such file') }"
        )
        with pytest.raises(JSError) as caught:
            fail(str(ungranted / "file"))
    assert f'policy="strict", read=["{ungranted}/file"]' in caught.value.__notes__[0]


def test_forged_denials_are_escaped_and_bounded() -> None:
    denials = Denials(Sandbox())
    for number in range(2000):
        denials.add([("read", True, False, b"/\x1b[31m\xff%d" % number, [b"/\x1b\xff"])])
    assert len(denials.listed()) <= 256
    note = denials.note(denials.take(guesses=False))
    assert len(note) < 2000
    assert "\x1b" not in note
    assert note.isprintable()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        denials.add([("read", True, False, b"/\x1b[31m", [])])
        assert denials.warn("x", is_end=False) is False
    assert all("\x1b" not in str(one.message) for one in seen)
