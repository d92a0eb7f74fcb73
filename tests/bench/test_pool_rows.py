"""What the rows about pools measure is correct."""

from __future__ import annotations

import measure
import pool


def test_rows_are_measured() -> None:
    rows, samples = pool.Rows(), measure.Samples()
    try:
        # It checks what the tasks have read.
        rows.measure(samples)
        assert all(worker.failed == 0 for worker in rows.two.stats().workers)
        assert sum(worker.tasks for worker in rows.two.stats().workers) == pool.IMAGES + 4
    finally:
        rows.close()
    found = samples.medians()
    assert set(found) == {(row, "lanes") for row in ("pool-task", "pool-cores", "pool-images")}
    assert found["pool-cores", "lanes"] > 0
    assert found["pool-images", "lanes"] > 0
