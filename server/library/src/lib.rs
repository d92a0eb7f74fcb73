//! The library that runs sessions inside of the client's process. It exports the names of Node-API, so
//! that addons find them there, and the functions of [`hostd_protocol::in_process`].

mod coroutine;
mod hooks;
mod interface;
mod serve;
