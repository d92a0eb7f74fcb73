"""Modules of `open_host` after a crash or restart: each is loaded again when it is used again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Write, addon_path, package
from napi_python import (
    AddonCrashed,
    AddonTimeout,
    Host,
    JSError,
    StaleHandleError,
    construct,
    host,
    load_addon,
    open_host,
    require,
)

KIT = """
    exports.pid = () => process.pid;
    exports.add = (a, b) => a + b;
    exports.Counter = class Counter { constructor(n) { this.n = n; } next() { return ++this.n; } };
    exports.state = { value: 1 };
    exports.label = "kit";
    exports.same = (other) => other === exports;
    exports.isCounter = (other) => other === exports.Counter;
    exports.call = (callback) => callback();
    exports.die = () => process.abort();
"""


def crash(running: Host) -> None:
    with pytest.raises(AddonCrashed):
        running.run_script("process.abort()")
    assert running.pid is None


ENDS = {"crash": crash, "restart": lambda running: running.restart()}


@pytest.fixture(params=ENDS)
def end(request: pytest.FixtureRequest) -> Callable[[Host], None]:
    found: Callable[[Host], None] = ENDS[request.param]
    return found


def test_package(project: Write, end: Callable[[Host], None]) -> None:
    with open_host(root=project(package("kit", KIT))) as running:
        kit = running.require("kit")
        for generation in (1, 2, 3):
            assert kit.pid() == running.pid
            assert running.generation == generation
            assert (kit.add(1, 2), kit.label, kit.state.value) == (3, "kit", 1)
            assert kit["label"] == "kit"
            assert "add" in dir(kit)
            assert "label" in kit
            assert kit.Counter(4).next() == 5
            assert running.require("kit") is kit
            end(running)


def test_functions_and_classes_that_were_kept(project: Write, end: Callable[[Host], None]) -> None:
    with open_host(root=project(package("kit", KIT))) as running:
        kit = running.require("kit")
        add, pid, counter = kit.add, kit.pid, kit.Counter
        for _ in range(3):
            assert counter(4).next() == 5
            assert isinstance(counter(4), counter)
            assert kit.Counter is counter
            assert add(2, 3) == 5
            assert pid() == running.pid
            end(running)


def test_functions_outlive_the_module_that_they_were_read_from(
    project: Write, end: Callable[[Host], None]
) -> None:
    with open_host(root=project(package("kit", KIT))) as running:
        counter = running.require("kit").Counter
        end(running)
        assert counter(1).next() == 2


def test_first_use_is_as_an_argument(project: Write, end: Callable[[Host], None]) -> None:
    with open_host(root=project(package("kit", KIT))) as running:
        kit = running.require("kit")
        counter, same, is_counter = kit.Counter, kit.same, kit.isCounter
        end(running)
        assert same(kit) is True
        end(running)
        assert is_counter(counter) is True
        end(running)
        listed = running.run_script("(all) => all[0].kit.isCounter(all[1])")
        assert listed([{"kit": kit}, counter]) is True
        end(running)
        assert running.run_script("(o) => o")(kit) is kit
        assert running.run_script("(o) => [o]")(counter) == [counter]


def test_first_use_is_the_result_of_a_callback(project: Write, end: Callable[[Host], None]) -> None:
    with open_host(root=project(package("kit", KIT))) as running:
        kit = running.require("kit")
        end(running)
        call = running.run_script("(callback) => callback() === callback()")
        assert call(lambda: kit) is True
        end(running)
        call = running.run_script("(callback) => callback()")
        assert call(lambda: kit.add(1, kit.Counter(1).next())) == 3


def test_file_and_json_and_addon(project: Write, end: Callable[[Host], None]) -> None:
    folder = project(
        {
            "lib/own.js": "module.exports = (x) => x * 2;",
            "lib/cls.mjs": "export default class { get five() { return 5; } }; export const f = 7;",
            "lib/data.json": '{"a": [1]}',
        }
    )
    with open_host(root=folder, sandbox="none") as running:
        own = running.require("./lib/own.js")
        esm = running.require("./lib/cls.mjs")
        data = running.require("./lib/data.json")
        beside = running.require("./own.js", root=folder / "lib")
        addon = running.load_addon(addon_path("crash"))
        assert beside is own
        for _ in range(3):
            assert (own(4), beside(5)) == (8, 10)
            assert (esm.f, esm.default().five) == (7, 5)
            assert data.a[0] == 1
            assert addon.add(1, 2) == 3
            with pytest.raises(AddonCrashed):
                addon.abort()
            end(running) if running.pid else None


def test_module_of_node_that_is_a_class(end: Callable[[Host], None]) -> None:
    with open_host() as running:
        events = running.require("node:events")
        stream = running.require("node:stream")
        end(running)
        emitter = construct(events)
        heard: list[int] = []
        emitter.on("x", heard.append)
        emitter.emit("x", 5)
        assert heard == [5]
        assert isinstance(emitter, events)
        readable = construct(stream.Readable)
        assert isinstance(readable, stream)
        assert isinstance(readable, events)


def test_objects_of_modules_end_with_their_process(
    project: Write, end: Callable[[Host], None]
) -> None:
    with open_host(root=project(package("kit", KIT))) as running:
        kit = running.require("kit")
        counter = kit.Counter(1)
        end(running)
        assert kit.state.value == 1
        with pytest.raises(StaleHandleError):
            counter.next()
        assert not isinstance(counter, kit.Counter)


def test_base_of_a_class_statement(end: Callable[[Host], None]) -> None:
    with open_host() as running:
        stream: Any = running.require("node:stream")
        for _ in range(3):

            class Upper(stream.Transform):  # type: ignore[misc]
                def _transform(self, chunk: Any, encoding: Any, done: Any) -> None:
                    done(None, chunk.upper())

            assert isinstance(Upper(), stream.Transform)
            end(running)


def test_several_modules_with_one_crash_each(project: Write) -> None:
    """As a parser and its grammars: each module has the other's objects."""
    files = {**package("a", KIT), **package("b", "exports.set = (m) => m.add(2, 2);")}
    with open_host(root=project(files)) as running:
        a, b = running.require("a"), running.require("b")
        for generation in range(1, 6):
            assert b.set(a) == 4
            assert running.generation == generation
            with pytest.raises(AddonCrashed):
                a.die()


