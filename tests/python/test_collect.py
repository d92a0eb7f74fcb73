"""Objects whose death an addon can observe live until a collection."""

import gc
from collections.abc import Iterator

import pytest
from conftest import addon_path
from napi_python import Addon, host, load_addon


@pytest.fixture
def addon() -> Iterator[Addon]:
    with load_addon(addon_path("finalizer")) as addon:
        yield addon


def test_a_weak_reference_of_an_earlier_call_x(addon: Addon) -> None:
    host(addon).run_script("addon.makeWeak({}); 0")
    assert addon.isWeakAlive()["alive"]
    assert addon.countWeak()["up"] == 1
    host(addon).run_script("addon.makeWeak({}); 0")
    host(addon).collect()
    assert not addon.isWeakAlive()["alive"]
    assert addon.countWeak()["up"] == 0


def test_collect_runs_finalizers_and_the_jobs_that_they_queue(addon: Addon) -> None:
    addon.takeEvents()
    host(addon).run_script("addon.napi_add_finalizer({}, 1, 2); 0")
    assert addon.takeEvents() == ""
    host(addon).collect()
    assert addon.takeEvents() != ""


def test_targets_of_weak_refs_live_until_collect(addon: Addon) -> None:
    js = host(addon).run_script
    js("globalThis.gone = []; globalThis.registry = new FinalizationRegistry(v => gone.push(v)); 0")
    js("globalThis.weak = new WeakRef({}); registry.register({}, 'dropped'); 0")
    assert js("typeof weak.deref()") == "object"
    assert js("gone.length") == 0
    host(addon).collect()
    assert js("typeof weak.deref()") == "undefined"
    assert js("gone.join()") == "dropped"


def test_a_dropped_proxy_is_released_although_its_object_lives_on(addon: Addon) -> None:
    thing = host(addon).run_script(
        "globalThis.thing = new WeakRef(Object.create({ hello() { return 1 } })); thing.deref()"
    )
    lent = host(addon).stats()["lent"]
    assert lent is not None
    del thing
    gc.collect()
    assert host(addon).stats()["lent"] == lent - 1
    assert host(addon).run_script("typeof thing.deref()") == "object"
    host(addon).collect()
    assert host(addon).run_script("typeof thing.deref()") == "undefined"
