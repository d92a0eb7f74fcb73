//! Iterators: napi-rs's own generators, and those of JavaScript that this addon reads.

use std::future::Future;

use napi::bindgen_prelude::{
    AsyncGenerator, Env, Error, Function, Generator, JsObjectValue as _, Object, Promise,
    PromiseRaw, Result, Unknown,
};
use napi_derive::napi;

/// Counts down to zero. What `next` is given is counted down from then on.
#[derive(Debug)]
#[napi(iterator)]
pub struct Countdown {
    left: f64,
}

#[napi]
impl Countdown {
    /// Starts at a number.
    #[napi(constructor)]
    pub fn new(from: f64) -> Self {
        Self { left: from }
    }
}

impl Generator for Countdown {
    type Yield = f64;
    type Next = f64;
    type Return = f64;

    fn next(&mut self, value: Option<f64>) -> Option<f64> {
        self.left = value.unwrap_or(self.left) - 1.0;
        (self.left >= 0.0).then_some(self.left)
    }

    fn complete(&mut self, value: Option<f64>) -> Option<f64> {
        self.left = 0.0;
        value
    }

    fn catch<'env>(
        &'env mut self,
        _: Env,
        value: Unknown<'env>,
    ) -> std::result::Result<Option<f64>, Unknown<'env>> {
        self.left = 0.0;
        Err(value)
    }
}

/// Counts down to zero, off the JS thread.
#[derive(Debug)]
#[napi(async_iterator)]
pub struct AsyncCountdown {
    left: f64,
}

#[napi]
impl AsyncCountdown {
    /// Starts at a number.
    #[napi(constructor)]
    pub fn new(from: f64) -> Self {
        Self { left: from }
    }

    /// Returns what is left.
    #[napi(getter)]
    pub fn left(&self) -> f64 {
        self.left
    }
}

#[napi]
impl AsyncGenerator for AsyncCountdown {
    type Yield = f64;
    type Next = f64;
    type Return = f64;

    fn next(
        &mut self,
        value: Option<f64>,
    ) -> impl Future<Output = Result<Option<f64>>> + Send + 'static {
        self.left = value.unwrap_or(self.left) - 1.0;
        let left = self.left;
        async move {
            if left < -1.0 {
                return Err(Error::from_reason("The countdown is over"));
            }
            Ok((left >= 0.0).then_some(left))
        }
    }

    fn complete(
        &mut self,
        value: Option<f64>,
    ) -> impl Future<Output = Result<Option<f64>>> + Send + 'static {
        self.left = 0.0;
        async move { Ok(value) }
    }
}

/// Adds up what any iterator gives.
#[napi]
pub fn sum_of_iterator(iterator: Object<'_>) -> Result<f64> {
    let next: Function<'_, (), Object<'_>> = iterator.get_named_property("next")?;
    let mut sum = 0.0;
    loop {
        let step = next.apply(iterator, ())?;
        if step.get_named_property::<bool>("done")? {
            return Ok(sum);
        }
        sum += step.get_named_property::<f64>("value")?;
    }
}

/// Takes one step of an asynchronous iterator.
#[napi]
pub fn next_of_async_iterator(iterator: Object<'_>) -> Result<Object<'_>> {
    let next: Function<'_, (), Object<'_>> = iterator.get_named_property("next")?;
    next.apply(iterator, ())
}

/// Adds two numbers of which one is yet to come.
#[napi]
pub async fn add_to_promise(a: Promise<f64>, b: f64) -> Result<f64> {
    Ok(a.await? + b)
}

/// Adds up promises, one after the other.
#[napi]
pub async fn sum_of_promises(numbers: Vec<Promise<f64>>) -> Result<f64> {
    let mut sum = 0.0;
    for number in numbers {
        sum += number.await?;
    }
    Ok(sum)
}

/// Calls a function that returns a promise, and awaits that off the JS thread.
#[napi]
pub fn call_and_await<'env>(
    env: &'env Env,
    callback: Function<'env, f64, Promise<f64>>,
    number: f64,
) -> Result<PromiseRaw<'env, f64>> {
    let promise = callback.call(number)?;
    env.spawn_future(async move { Ok(promise.await? + 1.0) })
}
