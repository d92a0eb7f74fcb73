//! Errors of segments and lanes.

use crate::layout::SEGMENT_LEN;

/// Why a segment could not be made or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum SegmentError {
    /// The system refused a step.
    #[error("the system refused to {step} the shared-memory segment: {source}")]
    System {
        step: &'static str,
        source: std::io::Error,
    },
    /// The descriptor is not a memfd that is sealed against a change of size and of seals.
    #[error(
        "the descriptor was not mapped: it is not a memfd with the seals SHRINK, GROW and SEAL"
    )]
    NotSealed,
    /// The object has another size than a segment.
    #[error(
        "the descriptor was not mapped: it has {found} bytes where this version needs \
         {SEGMENT_LEN}"
    )]
    WrongSize { found: u64 },
    /// The first word names another layout.
    #[error(
        "the segment has layout {found:#018x}, this build expects {expected:#018x}: client and \
         host are different versions"
    )]
    WrongLayout { found: u64, expected: u64 },
}

/// The other end of a lane published an impossible index: it is broken or hostile.
///
/// The lane can't be resynchronised: the session with this peer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("corrupt shared-memory ring index")]
pub struct Violation;
