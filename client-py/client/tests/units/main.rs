//! The parts of the client that need no host, one by one.

#[cfg(test)]
mod cause;
#[cfg(test)]
mod deadline;
#[cfg(test)]
mod describe;
