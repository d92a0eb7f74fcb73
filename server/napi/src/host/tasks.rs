//! Functions that the Node around Node-API has run on other threads, each with one that takes its
//! result on the host's thread. Unless they are unreferenced, they keep the host alive until then.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use hostd_engine::{JsResult, Runtime};

use super::task_table::{Completion, Pending};
use super::{Event, Host, HostState, Job, Origin, pool};

/// Bytes of the stack of a thread that a task has for itself.
const THREAD_STACK: usize = 512 * 1024;

type Task = Box<dyn FnOnce() + Send>;
impl Host {
    /// Runs `work` on a thread of the pool, then `complete` with its result on this thread, as an
    /// event of a turn. What `complete` throws is an uncaught error. If `work` panics, that is one
    /// too. If the host is closed, `complete` is dropped.
    ///
    /// # Errors
    /// There is no memory, or no thread to run it and none can be started.
    pub fn run_in_pool<R: Send + 'static>(
        self,
        work: impl FnOnce() -> R + Send + 'static,
        complete: impl FnOnce(Runtime, R) -> JsResult<()> + 'static,
    ) -> JsResult<()> {
        self.state
            .begin_task(true, work, complete, |task| pool::submit(Job::Task(task)))
    }

    /// The same on a thread of its own, for what may wait for long.
    ///
    /// # Errors
    /// There is no memory, or the thread cannot be started.
    pub fn run_in_thread<R: Send + 'static>(
        self,
        work: impl FnOnce() -> R + Send + 'static,
        complete: impl FnOnce(Runtime, R) -> JsResult<()> + 'static,
    ) -> JsResult<()> {
        self.state.begin_task(true, work, complete, start_thread)
    }

    /// As [`run_in_thread`](Self::run_in_thread), for a task that does not keep the host alive.
    ///
    /// # Errors
    /// There is no memory, or the thread cannot be started.
    pub fn run_in_thread_unreferenced<R: Send + 'static>(
        self,
        work: impl FnOnce() -> R + Send + 'static,
        complete: impl FnOnce(Runtime, R) -> JsResult<()> + 'static,
    ) -> JsResult<()> {
        self.state.begin_task(false, work, complete, start_thread)
    }
}

/// Starts a thread for a task; false if it cannot be started.
fn start_thread(task: Task) -> bool {
    let thread = thread::Builder::new().name("napi-task".to_owned());
    thread.stack_size(THREAD_STACK).spawn(task).is_ok()
}

impl HostState {
    fn begin_task<R: Send + 'static>(
        &self,
        is_referenced: bool,
        work: impl FnOnce() -> R + Send + 'static,
        complete: impl FnOnce(Runtime, R) -> JsResult<()> + 'static,
        submit: impl FnOnce(Task) -> bool,
    ) -> JsResult<()> {
        let result = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&result);
        let frame = self.rt.continuation_data();
        let completion: Completion = Box::new(move |rt| {
            let _outer = rt.enter_continuation(frame);
            let mut result = result.lock().unwrap_or_else(PoisonError::into_inner);
            let value = result.take();
            drop(result);
            match value {
                Some(value) => complete(rt, value),
                None => Err(rt.type_error("a task of the host panicked")),
            }
        });
        let number = {
            let mut tasks = self.tasks.borrow_mut();
            let space = tasks.completions.try_reserve(1);
            space.map_err(|_| self.rt.out_of_memory())?;
            tasks.given += 1;
            let number = tasks.given;
            tasks.unreferenced += usize::from(!is_referenced);
            let pending = Pending {
                completion,
                is_referenced,
            };
            tasks.completions.insert(number, pending);
            number
        };
        let done = Done {
            inbox: Arc::clone(&self.inbox),
            number,
        };
        let task: Task = Box::new(move || {
            // Posts when it is dropped, so that a panic does not keep the host alive.
            let _done = done;
            let value = work();
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        });
        if submit(task) {
            return Ok(());
        }
        let completion = self.tasks.borrow_mut().remove(number);
        drop(completion);
        Err(self.rt.type_error("cannot start a thread for the work"))
    }

    /// Completes a task that was run. A miss could not be queued.
    pub(super) fn complete_task(&self, number: u64) {
        let completion = self.tasks.borrow_mut().remove(number);
        let Some(completion) = completion.filter(|_| !self.is_closed()) else {
            return;
        };
        if let Err(thrown) = completion(self.rt) {
            self.uncaught(&thrown, Origin::AsyncWork);
        }
    }

    /// Whether tasks are queued or run that keep the host alive.
    pub(super) fn has_tasks(&self) -> bool {
        let tasks = self.tasks.borrow();
        tasks.completions.len() > tasks.unreferenced
    }
}

/// Posts that a task was run.
struct Done {
    inbox: Arc<super::Inbox>,
    number: u64,
}

impl Drop for Done {
    fn drop(&mut self) {
        self.inbox.post(Event::TaskDone(self.number));
    }
}
