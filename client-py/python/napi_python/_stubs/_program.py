"""All files of a package's declarations: loads what they import, and resolves names across them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from napi_python._stubs import _locate, _read
from napi_python._stubs import _model as m
from napi_python._stubs._errors import FILES_MAX, TOTAL_MAX, StubsError

if TYPE_CHECKING:
    from napi_python._stubs._parser import Parser

# How many links a name may have: those of a cycle of imports are not followed further.
_LINKS_MAX: Final = 64


class External(NamedTuple):
    """A name of a module that has no declarations here, such as one of Node's."""

    specifier: str
    name: str | None

    def __str__(self) -> str:
        return f'{self.name or "exports"} of "{self.specifier}"'


class Program:
    """The scopes of the files that were read."""

    def __init__(self, parser: Parser) -> None:
        self._parser = parser
        self._scopes: dict[Path, m.Scope] = {}
        self._modules: dict[tuple[str, str], m.Scope | None] = {}
        self._names: dict[m.Scope, dict[str, m.Scope]] = {}
        self._bytes = 0
        #: The files that were read.
        self.files: dict[Path, _locate.Identity] = {}

    def load(self, file: Path) -> m.Scope:
        """Returns the scope of a file, which is read once.

        Raises:
            StubsError: It cannot be read, or the files are too many or too large.

        """
        file = file.resolve()
        known = self._scopes.get(file)
        if known is not None:
            return known
        source, self.files[file] = _locate.read(file)
        self._bytes += len(source)
        if len(self._scopes) >= FILES_MAX or self._bytes > TOTAL_MAX:
            text = (
                f"cannot read the declarations in {file}: with what they import they are more than "
                f"{FILES_MAX} files or {TOTAL_MAX >> 20} MiB; name a part of the package"
            )
            raise StubsError(text)
        try:
            scope = _read.read(str(file), self._parser.parse(str(file), source))
        except RecursionError:
            text = f"cannot read the declarations in {file}: they nest too deep; check the file"
            raise StubsError(text) from None
        self._scopes[file] = scope
        return scope

    def module(self, specifier: str, importer: m.Scope) -> m.Scope | None:
        """Returns the scope of a module that a file imports, None if it has no declarations."""
        outer: m.Scope | None = importer
        while outer is not None:
            if specifier in outer.modules:
                return outer.modules[specifier]
            outer = outer.parent
        key = (specifier, importer.file)
        if key not in self._modules:
            file = _locate.resolve(specifier, Path(importer.file))
            self._modules[key] = None if file is None else self.load(file)
        return self._modules[key]

    def resolve(
        self, scope: m.Scope, path: tuple[str, ...], links: int = 0
    ) -> m.Entity | External | None:
        """Returns what a name stands for in a scope, None if it is not declared."""
        if not path:
            return None
        outer: m.Scope | None = scope
        while outer is not None and path[0] not in outer.names:
            outer = outer.parent
        if outer is None:
            return None
        found = self._follow(outer, outer.names[path[0]], links)
        for name in path[1:]:
            if not isinstance(found, m.Entity):
                return External(found.specifier, name) if found is not None else None
            if found.namespace is None:
                return None
            found = self.exported(found.namespace, name, links + 1)
        return found

    def _follow(self, scope: m.Scope, entity: m.Entity, links: int) -> m.Entity | External | None:
        link = entity.link
        if link is None or links > _LINKS_MAX:
            return entity if link is None else None
        if isinstance(link, tuple):
            if link[0] == entity.name:
                return None
            return self.resolve(scope, link, links + 1)
        return self.imported(scope, link, links + 1)

    def imported(
        self, scope: m.Scope, link: m.Import, links: int = 0
    ) -> m.Entity | External | None:
        """Returns what an import stands for."""
        module = self.module(link.specifier, scope)
        if module is None:
            return External(link.specifier, link.name)
        if link.name is None:
            return self.whole(module, links)
        return self.exported(module, link.name, links)

    def whole(self, module: m.Scope, links: int = 0) -> m.Entity | External | None:
        """Returns what a module as a whole is: what it assigns to its exports, or a namespace."""
        if isinstance(module.equals, tuple):
            return self.resolve(module, module.equals, links + 1)
        return m.Entity("exports", namespace=module)

    def exported(self, module: m.Scope, name: str, links: int = 0) -> m.Entity | External | None:
        """Returns what a module or namespace exports under a name, None if it does not."""
        if links > _LINKS_MAX:
            return None
        target = module.exports.get(name)
        if isinstance(target, m.Import):
            return self.imported(module, target, links + 1)
        if isinstance(target, tuple):
            return self.resolve(module, target, links + 1)
        if module.equals is not None:
            return self._of_whole(module, name, links + 1)
        owner = self._exporters(module).get(name)
        if owner is module:
            owner = None
        return None if owner is None else self.exported(owner, name, links + 1)

    def _of_whole(self, module: m.Scope, name: str, links: int) -> m.Entity | External | None:
        """Returns a part of what a module assigns to its exports."""
        whole = self.whole(module, links)
        if name == "default" or not isinstance(whole, m.Entity):
            return whole
        inner = whole.namespace
        return None if inner is None else self.exported(inner, name, links)

    def names(self, module: m.Scope) -> list[str]:
        """Returns the names that a module or namespace exports, also by `export *`."""
        return list(self._exporters(module))

    def _exporters(self, module: m.Scope) -> dict[str, m.Scope]:
        """Returns the names that a module exports, each with the module that has it by itself."""
        known = self._names.get(module)
        if known is not None:
            return known
        found: dict[str, m.Scope] = {}
        waiting, seen = [module], {module}
        while waiting:
            current = waiting.pop(0)
            for name in current.exports:
                if current is module or name != "default":
                    found.setdefault(name, current)
            for star in current.stars:
                other = self.module(star, current)
                if other is not None and other not in seen:
                    seen.add(other)
                    waiting.append(other)
        self._names[module] = found
        return found
