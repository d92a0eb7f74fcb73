"""`trace_calls`: calls become spans of OpenTelemetry."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import addon_path, run_program
from napi_python import Addon, AddonCrashed, JSError, Promise, load_addon, trace_calls
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode


@pytest.fixture(scope="module")
def exporter() -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> InMemorySpanExporter:
    exporter.clear()
    return exporter


@pytest.fixture(scope="module")
def rust() -> Iterator[Addon]:
    with load_addon(addon_path("sample_rust")) as addon:
        yield addon


def only(exporter: InMemorySpanExporter) -> ReadableSpan:
    (span,) = exporter.get_finished_spans()
    exporter.clear()
    return span


def test_call_is_a_span_of_a_client(rust: Addon, spans: InMemorySpanExporter) -> None:
    traced = trace_calls(rust)
    assert traced.add(1, 2) == 3
    span = only(spans)
    assert (span.name, span.kind) == ("sample_rust/add", SpanKind.CLIENT)
    assert dict(span.attributes or {}) == {
        "rpc.system": "napi",
        "rpc.service": "sample_rust",
        "rpc.method": "add",
    }
    assert span.status.status_code is StatusCode.UNSET
    assert trace_calls(rust, name="mine").add(1, 2) == 3
    assert only(spans).name == "mine/add"


def test_calls_of_the_addon_itself_make_none(rust: Addon, spans: InMemorySpanExporter) -> None:
    trace_calls(rust)
    assert rust.add(1, 2) == 3
    assert spans.get_finished_spans() == ()


def test_call_within_a_callback_is_a_child(rust: Addon, spans: InMemorySpanExporter) -> None:
    traced = trace_calls(rust)
    tracer = trace.get_tracer("test")
    with tracer.start_as_current_span("outer"):
        assert traced.mapAndSum([1, 2], lambda x: traced.add(x, 1)) == 5
    first, second, mapped, outer = spans.get_finished_spans()
    assert [one.name for one in (first, second)] == ["sample_rust/add"] * 2
    assert first.parent and mapped.parent and mapped.context and outer.context
    assert first.parent.span_id == mapped.context.span_id
    assert mapped.parent.span_id == outer.context.span_id


def test_exception_is_recorded(rust: Addon, spans: InMemorySpanExporter) -> None:
    with pytest.raises(JSError):
        trace_calls(rust).divide(1, 0)
    span = only(spans)
    assert span.status.status_code is StatusCode.ERROR
    assert [event.name for event in span.events] == ["exception"]


def test_crash_is_recorded_with_its_facts(crash: Addon, spans: InMemorySpanExporter) -> None:
    with pytest.raises(AddonCrashed) as caught:
        trace_calls(crash).nullPointer()
    attributes = only(spans).attributes or {}
    assert attributes["napi.crash.signal"] == "SIGSEGV"
    assert attributes["napi.crash.cause"] == "signal"
    assert attributes["process.pid"] == caught.value.pid


def test_span_of_a_promise_ends_when_it_is_awaited(
    rust: Addon, spans: InMemorySpanExporter
) -> None:
    async def main() -> Any:
        promise = trace_calls(rust).asyncAdd(1, 2)
        assert spans.get_finished_spans() == ()
        first = await promise
        assert only(spans).name == "sample_rust/asyncAdd"
        return first, await promise, promise.done()

    assert asyncio.run(main()) == (3, 3, True)
    assert spans.get_finished_spans() == ()


def test_span_of_a_rejected_promise_and_of_result(rust: Addon, spans: InMemorySpanExporter) -> None:
    traced = trace_calls(rust)
    with pytest.raises(JSError):
        traced.asyncDivide(1, 0).result()
    assert only(spans).status.status_code is StatusCode.ERROR
    assert traced.asyncAdd(1, 2).result(30) == 3
    assert only(spans).status.status_code is StatusCode.UNSET


def test_span_of_a_dropped_promise_ends(rust: Addon, spans: InMemorySpanExporter) -> None:
    promise = trace_calls(rust).asyncAdd(1, 2)
    del promise
    gc.collect()
    assert only(spans).name == "sample_rust/asyncAdd"


def test_traced_promise_can_be_passed_on(rust: Addon, spans: InMemorySpanExporter) -> None:
    async def main() -> Any:
        traced = trace_calls(rust)
        return await traced.addToPromise(traced.asyncAdd(1, 2), 4)

    assert asyncio.run(main()) == 7
    names = {span.name for span in spans.get_finished_spans()}
    assert names == {"sample_rust/asyncAdd", "sample_rust/addToPromise"}


def test_other_exports_are_as_they_are(rust: Addon, spans: InMemorySpanExporter) -> None:
    with load_addon(addon_path("sample_rust")) as own, trace_calls(own) as traced:
        assert traced.Counter is own.Counter
        assert isinstance(traced.Counter(1), own.Counter)
        assert dir(traced) == dir(own)
        assert traced.add.__wrapped__(1, 2) == 3
        assert isinstance(own.asyncAdd(1, 2), Promise)
        with pytest.raises(AttributeError, match="nothing_of_this_name"):
            _ = traced.nothing_of_this_name
    assert spans.get_finished_spans() == ()


def test_without_opentelemetry() -> None:
    program = f"""
import sys
from napi_python import load_addon, trace_calls
sys.modules["opentelemetry"] = None
try:
    trace_calls(load_addon({str(addon_path("bench"))!r}))
except ImportError as error:
    print(error)
"""
    said = run_program(program).stdout
    assert said.endswith("install it with pip install opentelemetry-sdk\n")
