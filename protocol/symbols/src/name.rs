//! Demangling and escaping of names.

use std::fmt::{self, Write};

use cpp_demangle::{BorrowedSymbol, DemangleOptions, ParseOptions};

/// Bytes of a name that are kept, before escapes.
const NAME_MAX: usize = 256;
/// Levels to which the parts of a C++ name may nest.
const DEPTH_MAX: u32 = 64;

/// Returns the text as one line without control characters and changes of the writing direction,
/// shortened to `NAME_MAX`.
pub fn escape(text: &str) -> String {
    let mut short = Short::default();
    // It fails where the text is shortened, which `end` marks.
    let _ = short.write_str(text);
    short.end()
}

/// Returns the name in the source for the linker's name, if that is one of C++ or Rust.
pub fn demangle(raw: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(raw) else {
        return escape(&String::from_utf8_lossy(raw));
    };
    if let Ok(name) = rustc_demangle::try_demangle(text) {
        let mut short = Short::default();
        let _ = write!(short, "{name:#}");
        return short.end();
    }
    if raw.starts_with(b"_Z") {
        let parsing = ParseOptions::default().recursion_limit(DEPTH_MAX);
        let writing = DemangleOptions::new()
            .no_params()
            .no_return_type()
            .recursion_limit(DEPTH_MAX);
        if let Ok((symbol, _)) = BorrowedSymbol::with_tail_and_options(raw, &parsing) {
            let mut short = Short::default();
            if symbol.structured_demangle(&mut short, &writing).is_ok() || short.is_full {
                return short.end();
            }
        }
    }
    escape(text)
}

/// A writer that escapes, and fails at `NAME_MAX`.
#[derive(Default)]
struct Short {
    text: String,
    is_full: bool,
}

impl Short {
    fn end(mut self) -> String {
        if self.is_full {
            self.text.push('…');
        }
        self.text
    }
}

impl Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if self.text.len() >= NAME_MAX {
                self.is_full = true;
                return Err(fmt::Error);
            }
            let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            if c.is_control() || turns {
                self.text.extend(c.escape_unicode());
            } else {
                self.text.push(c);
            }
        }
        Ok(())
    }
}
