//! The Rust sample: a small addon on napi-rs, as an author of one would write it.
//!
//! It shows one of each: plain functions, objects, arrays, callbacks, a class, errors, optional
//! arguments, buffers, a task off the JS thread, iterators and promises. It knows nothing of the host that loads it.
#![expect(
    clippy::needless_pass_by_value,
    reason = "arguments arrive owned from JavaScript"
)]

pub mod abort;
pub mod iterate;
pub mod objects;
pub mod threads;

use napi::bindgen_prelude::{
    AsyncTask, Buffer, Env, Error, Function, Result, Status, Task, Unknown,
};
use napi_derive::napi;

/// Adds two numbers.
#[napi]
pub fn add(a: f64, b: f64) -> f64 {
    a + b
}

/// Greets someone by name.
#[napi]
pub fn greet(name: String) -> String {
    format!("Hello, {name}!")
}

/// Returns a constant.
#[napi]
pub fn get_magic_number() -> i32 {
    42
}

/// A person, as a plain object.
#[derive(Debug)]
#[napi(object)]
pub struct Person {
    /// Name in full.
    pub name: String,
    /// Age in years.
    pub age: u32,
}

/// Makes a person out of its parts.
#[napi]
pub fn create_person(name: String, age: u32) -> Person {
    Person { name, age }
}

/// Describes a person in a sentence.
#[napi]
pub fn describe_person(person: Person) -> String {
    let Person { name, age } = person;
    format!("{name} is {age} years old")
}

/// Calls `callback(value)` and returns what it returns.
#[napi]
pub fn call_with_value(value: f64, callback: Function<'_, f64, f64>) -> Result<f64> {
    callback.call(value)
}

/// Adds up `callback(number)` over a list.
#[napi]
pub fn map_and_sum(numbers: Vec<f64>, callback: Function<'_, f64, f64>) -> Result<f64> {
    let mut sum = 0.0;
    for number in numbers {
        sum += callback.call(number)?;
    }
    Ok(sum)
}

/// Doubles each number of a list.
#[napi]
pub fn double_array(numbers: Vec<f64>) -> Vec<f64> {
    numbers.into_iter().map(|number| number * 2.0).collect()
}

/// Returns the length of a list of anything.
#[napi]
pub fn array_length(items: Vec<Unknown<'_>>) -> Result<u32> {
    u32::try_from(items.len()).map_err(|_| Error::from_reason("The list is too long"))
}

/// A number that can be counted up and down.
#[derive(Debug)]
#[napi]
pub struct Counter {
    initial: f64,
    value: f64,
}

#[napi]
impl Counter {
    /// Starts at `initial`, or at zero.
    #[napi(constructor)]
    pub fn new(initial: Option<f64>) -> Self {
        let initial = initial.unwrap_or(0.0);
        Self {
            initial,
            value: initial,
        }
    }

    /// Counts up by one and returns the new value.
    #[napi]
    pub fn increment(&mut self) -> f64 {
        self.add(1.0)
    }

    /// Counts down by one and returns the new value.
    #[napi]
    pub fn decrement(&mut self) -> f64 {
        self.add(-1.0)
    }

    /// Counts up by `amount` and returns the new value.
    #[napi]
    pub fn add(&mut self, amount: f64) -> f64 {
        self.value += amount;
        self.value
    }

    /// Returns the value.
    #[napi(getter)]
    pub fn value(&self) -> f64 {
        self.value
    }

    /// Goes back to the number it was made with.
    #[napi]
    pub fn reset(&mut self) {
        self.value = self.initial;
    }
}

/// Divides, or throws where there is no quotient.
#[napi]
pub fn divide(dividend: f64, divisor: f64) -> Result<f64> {
    if divisor == 0.0 {
        return Err(Error::new(Status::InvalidArg, "Division by zero"));
    }
    Ok(dividend / divisor)
}

/// Doubles a number, where there is one.
#[napi]
pub fn maybe_double(number: Option<f64>) -> Option<f64> {
    number.map(|number| number * 2.0)
}

/// Greets someone, by name if there is one.
#[napi]
pub fn greet_optional(name: Option<String>) -> String {
    greet(name.unwrap_or_else(|| "stranger".to_owned()))
}

/// Returns the number of bytes of a buffer.
#[napi]
pub fn buffer_length(buffer: Buffer) -> Result<u32> {
    u32::try_from(buffer.len()).map_err(|_| Error::from_reason("The buffer is too long"))
}

/// Adds up the bytes of a buffer.
#[napi]
pub fn buffer_sum(buffer: Buffer) -> f64 {
    buffer.iter().map(|&byte| f64::from(byte)).sum()
}

/// Makes a buffer of the bytes 0, 1, 2 and so on, starting again after 255.
#[napi]
pub fn create_buffer(length: u32) -> Buffer {
    (0..=u8::MAX)
        .cycle()
        .zip(0..length)
        .map(|(byte, _)| byte)
        .collect::<Vec<u8>>()
        .into()
}

/// An addition that runs off the JS thread.
#[derive(Debug)]
pub struct Addition {
    a: f64,
    b: f64,
}

impl Task for Addition {
    type Output = f64;
    type JsValue = f64;

    fn compute(&mut self) -> Result<f64> {
        Ok(self.a + self.b)
    }

    fn resolve(&mut self, _env: Env, sum: f64) -> Result<f64> {
        Ok(sum)
    }
}

/// Adds two numbers off the JS thread; returns a promise of the sum.
#[napi(ts_return_type = "Promise<number>")]
pub fn async_add(a: f64, b: f64) -> AsyncTask<Addition> {
    AsyncTask::new(Addition { a, b })
}

/// Panics where napi-rs turns that into an error for JavaScript.
#[napi(catch_unwind)]
pub fn panic_caught() {
    give_up("caught on its way out")
}

/// Panics where nothing catches it: a panic cannot pass a function that C calls.
#[napi]
pub fn panic_uncaught() {
    give_up("nobody catches this")
}

#[inline(never)]
#[expect(clippy::panic, reason = "that is what it is for")]
fn give_up(why: &str) -> ! {
    panic!("{why}")
}
