"""What declarations say, independent of the program that parses them: types, signatures, scopes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Keyword:
    """A type with a name of the language: `string`, `void`, `any`, `this`."""

    name: str


@dataclass(frozen=True, slots=True)
class Value:
    """A type of one value."""

    value: str | float | bool


@dataclass(frozen=True, slots=True, eq=False)
class Ref:
    """A name with type arguments; `specifier` is the module of `import("x").Name`."""

    scope: Scope
    path: tuple[str, ...]
    arguments: tuple[Type, ...] = ()
    specifier: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """`typeof name`."""

    scope: Scope
    path: tuple[str, ...]
    specifier: str | None = None


@dataclass(frozen=True, slots=True)
class Array:
    """`T[]`."""

    item: Type


@dataclass(frozen=True, slots=True)
class Tuple:
    """`[A, B?, ...C[]]`, whose items are what each place, also of the rest, can have."""

    items: tuple[Type, ...]
    is_fixed: bool


@dataclass(frozen=True, slots=True)
class Union:
    """`A | B`."""

    types: tuple[Type, ...]


@dataclass(frozen=True, slots=True)
class Intersection:
    """`A & B`."""

    types: tuple[Type, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """`(a: A) => B`, or `new (a: A) => B`."""

    signature: Signature
    constructs: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Literal:
    """`{ a: A }`."""

    members: Members


@dataclass(frozen=True, slots=True)
class KeyOf:
    """`keyof T`."""

    of: Type


@dataclass(frozen=True, slots=True)
class Indexed:
    """`T[K]`."""

    of: Type
    key: Type


@dataclass(frozen=True, slots=True)
class Mapped:
    """`{ [K in Keys]: T }`."""

    name: str
    keys: Type
    value: Type
    optional: bool | None


@dataclass(frozen=True, slots=True)
class Other:
    """What Python cannot say, and how it is called."""

    what: str


Type: TypeAlias = (
    Keyword
    | Value
    | Ref
    | Query
    | Array
    | Tuple
    | Union
    | Intersection
    | Function
    | Literal
    | KeyOf
    | Indexed
    | Mapped
    | Other
)


@dataclass(frozen=True, slots=True)
class TypeParameter:
    """`T extends Bound = Default`."""

    name: str
    bound: Type | None = None
    default: Type | None = None


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a function."""

    name: str
    type: Type
    optional: bool = False
    rest: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """One way to call a function."""

    parameters: tuple[Parameter, ...]
    result: Type
    type_parameters: tuple[TypeParameter, ...] = ()
    doc: str = ""


@dataclass(slots=True)
class Property:
    """A property of an object, or a static one of a class."""

    type: Type
    optional: bool = False
    readonly: bool = False
    doc: str = ""


@dataclass(slots=True)
class Members:
    """What an interface, class or object type has."""

    properties: dict[str, Property] = field(default_factory=dict)
    methods: dict[str, list[Signature]] = field(default_factory=dict)
    optional_methods: set[str] = field(default_factory=set)
    calls: list[Signature] = field(default_factory=list)
    constructs: list[Signature] = field(default_factory=list)
    index: list[tuple[Type, Type]] = field(default_factory=list)
    static_properties: dict[str, Property] = field(default_factory=dict)
    static_methods: dict[str, list[Signature]] = field(default_factory=dict)

    def add(self, other: Members) -> None:
        """Merges the members of a second declaration of the same name."""
        self.properties.update(other.properties)
        self.static_properties.update(other.static_properties)
        for own, theirs in (
            (self.methods, other.methods),
            (self.static_methods, other.static_methods),
        ):
            for name, signatures in theirs.items():
                own[name] = [*own.get(name, ()), *signatures]
        self.optional_methods |= other.optional_methods
        self.calls += other.calls
        self.constructs += other.constructs
        self.index += other.index


@dataclass(slots=True, eq=False)
class Shape:
    """An interface or a class: members, type parameters, and what it extends."""

    members: Members
    type_parameters: tuple[TypeParameter, ...] = ()
    bases: list[Type] = field(default_factory=list)
    is_class: bool = False


@dataclass(slots=True, eq=False)
class Alias:
    """`type X<T> = …`."""

    type: Type
    type_parameters: tuple[TypeParameter, ...] = ()


@dataclass(slots=True)
class Import:
    """A name that another module has: `name` is None for the module itself."""

    specifier: str
    name: str | None


@dataclass(slots=True, eq=False)
class Entity:
    """All that one name stands for in a scope."""

    name: str
    doc: str = ""
    functions: list[Signature] = field(default_factory=list)
    shape: Shape | None = None
    alias: Alias | None = None
    enum: dict[str, str | float | None] | None = None
    variable: Type | None = None
    namespace: Scope | None = None
    link: Import | tuple[str, ...] | None = None


@dataclass(slots=True, eq=False)
class Scope:
    """A module or a namespace: its names, and which of them it exports."""

    file: str
    parent: Scope | None = None
    names: dict[str, Entity] = field(default_factory=dict)
    exports: dict[str, tuple[str, ...] | Import | Type] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    equals: tuple[str, ...] | Type | None = None
    modules: dict[str, Scope] = field(default_factory=dict)

    def entity(self, name: str) -> Entity:
        """Returns what the name stands for, to be added to."""
        return self.names.setdefault(name, Entity(name))
