//! The real session loop on a thread, over the carrier in memory, with a scripted client.

mod peer;
mod tree;

mod callback;
mod class;
mod error;
mod hostile;
mod lent;
mod promise;
mod remote;
mod script;
mod values;
mod write_back;
