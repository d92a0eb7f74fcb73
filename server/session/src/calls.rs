//! The client's calls, one handler each.
//!
//! Every handler first reads its request to the end, and only then acts: nothing of a frame that
//! is wrong is carried out.

use std::error::Error as _;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hostd_engine::{Content, JsResult, Key, KeyQuery, PromiseState, Runtime, Thrown, Value};
use hostd_napi::{Activity, LoadError};
use hostd_node::Required;
use hostd_protocol::calls::{self, CallKind, TypedCall};
use hostd_protocol::error::RemoteError;
use hostd_protocol::frame::Flags;
use hostd_protocol::message::{HostStats, LoadRequest};
use hostd_protocol::parts::{Part, Record};
use hostd_protocol::value::ValueReader;

use super::Session;
use super::answer::{Answer, Answers, Exports, Refusal};
use super::level::Level;
use super::notices::{TURN_ITEMS_MAX, TURN_TIME_MAX};
use crate::marshal::{Asked, Decoder, Lent, apply};

/// How often a module that waits for something at its top level is looked at.
const LOAD_POLL: Duration = Duration::from_micros(200);

/// What a script of the client is called in stack traces.
const SCRIPT: &str = "<run_script>";

impl Session {
    pub(super) fn run_call(
        &self,
        call: CallKind,
        body: ValueReader<'_>,
        level: &Level,
    ) -> Result<Answer, Refusal> {
        macro_rules! serve {
            ($name:ident, $act:expr) => {
                self.serve_call::<calls::$name, _>(body, level, $act)
            };
        }
        match call {
            CallKind::Call => serve!(Call, |request| self.call(level, request)),
            CallKind::CallMethod => serve!(CallMethod, |request| self.call_method(level, request)),
            CallKind::Construct => serve!(Construct, |request| self.construct(level, request)),
            CallKind::Bulk => serve!(Bulk, |request| self.bulk(level, request)),
            CallKind::Get => serve!(Get, |request| self.get(request)),
            CallKind::Set => serve!(Set, |(object, key, value)| {
                Ok(self.rt.set_strict(&object, &key, value)?)
            }),
            CallKind::Delete => serve!(Delete, |(object, key)| {
                Ok(self.rt.delete(&object, &key)?)
            }),
            CallKind::Has => serve!(Has, |(object, key)| {
                Ok(object.is_object() && self.rt.has(&object, &key)?)
            }),
            CallKind::Keys => serve!(Keys, |request| self.keys(request)),
            CallKind::Describe => serve!(Describe, |request| self.describe(request)),
            CallKind::Load => serve!(Load, |request| self.load(request)),
            CallKind::LoadMore => serve!(LoadMore, |request| self.load_more(request)),
            CallKind::RunScript => serve!(RunScript, |request| self.run_script(request)),
            CallKind::Iterate => serve!(Iterate, |request| self.iterate(request)),
            CallKind::IterateAsync => serve!(IterateAsync, |request| self.iterate_async(request)),
            CallKind::Next => serve!(Next, |request| self.next(request)),
            CallKind::CloseIterator => {
                serve!(CloseIterator, |request| self.close_iterator(request))
            }
            CallKind::Coerce => serve!(Coerce, |request| self.coerce(request)),
            CallKind::NewObject => serve!(NewObject, |(value,)| {
                if !value.is_object() {
                    let text = "new_object() needs a dict, a list or another container";
                    return Err(self.rt.type_error(text).into());
                }
                Ok(Lent(value))
            }),
            CallKind::InstanceOf => serve!(InstanceOf, |(value, class)| {
                Ok(self.rt.instance_of(&value, &class)?)
            }),
            CallKind::Extends => serve!(Extends, |(class, base)| {
                let is_class = self.rt.is_constructor(&class);
                let is_base = self.rt.is_constructor(&base);
                let extends = is_class && is_base && self.rt.extends(&class, &base)?;
                Ok((is_class, is_base, extends))
            }),
            CallKind::Watch => serve!(Watch, |request| self.watch(request)),
            CallKind::Follow => serve!(Follow, |(object,)| {
                let follow = &self.tables.intrinsics.follow;
                self.result(self.rt.call(follow, &Value::UNDEFINED, &[object]))
            }),
            CallKind::RunStep => serve!(RunStep, |(function,)| {
                self.rt.call(&function, &Value::UNDEFINED, &[])?;
                Ok(())
            }),
            CallKind::Settle => serve!(Settle, |request| self.settle(request)),
            CallKind::Turn => serve!(Turn, |()| Ok(self.take_turn())),
            CallKind::Release => serve!(Release, |()| Ok(())),
            CallKind::Stats => serve!(Stats, |()| Ok(Box::new(Record(self.stats())))),
            CallKind::Profile => {
                serve!(Profile, |()| Ok(Box::new(Record(self.take_profile()))))
            }
            CallKind::Collect => serve!(Collect, |()| {
                self.host.collect();
                Ok(())
            }),
            CallKind::Invoke
            | CallKind::RemoteGet
            | CallKind::RemoteSet
            | CallKind::RemoteHas
            | CallKind::RemoteKeys
            | CallKind::RemoteDelete
            | CallKind::RemoteStep
            | CallKind::WakeUp
            | CallKind::Settled
            | CallKind::Uncaught
            | CallKind::Released => {
                let text = format!("{} is not a call of the client", call.name());
                Err(Refusal::Unread(RemoteError::Unsupported(text)))
            }
        }
    }

