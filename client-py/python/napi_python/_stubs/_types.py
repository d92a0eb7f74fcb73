"""Translates types to expressions of Python: what it may pass (IN), and what it gets (OUT).

docs/contract.md states how values are converted in each direction.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from napi_python._stubs import _flat, _global_types
from napi_python._stubs import _model as m
from napi_python._stubs._errors import STEPS_MAX, StubsError
from napi_python._stubs._expressions import Expression, Names
from napi_python._stubs._flat import Bound, Environment, Flattener
from napi_python._stubs._program import External, Program

if TYPE_CHECKING:
    from napi_python._stubs._definitions import Definitions

IN: Final = "in"
"""What Python may pass."""
OUT: Final = "out"
"""What Python gets."""
# The parameters of a callable whose number of arguments is not fixed.
_OPEN: Final = "..."


def other(side: str) -> str:
    """Returns the other direction: that of the parameters of a function."""
    return OUT if side == IN else IN


class Types:
    """Translates types; what needs a name of its own is left to `definitions`."""

    definitions: Definitions

    def __init__(self, program: Program) -> None:
        self.program = program
        self.flattener = Flattener(program)
        self.names = Names()
        self.type_variables: dict[tuple[str, str], str] = {}
        self._reasons: list[str] = []
        self._depth = 0
        self._steps = 0

    # --- Parts ---

    def part(self, name: str) -> Expression:
        """Returns a name as a type."""
        return Expression((self.names.seen(name),))

    def generic(self, name: str, *arguments: str) -> Expression:
        """Returns a generic type with its arguments."""
        return Expression((f"{self.names.seen(name)}[{', '.join(arguments)}]",))

    def unknown(self, why: str) -> Expression:
        """Returns Any, and keeps why for the comment of the line."""
        if why not in self._reasons:
            self._reasons.append(why)
        return self.part("Any")

    def take_reasons(self) -> str:
        """Returns the comment of a line: why Any is in it."""
        reasons, self._reasons = self._reasons, []
        shown = "; ".join(re.sub(r"[^ -~]", "?", reason)[:80] for reason in reasons[:3])
        return f"  # Any: {shown}" if reasons else ""

    def type_variable(self, name: str, bound: str) -> str:
        """Returns the name of the TypeVar of a type parameter."""
        bound = "" if bound.endswith("Any") else bound
        key = (name, bound)
        if key not in self.type_variables:
            self.type_variables[key] = self.names.take(name, "_")
        return self.type_variables[key]

    def text(self, type_: m.Type, side: str, environment: Environment = _flat.EMPTY) -> str:
        """Returns the text of a type."""
        return self.expression(type_, side, environment).text

    # --- Types ---

    def expression(self, type_: m.Type, side: str, environment: Environment) -> Expression:
        """Returns a type of Python for one of JavaScript."""
        if self._depth > _flat.DEPTH_MAX:
            return self.unknown("recursive type")
        self._steps += 1
        if self._steps > STEPS_MAX:
            text = (
                "cannot write stubs: the declarations are too complex, since their types expand to "
                f"more than {STEPS_MAX} others; name a part of the package"
            )
            raise StubsError(text)
        self._depth += 1
        try:
            translate = getattr(self, f"_{type(type_).__name__.lower()}")
            found: Expression = translate(type_, side, environment)
            return found
        finally:
            self._depth -= 1

    def _keyword(self, type_: m.Keyword, side: str, _environment: Environment) -> Expression:
        if type_.name == "string" and side == IN:
            return self.part("str") | self.generic("PathLike", self.names.seen("str"))
        simple = _global_types.KEYWORDS.get(type_.name)
        if simple is not None:
            return Expression((simple,)) if simple == "None" else self.part(simple)
        return self.unknown(f"type {type_.name}")

    def _value(self, type_: m.Value, _side: str, _environment: Environment) -> Expression:
        if isinstance(type_.value, float):
            return self.part("float")
        return self.generic("Literal", repr(type_.value))

    def _array(self, type_: m.Array, side: str, environment: Environment) -> Expression:
        item = self.text(type_.item, side, environment)
        return self.generic("Sequence" if side == IN else "list", item)

    def _tuple(self, type_: m.Tuple, side: str, environment: Environment) -> Expression:
        items = [self.expression(item, side, environment) for item in type_.items]
        joined = Expression(())
        for item in items:
            joined |= item
        text = joined.text if items else self.names.seen("Any")
        if side == OUT:
            return self.generic("list", text)
        if type_.is_fixed and items:
            texts = [item.text for item in items]
            return self.generic("tuple", *texts) | self.generic("list", text)
        return self.generic("Sequence", text)

    def _union(self, type_: m.Union, side: str, environment: Environment) -> Expression:
        joined = Expression(())
        for part in type_.types:
            joined |= self.expression(part, side, environment)
        return joined

    def _intersection(
        self, type_: m.Intersection, side: str, environment: Environment
    ) -> Expression:
        # `string & {}` is any string.
        parts = [part for part in type_.types if not self._is_empty(part)]
        if len(parts) == 1:
            return self.expression(parts[0], side, environment)
        found = self.definitions.anonymous(type_, side, environment)
        return self.unknown("intersection of types") if found is None else found

    @staticmethod
    def _is_empty(type_: m.Type) -> bool:
        return isinstance(type_, m.Literal) and type_.members == m.Members()

    def _literal(self, type_: m.Literal, side: str, environment: Environment) -> Expression:
        if self._is_empty(type_):
            return self.unknown("any object")
        found = self.definitions.anonymous(type_, side, environment)
        return self.unknown("object type") if found is None else found

    def _mapped(self, type_: m.Mapped, side: str, environment: Environment) -> Expression:
        found = self.definitions.anonymous(type_, side, environment)
        if found is not None:
            return found
        key = self.expression(type_.keys, IN, environment).text
        if "str" not in key and "float" not in key:
            return self.unknown("mapped type")
        any_key: dict[str, str | Bound] = {type_.name: Bound(m.Keyword("string"), {})}
        value = self.text(type_.value, side, {**environment, **any_key})
        return self.mapping(side, value)

    def mapping(self, side: str, value: str) -> Expression:
        """Returns the type of an object whose keys are not known."""
        name = "Mapping" if side == IN else "dict"
        return self.generic(name, self.names.seen("str"), value)

    def _function(self, type_: m.Function, side: str, environment: Environment) -> Expression:
        if type_.constructs and side == IN:
            return self.unknown("constructor")
        return self.callable_of(type_.signature, side, environment)

    def callable_of(
        self, signature: m.Signature, side: str, environment: Environment
    ) -> Expression:
        """Returns the type of a function that is a value."""
        inner: dict[str, str | Bound] = dict(environment)
        for parameter in signature.type_parameters:
            inner[parameter.name] = Bound(parameter.bound or m.Keyword("any"), dict(inner))
        result = self.result(signature.result, side, inner)
        parameters = signature.parameters
        if any(parameter.optional or parameter.rest for parameter in parameters):
            return self.generic("Callable", _OPEN, result)
        texts = [self.text(parameter.type, other(side), inner) for parameter in parameters]
        return self.generic("Callable", f"[{', '.join(texts)}]", result)

    def result(self, type_: m.Type, side: str, environment: Environment) -> str:
        """Returns the type of what a function returns: of what is ignored, anything."""
        if side == IN and type_ == m.Keyword("void"):
            return self.names.seen("object")
        return self.text(type_, side, environment)

    def _keyof(self, type_: m.KeyOf, _side: str, environment: Environment) -> Expression:
        keys = self.flattener.keys(type_, environment)
        if not keys:
            return self.part("str")
        return Expression(tuple(f"{self.names.seen('Literal')}[{key!r}]" for key in keys))

    def _indexed(self, type_: m.Indexed, side: str, environment: Environment) -> Expression:
        flat = self.flattener.flat(type_.of, environment)
        keys = self.flattener.keys(type_.key, environment)
        if type_.key == m.Keyword("number"):
            item = self._item(type_.of, environment)
            if item is not None:
                return self.expression(item[0], side, item[1])
        if flat is None or not keys or not all(key in flat.properties for key in keys):
            return self.unknown("type of a member")
        joined = Expression(())
        for key in keys:
            found, inner = flat.properties[key]
            joined |= self.expression(found.type, side, inner)
        return joined

    def _item(self, type_: m.Type, environment: Environment) -> tuple[m.Type, Environment] | None:
        if isinstance(type_, m.Array):
            return type_.item, environment
        if isinstance(type_, m.Tuple):
            return m.Union(type_.items), environment
        entity = self.flattener.entity_of(type_) if isinstance(type_, (m.Ref, m.Query)) else None
        if isinstance(entity, m.Entity):
            if entity.alias is not None and not entity.alias.type_parameters:
                return self._item(entity.alias.type, {})
            if entity.variable is not None:
                return self._item(entity.variable, {})
        return None

    def _other(self, type_: m.Other, _side: str, _environment: Environment) -> Expression:
        return self.unknown(type_.what)

    # --- Names ---

    def _ref(self, type_: m.Ref, side: str, environment: Environment) -> Expression:
        if type_.specifier is None and len(type_.path) == 1 and type_.path[0] in environment:
            bound = environment[type_.path[0]]
            if isinstance(bound, str):
                return Expression((bound,))
            return self.expression(bound.type, side, bound.environment)
        entity = self.flattener.entity_of(type_)
        if isinstance(entity, m.Entity):
            return self.definitions.reference(entity, type_.arguments, side, environment)
        if isinstance(entity, External):
            return self._external(entity, type_, side, environment)
        if len(type_.path) > 1:
            member = self._enum_member(type_)
            return self.unknown(".".join(type_.path)) if member is None else member
        return self._global(type_, side, environment)

    def _enum_member(self, type_: m.Ref) -> Expression | None:
        owner = self.flattener.entity_of(m.Ref(type_.scope, type_.path[:-1], (), type_.specifier))
        if not isinstance(owner, m.Entity) or owner.enum is None:
            return None
        value = owner.enum.get(type_.path[-1])
        return self.part("float") if value is None else self._value(m.Value(value), OUT, {})

    def _external(
        self, entity: External, type_: m.Ref, side: str, environment: Environment
    ) -> Expression:
        if entity.specifier.removeprefix("node:") == "buffer" and entity.name == "Buffer":
            return self._global(m.Ref(type_.scope, ("Buffer",)), side, environment)
        return self.unknown(str(entity))

    def _global(self, type_: m.Ref, side: str, environment: Environment) -> Expression:
        name = type_.path[0]
        found = _global_types.translate(self, name, type_.arguments, side, environment)
        if found is not None:
            return found
        made = self.definitions.anonymous(type_, side, environment)
        return self.unknown(name) if made is None else made

    def _query(self, type_: m.Query, side: str, environment: Environment) -> Expression:
        entity = self.flattener.entity_of(type_)
        if not isinstance(entity, m.Entity):
            return self.unknown(f"typeof {'.'.join(type_.path)}")
        return self.value_of(entity, side, environment)

    def value_of(self, entity: m.Entity, side: str, environment: Environment) -> Expression:
        """Returns the type of the value that a name stands for."""
        if entity.shape is not None and entity.shape.is_class:
            return self.generic("type", self.definitions.class_text(entity))
        if entity.functions:
            return self.callable_of(entity.functions[0], side, environment)
        if entity.enum is not None:
            return self.part(self.definitions.enum_object(entity))
        if entity.variable is not None:
            return self.expression(entity.variable, side, environment)
        return self.unknown(f"value {entity.name}")
