"""Makes `inspect.Signature` of the overloads of a stub, and the text that `help` shows."""

from __future__ import annotations

import ast
import re
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Final

from napi_python._values import undefined

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from inspect import _ParameterKind

    from napi_python._stubs._lookup import Declared

_SHOWN_MAX: Final = 8
"""How many overloads are shown, and how many types of one parameter."""
_UNPACK: Final = re.compile(r"Unpack\[(.*)\]", re.DOTALL)


class Annotation(str):
    """A type as it is written in a stub; shown without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _defs(declared: Declared) -> list[ast.FunctionDef]:
    body = ast.parse("\n".join(["class _:", *declared.overloads])).body[0]
    assert isinstance(body, ast.ClassDef)  # noqa: S101 - written above
    return [item for item in body.body if isinstance(item, ast.FunctionDef)]


def signatures(declared: Declared, names: Mapping[str, str]) -> list[Signature]:
    """Returns the signature of each overload; `names` has what is shown for hidden names."""
    return [_signature(node, names, is_class=declared.is_class) for node in _defs(declared)]


def _signature(node: ast.FunctionDef, names: Mapping[str, str], *, is_class: bool) -> Signature:
    arguments = node.args
    is_static = any(
        isinstance(item, ast.Name) and item.id == "staticmethod" for item in node.decorator_list
    )
    # Those without keywords, after `self`.
    listed = [*arguments.posonlyargs, *arguments.args]
    required = len(listed) - len(arguments.defaults)
    parameters = [
        _parameter(item, Parameter.POSITIONAL_ONLY, names, is_optional=place >= required)
        for place, item in enumerate(listed)
    ]
    if not is_static:
        del parameters[:1]
    if arguments.vararg is not None:
        parameters.append(_parameter(arguments.vararg, Parameter.VAR_POSITIONAL, names))
    if arguments.kwarg is not None:
        parameters.append(_parameter(arguments.kwarg, Parameter.VAR_KEYWORD, names))
    result = Signature.empty if is_class else _annotation(node.returns, names)
    return Signature(parameters, return_annotation=result)


def _parameter(
    node: ast.arg, kind: _ParameterKind, names: Mapping[str, str], *, is_optional: bool = False
) -> Parameter:
    return Parameter(
        node.arg,
        kind,
        # A parameter that is left out is `undefined` in JavaScript.
        default=undefined if is_optional else Parameter.empty,
        annotation=_annotation(node.annotation, names),
    )


def _annotation(node: ast.expr | None, names: Mapping[str, str]) -> object:
    if node is None:
        return Signature.empty
    text = ast.unparse(node).replace("builtins.", "")
    return Annotation(re.sub(r"\w+", lambda found: names.get(found[0], found[0]), text))


def merged(overloads: Sequence[Signature]) -> Signature:
    """Returns one signature, which accepts each call that one of the overloads accepts."""
    if len(overloads) == 1:
        return overloads[0]
    lists = [
        [item for item in one.parameters.values() if item.kind is Parameter.POSITIONAL_ONLY]
        for one in overloads
    ]
    required = min(sum(item.default is Parameter.empty for item in one) for one in lists)
    used: set[str] = set()
    parameters: list[Parameter] = []
    for place in range(max(map(len, lists))):
        here = [one[place] for one in lists if place < len(one)]
        default = here[0].default if place < required else undefined
        first = here[0].replace(name=_free(here[0].name, used), default=default)
        parameters.append(first.replace(annotation=_union(item.annotation for item in here)))
    for kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
        here = [item for one in overloads for item in one.parameters.values() if item.kind is kind]
        if here:
            name = _free(here[0].name, used)
            annotation = _union(item.annotation for item in here)
            parameters.append(here[0].replace(name=name, annotation=annotation))
    result = _union(one.return_annotation for one in overloads)
    return Signature(parameters, return_annotation=result)


def _free(name: str, used: set[str]) -> str:
    while name in used:
        name += "_"
    used.add(name)
    return name


def _union(annotations: Iterable[object]) -> object:
    texts = [str(item) for item in annotations if item is not Signature.empty]
    if not texts:
        return Signature.empty
    unpacked = [_UNPACK.fullmatch(text) for text in texts]
    if all(unpacked):
        inner = _union(Annotation(found[1]) for found in unpacked if found is not None)
        return Annotation(f"Unpack[{inner}]")
    distinct = list(dict.fromkeys(texts))
    return Annotation("Any" if len(distinct) > _SHOWN_MAX else " | ".join(distinct))


def documentation(name: str, declared: Declared, names: Mapping[str, str]) -> str:
    """Returns what `help` shows: a line for each overload, then what the declarations say."""
    heads = [f"{name}{one}" for one in signatures(declared, names)]
    more = len(heads) - _SHOWN_MAX
    if more > 0:
        heads = [*heads[:_SHOWN_MAX], f"... and {more} more overloads"]
    docs = [declared.doc, *map(ast.get_docstring, _defs(declared))]
    texts = list(dict.fromkeys(doc for doc in docs if doc))[:_SHOWN_MAX]
    return "\n\n".join(["\n".join(heads), *texts])
