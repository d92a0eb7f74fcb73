"""Threads that call while the host crashes under them: every call returns or raises, none hangs."""

from __future__ import annotations

import contextlib
import os
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from conftest import addon_path
from napi_python import Addon, AddonCrashed, StaleHandleError, host, load_addon
from storms import Storm

THREADS = 4


def storm(rounds: int, work: Callable[[Addon], Any], crash: Callable[[Addon], Any]) -> None:
    """Crashes the host `rounds` times while four threads do `work`."""
    with load_addon(addon_path("crash")) as loaded:

        def call() -> None:
            assert work(loaded) == 3

        with Storm([call] * THREADS, (AddonCrashed,)) as threads:
            for _ in range(rounds):
                crash(loaded)
        assert threads.wrong == []
        assert loaded.add(1, 2) == 3
        assert host(loaded).generation > rounds // 2
        assert threads.returned > 0
        assert threads.failed > 0


def from_inside(loaded: Addon) -> None:
    with pytest.raises(AddonCrashed):
        loaded.nullPointer()


def from_outside(loaded: Addon) -> None:
    # It may be starting at this very moment.
    while (pid := host(loaded).pid) is None:
        loaded.add(1, 2)
    threading.Event().wait(random.uniform(0, 0.01))
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 9)
    while host(loaded).pid == pid:
        threading.Event().wait(0.001)


def calls(loaded: Addon) -> Any:
    return loaded.add(1, 2)


def callbacks(loaded: Addon) -> Any:
    return loaded.call(lambda: loaded.add(1, 2))


def objects(loaded: Addon) -> Any:
    try:
        thing = host(loaded).run_script("new (class A { constructor() { this.x = 3; } })")
        found = thing.x
    except StaleHandleError:
        # The process died between the two calls.
        return 3
    return found


@pytest.mark.parametrize("work", [calls, callbacks, objects])
@pytest.mark.parametrize("crash", [from_inside, from_outside])
def test_no_call_hangs(
    work: Callable[[Addon], Any], crash: Callable[[Addon], Any], request: pytest.FixtureRequest
) -> None:
    storm(request.config.getoption("--rounds"), work, crash)
