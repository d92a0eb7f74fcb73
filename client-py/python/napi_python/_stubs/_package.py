"""Writes the stub module of a package: its exports as one class, with all that they need."""

from __future__ import annotations

import keyword
import re
from typing import TYPE_CHECKING, Final

from napi_python._stubs import _model as m
from napi_python._stubs._classes import Classes, filled
from napi_python._stubs._definitions import Definitions, Uses
from napi_python._stubs._expressions import IMPORTED_AS, IMPORTS, is_attribute
from napi_python._stubs._functions import docstring
from napi_python._stubs._types import OUT, Types

if TYPE_CHECKING:
    from napi_python._stubs._flat import Environment
    from napi_python._stubs._program import Program

_INDENT: Final = "    "
#: TypeScript lets subclasses narrow the parameters of methods, and takes the first overload of
#: several that fit.
_SETTINGS: Final = (
    '# mypy: disable-error-code="override, overload-overlap, overload-cannot-match, misc"',
    "# pyright: reportIncompatibleMethodOverride=false, reportIncompatibleVariableOverride=false",
    "# pyright: reportOverlappingOverload=false",
)
_PASSES_MAX: Final = 4


def write(program: Program, module: m.Scope, title: str) -> str:
    """Returns the text of a stub module."""
    uses = Uses()
    text = ""
    for _ in range(_PASSES_MAX):
        text = _Package(program, uses).write(module, title)
        following = uses.following()
        if following.split == uses.split and following.same == uses.same:
            break
        uses = following
    return text


