//! The real process, spoken to without the client crate.

#[cfg(test)]
mod cli;
#[cfg(test)]
mod exports;
#[cfg(test)]
mod layout;
#[cfg(test)]
mod life;
