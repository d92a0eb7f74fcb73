"""Pickles of exports: they refer to what was opened, and a process that unpickles one opens it."""

from __future__ import annotations

import os
import pickle
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, final

from napi_python import _addon, _convert, _identity, _modules, _native
from napi_python._errors import AddonError, LoadError
from napi_python._native import JSClass, JSFunction, JSObject
from napi_python._values import Object

if TYPE_CHECKING:
    from napi_python._native import Addon

_PROXIES: Final = (_native.Addon, JSFunction, JSClass, JSObject)

_NAMES_MAX: Final = 8
"""How many names lead to an export at most."""

_FIND: Final = """(target) => {
    const seen = new Set([addon]);
    let level = [[addon, []]], left = 20000;
    for (let depth = 0; depth < 4 && level.length > 0; depth++) {
        const next = [];
        for (const [owner, names] of level)
            for (const key of Reflect.ownKeys(owner)) {
                if (typeof key !== "string" || key === "prototype" || key === "constructor")
                    continue;
                if (left-- === 0) return null;
                const property = Reflect.getOwnPropertyDescriptor(owner, key);
                let value = property?.value;
                if (depth === 0 && property?.get)
                    try { value = Reflect.get(owner, key); } catch { continue; }
                if (value === target) return [...names, key];
                const inner = typeof value === "function" || typeof value === "object";
                if (!inner || value === null || seen.has(value) || Array.isArray(value)) continue;
                seen.add(value);
                next.push([value, [...names, key]]);
            }
        level = next;
    }
    return null;
}"""
"""Finds the names that lead from the exports to an object; only those of the exports are read by
getters."""


@final
class NotPicklableError(pickle.PicklingError, TypeError):
    """An object of a host that cannot be pickled; a `TypeError`, as for other such objects."""


class _Pickled(NamedTuple):
    """What the pickle of an `Opening` has."""

    path: str
    module: tuple[str | None, str] | None
    label: str
    options: dict[str, Any]
    identity: _identity.Identity
    machine: str


_Module = tuple[str, ...] | None
"""A module of `Host.require` or `Host.load_addon`: the method and its arguments."""


# --- Pickling ------------------------------------------------------------------------------------


def reduce(proxy: object) -> tuple[object, ...]:
    """Returns what `__reduce__` of an addon, an exported function, a class or an object returns.

    Raises:
        PicklingError: No names lead from the exports to the object, or what was opened cannot be
            opened again elsewhere.

    """
    opening, addon, module, names = _origin(proxy)
    pickled = opening.pickled
    if pickled is None:
        pickled = opening.pickled = _pickled(opening)
    if addon is not None:
        _originals[pickled] = addon
    return _restore, (pickled, opening.label, module, names)


def opening_of(proxy: object) -> tuple[_addon.Opening, tuple[str, ...]]:
    """Returns what a proxy belongs to, and the names that lead to it from the exports.

    Raises:
        PicklingError: No names do.

    """
    opening, _, module, names = _origin(proxy)
    if module is not None:
        text = f"it belongs to a module that was loaded into {opening.label} later"
        raise NotPicklableError(_refusal(proxy, text))
    return opening, names


class Origin(NamedTuple):
    """Where a proxy comes from, as far as that is known without its host."""

    opening: _addon.Opening
    addon: Addon | None
    module: _Module
    #: The object from which the proxy was read: the proxy itself, or one whose names are searched.
    owner: object
    #: The names that lead from the exports to the proxy, None if those to the owner are unknown.
    names: tuple[str, ...] | None
    #: The names that lead from the owner to the proxy.
    read: tuple[str, ...]


def origin(proxy: object) -> Origin:
    """Returns where a proxy comes from. It sends nothing to the host."""
    read: list[str] = []
    found = _native._origin(proxy)  # noqa: SLF001 - of this package
    owner = proxy
    while len(found) == 2:  # noqa: PLR2004 - an owner and a name
        owner, name = found
        read.insert(0, name)
        found = _native._origin(owner)  # noqa: SLF001
    opening, addon, module, names = found
    names = None if names is None else (*names, *read)
    return Origin(opening, addon, module, owner, names, tuple(read))


def _origin(
    proxy: object,
) -> tuple[_addon.Opening, Addon | None, _Module, tuple[str, ...]]:
    opening, addon, module, owner, names, read = origin(proxy)
    if names is None:
        names = (*_search(owner, proxy, opening.label), *read)
    if len(names) > _NAMES_MAX or any(_is_dunder(name) for name in names):
        raise NotPicklableError(_refusal(proxy, f"its name in {opening.label} is not a plain one"))
    return opening, addon, module, names


