//! Errors: class, name, message, code, stack, cause and own properties; an exception of the client
//! comes back as itself. Decoder and encoder call this for every error; no getter of one runs.

use hostd_engine::{Attributes, Content, Descriptor, ErrorConstructor as Native, Runtime, Value};
use hostd_protocol::ids::SlotId;
use hostd_protocol::value::ErrorClass;

use super::decode::{Decoded, Decoder};
use super::encode::{Encoded, Encoder, count};
use crate::intrinsics::NATIVE_CLASSES;
use crate::tables::ObjectTables;

/// How far the prototypes of an error are searched for a known class.
const PROTOTYPES_MAX: usize = 64;

impl Decoder<'_, '_> {
    /// Builds an error; the living proxy of an exception stays what it is.
    pub(super) fn error(&mut self, index: u32, id: Option<SlotId>, class: ErrorClass) -> Decoded {
        self.check_stack()?;
        let (rt, tables) = (self.rt, self.tables);
        let known = id.map(|id| tables.receive(id)).transpose()?.flatten();
        let fresh = known.is_none();
        let error = if let Some(error) = known {
            error
        } else {
            let error = rt.error(native_class(class).0, "")?;
            if let Some(id) = id {
                tables.adopt_proxy(id, &error)?;
            }
            error
        };
        self.keep(index, error.clone())?;
        let names = &tables.intrinsics.error_keys;
        for key in [
            &names.name,
            &names.message,
            &names.code,
            &names.stack,
            &names.cause,
        ] {
            let part = self.part()?;
            let ordinary = *key == names.name && is_native_name(rt, class, &part)?;
            if *key == names.stack {
                if fresh && part.is_string() {
                    rt.set_stack(&error, &part)?;
                }
            } else if fresh && !part.is_undefined() && !ordinary {
                let attributes = if *key == names.code {
                    Attributes::ALL
                } else {
                    Attributes::HIDDEN
                };
                rt.define(&error, key, Descriptor::Value(&part, attributes))?;
            }
        }
        for _ in 0..self.fields().own_fields()? {
            let key = self.key()?;
            let part = self.part()?;
            if fresh {
                rt.put(&error, &key, part)?;
            }
        }
        self.fields().leave();
        Ok(error)
    }
}

impl Encoder<'_, '_> {
    pub(super) fn error(&mut self, value: &Value, identity: usize, id: SlotId) -> Encoded {
        if !self.rt.stack_ok() {
            return Err(self.rt.stack_overflow().into());
        }
        let (rt, tables) = (self.rt, self.tables);
        let class = class_of(tables, value);
        let mut open = self.out.open_error(Some(id), class)?;
        self.note(value, identity, open.index())?;
        let names = &tables.intrinsics.error_keys;
        for key in [&names.name, &names.message, &names.code] {
            let part = rt.data_property(value, key).unwrap_or_default();
            self.value(&part)?;
        }
        let stack = rt.stack_untouched(value)?.filter(Value::is_string);
        self.value(&stack.unwrap_or_default())?;
        let cause = rt.data_property(value, &names.cause).unwrap_or_default();
        self.value(&cause)?;
        self.out.own_fields(&mut open);
        let mut written = 0;
        for key in rt.own_keys(value)?.iter() {
            let parts = [
                &names.name,
                &names.message,
                &names.code,
                &names.stack,
                &names.cause,
            ];
            if parts.into_iter().any(|part| *part == *key) || rt.key_is_symbol(&key) {
                continue;
            }
            let Some(property) = rt.own_property(value, &key)? else {
                continue;
            };
            if !property.attributes.enumerable && !names.hidden_parts.contains(&key) {
                continue;
            }
            if let Content::Value(part) = property.content {
                self.key(&key)?;
                self.value(&part)?;
                written += 1;
            }
        }
        self.out.close(open, count(written)?);
        Ok(())
    }
}

fn class_of(tables: &ObjectTables, error: &Value) -> ErrorClass {
    let rt = tables.rt;
    let classes = &tables.intrinsics.error_prototypes;
    let mut holder = rt.prototype_no_trap(error).unwrap_or_default();
    for _ in 0..PROTOTYPES_MAX {
        if !holder.is_object() {
            break;
        }
        let found = classes
            .iter()
            .find(|entry| entry.1.identity() == holder.identity());
        if let Some((class, _)) = found {
            return *class;
        }
        holder = rt.prototype_no_trap(&holder).unwrap_or_default();
    }
    ErrorClass::Other
}

/// The constructor of a class and its name; those of `Error` for a class that the engine lacks.
fn native_class(class: ErrorClass) -> (Native, &'static str) {
    let known = NATIVE_CLASSES.iter().find(|known| known.0 == class);
    known.map_or((Native::Error, "Error"), |known| (known.1, known.2))
}

/// Whether a name is the one that the class gives anyway.
fn is_native_name(rt: Runtime, class: ErrorClass, name: &Value) -> Decoded<bool> {
    if !name.is_string() {
        return Ok(false);
    }
    Ok(rt.utf8(name)?.as_str() == native_class(class).1)
}
