//! The C boundary: the export tables, the checks, and all of this crate's `unsafe` code.
//!
//! Invariants, cited by the SAFETY comments:
//!
//! - **A1** The addon passes what the header requires: a pointer is NULL or points to what its type
//!   says, arrays are as long as their lengths say, texts are NUL-terminated where no length is
//!   given, and all of it stays readable and unchanged until the function returns.
//! - **A2** Out-pointers that are not NULL stay writable until the function returns, and do not
//!   point into memory of ours.
//! - **A3** A frame's pointers to its function, `this`, arguments and `new.target` are valid from the moment the
//!   frame is pushed until its guard drops, because the engine lends them for the whole callback.
//!   Frames are read on their own thread only and found only while they are pushed.
//! - **A4** A function pointer of an addon stays callable, with the signature it was given under,
//!   for as long as the process lives: images are never unloaded.
//! - **A5** Memory that the host hands to C (error info, versions, file names) is never freed or
//!   moved while the environment lives, and environments live as long as their host.
//! - **A6** Memory that the addon hands over with an external buffer stays readable and writable
//!   until its finalizer is called, or until the process ends if it gave none.
//! - **A7** A loop of libuv and our handles in it are used on the thread of their host alone, and
//!   are not moved. They are closed and freed with the host if no handle or request of an addon is
//!   in the loop then, and never otherwise. Callbacks of libuv's are called by it, on the thread
//!   that runs the loop, with the handle they were started for.
//! - **A8** The range of addresses that `address` reserves is never unmapped or protected again,
//!   and no value of Rust's is in it.
//! - **A9** The words of an engine function with one of our tags are those that `frame::words`
//!   made.
//! - **A10** What `owned` lends is not used after its owner's drop: an `OwnedHost` is dropped after
//!   all that came from it (I-23), outside of every entry, and it takes the host off its thread
//!   before it frees it. Addons have ids, which are looked up there.
//! - **A11** A library of this package is never closed, and its functions have the types of their
//!   header. What the system's loader says of a library is read while the library is open.
//!
//! An addon that breaks A1 or A2 has a memory error, which costs this process and no other. Ids
//! need no invariant: each is looked up, and none is followed.
#![expect(unsafe_code, reason = "unsafe island 3: the C ABI of Node-API")]

pub(crate) mod address;
mod barrier;
pub(crate) mod callback;
pub(crate) mod check;
pub(crate) mod checked;
mod data;
pub(crate) mod enter;
pub mod exports;
pub(crate) mod external_memory;
pub(crate) mod frame;
pub(crate) mod library;
pub(crate) mod libuv;
pub(crate) mod owned;
pub(crate) mod parked;
pub(crate) mod record;
pub(crate) mod registered;
pub(crate) mod row;
pub mod status;
pub mod types;
pub(crate) mod uv;
