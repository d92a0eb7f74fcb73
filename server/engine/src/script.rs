//! Scripts: running source text, of the host or of others.

use std::ffi::CString;

use rquickjs_sys as q;

use crate::{JsResult, Runtime, Wtf8};

impl Runtime {
    /// Runs a script in the global scope, sloppy; returns the value of its last expression.
    pub fn eval_script(self, source: &str, filename: &str) -> JsResult {
        self.count_foreign_script();
        self.eval_bytes(source.as_bytes(), filename, q::JS_EVAL_TYPE_GLOBAL)
    }

    /// [`eval_script`](Self::eval_script) of a text that may have lone surrogates.
    pub fn eval_wtf8(self, source: &Wtf8, filename: &str) -> JsResult {
        self.count_foreign_script();
        self.eval_bytes(source, filename, q::JS_EVAL_TYPE_GLOBAL)
    }

    /// Runs a script of the host's own in strict mode. It does not count as foreign code.
    pub fn eval_bootstrap(self, source: &str, filename: &str) -> JsResult {
        let flags = q::JS_EVAL_TYPE_GLOBAL | q::JS_EVAL_FLAG_STRICT;
        self.eval_bytes(source.as_bytes(), filename, flags)
    }

    fn count_foreign_script(self) {
        self.state.read_weight.set(1);
        self.count_mutation();
    }

    fn eval_bytes(self, source: &[u8], filename: &str, flags: u32) -> JsResult {
        // The engine requires a NUL behind the source, which it does not count.
        let mut text = Vec::new();
        self.reserve(&mut text, source.len() + 1)?;
        text.extend_from_slice(source);
        text.push(0);
        let filename: Vec<u8> = filename.bytes().filter(|&byte| byte != 0).collect();
        let filename = CString::new(filename).unwrap_or_default();
        // SAFETY: E1; both texts end in NUL and live until the call returns.
        let raw = unsafe {
            q::JS_Eval(
                self.ctx(),
                text.as_ptr().cast(),
                source.len() as _,
                filename.as_ptr(),
                flags.cast_signed(),
            )
        };
        self.adopt(raw)
    }
}
