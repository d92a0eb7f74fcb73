//! [`EnvId`], by which the tables of a host name an addon's environment.

/// Names an addon's environment within its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EnvId(pub(crate) u32);
