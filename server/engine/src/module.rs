//! ES modules: how the engine gets their text and values from the host, and how the host imports one.
//!
//! The engine resolves the imports of a module at once, through two callbacks. If one of them fails,
//! the modules that led there are marked as resolved already, with gaps in what they import, and
//! the engine would follow those gaps at the next import. So they are marked as not resolved again,
//! which makes the engine free them.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use hostd_quickjs as q;

use crate::module_record::{EVALUATED, EVALUATING, LINKING, Module, UNLINKED};
use crate::{ErrorConstructor, JsResult, ModuleHooks, ModuleSource, Runtime, Value};

impl Runtime {
    /// A live module as a value with a count.
    fn module_value(self, module: Module) -> Value {
        let u = q::JSValueUnion {
            ptr: module.0.cast(),
        };
        let raw = q::JSValue {
            u,
            tag: q::JS_TAG_MODULE.into(),
        };
        // SAFETY: E1, E17; a live module is a value with a count.
        Value(unsafe { q::JS_DupValue(self.ctx(), raw) })
    }

    /// Sets where modules come from.
    pub fn set_module_hooks(self, hooks: Rc<dyn ModuleHooks>) -> JsResult<()> {
        drop(self.state.modules.hooks.replace(Some(hooks)));
        let nothing = std::ptr::null_mut();
        // SAFETY: E1, E6; the callbacks run on this thread and catch panics.
        unsafe { q::JS_SetModuleLoaderFunc2(self.state.rt, None, Some(load), None, nothing) };
        // SAFETY: E1, E6; as above.
        unsafe { q::JS_SetModuleNormalizeFunc2(self.state.rt, Some(resolve)) };
        self.check_layout()
    }

    /// Evaluates the module of a URL, with all that it imports. Returns the promise of its evaluation,
    /// which is settled already unless there is an `await` at the top of one of them, and its
    /// namespace; `None` if it is being linked or evaluated at this moment.
    pub fn import_module(self, url: &str) -> JsResult<Option<(Value, Value)>> {
        let modules = &self.state.modules;
        let known = modules.known.borrow().get(url).copied();
        let module = if let Some(module) = known {
            module
        } else {
            url.clone_into(&mut modules.base.borrow_mut());
            self.load_module(url, &Value::UNDEFINED)?
        };
        if matches!(module.status(), LINKING | EVALUATING) {
            return Ok(None);
        }
        let value = self.module_value(module);
        // SAFETY: E1, E2; the engine keeps the module, or frees it and fails.
        if unsafe { q::JS_ResolveModule(self.ctx(), value.0) } < 0 {
            // The module is freed: its count must not be touched.
            let _ = value.into_raw();
            return Err(self.pending());
        }
        // SAFETY: E1, E3; the engine takes the count of the value.
        let promise = self.adopt(unsafe { q::JS_EvalFunction(self.ctx(), value.into_raw()) })?;
        // SAFETY: E1, E17; the module is linked, so it is never freed.
        let namespace = unsafe { q::JS_GetModuleNamespace(self.ctx(), module.0) };
        Ok(Some((promise, self.adopt(namespace)?)))
    }

    /// Returns whether the module of a URL is being evaluated at this moment.
    #[must_use]
    pub fn is_module_evaluating(self, url: &str) -> bool {
        let known = self.state.modules.known.borrow();
        known
            .get(url)
            .is_some_and(|module| module.status() == EVALUATING)
    }

    /// Returns whether the text of a string can be compiled as an ES module.
    pub fn is_module_text(self, text: &Value) -> JsResult<bool> {
        let mut text = self.copied(self.utf8(text)?.as_bytes())?;
        let length = text.len();
        self.push(&mut text, 0)?;
        // SAFETY: E7; the text ends in NUL. It is compiled in an engine of its own, for this call.
        Ok(unsafe { q::JS_DetectModule(text.as_ptr().cast(), length as _) })
    }

    fn hooks(self) -> JsResult<Rc<dyn ModuleHooks>> {
        let hooks = self.state.modules.hooks.borrow().clone();
        hooks.ok_or_else(|| self.type_error("modules cannot be imported here"))
    }

    fn load_module(self, url: &str, attributes: &Value) -> JsResult<Module> {
        let hooks = self.hooks()?;
        let module = match hooks.load(self, url, attributes)? {
            ModuleSource::Text(text) => {
                let module = self.compile_module(self.utf8(&text)?.as_bytes(), url)?;
                // SAFETY: E1, E17; just made.
                let meta = unsafe { q::JS_GetImportMeta(self.ctx(), module.0) };
                hooks.fill_meta(self, url, &self.adopt(meta)?)?;
                module
            }
            ModuleSource::Exports { names, evaluate } => self.make_module(url, &names, evaluate)?,
        };
        let modules = &self.state.modules;
        modules.known.borrow_mut().insert(url.to_owned(), module);
        Ok(module)
    }

    fn compile_module(self, source: &[u8], url: &str) -> JsResult<Module> {
        let flags = q::JS_EVAL_TYPE_MODULE | q::JS_EVAL_FLAG_COMPILE_ONLY;
        let value = self.eval_bytes(source, url, flags)?;
        // SAFETY: E2; a compiled module is a pointer to it. The engine keeps the module without us.
        Ok(Module(unsafe { value.0.u.ptr }.cast()))
    }

