"""Messages larger than what a carrier holds at once, from several threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from conftest import addon_path
from napi_python import Addon, host, load_addon

THREADS = 4
ROUNDS = 5
SECONDS = 60.0


@pytest.fixture(params=["lanes", "socket"])
def addon(request: pytest.FixtureRequest) -> Iterator[Addon]:
    with load_addon(addon_path("function"), carrier=request.param, timeout=SECONDS) as loaded:
        yield loaded


def test_threads_do_not_wait_for_each_other(addon: Addon) -> None:
    same = host(addon).run_script("text => text")
    found: list[bool] = []

    def work(number: int) -> None:
        text = str(number) * (1 << 20)
        found.extend(same(text) == text for _ in range(ROUNDS))

    run(work)
    assert found == [True] * (THREADS * ROUNDS)


def test_threads_with_callbacks_do_not_wait_for_each_other(addon: Addon) -> None:
    through = host(addon).run_script("(text, call) => call(text + text)")
    found: list[bool] = []

    def work(number: int) -> None:
        text = str(number) * (1 << 20)

        def half(twice: str) -> str:
            return twice[: len(text)]

        found.extend(through(text, half) == text for _ in range(ROUNDS))

    run(work)
    assert found == [True] * (THREADS * ROUNDS)


def run(work: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
