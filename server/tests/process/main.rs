//! The real process, spoken to without the client crate.

#[cfg(test)]
mod life;
