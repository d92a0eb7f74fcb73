"""Writes classes: proxies, objects that cross as dicts, typed dicts of options, enums."""

from __future__ import annotations

import keyword
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from napi_python._stubs import _model as m
from napi_python._stubs._expressions import is_attribute
from napi_python._stubs._flat import Flat
from napi_python._stubs._functions import docstring
from napi_python._stubs._types import IN, OUT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from napi_python._stubs._definitions import Definitions
    from napi_python._stubs._flat import Environment

_DICT_NAMES: Final = frozenset(dir(dict))
_INDENT: Final = "    "
#: The methods by which Python iterates.
_ITERATION: Final = {
    "[Symbol.iterator]": ("__iter__", "Iterator"),
    "[Symbol.asyncIterator]": ("__aiter__", "AsyncIterator"),
}


def filled(body: list[str]) -> list[str]:
    """Returns the body of a class, which has more than comments."""
    is_empty = all(line.lstrip().startswith("#") for line in body)
    return [*body, f"{_INDENT}..."] if is_empty else body


class Classes:
    """Writes the definitions that have members."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self._types = definitions.types

    @contextmanager
    def _hiding(self, names: Iterable[str]) -> Iterator[None]:
        """While a class body is written, its members hide names of the module."""
        before = self._types.names.hidden
        self._types.names.hidden = before | frozenset(names)
        try:
            yield
        finally:
            self._types.names.hidden = before

    @contextmanager
    def _about(self, *names: str) -> Iterator[None]:
        before = self._definitions.context
        self._definitions.context = list(names)
        try:
            yield
        finally:
            self._definitions.context = before

    def _environment(self, shape: m.Shape) -> dict[str, str]:
        """Returns the type parameters of a generic class as TypeVars."""
        return {
            parameter.name: self._types.type_variable(parameter.name, "")
            for parameter in shape.type_parameters
        }

    # --- Proxies and results ---

    def write_class(self, entity: m.Entity, name: str) -> None:
        """Writes the class for instances of a class or an interface."""
        shape = entity.shape
        assert shape is not None  # noqa: S101 - for classes and interfaces only
        environment = self._environment(shape)
        flat = self._types.flattener.of_shape(shape, environment)
        bases, own = self._bases(entity, shape, environment)
        is_data = flat.is_data and not shape.is_class
        if not bases and is_data:
            bases = [f"dict[str, {self._types.names.seen('Any')}]"]
        if environment:
            variables = ", ".join(environment.values())
            bases.append(f"{self._types.names.seen('Generic')}[{variables}]")
        head = f"class {name}({', '.join(bases)}):" if bases else f"class {name}:"
        body = docstring(entity.doc, _INDENT)
        hidden = {*flat.properties, *flat.methods, *shape.members.static_methods}
        with self._hiding(hidden), self._about(name):
            if shape.is_class:
                body += self._constructor(shape, environment)
                body += self.statics(shape)
            body += self.body(own, is_data=is_data, name=name)
        self._definitions.add([head, *filled(body)])

    def _bases(
        self, entity: m.Entity, shape: m.Shape, environment: Environment
    ) -> tuple[list[str], Flat]:
        """Returns the base class, and the members that are not inherited from it."""
        own = Flat()
        bases: list[str] = []
        for base in shape.bases:
            found = self._types.flattener.entity_of(base) if isinstance(base, m.Ref) else None
            is_base = isinstance(found, m.Entity) and self._can_inherit(entity, found)
            if is_base and not bases:
                text = self._types.expression(base, OUT, environment).text
                self._types.take_reasons()
                bases.append(text)
                continue
            inner = self._types.flattener.flat(base, environment)
            if inner is not None:
                own.merge(inner)
            else:
                what = ".".join(base.path) if isinstance(base, m.Ref) else "a computed base"
                own.unknown.append(what)
        own.add(shape.members, environment)
        return bases, own

    def _can_inherit(self, entity: m.Entity, base: m.Entity) -> bool:
        if base.shape is None or base is entity or self._reaches(base, entity):
            return False
        flat = self._types.flattener.of_shape(base.shape, {})
        if flat.calls or flat.index or not (flat.properties or flat.methods or flat.unknown):
            return base.shape.is_class
        is_class = entity.shape is not None and entity.shape.is_class
        return base.shape.is_class or not is_class or not flat.is_data

    def _reaches(self, start: m.Entity, goal: m.Entity) -> bool:
        """Whether a class inherits from another one, also in a circle."""
        waiting, seen = [start], {start}
        while waiting:
            shape = waiting.pop().shape
            for base in shape.bases if shape is not None else ():
                found = self._types.flattener.entity_of(base) if isinstance(base, m.Ref) else None
                if found is goal:
                    return True
                if isinstance(found, m.Entity) and found not in seen:
                    seen.add(found)
                    waiting.append(found)
        return False

    def write_flat_class(
        self, name: str, flat: Flat, variables: Sequence[str] | None, doc: str
    ) -> None:
        """Writes the class of an object type that has no declaration of its own."""
        body = docstring(doc, _INDENT)
        with self._hiding({*flat.properties, *flat.methods}), self._about(name):
            body += self.body(flat, is_data=flat.is_data, name=name)
        if variables is None:
            variables = self._definitions.variables_in(body)
        bases = [f"dict[str, {self._types.names.seen('Any')}]"] if flat.is_data else []
        if variables:
            bases.append(f"Generic[{', '.join(variables)}]")
        head = f"class {name}({', '.join(bases)}):" if bases else f"class {name}:"
        self._definitions.add([head, *filled(body)])

    def body(self, flat: Flat, *, is_data: bool, name: str) -> list[str]:
        lines: list[str] = []
        for key, (item, environment) in flat.properties.items():
            if key.startswith("[") or not self._is_shown(key, lines, is_data=is_data):
                continue
            with self._about(name, key):
                lines += self._property(key, item, environment, is_data=is_data)
        for key, (signatures, environment) in flat.methods.items():
            if key in _ITERATION:
                lines += self._iteration(key, signatures, environment)
            elif not key.startswith("[") and self._is_shown(key, lines, is_data=is_data):
                with self._about(name, key):
                    pairs = [(signature, environment) for signature in signatures]
                    lines += self._definitions.functions.write(key, pairs)
        if flat.calls:
            lines += self._definitions.functions.write("__call__", flat.calls)
        if flat.index and not is_data:
            lines += self._items(flat)
        if flat.unknown:
            any_ = self._types.names.seen("Any")
            lines.append(f"{_INDENT}# It has no declarations of {', '.join(flat.unknown)}.")
            key = self._types.names.seen("str")
            lines.append(f"{_INDENT}def __getattr__(self, name: {key}, /) -> {any_}: ...")
        return lines

    @staticmethod
    def _is_shown(key: str, lines: list[str], *, is_data: bool) -> bool:
        """Whether a member can be an attribute; says in a comment if it cannot."""
        if is_attribute(key) and not (is_data and key in _DICT_NAMES):
            return True
        if key.isprintable():
            lines.append(f"{_INDENT}# {key!r} is no attribute in Python: read it as an item.")
        return False

    def _property(
        self, key: str, item: m.Property, environment: Environment, *, is_data: bool
    ) -> list[str]:
        found = self._types.expression(item.type, OUT, environment)
        if item.optional:
            found |= type(found)(("None",))
        comment = self._types.take_reasons()
        if item.readonly and not is_data:
            doc = docstring(item.doc, _INDENT * 2)
            head = f"{_INDENT}def {key}(self) -> {found.text}:"
            first = f"{head}{comment}" if doc else f"{head} ...{comment}"
            return [f"{_INDENT}@property", first, *doc]
        return [f"{_INDENT}{key}: {found.text}{comment}"]

    def _iteration(
        self, key: str, signatures: list[m.Signature], environment: Environment
    ) -> list[str]:
        name, iterator = _ITERATION[key]
        result = signatures[0].result
        item = self._types.names.seen("Any")
        if isinstance(result, m.Ref) and result.arguments:
            item = self._types.text(result.arguments[0], OUT, environment)
        comment = self._types.take_reasons()
        seen = self._types.names.seen(iterator)
        return [f"{_INDENT}def {name}(self) -> {seen}[{item}]: ...{comment}"]

    def _items(self, flat: Flat) -> list[str]:
        type_, environment = flat.index[0]
        key = f"{self._types.names.seen('str')} | {self._types.names.seen('int')}"
        result = self._types.text(type_, OUT, environment)
        comment = self._types.take_reasons()
        return [f"{_INDENT}def __getitem__(self, key: {key}, /) -> {result}: ...{comment}"]

    # --- Classes of JavaScript ---

    def _constructor(self, shape: m.Shape, environment: Environment) -> list[str]:
        signatures = [(signature, environment) for signature in shape.members.constructs]
        if not signatures:
            return []
        return self._definitions.functions.write("__init__", signatures, result="None")

    def statics(self, shape: m.Shape) -> list[str]:
        lines: list[str] = []
        members = shape.members
        taken = {*members.properties, *members.methods}
        for key, signatures in members.static_methods.items():
            if key not in taken and self._is_shown(key, lines, is_data=False):
                lines += self._definitions.functions.write(
                    key, [(signature, {}) for signature in signatures], decorator="staticmethod"
                )
        for key, item in members.static_properties.items():
            if key not in taken and self._is_shown(key, lines, is_data=False):
                text = self._types.text(item.type, OUT)
                comment = self._types.take_reasons()
                lines.append(f"{_INDENT}{key}: {text}{comment}")
        return lines

    # --- Options ---

    def write_dict_of(self, entity: m.Entity, name: str) -> None:
        """Writes the typed dict for an interface."""
        shape = entity.shape
        assert shape is not None  # noqa: S101 - for interfaces only
        environment = self._environment(shape)
        flat = self._types.flattener.of_shape(shape, environment)
        self.write_dict(name, flat, list(environment.values()), entity.doc)

    def write_dict(self, name: str, flat: Flat, variables: Sequence[str] | None, doc: str) -> None:
        """Writes a typed dict: functions for methods, and keys that may be missing."""
        fields: list[tuple[str, str, bool, str]] = []
        plain = all(is_attribute(key) for key in (*flat.properties, *flat.methods))
        hidden = {*flat.properties, *flat.methods} if plain else set()
        with self._hiding(hidden):
            for key, (item, environment) in flat.properties.items():
                if not key.startswith("[Symbol."):
                    with self._about(name, key):
                        text = self._types.text(item.type, IN, environment)
                    fields.append((key, text, item.optional, self._types.take_reasons()))
            for key, (signatures, environment) in flat.methods.items():
                if not key.startswith("[Symbol."):
                    with self._about(name, key):
                        text = self._types.callable_of(signatures[0], IN, environment).text
                    optional = key in flat.optional_methods
                    fields.append((key, text, optional, self._types.take_reasons()))
            self._write_fields(name, fields, variables, doc)

    def _write_fields(
        self,
        name: str,
        fields: list[tuple[str, str, bool, str]],
        variables: Sequence[str] | None,
        doc: str,
    ) -> None:
        if variables is None:
            variables = self._definitions.variables_in([text for _, text, _, _ in fields])
        required = self._types.names.seen("NotRequired")
        is_open = all(optional for _, _, optional, _ in fields)
        typed = self._types.names.seen("TypedDict")
        total = ", total=False" if is_open else ""

        def written(text: str, *, optional: bool) -> str:
            return f"{required}[{text}]" if optional and not is_open else text

        keys = [key for key, _, _, _ in fields]
        if variables or all(is_attribute(key) for key in keys):
            generic = f", Generic[{', '.join(variables)}]" if variables else ""
            lines = [f"class {name}({typed}{generic}{total}):", *docstring(doc, _INDENT)]
            for key, text, optional, comment in fields:
                # Only a class is generic, and only names are keys of a class.
                if self._is_shown(key, lines, is_data=False):
                    lines.append(f"{_INDENT}{key}: {written(text, optional=optional)}{comment}")
        else:
            # Keys that Python has no names for.
            lines = [f"{name} = {typed}(", f'{_INDENT}"{name}",', f"{_INDENT}{{"]
            for key, text, optional, comment in fields:
                shown = written(text, optional=optional)
                lines.append(f"{_INDENT * 2}{key!r}: {shown},{comment}")
            lines += [f"{_INDENT}}},", *([f"{_INDENT}total=False,"] if is_open else []), ")"]
            self._definitions.add(lines)
            return
        self._definitions.add([lines[0], *filled(lines[1:])])

    # --- Enums ---

    def write_enum(self, entity: m.Entity, name: str) -> None:
        """Writes the class of the object that an enum is."""
        any_ = self._types.names.seen("Any")
        lines = [f"class {name}(dict[str, {any_}]):", *docstring(entity.doc, _INDENT)]
        for key, value in (entity.enum or {}).items():
            if keyword.iskeyword(key) or not self._is_shown(key, lines, is_data=True):
                continue
            literal = isinstance(value, (str, int))
            shown = f"{self._types.names.seen('Literal')}[{value!r}]" if literal else "float"
            lines.append(f"{_INDENT}{key}: {shown}")
        self._definitions.add([lines[0], *filled(lines[1:])])
