"""Registers what pools of buffers do when this process forks and when it ends."""

from __future__ import annotations

import atexit
import os

from napi_python import _native
from napi_python._native import BufferPool, PoolBuffer, PoolGuard

__all__ = ["BufferPool", "PoolBuffer", "PoolGuard"]

os.register_at_fork(
    before=_native._pools_before_fork,  # noqa: SLF001 - of this package
    after_in_parent=_native._pools_after_fork_in_parent,  # noqa: SLF001
    after_in_child=_native._pools_after_fork_in_child,  # noqa: SLF001
)
atexit.register(_native._remove_pool_names)  # noqa: SLF001
