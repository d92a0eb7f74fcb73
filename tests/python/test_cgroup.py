"""A memory cgroup: the OOM killer ends the host, and the exception says so."""

from __future__ import annotations

import textwrap

from conftest import addon_path, memory_cgroup, run_program

LIMIT = 512 << 20

SCRIPT = """
    import os, sys
    from pathlib import Path
    Path(sys.argv[1], "cgroup.procs").write_text(str(os.getpid()))
    from napi_python import AddonCrashed, host, load_addon
    with load_addon(sys.argv[2], sandbox="none") as addon:
        assert addon.add(1, 2) == 3
        try:
            addon.exhaustMemory(4096)
        except AddonCrashed as error:
            assert error.signal_name == "SIGKILL", error
            assert "out of memory: the kernel's OOM killer" in error.reason, error
        else:
            raise AssertionError("the cgroup does not limit memory")
        assert addon.add(1, 2) == 3
"""


def test_kill_by_the_oom_killer_is_named_as_the_reason() -> None:
    with memory_cgroup(LIMIT) as group:
        done = run_program(textwrap.dedent(SCRIPT), group, addon_path("crash"))
        assert done.returncode == 0, (done.returncode, done.stderr[-2000:])
