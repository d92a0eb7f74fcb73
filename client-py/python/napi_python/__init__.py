"""Load unmodified Node-API addons, each in a process of its own.

```python
from napi_python import load_addon

addon = load_addon("path/to/addon.node")
addon.add(1, 2)
```
"""

from __future__ import annotations

try:
    from napi_python import _native  # noqa: F401 - first, so that its failure can be explained
except ImportError as error:
    from napi_python._unsupported import explained

    raise explained(error) from None

from napi_python._modules import open_host
from napi_python._native import (
    Addon,
    Buffer,
    CudaBuffer,
    CudaHandle,
    External,
    Host,
    JSClass,
    JSFunction,
    JSObject,
    Module,
    Promise,
    Symbol,
    __version__,
    acquire_cuda,
    clear_cache,
    construct,
    host,
    new_object,
    preallocate_cuda,
)
from napi_python._pool import BufferPool, PoolBuffer, PoolGuard

# As of `typing`, which is imported later.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    # Stubs of packages replace it: docs/types.md.
    from napi_packages import load_addon, require

    from napi_python._aio import aio
    from napi_python._bulk import BulkResults, bulk
    from napi_python._callables import pass_this
    from napi_python._classes import js_class
    from napi_python._convert import register
    from napi_python._crash_report import CrashReport
    from napi_python._deadline import deadline
    from napi_python._errors import (
        AddonCrashed,
        AddonError,
        AddonTimeout,
        CudaError,
        InstallError,
        JSError,
        JSRangeError,
        JSSyntaxError,
        JSTypeError,
        LoadError,
        NapiError,
        ProtocolError,
        SandboxUnavailable,
        SandboxViolation,
        SandboxWarning,
        StaleHandleError,
        WrongThreadError,
    )
    from napi_python._events import on
    from napi_python._executor import AddonPool
    from napi_python._install import InstalledPackage, install
    from napi_python._output import on_uncaught
    from napi_python._policy import by_ref, expose
    from napi_python._pool_tasks import PoolFuture
    from napi_python._pool_workers import PoolStats, WorkerStats
    from napi_python._profile import (
        CollectionProfile,
        ExportProfile,
        FunctionProfile,
        Profile,
        PromiseProfile,
        TimeProfile,
    )
    from napi_python._recording import Recording
    from napi_python._references import ExportReference
    from napi_python._restart_policy import RestartPolicy
    from napi_python._sandbox import Mechanism, Sandbox, SandboxReport
    from napi_python._to_json import to_json
    from napi_python._tracing import TracedExports, TracedPromise, trace_calls
    from napi_python._values import BigInt, Object, undefined
    from napi_python._views import ArrayBuffer, DataView, SharedArrayBuffer, TypedArray
else:
    from napi_python._addon import load_addon
    from napi_python._modules import require

__all__ = [
    "Addon",
    "AddonCrashed",
    "AddonError",
    "AddonPool",
    "AddonTimeout",
    "ArrayBuffer",
    "BigInt",
    "Buffer",
    "BufferPool",
    "BulkResults",
    "CollectionProfile",
    "CrashReport",
    "CudaBuffer",
    "CudaError",
    "CudaHandle",
    "DataView",
    "ExportProfile",
    "ExportReference",
    "External",
    "FunctionProfile",
    "Host",
    "InstallError",
    "InstalledPackage",
    "JSClass",
    "JSError",
    "JSFunction",
    "JSObject",
    "JSRangeError",
    "JSSyntaxError",
    "JSTypeError",
    "LoadError",
    "Mechanism",
    "Module",
    "NapiError",
    "Object",
    "PoolBuffer",
    "PoolFuture",
    "PoolGuard",
    "PoolStats",
    "Profile",
    "Promise",
    "PromiseProfile",
    "ProtocolError",
    "Recording",
    "RestartPolicy",
    "Sandbox",
    "SandboxReport",
    "SandboxUnavailable",
    "SandboxViolation",
    "SandboxWarning",
    "SharedArrayBuffer",
    "StaleHandleError",
    "Symbol",
    "TimeProfile",
    "TracedExports",
    "TracedPromise",
    "TypedArray",
    "WorkerStats",
    "WrongThreadError",
    "__version__",
    "acquire_cuda",
    "aio",
    "bulk",
    "by_ref",
    "clear_cache",
    "construct",
    "deadline",
    "expose",
    "host",
    "install",
    "js_class",
    "load_addon",
    "new_object",
    "on",
    "on_uncaught",
    "open_host",
    "pass_this",
    "preallocate_cuda",
    "register",
    "require",
    "to_json",
    "trace_calls",
    "undefined",
]


# Names that are imported at their first use. Native code imports most of their modules while the
# first host starts; some need parts of the standard library that take longer to import than all of
# this package.
_LATER: Final = {
    "AddonCrashed": "_errors",
    "AddonError": "_errors",
    "AddonPool": "_executor",
    "AddonTimeout": "_errors",
    "ArrayBuffer": "_views",
    "BigInt": "_values",
    "BulkResults": "_bulk",
    "CollectionProfile": "_profile",
    "CrashReport": "_crash_report",
    "CudaError": "_errors",
    "DataView": "_views",
    "ExportProfile": "_profile",
    "ExportReference": "_references",
    "FunctionProfile": "_profile",
    "InstallError": "_errors",
    "InstalledPackage": "_install",
    "JSError": "_errors",
    "JSRangeError": "_errors",
    "JSSyntaxError": "_errors",
    "JSTypeError": "_errors",
    "LoadError": "_errors",
    "Mechanism": "_sandbox",
    "NapiError": "_errors",
    "Object": "_values",
    "PoolFuture": "_pool_tasks",
    "PoolStats": "_pool_workers",
    "Profile": "_profile",
    "PromiseProfile": "_profile",
    "ProtocolError": "_errors",
    "Recording": "_recording",
    "RestartPolicy": "_restart_policy",
    "Sandbox": "_sandbox",
    "SandboxReport": "_sandbox",
    "SandboxUnavailable": "_errors",
    "SandboxViolation": "_errors",
    "SandboxWarning": "_errors",
    "SharedArrayBuffer": "_views",
    "StaleHandleError": "_errors",
    "TimeProfile": "_profile",
    "TracedExports": "_tracing",
    "TracedPromise": "_tracing",
    "TypedArray": "_views",
    "WorkerStats": "_pool_workers",
    "WrongThreadError": "_errors",
    "aio": "_aio",
    "bulk": "_bulk",
    "by_ref": "_policy",
    "deadline": "_deadline",
    "expose": "_policy",
    "install": "_install",
    "js_class": "_classes",
    "on": "_events",
    "on_uncaught": "_output",
    "pass_this": "_callables",
    "register": "_convert",
    "to_json": "_to_json",
    "trace_calls": "_tracing",
    "undefined": "_values",
}


def __getattr__(name: str) -> object:
    """Imports a name at its first use."""
    if name not in _LATER:
        text = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(text, name=name)
    import importlib  # noqa: PLC0415 - only here

    module = importlib.import_module(f"{__name__}.{_LATER[name]}")
    globals()[name] = found = getattr(module, name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
