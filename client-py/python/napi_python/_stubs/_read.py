"""Reads the statements of a syntax tree into scopes: what is declared, imported and exported."""

from __future__ import annotations

import bisect
import re
from typing import TYPE_CHECKING, Any

from napi_python._stubs import _model as m
from napi_python._stubs._read_types import Node, TypeReader, literal_of, path_of

if TYPE_CHECKING:
    from collections.abc import Callable


class _Docs:
    """The comments of a file that document what follows them."""

    def __init__(self, comments: list[Node]) -> None:
        self._ends = [comment["end"] for comment in comments]
        self._comments = comments
        self._used: set[int] = set()

    def of(self, node: Node) -> str:
        """Returns the text of the last comment before a node, once."""
        place = bisect.bisect_right(self._ends, node["start"]) - 1
        if place < 0 or place in self._used:
            return ""
        self._used.add(place)
        return text_of(self._comments[place]["value"])


def text_of(comment: str) -> str:
    """Returns the text of a documentation comment, without the stars."""
    lines = [re.sub(r"^\s*\* ?", "", line).rstrip() for line in comment[1:].splitlines()]
    return "\n".join(lines).strip()


def read(file: str, tree: dict[str, Any]) -> m.Scope:
    """Returns the scope of a file."""
    scope = m.Scope(file)
    reader = _StatementReader(scope, _Docs(tree["comments"]).of)
    reader.read(tree["body"])
    return scope


def _name_of(node: Node) -> str:
    """Returns the name in an import or export, which may be a string."""
    return str(node.get("name", node.get("value")))


