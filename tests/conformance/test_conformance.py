"""The same operations in Node and in the host: the answers are compared line by line."""

from __future__ import annotations

import difflib
import functools
import os
import queue
import sys
from pathlib import Path

import pytest
from napi_python import AddonCrashed, host, load_addon, on_uncaught

sys.path.insert(0, str(Path(__file__).resolve().parent))
import in_process
import oracle
from differences import DIFFERENCES


def in_host(case: oracle.Case, *, later: bool) -> list[str]:
    """Returns the lines of a case in the host."""
    with load_addon(case.addon) as addon:
        lines = host(addon).run_script(case.source(later=later))
        return list(lines.result(60.0) if hasattr(lines, "result") else lines)


@functools.cache
def answers_of_node(name: str) -> list[str]:
    """Returns what Node gives for a case, with the known differences."""
    expected = oracle.run_in_node(name, later=True)
    assert expected, "a script without operations compares nothing"
    known = DIFFERENCES.get(name, {})
    stale = [line for line in known if line not in expected]
    assert not stale, f"the list of differences names lines that Node does not give: {stale}"
    return [known.get(line, line) for line in expected]


@pytest.mark.parametrize("name", [case.name for case in oracle.cases()])
def test_the_host_answers_as_node_does(name: str) -> None:
    compare(answers_of_node(name), in_host(oracle.case(name), later=True))


@pytest.mark.parametrize("thread", in_process.THREADS)
@pytest.mark.parametrize("name", [case.name for case in oracle.cases()])
def test_a_session_in_this_process_answers_as_node_does(name: str, thread: str) -> None:
    case = oracle.case(name)
    found, _ = in_process.answer(case.addon, case.source(later=True), thread)
    compare(answers_of_node(name), found)


def compare(expected: list[str], found: list[str]) -> None:
    """Fails with the lines that differ."""
    difference = [
        line
        for line in difflib.unified_diff(expected, found, "Node", "host", n=0, lineterm="")
        if not line.startswith("@@")
    ]
    assert not difference, "\n".join(difference)


@pytest.mark.parametrize(
    "name",
    [
        case.name
        for case in oracle.cases()
        if case.subject in {"arguments", "lifecycle", "loading", "version", "uv"}
    ],
)
def test_an_environment_ends_in_nodes_order(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    expected = oracle.end_in_node(name)
    assert expected, "an addon that says nothing at its end compares nothing"
    capfd.readouterr()
    in_host(oracle.case(name), later=False)
    assert capfd.readouterr().out.splitlines() == expected
    for thread in in_process.THREADS:
        source = oracle.case(name).source(later=False)
        _, printed = in_process.answer(oracle.case(name).addon, source, thread)
        assert printed == expected


@pytest.mark.parametrize("death", oracle.FATAL, ids=lambda death: death.name)
def test_a_deadly_call_ends_the_host_as_it_ends_node(
    death: oracle.Death, capfd: pytest.CaptureFixture[str]
) -> None:
    if death.name == "exception":
        # Node ends; here the error goes to the client and the host goes on: docs/differences.md.
        with load_addon(oracle.case("fatal").addon, restart="never") as addon:
            told: queue.Queue[BaseException] = queue.Queue()
            former = on_uncaught(told.put)
            try:
                host(addon).run_script(f"addon.{death.expression}")
                assert str(told.get(timeout=oracle.SECONDS)) == "nobody cares"
                assert host(addon).run_script("1 + 1") == 2
            finally:
                on_uncaught(former)
        return
    with load_addon(oracle.build_folder() / f"{death.build}.node", restart="never") as addon:
        with pytest.raises(AddonCrashed) as caught:
            host(addon).run_script(f"addon.{death.expression}")
        signal = -death.code if death.code < 0 else None
        assert caught.value.signal == signal
        assert caught.value.exit_code == (death.code if death.code >= 0 else None)
        assert death.stderr in (caught.value.stderr or "")
    capfd.readouterr()


def test_exit_of_a_script_runs_no_hook(capfd: pytest.CaptureFixture[str]) -> None:
    case = oracle.case("lifecycle")
    script = (
        "addon.napi_add_env_cleanup_hook(1); addon.addThreadsafe(2); addon.keepUntilTheEnd(); "
        "process.on('exit', () => console.log('listener')); process.exit(3)"
    )
    code, out, errors = oracle.exit_in_node("lifecycle", script)
    assert (code, out, errors) == (3, "listener\n", "")
    capfd.readouterr()
    with load_addon(case.addon, restart="never") as addon:
        with pytest.raises(AddonCrashed) as caught:
            host(addon).run_script(script)
        assert caught.value.exit_code == code
    assert capfd.readouterr().out == out


def test_the_oracle_is_the_node_that_is_pinned() -> None:
    assert oracle.oracle_node().exists(), "run `make test`, which installs it"
    assert os.access(oracle.oracle_node(), os.X_OK)
