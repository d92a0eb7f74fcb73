"""Where the host answers otherwise than Node, line by line: docs/differences.md says why."""

from __future__ import annotations

_PROPERTY = "napi_get_all_property_names({a: 1}, 0, 64, 0): napi_ok result="

_REFUSED = 'throws TypeError ["ERR_INVALID_ARG_TYPE"]'

# The classes are those of Node 22, the oracle is newer.
_SIGNALS = {
    **{
        f'AbortSignal.any({given}): {_REFUSED}: "signals cannot be converted to sequence."': (
            f'AbortSignal.any({given}): {_REFUSED}: "Value can not be converted to sequence."'
        )
        for given in ("undefined", "null", "1", "{}")
    },
    **{
        f'AbortSignal.any([{given}]): {_REFUSED}: "signals[0] is not of type AbortSignal."': (
            f"AbortSignal.any([{given}]): {_REFUSED}: "
            '"The \\"signals[0]\\" argument must be an instance of AbortSignal. '
            f'Received {received}"'
        )
        for given, received in (("1", "type number (1)"), ("{}", "an instance of Object"))
    },
}

#: case -> what Node says -> what the host says
DIFFERENCES: dict[str, dict[str, str]] = {
    # The order of the built-in properties of Object.prototype is the engine's.
    "property": {
        f'{_PROPERTY}["a", "constructor", "__defineGetter__", "__defineSetter__", '
        '"hasOwnProperty", "__lookupGetter__", "__lookupSetter__", "isPrototypeOf", '
        '"propertyIsEnumerable", "toString", "valueOf", "__proto__", "toLocaleString"]': (
            f'{_PROPERTY}["a", "toString", "toLocaleString", "valueOf", "hasOwnProperty", '
            '"isPrototypeOf", "propertyIsEnumerable", "__proto__", "__defineGetter__", '
            '"__defineSetter__", "__lookupGetter__", "__lookupSetter__", "constructor"]'
        ),
        # V8 keeps such elements in a dictionary, of which the engine has no notion.
        "an element that was defined with attributes is frozen: napi_ok result=[]": (
            'an element that was defined with attributes is frozen: napi_ok result=["0"]'
        ),
    },
    # Shared memory of the addon's own is refused, as the interface allows.
    "arraybuffer": {
        "node_api_create_external_sharedarraybuffer(3): napi_ok "
        "result=SharedArrayBuffer(3) 010203": (
            "node_api_create_external_sharedarraybuffer(3): napi_no_external_buffers_allowed"
        )
    },
    "loop": _SIGNALS,
    "loop_v10": _SIGNALS,
}
