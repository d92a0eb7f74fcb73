//! The limits on what one side sends to the other.

use serde::{Deserialize, Serialize};

/// The limits of a session. The client states them in its `Setup`, both sides keep them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes in the body of one frame.
    pub frame_bytes: u32,
    /// How deep the values of a frame are nested.
    pub depth: u32,
    /// Values that one frame has its receiver create. Each value counts as one, those of packed arrays,
    /// keys and holes included, and so do 64 bytes of a text or a buffer; a container, a buffer and an
    /// object of the sender count as four.
    pub values: u32,
    /// Requests that are open inside each other on one lane, of both sides together.
    pub nested_requests: u32,
    /// Objects lent at a time, by each side.
    pub lent_objects: u32,
}

impl Limits {
    /// The limits of a session without other settings.
    pub const DEFAULT: Self = Self {
        frame_bytes: 1 << 30,
        depth: 64,
        values: 1 << 26,
        nested_requests: 64,
        lent_objects: 1 << 24,
    };

    /// The limits of a session with so many values in a frame. A value takes less than 96 bytes for
    /// each time that it counts, and everything else of a frame less than 4 MiB.
    #[must_use]
    pub const fn of_values(values: u32) -> Self {
        const OTHER_BYTES: u32 = 4 << 20;
        let bytes = values.saturating_mul(96).saturating_add(OTHER_BYTES);
        let most = Self::DEFAULT.frame_bytes;
        Self {
            values,
            frame_bytes: if bytes < most { bytes } else { most },
            ..Self::DEFAULT
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Which limit was exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as the fields of Limits")]
pub enum LimitKind {
    FrameBytes,
    Depth,
    Values,
    NestedRequests,
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

    /// The option of `load_addon` that sets the limit, for a message; empty if there is none.
    pub const fn option(self) -> &'static str {
        match self {
            Self::Values => {
                " (max_values=, where a container counts as four and 64 bytes of a text as one)"
            }
            Self::FrameBytes => " (96 for each of max_values=, and 1 GiB at most)",
            _ => "",
        }
    }
}
