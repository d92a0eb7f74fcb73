//! The real process, spoken to without the client crate.

#[cfg(test)]
mod exports;
#[cfg(test)]
mod life;
