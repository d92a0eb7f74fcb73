//! Scripts: source text and compiled code.

use rquickjs_sys as q;

use std::ffi::CString;

use crate::{JsResult, Runtime, Value, Wtf8};

/// Compiled code of this very engine build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytecode(Vec<u8>);

impl Bytecode {
    /// Takes bytes for compiled code.
    ///
    /// # Safety
    ///
    /// They must come unchanged from [`Bytecode::as_bytes`] of the same engine version and
    /// architecture: the engine does not check what it runs.
    pub unsafe fn from_bytes(bytes: Vec<u8>) -> Bytecode {
        Bytecode(bytes)
    }

    /// The bytes, to be stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Runtime {
    /// Runs a script in the global scope, sloppy; answers the value of its last expression.
    pub fn eval_script(self, source: &str, filename: &str) -> JsResult {
        self.state.read_weight.set(1);
        self.count_mutation();
        self.eval(source, filename, q::JS_EVAL_TYPE_GLOBAL)
    }

    /// The same of a text that may have lone surrogates.
    pub fn eval_wtf8(self, source: &Wtf8, filename: &str) -> JsResult {
        self.state.read_weight.set(1);
        self.count_mutation();
        self.eval_bytes(source, filename, q::JS_EVAL_TYPE_GLOBAL)
    }

    /// Runs a script of the host's own, whose code changes nobody's data behind the back.
    pub fn eval_bootstrap(self, source: &str, filename: &str) -> JsResult {
        self.eval(
            source,
            filename,
            q::JS_EVAL_TYPE_GLOBAL | q::JS_EVAL_FLAG_STRICT,
        )
    }

    /// Compiles a script, without its source text.
    pub fn compile(self, source: &str, filename: &str) -> JsResult<Bytecode> {
        let flags = q::JS_EVAL_TYPE_GLOBAL | q::JS_EVAL_FLAG_COMPILE_ONLY;
        let compiled = self.eval(source, filename, flags)?;
        let mut length = 0;
        let flags = q::JS_WRITE_OBJ_BYTECODE | q::JS_WRITE_OBJ_STRIP_SOURCE;
        // SAFETY: E1, E2; the out-pointer lives on our stack.
        let bytes = unsafe {
            q::JS_WriteObject(self.ctx(), &raw mut length, compiled.0, flags.cast_signed())
        };
        if bytes.is_null() {
            return Err(self.pending());
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "size_t is as wide as usize"
        )]
        // SAFETY: E3; the engine wrote that many bytes.
        let copy = unsafe { std::slice::from_raw_parts(bytes, length as usize) }.to_vec();
        // SAFETY: E1, E3; the bytes were ours and are copied.
        unsafe { q::js_free(self.ctx(), bytes.cast()) };
        Ok(Bytecode(copy))
    }

    /// Runs compiled code of the host's own.
    pub fn run_bytecode(self, code: &Bytecode) -> JsResult {
        let flags = q::JS_READ_OBJ_BYTECODE.cast_signed();
        // SAFETY: E1; `Bytecode` holds what this engine wrote.
        let raw =
            unsafe { q::JS_ReadObject(self.ctx(), code.0.as_ptr(), code.0.len() as _, flags) };
        let compiled = self.adopt(raw)?;
        // SAFETY: E1, E2; the engine takes the count over.
        let raw = unsafe { q::JS_EvalFunction(self.ctx(), compiled.into_raw()) };
        self.adopt(raw)
    }

    fn eval(self, source: &str, filename: &str, flags: u32) -> JsResult {
        self.eval_bytes(source.as_bytes(), filename, flags)
    }

    fn eval_bytes(self, source: &[u8], filename: &str, flags: u32) -> JsResult {
        // The engine wants a NUL after the source, which it does not count.
        let mut text = Vec::with_capacity(source.len() + 1);
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

    /// `JSON.parse(text)` by the engine's own parser.
    pub fn json_parse(self, text: &str) -> JsResult {
        let mut bytes = Vec::with_capacity(text.len() + 1);
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
        // SAFETY: E1; the text ends in NUL and lives until the call returns.
        let raw = unsafe {
            q::JS_ParseJSON(
                self.ctx(),
                bytes.as_ptr().cast(),
                text.len() as _,
                c"<json>".as_ptr(),
            )
        };
        self.adopt(raw)
    }

    /// `JSON.stringify(value)`; `undefined` if there is nothing to write.
    pub fn json_stringify(self, value: &Value) -> JsResult {
        self.count_script(value);
        let none = q::JS_UNDEFINED;
        // SAFETY: E1, E2.
        let raw = unsafe { q::JS_JSONStringify(self.ctx(), value.0, none, none) };
        self.adopt(raw)
    }
}
