"""Hostile replies; each once made the client wait, allocate or call without end."""

from __future__ import annotations

import concurrent.futures
import contextlib
import resource
import threading
import time
from pathlib import Path

import pytest
from conftest import addon_path
from forged import loaded
from napi_python import (
    AddonError,
    AddonTimeout,
    JSError,
    ProtocolError,
    deadline,
    host,
    js_class,
    load_addon,
)

OBJECT, PROMISE = 2, 3

# Any call returns an object of this kind; `more` answers requests about it.
OBJECT_FIRST = """
    def answer(host, number, body):
        if number == CALL:
            host.reply(lent(7, {kind}, {cls}))
        else:
            more(host, number, body)
"""


def script(more: str, kind: int = OBJECT, cls: int = 0) -> str:
    return f"def more(host, number, body):\n{more}\n" + "\n".join(
        line[4:] for line in OBJECT_FIRST.format(kind=kind, cls=cls).splitlines()
    )


@pytest.mark.parametrize("answer", ["lent(7, 2)", "array(lent(7, 2))", "text('name')"])
def test_names_are_a_list_of_strings(answer: str, tmp_path: Path) -> None:
    """An object in place of the list was iterated over, which never ended."""
    more = f"""
    host.reply({{9: {answer}, 16: lent(8, 2), 17: b"\\0" + text("x")}}.get(number, NULL))
"""
    with loaded(tmp_path, script(more), addon_path("primitive"), timeout=2) as addon:
        made = addon.f()
        with deadline(5), pytest.raises(ProtocolError, match="list of strings"):
            dir(made)


@pytest.mark.parametrize("answer", ["lent(9, 2)", "array()", "NULL"])
def test_text_of_an_object_is_a_string(answer: str, tmp_path: Path) -> None:
    """An object in place of the text was converted to text itself, until the stack was used up."""
    with loaded(tmp_path, script(f"    host.reply({answer})"), addon_path("primitive")) as addon:
        made = addon.f()
        with pytest.raises(ProtocolError, match="not a string"):
            str(made)


def test_promise_that_was_settled_cannot_be_pending(tmp_path: Path) -> None:
    """Such a promise was requested again and again."""
    more = """
    watch = 5
    if number == 15:
        settled = u32(1, 7, watch) + b"\\0"
        host.notice(65, settled)
        host.reply(b"\\0" + u32(watch))
    else:
        host.reply(b"\\0" + u32(0))
"""
    with loaded(tmp_path, script(more, PROMISE), addon_path("primitive"), timeout=3) as addon:
        made = addon.f()
        # Another thread reads the report, before or after one of the replies.
        end = time.monotonic() + 20
        with pytest.raises(AddonError) as raised:
            while time.monotonic() < end:
                with deadline(10):
                    made.done()
        assert "pending although it was settled" in str(raised.value) or (
            "pending although it was settled" in str(raised.value.__cause__)
        )


def test_class_that_is_an_export_is_defined_once(tmp_path: Path) -> None:
    """A class that the host made of the exported one was defined again without end."""

    class Shown:
        pass

    shown = js_class(Shown)

    answers = """
        EXPORTS = lent(1, 2) + u32(2) + text("f") + lent(2, 0)
        EXPORTS += text("C") + lent(3, 1)
        asked = []

        def answer(host, number, body):
            asked.append(number)
            if len(asked) > 20:
                sys.exit("defined again and again")
            if number == 11:
                host.reply(lent(4, 0))
            elif body[-5:-4] == b"\\x17" or struct.unpack_from("<I", body)[0] == 4:
                host.reply(lent(3, 1))
            else:
                host.reply(NULL)
    """
    with loaded(tmp_path, answers, addon_path("primitive"), timeout=5) as addon:
        assert addon.f(shown) is None
        assert addon.f(shown, Shown()) is None


def test_bytes_of_a_frame_are_within_the_budget(tmp_path: Path) -> None:
    answers = """
        def answer(host, number, body):
            host.reply(text("x" * (64 << 20)))
    """
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with (
        loaded(tmp_path, answers, addon_path("primitive"), max_values=1000) as addon,
        pytest.raises(ProtocolError, match="beyond the limit"),
    ):
        addon.f()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 << 10


