//! A safe vocabulary over QuickJS-ng: the only crate that names the bindings.
//!
//! A thread has one engine at a time. An [`Engine`] owns it and frees it; a [`Runtime`] is a handle
//! that is copied freely. The owner of an engine drops it after all that came from it.
//!
//! Nothing of an engine leaves its thread:
//!
//! ```compile_fail
//! fn sent<T: Send>() {}
//! sent::<hostd_engine::Runtime>();
//! ```
//! ```compile_fail
//! fn sent<T: Send>() {}
//! sent::<hostd_engine::Value>();
//! ```
//! ```compile_fail
//! fn sent<T: Send>() {}
//! sent::<hostd_engine::Key>();
//! ```
//! ```compile_fail
//! fn sent<T: Send>() {}
//! sent::<hostd_engine::Weak>();
//! ```
//! ```compile_fail
//! fn sent<T: Send>() {}
//! sent::<hostd_engine::Utf8>();
//! ```
//!
//! Invariants, cited by the SAFETY comments:
//!
//! - **E1** A `Runtime` exists only on the thread that made the engine: it and everything built
//!   from it is `!Send + !Sync`. It is used only while there is the `Engine` that it came from,
//!   which alone frees the context and the runtime that it points to, and all that came from the
//!   engine is dropped before that (I-23).
//! - **E2** A `Value` owns exactly one reference count (or is a primitive without one); passing its
//!   bits to the engine borrows it, `into_raw` gives the count away, `Drop` releases it.
//! - **E3** A `JSValue` that the engine returns is owned by us, or is `JS_EXCEPTION` with the
//!   exception pending in the context; `adopt` turns it into one of the two at once.
//! - **E4** The opaque pointer of an object of our classes is a `Box` of that class' payload, set
//!   directly after creation and freed only by the class finalizer; payloads begin with `Base`.
//! - **E5** No payload keeps a `JSValue`, so no class of ours needs `gc_mark`, and a finalizer
//!   never touches the engine: it only moves plain words to the queue of dead tokens.
//! - **E6** Callbacks that the engine calls run on the engine's thread, receive arguments that live
//!   until they return, and catch every panic before it reaches C.
//! - **E7** Text and bytes of the engine are lent out either for the life of a reference count on
//!   an immutable string, a guard's or that of the borrowed value, or copied; no slice into mutable
//!   engine memory is ever formed.
//! - **E8** A `Key` owns one reference count of its atom.
//! - **E9** A hook by which the engine lists the keys of an object adds no property to it, for the
//!   engine counts the properties before it calls and copies them after.
//! - **E10** The engine counts the references to a block in the `int` right before it. The pinned
//!   version does so; [`Engine::new`] checks it and fails otherwise.
//! - **E11** A string that is not a concatenation begins with its length, whose top bit says that
//!   the units are wide, and a word of flags; the units follow after 24 bytes unless the flags say
//!   otherwise. The pinned version does so; [`Engine::new`] checks it and fails otherwise.
//! - **E12** The bytes of a shared array buffer are in a block of the engine's heap, behind a count
//!   of the buffers that share them; the functions that the engine calls for them are on its
//!   thread.
//! - **E13** The nursery keeps the address of an object's record only while it holds the object,
//!   or, between giving the hold up and taking it again, until the record's finalizer reports its
//!   death.
//! - **E14** Allocator functions get a live pointer to the `allocator`'s state, and only blocks
//!   that the C library's allocator or `large_blocks` returned.
//! - **E15** A text that the client has lent in shared memory does not change until it is released: the
//!   host trusts the client, which may end it at any time.
//! - **E16** Bytecode was written by an engine of the same version and build options, and is
//!   unchanged.
//! - **E17** The engine frees a module only when the resolution of its imports fails; before that it
//!   is taken out of the table of modules. The pinned version has the byte that says whether a module
//!   is resolved, and its status, where `module` reads them, which is checked at the first use.
//! - **E18** A parked engine is put back only on the thread that it was taken off, and is not dropped
//!   while it is parked; nothing of it is used meanwhile.
//!
//! The lowest modules (`value`, `key`, `record` and the tables `recent_keys`, `classes`, `finalizers`, `holds`,
//! `slots`, `intrinsics`) know no engine. `state` consists of them and defines [`Runtime`], to which
//! each module above adds the operations of one concept. `runtime` makes and frees an engine.
#![expect(unsafe_code, reason = "unsafe island 2: the engine's C interface")]

mod allocator;
mod arraybuffer;
mod bigint;
mod buffer_view;
mod call;
mod capture;
mod class;
mod classes;
mod coerce;
mod collection;
mod data_properties;
mod date;
mod error;
mod external;
#[cfg(feature = "faults")]
pub mod failing;
mod finalizer;
mod finalizers;
mod function;
mod holds;
mod intrinsics;
mod job;
mod key;
mod key_text;
mod keys;
mod kind;
mod large_blocks;
mod module;
mod module_record;
mod number;
mod nursery;
mod object;
mod promise;
mod property;
mod prototype;
mod recent_keys;
mod record;
mod register;
mod remote;
mod runtime;
mod script;
mod set;
mod shared_bytes;
mod shared_memory;
mod slot;
mod slots;
mod stack_trace;
mod state;
mod string;
mod swap;
mod symbol;
mod thread;
mod value;
mod weak;

/// A size that the engine returned; `size_t` is as wide as `usize`.
#[inline]
fn size(size: hostd_quickjs::size_t) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

pub use arraybuffer::{DataPointer, MAX_BUFFER_LENGTH};
pub use buffer_view::{ElementType, View, ViewKind};
pub use classes::Brand;
pub use data_properties::{DataProperties, DataProperty, OwnData};
pub use error::ErrorConstructor;
pub use finalizers::{FinalizerId, FinalizerToken};
pub use function::{FunctionSpec, Invocation, NativeCall, NativeFunction};
pub use job::Continuation;
pub use key::{Key, KeyRef};
pub use keys::{KeyQuery, Keys};
pub use kind::Kind;
pub use large_blocks::MemoryPin;
pub use promise::{Deferred, PromiseState};
pub use property::{Attributes, Content, Descriptor, Property};
pub use record::SlotData;
pub use remote::RemoteClass;
pub use runtime::{Engine, Memory, Options};
pub use state::{
    EngineError, InterruptHook, JobErrorHook, ModuleHooks, ModuleSource, RejectionHook,
    RemoteHooks, Runtime,
};
pub use string::{Utf8, Utf16, Wtf8};
pub use swap::ParkedEngine;
pub use value::{JsResult, Thrown, Value};
pub use weak::Weak;