    /// Reads the request of a call to its end, and acts on it.
    #[inline]
    fn serve_call<C: TypedCall, A: Answers<C::Reply>>(
        &self,
        body: ValueReader<'_>,
        level: &Level,
        act: impl FnOnce(Asked<C>) -> Result<A, Refusal>,
    ) -> Result<Answer, Refusal> {
        let request = self.read::<C>(level, body)?;
        self.switch(Activity::Engine);
        act(request).map(Answers::answer)
    }

    /// Reads a request to its end. Its objects are compared with their state at this point.
    fn read<C: TypedCall>(
        &self,
        level: &Level,
        body: ValueReader<'_>,
    ) -> Result<Asked<C>, Refusal> {
        let has_changes = level.flags.get().contains(Flags::WRITE_BACK);
        let originals = has_changes.then(|| self.originals_of_lane()).transpose()?;
        let mut objects = level.objects.borrow_mut();
        let mut decoder = Decoder::new(&self.tables, body, &mut objects);
        let changes = match &originals {
            Some(originals) => decoder.write_back(originals)?,
            None => Vec::new(),
        };
        let request = C::Request::read(&mut decoder)?;
        decoder.finish()?;
        drop(objects);
        if !changes.is_empty() {
            apply(&self.tables, changes, || self.is_cancelled())?;
        }
        level.compared.set(self.rt.mutations());
        Ok(request)
    }

    fn call(
        &self,
        level: &Level,
        (function, this, arguments): (Value, Option<Value>, Vec<Value>),
    ) -> Result<Value, Refusal> {
        let this = this.unwrap_or_default();
        let result = self.rt.call(&function, &this, &arguments);
        level.objects.borrow_mut().arguments = arguments;
        self.result(result)
    }

    fn call_method(
        &self,
        level: &Level,
        (object, key, arguments): (Value, Key, Vec<Value>),
    ) -> Result<Value, Refusal> {
        let result = self.invoke(&object, &key, &arguments);
        level.objects.borrow_mut().arguments = arguments;
        result
    }

    /// Calls a method of an object.
    pub(super) fn invoke(
        &self,
        object: &Value,
        key: &Key,
        arguments: &[Value],
    ) -> Result<Value, Refusal> {
        let rt = self.rt;
        let method = rt.get(object, key)?;
        if !rt.is_function(&method) {
            let name = rt.key_text(key)?;
            return Err(rt
                .type_error(&format!("{} is not a function", name.as_str()))
                .into());
        }
        self.result(rt.call(&method, object, arguments))
    }

    fn construct(
        &self,
        level: &Level,
        (class, defers, arguments): (Value, bool, Vec<Value>),
    ) -> Result<Value, Refusal> {
        let result = self.new_object(&class, defers, &arguments);
        level.objects.borrow_mut().arguments = arguments;
        result
    }

