"""A layer that the kernel lacks is an error that names it, or is reported."""

from __future__ import annotations

import errno
import json
import os
import pathlib
import re
import subprocess
import sys
from typing import Any

import pytest
from conftest import addon_path
from napi_python import Sandbox, SandboxUnavailable, host, load_addon

# Numbers of system calls on x86-64, and an option of prctl.
SECCOMP, LANDLOCK_CREATE, LANDLOCK_RESTRICT, UNSHARE, CLOSE_RANGE = 317, 444, 446, 272, 436
PRCTL, SET_MDWE, OPENAT2 = 157, 65, 437
# The first version of Landlock with a log that can be turned off.
LOG_FLAGS = 7

NO_SECCOMP = [SECCOMP, None, errno.ENOSYS]
NO_LANDLOCK = [LANDLOCK_CREATE, None, errno.ENOSYS]
NO_NAMESPACES = [UNSHARE, None, errno.EPERM]
NO_MDWE = [PRCTL, SET_MDWE, errno.EINVAL]


def loaded_without(*missing: list[int | None], **options: Any) -> dict[str, Any]:
    """Says what comes of loading a sample where these calls are missing."""
    run = subprocess.run(
        [
            sys.executable,
            str(pathlib.Path(__file__).with_name("filtered.py")),
            str(addon_path("primitive")),
            json.dumps(options),
            json.dumps(missing),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(run.stdout)
    return answer


@pytest.fixture(scope="module")
def jail() -> None:
    """Skips, and says why, where there are no namespaces anyway."""
    try:
        with load_addon(addon_path("primitive"), sandbox=Sandbox(policy="strict")):
            pass
    except SandboxUnavailable as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    ("missing", "name", "number"),
    [
        ([NO_SECCOMP], "seccomp", errno.ENOSYS),
        ([NO_LANDLOCK, NO_NAMESPACES], "landlock", errno.ENOSYS),
        ([[LANDLOCK_RESTRICT, None, errno.EPERM]], "landlock", errno.EPERM),
    ],
)
def test_missing_layer_that_default_requires_is_named(
    missing: list[list[int | None]], name: str, number: int
) -> None:
    answer = loaded_without(*missing)
    assert (answer.get("unavailable"), answer.get("errno")) == (name, number)
    assert "napi-python doctor" in answer["text"]
    # Asked for, it runs without, and says so.
    assert name in loaded_without(*missing, degrade="allow")["degraded"]


@pytest.mark.usefixtures("jail")
@pytest.mark.parametrize(
    ("missing", "name"),
    [
        (NO_SECCOMP, "seccomp"),
        (NO_LANDLOCK, "landlock"),
        (NO_NAMESPACES, "namespaces"),
        (NO_MDWE, "no_written_code"),
    ],
)
def test_strict_is_whole_or_not_at_all(missing: list[int | None], name: str) -> None:
    assert loaded_without(missing, policy="strict")["unavailable"] == name


@pytest.mark.usefixtures("jail")
def test_kernel_without_landlock_has_a_jail_in_its_place() -> None:
    answer = loaded_without(NO_LANDLOCK)
    assert (answer["states"]["namespaces"], answer["degraded"]) == ("applied", [])
    assert answer["states"]["landlock"] == "unavailable"


@pytest.mark.parametrize("number", [CLOSE_RANGE, OPENAT2])
def test_calls_that_can_be_made_up_for_are(number: int) -> None:
    answer = loaded_without([number, None, errno.ENOSYS])
    assert (answer["degraded"], answer["states"]["seccomp"]) == ([], "applied")


def test_denials_do_not_fill_the_audit_log() -> None:
    """A restriction that would have them logged is refused here, where the kernel has a log."""
    logged: list[int | None] = [LANDLOCK_RESTRICT, 0, errno.EPERM, 1]
    with load_addon(addon_path("primitive"), sandbox="default") as addon:
        detail = host(addon).sandbox["landlock"].detail
    found = re.match(r"version (\d+)", detail)
    if found is None or int(found[1]) < LOG_FLAGS:
        pytest.skip(f"Landlock has no log here: {detail}")
    assert loaded_without(logged)["states"]["landlock"] == "applied"
