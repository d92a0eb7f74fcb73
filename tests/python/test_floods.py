"""A host that takes this process' time outside calls is warned of, then killed."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import re
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import addon_path
from forged import loaded
from napi_python import AddonCrashed, SandboxUnavailable, host, load_addon, on_uncaught

POLICIES = ["none", "default", "strict"]
SHARE = 0.02
LIMIT = f"its limit is unsolicited_cpu={SHARE}; load_addon(unsolicited_cpu={SHARE * 2}) allows"
THROWS = "setImmediate(function again() { setImmediate(again); throw new Error('flood') }); 0"
PRINTS = """
setImmediate(function again() {
  setImmediate(again)
  for (let i = 0; i < 100; i++) console.log('flood')
}); 0
"""


def load(sample: str, policy: Any, **options: Any) -> Any:
    try:
        return load_addon(addon_path(sample), sandbox=policy, **options)
    except SandboxUnavailable as error:
        pytest.skip(str(error))


def crash_of(addon: Any) -> AddonCrashed:
    """Calls the addon until its process has ended."""
    end = time.monotonic() + 40
    while time.monotonic() < end:
        try:
            addon.add(1, 2)
        except AddonCrashed as error:
            return error
        time.sleep(0.01)
    pytest.fail("the host was not ended")


def warnings(log: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in log.records if "flood: the addon" in r.getMessage()]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("flood", ["turns", "errors"])
def test_host_that_floods_is_warned_of_and_ended(
    policy: str, flood: str, caplog: pytest.LogCaptureFixture
) -> None:
    addon = load("crash", policy, unsolicited_cpu=SHARE, restart="never")
    hook = on_uncaught(lambda _: None)
    try:
        with addon, caplog.at_level(logging.WARNING, logger="napi_python.host"):
            if flood == "turns":
                addon.floodTurns()
            else:
                host(addon).run_script(THROWS)
            crash = crash_of(addon)
            assert (crash.reason or "").startswith("killed: it flooded the client"), crash
            assert LIMIT in str(crash)
    finally:
        on_uncaught(hook)
    found = warnings(caplog)
    assert found, caplog.messages
    assert LIMIT in found[0]


@pytest.mark.parametrize("policy", POLICIES)
def test_prints_beyond_the_share_are_dropped(
    policy: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Short lines cost much more than their bytes; the host goes on."""
    addon = load("crash", policy, unsolicited_cpu=SHARE)
    with addon, caplog.at_level(logging.WARNING, logger="napi_python.host"):
        host(addon).run_script(PRINTS)
        end = time.monotonic() + 40
        while not (host(addon).stats()["output_dropped"] or 0) and time.monotonic() < end:
            time.sleep(0.05)
        assert host(addon).stats()["output_dropped"]
        assert host(addon).generation == 1
    capfd.readouterr()
    found = warnings(caplog)
    assert found, caplog.messages
    assert LIMIT in found[0]


