"""Every attack of the addon `redteam` ends as matrix.txt says, for root and for an ordinary user.

Two variables change what is done: ATTACKS=100 makes each attack so often, and GOLDEN=1 writes the
matrix anew, after a change that is meant. What may be allowed at all stands here, not there.
"""

from __future__ import annotations

import functools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import napi_python
import pytest
from napi_python import _addon

HERE = pathlib.Path(__file__).resolve().parent
MATRIX = HERE / "matrix.txt"
ADDONS = pathlib.Path(os.environ.get("NAPI_HOSTD_ADDONS", HERE.parents[1] / "addons" / "build"))
NOBODY = 65534
REPEATS = int(os.environ.get("ATTACKS", "1"))
# Of whichever test of a user comes first: it makes the attacks. In seconds.
LIMIT = 1800 + 120 * REPEATS
USERS = ("root", "user", "contained")
COLUMNS = (
    ("none", "now"),
    ("default", "now"),
    ("default", "landlock-4"),
    ("default", "landlock-1"),
    ("default", "no-landlock"),
    ("default", "no-namespaces"),
    ("default", "neither"),
    ("strict", "now"),
    ("strict", "landlock-4"),
    ("strict", "no-namespaces"),
    ("default", "network"),
    ("strict", "network"),
    ("default", "subprocess"),
    ("strict", "subprocess"),
    ("default", "address"),
    ("strict", "address"),
)

# What a client tries whose container has a filter of its own.
CONTAINED = (("none", "now"), ("default", "now"), ("strict", "now"))

# What may be allowed, and why. Nothing else may, whatever the matrix says.
GRANTED = {
    "load": "it is loaded",
    "C01_read_own_file": "an addon may read itself",
    "C02_write_scratch": "its folder is its own",
    "E07_flock_readable": "a lock of its own file looks the same to the filter",
    "S03_bulk_noise": "the bytes of buffers are its own, and garbage otherwise",
    "S03_bulk_hole": "bytes that become zero are such garbage",
    "R10_deep": "what is in its folder goes with it, however hard it is to remove",
    "R10_closed": "the same",
    "R11_flood": "it may print; what is kept of it has an end",
    "S10_log_flood": "it may log; what waits to be read has an end",
    "S13_storm": "it may request turns; nothing else is delayed by it",
}
BY_DEFAULT = GRANTED | {
    "E05_stat": "that a file exists, its size and times are seen",
    "E05_access": "the same",
    "E05_open_path": "the same: nothing can be read by it",
    "E05_readlink": "the same",
    "E05_chdir": "the same: nothing can be opened by it",
    "E12_affinity": "the filter cannot tell an own thread from another process",
    "E12_scheduler": "the same",
    "E12_parameters": "the same",
    "E12_attributes": "the same",
    "E12_interval": "the same",
    "E12_priority": "the same",
    "E12_io_priority": "the same",
    "E22_mmap_rwx": "compilers at run time need it",
    "E22_mprotect_rx": "the same",
    "E22_own_file_rx": "the same",
    "R10_files": "nothing bounds how much is in its folder, only how long a file is",
    "R10_space": "the same",
    "R05_threads": "it has 1024 unless told otherwise, and the attack makes fewer",
}
WITH_NETWORK = {
    "E08_tcp_connect": "that is what the option is for",
    "E08_tcp6": "the same",
    "E08_tcp_bind": "the same",
    "E08_listen_unbound": "the same",
    "E09_udp": "the same",
    "E09_udp6": "the same",
    "E09_netlink": "to list interfaces and routes; changing them takes a capability",
    "E09_any_family": "one of those above",
}
WITH_PROCESSES = {
    "E14_fork": "that is what the option is for",
    "E14_fork_raw": "the same",
    "E14_vfork": "the same",
    "E14_clone": "the same",
    "E14_posix_spawn": "the same",
    "E14_system": "the same",
    "E14_popen": "the same",
    "R04_forks": "the same",
}
WITH_PROCESSES_BY_DEFAULT = WITH_PROCESSES | {
    "E11_kill_all": "the kernel reports success, and no process outside gets the signal",
    "E12_clock_time": "the filter does not know the numbers of the addon's processes",
    "E12_clock_resolution": "the same",
    "E12_clock_sleep": "the same",
    "E12_clock_timer": "the same",
    "E12_session": "the same",
    "E12_group": "the same",
}
STRICTLY = GRANTED | {
    "E03_suid_in_own": "nobody else sees its files, and no new privileges come of them",
}
ALLOWED = {"default": BY_DEFAULT, "strict": STRICTLY}
# Where a jail stands in for Landlock.
IN_JAIL = STRICTLY | {"E11_proc_list": "it sees that it is alone"}
BOUNDED_IN_JAIL = ("R10_files", "R10_space")

Outcomes = dict[tuple[str, str, str], str]


def _uid(user: str) -> int:
    """Returns who attacks, or skips and says why that can't be."""
    if user == "root":
        if os.geteuid() != 0:
            pytest.skip("only root can say what root may do")
        return 0
    if os.geteuid() != 0:
        return os.geteuid()
    try:
        subprocess.run(
            ["/bin/true"], user=NOBODY, group=NOBODY, extra_groups=[], cwd="/", check=True
        )
    except OSError as error:
        pytest.skip(f"there is no user {NOBODY} to become here: {error}")
    return NOBODY


