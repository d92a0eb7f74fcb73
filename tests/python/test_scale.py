"""Exports in the workers of Dask, joblib, process pools and Ray: real work, with crashes in it."""

from __future__ import annotations

import importlib.util
import logging
import multiprocessing
import os
import pickle
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import pytest
from conftest import Write, addon_path, package, run_program
from napi_python import AddonCrashed, ExportReference, JSFunction, LoadError, host, load_addon
from napi_python import require as require_package

PACKAGES = Path(__file__).resolve().parents[1] / "packages"
#: The sources of a published package, which are compiled.
SOURCES = sorted(PACKAGES.glob("node_modules/semver/**/*.js"))
WORKERS = 2


@pytest.fixture(scope="module")
def transform() -> Iterator[Any]:
    with require_package("oxc-transform", root=PACKAGES) as module:
        yield module.transformSync


@pytest.fixture(scope="module")
def expected(transform: Any) -> list[str]:
    return [compiled(transform, path) for path in SOURCES]


def compiled(transform: Callable[..., Any], path: Path) -> str:
    """Returns a source in the JavaScript of 2015."""
    code: str = transform(path.name, path.read_text(encoding="utf-8"), target="es2015").code
    return code


def crash_first(flag: Path) -> None:
    """Crashes an addon in this process, the first time."""
    try:
        flag.touch(exist_ok=False)
    except FileExistsError:
        return
    with load_addon(addon_path("crash")) as addon:
        addon.nullPointer()


def compiled_with_crash(transform: Any, flags: Path, path: Path) -> str:
    """As `compiled`; before a few of the sources, an addon crashes once."""
    number = SOURCES.index(path)
    if number % 10 == 5:
        crash_first(flags / f"crash {number}")
    if number % 10 == 7:
        flag = flags / f"kill {number}"
        if not flag.exists():
            flag.touch()
            kill(transform)
    return compiled(transform, path)


def kill(transform: Any) -> None:
    """Kills the process of the addon in the middle of a call."""
    if isinstance(transform, ExportReference):
        addon = host(transform)

        def end() -> None:
            assert addon.pid is not None
            os.kill(addon.pid, signal.SIGKILL)

        addon.run_script("(end) => { end(); for (;;); }")(end)


def retried(function: Callable[[Path], str], path: Path) -> str:
    """Calls a function again where an addon crashed, as Dask does by itself."""
    for _ in range(3):
        try:
            return function(path)
        except AddonCrashed:
            continue
    return function(path)


def crashes(flags: Path) -> int:
    return len(list(flags.iterdir()))


def test_there_is_work() -> None:
    assert len(SOURCES) > 30


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_process_pool(
    method: str, transform: JSFunction, expected: list[str], tmp_path: Path
) -> None:
    work = partial(retried, partial(compiled_with_crash, transform, tmp_path))
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(WORKERS, context) as pool:
        assert list(pool.map(work, SOURCES)) == expected
    assert crashes(tmp_path) == len([n for n in range(len(SOURCES)) if n % 10 in (5, 7)])


def test_joblib(transform: JSFunction, expected: list[str], tmp_path: Path) -> None:
    work = partial(retried, partial(compiled_with_crash, transform, tmp_path))
    with joblib.parallel_config(backend="loky", n_jobs=WORKERS):
        found = joblib.Parallel()(joblib.delayed(work)(path) for path in SOURCES)
        assert found == expected
        assert crashes(tmp_path) > 5
        # An error crosses as it is.
        with load_addon(addon_path("crash")) as addon, pytest.raises(AddonCrashed, match="SIGSEGV"):
            joblib.Parallel()(joblib.delayed(addon.nullPointer)() for _ in range(2))


@pytest.fixture(scope="module")
def dask() -> Iterator[Any]:
    from dask.distributed import Client, LocalCluster

    # What a failed task prints.
    for name in ("distributed.worker", "distributed.scheduler", "distributed.protocol"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    cluster = LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=WORKERS, threads_per_worker=1, dashboard_address=None, silence_logs=50
    )
    with cluster, Client(cluster) as client:  # type: ignore[no-untyped-call]
        yield client


def test_dask(dask: Any, transform: JSFunction, expected: list[str], tmp_path: Path) -> None:
    work = partial(compiled_with_crash, transform, tmp_path)
    futures = dask.map(work, SOURCES, retries=2)
    assert dask.gather(futures) == expected
    assert crashes(tmp_path) > 5


def pid_of(reference: Any) -> tuple[int, int | None]:
    return os.getpid(), host(reference).pid


def test_dask_workers_have_one_host_each(dask: Any) -> None:
    with load_addon(addon_path("bench")) as addon:
        assert dask.gather(dask.map(addon.add, range(40), range(40))) == [2 * n for n in range(40)]
        found = dask.run(pid_of, addon.add)
        assert len(set(found.values())) == WORKERS
        assert dask.run(pid_of, addon.Counter) == found
        assert host(addon).pid not in {pid for _, pid in found.values()}


def test_dask_task_whose_addon_crashes_fails_alone(dask: Any) -> None:
    with load_addon(addon_path("crash")) as addon:
        crash = dask.submit(addon.nullPointer)
        with pytest.raises(AddonCrashed, match=r"while nullPointer\(\) was running"):
            crash.result()
    assert dask.submit(sum, [1, 2]).result() == 3


def test_dask_worker_without_the_package(dask: Any, project: Write) -> None:
    root = project(package("outer", "exports.one = () => 1"))
    with require_package("outer", root=root) as module:
        one = module.one
        assert dask.submit(one, pure=False).result() == 1
        value = pickle.dumps(one)
    root.rename(root.with_name("moved"))
    # The host that a worker has opened goes on; a new one finds nothing.
    dask.run(forget)
    lost = dask.submit(load_and_call, value, pure=False)
    with pytest.raises(LoadError, match=r"outer 1.2.3, pickled on .*, is not installed on"):
        lost.result()


def load_and_call(value: bytes) -> Any:
    return pickle.loads(value)()


def forget() -> None:
    """Closes what this process has opened."""
    from napi_python import _references

    for opened in _references._opened.values():  # noqa: SLF001
        if opened.addon is not None:
            host(opened.addon).close()


def test_dask_result_that_is_no_data(dask: Any) -> None:
    with load_addon(addon_path("bench")) as addon:
        counter = dask.submit(addon.Counter, 1)
        with pytest.raises(Exception, match=r"(?s)pickle|serialize"):
            counter.result(timeout=30)
        # It can be used where it is.
        assert dask.submit(addon.add, 2, 3).result() == 5


RAY = """
import sys
from pathlib import Path
import ray
import test_scale
from napi_python import AddonCrashed, require
if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    transform = require("oxc-transform", root=test_scale.PACKAGES).transformSync
    retried = ray.remote(max_retries=3, retry_exceptions=[AddonCrashed])
    work, flags = retried(test_scale.compiled_with_crash), Path(sys.argv[1])
    found = ray.get([work.remote(transform, flags, path) for path in test_scale.SOURCES])
    assert found == [test_scale.compiled(transform, path) for path in test_scale.SOURCES]
    assert test_scale.crashes(flags) > 5
    ray.shutdown()
    print("complete")
"""


def test_ray(tmp_path: Path) -> None:
    if importlib.util.find_spec("ray") is None:
        pytest.skip("ray is not installed: pip install ray")
    flags = tmp_path / "flags"
    flags.mkdir()
    # Ray writes to the home folder, and its workers import this module.
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    variables = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": path}
    done = run_program(RAY, flags, env=variables)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("complete\n")
