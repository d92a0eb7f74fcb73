"""What an addon or package exports, read in its own process without running its code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from napi_python import _native, _text

if TYPE_CHECKING:
    from collections.abc import Callable

# Describes a value by its property descriptors: no getter is called. At most MAX names, cut texts.
_DESCRIBE: Final = """
(exports) => {
  const MAX = 2000, DEPTH = 4, TEXT = 200;
  const {getOwnPropertyDescriptor} = Object;
  const source = (f) => Function.prototype.toString.call(f);
  let left = MAX;
  const seen = new Set();
  const cut = (text) => text.length > TEXT ? text.slice(0, TEXT) + '...' : text;
  const own = (object, name) => getOwnPropertyDescriptor(object, name)?.value;
  const kindOf = (value) => {
    if (value === null) return 'null';
    if (typeof value === 'function') {
      const prototype = own(value, 'prototype');
      const has = prototype !== null && typeof prototype === 'object' &&
        Reflect.ownKeys(prototype).some((key) => key !== 'constructor');
      return has || /^class\\b/.test(source(value)) ? 'class' : 'function';
    }
    if (typeof value !== 'object') return typeof value;
    if (Array.isArray(value)) return 'array';
    return ArrayBuffer.isView(value) || value instanceof ArrayBuffer ? 'buffer' : 'object';
  };
  const members = (object, depth, without = []) => {
    const found = [];
    for (const key of Reflect.ownKeys(object)) {
      if (typeof key === 'symbol' || without.includes(key)) continue;
      if (left <= 0) break;
      left -= 1;
      const property = getOwnPropertyDescriptor(object, key);
      if (property) found.push({name: cut(key), ...about(property, depth)});
    }
    return found;
  };
  const about = (property, depth) => {
    if (property.get || property.set) {
      return {kind: 'accessor', writable: property.set !== undefined};
    }
    return of(property.value, depth);
  };
  const of = (value, depth) => {
    const found = {kind: kindOf(value)};
    if (typeof value === 'function') {
      const length = own(value, 'length');
      found.arity = typeof length === 'number' ? length : null;
    }
    if (['string', 'bigint'].includes(found.kind)) found.value = cut(String(value));
    if (['number', 'boolean'].includes(found.kind)) found.value = value;
    const nested = typeof value === 'function' || found.kind === 'object';
    if (!nested || depth <= 0 || seen.has(value)) return found;
    seen.add(value);
    if (found.kind === 'class') {
      const prototype = own(value, 'prototype');
      found.members = prototype ? members(prototype, 0, ['constructor']) : [];
      found.statics = members(value, 0, ['length', 'name', 'prototype']);
    } else {
      const inner = members(value, depth - 1, typeof value === 'function' ?
        ['length', 'name', 'prototype', 'arguments', 'caller'] : []);
      if (inner.length > 0) found.members = inner;
    }
    return found;
  };
  const found = of(exports, DEPTH);
  return {...found, complete: left > 0};
}
"""


def describe(addon: _native.Addon) -> dict[str, Any]:
    """Returns kind, arity and members of the exports; `complete` is false if there are too many.

    Raises:
        AddonError: The process has ended, or did not answer in time.

    """
    run = cast("Callable[[Any], dict[str, Any]]", _native.host(addon).run_script(_DESCRIBE))
    found = run(addon)
    # The properties of a class are its statics; its members are those of its instances.
    for member in found.get("statics", found.get("members", ())):
        # Native code knows the classes that have no members.
        if member["kind"] == "function":
            value = getattr(addon, member["name"], None)
            if isinstance(value, _native.JSClass):
                member["kind"] = "class"
    return found


def lines(exports: dict[str, Any]) -> list[str]:
    """Returns the exports as lines of text."""
    arity = exports.get("arity")
    count = len(exports.get("members", [])) + len(exports.get("statics", []))
    names = f"{count} name{'' if count == 1 else 's'}"
    head = exports["kind"] if arity is None else f"{exports['kind']} of {arity} arguments"
    found = [f"{head}, {names}" + ("" if exports["complete"] else ", not all are shown")]
    return found + _inner(exports)


def _member(member: dict[str, Any]) -> list[str]:
    name, kind = _text.name(member["name"]), member["kind"]
    if kind in {"function", "class"}:
        head = f"{'class ' if kind == 'class' else ''}{name}({member.get('arity') or 0})"
    elif "value" in member:
        head = f"{name} = {_text.brief(member['value'])}"
    else:
        head = f"{name}: {kind}"
    return [head, *_inner(member)]


def _inner(member: dict[str, Any]) -> list[str]:
    found = [f"  {line}" for inner in member.get("members", ()) for line in _member(inner)]
    for inner in member.get("statics", ()):
        first, *rest = _member(inner)
        found += [f"  static {first}", *(f"  {line}" for line in rest)]
    return found
