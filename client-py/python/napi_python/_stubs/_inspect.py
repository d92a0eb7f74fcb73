"""Writes the stub module of an addon or package without declarations, by what it exports."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

from napi_python import _text
from napi_python._errors import AddonError
from napi_python._native import host
from napi_python._stubs._errors import StubsError
from napi_python._stubs._expressions import identifier, is_attribute

if TYPE_CHECKING:
    from napi_python import Addon

_INDENT: Final = "    "
_ANY_CALL: Final = "*args: Any, **options: Any"
# How many names of one object are looked at, and how long that may take.
_NAMES_MAX: Final = 5000
# No accessor is called. A class is a function whose prototype has more than its constructor.
_SCRIPT: Final = (
    """
(exports) => {
  const LIMIT = """
    + str(_NAMES_MAX)
    + """;
  const of = (object, skipped) => Object.getOwnPropertyNames(object).slice(0, LIMIT)
    .filter((name) => !skipped.includes(name))
    .map((name) => [name, Object.getOwnPropertyDescriptor(object, name)]);
  const kind = ({ value, get, set }) => get || set ? "accessor" : typeof value;
  const own = (object, skipped) => of(object, skipped).map(([name, found]) => [name, kind(found)]);
  const isClass = (value) => typeof value === "function" && value.prototype &&
    (/^class\\b/.test(Function.prototype.toString.call(value)) ||
     Object.getOwnPropertyNames(value.prototype).some((name) => name !== "constructor"));
  const ofClass = (value) => ({
    members: own(value.prototype, ["constructor"]),
    statics: own(value, ["prototype", "length", "name", "arguments", "caller"]),
  });
  const callable = typeof exports === "function";
  const names = of(exports, callable ? ["prototype", "length", "name", "arguments", "caller"] : []);
  return JSON.stringify({
    callable,
    whole: isClass(exports) ? ofClass(exports) : null,
    names: names.map(([name, found]) => [
      name, kind(found), isClass(found.value) ? ofClass(found.value) : null]),
  });
}
"""
)


def write(addon: Addon, title: str) -> str:
    """Returns the text of a stub module by what the exports are at run time.

    Raises:
        StubsError: They cannot be looked at.

    """
    try:
        described = json.loads(host(addon).run_script(_SCRIPT)(addon))
    except (AddonError, ValueError) as error:
        text = f"cannot inspect {title}: {_text.message(str(error))}; check the addon"
        raise StubsError(text) from error
    found = cast("dict[str, Any]", described)
    classes: list[str] = []
    lines = ["class Package(Exports):", f'{_INDENT}"""What {title} exports."""']
    if found["whole"] is not None:
        classes += _class("Whole", found["whole"])
        lines.append(f"{_INDENT}def __call__(self, {_ANY_CALL}) -> Whole: ...")
    elif found["callable"]:
        lines.append(f"{_INDENT}def __call__(self, {_ANY_CALL}) -> Any: ...")
    for name, kind, members in found["names"]:
        if not is_attribute(name):
            continue
        if members is not None:
            written = f"{identifier(name)}Class"
            classes += _class(written, members)
            lines.append(f"{_INDENT}{name}: type[{written}]")
        else:
            lines.append(_member(name, kind))
    return "\n".join(
        [
            "from typing import Any",
            "from napi_python._native import Exports",
            "",
            *classes,
            *lines,
            "",
        ]
    )


def _member(name: str, kind: str, first: str = "self, ") -> str:
    if kind == "function":
        return f"{_INDENT}def {name}({first}{_ANY_CALL}) -> Any: ..."
    return f"{_INDENT}{name}: Any"


def _class(name: str, found: dict[str, list[list[str]]]) -> list[str]:
    lines = [f"class {name}:", f"{_INDENT}def __init__(self, {_ANY_CALL}) -> None: ..."]
    taken = set()
    for key, kind in found["members"]:
        if is_attribute(key):
            taken.add(key)
            lines.append(_member(key, kind))
    for key, kind in found["statics"]:
        if is_attribute(key) and key not in taken:
            if kind == "function":
                lines.append(f"{_INDENT}@staticmethod")
            lines.append(_member(key, kind, ""))
    return [*lines, ""]
