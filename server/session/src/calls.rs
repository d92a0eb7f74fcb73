//! The client's calls, one handler each.
//!
//! Every handler first reads its request to the end, and only then acts: nothing of a frame that
//! is wrong is carried out.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use hostd_engine::{Content, JsResult, KeyQuery, Runtime, Value};
use hostd_napi::LoadError;
use hostd_protocol::calls::CallKind;
use hostd_protocol::error::RemoteError;
use hostd_protocol::frame::Flags;
use hostd_protocol::message::{self, HostStats, LoadRequest};
use hostd_protocol::value::ValueReader;

use super::Session;
use super::answer::{Answer, Exports, Refusal};
use super::level::Level;
use crate::marshal::{DecodeError, Decoder, apply, one_value};

/// What a script of the client is called in stack traces.
const SCRIPT: &str = "<run_script>";

type Served = Result<Answer, Refusal>;

impl Session {
    /// Serves one call.
    pub(super) fn run_call(&self, call: CallKind, body: ValueReader<'_>, level: &Level) -> Served {
        match call {
            CallKind::Call => self.call(body, level),
            CallKind::CallMethod => self.call_method(body, level),
            CallKind::Construct => self.construct(body, level),
            CallKind::Get => self.get(body, level),
            CallKind::Set => self.set(body, level),
            CallKind::Delete => self.delete(body, level),
            CallKind::Has => self.has(body, level),
            CallKind::Keys => self.keys(body, level),
            CallKind::Describe => self.describe(body, level),
            CallKind::Load => self.load(body, level),
            CallKind::RunScript => self.run_script(body, level),
            CallKind::Iterate => self.iterate(body, level),
            CallKind::IterateAsync => self.iterate_async(body, level),
            CallKind::Next => self.next(body, level),
            CallKind::CloseIterator => self.close_iterator(body, level),
            CallKind::Coerce => self.coerce(body, level),
            CallKind::NewObject => {
                let value = self.read(level, body, one_value)?;
                if !value.is_object() {
                    let text = "new_object() needs a dict, a list or another container";
                    return Err(self.runtime().type_error(text).into());
                }
                Ok(Answer::Lent(value))
            }
            CallKind::InstanceOf => {
                let (value, class) =
                    self.read(level, body, |frame| Ok((frame.value()?, frame.target()?)))?;
                Ok(Answer::Flag(self.runtime().instance_of(&value, &class)?))
            }
            CallKind::Watch => self.watch(body, level),
            CallKind::Settle => self.settle(body, level),
            CallKind::Turn => {
                self.read(level, body, |_| Ok(()))?;
                Ok(self.take_turn())
            }
            CallKind::Release => {
                self.read(level, body, |_| Ok(()))?;
                Ok(Answer::Nothing)
            }
            CallKind::Stats => {
                self.read(level, body, |_| Ok(()))?;
                Ok(Answer::Stats(Box::new(self.stats())))
            }
            CallKind::Collect => {
                self.read(level, body, |_| Ok(()))?;
                self.host.collect();
                Ok(Answer::Nothing)
            }
            CallKind::Close => {
                self.read(level, body, |_| Ok(()))?;
                self.closing.set(true);
                Ok(Answer::Nothing)
            }
            CallKind::Invoke
            | CallKind::RemoteGet
            | CallKind::RemoteSet
            | CallKind::RemoteHas
            | CallKind::RemoteKeys
            | CallKind::RemoteDelete
            | CallKind::RemoteConstruct
            | CallKind::RemoteStep
            | CallKind::Ring
            | CallKind::Settled
            | CallKind::Uncaught
            | CallKind::Released => {
                let text = format!("{} is not a call of the client", call.name());
                Err(RemoteError::Unsupported(text).into())
            }
        }
    }

