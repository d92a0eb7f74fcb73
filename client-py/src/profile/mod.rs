//! What is measured of the calls of an addon for `profile=True`: exact counts, and the times of a part of
//! the calls. The host measures its part of the same calls.

mod measure;
mod profiler;
mod promises;
mod row;
mod spans;

pub(crate) use measure::{Activity, Measure};
pub(crate) use profiler::Profiler;
pub(crate) use row::Row;
pub(crate) use spans::{ClientSpan, SpanKind};
