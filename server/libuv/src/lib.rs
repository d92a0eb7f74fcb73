//! libuv itself, compiled from its published sources by the build script, and what it is called.
//!
//! All of it is linked into whatever names this crate, whether it is called or not: addons find the
//! functions in the executable that opens them. For processes whose executable is another one, the
//! build script links it as a library too.
#![forbid(unsafe_code)]

/// The file name of the library, which the package has beside its other one.
pub const LIBRARY: &str = "libhostd_uv.so";

/// The names of libuv's functions, as its header declares them, in alphabetic order.
pub const NAMES: &[&str] = include!(concat!(env!("OUT_DIR"), "/names.rs"));

/// Whether libuv has a function of this name.
pub fn has(name: &str) -> bool {
    NAMES.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_header() {
        assert!(NAMES.is_sorted());
        for name in ["uv_accept", "uv_default_loop", "uv_run", "uv_write2"] {
            assert!(has(name), "{name}");
        }
        for name in ["uv__run_timers", "uv_", "uv_run_mode", "uv_loop_t"] {
            assert!(!has(name), "{name}");
        }
        assert!(NAMES.len() > 300, "{}", NAMES.len());
    }
}
