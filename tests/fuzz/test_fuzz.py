"""Some thousand random programs; `python3 tests/fuzz/fuzz.py` runs any number of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
import fuzz
from differences import DIFFERENCES
from known import KNOWN, Known

#: Seeds of the programs that every test run compares, by the addon that runs them.
COMPARED = {"fuzz": range(2000), "fuzz_v10": range(2000, 4000)}
MISUSED = range(2000)


def batches(seeds: range) -> list[range]:
    return list(fuzz.batches(seeds.start, len(seeds)))


@pytest.mark.parametrize(
    ("name", "seeds"),
    [(name, batch) for name, seeds in COMPARED.items() for batch in batches(seeds)],
    ids=lambda value: f"{value.start}-{value.stop}" if isinstance(value, range) else value,
)
def test_random_programs_do_in_the_host_what_they_do_in_node(name: str, seeds: range) -> None:
    found = [one for one in fuzz.differences(seeds, name, fuzz.in_host) if one.known is None]
    assert not found, "\n\n".join(map(str, found[:5]))


@pytest.mark.parametrize("thread", fuzz.in_process.THREADS)
@pytest.mark.parametrize("name", fuzz.ADDONS)
def test_random_programs_do_in_this_process_what_they_do_in_node(name: str, thread: str) -> None:
    host = fuzz.in_this_process(thread)
    differences = fuzz.differences(range(4000, 4500), name, host)
    found = [one for one in differences if one.known is None]
    assert not found, "\n\n".join(map(str, found[:5]))


@pytest.mark.parametrize("one", KNOWN, ids=lambda one: one.function)
def test_what_is_known_to_differ_is_documented_and_still_differs(one: Known) -> None:
    document = fuzz.HERE.parents[1] / "docs" / "differences.md"
    assert any(
        line.startswith(one.reason) for line in document.read_text(encoding="utf-8").splitlines()
    )
    # The conformance test fails where the operation does not differ any more.
    case, operation = one.operation
    assert any(line.startswith(operation) for line in DIFFERENCES[case])


@pytest.mark.parametrize(
    ("node", "host"),
    [
        ("napi_get_all_property_names -> 0 (Array(0))", "napi_get_all_property_names -> 9"),
        (
            'napi_get_all_property_names -> 0 (Array(1) 0="a")',
            'napi_get_all_property_names -> 0 (Array(2) 0="2" 1="b")',
        ),
        ("napi_object_freeze -> 0", "napi_object_freeze -> 10"),
        (
            "node_api_create_external_sharedarraybuffer -> 1",
            "node_api_create_external_sharedarraybuffer -> 22",
        ),
    ],
)
def test_nothing_else_is_known(node: str, host: str) -> None:
    assert fuzz.explanation(node, host) is None
    known = fuzz.explanation(
        'napi_get_all_property_names -> 0 (Array(1) 0="a")',
        'napi_get_all_property_names -> 0 (Array(2) 0=2 1="a")',
    )
    assert known is KNOWN[0]


@pytest.mark.parametrize("seeds", batches(MISUSED), ids=lambda seeds: f"{seeds.start}-{seeds.stop}")
def test_the_host_survives_programs_that_break_the_rules(seeds: range) -> None:
    logs = fuzz.in_host(fuzz.addon("fuzz"), fuzz.source(seeds, misuse=True))
    assert len(logs) == len(seeds)
    assert any(logs)