def _search(owner: object, proxy: object, label: str) -> tuple[str, ...]:
    """Returns the names that lead from the exports to `owner`, from which `proxy` was read."""
    why = f"no names lead to it from the exports of {label}"
    if owner is not proxy:
        why = f"it is a method of an object, and {why.replace('it', 'that', 1)}"
    try:
        found = _native._run_beside(owner, _FIND)(owner)  # noqa: SLF001 - of this package
    except AddonError as error:
        raise NotPicklableError(_refusal(proxy, f"{why}: {error}")) from error
    # A host may return anything.
    if type(found) is not list or not all(type(name) is str for name in found):
        raise NotPicklableError(_refusal(proxy, why))
    return tuple(found)


def member(owner: object, name: str) -> Any:  # noqa: ANN401 - any export
    """Returns a property of an object of an addon, and never an attribute of Python (I-21).

    Raises:
        AttributeError: There is none of this name, or the owner is no such object.

    """
    if not _is_dunder(name):
        # An object without a property of the name has methods of Python, such as `items`.
        is_method = isinstance(owner, JSObject) and name not in owner
        if isinstance(owner, _PROXIES) and not is_method:
            return getattr(owner, name)
        if type(owner) is Object and name in owner:
            return owner[name]
    raise AttributeError(f"{owner!r} has no property {name!r}", name=name, obj=owner)


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _refusal(proxy: object, why: str) -> str:
    return (
        f"a {type(proxy).__name__} cannot be pickled or copied: {why}; pickle the data in it, or "
        "an export that makes it"
    )


def _pickled(opening: _addon.Opening) -> bytes:
    label = opening.label
    # Two processes cannot write one record.
    options = {name: value for name, value in opening.options.items() if name != "record"}
    for name, value in options.items():
        try:
            pickle.dumps(value)
        except Exception as error:
            text = (
                f"an export of {label} cannot be pickled: its option {name}={value!r} cannot be: "
                f"{error}; pass a function of a module, or load the addon where it is needed"
            )
            raise NotPicklableError(text) from error
    try:
        identity = _identity.of(opening.path, opening.module)
    except OSError as error:
        text = f"an export of {label} cannot be pickled: {error}; install {label} again"
        raise NotPicklableError(text) from error
    machine = os.uname().nodename
    whole = _Pickled(opening.path, opening.module, label, options, identity, machine)
    return pickle.dumps(tuple(whole))


# --- Unpickling ----------------------------------------------------------------------------------


