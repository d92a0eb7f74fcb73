"""The site of the documentation is built without a warning and without the network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import napi_python
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    folder = tmp_path_factory.mktemp("site")
    # A request of the build would go to a port that refuses it.
    proxy = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:1")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)]
    environment = {**os.environ, **proxy, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return folder


def test_reference_shows_every_name_with_its_docstring(site: Path) -> None:
    page = (site / "api" / "index.html").read_text(encoding="utf-8")
    # Names of one object are shown as that.
    names = set(napi_python.__all__) - {"__version__", "NapiError"}
    sections = dict(
        re.findall(
            r'<h3 id="napi_python\.(\w+)".*?</h3>(.*?)(?=<h[23] |</article>)', page, re.DOTALL
        )
    )
    assert set(sections) - {"NapiError"} == names
    undocumented = {name for name, text in sections.items() if name in names and "<p>" not in text}
    assert undocumented <= {"undefined"}


def test_pages_fetch_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        fetched = re.findall(r'<(?:script|img|link rel="stylesheet")[^>]*?"(https?:[^"]*)"', text)
        assert fetched == [], page


def test_messages_of_errors_are_found_by_the_search(site: Path) -> None:
    index = (site / "search" / "search_index.json").read_text(encoding="utf-8")
    for message in ("not a Node-API addon", "result() would never return", "is damaged:"):
        assert message in index
