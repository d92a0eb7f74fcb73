"""Spans of OpenTelemetry for the calls of an addon, without a change of the addon."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from napi_python._errors import AddonCrashed
from napi_python._native import JSFunction, Promise, __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from types import TracebackType
    from typing import Self

    from opentelemetry.trace import Span, Tracer

    from napi_python._native import Addon


def trace_calls(addon: Addon, *, name: str | None = None) -> TracedExports:
    """Returns the exports of an addon or package with a span for each call.

    The addon itself is not changed: calls that do not go through the returned object have no span
    and cost nothing more. Spans are made with the tracer provider of the program.

    Args:
        addon: What `load_addon` or `require` has returned.
        name: The addon's name in the spans; by default the one that it has in logs.

    Raises:
        ImportError: OpenTelemetry is not installed.

    """
    try:
        from opentelemetry import trace  # noqa: PLC0415 - a package of the program
    except ImportError as error:
        text = (
            "trace_calls() makes spans of OpenTelemetry, which is not installed; install it with "
            "pip install opentelemetry-sdk"
        )
        raise ImportError(text, name="opentelemetry") from error
    # `<Addon NAME>` or `<Module NAME VERSION>`.
    name = name or repr(addon)[1:-1].partition(" ")[2]
    return TracedExports(addon, name, trace.get_tracer("napi_python", __version__))


class TracedExports:
    """The exports of an addon, whose functions make spans. `trace_calls` returns it.

    Its attributes are those of the addon; functions are wrapped, everything else is as it is.
    """

    __slots__ = ("_addon", "_name", "_tracer")

    def __init__(self, addon: Addon, name: str, tracer: Tracer) -> None:
        self._addon = addon
        self._name = name
        self._tracer = tracer

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the addon exports
        found = getattr(self._addon, name)
        return self._traced(name, found) if isinstance(found, JSFunction) else found

    def __call__(self, *args: object, **kwargs: object) -> Any:  # noqa: ANN401 - what it returns
        return self._traced("default", self._addon)(*args, **kwargs)

    def __dir__(self) -> list[str]:
        return dir(self._addon)

    def __repr__(self) -> str:
        return f"<TracedExports of {self._name}>"

    def __enter__(self) -> Self:
        self._addon.__enter__()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._addon.__exit__(exc_type, exc, traceback)

    def _traced(self, export: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: object, **kwargs: object) -> object:
            from opentelemetry import trace  # noqa: PLC0415 - trace_calls has imported it

            span = self._tracer.start_span(
                f"{self._name}/{export}",
                kind=trace.SpanKind.CLIENT,
                attributes={
                    "rpc.system": "napi",
                    "rpc.service": self._name,
                    "rpc.method": export,
                },
            )
            with _ended_by_exceptions(span), trace.use_span(span, record_exception=False):
                result = function(*args, **kwargs)
            if isinstance(result, Promise):
                return TracedPromise(result, span)
            span.end()
            return result

        call.__name__ = call.__qualname__ = export
        call.__wrapped__ = function  # type: ignore[attr-defined]
        return call


class TracedPromise:
    """A promise whose span ends with the first `await` or `result()` that ends.

    If there is none, the span ends when the object is dropped.
    """

    __slots__ = ("__weakref__", "_promise", "_span")

    def __init__(self, promise: Promise, span: Span) -> None:
        self._promise = promise
        self._span = span

    def __await__(self) -> Generator[Any, None, Any]:
        """Waits as the promise does."""
        with _ended_by_exceptions(self._span):
            value = yield from self._promise.__await__()
        self._span.end()
        return value

    def result(self, timeout: float | None = None) -> Any:  # noqa: ANN401 - of JavaScript
        """Waits as `Promise.result` does."""
        with _ended_by_exceptions(self._span):
            value = self._promise.result(timeout)
        self._span.end()
        return value

    def done(self) -> bool:
        """Tells whether the promise is settled."""
        return self._promise.done()

    def __del__(self) -> None:
        if self._span.is_recording():
            self._span.end()


@contextlib.contextmanager
def _ended_by_exceptions(span: Span) -> Iterator[None]:
    """Records what is raised, with the facts of a crash, and ends the span."""
    try:
        yield
    except BaseException as error:
        from opentelemetry.trace import StatusCode  # noqa: PLC0415 - trace_calls has imported it

        if span.is_recording():
            facts = {}
            if isinstance(error, AddonCrashed):
                facts = {
                    "napi.crash.cause": error.cause,
                    "napi.crash.signal": error.signal_name,
                    "process.pid": error.pid,
                }
            known = {key: value for key, value in facts.items() if value is not None}
            span.set_attributes(known)
            span.record_exception(error)
            span.set_status(StatusCode.ERROR, str(error))
            span.end()
        raise
