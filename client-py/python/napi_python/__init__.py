"""Load unmodified Node-API addons, each in a process of its own.

```python
from napi_python import load_addon

addon = load_addon("path/to/addon.node")
addon.add(1, 2)
```
"""

from napi_python._addon import load_addon
from napi_python._aio import aio
from napi_python._classes import js_class
from napi_python._convert import register
from napi_python._deadline import deadline
from napi_python._errors import (
    AddonCrashed,
    AddonError,
    AddonTimeout,
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
)
from napi_python._native import (
    Addon,
    Buffer,
    External,
    Host,
    JSClass,
    JSFunction,
    JSObject,
    Promise,
    Symbol,
    __version__,
    clear_cache,
    construct,
    host,
    new_object,
)
from napi_python._output import on_uncaught
from napi_python._policy import by_ref, expose
from napi_python._restart import RestartPolicy
from napi_python._sandbox import Mechanism, Sandbox, SandboxReport
from napi_python._values import BigInt, Object, undefined
from napi_python._views import ArrayBuffer, DataView, SharedArrayBuffer, TypedArray

__all__ = [
    "Addon",
    "AddonCrashed",
    "AddonError",
    "AddonTimeout",
    "ArrayBuffer",
    "BigInt",
    "Buffer",
    "DataView",
    "External",
    "Host",
    "JSClass",
    "JSError",
    "JSFunction",
    "JSObject",
    "JSRangeError",
    "JSSyntaxError",
    "JSTypeError",
    "LoadError",
    "Mechanism",
    "NapiError",
    "Object",
    "Promise",
    "ProtocolError",
    "RestartPolicy",
    "Sandbox",
    "SandboxReport",
    "SandboxUnavailable",
    "SandboxViolation",
    "SandboxWarning",
    "SharedArrayBuffer",
    "StaleHandleError",
    "Symbol",
    "TypedArray",
    "__version__",
    "aio",
    "by_ref",
    "clear_cache",
    "construct",
    "deadline",
    "expose",
    "host",
    "js_class",
    "load_addon",
    "new_object",
    "on_uncaught",
    "register",
    "undefined",
]
