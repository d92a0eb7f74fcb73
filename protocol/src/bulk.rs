//! Many calls in one message: what is called with each row, the rows, and what came of them.

use crate::parts::{
    AnyValue, Arguments, Part, PartReader, PartResult, PartWriter, PropertyKey, Put, Side, Target,
};

/// The most rows of one message.
pub const ROWS_MAX: u32 = 1 << 16;

/// What is done with each row.
///
/// u8: 0 and a function with an optional `this`, 1 and an object with the key of a method, 2 and a class with
/// whether microtasks and ticks wait for the next turn, or 3 and the key of a property that is read from the row.
#[derive(Debug)]
pub enum RowOperation<T = Target, V = AnyValue, K = PropertyKey> {
    /// Calls a function.
    Call(T, Option<V>),
    /// Calls a method of an object.
    CallMethod(T, K),
    /// Constructs.
    Construct(T, bool),
    /// Reads a property of the row, which is an object.
    Get(K),
}

/// The number of rows, the number of values of each, and the values of all.
pub type Rows = (u32, u32, Arguments);

/// A row without a result: its place, whether something was thrown, and what; otherwise there is no such
/// property.
pub type RowFailure = (u32, bool, AnyValue);

impl<T: Part, V: Part, K: Part> Part for RowOperation<T, V, K> {
    type Read<S: Side> = RowOperation<T::Read<S>, V::Read<S>, K::Read<S>>;

    fn read<D: PartReader>(body: &mut D) -> PartResult<D, Self::Read<D::Side>> {
        let operation = body.field(|body| match body.take_u8()? {
            operation @ 0..=3 => Ok(operation),
            _ => crate::error::violation("an unknown operation with rows"),
        })?;
        Ok(match operation {
            0 => RowOperation::Call(T::read(body)?, Option::<V>::read(body)?),
            1 => RowOperation::CallMethod(T::read(body)?, K::read(body)?),
            2 => RowOperation::Construct(T::read(body)?, bool::read(body)?),
            _ => RowOperation::Get(K::read(body)?),
        })
    }
}

impl<T, V, K, TT, TV, TK, E> Put<RowOperation<T, V, K>, E> for RowOperation<TT, TV, TK>
where
    TT: Put<T, E>,
    TV: Put<V, E>,
    TK: Put<K, E>,
    E: PartWriter,
{
    fn put(&self, body: &mut E) -> Result<(), E::Error> {
        match self {
            Self::Call(function, this) => {
                0_u8.put(body)?;
                function.put(body)?;
                this.put(body)
            }
            Self::CallMethod(object, key) => {
                1_u8.put(body)?;
                object.put(body)?;
                key.put(body)
            }
            Self::Construct(class, defers) => {
                2_u8.put(body)?;
                class.put(body)?;
                defers.put(body)
            }
            Self::Get(key) => {
                3_u8.put(body)?;
                key.put(body)
            }
        }
    }
}
