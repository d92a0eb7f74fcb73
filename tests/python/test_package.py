"""What an installed package carries besides code."""

from __future__ import annotations

from importlib import resources

import pytest


@pytest.mark.parametrize("part", ["rquickjs-sys", "libuv-sys2", "tokio", "pyo3"])
def test_licences_of_what_is_compiled_in_are_there(part: str) -> None:
    text = (resources.files("napi_python") / "_bin" / "LICENSES.txt").read_text(encoding="utf-8")
    assert text.startswith("MIT License")
    assert f"\n{part} " in text
    # Both libraries in C have files of their own, in folders of the crates that carry them.
    assert "quickjs/LICENSE" in text
    assert "libuv/LICENSE" in text
