//! Lists of an object's property keys: all own ones, or by the filter of
//! `napi_get_all_property_names`.

use std::collections::HashSet;
use std::fmt;

use hostd_quickjs as q;

use crate::key::KeyRef;
use crate::prototype::Prototypes;
use crate::{Content, JsResult, Key, Runtime, Value};

/// Which keys to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "Node-API's filter has exactly these"
)]
pub struct KeyQuery {
    /// Those of the prototypes too, without what is shadowed.
    pub inherited: bool,
    /// String keys, indexes among them.
    pub strings: bool,
    /// Symbol keys.
    pub symbols: bool,
    /// Only enumerable ones.
    pub enumerable: bool,
    /// Only writable ones (accessors count as writable, as in V8).
    pub writable: bool,
    /// Only configurable ones.
    pub configurable: bool,
}

impl KeyQuery {
    /// What `Object.keys` lists.
    pub const OWN_ENUMERABLE: KeyQuery = KeyQuery {
        inherited: false,
        strings: true,
        symbols: false,
        enumerable: true,
        writable: false,
        configurable: false,
    };

    /// The engine's flags. Enumerability is requested only where it matters, because a proxy's trap
    /// runs for it.
    fn flags(self) -> u32 {
        let flag = |wanted, flag| if wanted { flag } else { 0 };
        flag(self.strings, q::JS_GPN_STRING_MASK)
            | flag(self.symbols, q::JS_GPN_SYMBOL_MASK)
            | flag(self.enumerable, q::JS_GPN_SET_ENUM)
    }
}

/// The own keys of an object, as the engine lists them: integers first, ascending, then strings,
/// then symbols, in the order of creation.
pub struct Keys {
    table: *mut q::JSPropertyEnum,
    length: u32,
}

impl Keys {
    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.length as usize
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = KeyRef<'_>> {
        self.entries().iter().map(|entry| KeyRef::lend(entry.atom))
    }

    /// The keys, each with whether it is enumerable.
    pub fn iter_enumerable(
        &self,
    ) -> impl ExactSizeIterator<Item = (KeyRef<'_>, bool)> + DoubleEndedIterator {
        self.entries()
            .iter()
            .map(|entry| (KeyRef::lend(entry.atom), entry.is_enumerable))
    }

    fn entries(&self) -> &[q::JSPropertyEnum] {
        if self.table.is_null() {
            return &[];
        }
        // SAFETY: E3, E8; the engine gave us the table and its counts, and `Drop` frees it.
        unsafe { std::slice::from_raw_parts(self.table, self.length as usize) }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        if let Some(rt) = Runtime::current() {
            // SAFETY: E1, E8; the one release of the table.
            unsafe { q::JS_FreePropertyEnum(rt.ctx(), self.table, self.length) };
        }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// For which keys of an object V8 ignores the filters `writable` and `configurable`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unfiltered {
    /// None.
    None,
    /// The elements: of a boxed string, and of a frozen or sealed object if they have no large gap.
    Elements,
    /// All: of a proxy.
    All,
}

impl Unfiltered {
    fn of(rt: Runtime, holder: &Value, keys: &Keys, query: KeyQuery) -> JsResult<Unfiltered> {
        if !query.writable && !query.configurable {
            return Ok(Unfiltered::None);
        }
        if rt.is_proxy(holder) {
            return Ok(Unfiltered::All);
        }
        let boxed_string = rt.to_object(&rt.string_empty())?.class_id();
        let elements = holder.class_id() == boxed_string
            || (!rt.is_extensible(holder)? && !Unfiltered::has_gap(keys));
        Ok(if elements {
            Unfiltered::Elements
        } else {
            Unfiltered::None
        })
    }

    /// Returns whether so many elements are missing in a row that V8 keeps them in a dictionary,
    /// with their attributes.
    fn has_gap(keys: &Keys) -> bool {
        const GAP: u32 = 1024;
        let mut next = 0;
        keys.iter().map_while(|key| key.as_element()).any(|index| {
            let gap = index - next >= GAP;
            next = index + 1;
            gap
        })
    }
}

impl Runtime {
    /// Lists the own keys, strings and symbols, without filtering by attributes.
    pub fn own_keys(self, object: &Value) -> JsResult<Keys> {
        self.list_keys(
            object,
            q::JS_GPN_STRING_MASK | q::JS_GPN_SYMBOL_MASK | q::JS_GPN_SET_ENUM,
        )
    }

    /// Lists the own enumerable string keys, as `Object.keys` does.
    pub fn own_enumerable_keys(self, object: &Value) -> JsResult<Keys> {
        self.list_keys(object, q::JS_GPN_STRING_MASK | q::JS_GPN_ENUM_ONLY)
    }

    /// Lists the private names of an object, `#name` in the class that made it.
    pub(crate) fn private_keys(self, object: &Value) -> JsResult<Keys> {
        self.list_keys(object, q::JS_GPN_PRIVATE_MASK)
    }

    /// Lists keys by a filter. Integer keys come first, per object of the prototype chain.
    pub fn keys(self, object: &Value, query: KeyQuery) -> JsResult<Vec<Key>> {
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        let mut walk = Prototypes::of(self, object);
        while let Some(holder) = walk.holder() {
            let keys = self.list_keys(holder, query.flags())?;
            let unfiltered = Unfiltered::of(self, holder, &keys, query)?;
            for (key, enumerable) in keys.iter_enumerable() {
                if query.inherited {
                    let room = seen.try_reserve(1);
                    room.map_err(|_| self.out_of_memory())?;
                    if !seen.insert((*key).clone()) {
                        continue;
                    }
                }
                if self.matches(holder, &key, enumerable, query, unfiltered)? {
                    self.push(&mut found, (*key).clone())?;
                }
            }
            if !query.inherited {
                break;
            }
            walk.advance()?;
        }
        Ok(found)
    }

    fn matches(
        self,
        holder: &Value,
        key: &Key,
        enumerable: bool,
        query: KeyQuery,
        unfiltered: Unfiltered,
    ) -> JsResult<bool> {
        if query.enumerable && !enumerable {
            return Ok(false);
        }
        if !query.writable && !query.configurable
            || unfiltered == Unfiltered::All
            || (unfiltered == Unfiltered::Elements && key.is_element())
        {
            return Ok(true);
        }
        let Some(property) = self.own_property(holder, key)? else {
            return Ok(false);
        };
        let attributes = property.attributes;
        let writable = attributes.writable || matches!(property.content, Content::Accessor { .. });
        Ok((!query.writable || writable) && (!query.configurable || attributes.configurable))
    }

    fn list_keys(self, object: &Value, flags: u32) -> JsResult<Keys> {
        self.count_read();
        let mut keys = Keys {
            table: std::ptr::null_mut(),
            length: 0,
        };
        // SAFETY: E1, E2; the out-pointers live on our stack.
        let code = unsafe {
            q::JS_GetOwnPropertyNames(
                self.ctx(),
                &raw mut keys.table,
                &raw mut keys.length,
                object.0,
                flags.cast_signed(),
            )
        };
        self.answer(code)?;
        Ok(keys)
    }
}
