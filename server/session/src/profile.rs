//! Calls that the client has measured, and what the host has collected for a profile.

use std::num::NonZero;

use hostd_napi::{Activity, MeasuredTimes, Profiler};
use hostd_protocol::direct::Scalar;
use hostd_protocol::error::ProtocolError;
use hostd_protocol::frame::{Flags, Header, read_weight};
use hostd_protocol::profile::{FunctionTimes, HostProfile, HostSpan, HostTimes, SPANS_MAX, span};
use hostd_protocol::value::ValueReader;

use super::Session;
use super::level::FrameBuffers;

impl Session {
    /// Begins to measure a request, if the client asks for it and a profile is made. A call around it that
    /// is measured stands still. Whether [`end_measured`](Self::end_measured) is to follow.
    #[cold]
    #[inline(never)]
    pub(super) fn begin_measured(&self, header: &Header, body: &[u8]) -> bool {
        let weight = read_weight(header.flags, &mut ValueReader::new(body, &self.limits));
        // What cannot be read is reported where it is read.
        self.begin_weighed(weight.unwrap_or(None))
    }

    /// As [`begin_measured`](Self::begin_measured), for a call that takes no frame.
    #[cold]
    #[inline(never)]
    pub(super) fn begin_direct(&self, weight: u32) -> bool {
        self.begin_weighed(NonZero::new(weight).map(NonZero::get))
    }

    fn begin_weighed(&self, weight: Option<u32>) -> bool {
        let Some(profiler) = self.host.profiler() else {
            return false;
        };
        profiler.begin(weight);
        self.is_measured.set(profiler.is_sampling());
        true
    }

    /// Ends what one of these began.
    #[cold]
    #[inline(never)]
    pub(super) fn end_measured(&self) {
        if let Some(profiler) = self.host.profiler() {
            profiler.end();
            self.is_measured.set(profiler.is_sampling());
        }
    }

    /// What measures the call that is being served, if it is measured.
    #[inline]
    fn sampling(&self) -> Option<&'static Profiler> {
        self.is_measured
            .get()
            .then(|| self.host.profiler())
            .flatten()
    }

    /// The call goes on with something else.
    #[inline]
    pub(super) fn switch(&self, activity: Activity) {
        if self.is_measured.get() {
            self.switch_measured(activity);
        }
    }

    #[cold]
    #[inline(never)]
    fn switch_measured(&self, activity: Activity) {
        if let Some(profiler) = self.host.profiler() {
            profiler.switch(activity);
        }
    }

    /// Runs something in the middle of JavaScript.
    #[inline]
    pub(super) fn measure<R>(&self, activity: Activity, run: impl FnOnce() -> R) -> R {
        let entered = self
            .is_measured
            .get()
            .then(|| self.enter(activity))
            .flatten();
        let result = run();
        if let Some(depth) = entered {
            self.leave(depth);
        }
        result
    }

    #[cold]
    #[inline(never)]
    fn enter(&self, activity: Activity) -> Option<usize> {
        Some(self.host.profiler()?.enter(activity))
    }

    #[cold]
    #[inline(never)]
    fn leave(&self, depth: usize) {
        if let Some(profiler) = self.host.profiler() {
            profiler.leave(depth);
        }
    }

    /// Skips the weight of a request.
    #[cold]
    pub(super) fn skip_weight(
        flags: Flags,
        reader: &mut ValueReader<'_>,
    ) -> Result<(), ProtocolError> {
        read_weight(flags, reader).map(drop)
    }

    /// Puts what the call has taken so far into its reply.
    #[cold]
    pub(super) fn put_times(&self, buffers: &mut FrameBuffers) {
        if let Some(times) = self.times() {
            buffers.builder.times(&times);
        }
    }

    /// Answers a call in place, with its times if it is measured.
    #[inline]
    pub(super) fn answer_in_place(&self, scalar: Scalar) -> bool {
        if self.is_measured() {
            return self.answer_with_times(scalar);
        }
        self.hooks.answer_direct(scalar, None)
    }

    #[cold]
    fn answer_with_times(&self, scalar: Scalar) -> bool {
        self.hooks.answer_direct(scalar, self.times().as_ref())
    }

    /// Whether the call that is being served is measured.
    #[inline]
    pub(super) fn is_measured(&self) -> bool {
        self.is_measured.get()
    }

    /// What the call that is being served has taken so far, if it is measured.
    fn times(&self) -> Option<HostTimes> {
        let MeasuredTimes {
            marshalling,
            engine,
            addon,
            functions,
            collection,
            overhead,
        } = self.sampling()?.times()?;
        Some(HostTimes {
            marshalling,
            engine,
            addon,
            functions,
            collection,
            overhead,
        })
    }

    /// What was collected since this was called for the last time.
    pub(super) fn take_profile(&self) -> HostProfile {
        let Some(profiler) = self.host.profiler() else {
            return HostProfile::default();
        };
        let figures = profiler.take(SPANS_MAX);
        let functions = figures.functions.into_iter().map(|function| FunctionTimes {
            name: function.name.to_owned(),
            calls: function.calls,
            total: function.total,
            own: function.own,
        });
        let spans = figures.spans.into_iter();
        let spans = spans.filter_map(|(activity, began, ended)| {
            let what = match activity {
                Activity::Call => span::CALL,
                Activity::Addon => span::ADDON,
                Activity::Client => span::CLIENT,
                Activity::Collection => span::COLLECTION,
                Activity::Function(number) => span::FUNCTION.checked_add(number)?,
                Activity::Marshalling | Activity::Engine => return None,
            };
            Some::<HostSpan>((what, began, ended))
        });
        HostProfile {
            functions: functions.collect(),
            collections: figures.collections.count,
            collecting: figures.collections.time,
            finalizers: figures.finalizers.count,
            finalizing: figures.finalizers.time,
            spans: spans.collect(),
            left: u32::try_from(figures.left).unwrap_or(u32::MAX),
        }
    }
}
