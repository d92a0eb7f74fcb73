//! The real session loop on a thread, over lanes in shared memory, with a scripted client.

#[cfg(test)]
mod peer;
#[cfg(test)]
mod tree;
mod turn;

#[cfg(test)]
mod addon;
#[cfg(test)]
mod bulk;
#[cfg(test)]
mod callback;
#[cfg(test)]
mod class;
#[cfg(test)]
mod error;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod iterators;
#[cfg(test)]
mod lent;
#[cfg(test)]
mod profile;
mod promise;
#[cfg(test)]
mod remote;
#[cfg(test)]
mod script;
#[cfg(test)]
mod values;
#[cfg(test)]
mod write_back;
