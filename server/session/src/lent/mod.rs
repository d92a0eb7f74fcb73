//! Objects that cross by reference: the host's own ([`Objects`]), the client's ([`Remotes`]), and
//! the numbers of classes ([`Classes`]).

mod classes;
mod objects;
mod remotes;

pub(crate) use classes::Classes;
pub(crate) use objects::{LentObject, Objects};
pub(crate) use remotes::{MEMORY_TOKEN, REMOTE_TOKEN, Remotes};
