//! Scripts: running source text, of the host or of others.

use std::ffi::CString;

use hostd_quickjs as q;

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

    /// The sloppy function of those parameters whose body a script is, as the wrapper of `CommonJS`
    /// modules makes it. The script's first line is line 1.
    pub fn function_of_script(self, parameters: &str, body: &Wtf8, filename: &str) -> JsResult {
        self.count_foreign_script();
        let mut text = Vec::new();
        self.reserve(&mut text, body.len() + parameters.len() + 32)?;
        text.extend_from_slice(b"(function (");
        text.extend_from_slice(parameters.as_bytes());
        // Line 0 cannot be asked for: it stands for line 1.
        text.extend_from_slice(b") {\n\n");
        text.extend_from_slice(body);
        text.extend_from_slice(b"\n})");
        self.eval_lines(&text, filename, -1, q::JS_EVAL_TYPE_GLOBAL)
    }

    fn count_foreign_script(self) {
        self.state.read_weight.set(1);
        self.count_mutation();
    }

    pub(crate) fn eval_bytes(self, source: &[u8], filename: &str, flags: u32) -> JsResult {
        self.eval_lines(source, filename, 1, flags)
    }

    /// The first line of the source has that number.
    fn eval_lines(self, source: &[u8], filename: &str, first: i32, flags: u32) -> JsResult {
        // The engine requires a NUL behind the source, which it does not count.
        let mut text = Vec::new();
        self.reserve(&mut text, source.len() + 1)?;
        text.extend_from_slice(source);
        text.push(0);
        let filename: Vec<u8> = filename.bytes().filter(|&byte| byte != 0).collect();
        let filename = CString::new(filename).unwrap_or_default();
        let mut options = q::JSEvalOptions {
            version: q::JS_EVAL_OPTIONS_VERSION.cast_signed(),
            eval_flags: flags.cast_signed(),
            filename: filename.as_ptr(),
            line_num: first,
        };
        let (text, length) = (text.as_ptr().cast(), source.len() as _);
        // SAFETY: E1; both texts end in NUL and live until the call returns.
        let raw = unsafe { q::JS_Eval2(self.ctx(), text, length, &raw mut options) };
        self.adopt(raw)
    }

    /// Compiles a script without running it, and writes it as the engine's bytecode, with line
    /// numbers but without its text.
    pub fn compile(self, source: &str, filename: &str) -> JsResult<Vec<u8>> {
        let flags = q::JS_EVAL_TYPE_GLOBAL | q::JS_EVAL_FLAG_COMPILE_ONLY;
        let script = self.eval_bytes(source.as_bytes(), filename, flags)?;
        let flags = q::JS_WRITE_OBJ_BYTECODE | q::JS_WRITE_OBJ_STRIP_SOURCE;
        let mut length: q::size_t = 0;
        // SAFETY: E1, E3; what is compiled can be written.
        let bytes = unsafe {
            q::JS_WriteObject(self.ctx(), &raw mut length, script.0, flags.cast_signed())
        };
        if bytes.is_null() {
            return Err(self.pending());
        }
        // SAFETY: E1; the engine wrote so many bytes there.
        let written = unsafe { std::slice::from_raw_parts(bytes, crate::size(length)) };
        let copy = self.copied(written);
        // SAFETY: E1; the block is ours, and no slice of it is left.
        unsafe { q::js_free(self.ctx(), bytes.cast()) };
        copy
    }

    /// Runs a script that [`compile`](Self::compile) wrote; returns the value of its last expression.
    ///
    /// # Safety
    ///
    /// E16: the bytes are unchanged, and written by an engine of the same version and build options.
    pub unsafe fn eval_compiled(self, code: &[u8]) -> JsResult {
        let flags = q::JS_READ_OBJ_BYTECODE.cast_signed();
        let script = self.large_blocks().privately(|| {
            // SAFETY: E1, E16.
            unsafe { q::JS_ReadObject(self.ctx(), code.as_ptr(), code.len() as _, flags) }
        });
        let script = self.adopt(script)?;
        // SAFETY: E1, E3; the engine takes the script over.
        let raw = unsafe { q::JS_EvalFunction(self.ctx(), script.into_raw()) };
        self.adopt(raw)
    }
}
