"""Messages and names that an addon chose are escaped wherever Python shows them."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import gc
import io
import json
import logging
import pathlib
import pickle
import re
import subprocess
import sys
import time
import traceback
import warnings
from typing import TYPE_CHECKING, Any, cast

import pytest
from conftest import addon_path
from napi_python import (
    AddonError,
    AddonTimeout,
    JSError,
    JSSyntaxError,
    LoadError,
    Sandbox,
    _errors,
    _output,
    _text,
    host,
    load_addon,
)
from napi_python._denials import Denials
from napi_python._sandbox import report

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Script

FRAME = '  File "/fake.py", line 1, in fake'
HOSTILE = {
    "clear": "a\x1b[2J\x1b[Hb",
    "nul": "a\0b",
    "delete": "a\x7f\x08b",
    "C1": "a\x9b31m\x85b",
    "override": "a\u202eb\u2066c\u061cd",
    "separator": "a\u2028b\u2029c",
    "surrogate": "a\ud800b\udfff",
    "return": "a\rb",
    "frame": f"a\nTraceback (most recent call last):\n{FRAME}\n    fake()\nKeyboardInterrupt",
    "frame of Windows": f"a\r\nTraceback (most recent call last):\r\n{FRAME}\r\nKeyboardInterrupt",
    "group": f"a\n  | ExceptionGroup: x (1 sub-exception)\n  | {FRAME}\n  +-+---------------- 1 -",
    "record": "a\nERROR:root:fake",
}
UNSAFE = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
FAKES = re.compile(r"^(Traceback|  File \"/fake|Keyboard|ERROR|  [|] |  \+-)", re.MULTILINE)

hostile = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())


def check(shown: str, *, one_line: bool = False) -> None:
    """Fails where a text would be obeyed, reordered or taken for something else."""
    assert not UNSAFE.search(shown), ascii(shown)
    assert not FAKES.search(shown), shown
    assert not one_line or "\n" not in shown, ascii(shown)


def check_error(error: BaseException) -> None:
    """Does so wherever Python shows an exception."""
    check(str(error))
    check(repr(error), one_line=True)
    for line in traceback.format_exception_only(error):
        check(line)
    check(logging.Formatter().formatException((type(error), error, None)))
    check(printed(error))


def printed(error: BaseException) -> str:
    """Returns what the interpreter itself prints; up to Python 3.11 it is not `traceback`."""
    with contextlib.redirect_stderr(io.StringIO()) as stderr:
        sys.__excepthook__(type(error), error.with_traceback(None), None)
    return stderr.getvalue()


THROWN = {
    "error": "new Error(T)",
    "type error": "new TypeError(T)",
    "range error": "new RangeError(T)",
    "syntax error": "new SyntaxError(T)",
    "name": "Object.assign(new Error('m'), {name: T})",
    "name alone": "Object.assign(new Error(), {name: T})",
    "code": "Object.assign(new Error('m'), {code: T, [T]: T})",
    "string": "T",
    "object": "({[T]: T})",
    "list": "[T, [[[[T]]]]]",
    "instance": "new ({[T]: class {}})[T]",
    "place": """Object.assign(new SyntaxError(T),
        {stack: 'SyntaxError\\n    at <parser> (' + T + ':1:1)'})""",
    "place that it names": """Object.assign(new Error(T), {print_file_and_line: 1, msg: T,
        filename: T, lineno: 1, offset: 1, text: T})""",
}


@hostile
@pytest.mark.parametrize("source", THROWN.values(), ids=THROWN.keys())
def test_thrown_value_is_shown_escaped(source: str, text: str, js: Script) -> None:
    with pytest.raises(JSError) as caught:
        js(f"(() => {{ const T = {json.dumps(text)}; throw {source}; }})()")
    check_error(caught.value)
    for again in (pickle.loads(pickle.dumps(caught.value)), copy.copy(caught.value)):
        assert str(again) == str(caught.value)
        check_error(again)


@hostile
def test_causes_and_parts_are_shown_escaped(text: str, js: Script) -> None:
    with pytest.raises(JSError) as caught:
        js(
            f"(() => {{ const T = {json.dumps(text)}; const cause = new Error(T, {{cause: T}});"
            "throw new AggregateError([new Error(T), new SyntaxError(T)], T, {cause}); })()"
        )
    error: Any = caught.value
    assert isinstance(error.cause, JSError)
    for one in (error, error.cause, *error.errors):
        check_error(one)
    check("".join(traceback.format_exception(error)).replace("Traceback (most", "").lstrip())


@hostile
def test_original_text_is_kept(text: str, js: Script) -> None:
    error = js(
        f"(() => {{ const T = {json.dumps(text)};"
        "return Object.assign(new Error(T), {code: T, name: T, stack: T}); })()"
    )
    assert (error.message, error.code, error.name, error.stack) == (text,) * 4
    assert js(f"(e) => e.message === {json.dumps(text)}")(error)


def crash_of(text: str) -> AddonError:
    facts: dict[str, object] = {
        "how": f"died of {text}",
        "signal": 11,
        "address": 1,
        "export": text,
        "node_api": text,
        "cause": "signal",
        "stderr": text,
        "reason": text,
        "backtrace": [f"{text}!{text}+0x1", f"x.node!{text}+0x1"],
    }
    return _errors.crashed(text, facts, text, loading=False)


def violation_of(text: str) -> AddonError:
    facts: dict[str, object] = {"signal": 31, "call": text, "table": "x86-64", "path": text}
    facts |= {"how": text, "cause": "forbidden-call", "backtrace": ["0x1"], "arguments": [1]}
    return _errors.crashed("x", facts, "", loading=True)


MADE: dict[str, Callable[[str], BaseException]] = {
    "load": lambda text: LoadError(f"cannot load: {text}", path=text, detail=text),
    "load thrown": lambda text: _errors.thrown_at_load(text, None, JSError(text)),
    "module thrown": lambda text: _errors.thrown_at_load(None, text, JSError(text)),
    "timeout": lambda text: AddonTimeout(f"{text} of the addon {text} did not return", export=text),
    "crash": crash_of,
    "violation": violation_of,
    "unavailable": lambda text: _errors.sandbox_unavailable(text, text, text, 1),
    "syntax": lambda text: JSSyntaxError(text, stack=f"    at <parser> ({text}:1:1)"),
}


@hostile
@pytest.mark.parametrize("make", MADE.values(), ids=MADE.keys())
def test_exceptions_of_the_package_are_shown_escaped(
    make: Callable[[str], BaseException], text: str
) -> None:
    check_error(make(text))


@hostile
def test_syntax_error_shows_its_line_escaped(text: str, js: Script) -> None:
    line = text.split("\n", maxsplit=1)[0].split("\r", maxsplit=1)[0]
    if "\u2028" in line:
        line = line.replace("\u2028", "").replace("\u2029", "")
    with pytest.raises(JSSyntaxError) as caught:
        js(f"1;\n'{line}' @")
    error = caught.value
    check_error(error)
    assert error.text is not None
    assert error.offset is not None
    assert error.text[error.offset - 1 :] in {"@", "' @"}, "the offset counts what is shown"


@hostile
def test_names_are_shown_escaped(text: str, js: Script) -> None:
    js(f"globalThis.T = {json.dumps(text)}")
    cls = js("globalThis.C = ({[T]: class { ok() {} [T]() { throw 1; } }})[T]")
    thing = js("new C()")
    function = js("({f: {[T]: () => 1, keep() {}}})")["f"]
    assert thing.ok is not None
    bound = getattr(thing, text)
    for shown in (
        repr(cls), cls.__name__, cls.__qualname__, repr(thing), repr([thing]), repr(bound),
        bound.__name__, bound.__qualname__, repr(function), repr(JSError("m", value=thing)),
    ):  # fmt: skip
        check(shown, one_line=True)
    assert cls.__name__.startswith("a")
    for some in (thing, js("({[T]: 1, ok: 2, f() {}})"), js("Object.assign(new C(), {[T]: 1})")):
        assert "ok" in dir(some)
        assert text not in dir(some)
    with pytest.raises(TypeError) as caught:
        cls(**cast("Any", 5))
    check(str(caught.value))


def test_a_name_is_suggested_only_if_it_can_be_shown(js: Script) -> None:
    thing = js("new (class { constructor() { this['valu\\x1be'] = 1; this.value_ = 2; } })")
    with pytest.raises(AttributeError) as caught:
        _ = thing.value
    shown = printed(caught.value)
    assert "Did you mean: 'value_'?" in shown
    check(shown)


@hostile
def test_labels_are_shown_escaped(text: str) -> None:
    with load_addon(addon_path("primitive"), name=text) as loaded:
        check(repr(loaded), one_line=True)
        check(repr(host(loaded)), one_line=True)
    with pytest.raises(AddonError) as caught:
        _ = loaded.anything
    check_error(caught.value)


@hostile
def test_logs_show_it_escaped(text: str, caplog: pytest.LogCaptureFixture) -> None:
    error = JSError(text)
    with caplog.at_level(logging.DEBUG):
        _output.log(logging.WARNING, text, text)
        _output.show("words", True, f"{text}\n".encode("utf-8", "replace"))
        _output.uncaught("words", error, text)
        _output.trouble("words", error)
        logging.getLogger("mine").error("failed: %s, %r", error, error)
    assert len(caplog.records) >= 5
    for record in caplog.records:
        # Its output has one record per line, of any text.
        printed = hasattr(record, "stream")
        assert not UNSAFE.search(record.getMessage())
        assert printed or not FAKES.search(record.getMessage())
        check(logging.Formatter("x %(message)s").format(record).replace("\nTraceback (most", ""))


def test_percent_signs_are_no_formats(caplog: pytest.LogCaptureFixture) -> None:
    text = "100%s %d %(name)s {} {0}"
    with caplog.at_level(logging.DEBUG):
        _output.log(logging.WARNING, text, text)
        _output.show("words", False, f"{text}\n".encode())
        _output.uncaught("words", JSError(text), text)
        _output.trouble("words", JSError(text))
    assert all(text in record.getMessage() for record in caplog.records)
    assert len(caplog.records) == 4


@hostile
def test_warnings_and_reports_show_it_escaped(text: str) -> None:
    denials = Denials(Sandbox())
    raw = text.encode("utf-8", "surrogatepass")
    denials.add([("read", True, False, raw, [raw]), ("network", True, False, raw, [])])
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        denials.warn(f"{text}.{text}", is_end=True)
    assert len(seen) == 2
    for one in seen:
        check(str(one.message), one_line=True)
    shown = repr(report(None, [pathlib.Path(text)], [(text, True, "partial", 1, text)]))
    for line in shown.splitlines()[1:]:
        check(line.lstrip())


@hostile
def test_asyncio_and_hooks_show_it_escaped(text: str, caplog: pytest.LogCaptureFixture) -> None:
    async def forget() -> None:
        asyncio.get_running_loop().create_future().set_exception(JSError(text))
        gc.collect()
        await asyncio.sleep(0)

    asyncio.run(forget())
    [record] = [one for one in caplog.records if "never retrieved" in one.getMessage()]
    check(logging.Formatter().format(record).replace("Traceback (most", "").lstrip())


def test_text_that_the_interpreter_prints_is_escaped() -> None:
    script = f"""
