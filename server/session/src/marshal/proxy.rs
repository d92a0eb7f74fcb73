//! The proxies of the client's objects.

use hostd_engine::{Content, ErrorConstructor, FunctionSpec, JsResult, RemoteClass, Value};
use hostd_protocol::error::RemoteError;
use hostd_protocol::ids::SlotId;
use hostd_protocol::value::{CallableForm, ClientKind};

use super::decode::{Decoded, Decoder};
use crate::tables::{CALLABLE_TAG, ObjectTables};

/// The function for a callable of the client: the one there is, or a new one. Counts a receipt of the id.
pub(crate) fn callable(tables: &ObjectTables, id: SlotId, form: u32) -> Decoded {
    match tables.receive(id)? {
        Some(proxy) => Ok(proxy),
        None => new_callable(tables, id, form),
    }
}

fn new_callable(tables: &ObjectTables, id: SlotId, form: u32) -> Decoded {
    let Some(form) = CallableForm::from_code(form) else {
        tables.remotes.borrow_mut().give_back(id);
        let text = format!("unknown form of callable {form}");
        return Err(RemoteError::Unsupported(text).into());
    };
    let words = [id.get() as usize, usize::from(form.passes_this), 0];
    let spec = FunctionSpec::new(tables.intrinsics.call_client, CALLABLE_TAG, words);
    let function = tables
        .rt
        .function(spec.remote_length().not_constructible())?;
    if let Some(prototype) = tables.intrinsics.function_prototype_of(form.kind) {
        tables.rt.set_prototype(&function, prototype)?;
    }
    tables.note_proxy(id, &function)?;
    Ok(function)
}

impl Decoder<'_, '_> {
    /// The proxy of a client's object: the one there is, or a new one.
    pub(super) fn proxy(&self, id: SlotId, kind: u8, class: u32) -> Decoded {
        let tables = self.tables;
        if let Some(proxy) = tables.receive(id)? {
            return Ok(proxy);
        }
        let Some(kind) = ClientKind::from_code(kind) else {
            tables.remotes.borrow_mut().give_back(id);
            let text = format!("unknown kind of object {kind}");
            return Err(RemoteError::Unsupported(text).into());
        };
        let (rt, number) = (self.rt, id.get());
        match kind {
            ClientKind::Callable => new_callable(tables, id, class),
            ClientKind::Awaitable => {
                let (promise, deferred) = rt.promise()?;
                tables.awaitables.borrow_mut().insert(number, deferred);
                tables.adopt_proxy(id, &promise)?;
                Ok(promise)
            }
            ClientKind::Exception => {
                let error = rt.error(ErrorConstructor::Error, "")?;
                tables.adopt_proxy(id, &error)?;
                Ok(error)
            }
            ClientKind::Instance => {
                let Some(prototype) = self.prototype_of(class)? else {
                    tables.remotes.borrow_mut().give_back(id);
                    return Err(RemoteError::Stale(class).into());
                };
                let object = rt.object()?;
                rt.set_prototype(&object, &prototype)?;
                tables.adopt_proxy(id, &object)?;
                tables.has_instances.set(true);
                Ok(object)
            }
            ClientKind::Exposed
            | ClientKind::Mapping
            | ClientKind::Sequence
            | ClientKind::Opaque
            | ClientKind::Iterator
            | ClientKind::Generator
            | ClientKind::AsyncIterator
            | ClientKind::AsyncGenerator => {
                let token = tables.remotes.borrow_mut().token(id);
                let words = u64::from(kind.code()) << 32 | u64::from(number);
                let object = rt.remote_object(RemoteClass::Object, words, token)?;
                if let Some(prototype) = tables.intrinsics.iterators.prototype(kind) {
                    rt.set_prototype(&object, prototype)?;
                }
                let weak = rt.weak(&object)?;
                tables.remotes.borrow_mut().insert(id, token, weak);
                Ok(object)
            }
        }
    }

    /// The prototype of the instances of a class that was lent to the client.
    fn prototype_of(&self, class: u32) -> JsResult<Option<Value>> {
        let Some(class) = SlotId::new(class).and_then(|id| self.tables.lent_value(id)) else {
            return Ok(None);
        };
        let key = &self.tables.intrinsics.prototype;
        let property = self.rt.own_property(&class, key)?;
        Ok(match property.map(|property| property.content) {
            Some(Content::Value(prototype)) if prototype.is_object() => Some(prototype),
            _ => None,
        })
    }
}