def test_module_that_fails_the_second_time(project: Write, end: Callable[[Host], None]) -> None:
    folder = project(
        {**package("kit", KIT), **package("other", "exports.x = 1; exports.take = (m) => m;")}
    )
    index = folder / "node_modules/kit/index.js"
    text = index.read_text()
    with open_host(root=folder) as running:
        kit, other = running.require("kit"), running.require("other")
        add, take = kit.add, other.take
        end(running)
        index.write_text("throw new RangeError('not today');")
        uses: list[tuple[Callable[..., object], list[object]]] = [
            (lambda: kit.add(1, 2), []),
            (add, [1, 2]),
            (take, [kit]),
        ]
        for use, arguments in uses:
            with pytest.raises(JSError, match="not today") as caught:
                use(*arguments)
            notes = "".join(getattr(caught.value, "__notes__", ()))
            assert "while kit was loaded again, in process 2, since its process had ended" in notes
        assert other.x == 1
        index.write_text("module.exports = 5;")
        with pytest.raises(JSError, match="what the module exports is no object"):
            kit.add(1, 2)
        end(running)
        index.write_text("exports.add = 5;")
        with pytest.raises(StaleHandleError, match=r"no longer exports add \(generation 3\)"):
            add(1, 2)
        assert (kit.add, running.generation) == (5, 3)
        index.write_text(text)
        end(running)
        assert (add(1, 2), kit.add(1, 2)) == (3, 3)


def test_module_that_crashes_the_second_time(project: Write) -> None:
    folder = project({**package("kit", KIT), **package("other", "exports.x = 1;")})
    with open_host(root=folder) as running:
        kit, other = running.require("kit"), running.require("other")
        running.restart()
        (folder / "node_modules/kit/index.js").write_text("process.abort();")
        for _ in range(2):
            with pytest.raises(AddonCrashed):
                kit.add(1, 2)
            assert other.x == 1


def test_module_that_never_ends_the_second_time(project: Write) -> None:
    with open_host(root=project(package("kit", KIT)), timeout=0.5) as running:
        kit = running.require("kit")
        running.restart()
        project(package("kit", "for (;;);"))
        with pytest.raises(AddonTimeout):
            kit.add(1, 2)


def test_without_restarts(project: Write) -> None:
    with open_host(root=project(package("kit", KIT)), restart="never") as running:
        kit = running.require("kit")
        for _ in range(2):
            with pytest.raises(AddonCrashed):
                kit.die()
        running.restart()
        assert kit.add(1, 2) == 3
    with pytest.raises(StaleHandleError, match="closed"):
        kit.add(1, 2)


def test_another_host_is_told_apart(project: Write) -> None:
    folder = project(package("kit", KIT))
    with open_host(root=folder) as one, open_host(root=folder) as two:
        kit, other = one.require("kit"), two.require("kit")
        one.restart()
        with pytest.raises(TypeError, match="another"):
            other.same(kit)
        two.restart()
        with pytest.raises(TypeError, match="another"):
            other.same(kit)
        assert kit.same(kit) is True


def test_module_beside_an_addon_and_a_package(project: Write) -> None:
    folder = project(package("kit", KIT))
    with load_addon(addon_path("crash")) as addon:
        path = host(addon).require("node:path")
        with pytest.raises(AddonCrashed):
            addon.abort()
        assert path.join("a", "b") == "a/b"
    with require("kit", root=folder) as kit:
        again = host(kit).require("kit")
        with pytest.raises(AddonCrashed):
            kit.die()
        assert again.same(kit) is True
        assert kit.same(again) is True


def test_threads_at_once(project: Write) -> None:
    with open_host(root=project(package("kit", KIT))) as running:
        kit = running.require("kit")
        counter = kit.Counter
        for _ in range(5):
            running.restart()
            found: list[object] = []

            def use(found: list[object] = found) -> None:
                found.append((kit.add(1, 2), counter(1).next(), kit.same(kit)))

            threads = [threading.Thread(target=use) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert found == [(3, 2, True)] * 8


def test_nothing_stays_lent(project: Write) -> None:
    with open_host(root=project(package("kit", KIT))) as running:
        before = running.stats()["lent"]
        kit = running.require("kit")
        counter = kit.Counter
        running.restart()
        for _ in range(100):
            assert kit.add(1, 2) == 3
            assert running.require("kit") is kit
            assert kit.Counter is counter
        del kit, counter
        running.run_script("1")
        assert running.stats()["lent"] == before
