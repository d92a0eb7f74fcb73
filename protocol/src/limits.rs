//! What one side accepts from the other, and what it sends at most.

use serde::{Deserialize, Serialize};

/// The limits of a session. The client states them in its `Setup`, both sides keep them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes in the body of one frame.
    pub frame_bytes: u32,
    /// How deep the values of a frame are nested.
    pub depth: u32,
    /// Values in one frame, those in packed arrays included.
    pub values: u32,
    /// Requests that are open inside each other on one lane, of both sides together.
    pub nested_requests: u32,
    /// Objects lent at a time, by each side.
    pub lent_objects: u32,
}

impl Limits {
    /// The limits of a session for which nobody asked for others.
    pub const DEFAULT: Self = Self {
        frame_bytes: 1 << 30,
        depth: 64,
        values: 1 << 26,
        nested_requests: 64,
        lent_objects: 1 << 24,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Which limit was exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitKind {
    /// [`Limits::frame_bytes`].
    FrameBytes,
    /// [`Limits::depth`].
    Depth,
    /// [`Limits::values`].
    Values,
    /// [`Limits::nested_requests`].
    NestedRequests,
    /// [`Limits::lent_objects`].
    LentObjects,
    /// [`crate::control::PACKET_BYTES`] or [`crate::message::MESSAGE_BYTES`].
    MessageBytes,
    /// The count of one array, object or string: at most `u32::MAX`.
    Count,
}

impl LimitKind {
    /// What was counted, for a message.
    pub const fn what(self) -> &'static str {
        match self {
            Self::FrameBytes => "bytes in one message",
            Self::Depth => "levels of nesting",
            Self::Values => "values in one message",
            Self::NestedRequests => "calls nested inside each other",
            Self::LentObjects => "objects held by the other side",
            Self::MessageBytes => "bytes of metadata",
            Self::Count => "elements in one container",
        }
    }
}
