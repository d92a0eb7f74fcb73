"""The budget of values that a host may have the client create, and the error that names it."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import pytest
from conftest import addon_path
from forged import loaded
from napi_python import AddonError, ProtocolError, host, load_addon

MIB = 1 << 20


def peak() -> int:
    """Returns the most memory that this process had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


GROW = """
    def answer(host, number, body):
        host.reply(changes(*(grown(index, 1 << 26) for index in range(8))) + NULL, WRITE_BACK)
"""


def test_lists_cannot_grow_beyond_the_budget(tmp_path: Path) -> None:
    before = peak()
    with loaded(tmp_path, GROW, addon_path("primitive")) as addon:
        lists: list[list[Any]] = [[] for _ in range(8)]
        with pytest.raises(ValueError, match=r"max_values"):
            addon.f(*lists)
        lists.clear()
    assert peak() - before < 1100 * MIB, "one list may grow to the limit, no second one"


def test_the_budget_is_an_option(tmp_path: Path) -> None:
    before = peak()
    with loaded(tmp_path, GROW, addon_path("primitive"), max_values=1 << 20) as addon:
        lists: list[list[Any]] = [[] for _ in range(8)]
        with pytest.raises(ValueError, match=r"limit of 1048576 .*max_values"):
            addon.f(*lists)
        assert not any(lists)
    assert peak() - before < 64 * MIB


def test_callbacks_share_the_budget_of_their_call(tmp_path: Path) -> None:
    script = """
        def answer(host, number, body):
            for times in range(1, 100):
                block = changes(grown(0, 100_000 * times))
                kind, _ = host.ask(INVOKE, block + u32(1, 0), WRITE_BACK)
            host.reply(NULL)
    """
    with loaded(tmp_path, script, addon_path("primitive"), max_values=1 << 20) as addon:
        items: list[Any] = []
        called = []
        assert addon.f(items, lambda: called.append(len(items))) is None
        # The block that went too far has failed in the host, where it was the callback's exception.
        assert called == list(range(100_000, 1_048_576, 100_000))
        assert len(items) == called[-1]


def test_container_that_shrinks_returns_its_budget(tmp_path: Path) -> None:
    script = """
        def answer(host, number, body):
            for length in [600_000, 0] * 4:
                block = changes(grown(0, length))
                host.ask(INVOKE, block + u32(1, 0), WRITE_BACK)
            host.reply(NULL)
    """
    with loaded(tmp_path, script, addon_path("primitive"), max_values=1 << 20) as addon:
        items: list[Any] = []
        assert addon.f(items, lambda: None) is None
        assert items == []


def test_list_that_is_named_twice_in_a_block_is_a_violation(tmp_path: Path) -> None:
    script = """
        def answer(host, number, body):
            host.reply(changes(grown(0, 1), grown(0, 2)) + NULL, WRITE_BACK)
    """
    with loaded(tmp_path, script, addon_path("primitive")) as addon:
        items: list[Any] = []
        with pytest.raises(ProtocolError, match="twice"):
            addon.f(items, [])
        assert items == []


def test_bytes_count(tmp_path: Path) -> None:
    script = """
        def answer(host, number, body):
            host.reply(text("x" * 100_000))
    """
    with (
        loaded(tmp_path, script, addon_path("primitive"), max_values=1000) as addon,
        pytest.raises(ValueError, match=r"max_values"),
    ):
        addon.f()


def test_containers_and_objects_count_as_much_as_they_take() -> None:
    with load_addon(addon_path("primitive"), max_values=100) as addon:
        run = host(addon).run_script
        for many in ("Array(30).fill().map(() => [])", "Array(30).fill().map(() => () => 1)"):
            with pytest.raises(ValueError, match=r"limit of 100 .*max_values"):
                run(many)
        with pytest.raises(ValueError, match=r"limit of 100 .*max_values"):
            run("(all) => 1")([[] for _ in range(30)])
        assert len(run("Array(20).fill().map(() => [])")) == 20


def test_the_option_binds_both_ways() -> None:
    with load_addon(addon_path("primitive"), max_values=100) as addon:
        length = host(addon).run_script("(list) => list.length")
        with pytest.raises(ValueError, match=r"limit of 100 .*max_values"):
            length([None] * 1000)
        with pytest.raises((ValueError, AddonError), match=r"limit of 100 .*max_values"):
            host(addon).run_script("Array(1000).fill(null)")
        assert length([1]) == 1


@pytest.mark.parametrize("wrong", [0, -1, 1 << 32, 1.5, "many", True])
def test_wrong_budget_is_refused(wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="max_values must be"):
        load_addon(addon_path("primitive"), max_values=wrong)
