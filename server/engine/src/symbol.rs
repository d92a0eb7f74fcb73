//! Symbols. The C interface takes C strings only, so the captured built-ins (`intrinsics`)
//! make and read them.

use crate::{JsResult, Runtime, Value};

impl Runtime {
    /// `Symbol(description)`; any string, NUL and lone surrogates included.
    pub fn symbol(self, description: Option<&Value>) -> JsResult {
        let args = description.map_or(&[][..], std::slice::from_ref);
        self.call_native(&self.intrinsics().symbol, &Value::UNDEFINED, args)
    }

    /// `Symbol.for(name)`.
    pub fn symbol_for(self, name: &[u8]) -> JsResult {
        let name = self.string_utf8(name)?;
        let intrinsics = self.intrinsics();
        self.call_native(&intrinsics.symbol_for, &intrinsics.symbol, &[name])
    }

    /// The description of a symbol; `undefined` if it has none.
    pub fn symbol_description(self, symbol: &Value) -> JsResult {
        self.call_native(&self.intrinsics().symbol_description, symbol, &[])
    }

    /// The name with which `Symbol.for` finds the symbol, if it is registered.
    pub fn symbol_key(self, symbol: &Value) -> JsResult<Option<Value>> {
        let intrinsics = self.intrinsics();
        let args = std::slice::from_ref(symbol);
        let key = self.call_native(&intrinsics.symbol_key_for, &intrinsics.symbol, args)?;
        Ok((!key.is_undefined()).then_some(key))
    }
}
