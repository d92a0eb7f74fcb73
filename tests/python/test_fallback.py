"""Where there is no shared memory to be had, the same frames travel over the socket."""

from __future__ import annotations

import os
import subprocess
import sys

from conftest import addon_path

SCRIPT = """
import logging, resource, sys
from napi_python import host, load_addon

logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(name)s %(message)s")
# No file may grow beyond a page, so the segment of the lanes cannot be made.
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
for _ in range(2):
    with load_addon(sys.argv[1]) as addon:
        assert addon.add(1, 2) == 3
        assert addon.mapAndSum([1, 2, 3], lambda x: x * 2) == 12
        host(addon).restart()
        assert addon.greet("again") == "Hello, again!"
"""


def test_without_shared_memory_calls_go_over_the_socket() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(addon_path("sample_rust"))],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=dict(os.environ),
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if "socket" in line]
    assert len(lines) == 1, done.stdout