import sys, threading
from napi_python import host, load_addon

loaded = load_addon({str(addon_path("primitive"))!r})
fails = host(loaded).run_script('''(kind, T) => {{
    const error = new (kind === 1 ? SyntaxError : Error)(T, {{cause: new Error(T)}});
    error.name = T;
    if (kind === 2) Object.assign(error, {{print_file_and_line: 1, msg: T, filename: T,
        lineno: 1, offset: 1, text: T}});
    error.stack = 'Error\\\\n    at <parser> (' + T + ':1:1)';
    throw error;
}}''')

class Ends:
    def __init__(self, *args):
        self.args = args

    def __del__(self):
        fails(*self.args)

def fail(*args):
    fails(*args)

for text in {list(HOSTILE.values())!r}:
    for kind in range(3):
        Ends(kind, text)
        thread = threading.Thread(target=fail, args=(kind, text))
        thread.start()
        thread.join()
        try:
            fail(kind, text)
        except Exception:
            sys.excepthook(*sys.exc_info())
fail(2, "a\\x1b[2J")
"""
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", script], capture_output=True, check=False, timeout=60
    )
    shown = done.stderr.decode("utf-8", "surrogateescape")
    assert "\\x1b[2J" in shown
    assert shown.count("JSSyntaxError") >= 3 * len(HOSTILE)
    real = r"(?m)^Traceback \(most recent call last\):\n  File \"(<string>|[^\"]*threading.py)\""
    check(re.sub(real, "", shown))


def test_long_messages_are_cut(js: Script) -> None:
    length = 1 << 22
    make = f"new Error('x'.repeat({length}))"
    for source, kept in (
        (make, "message"),
        (f"Object.assign(new Error('m'), {{name: 'x'.repeat({length})}})", "name"),
        (f"'x'.repeat({length})", "value"),
        (f"new SyntaxError('x'.repeat({length}))", "message"),
    ):
        with pytest.raises(JSError) as caught:
            js(f"throw {source}")
        assert len(getattr(caught.value, kept)) == length
        shown = [str(caught.value), repr(caught.value), caught.exconly()]
        for one in shown:
            assert len(one) < _text.MESSAGE_MAX + 200
            assert "more characters]" in one
        again = pickle.loads(pickle.dumps(caught.value))
        assert (str(again), len(getattr(again, kept))) == (shown[0], length)


def test_large_thrown_value_is_shown_in_part(js: Script) -> None:
    for source in (
        "Array(1 << 20).fill('abc')",
        "Object.fromEntries(Array.from({length: 1 << 17}, (_, i) => ['k' + i, i]))",
        "(() => { let a = 'x'; for (let i = 0; i < 40; i++) a = Array(10).fill(a); return a })()",
        "'x'.repeat(1 << 20).split('')",
    ):
        with pytest.raises(JSError) as caught:
            js(f"throw {source}")
        before = time.thread_time()
        again = str(_errors.js_thrown(caught.value.value))
        assert time.thread_time() - before < 0.1
        assert again == str(caught.value)
        assert "..." in again
        assert len(again) < _text.MESSAGE_MAX + 200


def test_a_bigint_of_any_size_is_thrown_as_it_is(js: Script) -> None:
    for source in ("10n ** 5000n", "[10n ** 5000n]"):
        with pytest.raises(JSError, match="JavaScript threw"):
            js(f"throw {source}")
    assert js("Object.assign(new Error('m'), {name: 10n ** 5000n})").message == "m"


READABLE = {
    "one line": ("Expected ';'", "Expected ';'"),
    "scripts": (
        "na\xefve \u4e2d\u6587 \u05d0\u05d1 \U0001f469\u200d\U0001f467 \xa0",
        "na\xefve \u4e2d\u6587 \u05d0\u05d1 \U0001f469\u200d\U0001f467 \xa0",
    ),
    "backslash": ("C:\\x1b \\n", "C:\\x1b \\n"),
    "tab": ("a\tb", "a\tb"),
    "code frame": (
        "\n  x Expected ';'\n   ,-[a.ts:1:1]\n 1 | let a b\r\n   :       ^\n   `----\n",
        "\n|   x Expected ';'\n|    ,-[a.ts:1:1]\n|  1 | let a b\n|    :       ^\n|    `----\n| ",
    ),
}


@pytest.mark.parametrize(("message", "shown"), READABLE.values(), ids=READABLE.keys())
def test_messages_stay_readable(message: str, shown: str, js: Script) -> None:
    error = js(f"new Error({json.dumps(message)})")
    assert error.message == message
    assert str(error) == shown
    assert str(AddonError(shown)) == shown, "what was shown once is shown as it is"


def test_long_names_are_cut(js: Script) -> None:
    assert repr(js("(class Ordinary {})")) == "<JSClass>"
    assert js("(class Ordinary {})").__name__ == "Ordinary"
    long = js("Object.defineProperty(class {}, 'name', {value: 'x'.repeat(1000)})")
    assert long.__name__ == "x" * 200 + "... [800 more characters]"
