//! Classes, errors and values as napi-rs has them.

use std::collections::BTreeMap;

use napi::bindgen_prelude::{
    BigInt, Buffer, ClassInstance, Either, Env, Error, External, Float64Array, Function,
    FunctionRef, JsObjectValue, Null, Object, Reference, Result, Status, Symbol, This, Uint8Array,
    Undefined, Unknown,
};
use napi_derive::napi;

/// A square with a name.
#[derive(Debug)]
#[napi]
pub struct Shape {
    side: f64,
    /// Any text.
    pub name: String,
    /// What it was made with.
    #[napi(writable = false)]
    pub first: f64,
}

#[napi]
impl Shape {
    /// Takes a side that is not negative.
    #[napi(constructor)]
    pub fn new(side: f64, name: Option<String>) -> Result<Self> {
        if side < 0.0 {
            return Err(Error::new(Status::InvalidArg, "A side is not negative"));
        }
        Ok(Self {
            side,
            name: name.unwrap_or_else(|| "shape".to_owned()),
            first: side,
        })
    }

    /// Makes one without a constructor call.
    #[napi(factory)]
    pub fn unit() -> Self {
        Self {
            side: 1.0,
            name: "unit".to_owned(),
            first: 1.0,
        }
    }

    /// A static function.
    #[napi]
    pub fn corners() -> u32 {
        4
    }

    /// The square of the side.
    #[napi]
    pub fn area(&self) -> f64 {
        self.side * self.side
    }

    /// The side.
    #[napi(getter)]
    pub fn side(&self) -> f64 {
        self.side
    }

    /// Changes the side.
    #[napi(setter)]
    pub fn set_side(&mut self, side: f64) -> Result<()> {
        if side < 0.0 {
            return Err(Error::from_reason("A side is not negative"));
        }
        self.side = side;
        Ok(())
    }

    /// Whether another one is as large.
    #[napi]
    pub fn equals(&self, other: &Shape) -> bool {
        self.side.to_bits() == other.side.to_bits()
    }

    /// Returns itself, to be called again.
    #[napi]
    pub fn grow<'a>(&'a mut self, by: f64, this: This<'a>) -> This<'a> {
        self.side += by;
        this
    }
}

/// A shape that another one holds.
#[expect(
    missing_debug_implementations,
    reason = "references of napi-rs have none"
)]
#[napi]
pub struct Frame {
    shape: Reference<Shape>,
}

#[napi]
impl Frame {
    /// Holds the very object.
    #[napi(constructor)]
    pub fn new(shape: Reference<Shape>) -> Self {
        Self { shape }
    }

    /// The object that it holds.
    #[napi(getter)]
    pub fn shape(&self, env: Env) -> Result<Reference<Shape>> {
        self.shape.clone(env)
    }
}

/// Kinds by number.
#[derive(Debug)]
#[napi]
pub enum Kind {
    /// The first.
    One = 1,
    /// The third.
    Three = 3,
}

/// Kinds by name.
#[derive(Debug)]
#[napi(string_enum)]
pub enum Colour {
    /// Warm.
    Red,
    /// Cold.
    Blue,
}

/// The other colour.
#[napi]
pub fn other_colour(colour: Colour) -> Colour {
    match colour {
        Colour::Red => Colour::Blue,
        Colour::Blue => Colour::Red,
    }
}

/// The name of a shape that an argument is.
#[napi]
pub fn name_of(shape: ClassInstance<'_, Shape>) -> String {
    shape.name.clone()
}

/// Fails with a status.
#[napi]
pub fn fail_with(status: i32, text: String) -> Result<()> {
    Err(Error::new(Status::from(status), text))
}

/// Throws an error of a class.
#[napi]
pub fn throw_class(env: Env, class: String, text: String, code: Option<String>) -> Result<()> {
    match class.as_str() {
        "TypeError" => env.throw_type_error(&text, code.as_deref()),
        "RangeError" => env.throw_range_error(&text, code.as_deref()),
        _ => env.throw_error(&text, code.as_deref()),
    }
}

/// Calls a function; what it throws comes back.
#[napi]
pub fn rethrow(callback: Function<'_, (), Unknown<'static>>) -> Result<()> {
    callback.call(())?;
    Ok(())
}