    /// Reads a request to its end. Its objects are compared with their state at this point.
    pub(super) fn read<T>(
        &self,
        level: &Level,
        body: ValueReader<'_>,
        read: impl FnOnce(&mut Decoder<'_, '_>) -> Result<T, DecodeError>,
    ) -> Result<T, Refusal> {
        let originals = if level.flags.get().contains(Flags::WRITE_BACK) {
            Some(self.originals_of_lane()?)
        } else {
            None
        };
        let mut objects = level.objects.borrow_mut();
        let mut decoder = Decoder::new(&self.tables, body, &mut objects);
        let changes = match &originals {
            Some(originals) => decoder.write_back(originals)?,
            None => Vec::new(),
        };
        let request = read(&mut decoder)?;
        decoder.finish()?;
        drop(objects);
        if !changes.is_empty() {
            apply(&self.tables, changes, || self.is_cancelled())?;
        }
        level.compared.set(self.runtime().mutations());
        Ok(request)
    }

    fn call(&self, body: ValueReader<'_>, level: &Level) -> Served {
        let mut arguments = level.arguments.take();
        let (function, this) = self.read(level, body, |frame| {
            let function = frame.target()?;
            let given = frame.fields().take_bool()?;
            let this = if given {
                frame.value()?
            } else {
                Value::UNDEFINED
            };
            frame.values(&mut arguments)?;
            Ok((function, this))
        })?;
        let result = self.runtime().call(&function, &this, &arguments);
        level.arguments.replace(arguments);
        self.result(result)
    }

    fn call_method(&self, body: ValueReader<'_>, level: &Level) -> Served {
        let mut arguments = level.arguments.take();
        let (object, key) = self.read(level, body, |frame| {
            let object = frame.target()?;
            let key = frame.key()?;
            frame.values(&mut arguments)?;
            Ok((object, key))
        })?;
        let rt = self.runtime();
        let method = rt.get(&object, &key)?;
        if !rt.is_function(&method) {
            let name = rt.key_text(&key)?;
            return Err(rt
                .type_error(&format!("{} is not a function", name.as_str()))
                .into());
        }
        let result = rt.call(&method, &object, &arguments);
        level.arguments.replace(arguments);
        self.result(result)
    }

    fn construct(&self, body: ValueReader<'_>, level: &Level) -> Served {
        let mut arguments = level.arguments.take();
        let class = self.read(level, body, |frame| {
            let class = frame.target()?;
            frame.values(&mut arguments)?;
            Ok(class)
        })?;
        let rt = self.runtime();
        if !rt.is_constructor(&class) {
            return Err(rt.type_error("this function is not a constructor").into());
        }
        let result = rt.construct(&class, &arguments);
        level.arguments.replace(arguments);
        self.result(result)
    }

    /// The client handles a promise that is sent to it: its rejection is not unhandled.
    fn result(&self, result: JsResult) -> Served {
        let value = result?;
        if value.is_object() && self.runtime().is_promise(&value) {
            self.take_care_of(&value)?;
        }
        Ok(Answer::Value(value))
    }

    fn get(&self, body: ValueReader<'_>, level: &Level) -> Served {
        let (object, key) = self.read(level, body, |frame| Ok((frame.target()?, frame.key()?)))?;
        let rt = self.runtime();
        let value = rt.get(&object, &key)?;
        let present = !value.is_undefined() || !object.is_object() || rt.has(&object, &key)?;
        Ok(Answer::Property(present.then_some(value)))
    }

    fn set(&self, body: ValueReader<'_>, level: &Level) -> Served {
        let (object, key, value) = self.read(level, body, |frame| {
            Ok((frame.target()?, frame.key()?, frame.value()?))
        })?;
        self.runtime().set_strict(&object, &key, value)?;
        Ok(Answer::Nothing)
    }

    fn delete(&self, body: ValueReader<'_>, level: &Level) -> Served {
        let (object, key) = self.read(level, body, |frame| Ok((frame.target()?, frame.key()?)))?;
        Ok(Answer::Flag(self.runtime().delete(&object, &key)?))
    }

