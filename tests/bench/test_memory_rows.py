"""What the rows of bulk memory measure is correct, and memory stays flat."""

from __future__ import annotations

from collections.abc import Iterator

import measure
import memory
import pytest
from napi_python import Addon, load_addon


@pytest.fixture
def addon() -> Iterator[Addon]:
    with load_addon(measure.ADDON) as addon:
        yield addon


def test_frames_of_a_thread_arrive_whole_and_take_no_more_memory(addon: Addon) -> None:
    _, growth = memory.stream(addon, 600)
    assert growth < 100 << 20, "600 frames have 572 MiB"


def test_buffers_and_texts_are_what_the_rows_say(addon: Addon) -> None:
    changed = bytearray(b"\xff\x07" * 50_000)
    addon.changeBuffer(changed)
    assert changed == b"\x00\x08" * 50_000
    for make in (addon.makeBuffer, addon.makeExternal):
        assert bytes(make(100_000)) == b"\x07" * 100_000
    for text in ("a" * 100_000, "naïve — " * 20_000, "x"):
        assert addon.copyText(text) == text
