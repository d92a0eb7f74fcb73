"""A host that releases what it was not lent is ended, and all objects are released."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest
from conftest import addon_path
from forged import loaded
from napi_python import AddonCrashed, ProtocolError

# Releases (id, times received, times sent back) that the host sends in its third reply; the first
# two calls lent the object with id 1.
FORGED = {
    "more than sent": "(1, 3, 0)",
    "very often": "(1, 2**64 - 1, 0)",
    "sent back without end": "(1, 1, 2**64 - 1)",
    "sent back beyond all": "(1, 1, 2**63), (1, 1, 1)",
    "never lent": "(7, 1, 0)",
    "none": "(0, 1, 0)",
    "beyond all": "(2**32 - 1, 1, 0)",
    "twice": "(1, 2, 0), (1, 1, 0)",
}
SCRIPT = """
calls = itertools.count()
def answer(host, number, body):
    if number != CALL or next(calls) < 2:
        return host.reply(NULL)
    {how}
"""
ANSWER = "host.reply(releases({forged}) + NULL, flags=RELEASES)"
NOTICE = "host.notice(RING, releases({forged}), flags=RELEASES); host.next()"


class Thing:
    """A callable that can be weakly referenced."""

    def __call__(self) -> None:
        """Does nothing."""


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
@pytest.mark.parametrize("how", [ANSWER, NOTICE], ids=["answer", "notice"])
def test_more_releases_than_were_sent_end_the_host(how: str, forged: str, tmp_path: Path) -> None:
    thing = Thing()
    script = SCRIPT.format(how=how.format(forged=forged))
    with loaded(tmp_path, script, addon_path("primitive"), restart="never") as addon:
        addon.f(thing)
        addon.f(thing)
        with pytest.raises((AddonCrashed, ProtocolError)) as ended:
            addon.f(1)
        assert "protocol violation" in str(ended.value) or "malformed" in str(ended.value)
        alive = weakref.ref(thing)
        thing()
    del thing, addon, ended
    gc.collect()
    assert alive() is None, "what was lent is released with the host, once"


def answered(folder: Path, forged: str, *, stays: bool) -> None:
    """Lends an object twice, has the host send these releases, and checks if the object stays."""
    script = SCRIPT.format(how=ANSWER.format(forged=forged))
    with loaded(folder, script, addon_path("primitive")) as addon:
        thing = Thing()
        addon.f(thing)
        addon.f(thing)
        alive = weakref.ref(thing)
        del thing
        assert alive() is not None
        assert addon.f(1) is None
        gc.collect()
        assert (alive() is not None) == stays
    del addon
    gc.collect()
    assert alive() is None


def test_releases_that_are_due_are_accepted(tmp_path: Path) -> None:
    """The forged frames above have the form of the protocol."""
    answered(tmp_path, "(1, 2, 0)", stays=False)


def test_object_that_is_said_to_be_sent_back_stays_lent(tmp_path: Path) -> None:
    """A message with it may be under way; if none is, the object is released with the host."""
    answered(tmp_path, "(1, 2, 1000)", stays=True)
