//! Descriptions of the classes of a host.

use std::sync::Arc;

use hostd_protocol::message::Description;
use rustc_hash::{FxHashMap, FxHashSet};

/// A class of the host; it is requested once.
pub(crate) struct ClassInfo {
    pub(crate) name: String,
    pub(crate) methods: FxHashSet<Arc<str>>,
}

impl From<Description> for ClassInfo {
    fn from(description: Description) -> Self {
        Self {
            name: description.name,
            methods: description.methods.into_iter().map(Arc::from).collect(),
        }
    }
}

impl ClassInfo {
    fn bytes(&self) -> usize {
        let methods = self.methods.iter().map(|name| name.len() + METHOD_BYTES);
        methods.fold(self.name.len() + METHOD_BYTES, usize::saturating_add)
    }
}

/// Descriptions of the host's classes. A host can make a class for each call, so the memory is
/// bounded; objects keep their own class.
#[derive(Default)]
pub(crate) struct Classes {
    by_id: FxHashMap<u32, Arc<ClassInfo>>,
    bytes: usize,
}

/// The most memory for descriptions of classes, in bytes.
const CLASS_BYTES_MAX: usize = 64 << 10;
/// The memory of a class or a method beside its name, estimated.
const METHOD_BYTES: usize = 64;

impl Classes {
    pub(crate) fn get(&self, id: u32) -> Option<Arc<ClassInfo>> {
        self.by_id.get(&id).cloned()
    }

    pub(crate) fn store(&mut self, id: u32, info: &Arc<ClassInfo>) {
        let bytes = info.bytes();
        if self.bytes.saturating_add(bytes) > CLASS_BYTES_MAX {
            *self = Self::default();
        }
        self.bytes = self.bytes.saturating_add(bytes);
        self.by_id.insert(id, Arc::clone(info));
    }
}