    /// `new class(...arguments)`
    pub(super) fn new_object(
        &self,
        class: &Value,
        defers: bool,
        arguments: &[Value],
    ) -> Result<Value, Refusal> {
        let rt = self.rt;
        if !rt.is_constructor(class) {
            return Err(rt.type_error("this function is not a constructor").into());
        }
        let result = rt.construct(class, arguments);
        if defers {
            self.host.defer_microtasks();
        }
        self.result(result)
    }

    /// The client handles a promise that is sent to it: its rejection is not unhandled.
    pub(super) fn result(&self, result: JsResult) -> Result<Value, Refusal> {
        let value = result?;
        if value.is_object() && self.rt.is_promise(&value) {
            self.take_care_of(&value)?;
        }
        Ok(value)
    }

    pub(super) fn get(&self, (object, key): (Value, Key)) -> Result<(bool, Value), Refusal> {
        let rt = self.rt;
        let value = rt.get(&object, &key)?;
        let present = !value.is_undefined() || !object.is_object() || rt.has(&object, &key)?;
        Ok((present, value))
    }

    fn keys(&self, (object, along_prototypes): (Value, bool)) -> Result<Value, Refusal> {
        let rt = self.rt;
        let mut names = Vec::new();
        if along_prototypes {
            for holder in self.prototypes(&object, true)? {
                for key in rt
                    .own_keys(&holder)?
                    .iter()
                    .filter(|key| !rt.key_is_symbol(key))
                {
                    rt.push(&mut names, (*key).clone())?;
                }
            }
            let mut seen = rustc_hash::FxHashSet::default();
            let room = seen.try_reserve(names.len());
            room.map_err(|_| rt.out_of_memory())?;
            names.retain(|key| seen.insert(key.clone()));
        } else {
            names = rt.keys(&object, KeyQuery::OWN_ENUMERABLE)?;
        }
        // Indexes travel as text, as `Object.keys` has them.
        let mut texts = Vec::new();
        rt.reserve(&mut texts, names.len())?;
        for key in &names {
            texts.push(key_name(rt, key)?);
        }
        Ok(rt.array_from(texts)?)
    }

    fn run_script(&self, (source,): (Value,)) -> Result<Value, Refusal> {
        let rt = self.rt;
        if !source.is_string() {
            return Err(rt.type_error("run_script() needs a str").into());
        }
        let source = rt.wtf8(&source)?;
        self.result(rt.eval_wtf8(&source, SCRIPT))
    }

    fn coerce(&self, (value,): (Value,)) -> Result<Value, Refusal> {
        let rt = self.rt;
        if !value.is_symbol() {
            return Ok(rt.to_string_value(&value)?);
        }
        let description = rt.symbol_description(&value)?;
        let text = if description.is_undefined() {
            rt.string_empty()
        } else {
            description
        };
        let text = rt.utf8(&text)?;
        let mut shown = Vec::new();
        rt.reserve(&mut shown, text.as_bytes().len() + "Symbol()".len())?;
        for part in ["Symbol(", text.as_str(), ")"] {
            shown.extend_from_slice(part.as_bytes());
        }
        Ok(rt.string_utf8(&shown)?)
    }

    fn load(&self, (request,): (LoadRequest,)) -> Result<Box<Exports>, Refusal> {
        if self.loaded.get() {
            let text = "this host has loaded its addon already; each addon has a host of its own";
            return Err(RemoteError::Host(text.to_owned()).into());
        }
        if let Some(folder) = root_of(&request) {
            hostd_node::set_root(self.host, folder)?;
        }
        let loaded = self.loaded_by(request)?;
        hostd_node::free_code();
        self.loaded.set(true);
        self.hooks.addon_loaded().map_err(not_confined)?;
        let rt = self.rt;
        self.host.set_global("addon", loaded.clone())?;
        Ok(Box::new(exports(rt, loaded)?))
    }

    fn load_more(&self, (request,): (LoadRequest,)) -> Result<Lent, Refusal> {
        let loaded = self.loaded_by(request)?;
        hostd_node::free_code();
        Ok(Lent(loaded))
    }