class _Opened:
    """What this process opened for the references of one `Opening`."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.addon: Addon | None = None
        self.opening = False
        self.modules: dict[_Module, Any] = {}

    def open(self, pickled: bytes, label: str) -> Addon:
        """Opens the addon, unless another thread has done so meanwhile."""
        with self.lock:
            if self.addon is not None and not _native._is_closed(self.addon):  # noqa: SLF001
                return self.addon
            if self.opening:
                text = (
                    f"a reference to {label} is used while that is being opened; its on_start "
                    "function must use the addon that it gets"
                )
                raise RuntimeError(text)
            self.modules.clear()
            self.opening = True
            try:
                self.addon = _open(pickled)
            finally:
                self.opening = False
            return self.addon


_originals: Final[weakref.WeakValueDictionary[bytes, Addon]] = weakref.WeakValueDictionary()
"""The addons of this process that were pickled, by the pickles of their openings."""

_opened: Final[dict[bytes, _Opened]] = {}
"""By the pickles of openings; kept until the process ends."""


def _after_fork() -> None:
    # Another thread of the parent may have held them.
    for opened in _opened.values():
        opened.lock = threading.RLock()
        opened.opening = False


os.register_at_fork(after_in_child=_after_fork)


def _restore(pickled: bytes, label: str, module: _Module, names: tuple[str, ...]) -> object:
    """Returns what a pickle refers to: in the process of the original, that itself."""
    original = _original(pickled)
    if original is not None and module is None and len(names) <= 1:
        found = vars(original).get(names[0]) if names else original
        if found is not None:
            return found
    return ExportReference(pickled, label, module, names)


def _original(pickled: bytes) -> Addon | None:
    addon = _originals.get(pickled)
    return None if addon is None or _native._is_closed(addon) else addon  # noqa: SLF001


def target_of(value: object) -> Any:  # noqa: ANN401 - any export
    """Returns what a reference refers to; anything else as it is."""
    return value._target() if isinstance(value, ExportReference) else value  # noqa: SLF001


def addon_of(value: object) -> Addon:
    """Returns the addon of a reference, for `host`."""
    if not isinstance(value, ExportReference):
        raise TypeError(f"host() takes an addon or a reference to one, got {value!r}")
    return value._addon()  # noqa: SLF001 - of this module


def _open(pickled: bytes) -> Addon:
    """Opens what a pickle refers to.

    Raises:
        LoadError: It is not on this machine, or differs from that of the pickle.

    """
    try:
        wanted = _Pickled(*pickle.loads(pickled))  # noqa: S301 - as trusted as the outer pickle
    except (AttributeError, ImportError) as error:
        raise LoadError(f"an option of a pickled addon cannot be read here: {error}") from error
    path, module = wanted.path, wanted.module
    here, there = os.uname().nodename, wanted.machine
    if module is not None and not Path(module[1]).is_dir():
        # Another machine may have its packages elsewhere.
        module = module[0], str(Path.cwd())
    if module is not None and module[0] is not None:
        path = _modules.file_of(module[0], module[1]) or "/"
    try:
        identity = _identity.of(path, module)
    except OSError as error:
        text = (
            f"{wanted.label}, pickled on {there}, cannot be opened on {here}: {error}; install it "
            "there"
        )
        raise LoadError(text, path=path, errno=error.errno) from error
    if identity != wanted.identity:
        text = (
            f"{wanted.label} differs between machines: {there} has {wanted.identity}, {here} has "
            f"{identity} in {path}; install the same on both"
        )
        if path == "/":
            text = (
                f"{wanted.label}, pickled on {there}, is not installed on {here}: no package in "
                f"the node_modules of {module[1] if module else path} or above; install "
                f"{wanted.identity.name}"
            )
        raise LoadError(text, path=path)
    return _addon.open_addon(path, module, wanted.label, **wanted.options)


@final
class ExportReference:
    """Refers to an addon, or to a function or class that it exports, which another process pickled.

    It is used as the export itself. At its first use this process opens the addon, once for all
    references to it, and keeps it until it ends. `host(reference)` is the process of the addon.
    """

    __slots__ = ("__weakref__", "_label", "_module", "_names", "_pickled")

    def __init__(self, pickled: bytes, label: str, module: _Module, names: tuple[str, ...]) -> None:
        """Keeps what leads to the export; opens nothing."""
        self._pickled = pickled
        self._label = label
        self._module = module
        self._names = names

    def _addon(self) -> Addon:
        original = _original(self._pickled)
        if original is not None:
            return original
        opened = _opened.get(self._pickled)
        if opened is None:
            opened = _opened.setdefault(self._pickled, _Opened())
        addon = opened.addon
        if addon is None or _native._is_closed(addon):  # noqa: SLF001 - of this package
            return opened.open(self._pickled, self._label)
        return addon

    def _target(self) -> Any:  # noqa: ANN401 - any export
        found: Any = self._addon()
        if self._module is not None:
            found = self._module_of(found)
        for name in self._names:
            found = member(found, name)
        return found

    def _module_of(self, addon: Addon) -> Any:  # noqa: ANN401 - any export
        opened = _opened.get(self._pickled)
        # The original has none of them here.
        modules = {} if opened is None or opened.addon is not addon else opened.modules
        if self._module not in modules:
            assert self._module is not None  # noqa: S101 - `_target` asks for none
            method, *arguments = self._module
            modules[self._module] = getattr(_native.host(addon), method)(*arguments)
        return modules[self._module]

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the export
        return self._target()(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as the export
        if _is_dunder(name):
            if name in {"__name__", "__qualname__"}:
                return self._names[-1] if self._names else self._label
            raise AttributeError(f"{self!r} has no attribute {name!r}", name=name, obj=self)
        return getattr(self._target(), name)

    def __dir__(self) -> list[str]:
        return dir(self._target())

    def __instancecheck__(self, value: object) -> bool:
        return isinstance(value, self._target())

    def __subclasscheck__(self, cls: Any) -> bool:  # noqa: ANN401 - a class of either language
        return issubclass(cls, self._target())

    def __mro_entries__(self, bases: Any) -> Any:  # noqa: ANN401 - as the export
        return self._target().__mro_entries__(bases)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ExportReference):
            return NotImplemented
        return self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash(self._parts())

    def _parts(self) -> tuple[object, ...]:
        return self._pickled, self._module, self._names

    def __repr__(self) -> str:
        names = ".".join(self._names)
        what = f"{names} of {self._label}" if names else self._label
        return f"<ExportReference to {what}>"

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (self._pickled, self._label, self._module, self._names)


# An addon that is given a reference gets the export itself.
_convert.register(ExportReference, target_of)
