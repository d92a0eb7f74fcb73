//! What Python can do with proxies: their methods, by requests to the host.

mod addon;
mod awaiting;
mod class;
mod function;
mod object;
mod promise;
mod requests;
mod settler;
mod turn_reader;