/// What Rust sees of what a function throws.
#[napi]
pub fn reason_of(callback: Function<'_, (), Unknown<'static>>) -> Either<String, Null> {
    match callback.call(()) {
        Ok(_) => Either::B(Null),
        Err(error) => Either::A(format!("{} {}", error.status, error.reason)),
    }
}

/// A number behind an opaque value.
#[napi]
pub fn make_external(number: f64) -> External<f64> {
    External::new(number)
}

/// The number behind an opaque value.
#[napi]
pub fn read_external(external: &External<f64>) -> f64 {
    **external
}

/// A text or a number, told apart.
#[napi]
pub fn either(value: Either<String, f64>) -> String {
    match value {
        Either::A(text) => format!("text {text}"),
        Either::B(number) => format!("number {number}"),
    }
}

/// Nothing, in two ways.
#[napi]
pub fn nothing(null: bool) -> Either<Null, Undefined> {
    if null { Either::A(Null) } else { Either::B(()) }
}

/// The same number, by its words.
#[napi]
pub fn same_bigint(number: BigInt) -> BigInt {
    number
}

/// Whether a number fits, and what is left of it.
#[napi]
pub fn low_bits(number: BigInt) -> (BigInt, bool) {
    let (_, low, lossless) = number.get_u64();
    (BigInt::from(low), lossless)
}

/// A symbol with a description.
#[napi]
pub fn make_symbol(description: String) -> Symbol {
    Symbol::new(&description)
}

/// Adds up what is under each name.
#[napi]
pub fn sum_of_map(map: BTreeMap<String, f64>) -> f64 {
    map.into_values().sum()
}

/// Names and values of an object, changed on the way.
#[napi]
pub fn change(mut object: Object<'_>) -> Result<Vec<String>> {
    object.set("added", 1)?;
    object.set_named_property("named", vec![1, 2])?;
    let mut found = Object::keys(&object)?;
    found.push(format!("has {}", object.has_named_property("key")?));
    found.push(format!("deleted {}", object.delete_named_property("key")?));
    Ok(found)
}

/// Bytes and numbers as lists of their own.
#[napi]
pub fn reversed(bytes: Uint8Array) -> Uint8Array {
    bytes.iter().rev().copied().collect::<Vec<u8>>().into()
}

/// Scales numbers.
#[napi]
pub fn scaled(numbers: Float64Array, factor: f64) -> Float64Array {
    numbers
        .iter()
        .map(|number| number * factor)
        .collect::<Vec<f64>>()
        .into()
}

/// Adds one to each byte, in place.
#[napi]
pub fn raise(mut buffer: Buffer) -> Buffer {
    for byte in &mut *buffer {
        *byte = byte.wrapping_add(1);
    }
    buffer
}

/// Calls with a receiver.
#[napi]
pub fn apply_to(receiver: Object<'_>, callback: Function<'_, f64, f64>) -> Result<f64> {
    callback.apply(receiver, 5.0)
}

/// Makes a new object with a class of JavaScript's.
#[napi]
pub fn construct<'a>(class: Function<'a, f64, Unknown<'a>>, value: f64) -> Result<Unknown<'a>> {
    class.new_instance(value)
}

/// A function that is kept, to be called again.
#[expect(
    missing_debug_implementations,
    reason = "references of napi-rs have none"
)]
#[napi]
pub struct StoredFunction {
    callback: FunctionRef<f64, f64>,
}

#[napi]
impl StoredFunction {
    /// Keeps a function.
    #[napi(constructor)]
    pub fn new(callback: Function<'_, f64, f64>) -> Result<Self> {
        Ok(Self {
            callback: callback.create_ref()?,
        })
    }

    /// Calls it.
    #[napi]
    pub fn call(&self, env: Env, value: f64) -> Result<f64> {
        self.callback.borrow_back(&env)?.call(value)
    }
}

/// The type of a value, in the words of napi-rs.
#[napi]
pub fn type_of(value: Unknown<'_>) -> Result<String> {
    Ok(format!("{:?}", value.get_type()?))
}