    fn has(&self, body: ValueReader<'_>, level: &Level) -> Served {
        let (object, key) = self.read(level, body, |frame| Ok((frame.target()?, frame.key()?)))?;
        let rt = self.runtime();
        Ok(Answer::Flag(object.is_object() && rt.has(&object, &key)?))
    }

    fn keys(&self, body: ValueReader<'_>, level: &Level) -> Served {
        let (object, along) = self.read(level, body, |frame| {
            Ok((frame.target()?, frame.fields().take_bool()?))
        })?;
        let rt = self.runtime();
        let mut names = Vec::new();
        if along {
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
            let name = rt.key_to_value(key)?;
            texts.push(if name.is_string() {
                name
            } else {
                rt.to_string_value(&name)?
            });
        }
        Ok(Answer::Value(rt.array_from(texts)?))
    }

    fn run_script(&self, body: ValueReader<'_>, level: &Level) -> Served {
        let source = self.read(level, body, one_value)?;
        let rt = self.runtime();
        if !source.is_string() {
            return Err(rt.type_error("run_script() needs a str").into());
        }
        let source = rt.wtf8(&source)?;
        self.result(rt.eval_wtf8(&source, SCRIPT))
    }

    fn coerce(&self, body: ValueReader<'_>, level: &Level) -> Served {
        let (value, number) = self.read(level, body, |frame| {
            Ok((frame.target()?, frame.fields().take_bool()?))
        })?;
        let rt = self.runtime();
        let result = if number {
            rt.to_number(&value)?
        } else if value.is_symbol() {
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
            rt.string_utf8(&shown)?
        } else {
            rt.to_string_value(&value)?
        };
        Ok(Answer::Value(result))
    }

    fn load(&self, body: ValueReader<'_>, level: &Level) -> Served {
        let request: LoadRequest =
            self.read(level, body, |frame| Ok(message::read(frame.fields())?))?;
        if self.loaded.get() {
            let text = "this host has loaded its addon already; each addon has a host of its own";
            return Err(RemoteError::Host(text.to_owned()).into());
        }
        let path = PathBuf::from(OsString::from_vec(request.path));
        let loaded = self.host.load(&path).map_err(|error| load_error(&error))?;
        self.loaded.set(true);
        self.hooks.addon_loaded().map_err(not_confined)?;
        let rt = self.runtime();
        self.host.set_global("addon", loaded.exports.clone())?;
        Ok(Answer::Exports(Box::new(exports(rt, loaded.exports)?)))
    }

    fn stats(&self) -> HostStats {
        let memory = self.runtime().memory();
        HostStats {
            lent: self.tables.objects.borrow().len() as u64,
            received: self.tables.remotes.borrow().len() as u64,
            calls: self.served.get(),
            callbacks: self.asked.get(),
            queued_events: self.host.queued_calls() as u64,
            engine_bytes: memory.allocated,
            engine_objects: memory.objects,
        }
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
    let mut detail = String::new();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        if !detail.is_empty() {
            detail.push_str(": ");
        }
        detail.push_str(&inner.to_string());
        cause = inner.source();
    }
    RemoteError::Load {
        message: error.to_string(),
        detail,
    }
    .into()
}

/// The functions and classes among the exports go along; the rest is read when it is needed.
fn exports(rt: Runtime, object: Value) -> JsResult<Exports> {
    let mut names = Vec::new();
    let readable = object.is_object() && !rt.is_proxy(&object);
    if readable {
        for key in rt
            .own_keys(&object)?
            .iter()
            .filter(|key| !rt.key_is_symbol(key))
        {
            let Some(property) = rt.own_property(&object, &key)? else {
                continue;
            };
            let name = rt.key_to_value(&key)?;
            let name = if name.is_string() {
                name
            } else {
                rt.to_string_value(&name)?
            };
            let function = match property.content {
                Content::Value(value) if rt.is_function(&value) => Some(value),
                _ => None,
            };
            rt.push(&mut names, (name, function))?;
        }
    }
    let callable = rt.is_function(&object);
    Ok(Exports {
        object,
        names,
        callable,
    })
}