    /// What a request asks to be loaded.
    fn loaded_by(&self, request: LoadRequest) -> Result<Value, Refusal> {
        match request {
            LoadRequest::Addon { path } => {
                let path = PathBuf::from(OsString::from_vec(path));
                let loaded = self.host.load(&path).map_err(|error| load_error(&error))?;
                Ok(loaded.exports)
            }
            LoadRequest::Module { name, folder } => {
                let exports = match hostd_node::require(self.host, &name, &folder)? {
                    Required::Loaded(exports) => exports,
                    Required::Loading(promise) => self.settled(&promise)?,
                };
                if exports.is_object() {
                    return Ok(exports);
                }
                let text = "what the module exports is no object, so Python cannot refer to it";
                Err(self.rt.type_error(text).into())
            }
            LoadRequest::Nothing { .. } => Ok(self.rt.object()?),
        }
    }

    /// Takes turns until a promise is settled or the call is cancelled. Inside a
    /// callback no turn can be taken, so one that is pending fails.
    fn settled(&self, promise: &Value) -> JsResult {
        self.rt.mark_handled(promise);
        loop {
            match self.rt.promise_state(promise) {
                Some(PromiseState::Fulfilled(value)) => return Ok(value),
                Some(PromiseState::Rejected(reason)) => return Err(Thrown(reason)),
                Some(PromiseState::Pending) | None => {}
            }
            if self.host.is_nested() {
                let text = "the module waits at its top level for something that cannot happen \
                            before the callback returns; require it outside of callbacks first";
                return Err(self.rt.type_error(text));
            }
            if !self.host.turn(TURN_ITEMS_MAX, TURN_TIME_MAX) {
                std::thread::sleep(LOAD_POLL);
            }
            // On the client's thread nothing else lets it look at its deadline and signals.
            self.hooks.pause();
            if self.is_cancelled() || self.is_ending() {
                return Err(Thrown(self.tables.intrinsics.cancelled.clone()));
            }
        }
    }

    fn stats(&self) -> HostStats {
        let memory = self.rt.memory();
        let shared = self.rt.shared_usage();
        HostStats {
            lent: self.tables.objects.borrow().len() as u64,
            received: self.tables.remotes.borrow().len() as u64,
            calls: self.served.get(),
            callbacks: self.asked.get(),
            queued_events: self.host.queued_calls() as u64,
            engine_bytes: memory.allocated,
            engine_objects: memory.objects,
            shared_bytes: shared.allocated as u64,
            retained_bytes: shared.retained as u64,
        }
    }
}

/// The folder from which scripts import: what `require` searches from.
fn root_of(request: &LoadRequest) -> Option<&str> {
    match request {
        LoadRequest::Addon { path } => {
            let folder = Path::new(OsStr::from_bytes(path)).parent()?;
            folder.to_str().filter(|folder| folder.starts_with('/'))
        }
        LoadRequest::Module { folder, .. } | LoadRequest::Nothing { folder } => Some(folder),
    }
}

/// The addon is in memory, with more rights than its policy has: the load fails.
fn not_confined(detail: String) -> Refusal {
    RemoteError::Load {
        message: "the addon did something while it was loaded that keeps its sandbox from being \
                  completed; exec_memory=True does without that"
            .to_owned(),
        detail,
    }
    .into()
}

fn load_error(error: &LoadError) -> Refusal {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    RemoteError::Load {
        message: error.to_string(),
        detail: causes.join(": "),
    }
    .into()
}

/// The text of a key that is not a symbol.
fn key_name(rt: Runtime, key: &Key) -> JsResult {
    let name = rt.key_to_value(key)?;
    if name.is_string() {
        return Ok(name);
    }
    rt.to_string_value(&name)
}

/// The exports, and those that are functions or classes; the rest is read when it is needed.
fn exports(rt: Runtime, object: Value) -> JsResult<Exports> {
    let mut bound = Vec::new();
    if object.is_object() && !rt.is_proxy(&object) {
        for key in rt
            .own_keys(&object)?
            .iter()
            .filter(|key| !rt.key_is_symbol(key))
        {
            let property = rt.own_property(&object, &key)?;
            let Some(Content::Value(value)) = property.map(|property| property.content) else {
                continue;
            };
            if !rt.is_function(&value) {
                continue;
            }
            rt.push(&mut bound, (key_name(rt, &key)?, Lent(value)))?;
        }
    }
    Ok((Lent(object), bound))
}
