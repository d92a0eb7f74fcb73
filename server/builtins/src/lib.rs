//! JavaScript as bytecode of the engine: that of Node's built-in modules, of one pinned release, and
//! the scripts of `hostd-node`.
//!
//! The build takes the modules from a Node program (`build.rs`). No script is read before it is asked
//! for.
#![expect(
    unsafe_code,
    reason = "unsafe island 11: bytecode that the build wrote"
)]

use std::ops::Range;

use hostd_engine::{JsResult, Runtime};
use rustix::mm::{Advice, madvise};
use rustix::param::page_size;

/// The modules of Node that are left out, each with what it exports, as JSON.
pub const SHAPES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/shapes.rs"));

/// Scripts by name, in order, and where the code of each is.
#[derive(Debug)]
struct Scripts {
    names: &'static [(&'static str, Range<usize>)],
    code: &'static [u8],
}

/// Code that shares no page of memory with anything else.
#[repr(C, align(4096))]
struct Paged<C>(C);

macro_rules! scripts {
    ($set:literal) => {
        Scripts {
            names: include!(concat!(env!("OUT_DIR"), "/", $set, ".rs")),
            code: &Paged(*include_bytes!(concat!(env!("OUT_DIR"), "/", $set, ".bin"))).0,
        }
    };
}

#[expect(clippy::unreadable_literal, reason = "the build writes them")]
static MODULES: Scripts = scripts!("modules");
#[expect(clippy::unreadable_literal, reason = "the build writes them")]
static OWN: Scripts = scripts!("scripts");

impl Scripts {
    /// The value of a script.
    fn run(&self, rt: Runtime, name: &str) -> Option<JsResult> {
        let at = self.names.binary_search_by_key(&name, |(name, _)| name);
        let (_, range) = self.names.get(at.ok()?)?;
        let code = self.code.get(range.clone())?;
        // SAFETY: E16; the build wrote it with the same version of the engine.
        Some(unsafe { rt.eval_compiled(code) })
    }

    /// Gives the system the whole pages of the code back; it reads them again when they are used.
    fn free_pages(&self) {
        let page = page_size();
        let skipped = self.code.as_ptr().align_offset(page);
        let length = self.code.len().saturating_sub(skipped) / page * page;
        if length == 0 {
            return;
        }
        let start = self.code.as_ptr().wrapping_add(skipped).cast_mut();
        // SAFETY: E16; the pages are of the program's file and never written, so nothing is lost. Should
        // it fail, they stay resident.
        let _ = unsafe { madvise(start.cast(), length, Advice::LinuxDontNeed) };
    }
}

/// Frees the memory of all code, which is needed again only by scripts that were not run yet.
pub fn free_pages() {
    MODULES.free_pages();
    OWN.free_pages();
}

/// The names of all of Node's modules, in order, such as "path" and "internal/errors".
pub fn names() -> impl Iterator<Item = &'static str> {
    MODULES.names.iter().map(|(name, _)| *name)
}

/// The function that one of Node's modules is, or `None` if there is no such module. Its parameters
/// are those by which Node calls it: `exports, require, module, process, internalBinding, primordials`
/// for most.
pub fn function(rt: Runtime, name: &str) -> Option<JsResult> {
    MODULES.run(rt, name)
}

/// The value of a script of `hostd-node`, or `None` if there is no such script. Its name is its path in
/// `src/js`, such as "buffer" and "bindings/fs".
pub fn script(rt: Runtime, name: &str) -> Option<JsResult> {
    OWN.run(rt, name)
}
