//! What an object or a class of the host is: its name and the names that it answers to.

use hostd_engine::{Content, JsResult, Key, Value};
use hostd_protocol::error::RemoteError;
use hostd_protocol::ids::SlotId;
use hostd_protocol::message::Description;
use hostd_protocol::parts::Record;
use hostd_protocol::value::HostKind;
use rustc_hash::FxHashSet;

use super::Session;
use super::answer::Refusal;
use crate::marshal::{class_prototype, nature};

const PROTOTYPES_MAX: usize = 256;
const MOST_NAMES: usize = 4096;

impl Session {
    pub(super) fn describe(
        &self,
        (is_class, id): (bool, SlotId),
    ) -> Result<Box<Record<Description>>, Refusal> {
        let description = if is_class {
            let prototype = self.tables.classes.borrow().prototype(id.get());
            self.describe_class(&prototype.ok_or(RemoteError::Stale(id.get()))?, id.get())?
        } else {
            self.describe_object(&self.tables.held(id)?)?
        };
        Ok(Box::new(Record(description)))
    }

    fn describe_object(&self, object: &Value) -> JsResult<Description> {
        let rt = self.rt;
        let sent = self.tables.id_of(object).and_then(|id| {
            let objects = self.tables.objects.borrow();
            objects.get(id).map(|object| (object.kind, object.class))
        });
        let (kind, class_id) = sent.unwrap_or_else(|| nature(&self.tables, object));
        let (name, length) = match kind {
            HostKind::Function | HostKind::Class => (self.name_of(object), self.length_of(object)),
            HostKind::Symbol => (text(self, &rt.symbol_description(object)?), 0),
            _ => (self.class_name(object), 0),
        };
        let (methods, accessors) = self.names(object)?;
        Ok(Description {
            kind: kind.code(),
            name,
            class_id,
            methods,
            accessors,
            length,
        })
    }

    fn describe_class(&self, prototype: &Value, class_id: u32) -> JsResult<Description> {
        let (methods, accessors) = self.names(prototype)?;
        Ok(Description {
            kind: HostKind::Object.code(),
            name: self.class_name(prototype),
            class_id,
            methods,
            accessors,
            length: 0,
        })
    }

    /// The object and its prototypes below those that everything has. Proxies have none that can
    /// be asked for without running code.
    pub(super) fn prototypes(&self, object: &Value, own: bool) -> JsResult<Vec<Value>> {
        let rt = self.rt;
        let general = [
            rt.object_prototype().identity(),
            self.tables.intrinsics.function_prototype.identity(),
        ];
        let mut chain = Vec::new();
        let mut holder = object.clone();
        while holder.is_object()
            && chain.len() < PROTOTYPES_MAX
            && !general.contains(&holder.identity())
        {
            let next = rt.prototype_no_trap(&holder)?;
            chain.push(holder);
            holder = next;
        }
        if !own && !chain.is_empty() {
            chain.remove(0);
        }
        Ok(chain)
    }

    /// The names along the prototypes that are methods, and those that are accessors.
    fn names(&self, object: &Value) -> JsResult<(Vec<String>, Vec<String>)> {
        let rt = self.rt;
        let (mut methods, mut accessors) = (Vec::new(), Vec::new());
        let mut seen = FxHashSet::default();
        for holder in self.prototypes(object, true)? {
            if rt.is_proxy(&holder) || rt.remote_id(&holder).is_some() {
                break;
            }
            for key in rt.own_keys(&holder)?.iter() {
                if methods.len() + accessors.len() >= MOST_NAMES {
                    return Ok((methods, accessors));
                }
                if rt.key_is_symbol(&key) || !seen.insert((*key).clone()) {
                    continue;
                }
                let Some(property) = rt.own_property(&holder, &key)? else {
                    continue;
                };
                let name = rt.key_text(&key)?.as_str().to_owned();
                match property.content {
                    Content::Value(value) if self.is_method(&key, &value) => methods.push(name),
                    Content::Value(_) => {}
                    Content::Accessor { .. } => accessors.push(name),
                }
            }
        }
        Ok((methods, accessors))
    }

    /// Whether a property is a function that is called on the object. Classes are read as
    /// properties, and so is `constructor`, whatever kind of function it is.
    fn is_method(&self, key: &Key, value: &Value) -> bool {
        self.rt.is_function(value)
            && *key != self.tables.intrinsics.constructor
            && class_prototype(&self.tables, value).is_none()
    }

    fn class_name(&self, object: &Value) -> String {
        let constructor = &self.tables.intrinsics.constructor;
        let class = self.rt.data_property(object, constructor);
        match class {
            Some(class) if class_prototype(&self.tables, &class).is_some() || class.is_object() => {
                self.name_of(&class)
            }
            _ => String::new(),
        }
    }

    fn name_of(&self, function: &Value) -> String {
        let name = &self.tables.intrinsics.name;
        let name = self.rt.data_property(function, name);
        name.map_or_else(String::new, |name| text(self, &name))
    }

    fn length_of(&self, function: &Value) -> u32 {
        let length = &self.tables.intrinsics.length;
        let length = self.rt.data_property(function, length);
        let length = length.and_then(|length| u32::try_from(length.as_i32()?).ok());
        length.unwrap_or(0)
    }
}

fn text(session: &Session, value: &Value) -> String {
    let text = value.is_string().then(|| session.rt.utf8(value).ok());
    text.flatten()
        .map_or_else(String::new, |text| text.as_str().to_owned())
}