class _Package:
    """One pass over a module."""

    def __init__(self, program: Program, uses: Uses) -> None:
        self._program = program
        self._types = Types(program)
        self._types.names.take("Package")
        self._definitions = Definitions(self._types, uses)
        self._functions = self._definitions.functions
        self._classes: Classes = self._definitions.classes

    def write(self, module: m.Scope, title: str) -> str:
        lines = self._exports(module, title)
        self._definitions.finish()
        return self._file(lines)

    # --- Exports ---

    def _entities(self, module: m.Scope) -> dict[str, m.Entity]:
        found: dict[str, m.Entity] = {}
        for name in self._program.names(module):
            entity = self._program.exported(module, name)
            if isinstance(entity, m.Entity):
                found[name] = entity
        return found

    def _exports(self, module: m.Scope, title: str) -> list[str]:
        whole = self._program.whole(module)
        head = f"class Package({self._types.names.seen('Exports')}):"
        lines = [head, f'{_INDENT}"""What {title} exports."""']
        if module.equals is not None and isinstance(whole, m.Entity):
            namespace = whole.namespace
            values = {} if namespace is None else self._entities(namespace)
            self._types.names.hidden = frozenset(values)
            lines += self._whole(whole)
        else:
            values = self._entities(module)
            self._types.names.hidden = frozenset(values)
        lines += self._values(values, "Package")
        self._types.names.hidden = frozenset()
        return lines

    def _whole(self, entity: m.Entity) -> list[str]:
        """Returns the members of a class for what is the whole of the exports."""
        lines: list[str] = []
        self._definitions.context = [entity.name]
        if entity.functions:
            lines += self._functions.write("__call__", [(item, {}) for item in entity.functions])
        shape = entity.shape
        if shape is not None and shape.is_class:
            text = self._definitions.class_text(entity)
            constructs = self._constructs(entity) or [m.Signature((), m.Keyword("any"))]
            pairs: list[tuple[m.Signature, Environment]] = [(item, {}) for item in constructs]
            lines += self._functions.write("__call__", pairs, result=text)
            lines += self._classes.statics(shape)
        if entity.variable is not None:
            flat = self._types.flattener.flat(entity.variable, {})
            if flat is not None:
                lines += self._classes.body(flat, is_data=False, name="Package")
            elif isinstance(entity.variable, m.Function):
                pairs = [(entity.variable.signature, {})]
                lines += self._functions.write("__call__", pairs)
        return lines

    def _constructs(self, entity: m.Entity) -> list[m.Signature]:
        """Returns the constructors of a class: its own, or those that it inherits."""
        seen: set[m.Entity] = set()
        current: m.Entity | None = entity
        while current is not None and current.shape is not None and current not in seen:
            seen.add(current)
            if current.shape.members.constructs:
                return current.shape.members.constructs
            bases = [base for base in current.shape.bases if isinstance(base, m.Ref)]
            found = self._types.flattener.entity_of(bases[0]) if bases else None
            current = found if isinstance(found, m.Entity) else None
        return []

    def _values(self, entities: dict[str, m.Entity], owner: str) -> list[str]:
        lines: list[str] = []
        for name, entity in entities.items():
            if not is_attribute(name) or keyword.iskeyword(name):
                continue
            self._definitions.context = [name] if owner == "Package" else [owner, name]
            lines += self._value(name, entity)
        return lines

    def _value(self, name: str, entity: m.Entity) -> list[str]:
        doc = entity.doc
        inner = {} if entity.namespace is None else self._runtime_values(entity.namespace)
        if entity.functions and not inner:
            return self._functions.write(name, [(item, {}) for item in entity.functions])
        if entity.shape is not None and entity.shape.is_class:
            self._definitions.class_name(entity, name if entity.name == "default" else None)
            return [f"{_INDENT}{name}: {self._types.value_of(entity, OUT, {}).text}"]
        if isinstance(entity.variable, m.Function) and not entity.variable.constructs:
            signature = entity.variable.signature
            documented = m.Signature(
                signature.parameters, signature.result, signature.type_parameters, doc
            )
            return self._functions.write(name, [(documented, {})])
        if entity.functions or inner:
            return [f"{_INDENT}{name}: {self._object(name, entity, inner)}"]
        if entity.enum is not None or entity.variable is not None:
            text = self._types.value_of(entity, OUT, {}).text
            return [f"{_INDENT}{name}: {text}{self._types.take_reasons()}"]
        return []

    def _runtime_values(self, namespace: m.Scope) -> dict[str, m.Entity]:
        def is_value(entity: m.Entity) -> bool:
            is_class = entity.shape is not None and entity.shape.is_class
            return is_class or bool(entity.functions or entity.enum or entity.variable)

        return {
            name: entity
            for name, entity in self._entities(namespace).items()
            if is_value(entity)
            or (entity.namespace is not None and entity.namespace is not namespace)
        }

    def _object(self, name: str, entity: m.Entity, values: dict[str, m.Entity]) -> str:
        """Writes the class of an object of functions, and returns its name."""
        known = self._definitions.objects.get(entity)
        if known is not None:
            return self._types.names.seen(known)
        written = self._types.names.take(f"{name}Namespace")
        self._definitions.objects[entity] = written
        before = self._types.names.hidden
        self._types.names.hidden = before | frozenset(values)
        lines = [f"class {written}:", *docstring(entity.doc, _INDENT)]
        if entity.functions:
            lines += self._functions.write("__call__", [(item, {}) for item in entity.functions])
        lines += self._values(values, written)
        self._types.names.hidden = before
        self._definitions.add([lines[0], *filled(lines[1:])])
        return self._types.names.seen(written)

    # --- The file ---

    def _file(self, package: list[str]) -> str:
        definitions = [*self._definitions.written, package]
        body = "\n\n".join("\n".join(lines) for lines in definitions)
        variables = [
            f'{name} = TypeVar("{name}"{f", bound={bound}" if bound else ""})'
            for (_, bound), name in self._types.type_variables.items()
            if re.search(rf"\b{name}\b", body)
        ]
        names = self._types.names
        # The alias of a generic class has its type variables.
        generic = dict(re.findall(r"(?m)^class (\w+)\(.*Generic(\[[^]]*\])", body))
        aliases = [
            f"_{name}_type: TypeAlias = {name}{generic.get(name, '')}"
            for name in sorted(names.aliased)
        ]
        imports = self._imports("\n".join([*variables, *aliases, body]))
        parts = [*_SETTINGS, *imports, ""]
        if variables:
            parts += [*variables, ""]
        if aliases:
            parts += [*aliases, ""]
        return "\n".join([*parts, body, ""])

    def _imports(self, code: str) -> list[str]:
        used = set(re.findall(r"[A-Za-z_]\w*", re.sub(r'(?s)""".*?"""|  #[^\n]*', "", code)))
        modules: dict[str, list[str]] = {}
        for name, module in IMPORTS.items():
            is_union = name == "Union" and "Union[" in code
            if name in used and (name in self._types.names.used or is_union):
                original = IMPORTED_AS.get(name, name)
                shown = name if original == name else f"{original} as {name}"
                modules.setdefault(module, []).append(shown)
        lines = ["import builtins"] if self._types.names.needs_builtins else []
        listed = sorted(modules.items())
        return [*lines, *(f"from {name} import {', '.join(sorted(own))}" for name, own in listed)]
