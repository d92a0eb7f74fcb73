//! The end of an environment, in Node's order: async work; buffers' finalizers; cleanup hooks,
//! youngest first, and among them the closing of threadsafe functions; their finalizers, oldest
//! first; all other finalizers, youngest first; references without a call. JavaScript cannot run
//! from the first step on.

use std::time::Instant;

use super::cleanup::Hook;
use super::finalizer::{Instance, Owner};
use super::slots::{IdKind, Slots};
use super::{Env, tsfn};
use crate::abi::types::napi_async_cleanup_hook_handle;
use crate::host::debug::Debug;
use crate::host::{HostState, Origin};

impl Env {
    /// Ends the environment. It waits for running work and hooks, until `end` at the latest.
    pub(crate) fn close(&'static self, host: &'static HostState, end: Instant) {
        self.forbid_js();
        self.finish_works(host, end);
        self.finalize_all(host, |owner| owner == Owner::Buffer);
        let open = self.run_hooks(host, end);
        self.finalize_closed(host, end);
        self.finalize_all(host, |_| true);
        self.instance.set(Instance::NONE);
        if let Some(debug) = &host.debug {
            self.report_leaks(host, debug, &open);
        }
        for id in host.works_of(self) {
            host.delete_work(id);
        }
        let references = self.references.replace(Slots::new(IdKind::Reference));
        for address in references
            .iter()
            .filter_map(|(_, reference)| reference.pinned())
        {
            host.pins.borrow_mut().remove(address);
        }
        drop(references);
        drop(self.deferreds.replace(Slots::new(IdKind::Deferred)));
    }

    /// Runs finalizers, youngest first; those that are added meanwhile too.
    fn finalize_all(&'static self, host: &'static HostState, which: fn(Owner) -> bool) {
        loop {
            let due = host.finalizers.borrow().of(self.id, which);
            if due.is_empty() {
                return;
            }
            for id in due {
                let finalizer = host.finalizers.borrow_mut().remove(id);
                if let Some(finalizer) = finalizer {
                    if self.instance.get().finalizer == Some(id) {
                        self.instance.set(Instance::NONE);
                    }
                    host.run_finalizer(&finalizer);
                }
            }
        }
    }

    /// Runs the cleanup hooks and closes the threadsafe functions among them; returns those that
    /// threads held.
    fn run_hooks(&'static self, host: &'static HostState, end: Instant) -> Vec<usize> {
        let mut held = Vec::new();
        loop {
            let youngest = self.hooks.borrow().youngest();
            self.close_threadsafe(youngest, &mut held);
            let hook = self.hooks.borrow_mut().pop();
            match hook {
                None => break,
                Some(Hook::Plain(hook, argument)) => {
                    host.call_native(self, Origin::Finalizer, || hook.call(argument));
                }
                Some(Hook::Async(handle)) => {
                    let entry = host.async_hooks.borrow().get(&handle).copied();
                    if let Some(entry) = entry {
                        let raw = napi_async_cleanup_hook_handle(handle);
                        host.call_native(self, Origin::Finalizer, || {
                            entry.hook.call(raw, entry.argument);
                        });
                    }
                }
            }
        }
        // Handles that hooks closed are closed in the next round of their loop.
        host.finish_uv();
        let count = || {
            let entries = host.async_hooks.borrow();
            entries
                .values()
                .filter(|entry| entry.env == self.id)
                .count()
        };
        host.serve_until(end, || count() == 0);
        let unfinished = count();
        if unfinished > 0 {
            tracing::warn!(
                unfinished,
                addon = %self.path.display(),
                "async cleanup hooks did not call napi_remove_async_cleanup_hook in time; going on without"
            );
        }
        // What was made meanwhile.
        self.close_threadsafe(0, &mut held);
        held
    }

    /// Reports what the environment still owns although nothing of it runs any more. `open` are the
    /// threadsafe functions that its end had to close.
    fn report_leaks(&self, host: &HostState, debug: &Debug, open: &[usize]) {
        let references = self.references.borrow();
        let owned = references
            .iter()
            .filter(|(_, reference)| reference.finalizer.is_none());
        for (id, reference) in owned {
            debug.leak(self, id, &format!("napi_ref (count {})", reference.count));
        }
        for (id, _) in self.deferreds.borrow().iter() {
            debug.leak(self, id, "napi_deferred");
        }
        for id in host.works_of(self) {
            debug.leak(self, id, "napi_async_work");
        }
        for (id, owner) in host.contexts.borrow().iter() {
            if *owner == self.id {
                debug.leak(self, id, "napi_async_context");
            }
        }
        for id in open {
            let threads = tsfn::holders(*id);
            if threads > 0 {
                let what = format!("napi_threadsafe_function (held {threads} times)");
                debug.leak(self, *id, &what);
            }
        }
    }
}
