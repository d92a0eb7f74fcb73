"""`AddonCrashed.report()`: what it contains, as text and as JSON, and that files decide on it."""

from __future__ import annotations

import json
import pickle
import random
import resource
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest
from conftest import addon_path
from napi_python import Addon, AddonCrashed, CrashReport, __version__, _crash_source, load_addon


def death(addon: Addon, export: str) -> AddonCrashed:
    with pytest.raises(AddonCrashed) as caught:
        getattr(addon, export)()
    return caught.value


def test_functions_of_node_api_that_ran_last_are_known_in_debug_mode(crash: Addon) -> None:
    assert death(crash, "wildResult").node_api_calls is None
    error = death(load_addon(addon_path("crash"), debug=True), "wildResult")
    calls = error.node_api_calls
    assert calls is not None
    assert calls[-1] == error.node_api == "napi_create_object"
    assert "napi_create_function" in calls, "it made its exports before"
    assert len(calls) <= 64
    report = error.report()
    assert report.facts["node_api_calls"] == calls
    assert "Node-API functions, latest last:" in str(report)


def test_registers_are_those_of_the_instruction_that_failed(crash: Addon) -> None:
    error = death(crash, "wildPointer")
    assert error.registers is not None
    assert error.frames is not None
    assert error.registers["rip"] == error.frames[0]["address"]
    # The code is not optimised: the address that it wrote to is in a register.
    assert 0xDEADBEEF000 in error.registers.values()
    assert len(error.registers) == 18


def test_registers_of_a_thread_are_its_own(crash: Addon) -> None:
    error = death(crash, "nullPointerOnThread")
    assert error.thread == "napi-hostd"
    assert error.registers is not None
    assert error.frames is not None
    assert error.registers["rip"] == error.frames[0]["address"]
    assert "die_on_thread" in str(error.frames[0]["function"])


def test_mapped_files_have_the_build_ids_of_the_files(crash: Addon) -> None:
    error = death(crash, "nullPointer")
    assert error.modules is not None
    files = {Path(module["path"]).name: module for module in error.modules}
    own = files["crash.node"]
    assert own["path"] == str(Path(addon_path("crash")).resolve())
    # A note of a build id: the name "GNU", then the id itself.
    assert b"GNU\0" + bytes.fromhex(own["build_id"]) in Path(own["path"]).read_bytes()
    assert own["build_id"] != files["libc.so.6"]["build_id"]
    assert error.frames is not None
    assert own["start"] <= error.frames[0]["address"] < own["end"]


def test_frames_are_those_of_the_backtrace(crash: Addon) -> None:
    error = death(crash, "wildJump")
    assert error.frames is not None
    assert error.backtrace is not None
    wild, caller, *_ = error.frames
    assert wild == {
        "address": 0xDEADBEEF000,
        **dict.fromkeys(("path", "file_address", "function", "offset")),
    }
    name = f"{Path(caller['path']).name}!{caller['function']}+{caller['offset']:#x}"
    assert [hex(wild["address"]), name] == error.backtrace[:2]
    assert len(error.frames) == len(error.backtrace)


def test_frames_have_their_lines_in_the_source(crash: Addon) -> None:
    frames = death(crash, "nullPointer").report().facts["frames"]
    (place,) = frames[0]["source"]
    assert place["function"] == "NullPointer"
    file = Path(place["file"])
    assert file.name == "crash.c"
    assert file.read_text().splitlines()[place["line"] - 1].strip() == "*null = 1;"


def test_instruction_that_failed_is_among_those_around_it(crash: Addon) -> None:
    error = death(crash, "nullPointer")
    report = error.report()
    assert error.frames is not None
    code = {item["address"]: item["text"] for item in report.facts["instructions"]}
    failed = error.frames[0]["address"]
    assert code[failed] == "mov dword ptr [rax],1"
    assert min(code) < failed < max(code)
    assert f"=> {failed:#018x} mov dword ptr [rax],1\n" in str(report)
    assert death(crash, "abort").report().facts["instructions"] is None


def test_file_that_was_replaced_has_no_lines(tmp_path: Path) -> None:
    file = tmp_path / "crash.node"
    shutil.copyfile(addon_path("crash"), file)
    with load_addon(file) as loaded:
        error = death(loaded, "nullPointer")
    assert error.report().facts["frames"][0]["source"]
    file.unlink()
    shutil.copyfile(addon_path("primitive"), file)
    facts = error.report().facts
    assert facts["frames"][0]["source"] == []
    assert facts["instructions"] is None


