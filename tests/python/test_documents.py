"""The documents are true: every block of code runs, and what they list is what is there."""

from __future__ import annotations

import re
from pathlib import Path

import document_blocks
import napi_python
import pytest
from document_blocks import ROOT, Block

BLOCKS = [block for page in document_blocks.pages() for block in document_blocks.blocks(page)]
CODE = [block for block in BLOCKS if block.language in document_blocks.RUN]
TESTS = {
    path.stem: path.read_text(encoding="utf-8")
    for path in ROOT.glob("tests/**/test_*.py")
    if "node_modules" not in path.parts
}


@pytest.mark.parametrize("block", [pytest.param(one, id=one.name) for one in CODE if one.is_run])
def test_block_runs(block: Block, tmp_path: Path) -> None:
    document_blocks.prepare(tmp_path, block)
    done = document_blocks.run(block, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    if block.output is not None:
        assert document_blocks.matches(block.output, done.stdout), done.stdout


def test_block_that_is_not_run_here_says_why() -> None:
    for block in CODE:
        if block.kind == "run by":
            found = re.fullmatch(r"(test_\w+)::(test_\w+): \S.*", block.note, re.DOTALL)
            assert found, f"{block.name}: write FILE::TEST: WHY"
            defined = f"def {found[2]}("
            assert defined in TESTS[found[1]], f"{block.name}: no test {block.note}"
        elif block.kind == "not run":
            assert block.note, f"{block.name}: say why it is not run"


def test_every_fence_is_understood() -> None:
    for page in document_blocks.pages():
        text = page.read_text(encoding="utf-8")
        fences = re.findall(r"^\s*```(?:python|sh)\b", text, re.MULTILINE)
        known = [one for one in CODE if one.page == page]
        assert len(fences) == len(known), f"{page.name}: a block is indented or not closed"


def test_a_block_that_fails_is_noticed(tmp_path: Path) -> None:
    for source, shown in [("1 / 0", None), ("print('b')", "a…c"), ("await 1", None)]:
        block = Block(tmp_path, 1, "python", f"{source}\n", None, "", shown)
        done = document_blocks.run(block, tmp_path)
        assert done.returncode or not document_blocks.matches(shown or "", done.stdout)


def test_readme_is_short_and_has_a_picture() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 60
    assert "](docs/benchmark.svg)" in text


# --- Lists ---------------------------------------------------------------------------------------


def listed(page: str, pattern: str) -> list[str]:
    """Returns what a page lists."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(pattern, text, re.MULTILINE)


def test_reference_has_every_public_name_once() -> None:
    names = listed("api.md", r"^::: napi_python\.(\w+)$")
    assert sorted(names) == sorted(set(napi_python.__all__) - {"__version__"})


def test_page_of_errors_has_every_class() -> None:
    classes = {
        name
        for name in napi_python.__all__
        if isinstance(found := getattr(napi_python, name), type)
        and issubclass(found, BaseException)
        and found.__name__ == name
    }
    assert set(listed("errors.md", r"^\| `(\w+)`")) == classes


def test_messages_of_the_page_of_errors_are_those_of_the_code() -> None:
    sources = [
        path.read_text(encoding="utf-8")
        for folder in ("client-py", "server", "protocol")
        for pattern in ("*.py", "*.rs")
        for path in (ROOT / folder).rglob(pattern)
    ]
    # Literals of several lines are one text.
    text = re.sub(r'"\s*\n\s*f?"|\\\n\s*', "", "\n".join(sources))
    messages = listed("errors.md", r"^\| ([^|`].*?) \|")
    assert len(messages) > 20
    for message in messages[1:]:
        for part in re.split(r" ?… ?", message):
            assert part in text, f"no source says {part!r} of {message!r}"
