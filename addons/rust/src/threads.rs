//! Tasks, promises and threadsafe functions as napi-rs has them.

use std::thread;

use napi::bindgen_prelude::{
    AbortSignal, AsyncTask, Env, Error, Function, Object, Result, Status, Task,
};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;

fn spawn(body: impl FnOnce() + Send + 'static) -> Result<()> {
    let thread = thread::Builder::new().name("sample".to_owned()).spawn(body);
    thread
        .map(drop)
        .map_err(|error| Error::from_reason(error.to_string()))
}

/// A division that runs off the JS thread.
#[derive(Debug)]
pub struct Division {
    a: f64,
    b: f64,
}

impl Task for Division {
    type Output = f64;
    type JsValue = String;

    fn compute(&mut self) -> Result<f64> {
        if self.b == 0.0 {
            return Err(Error::new(Status::InvalidArg, "Division by zero"));
        }
        Ok(self.a / self.b)
    }

    fn resolve(&mut self, _env: Env, quotient: f64) -> Result<String> {
        if quotient.is_nan() {
            return Err(Error::from_reason("No number came of it"));
        }
        Ok(format!("quotient {quotient}"))
    }
}

/// Divides off the JS thread.
#[napi(ts_return_type = "Promise<string>")]
pub fn async_divide(a: f64, b: f64, signal: Option<AbortSignal>) -> AsyncTask<Division> {
    AsyncTask::with_optional_signal(Division { a, b }, signal)
}

/// Calls `callback(null, number)` for each number below `count`, from a thread.
#[napi]
pub fn count_on_thread(callback: ThreadsafeFunction<u32>, count: u32) -> Result<()> {
    spawn(move || {
        for number in 0..count {
            callback.call(Ok(number), ThreadsafeFunctionCallMode::Blocking);
        }
    })
}

/// Calls `callback(error)` from a thread.
#[napi]
pub fn fail_on_thread(callback: ThreadsafeFunction<u32>) -> Result<()> {
    spawn(move || {
        let error = Error::new(Status::GenericFailure, "From a thread");
        callback.call(Err(error), ThreadsafeFunctionCallMode::NonBlocking);
    })
}

/// Asks a function from a thread; what it answered goes to another one.
#[napi]
pub fn ask_on_thread(
    question: ThreadsafeFunction<u32, u32, u32, Status, false>,
    answer: ThreadsafeFunction<u32, (), u32, Status, false>,
) -> Result<()> {
    spawn(move || {
        question.call_with_return_value(
            20,
            ThreadsafeFunctionCallMode::NonBlocking,
            move |value, _| {
                answer.call(value?, ThreadsafeFunctionCallMode::NonBlocking);
                Ok(())
            },
        );
    })
}

/// A promise that a thread settles.
#[napi(ts_return_type = "Promise<number>")]
pub fn settle_on_thread(env: &Env, number: f64) -> Result<Object<'_>> {
    let (deferred, promise) = env.create_deferred()?;
    spawn(move || {
        if number < 0.0 {
            deferred.reject(Error::new(Status::InvalidArg, "Below zero"));
        } else {
            deferred.resolve(move |_| Ok(number));
        }
    })?;
    Ok(promise)
}

/// Calls back within the call, several times.
#[napi]
pub fn call_thrice(callback: Function<'_, u32, u32>) -> Result<Vec<u32>> {
    (0..3).map(|number| callback.call(number)).collect()
}
