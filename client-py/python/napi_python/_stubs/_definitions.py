"""Definitions of a stub module: which types need a name, and in which directions they are used."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Final

from napi_python._stubs import _flat
from napi_python._stubs import _model as m
from napi_python._stubs._classes import Classes
from napi_python._stubs._errors import DEFINITIONS_MAX, StubsError
from napi_python._stubs._expressions import Expression
from napi_python._stubs._functions import Functions
from napi_python._stubs._types import IN, OUT, Types

if TYPE_CHECKING:
    from collections.abc import Callable

    from napi_python._stubs._flat import Environment, Flat

#: The directions of a name: both of them, if they are written as one.
BOTH: Final = "both"


class Uses:
    """What a former pass has found: which types are used in both directions, and are the same."""

    def __init__(self) -> None:
        self.seen: set[tuple[m.Entity, str]] = set()
        self.split: set[m.Entity] | None = None
        self.same: set[m.Entity] = set()
        self.aliases: dict[tuple[m.Entity, str], str] = {}
        #: Which parameters' types need which others, and those that need themselves.
        self.needs: dict[m.Entity, set[m.Entity]] = {}
        self.recursive: set[m.Entity] = set()

    def following(self) -> Uses:
        """Returns what the next pass knows."""
        found = Uses()
        sides: dict[m.Entity, set[str]] = {}
        for entity, side in self.seen:
            sides.setdefault(entity, set()).add(side)
        found.same = set(self.same)
        for entity, used in sides.items():
            texts = {self.aliases.get((entity, side), side) for side in used}
            if len(used) > 1 and len(texts) == 1:
                found.same.add(entity)
        found.split = {entity for entity, used in sides.items() if len(used) > 1}
        found.recursive = self.recursive | {
            entity for entity in self.needs if self._needs_itself(entity)
        }
        return found

    def _needs_itself(self, start: m.Entity) -> bool:
        waiting = list(self.needs.get(start, ()))
        seen = set(waiting)
        while waiting:
            entity = waiting.pop()
            if entity is start:
                return True
            following = self.needs.get(entity, set()) - seen
            seen |= following
            waiting += following
        return False


class Definitions:
    """Gives names to types and writes their definitions."""

    def __init__(self, types: Types, uses: Uses) -> None:
        self.types = types
        types.definitions = self
        self.functions = Functions(types)
        self.classes = Classes(self)
        self.uses = uses
        self.written: list[list[str]] = []
        self._named: dict[tuple[object, ...], str] = {}
        self._waiting: list[tuple[m.Entity | None, Callable[[], None]]] = []
        self._lines = 0
        #: Of which name the parameters' type is being written.
        self._about: m.Entity | None = None
        #: Generic aliases that are being expanded.
        self._expanding: set[m.Entity] = set()
        #: Objects of functions that have a class.
        self.objects: dict[m.Entity, str] = {}
        #: What the definition that is being written is about, for names of its parts.
        self.context: list[str] = []

    # --- Writing ---

    def add(self, lines: list[str]) -> None:
        """Adds a definition.

        Raises:
            StubsError: There are too many.

        """
        self._lines += len(lines)
        if self._lines > DEFINITIONS_MAX:
            text = (
                f"cannot write stubs: the declarations need more than {DEFINITIONS_MAX} lines; "
                "name a part of the package"
            )
            raise StubsError(text)
        self.written.append(lines)

    def finish(self) -> None:
        """Writes what was named and is not written yet."""
        while self._waiting:
            self._about, write = self._waiting.pop()
            write()
        self._about = None

    def _later(self, write: Callable[[], None], about: m.Entity | None = None) -> None:
        self._waiting.append((about, write))

    def _name(self, key: tuple[object, ...], wanted: str) -> tuple[str, bool]:
        """Returns the name of a definition, and whether it is new."""
        entity, side = key[:2]
        if self._about is not None and side == IN and isinstance(entity, m.Entity):
            self.uses.needs.setdefault(self._about, set()).add(entity)
        known = self._named.get(key)
        if known is not None:
            return known, False
        name = self.types.names.take(wanted)
        self._named[key] = name
        return name, True

    # --- References ---

    def reference(
        self,
        entity: m.Entity,
        arguments: tuple[m.Type, ...],
        side: str,
        environment: Environment,
    ) -> Expression:
        """Returns the type that a declared name stands for."""
        if entity.shape is not None:
            return self._shape(entity, arguments, side, environment)
        if entity.alias is not None:
            return self._alias(entity, arguments, side, environment)
        if entity.enum is not None:
            return self.types.part(self._enum(entity))
        return self.types.unknown(f"{entity.name} is no type")

    def _arguments(
        self,
        parameters: tuple[m.TypeParameter, ...],
        arguments: tuple[m.Type, ...],
        side: str,
        environment: Environment,
    ) -> str:
        """Returns the type arguments of a generic class as they are written."""
        bound = _flat.bind(parameters, arguments, environment)
        texts = [
            self.types.text(m.Ref(m.Scope(""), (parameter.name,)), side, bound)
            for parameter in parameters
        ]
        return f"[{', '.join(texts)}]" if texts else ""

    def class_text(self, entity: m.Entity) -> str:
        """Returns the type of the instances of a class, of any arguments."""
        shape = entity.shape
        assert shape is not None  # noqa: S101 - for classes only
        count = len(shape.type_parameters)
        name = self.types.names.seen(self.class_name(entity))
        any_ = self.types.names.seen("Any")
        return f"{name}[{', '.join([any_] * count)}]" if count else name

    def class_name(self, entity: m.Entity, wanted: str | None = None) -> str:
        """Returns the name of the Python class for a class or interface."""
        name, is_new = self._name((entity, OUT), wanted or entity.name)
        if is_new:
            self.uses.seen.add((entity, OUT))
            self._later(partial(self.classes.write_class, entity, name))
        return name

    def _shape(
        self,
        entity: m.Entity,
        arguments: tuple[m.Type, ...],
        side: str,
        environment: Environment,
    ) -> Expression:
        shape = entity.shape
        assert shape is not None  # noqa: S101 - the caller has seen it
        flat = self.types.flattener.of_shape(
            shape, _flat.bind(shape.type_parameters, arguments, environment)
        )
        if not shape.is_class:
            special = self._special(flat, side)
            if special is not None:
                return special
        found = Expression(())
        is_split = self.uses.split is not None and entity in self.uses.split
        if shape.is_class or side == OUT or is_split:
            written = self._arguments(shape.type_parameters, arguments, OUT, environment)
            found |= Expression((self.types.names.seen(self.class_name(entity)) + written,))
        if side == IN and is_split and flat.has_behaviour:
            # An object that the package gave: no dict has its methods.
            self.uses.seen.add((entity, IN))
        elif side == IN and is_split and entity in self.uses.recursive:
            found |= self._any_dict(entity)
        elif not shape.is_class and side == IN:
            name, is_new = self._name((entity, IN), self._input_name(entity))
            if is_new:
                self.uses.seen.add((entity, IN))
                self._later(partial(self.classes.write_dict_of, entity, name), entity)
            written = self._arguments(shape.type_parameters, arguments, IN, environment)
            typed = self.types.names.seen(name) + written
            found = Expression((typed,), (typed,)) | found
        return found

    def _any_dict(self, entity: m.Entity) -> Expression:
        """Returns the type for objects of a tree that the package gives, too.

        Type checkers compare typed dicts by their items, which takes for ever for large trees.
        """
        self.uses.seen.add((entity, IN))
        names = self.types.names
        return self.types.generic("dict", names.seen("str"), names.seen("Any"))

    def _input_name(self, entity: m.Entity) -> str:
        is_alone = self.uses.split is not None and entity not in self.uses.split
        return entity.name if is_alone else f"{entity.name}Input"

    def _special(self, flat: Flat, side: str) -> Expression | None:
        """Returns the type of an interface that is a function, or has any keys."""
        if flat.calls and (side == IN or not (flat.properties or flat.methods)):
            signature, environment = flat.calls[0]
            return self.types.callable_of(signature, side, environment)
        if flat.index and (side == IN or not (flat.properties or flat.methods)):
            joined = Expression(())
            for type_, environment in flat.index:
                joined |= self.types.expression(type_, side, environment)
            for item, environment in flat.properties.values():
                joined |= self.types.expression(item.type, side, environment)
            if flat.methods:
                joined |= self.types.generic("Callable", "...", "Any")
            return self.types.mapping(side, joined.text)
        if not (flat.properties or flat.methods or flat.calls):
            why = f"{flat.unknown[0]} has no declarations" if flat.unknown else "any object"
            return self.types.unknown(why)
        return None

    # --- Aliases and enums ---

    def _alias(
        self,
        entity: m.Entity,
        arguments: tuple[m.Type, ...],
        side: str,
        environment: Environment,
    ) -> Expression:
        alias = entity.alias
        assert alias is not None  # noqa: S101 - the caller has seen it
        inner = _flat.bind(alias.type_parameters, arguments, environment)
        is_plain = isinstance(alias.type, (m.Literal, m.Mapped, m.Intersection)) or (
            isinstance(alias.type, m.Ref)
            and alias.type.path[0] in ("Partial", "Required", "Readonly", "Pick", "Omit")
        )
        if is_plain:
            found = self._object_alias(entity, alias, side, inner)
            if found is not None:
                return found
        if alias.type_parameters:
            if entity in self._expanding:
                return self.types.unknown("recursive type")
            self._expanding.add(entity)
            try:
                return self.types.expression(alias.type, side, inner)
            finally:
                self._expanding.discard(entity)
        return self._plain_alias(entity, alias, side)

    def _object_alias(
        self, entity: m.Entity, alias: m.Alias, side: str, inner: Environment
    ) -> Expression | None:
        flat = self.types.flattener.flat(alias.type, inner)
        if flat is None:
            return None
        special = self._special(flat, side)
        if special is not None:
            return special
        texts: tuple[str, ...] = ()
        if alias.type_parameters:
            scope = m.Scope("")
            texts = tuple(
                self.types.text(m.Ref(scope, (item.name,)), each, inner)
                for item in alias.type_parameters
                for each in (IN, OUT)
            )
        is_split = self.uses.split is not None and entity in self.uses.split
        found = Expression(())
        if side == OUT or is_split:
            found |= Expression((self._object(entity, OUT, flat, texts),))
        if side == IN and is_split and entity in self.uses.recursive:
            found |= self._any_dict(entity)
        elif side == IN:
            typed = self._object(entity, IN, flat, texts)
            found = Expression((typed,), (typed,)) | found
        return found

    def _object(self, entity: m.Entity, side: str, flat: Flat, texts: tuple[str, ...]) -> str:
        """Returns the type of an alias of an object type, with arguments that are these texts."""
        variables = self._variables_in(" ".join(texts))
        wanted = entity.name if side == OUT else self._input_name(entity)
        name, is_new = self._name((entity, side, *texts), wanted)
        if is_new:
            self.uses.seen.add((entity, side))
            write = self.classes.write_flat_class if side == OUT else self.classes.write_dict
            about = entity if side == IN else None
            self._later(partial(write, name, flat, variables, entity.doc), about)
        suffix = f"[{', '.join(variables)}]" if variables else ""
        return self.types.names.seen(name) + suffix

    def _plain_alias(self, entity: m.Entity, alias: m.Alias, side: str) -> Expression:
        key = BOTH if entity in self.uses.same else side
        wanted = entity.name if key in (OUT, BOTH) else self._input_name(entity)
        name, is_new = self._name((entity, key), wanted)
        self.uses.seen.add((entity, side))
        if is_new:
            about = entity if side == IN else None
            self._later(partial(self._write_alias, entity, alias, side, name), about)
        return Expression((self.types.names.seen(name),), self._dicts_of(alias, side))

    def _dicts_of(self, alias: m.Alias, side: str) -> tuple[str, ...]:
        """Returns the typed dicts that an alias of a few types stands for."""
        parts = alias.type.types if isinstance(alias.type, m.Union) else (alias.type,)
        if side == OUT or not all(
            isinstance(part, (m.Ref, m.Keyword, m.Value, m.Literal)) for part in parts
        ):
            return ()
        found: tuple[str, ...] = ()
        for part in parts:
            entity = self.types.flattener.entity_of(part) if isinstance(part, m.Ref) else None
            if isinstance(entity, m.Entity) and entity.shape is not None:
                found += self.types.expression(part, side, {}).dicts
        return found

    def _write_alias(self, entity: m.Entity, alias: m.Alias, side: str, name: str) -> None:
        self.context = [name]
        found = self.types.expression(alias.type, side, {})
        text = found.text
        comment = self.types.take_reasons()
        # A union cannot have itself as a part.
        if re.search(rf"(?:^|\| ){re.escape(name)}(?: \||$)", text):
            text, comment = "Any", "  # Any: recursive type"
        self.uses.aliases[(entity, side)] = text
        mark = self.types.names.seen("TypeAlias")
        self.add([f"{name}: {mark} = {text}{comment}"])

    def _enum(self, entity: m.Entity) -> str:
        name, is_new = self._name((entity, BOTH), entity.name)
        if is_new and entity.enum is not None:
            values = list(entity.enum.values())
            found = Expression(())
            for value in values:
                found |= (
                    self.types.part("float")
                    if value is None or isinstance(value, float)
                    else self.types.generic("Literal", repr(value))
                )
            self.add([f"{name}: {self.types.names.seen('TypeAlias')} = {found.text}"])
        return name

    def enum_object(self, entity: m.Entity) -> str:
        """Returns the name of the class of an enum's object, whose attributes are the values."""
        name, is_new = self._name((entity, "object"), f"{entity.name}Enum")
        if is_new and entity.enum is not None:
            self._later(partial(self.classes.write_enum, entity, name))
        return name

    # --- Without a name ---

    def anonymous(self, type_: m.Type, side: str, environment: Environment) -> Expression | None:
        """Returns the type of an object type, with a definition where it is used."""
        flat = self.types.flattener.flat(type_, environment)
        if flat is None:
            return None
        special = self._special(flat, side)
        if special is not None:
            return special
        wanted = "_".join(self.context) or "Options"
        name = self.types.names.take(wanted if side == OUT else f"{wanted}Input")
        write = self.classes.write_flat_class if side == OUT else self.classes.write_dict
        before = self.types.names.hidden
        lines_before = len(self.written)
        write(name, flat, None, "")
        self.types.names.hidden = before
        head = next(lines for lines in self.written[lines_before:] if name in lines[0])
        variables = self._variables_in("\n".join(head))
        typed = self.types.names.seen(name)
        if variables:
            typed = f"{typed}[{', '.join(variables)}]"
        return Expression((typed,), (typed,) if side == IN else ())

    def _variables_in(self, text: str) -> list[str]:
        """Returns the TypeVars that a text uses, in order."""
        known = set(self.types.type_variables.values())
        return [name for name in dict.fromkeys(re.findall(r"\b_\w+", text)) if name in known]

    def variables_in(self, lines: list[str]) -> list[str]:
        """Returns the TypeVars that lines use outside of methods of their own."""
        return self._variables_in("\n".join(lines))
