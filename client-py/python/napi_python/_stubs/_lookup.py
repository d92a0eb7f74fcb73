"""Finds what is exported under some names in the text of a stub module."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_EXPORTS: Final = "Package"
_ALIASES_MAX: Final = 8
"""How many aliases a name may have."""


class Declared(NamedTuple):
    """A function or a class: its overloads or those of its constructor, and its documentation."""

    is_class: bool
    #: Each is the text of a `def`, with its docstring, as it stands in a class.
    overloads: tuple[str, ...]
    doc: str | None


class _Target(NamedTuple):
    """What the value of an attribute is: an instance of a class of the module, or that itself."""

    name: str
    is_class: bool


class _Class:
    """The members of a class by name: the lines of functions, or what an annotation names."""

    def __init__(self, node: ast.ClassDef) -> None:
        self.doc = ast.get_docstring(node)
        self.bases = [name for base in node.bases if (name := _plain(base)) is not None]
        self.functions: dict[str, list[tuple[int, int]]] = {}
        self.targets: dict[str, _Target] = {}
        for item in node.body:
            if isinstance(item, ast.FunctionDef):
                self._function(item)
            elif isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                target = _target(item.annotation)
                if target is not None:
                    self.targets[item.target.id] = target

    def _function(self, node: ast.FunctionDef) -> None:
        decorators = {item.id for item in node.decorator_list if isinstance(item, ast.Name)}
        if "property" in decorators:
            target = None if node.returns is None else _target(node.returns)
            if target is not None:
                self.targets[node.name] = target
        elif node.end_lineno is not None:
            first = min([node.lineno, *(item.lineno for item in node.decorator_list)])
            self.functions.setdefault(node.name, []).append((first - 1, node.end_lineno))


def _plain(node: ast.expr) -> str | None:
    """Returns the name of a type, without the types that it is made with."""
    if isinstance(node, ast.Subscript):
        node = node.value
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return node.attr if node.value.id == "builtins" else None
    return node.id if isinstance(node, ast.Name) else None


def _target(node: ast.expr) -> _Target | None:
    name = _plain(node)
    if name == "type" and isinstance(node, ast.Subscript):
        inner = _plain(node.slice)
        return None if inner is None else _Target(inner, is_class=True)
    return None if name is None else _Target(name, is_class=False)


class Stub:
    """A stub module, without the tree of its text."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        self._classes: dict[str, _Class] = {}
        self._aliases: dict[str, str] = {}
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef):
                self._classes[node.name] = _Class(node)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                named = None if node.value is None else _plain(node.value)
                if named is not None:
                    self._aliases[node.target.id] = named

    @property
    def hidden_names(self) -> dict[str, str]:
        """The names that are written where a member of a class hides the real one."""
        return {alias: name for alias, name in self._aliases.items() if alias == f"_{name}_type"}

    def find(self, names: Sequence[str]) -> Declared | None:
        """Returns what names lead to from the exports, without any the exports themselves.

        None if it is not declared, or is no function or class.
        """
        owner = _Target(_EXPORTS, is_class=False)
        for name in names[:-1]:
            target = self._member(owner, name)
            if target is None:
                return None
            owner = target
        if not names:
            return self._function(owner, "__call__")
        name = names[-1]
        found = self._function(owner, name)
        if found is not None:
            return found
        target = self._member(owner, name)
        if target is None:
            return None
        return self._class(target) if target.is_class else self._function(target, "__call__")

    def _class(self, target: _Target) -> Declared | None:
        described = self._of(target.name)
        if described is None:
            return None
        constructor = self._function(target, "__init__")
        # A class without a constructor has one that takes nothing.
        overloads: tuple[str, ...] = ("    def __init__(self) -> None: ...",)
        if constructor is not None:
            overloads = constructor.overloads
        return Declared(is_class=True, overloads=overloads, doc=described.doc)

    def _function(self, owner: _Target, name: str) -> Declared | None:
        for described in self._lineage(owner):
            if name in described.functions:
                lines = described.functions[name]
                texts = tuple("\n".join(self._lines[first:last]) for first, last in lines)
                return Declared(is_class=False, overloads=texts, doc=None)
            if name in described.targets:
                break
        return None

    def _member(self, owner: _Target, name: str) -> _Target | None:
        for described in self._lineage(owner):
            if name in described.targets:
                return described.targets[name]
        return None

    def _lineage(self, owner: _Target) -> Iterator[_Class]:
        """Yields a class and those that it inherits from, which may form a circle."""
        waiting, seen = [owner.name], set[str]()
        while waiting:
            name = waiting.pop(0)
            described = self._of(name)
            if described is not None and name not in seen:
                seen.add(name)
                yield described
                waiting += described.bases

    def _of(self, name: str) -> _Class | None:
        """Returns the class of a name, which may be an alias."""
        for _ in range(_ALIASES_MAX):
            if name in self._classes:
                return self._classes[name]
            if name not in self._aliases:
                return None
            name = self._aliases[name]
        return None