def test_deletes_end_at_the_deadline(tmp_path: Path) -> None:
    answers = """
        COUNT = 300_000
        KEYS = b"".join(text("key %d" % number) for number in range(COUNT))
        DELETES = u32(1, 0) + b"\\1" + u32(0, COUNT) + KEYS

        def answer(host, number, body):
            host.reply(DELETES + NULL, WRITE_BACK)
    """
    count = 300_000
    with loaded(tmp_path, answers, addon_path("primitive"), timeout=20) as addon:

        def left(part: float) -> int:
            values = {f"key {number}": number for number in range(count)}
            with deadline(part), contextlib.suppress(AddonTimeout):
                addon.f(values)
            return len(values)

        began = time.monotonic()
        assert left(20.0) == 0
        took = time.monotonic() - began
        # One of these deadlines passes between the first deletion and the last.
        assert any(0 < left(took * part / 20) < count for part in range(4, 24))


@pytest.mark.parametrize(
    ("received", "count", "message"), [(0, 1, "no receipt"), (1, 1 << 15, "too many releases")]
)
def test_releases_are_of_something_and_not_too_many(
    received: int, count: int, message: str, tmp_path: Path
) -> None:
    """Releases of nothing are work without end, which no budget counts."""
    answers = f"""
        ENTRY = struct.pack("<IQQ", 1, {received}, 0)

        def answer(host, number, body):
            host.reply(u32({count}) + ENTRY * {count} + NULL, RELEASES)
    """
    with (
        loaded(tmp_path, answers, addon_path("primitive")) as addon,
        pytest.raises(ProtocolError, match=message),
    ):
        addon.f(print)


def test_notice_is_no_longer_than_the_home_lane(tmp_path: Path) -> None:
    answers = """
        def answer(host, number, body):
            host.notice(66, text("x" * (32 << 20)) + NULL)
            host.reply(NULL)
            host.next()
    """
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with (
        loaded(tmp_path, answers, addon_path("primitive"), timeout=5) as addon,
        pytest.raises(AddonError, match="beyond the limit"),
    ):
        addon.f([addon.f(), addon.f()])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 << 10


def test_breach_while_loading_ends_no_other_host(tmp_path: Path) -> None:
    """What the thread remembered of it ended the host of its next exception."""
    with load_addon(addon_path("primitive")) as innocent:
        pid = host(innocent).pid
        with (
            pytest.raises(ProtocolError),
            loaded(tmp_path, "EXPORTS = answer = NULL", addon_path("primitive")),
        ):
            pass
        with pytest.raises(JSError, match="its own"):
            host(innocent).run_script("throw new Error('its own')")
        assert host(innocent).run_script("1") == 1
        assert host(innocent).pid == pid


@pytest.mark.parametrize("timeout", [0.2, 0.5])
def test_result_ends_at_its_timeout_whatever_the_host_answers(
    timeout: float, tmp_path: Path
) -> None:
    """The request had no limit, and the host does not answer."""
    with loaded(tmp_path, script("    host.next()", PROMISE), addon_path("primitive")) as addon:
        made = addon.f()
        began = time.monotonic()
        with pytest.raises(AddonTimeout):
            made.result(timeout)
        assert time.monotonic() - began < timeout + 1


def test_settling_thread_survives_a_host_that_refuses_results(tmp_path: Path) -> None:
    """A thread that settles promises ended with what the host had answered."""
    answers = """
        SETTLE = 21
        reported = []

        def answer(host, number, body):
            if number == SETTLE:
                reported.append(1)
                host.reply(b"\\4" + text("no"), kind=FAILURE)
            else:
                host.reply(b"\\4" + struct.pack("<i", len(reported)))
    """
    ended: list[object] = []
    before, threading.excepthook = threading.excepthook, ended.append
    try:
        with loaded(tmp_path, answers, addon_path("primitive"), timeout=10) as addon:
            for times in (2, 4):
                future: concurrent.futures.Future[int] = concurrent.futures.Future()
                future.set_result(1)
                end = time.monotonic() + 20
                addon.f(future)
                while addon.f() < times and time.monotonic() < end:
                    time.sleep(0.01)
                assert addon.f() == times
    finally:
        threading.excepthook = before
    assert ended == []
