//! Iteration across the boundary: the host's iterators, which the client reads, and the client's,
//! which are iterators to JavaScript.
//!
//! A proxy of the client's iterator is a remote object without names. What it can do comes from its
//! prototype: `next`, and for a generator `return` and `throw`; nothing else is ever asked for.

use hostd_engine::{Invocation, JsResult, Key, Runtime, Value};
use hostd_protocol::calls;
use hostd_protocol::ids::SlotId;

use super::Session;
use super::answer::Refusal;
use super::pending::Due;
use crate::lent::LentObject;
use crate::marshal::Lent;

/// JavaScript takes a step of an iterator of the client's.
pub(super) fn step_of_client(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let Some(session) = Session::current() else {
        return Ok(Value::UNDEFINED);
    };
    let [step, is_async, _] = call.words;
    let Some(id) = rt
        .remote_id(call.this)
        .and(session.tables.remote_slot(call.this))
    else {
        return Err(rt.type_error("this is not a Python iterator"));
    };
    let sent = call.args.first().cloned().unwrap_or_default();
    let step = u8::try_from(step).unwrap_or_default();
    let stepped = session.ask::<calls::RemoteStep>(&(id, step, &sent));
    match stepped {
        Err(thrown) if is_async != 0 && !thrown.is_uncatchable() => {
            let (promise, deferred) = rt.promise()?;
            rt.reject(deferred, &thrown.0)?;
            Ok(promise)
        }
        stepped => stepped,
    }
}

impl Session {
    pub(super) fn iterate(&self, (object,): (Value,)) -> Result<Lent, Refusal> {
        let symbol = &self.tables.intrinsics.iterator;
        self.iterator_by(symbol, "this object is not iterable", &object)
    }

    pub(super) fn iterate_async(&self, (object,): (Value,)) -> Result<Lent, Refusal> {
        let symbol = &self.tables.intrinsics.iterators.async_symbol;
        let complaint =
            "this object is not asynchronously iterable; it has no Symbol.asyncIterator";
        self.iterator_by(symbol, complaint, &object)
    }

    fn iterator_by(&self, symbol: &Key, complaint: &str, object: &Value) -> Result<Lent, Refusal> {
        let rt = self.rt;
        let method = rt.get(object, symbol)?;
        if !rt.is_function(&method) {
            return Err(rt.type_error(complaint).into());
        }
        let iterator = rt.call(&method, object, &[])?;
        if !iterator.is_object() {
            let text = "the iterator of this object is not an object";
            return Err(rt.type_error(text).into());
        }
        Ok(Lent(iterator))
    }

    pub(super) fn next(&self, (id,): (SlotId,)) -> Result<(bool, Value), Refusal> {
        let iterator = self.tables.held(id)?;
        let (rt, intrinsics) = (self.rt, &self.tables.intrinsics);
        let unfinished = |is: bool| self.tables.objects.borrow_mut().set_unfinished(id, is);
        // An iterator that throws is at its end.
        unfinished(false);
        let step = rt.invoke(&iterator, &intrinsics.next, &[])?;
        if !step.is_object() {
            let text = "the iterator gave something that is not an object";
            return Err(rt.type_error(text).into());
        }
        let done = rt.get(&step, &intrinsics.done)?;
        if rt.to_bool(&done) {
            return Ok((true, Value::UNDEFINED));
        }
        let value = rt.get(&step, &intrinsics.value)?;
        unfinished(true);
        Ok((false, value))
    }

    /// Ends an iterator that the client does not read to its end.
    pub(super) fn close_iterator(&self, (id,): (SlotId,)) -> Result<(), Refusal> {
        let iterator = self.tables.held(id)?;
        self.tables.objects.borrow_mut().set_unfinished(id, false);
        Ok(self.close(&iterator)?)
    }

    /// Calls `return` of an iterator, as leaving a loop does.
    pub(super) fn close(&self, iterator: &Value) -> JsResult<()> {
        let rt = self.rt;
        let finish = rt.get(iterator, &self.tables.intrinsics.iterators.finish)?;
        if finish.is_undefined() || finish.is_null() {
            return Ok(());
        }
        rt.call(&finish, iterator, &[]).map(drop)
    }

    /// The client holds an object no more. An iterator that it left in the middle is closed.
    pub(super) fn released(&self, object: LentObject) {
        if object.unfinished {
            self.run_in_turn(Due::CloseIterator(object.value));
        }
    }
}
