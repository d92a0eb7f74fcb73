"""Objects with a method `then`, which are awaited as promises are."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

import pytest
from napi_python import AddonTimeout, JSError, JSObject, JSRangeError, deadline, host

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Script
    from napi_python import Addon


def wait(value: Any) -> Any:
    async def main() -> Any:
        return await value

    return asyncio.run(main())


def test_thenable_is_awaited(js: Script) -> None:
    thenable = js("({ then(resolve) { resolve([1, 'a']); } })")
    assert isinstance(thenable, JSObject)
    assert inspect.isawaitable(thenable)
    assert wait(thenable) == [1, "a"]
    assert wait(thenable) == [1, "a"]


def test_thenable_of_every_shape(js: Script) -> None:
    texts = [
        "new (class { then(resolve) { setTimeout(resolve, 1, 5); } })",
        "Object.assign(() => 1, { then(resolve) { resolve(5); } })",
        "new Proxy({}, { get: (_, key) => key === 'then' ? (resolve) => resolve(5) : undefined })",
        "({ __proto__: null, then: (resolve) => resolve(5) })",
        "({ get then() { return (resolve) => resolve(5); } })",
        "({ then: (resolve) => resolve(Promise.resolve({ then: (done) => done(5) })) })",
        "({ value: 5, then(resolve) { resolve(this.value); } })",
    ]
    for text in texts:
        assert wait(js(f"({text})")) == 5, text


def test_rejections_and_errors(js: Script) -> None:
    cases = {
        "({ then(resolve, reject) { reject(new RangeError('no')); } })": "no",
        "({ then() { throw new RangeError('thrown'); } })": "thrown",
        "({ get then() { throw new RangeError('getter'); } })": "getter",
        "({ then(resolve) { resolve(Promise.reject(new RangeError('inner'))); } })": "inner",
    }
    for text, message in cases.items():
        with pytest.raises(JSRangeError, match=message):
            wait(js(text))
    with pytest.raises(JSError) as caught:
        wait(js("({ then(resolve, reject) { reject(5); } })"))
    assert caught.value.value == 5


def test_only_the_first_settlement_counts(js: Script) -> None:
    assert wait(js("({ then(resolve, reject) { resolve(1); resolve(2); reject(3); } })")) == 1
    assert wait(js("({ then(resolve) { resolve(1); throw new Error('late'); } })")) == 1


def test_then_is_read_once_and_called_later(js: Script) -> None:
    """As by `await` in JavaScript: read at once, called in a microtask, `this` is the object."""
    js("globalThis.order = []")
    thenable = js(
        """({
            get then() {
                order.push("read");
                return function (resolve) {
                    order.push(this === thenable ? "called" : "other this");
                    resolve(arguments.length);
                };
            }
        })"""
    )
    js("(it) => { globalThis.thenable = it; }")(thenable)
    assert wait(thenable) == 2
    assert js("order") == ["read", "called"]


def test_what_has_no_then_is_a_type_error(js: Script) -> None:
    for text in ("new (class Plain {})", "({ then: 5, f() {} })", "(() => 1)"):
        with pytest.raises(TypeError, match=r"can't be awaited: it has no method then\(\)"):
            wait(js(text))


def test_thenable_that_is_never_settled(js: Script) -> None:
    never = js("({ then() {} })")

    async def bounded() -> None:
        with deadline(0.05):
            await never

    with pytest.raises(AddonTimeout):
        asyncio.run(bounded())

    async def cancelled() -> None:
        task = asyncio.ensure_future(never)
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())


def test_thenable_is_settled_from_python(js: Script) -> None:
    """The functions that `then` gets can be kept and called later."""
    settle: list[Callable[[object], None]] = []
    thenable = js("(take) => ({ then(resolve) { take(resolve); } })")(settle.append)

    async def main() -> Any:
        task = asyncio.ensure_future(thenable)
        while not settle:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0)
        settle[0]("done")
        return await task

    assert asyncio.run(main()) == "done"


def test_thenables_of_gather_and_tasks(js: Script) -> None:
    async def main() -> list[Any]:
        make = js("(value) => ({ then(resolve) { resolve(value); } })")
        return await asyncio.gather(*(make(number) for number in range(10)))

    assert asyncio.run(main()) == list(range(10))


def test_pending_thenable_needs_a_loop(js: Script) -> None:
    with pytest.raises(RuntimeError, match="running asyncio loop"):
        js("({ then() {} })").__await__()


def test_thenable_dies_with_its_process(crash: Addon) -> None:
    thenable = host(crash).run_script("({ then() {} })")

    async def main() -> None:
        task = asyncio.ensure_future(thenable)
        await asyncio.sleep(0)
        host(crash).restart()
        await task

    with pytest.raises(Exception, match="restart") as caught:
        asyncio.run(main())
    assert caught.type.__name__ == "AddonCrashed"
