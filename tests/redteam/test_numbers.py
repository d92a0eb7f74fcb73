"""Attacks by the numbers of processes: a client that ends before its host looks for it, and a
number that is somebody else's by now.
"""

from __future__ import annotations

import os
import pathlib
import select
import shutil
import subprocess
import sys

import pytest
from napi_python import _addon

HERE = pathlib.Path(__file__).resolve().parent
ADDONS = pathlib.Path(os.environ.get("NAPI_HOSTD_ADDONS", HERE.parents[1] / "addons" / "build"))
ADDON = str(ADDONS / "primitive.node")
# Says its number, ends its client, and becomes a host when nothing is left of that.
KILLER = """#!/bin/sh
echo $$ > {said}.new && mv {said}.new {said}
kill -9 $PPID
while kill -0 $PPID 2> /dev/null; do :; done
exec {program} "$@"
"""
SCRIPT = """
import sys
from napi_python import load_addon
load_addon(sys.argv[1], sandbox=sys.argv[2])
"""


@pytest.mark.parametrize("policy", ["none", "default", "strict"])
def test_client_that_is_killed_before_its_host_follows_it(
    policy: str, tmp_path: pathlib.Path
) -> None:
    """L09: the signal that ends a host with its client comes only to who asked for it before."""
    said, killer = tmp_path / "said", tmp_path / "napi-hostd"
    program = _addon._host_binary()  # noqa: SLF001 - the one that is tested
    killer.write_text(KILLER.format(said=said, program=program))
    killer.chmod(0o755)
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, ADDON, policy],
        env={**os.environ, "NAPI_PYTHON_HOSTD": str(killer)},
    ) as client:
        while not said.exists() and client.poll() is None:
            pass
        orphan = os.pidfd_open(int(said.read_text()))
        assert client.wait() == -9
    # It sees that it is nobody's, and ends.
    assert select.select([orphan], [], [], 30)[0]
    os.close(orphan)


def test_number_of_an_ended_host_is_not_signalled(tmp_path: pathlib.Path) -> None:
    """L15: whatever the client does afterwards, who has the number now is left alone."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("there is no program unshare here")
    alone = [unshare, "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]
    tried = subprocess.run([*alone, "/bin/true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"no process namespaces here: {tried.stderr}")
    path = os.pathsep.join([*sys.path, str(HERE.parent / "python")])
    # The shell is the first process there, and reaps what is left of jails.
    first = ["/bin/sh", "-c", '"$@"; exit $?', "sh"]
    done = subprocess.run(
        [*alone, *first, sys.executable, str(HERE / "reused.py"), ADDON],
        env={**os.environ, "PYTHONPATH": path, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=120,
    )
    ways = [f"{policy} {how} None" for policy in ("none", "default", "strict")
            for how in ("taken", "stolen")]  # fmt: skip
    assert done.stdout.splitlines() == ways
