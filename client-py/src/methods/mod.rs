//! What Python can do with proxies: their methods, by requests to the host. The classes are in
//! `crate::proxy`; `requests` is what their methods share.

mod addon;
mod awaiting;
mod bulk;
mod class;
mod extending;
mod function;
mod future;
mod keywords;
mod object;
mod preview;
mod promise;
mod requests;
mod settler;
mod turn_reader;

pub(crate) use bulk::_call_rows;
