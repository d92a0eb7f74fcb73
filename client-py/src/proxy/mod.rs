//! Objects of the host as Python objects: one object, one proxy. Their fields are here; what they do
//! by requests is in `methods`.

mod addon;
pub(crate) mod await_future;
pub(crate) mod class;
mod create;
pub(crate) mod done_callback;
pub(crate) mod function;
mod object;
pub(crate) mod opaque;
pub(crate) mod promise;
mod reference;

pub(crate) use addon::{Addon, Host, Module};
pub(crate) use class::JSClass;
pub(crate) use create::{proxy, reference_of};
pub(crate) use function::JSFunction;
pub(crate) use object::{JSIterator, JSObject};
pub(crate) use promise::Promise;
pub(crate) use reference::Reference;