    fn make_module(self, url: &str, names: &[String], evaluate: Value) -> JsResult<Module> {
        let text = |text: &str| {
            CString::new(text)
                .map_err(|_| self.type_error("the name of a module has a null character"))
        };
        let name = text(url)?;
        let names_of_c: JsResult<Vec<CString>> = names.iter().map(|name| text(name)).collect();
        // SAFETY: E1, E6; the engine copies the name.
        let module = unsafe { q::JS_NewCModule(self.ctx(), name.as_ptr(), Some(evaluated)) };
        if module.is_null() {
            return Err(self.pending());
        }
        for name in names_of_c? {
            // SAFETY: E1, E17; just made. The engine copies the name.
            self.answer(unsafe { q::JS_AddModuleExport(self.ctx(), module, name.as_ptr()) })?;
        }
        let names: JsResult<Vec<_>> = names
            .iter()
            .map(|name| self.string_utf8(name.as_bytes()))
            .collect();
        let private = self.array_from(vec![self.array_from(names?)?, evaluate])?;
        // SAFETY: E1, E3, E17; the engine takes the value over.
        unsafe { q::JS_SetModulePrivateValue(self.ctx(), module, private.into_raw()) };
        Ok(Module(module))
    }

    /// Sets the exports of a module that [`make_module`](Self::make_module) made.
    fn export(self, module: *mut q::JSModuleDef) -> JsResult<()> {
        // SAFETY: E1, E17; the engine calls us with a live module.
        let private = self.adopt(unsafe { q::JS_GetModulePrivateValue(self.ctx(), module) })?;
        let (names, evaluate) = (self.get_index(&private, 0)?, self.get_index(&private, 1)?);
        let values = self.call(&evaluate, &Value::UNDEFINED, &[])?;
        for index in 0..self.array_length(&names).unwrap_or(0) {
            let name = self.utf8(&self.get_index(&names, index)?)?;
            let name = CString::new(name.as_bytes()).unwrap_or_default();
            let value = self.get_index(&values, index)?.into_raw();
            // SAFETY: E1, E3, E17; the engine copies the name and takes the value over.
            let code = unsafe { q::JS_SetModuleExport(self.ctx(), module, name.as_ptr(), value) };
            self.answer(code)?;
        }
        Ok(())
    }

    /// Checks that the bytes of a module are where this file reads them.
    fn check_layout(self) -> JsResult<()> {
        let module = self.compile_module(b"0", "node:internal/empty")?;
        let is_new = module.status() == UNLINKED;
        let value = self.module_value(module);
        // SAFETY: E1, E3; the engine takes the count of the value.
        self.adopt(unsafe { q::JS_EvalFunction(self.ctx(), value.into_raw()) })?;
        if is_new && module.status() == EVALUATED {
            return Ok(());
        }
        let text = "the JavaScript engine has another layout of modules; this build is broken";
        Err(self.throw(ErrorConstructor::InternalError, text))
    }

    /// After a callback failed for something that `base` imports: see the top of this file.
    fn abandon(self, base: &str) {
        let mut known = self.state.modules.known.borrow_mut();
        let is_static = known
            .get(base)
            .is_some_and(|module| module.status() == UNLINKED);
        if is_static {
            known.retain(|_, module| {
                let is_linked = module.status() != UNLINKED;
                if !is_linked {
                    module.forget_imports();
                }
                is_linked
            });
        }
    }
}

/// Runs the work of a callback; what fails or panics is thrown in the engine.
fn guarded<T>(rt: Runtime, work: impl FnOnce() -> JsResult<T>) -> Option<T> {
    let thrown = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(done)) => return Some(done),
        Ok(Err(thrown)) => thrown,
        // It has been printed.
        Err(_) => rt.throw(ErrorConstructor::InternalError, "importing a module failed"),
    };
    rt.raise(thrown);
    None
}

/// A text of the engine's.
///
/// # Safety
///
/// E2: it ends in NUL and lives for the call.
unsafe fn text(raw: *const c_char) -> String {
    // SAFETY: E2.
    unsafe { CStr::from_ptr(raw) }
        .to_string_lossy()
        .into_owned()
}

unsafe extern "C" fn resolve(
    ctx: *mut q::JSContext,
    base: *const c_char,
    specifier: *const c_char,
    attributes: q::JSValue,
    _: *mut c_void,
) -> *mut c_char {
    let Some(rt) = Runtime::current() else {
        return std::ptr::null_mut();
    };
    // SAFETY: E2; the engine's text.
    let base = unsafe { text(base) };
    // SAFETY: E2; the engine's text.
    let specifier = unsafe { text(specifier) };
    let attributes = Value::lent(&attributes);
    base.clone_into(&mut rt.state.modules.base.borrow_mut());
    let url = guarded(rt, || {
        rt.hooks()?.resolve(rt, &specifier, &base, attributes)
    });
    let Some(url) = url else {
        rt.abandon(&base);
        return std::ptr::null_mut();
    };
    // SAFETY: E1; the engine copies so many bytes, and frees the copy.
    unsafe { q::js_strndup(ctx, url.as_ptr().cast(), url.len() as _) }
}

unsafe extern "C" fn load(
    _: *mut q::JSContext,
    url: *const c_char,
    _: *mut c_void,
    attributes: q::JSValue,
) -> *mut q::JSModuleDef {
    let Some(rt) = Runtime::current() else {
        return std::ptr::null_mut();
    };
    // SAFETY: E2; the engine's text.
    let url = unsafe { text(url) };
    let base = rt.state.modules.base.borrow().clone();
    let attributes = Value::lent(&attributes);
    if let Some(module) = guarded(rt, || rt.load_module(&url, attributes)) {
        return module.0;
    }
    rt.abandon(&base);
    std::ptr::null_mut()
}

unsafe extern "C" fn evaluated(_: *mut q::JSContext, module: *mut q::JSModuleDef) -> c_int {
    let Some(rt) = Runtime::current() else {
        return -1;
    };
    guarded(rt, || rt.export(module)).map_or(-1, |()| 0)
}
