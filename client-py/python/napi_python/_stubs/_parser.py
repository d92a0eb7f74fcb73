"""Parses declarations by oxc-parser, the npm package, which this package itself loads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napi_python import _environment, _modules, _text
from napi_python._errors import AddonCrashed, AddonError, AddonTimeout, JSError
from napi_python._native import host
from napi_python._stubs import _locate
from napi_python._stubs._errors import SECONDS_MAX, StubsError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

NAME: Final = "oxc-parser"
"""The package that parses."""
RANGE: Final = "~0.159.0"
"""The versions of it that were tested, as npm writes them."""
_TESTED: Final = "0.159."
# The tree is too deep for a message, so it crosses as text.
_SCRIPT: Final = """
(parser, name, source) => {
  const { program, comments, errors } = parser.parseSync(
    name, source, { lang: "dts", sourceType: "module", preserveParens: false });
  return JSON.stringify({
    body: program.body,
    comments: comments.filter((c) => c.type === "Block" && c.value.startsWith("*")),
    errors: errors.filter((e) => e.severity === "Error").slice(0, 1).map((e) => e.message),
  });
}
"""


def cache_folder() -> Path | None:
    """Returns the folder of the user where the parser may be installed, None without one."""
    found = _environment.user_folder("XDG_CACHE_HOME", ".cache")
    return None if found is None else Path(found, "napi_python_stubs")


def find(roots: Sequence[Path]) -> _locate.Package:
    """Finds the parser from the folders, or in the cache folder.

    Raises:
        StubsError: It is not installed, or in a version that was not tested.

    """
    cache = cache_folder()
    other = None
    for root in (*roots, *(() if cache is None else (cache,))):
        package = _locate.find(NAME, root)
        if package is not None and package.version.startswith(_TESTED):
            return package
        other = other or package
    why = (
        f"{NAME} is not installed there"
        if other is None
        else f"{NAME} {_text.name(other.version)} in {other.folder} was not tested with this"
    )
    where = "" if cache is None else f" --root {cache}"
    text = (
        f"cannot parse declarations: {why}; run: python -m napi_python install{where} "
        f"'{NAME}@{RANGE}'"
    )
    raise StubsError(text)


class Parser:
    """The parser in a process of its own, which is started at the first file."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self._package = find(roots)
        self._module: Any = None
        self._parse: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._module is not None:
            host(self._module).close()

    def parse(self, file: str, source: str) -> dict[str, Any]:
        """Returns the statements and the comments of a file of declarations.

        Raises:
            StubsError: It is not valid, nests too deep, or takes too long.

        """
        what = f"cannot read the declarations in {file}"
        try:
            if self._module is None:
                self._module = _modules.require(
                    str(self._package.folder), root="/", timeout=SECONDS_MAX, restart="on-crash"
                )
            self._parse = host(self._module).run_script(_SCRIPT)
            found = json.loads(self._parse(self._module, Path(file).name, source))
        except AddonTimeout:
            text = f"{what}: the parser had not finished after {SECONDS_MAX:g} s; check the file"
            raise StubsError(text) from None
        except (AddonCrashed, RecursionError, MemoryError):
            text = f"{what}: its declarations nest too deep or are too large; check the file"
            raise StubsError(text) from None
        except JSError as error:
            text = f"{what}: the parser failed: {_text.name(error.message)}; check the file"
            raise StubsError(text) from error
        except (AddonError, ValueError) as error:
            text = f"{what}: {_text.message(str(error))}"
            raise StubsError(text) from error
        if found["errors"]:
            text = f"{what}: {_text.name(found['errors'][0])}; check the file"
            raise StubsError(text)
        assert isinstance(found, dict)  # noqa: S101 - the script makes it so
        return found