class _StatementReader:
    """Reads the statements of one scope."""

    def __init__(self, scope: m.Scope, doc: Callable[[Node], str]) -> None:
        self._scope = scope
        self._types = TypeReader(scope, doc)
        self._doc = doc

    def read(self, statements: list[Node]) -> None:
        """Reads statements; in a namespace without any export all of them are exported."""
        for node in statements:
            self._statement(node)
        is_ambient = self._scope.parent is not None
        if is_ambient and not self._scope.exports:
            for name in self._scope.names:
                self._scope.exports[name] = (name,)

    def _statement(self, node: Node) -> list[str]:
        """Reads a statement, and returns the names that it declares."""
        read = getattr(self, f"_{node['type']}", None)
        return [] if read is None else list(read(node) or ())

    def _documented(self, node: Node, entity: m.Entity) -> str:
        doc = self._doc(node)
        entity.doc = entity.doc or doc
        return doc

    def _TSDeclareFunction(self, node: Node) -> list[str]:  # noqa: N802
        name = "default" if node.get("id") is None else node["id"]["name"]
        entity = self._scope.entity(name)
        entity.functions.append(self._types.signature(node, self._documented(node, entity)))
        return [name]

    _FunctionDeclaration = _TSDeclareFunction

    def _ClassDeclaration(self, node: Node) -> list[str]:  # noqa: N802
        name = "default" if node.get("id") is None else node["id"]["name"]
        entity = self._scope.entity(name)
        self._documented(node, entity)
        bases: list[m.Type] = []
        if node.get("superClass") is not None:
            base = {
                "expression": node["superClass"],
                "typeArguments": node.get("superTypeArguments"),
            }
            bases.append(self._types.heritage(base))
        bases += [self._types.heritage(item) for item in node.get("implements") or ()]
        members = self._types.class_members(node["body"]["body"])
        self._shape(entity, node, members, bases)
        assert entity.shape is not None  # noqa: S101 - made above
        entity.shape.is_class = True
        return [name]

    def _TSInterfaceDeclaration(self, node: Node) -> list[str]:  # noqa: N802
        name = node["id"]["name"]
        entity = self._scope.entity(name)
        self._documented(node, entity)
        bases = [self._types.heritage(item) for item in node.get("extends") or ()]
        self._shape(entity, node, self._types.members(node["body"]["body"]), bases)
        return [name]

    def _shape(self, entity: m.Entity, node: Node, members: m.Members, bases: list[m.Type]) -> None:
        if entity.shape is None:
            parameters = self._types.type_parameters(node.get("typeParameters"))
            entity.shape = m.Shape(members, parameters, bases)
        else:
            entity.shape.members.add(members)
            entity.shape.bases += bases

    def _TSTypeAliasDeclaration(self, node: Node) -> list[str]:  # noqa: N802
        name = node["id"]["name"]
        entity = self._scope.entity(name)
        self._documented(node, entity)
        parameters = self._types.type_parameters(node.get("typeParameters"))
        entity.alias = m.Alias(self._types.type(node["typeAnnotation"]), parameters)
        return [name]

    def _TSEnumDeclaration(self, node: Node) -> list[str]:  # noqa: N802
        name = node["id"]["name"]
        entity = self._scope.entity(name)
        self._documented(node, entity)
        values: dict[str, str | float | None] = {} if entity.enum is None else entity.enum
        following: float | None = 0
        for member in node["body"]["members"]:
            value: str | float | None = following
            if member.get("initializer") is not None:
                value = literal_of(member["initializer"])
            values[_name_of(member["id"])] = value
            following = value + 1 if isinstance(value, (int, float)) else None
        entity.enum = values
        return [name]

    def _VariableDeclaration(self, node: Node) -> list[str]:  # noqa: N802
        names = []
        for item in node["declarations"]:
            target = item["id"]
            if target["type"] == "Identifier":
                entity = self._scope.entity(target["name"])
                self._documented(node, entity)
                annotation = target.get("typeAnnotation")
                value = literal_of(item.get("init")) if annotation is None else None
                is_literal = value is not None
                entity.variable = (
                    m.Value(value)
                    if is_literal and value is not None
                    else self._types.annotation(annotation)
                )
                names.append(target["name"])
        return names

    def _TSModuleDeclaration(self, node: Node) -> list[str]:  # noqa: N802
        body = node.get("body")
        if node["kind"] == "global" or body is None:
            return []
        if node["id"]["type"] == "Literal":
            inner = m.Scope(self._scope.file, self._scope)
            scope = self._scope.modules.setdefault(node["id"]["value"], inner)
            _StatementReader(scope, self._doc).read(body["body"])
            return []
        path = path_of(node["id"])
        scope = self._scope
        for name in path:
            entity = scope.entity(name)
            if entity.namespace is None:
                entity.namespace = m.Scope(scope.file, scope)
            if scope is not self._scope:
                scope.exports[name] = (name,)
            scope = entity.namespace
        self._documented(node, self._scope.entity(path[0]))
        _StatementReader(scope, self._doc).read(body["body"])
        return [path[0]]

    def _ImportDeclaration(self, node: Node) -> None:  # noqa: N802
        specifier = node["source"]["value"]
        for item in node["specifiers"]:
            name: str | None = None
            if item["type"] == "ImportDefaultSpecifier":
                name = "default"
            elif item["type"] == "ImportSpecifier":
                name = _name_of(item["imported"])
            self._scope.entity(item["local"]["name"]).link = m.Import(specifier, name)

    def _TSImportEqualsDeclaration(self, node: Node) -> list[str]:  # noqa: N802
        name, target = node["id"]["name"], node["moduleReference"]
        if target["type"] == "TSExternalModuleReference":
            self._scope.entity(name).link = m.Import(target["expression"]["value"], None)
        else:
            self._scope.entity(name).link = path_of(target)
        return [name]

    def _ExportNamedDeclaration(self, node: Node) -> None:  # noqa: N802
        declaration, source = node.get("declaration"), node.get("source")
        if declaration is not None:
            declaration["start"] = node["start"]
            for name in self._statement(declaration):
                self._scope.exports[name] = (name,)
        for item in node["specifiers"]:
            local, exported = _name_of(item["local"]), _name_of(item["exported"])
            self._scope.exports[exported] = (
                (local,) if source is None else m.Import(source["value"], local)
            )

    def _ExportDefaultDeclaration(self, node: Node) -> None:  # noqa: N802
        declaration = node["declaration"]
        path = path_of(declaration)
        if path:
            self._scope.exports["default"] = path
            return
        declaration["start"] = node["start"]
        for name in self._statement(declaration):
            self._scope.exports["default"] = (name,)

    def _ExportAllDeclaration(self, node: Node) -> None:  # noqa: N802
        specifier = node["source"]["value"]
        if node.get("exported") is None:
            self._scope.stars.append(specifier)
        else:
            self._scope.exports[_name_of(node["exported"])] = m.Import(specifier, None)

    def _TSExportAssignment(self, node: Node) -> None:  # noqa: N802
        self._scope.equals = path_of(node["expression"]) or m.Other("computed export")