@pytest.fixture(scope="module")
def kit() -> Iterator[pathlib.Path]:
    """Copies all that an attack needs to a folder that every user may read.

    The user who attacks may not be able to enter the folder of the repository.
    """
    folder = pathlib.Path(tempfile.mkdtemp(prefix="redteam-kit-"))
    shutil.copy(_addon._host_binary(), folder / "napi-hostd")  # noqa: SLF001 - it is copied
    python = folder / "python"
    # The program is beside it already.
    ignored = shutil.ignore_patterns("__pycache__", "_bin")
    shutil.copytree(
        pathlib.Path(napi_python.__file__).parent, python / "napi_python", ignore=ignored
    )
    for script in (HERE / "attack.py", HERE.parent / "python" / "processes.py"):
        shutil.copy(script, python)
    # Each addon in a package of its own.
    for name in ("redteam", "primitive"):
        (folder / name).mkdir()
        (folder / name / "package.json").write_text("{}")
        shutil.copy(ADDONS / f"{name}.node", folder / name)
    shutil.copy(ADDONS / "libredteam_needed.so", folder / "redteam")
    # As in a home that neither HOME nor the database of users names.
    (folder / "redteam" / ".ssh").mkdir()
    (folder / "redteam" / ".ssh" / "id").write_text("mine")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def attack(kit: pathlib.Path) -> Any:
    """Runs all attacks as a user, once; returns what came of them, and what else went wrong."""

    @functools.cache
    def run(user: str) -> dict[str, Any]:
        given = {
            "addon": str(kit / "redteam" / "redteam.node"),
            "other": str(kit / "primitive" / "primitive.node"),
            "uid": _uid(user),
            "repeats": REPEATS,
            "contained": user == "contained",
            "columns": CONTAINED if user == "contained" else COLUMNS,
        }
        done = subprocess.run(
            [sys.executable, str(kit / "python" / "attack.py"), json.dumps(given)],
            env={
                **os.environ,
                "PYTHONPATH": str(kit / "python"),
                "NAPI_PYTHON_HOSTD": str(kit / "napi-hostd"),
                "TMPDIR": tempfile.gettempdir(),
            },
            cwd="/",
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    return run


def outcomes(report: dict[str, Any], user: str) -> Outcomes:
    """What came of each attack, by its name, who made it, and under what."""
    return {
        (name, user, column): outcome
        for column, found in report["outcomes"].items()
        for name, outcome in found.items()
        if not column.startswith("none/")
    }


def written() -> Outcomes:
    """Reads the matrix."""
    found: Outcomes = {}
    name = ""
    for line in MATRIX.read_text().splitlines():
        if line.startswith("#") or not line:
            continue
        if not line.startswith(" "):
            name = line
            continue
        outcome, _, where = line.strip().partition(" <- ")
        for place in where.split(" "):
            user, column = place.split(":")
            found[name, user, column] = outcome
    return found


def write(found: Outcomes) -> None:
    """Writes the matrix: below each attack its outcomes, and where it has them."""
    lines = ["# What comes of each attack. Written by: GOLDEN=1 python -m pytest tests/redteam"]
    for name in dict.fromkeys(name for name, _, _ in found):
        lines.append(name)
        places: dict[str, list[str]] = {}
        for (attack, user, column), outcome in found.items():
            if attack == name:
                places.setdefault(outcome, []).append(f"{user}:{column}")
        lines += [f"  {outcome} <- {' '.join(where)}" for outcome, where in places.items()]
    MATRIX.write_text("\n".join(lines) + "\n")


def _holes(found: Outcomes) -> list[str]:
    def allowed(column: str) -> dict[str, str]:
        policy, _, system = column.partition("/")
        if system == "network":
            return ALLOWED[policy] | WITH_NETWORK
        if system == "subprocess":
            is_strict = policy == "strict"
            return ALLOWED[policy] | (WITH_PROCESSES if is_strict else WITH_PROCESSES_BY_DEFAULT)
        if system == "address":
            # Its folder is the one that it was given.
            return ALLOWED[policy] | dict.fromkeys(BOUNDED_IN_JAIL, "the same")
        if system != "no-landlock":
            return ALLOWED[policy]
        both = ALLOWED[policy] | IN_JAIL
        return {name: why for name, why in both.items() if name not in BOUNDED_IN_JAIL}

    return [
        f"{name} is allowed to {user} under {column}"
        for (name, user, column), outcome in found.items()
        if outcome == "allowed" and name not in allowed(column)
    ]


@pytest.mark.timeout(LIMIT)
@pytest.mark.parametrize("user", USERS)
def test_attacks_end_as_the_matrix_says(user: str, attack: Any) -> None:
    found = outcomes(attack(user), user)
    holes = _holes(found)
    assert not holes, "\n".join(holes)
    if os.environ.get("GOLDEN"):
        kept = written() if MATRIX.exists() else {}
        write({**{place: text for place, text in kept.items() if place[1] != user}, **found})
    matrix = {place: text for place, text in written().items() if place[1] == user}
    differences = [
        f"{' '.join(place)}: {found.get(place, 'not tried')}, not {matrix.get(place, 'written')}"
        for place in sorted(found.keys() | matrix.keys())
        if found.get(place) != matrix.get(place)
    ]
    assert not differences, "\n".join(differences)


@pytest.mark.timeout(LIMIT)
@pytest.mark.parametrize("user", USERS)
def test_attacks_disturb_nobody_and_leave_nothing(user: str, attack: Any) -> None:
    wrong = attack(user)["wrong"]
    assert not wrong, "\n".join(wrong)


@pytest.mark.timeout(LIMIT)
@pytest.mark.parametrize("user", USERS)
def test_attacks_work_without_a_sandbox(user: str, attack: Any) -> None:
    found = attack(user)["outcomes"]["none/now"]
    assert len(found) > 20
    assert {name: text for name, text in found.items() if text != "allowed"} == {"load": "loaded"}


def test_matrix_allows_nothing_but_what_is_meant() -> None:
    assert not _holes(written())
    assert {user for _, user, _ in written()} == set(USERS)
