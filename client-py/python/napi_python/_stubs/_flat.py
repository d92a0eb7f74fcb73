"""Object types as one list of members: what interfaces inherit, and what utility types select."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from napi_python._stubs import _model as m
from napi_python._stubs._program import External

if TYPE_CHECKING:
    from napi_python._stubs._program import Program

# How deep types may refer to each other while one is expanded.
DEPTH_MAX: Final = 40


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """What a type parameter stands for: a type with its own parameters."""

    type: m.Type
    environment: Environment


#: Type parameters by name: the name of a TypeVar, or what the parameter stands for.
Environment: TypeAlias = Mapping[str, "str | Bound"]
EMPTY: Final[Environment] = {}


@dataclass(slots=True)
class Flat:
    """Members with the environment in which each is written."""

    properties: dict[str, tuple[m.Property, Environment]] = field(default_factory=dict)
    methods: dict[str, tuple[list[m.Signature], Environment]] = field(default_factory=dict)
    optional_methods: set[str] = field(default_factory=set)
    calls: list[tuple[m.Signature, Environment]] = field(default_factory=list)
    index: list[tuple[m.Type, Environment]] = field(default_factory=list)
    #: Bases without declarations.
    unknown: list[str] = field(default_factory=list)

    @property
    def is_data(self) -> bool:
        """Whether it has no behaviour, so that it crosses as a dict."""
        return not (self.methods or self.calls or self.unknown)

    @property
    def has_behaviour(self) -> bool:
        """Whether it has methods that cannot be left out."""
        return bool(set(self.methods) - self.optional_methods)

    def add(self, members: m.Members, environment: Environment) -> None:
        """Adds members, which replace those of the same name."""
        for name, item in members.properties.items():
            self.methods.pop(name, None)
            self.properties[name] = (item, environment)
        for name, signatures in members.methods.items():
            self.properties.pop(name, None)
            self.methods[name] = (signatures, environment)
        self.optional_methods |= members.optional_methods
        self.calls += [(signature, environment) for signature in members.calls]
        self.index += [(value, environment) for _, value in members.index]

    def merge(self, other: Flat) -> None:
        """Adds the members of another one."""
        self.properties.update(other.properties)
        self.methods.update(other.methods)
        self.optional_methods |= other.optional_methods
        self.calls += other.calls
        self.index += other.index
        self.unknown += other.unknown

    def select(self, keys: set[str], *, kept: bool) -> None:
        """Keeps some members, or all but these."""
        self.properties = {k: v for k, v in self.properties.items() if (k in keys) is kept}
        self.methods = {k: v for k, v in self.methods.items() if (k in keys) is kept}

    def set_optional(self, *, optional: bool) -> None:
        """Makes all properties optional, or none."""
        self.properties = {
            name: (replace(item, optional=optional), environment)
            for name, (item, environment) in self.properties.items()
        }
        self.optional_methods = set(self.methods) if optional else set()


def bind(
    parameters: tuple[m.TypeParameter, ...],
    arguments: tuple[m.Type, ...],
    environment: Environment,
) -> Environment:
    """Returns what type parameters stand for where a generic type is used."""
    found: dict[str, str | Bound] = {}
    for place, parameter in enumerate(parameters):
        if place < len(arguments):
            found[parameter.name] = Bound(arguments[place], environment)
        else:
            default = parameter.default or parameter.bound or m.Keyword("any")
            found[parameter.name] = Bound(default, dict(found))
    return found


class Flattener:
    """Finds the members of object types."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._depth = 0

    def entity_of(self, ref: m.Ref | m.Query) -> m.Entity | External | None:
        """Returns what a reference names."""
        if ref.specifier is None:
            return self._program.resolve(ref.scope, ref.path)
        module = self._program.module(ref.specifier, ref.scope)
        if module is None:
            return External(ref.specifier, ".".join(ref.path) or None)
        if not ref.path:
            return self._program.whole(module)
        found = self._program.exported(module, ref.path[0])
        for name in ref.path[1:]:
            inner = found.namespace if isinstance(found, m.Entity) else None
            found = None if inner is None else self._program.exported(inner, name)
        return found

    def flat(self, type_: m.Type, environment: Environment) -> Flat | None:
        """Returns the members of an object type, None if it is no object type."""
        if self._depth > DEPTH_MAX:
            return None
        self._depth += 1
        try:
            return self._flat(type_, environment)
        finally:
            self._depth -= 1

    def _flat(self, type_: m.Type, environment: Environment) -> Flat | None:
        if isinstance(type_, m.Literal):
            found = Flat()
            found.add(type_.members, environment)
            return found
        if isinstance(type_, m.Intersection):
            return self._intersection(type_, environment)
        if isinstance(type_, m.Mapped):
            return self._mapped(type_, environment)
        if isinstance(type_, m.Ref):
            return self._reference(type_, environment)
        return None

    def _intersection(self, type_: m.Intersection, environment: Environment) -> Flat | None:
        found = Flat()
        for part in type_.types:
            inner = self.flat(part, environment)
            if inner is None:
                return None
            found.merge(inner)
        return found

    def _mapped(self, type_: m.Mapped, environment: Environment) -> Flat | None:
        keys = self.keys(type_.keys, environment)
        if keys is None:
            return None
        found = Flat()
        for key in keys:
            inner = {**environment, type_.name: Bound(m.Value(key), {})}
            optional = bool(type_.optional)
            if type_.optional is None and isinstance(type_.keys, m.KeyOf):
                source = self.flat(type_.keys.of, environment)
                known = None if source is None else source.properties.get(key)
                optional = known is not None and known[0].optional
            found.properties[key] = (m.Property(type_.value, optional), inner)
        return found

    def _reference(self, type_: m.Ref, environment: Environment) -> Flat | None:
        if len(type_.path) == 1 and type_.path[0] in environment:
            bound = environment[type_.path[0]]
            return None if isinstance(bound, str) else self.flat(bound.type, bound.environment)
        entity = self.entity_of(type_)
        if isinstance(entity, m.Entity):
            return self.of_entity(entity, type_.arguments, environment)
        if entity is None and len(type_.path) == 1:
            return self._utility(type_.path[0], type_.arguments, environment)
        return None

    def of_entity(
        self, entity: m.Entity, arguments: tuple[m.Type, ...], environment: Environment
    ) -> Flat | None:
        """Returns the members of a declared interface, class or alias."""
        if entity.shape is not None:
            inner = bind(entity.shape.type_parameters, arguments, environment)
            return self.of_shape(entity.shape, inner)
        if entity.alias is not None:
            inner = bind(entity.alias.type_parameters, arguments, environment)
            return self.flat(entity.alias.type, inner)
        return None

    def of_shape(self, shape: m.Shape, environment: Environment) -> Flat:
        """Returns the members of an interface or a class, with what it inherits."""
        found = Flat()
        for base in shape.bases:
            inner = self.flat(base, environment)
            if inner is not None:
                found.merge(inner)
            elif isinstance(base, m.Ref):
                found.unknown.append(".".join(base.path))
            else:
                found.unknown.append("a computed base")
        found.add(shape.members, environment)
        return found

    def _utility(
        self, name: str, arguments: tuple[m.Type, ...], environment: Environment
    ) -> Flat | None:
        if not arguments:
            return None
        if name == "Record" and len(arguments) > 1:
            return self._mapped(m.Mapped("", arguments[0], arguments[1], None), environment)
        found = self.flat(arguments[0], environment)
        if found is None or name not in ("Partial", "Required", "Readonly", "Pick", "Omit"):
            return found if name == "NoInfer" else None
        if name in ("Partial", "Required"):
            found.set_optional(optional=name == "Partial")
        elif name != "Readonly":
            keys = self.keys(arguments[1], environment) if len(arguments) > 1 else None
            if keys is None:
                return None
            found.select(set(keys), kept=name == "Pick")
        return found

    def keys(self, type_: m.Type, environment: Environment) -> list[str] | None:
        """Returns the names that a type of keys has, None if they are not known."""
        if isinstance(type_, m.Value):
            return [str(type_.value)]
        if isinstance(type_, m.KeyOf):
            flat = self.flat(type_.of, environment)
            return None if flat is None or flat.index else [*flat.properties, *flat.methods]
        if isinstance(type_, m.Union):
            parts = [self.keys(part, environment) for part in type_.types]
            return None if None in parts else [key for part in parts for key in part or ()]
        if isinstance(type_, m.Ref) and self._depth <= DEPTH_MAX:
            self._depth += 1
            try:
                return self._keys_of(type_, environment)
            finally:
                self._depth -= 1
        return None

    def _keys_of(self, type_: m.Ref, environment: Environment) -> list[str] | None:
        if len(type_.path) == 1 and type_.path[0] in environment:
            bound = environment[type_.path[0]]
            return None if isinstance(bound, str) else self.keys(bound.type, bound.environment)
        entity = self.entity_of(type_)
        if isinstance(entity, m.Entity):
            if entity.alias is not None:
                inner = bind(entity.alias.type_parameters, type_.arguments, environment)
                return self.keys(entity.alias.type, inner)
            if entity.enum is not None:
                return [str(value) for value in entity.enum.values()]
            return None
        if type_.path == ("Exclude",) and len(type_.arguments) > 1:
            all_keys = self.keys(type_.arguments[0], environment)
            without = self.keys(type_.arguments[1], environment)
            if all_keys is not None and without is not None:
                return [key for key in all_keys if key not in without]
        return None