def test_damaged_debug_information_does_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "crash.node"
    shutil.copyfile(addon_path("crash"), file)
    with load_addon(file) as loaded:
        error = death(loaded, "nullPointer")
    assert error.frames is not None
    # No other file is read.
    error.frames = error.frames[:1]
    whole = file.read_bytes()
    # Behind what is mapped: debug information, symbols, the table of sections.
    for seed in range(20):
        noise, damaged = random.Random(seed), bytearray(whole)
        for _ in range(30):
            damaged[noise.randrange(len(whole) // 2, len(whole))] = noise.randrange(256)
        file.write_bytes(damaged)
        facts = error.report().facts
        assert isinstance(facts["frames"][0]["source"], list)


def test_debug_information_without_end_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "crash.node"
    shutil.copyfile(addon_path("crash"), file)
    with load_addon(file) as loaded:
        error = death(loaded, "nullPointer")
    assert error.report().facts["frames"][0]["source"]
    # A file with a hole may be larger than memory.
    length = 4 << 30
    with file.open("r+b") as content:
        whole = content.read()
        (headers,) = struct.unpack_from("<Q", whole, 0x28)
        size, count, names = struct.unpack_from("<HHH", whole, 0x3A)
        (text,) = struct.unpack_from("<Q", whole, headers + names * size + 0x18)
        for header in range(headers, headers + count * size, size):
            (name,) = struct.unpack_from("<I", whole, header)
            if whole[text + name :].startswith(b".debug_info\0"):
                content.seek(header + 0x20)
                content.write(struct.pack("<Q", length))
        content.truncate(2 * length)
    assert error.report().facts["frames"][0]["source"] == []
    # In KiB, of the largest child so far.
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < length >> 11


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "[" * 100_000,
        '{"lines": 7, "instructions": {}}',
        '{"lines": [7, {}, {"address": [], "places": 7}], "instructions": [7, {}]}',
        '{"lines": [{"address": 1, "places": [{"file": 7, "line": "x"}]}]}',
        '{"instructions": [{"address": "x", "text": 7}, {"address": true, "text": "nop"}]}',
    ],
)
def test_answer_without_meaning_is_ignored(
    answer: str, crash: Addon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = death(crash, "nullPointer")
    program(tmp_path / "hostd", f"cat <<'END'\n{answer}\nEND\n", monkeypatch)
    facts = error.report().facts
    assert facts["frames"][0]["source"] == []
    assert facts["instructions"] is None


def test_text_of_a_file_is_escaped(
    crash: Addon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = death(crash, "nullPointer")
    assert error.frames is not None
    place = {"file": "\x1b[31m\nregisters:", "line": 7, "column": None, "function": "\u2028"}
    lines = [{"address": error.frames[0]["file_address"], "places": [place]}]
    answer = json.dumps({"lines": lines})
    program(tmp_path / "hostd", f"cat <<'END'\n{answer}\nEND\n", monkeypatch)
    text = str(error.report())
    assert "    at \\x1b[31m\\nregisters::7\n" in text


def test_search_for_lines_ends_in_time(
    crash: Addon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = death(crash, "nullPointer")
    program(tmp_path / "hostd", "exec sleep 1000\n", monkeypatch)
    monkeypatch.setattr(_crash_source, "_TIMEOUT", 0.2)
    assert error.report().facts["frames"][0]["source"] == []


def test_report_without_a_host_program_has_no_lines(
    crash: Addon, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = death(crash, "nullPointer")
    monkeypatch.setenv("NAPI_PYTHON_HOSTD", "/there/is/none")
    assert error.report().facts["frames"][0]["source"] == []


def program(file: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes a shell script the host program."""
    file.write_text(f"#!/bin/sh\n{script}")
    file.chmod(0o755)
    monkeypatch.setenv("NAPI_PYTHON_HOSTD", str(file))


def test_text_has_every_part(crash: Addon) -> None:
    error = death(crash, "nullPointer")
    text = str(error.report())
    assert text.startswith(str(error))
    for part in ("frames, innermost first", "registers", "mapped files", "sandbox", "versions"):
        assert f"\n\n{part}:\n" in text
    assert error.backtrace is not None
    assert all(frame in text for frame in error.backtrace)
    assert "export: nullPointer\n" in text
    assert "seccomp=applied" in text
    assert f"napi_python: {__version__}" in text


def test_json_has_the_facts_with_hexadecimal_addresses(crash: Addon) -> None:
    error = death(crash, "wildPointer")
    report = error.report()
    document: Any = json.loads(report.to_json())
    assert document["format"] == 1
    assert document["address"] == "0xdeadbeef000"
    assert document["signal"] == 11
    assert error.registers is not None
    assert document["registers"] == {name: hex(word) for name, word in error.registers.items()}
    assert document["frames"][0]["address"] == hex(report.facts["frames"][0]["address"])
    assert document["modules"][0]["start"] == hex(report.facts["modules"][0]["start"])
    assert document.keys() == report.facts.keys()


def test_report_on_an_exit_has_what_is_known(crash: Addon) -> None:
    report = death(crash, "exitNow").report()
    assert report.facts["exit_code"] == 7
    assert report.facts["registers"] is None
    assert report.facts["frames"] is None
    text = str(report)
    assert "exit_code: 7\n" in text
    assert "registers:" not in text


def test_report_of_a_copy_is_the_same(crash: Addon) -> None:
    error = death(crash, "nullPointer")
    copy: AddonCrashed = pickle.loads(pickle.dumps(error))
    assert copy.report().facts == error.report().facts


def test_text_of_the_addon_cannot_pretend_to_be_a_line_of_the_report(crash: Addon) -> None:
    crash.printError("\x1b[31mred\u2028versions:\rx\nregisters:\n")
    report = death(crash, "abort").report()
    assert isinstance(report, CrashReport)
    lines = str(report).split("\n")
    assert lines.count("registers:") == 1
    assert not any("\x1b" in line or "\u2028" in line or "\r" in line for line in lines)
