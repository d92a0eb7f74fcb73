//! Calls between a client and a session that runs on the client's own thread which take no frame: what is
//! passed fits into the place where the other side looks. What does not fit, or what needs an exception,
//! an object or a write-back, travels in frames on the lane of the call.

use crate::calls::CallKind;
use crate::lent::Release;
use crate::profile::HostTimes;

/// The most arguments of a direct call or callback.
pub const DIRECT_ARGUMENTS_MAX: usize = 4;

/// A value that is passed in place.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub enum Scalar {
    /// `undefined`
    Undefined,
    /// `null`
    Null,
    /// A boolean.
    Bool(bool),
    /// A number.
    Number(f64),
}

/// The longest name that a direct call takes, in bytes.
const DIRECT_NAME_MAX: usize = 39;

/// The name of a property: UTF-8 of limited length.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct DirectName {
    length: u8,
    bytes: [u8; DIRECT_NAME_MAX],
}

impl DirectName {
    /// The name; None if it is too long.
    #[inline]
    pub fn new(name: &str) -> Option<Self> {
        let mut bytes = [0; DIRECT_NAME_MAX];
        bytes
            .get_mut(..name.len())?
            .copy_from_slice(name.as_bytes());
        let length = u8::try_from(name.len()).ok()?;
        Some(Self { length, bytes })
    }

    /// Its UTF-8.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length.into()).unwrap_or_default()
    }
}

/// What a direct call does with which objects, each of which is named by its id.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub enum DirectTarget {
    /// Calls a function with a `this`; zero for `undefined`.
    Function(u32, u32),
    /// Calls a method of an object.
    Method(u32, DirectName),
    /// Reads a property of an object.
    Property(u32, DirectName),
}

impl DirectTarget {
    /// The call that it stands for, which replies if the answer takes a frame.
    #[inline]
    pub const fn kind(&self) -> CallKind {
        match self {
            Self::Function(..) => CallKind::Call,
            Self::Method(..) => CallKind::CallMethod,
            Self::Property(..) => CallKind::Get,
        }
    }
}

/// An argument of a direct call. It is as large as a [`Scalar`], since calls are copied.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub enum DirectArgument {
    /// `undefined`
    Undefined,
    /// `null`
    Null,
    /// A boolean.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A callable of the client: the id by which it is lent, and the code of its
    /// [`CallableForm`](crate::value::CallableForm).
    Callable(u32, u32),
}

impl From<Scalar> for DirectArgument {
    #[inline]
    fn from(scalar: Scalar) -> Self {
        match scalar {
            Scalar::Undefined => Self::Undefined,
            Scalar::Null => Self::Null,
            Scalar::Bool(flag) => Self::Bool(flag),
            Scalar::Number(number) => Self::Number(number),
        }
    }
}

/// A call from the thread of the session.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct DirectRequest {
    /// The number of the leased lane, on which everything else of the call travels.
    pub lane: u8,
    /// The number of arguments.
    pub count: u8,
    /// The id of the request.
    pub call: u32,
    /// How many calls this stands for, if it is to be measured; else zero.
    pub weight: u32,
    /// What it does.
    pub target: DirectTarget,
    /// The arguments.
    pub arguments: [DirectArgument; DIRECT_ARGUMENTS_MAX],
}

/// What became of a direct call.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub enum DirectState {
    /// The session did not look at it: it is to be sent as a frame.
    Untaken,
    /// The session makes it, and replies with a frame.
    Taken,
    /// It has returned.
    Answered(Scalar),
}

/// The lent objects that the answer to a direct call releases: no more than there are usually callables in
/// its arguments.
pub type DirectReleases = [Option<Release>; 2];

/// A direct call.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct DirectCall {
    /// What is called.
    pub request: DirectRequest,
    /// What became of it.
    pub state: DirectState,
    /// The objects of the client that are released with the answer.
    pub releases: DirectReleases,
    /// What the session did with the time, if it was measured and is answered in place.
    pub times: HostTimes,
}

/// What becomes of a direct callback.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub enum CallbackState {
    /// There is none.
    Absent,
    /// The session makes it, and waits.
    Asked,
    /// It has returned.
    Answered(Scalar),
    /// The client does not look at it: it is to be sent as a frame.
    Refused,
    /// A frame replies to it.
    Deferred,
}

/// A callback of the session with scalars, in the middle of a call: the session calls a callable of the
/// client, which is named by the id by which it is lent.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct DirectCallback {
    /// What becomes of it.
    pub state: CallbackState,
    /// The number of the lane of the call.
    pub lane: u8,
    /// The number of arguments.
    pub count: u8,
    /// The id of the request.
    pub call: u32,
    /// What is called.
    pub target: u32,
    /// The arguments.
    pub arguments: [Scalar; DIRECT_ARGUMENTS_MAX],
}

impl Default for DirectCallback {
    #[inline]
    fn default() -> Self {
        Self {
            state: CallbackState::Absent,
            lane: 0,
            count: 0,
            call: 0,
            target: 0,
            arguments: [Scalar::Undefined; DIRECT_ARGUMENTS_MAX],
        }
    }
}

impl DirectCallback {
    /// Whether the session makes it, and waits.
    #[inline]
    pub fn is_asked(&self) -> bool {
        self.state == CallbackState::Asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_direct_calls_have_a_longest_length() {
        let longest = "ä".repeat(DIRECT_NAME_MAX / 2) + "x";
        for name in ["", "increment", &longest] {
            let kept = DirectName::new(name).unwrap();
            assert_eq!(kept.as_bytes(), name.as_bytes());
        }
        assert!(DirectName::new(&(longest + "y")).is_none());
    }
}
