"""Writes functions: an overload for each signature, and one more for keyword arguments."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from napi_python._stubs import _model as m
from napi_python._stubs._expressions import identifier
from napi_python._stubs._flat import Bound, Environment
from napi_python._stubs._types import IN, OUT, Types

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# How many characters of a documentation comment are written.
_DOC_MAX: Final = 600
# How many typed dicts of one parameter have an overload with keywords.
_KEYWORDS_MAX: Final = 4


class _Variant(NamedTuple):
    """One overload: its parameters without `self`, and its result."""

    parameters: str
    result: str
    comment: str
    doc: str


class _Written(NamedTuple):
    """A parameter as it is written, and the typed dicts that it takes."""

    name: str
    type: str
    is_optional: bool
    is_rest: bool
    dicts: tuple[str, ...]


def docstring(doc: str, indent: str) -> list[str]:
    """Returns the lines of a docstring: the first paragraphs, with everything escaped."""
    text = doc.split("\n@", 1)[0].strip()
    if not text or text.startswith("@"):
        return []
    if len(text) > _DOC_MAX:
        text = f"{text[:_DOC_MAX].rstrip()} ..."
    text = text.replace("\\", "\\\\").replace('"""', "'''")
    text = re.sub(r"[^\n -~\xa0-\u2027\u2030-\ud7ff]", "?", text.replace("\t", "    "))
    lines = [line.rstrip() for line in text.split("\n")]
    if lines[-1].endswith('"'):
        lines[-1] += " "
    if len(lines) == 1:
        return [f'{indent}"""{lines[0]}"""']
    rest = [f"{indent}{line}" if line else "" for line in lines[1:]]
    return [f'{indent}"""{lines[0]}', *rest, f'{indent}"""']


class Functions:
    """Writes functions and methods."""

    def __init__(self, types: Types) -> None:
        self._types = types

    def write(
        self,
        name: str,
        signatures: Sequence[tuple[m.Signature, Environment]],
        *,
        indent: str = "    ",
        decorator: str | None = None,
        result: str | None = None,
    ) -> list[str]:
        """Returns the lines of a method, or of a static one; `result` replaces what it returns."""
        variants: dict[str, _Variant] = {}
        for signature, environment in signatures:
            for variant in self._variants(signature, environment, result):
                variants.setdefault(variant.parameters, variant)
        lines: list[str] = []
        first = "" if decorator == "staticmethod" else "self"
        for variant in variants.values():
            if decorator is not None:
                lines.append(f"{indent}@{decorator}")
            if len(variants) > 1:
                lines.append(f"{indent}@{self._types.names.seen('overload')}")
            parameters = ", ".join(part for part in (first, variant.parameters) if part)
            head = f"{indent}def {name}({parameters}) -> {variant.result}:"
            doc = docstring(variant.doc, f"{indent}    ")
            lines.append(f"{head}{variant.comment}" if doc else f"{head} ...{variant.comment}")
            lines += doc
        return lines

    def _variants(
        self, signature: m.Signature, environment: Environment, result: str | None
    ) -> Iterator[_Variant]:
        inner = self._with_variables(signature, environment, result)
        written = [self._parameter(parameter, inner) for parameter in signature.parameters]
        text = result or self._types.result(signature.result, OUT, inner)
        comment = self._types.take_reasons()
        yield _Variant(_positional(written), text, comment, signature.doc)
        if not written or written[-1].is_rest:
            return
        before = [parameter._replace(is_optional=False) for parameter in written[:-1]]
        unpack = self._types.names.seen("Unpack")
        for typed in written[-1].dicts[:_KEYWORDS_MAX]:
            keywords = f"**options: {unpack}[{typed}]"
            positional = _positional(before)
            parameters = f"{positional}, {keywords}" if positional else keywords
            yield _Variant(parameters, text, comment, signature.doc)

    def _parameter(self, parameter: m.Parameter, environment: Environment) -> _Written:
        name = identifier(parameter.name, "argument")
        name = f"{name}_" if name == "self" or name.startswith("__") else name
        if parameter.rest:
            inner = parameter.type
            item: m.Type = m.Keyword("any")
            if isinstance(inner, m.Array):
                item = inner.item
            elif isinstance(inner, m.Ref) and inner.path[-1:] in (("Array",), ("ReadonlyArray",)):
                item = inner.arguments[0] if inner.arguments else item
            elif inner != m.Keyword("any"):
                self._types.unknown("rest parameter")
            text = self._types.text(item, IN, environment)
            return _Written(name, text, is_optional=False, is_rest=True, dicts=())
        found = self._types.expression(parameter.type, IN, environment)
        optional = parameter.optional or parameter.type == m.Keyword("void")
        return _Written(name, found.text, optional, is_rest=False, dicts=found.dicts)

    def _with_variables(
        self, signature: m.Signature, environment: Environment, result: str | None
    ) -> Environment:
        """Returns the environment of a function: its type parameters as far as they matter.

        A TypeVar has to be in a parameter that is not optional, and twice in all; otherwise its
        bound says the same.
        """
        if not signature.type_parameters:
            return environment
        inner: dict[str, str | Bound] = dict(environment)
        plain: dict[str, str | Bound] = dict(environment)
        for parameter in signature.type_parameters:
            fallback = parameter.bound or m.Keyword("any")
            plain[parameter.name] = Bound(fallback, dict(plain))
        for parameter in signature.type_parameters:
            bound = "" if parameter.bound is None else self._types.text(parameter.bound, IN, plain)
            inner[parameter.name] = self._types.type_variable(parameter.name, bound)
        # What one of them is replaced by may hide another one.
        while (lost := self._lost(signature, inner, result)) is not None:
            parameter, is_passed = lost
            known = parameter.bound if is_passed else parameter.default
            inner[parameter.name] = Bound(known or parameter.bound or m.Keyword("any"), plain)
        return inner

    def _lost(
        self, signature: m.Signature, environment: Environment, result: str | None
    ) -> tuple[m.TypeParameter, bool] | None:
        """Returns a TypeVar that does not matter, and whether a parameter has it."""
        taken = [self._parameter(item, environment) for item in signature.parameters]
        given = result or self._types.text(signature.result, OUT, environment)
        self._types.take_reasons()
        for parameter in signature.type_parameters:
            variable = environment[parameter.name]
            if not isinstance(variable, str):
                continue
            pattern = rf"\b{variable}\b"
            passed = sum(len(re.findall(pattern, item.type)) for item in taken)
            needed = any(re.search(pattern, item.type) for item in taken if not item.is_optional)
            if not needed or passed + len(re.findall(pattern, given)) < 2:  # noqa: PLR2004 - twice
                return parameter, bool(passed)
        return None


def _positional(parameters: Sequence[_Written]) -> str:
    """Returns parameters that have no keywords: these are options."""
    texts: list[str] = []
    used: set[str] = set()
    rest = ""
    # What follows an optional parameter is optional for Python.
    is_optional = False
    for parameter in parameters:
        name = parameter.name
        while name in used:
            name += "_"
        used.add(name)
        if parameter.is_rest:
            rest = f"*{name}: {parameter.type}"
            continue
        is_optional |= parameter.is_optional
        texts.append(f"{name}: {parameter.type}{' = ...' if is_optional else ''}")
    if texts:
        texts.append("/")
    if rest:
        texts.append(rest)
    return ", ".join(texts)
