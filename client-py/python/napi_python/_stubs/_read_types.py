"""Reads the types and signatures of a syntax tree into the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from napi_python._stubs import _model as m

if TYPE_CHECKING:
    from collections.abc import Callable

Node: TypeAlias = "dict[str, Any]"

ANY: Final = m.Keyword("any")
_KEYWORDS: Final = {
    "TSAnyKeyword": "any",
    "TSUnknownKeyword": "unknown",
    "TSNumberKeyword": "number",
    "TSStringKeyword": "string",
    "TSBooleanKeyword": "boolean",
    "TSBigIntKeyword": "bigint",
    "TSSymbolKeyword": "symbol",
    "TSVoidKeyword": "void",
    "TSUndefinedKeyword": "undefined",
    "TSNullKeyword": "null",
    "TSNeverKeyword": "never",
    "TSObjectKeyword": "object",
    "TSThisType": "this",
    "TSIntrinsicKeyword": "string",
}


def path_of(node: Node | None) -> tuple[str, ...]:
    """Returns the names of a qualified name: `a.b.c`."""
    parts: list[str] = []
    while node is not None:
        kind = node["type"]
        if kind == "Identifier":
            parts.append(node["name"])
            break
        if kind == "TSQualifiedName":
            parts.append(node["right"]["name"])
            node = node["left"]
        elif kind == "MemberExpression" and node["property"]["type"] == "Identifier":
            parts.append(node["property"]["name"])
            node = node["object"]
        else:
            return ()
    return tuple(reversed(parts))


def key_of(node: Node) -> str | None:
    """Returns the name of a member; None if it is computed or private."""
    key = node["key"]
    if key["type"] == "Identifier" and not node.get("computed"):
        return str(key["name"])
    if key["type"] == "Literal" and isinstance(key["value"], (str, int)):
        return str(key["value"])
    path = path_of(key)
    return f"[{'.'.join(path)}]" if path[:1] == ("Symbol",) else None


def literal_of(node: Node | None) -> str | float | bool | None:
    """Returns the value of a literal, also of a negative number; None for anything else."""
    if node is None:
        return None
    if node["type"] == "UnaryExpression" and node["operator"] == "-":
        inner = literal_of(node["argument"])
        return -inner if isinstance(inner, (int, float)) else None
    if node["type"] == "TemplateLiteral" and not node["expressions"]:
        return str(node["quasis"][0]["value"]["cooked"])
    if node["type"] != "Literal" or node.get("bigint") or node.get("regex"):
        return None
    value = node["value"]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, (str, int, float)) else None


class TypeReader:
    """Reads types whose names are looked up in one scope."""

    def __init__(self, scope: m.Scope, doc: Callable[[Node], str]) -> None:
        self._scope = scope
        self._doc = doc

    def annotation(self, node: Node | None) -> m.Type:
        """Returns the type of an annotation; any without one."""
        if node is None:
            return ANY
        inner = node["typeAnnotation"]
        return self.type(inner)

    def type(self, node: Node) -> m.Type:
        """Returns a type."""
        kind = node["type"]
        if kind in _KEYWORDS:
            return m.Keyword(_KEYWORDS[kind])
        read = getattr(self, f"_{kind}", None)
        if read is None:
            return m.Other(kind.removeprefix("TS"))
        found: m.Type = read(node)
        return found

    def _arguments(self, node: Node | None) -> tuple[m.Type, ...]:
        return () if node is None else tuple(self.type(item) for item in node["params"])

    def _TSTypeReference(self, node: Node) -> m.Type:  # noqa: N802
        path = path_of(node["typeName"])
        return m.Ref(self._scope, path, self._arguments(node.get("typeArguments")))

    def heritage(self, node: Node) -> m.Type:
        """Returns what an interface or class extends."""
        path = path_of(node["expression"])
        if not path:
            return m.Other("computed base")
        return m.Ref(self._scope, path, self._arguments(node.get("typeArguments")))

    def _TSImportType(self, node: Node) -> m.Type:  # noqa: N802
        specifier = literal_of(node.get("source") or node.get("argument"))
        path = path_of(node.get("qualifier"))
        arguments = self._arguments(node.get("typeArguments"))
        return m.Ref(self._scope, path, arguments, str(specifier))

    def _TSTypeQuery(self, node: Node) -> m.Type:  # noqa: N802
        name = node["exprName"]
        if name["type"] == "TSImportType":
            specifier = str(literal_of(name.get("source") or name.get("argument")))
            return m.Query(self._scope, path_of(name.get("qualifier")), specifier)
        return m.Query(self._scope, path_of(name))

    def _TSArrayType(self, node: Node) -> m.Type:  # noqa: N802
        return m.Array(self.type(node["elementType"]))

    def _TSTupleType(self, node: Node) -> m.Type:  # noqa: N802
        items, is_fixed = [], True
        for found in node["elementTypes"]:
            item = found
            is_rest = item["type"] == "TSRestType"
            if is_rest:
                item = item["typeAnnotation"]
            if item["type"] == "TSNamedTupleMember":
                is_fixed &= not item.get("optional")
                item = item["elementType"]
            if item["type"] == "TSOptionalType":
                is_fixed, item = False, item["typeAnnotation"]
            read = self.type(item)
            if is_rest:
                is_fixed = False
                read = read.item if isinstance(read, m.Array) else ANY
            items.append(read)
        return m.Tuple(tuple(items), is_fixed)

    def _TSParenthesizedType(self, node: Node) -> m.Type:  # noqa: N802
        return self.type(node["typeAnnotation"])

    def _TSOptionalType(self, node: Node) -> m.Type:  # noqa: N802
        return self.type(node["typeAnnotation"])

    def _TSUnionType(self, node: Node) -> m.Type:  # noqa: N802
        return m.Union(tuple(self.type(item) for item in node["types"]))

    def _TSIntersectionType(self, node: Node) -> m.Type:  # noqa: N802
        return m.Intersection(tuple(self.type(item) for item in node["types"]))

    def _TSLiteralType(self, node: Node) -> m.Type:  # noqa: N802
        literal = node["literal"]
        value = literal_of(literal)
        if value is not None:
            return m.Value(value)
        return m.Keyword("bigint") if literal.get("bigint") else m.Keyword("string")

    def _TSTemplateLiteralType(self, _node: Node) -> m.Type:  # noqa: N802
        return m.Keyword("string")

    def _TSFunctionType(self, node: Node) -> m.Type:  # noqa: N802
        return m.Function(self.signature(node))

    def _TSConstructorType(self, node: Node) -> m.Type:  # noqa: N802
        return m.Function(self.signature(node), constructs=True)

    def _TSTypeOperator(self, node: Node) -> m.Type:  # noqa: N802
        inner = self.type(node["typeAnnotation"])
        return m.KeyOf(inner) if node["operator"] == "keyof" else inner

    def _TSIndexedAccessType(self, node: Node) -> m.Type:  # noqa: N802
        return m.Indexed(self.type(node["objectType"]), self.type(node["indexType"]))

    def _TSMappedType(self, node: Node) -> m.Type:  # noqa: N802
        optional = node.get("optional")
        value = node.get("typeAnnotation")
        return m.Mapped(
            node["key"]["name"],
            self.type(node["constraint"]),
            ANY if value is None else self.type(value),
            {True: True, "+": True, "-": False}.get(optional),
        )

    def _TSConditionalType(self, _node: Node) -> m.Type:  # noqa: N802
        return m.Other("conditional type")

    def _TSInferType(self, _node: Node) -> m.Type:  # noqa: N802
        return m.Other("inferred type")

    def _TSTypePredicate(self, node: Node) -> m.Type:  # noqa: N802
        return m.Keyword("void" if node.get("asserts") else "boolean")

    def _TSTypeLiteral(self, node: Node) -> m.Type:  # noqa: N802
        return m.Literal(self.members(node["members"]))

    def type_parameters(self, node: Node | None) -> tuple[m.TypeParameter, ...]:
        """Returns the type parameters of a declaration."""

        def optional(inner: Node | None) -> m.Type | None:
            return None if inner is None else self.type(inner)

        return tuple(
            m.TypeParameter(
                item["name"]["name"],
                optional(item.get("constraint")),
                optional(item.get("default")),
            )
            for item in (() if node is None else node["params"])
        )

    def signature(self, node: Node, doc: str = "") -> m.Signature:
        """Returns the signature of a function, method, constructor or function type."""
        parameters = []
        for place, item in enumerate(node["params"]):
            inner = item.get("parameter", item)
            is_rest = inner["type"] == "RestElement"
            target = inner["argument"] if is_rest else inner
            name = target.get("name") or ("args" if is_rest else f"arg{place}")
            if name == "this" and place == 0:
                continue
            annotation = inner.get("typeAnnotation") or target.get("typeAnnotation")
            optional = bool(inner.get("optional")) or inner["type"] == "AssignmentPattern"
            parameters.append(
                m.Parameter(name, self.annotation(annotation), optional=optional, rest=is_rest)
            )
        return m.Signature(
            tuple(parameters),
            self.annotation(node.get("returnType")),
            self.type_parameters(node.get("typeParameters")),
            doc,
        )

    def members(self, nodes: list[Node]) -> m.Members:
        """Returns the members of an interface or an object type."""
        found = m.Members()
        for node in nodes:
            kind = node["type"]
            if kind == "TSCallSignatureDeclaration":
                found.calls.append(self.signature(node, self._doc(node)))
            elif kind == "TSConstructSignatureDeclaration":
                found.constructs.append(self.signature(node, self._doc(node)))
            elif kind == "TSIndexSignature":
                self._index(node, found)
            elif (name := key_of(node)) is not None:
                self._named(node, name, found)
        return found

    def _index(self, node: Node, found: m.Members) -> None:
        key = self.annotation(node["parameters"][0].get("typeAnnotation"))
        found.index.append((key, self.annotation(node.get("typeAnnotation"))))

    def _named(self, node: Node, name: str, found: m.Members) -> None:
        doc = self._doc(node)
        if node["type"] == "TSPropertySignature":
            self._property(node, name, found.properties, doc)
        elif node["type"] == "TSMethodSignature":
            if node["kind"] == "method":
                found.methods.setdefault(name, []).append(self.signature(node, doc))
                if node.get("optional"):
                    found.optional_methods.add(name)
            else:
                self._accessor(node, (name, node["kind"], doc), found.properties)

    def _property(self, node: Node, name: str, properties: dict[str, m.Property], doc: str) -> None:
        properties[name] = m.Property(
            self.annotation(node.get("typeAnnotation")),
            bool(node.get("optional")),
            bool(node.get("readonly")),
            doc,
        )

    def _accessor(
        self,
        function: Node,
        what: tuple[str, str, str],
        properties: dict[str, m.Property],
    ) -> None:
        """Adds a getter or a setter: one without the other's partner is read-only or write-only."""
        name, kind, doc = what
        if kind == "get":
            is_known = name in properties
            type_ = self.annotation(function.get("returnType"))
            properties[name] = m.Property(type_, readonly=not is_known, doc=doc)
        elif name in properties:
            properties[name].readonly = False
        else:
            parameters = self.signature(function).parameters
            properties[name] = m.Property(parameters[0].type if parameters else ANY, doc=doc)

    def class_members(self, nodes: list[Node]) -> m.Members:
        """Returns the public members of a class."""
        found = m.Members()
        for node in nodes:
            if node["type"] == "TSIndexSignature":
                self._index(node, found)
                continue
            if node.get("accessibility") in ("private", "protected") or "key" not in node:
                continue
            name = key_of(node)
            if name is not None:
                self._class_member(node, name, found)
        return found

    def _class_member(self, node: Node, name: str, found: m.Members) -> None:
        doc, is_static = self._doc(node), node.get("static")
        properties = found.static_properties if is_static else found.properties
        if node["type"] in ("PropertyDefinition", "AccessorProperty") or (
            node["type"] == "TSAbstractPropertyDefinition"
        ):
            self._property(node, name, properties, doc)
            return
        function, kind = node["value"], node["kind"]
        if kind == "constructor":
            found.constructs.append(self.signature(function, doc))
        elif kind == "method":
            methods = found.static_methods if is_static else found.methods
            methods.setdefault(name, []).append(self.signature(function, doc))
        else:
            self._accessor(function, (name, kind, doc), properties)