def test_honest_bursts_are_no_floods(
    order: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Events that Python consumes, and a long text, under the default share."""
    events, done, lines = 20_000, threading.Event(), 5_000
    # pytest's capture loses what is printed while it is read.
    printed = io.StringIO()
    monkeypatch.setattr(sys, "stdout", printed)
    with caplog.at_level(logging.WARNING, logger="napi_python.host"):

        def receive(number: int) -> None:
            if number == events - 1:
                done.set()

        order.eventsOfThread(receive, events)
        assert done.wait(60)
        host(order).run_script(f"for (let i = 0; i < {lines}; i++) console.log('line', i)")
        end = time.monotonic() + 30
        while f"line {lines - 1}\n" not in printed.getvalue() and time.monotonic() < end:
            time.sleep(0.01)
    assert len(re.findall(r"line \d+", printed.getvalue())) == lines
    assert warnings(caplog) == []
    assert host(order).generation == 1


# What a host that keeps to the format of frames sends when it is called, until it is ended.
FORGED_FLOODS = {
    # It answers none of the turns that it requests, so that nothing reads its notices.
    "unread": """
def answer(host, number, body):
    while True:
        host.notice(RING, times=1000)
""",
    # Each turn reports promises that do not exist.
    "settled": """
def answer(host, number, body):
    if number == TURN:
        host.reply(b"\\0" + u32(100) + b"".join(u32(n, 1) + b"\\x01" + NULL for n in range(1, 101)))
    else:
        host.reply(NULL)
    host.notice(RING)
""",
    "reported": """
def answer(host, number, body):
    if number == TURN:
        return host.reply(b"\\0" + u32(0))
    host.reply(NULL)
    reported = u32(500) + b"".join(u32(n, 1) + b"\\x01" + NULL for n in range(1, 501))
    while True:
        host.notice(SETTLED, reported)
""",
    # Each turn requests objects that were never lent.
    "stale": """
def answer(host, number, body):
    if number != TURN:
        host.reply(NULL)
        return host.notice(RING)
    turn, calls = (host.lane, host.number, host.call), []
    for n in range(100):
        kind, _ = host.ask(INVOKE, u32(1000 + n, 0))
        while kind == REQUEST:
            calls.append((host.lane, host.number, host.call))
            host.lane, host.number, host.call = turn
            kind, _ = host.next()
    host.reply(b"\\0" + u32(0))
    for host.lane, host.number, host.call in calls:
        host.reply(NULL)
    host.notice(RING)
""",
}


@pytest.mark.parametrize("flood", FORGED_FLOODS)
def test_forged_floods_are_ended(flood: str, tmp_path: Path) -> None:
    with loaded(
        tmp_path,
        FORGED_FLOODS[flood],
        addon_path("primitive"),
        restart="never",
        unsolicited_cpu=SHARE,
    ) as addon:
        end, ended = time.monotonic() + 40, None
        while time.monotonic() < end and ended is None:
            try:
                addon.f()
            except AddonCrashed as error:
                ended = error
            time.sleep(0.01)
    assert ended is not None
    reason = ended.reason or ""
    if flood == "unread":
        assert "more notices than can be kept" in reason or "flooded" in reason, reason
    else:
        assert reason.startswith("killed: it flooded the client"), reason
        assert LIMIT in str(ended)


@pytest.mark.parametrize("where", ["thread", "loop"])
@pytest.mark.parametrize("pace", ["free", "each waits"])
def test_events_with_a_listener_are_no_flood(
    where: str, pace: str, order: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """At any rate, and with the smallest limit."""
    seconds, received = 2.0, [0]
    with (
        caplog.at_level(logging.WARNING, logger="napi_python.host"),
        load("order", "none", unsolicited_cpu=SHARE, restart="never") as addon,
    ):
        done = threading.Event()
        wanted = 10_000_000 if pace == "free" else 50

        def receive(number: int) -> None:
            received[0] += 1
            if number == wanted - 1:
                done.set()

        async def run_loop() -> None:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                done.clear()
                addon.eventsOfThread(receive, wanted)
                while not done.is_set() and time.monotonic() < end:  # noqa: ASYNC110 - and a limit
                    await asyncio.sleep(0.001)

        if where == "loop":
            asyncio.run(run_loop())
        else:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                done.clear()
                addon.eventsOfThread(receive, wanted)
                done.wait(end - time.monotonic() if pace == "free" else 30)
                # Calls of another thread, so that some turns are declined.
                host(addon).run_script("1 + 2")
        assert received[0] > 1000
        assert host(addon).generation == 1
        assert warnings(caplog) == []
        # Ten million events wait.
        os.kill(host(addon).pid or 0, 9)


@pytest.mark.parametrize("share", [0, -1.0, float("nan")])
def test_share_that_is_none(share: float) -> None:
    with pytest.raises(ValueError, match="unsolicited_cpu must be > 0"):
        load_addon(os.fspath(addon_path("crash")), unsolicited_cpu=share)
