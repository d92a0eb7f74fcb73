"""A new user's first hour, with the environment of the tests and a registry of this machine."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import first_hour
import pytest
import registry

PACKAGES = Path(__file__).parents[1] / "packages" / "node_modules"
#: what is said elsewhere, or would build the package
LEFT_OUT = ("name", "version", "files", "scripts", "devDependencies")


def publish(shelf: registry.Registry, name: str) -> None:
    """Publishes a package that is installed, and those that it needs and that are installed."""
    folder = PACKAGES / name
    manifest = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    kept = {field: value for field, value in manifest.items() if field not in LEFT_OUT}
    for field in ("dependencies", "optionalDependencies"):
        if field in kept:
            found = [other for other in kept[field] if (PACKAGES / other).is_dir()]
            kept[field] = {other: kept[field][other] for other in found}
            for other in found:
                publish(shelf, other)
    files = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "node_modules" not in path.relative_to(folder).parts
    }
    shelf.publish(name, manifest["version"], files, **kept)


@pytest.mark.timeout(300)
def test_first_hour(tmp_path: Path) -> None:
    with registry.running() as shelf:
        publish(shelf, "sharp")
        publish(shelf, "oxc-parser")
        environment = {
            **{key: value for key, value in os.environ.items() if key != "MYPYPATH"},
            "npm_config_registry": shelf.url,
            "npm_config_cache": str(tmp_path / "cache"),
            "npm_config_userconfig": "/dev/null",
        }
        first_hour.follow(tmp_path, environment, Path(sys.prefix))
    png = (tmp_path / "project" / "out" / "logo.png").read_bytes()
    assert png.startswith(b"\x89PNG")
