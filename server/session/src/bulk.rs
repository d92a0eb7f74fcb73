//! Many calls in one message.

use std::time::{Duration, Instant};

use hostd_engine::{Key, Value};
use hostd_protocol::bulk::{ROWS_MAX, RowOperation};
use hostd_protocol::calls;
use hostd_protocol::error::{ProtocolError, RemoteError};

use super::Session;
use super::answer::{BulkAnswer, Refusal};
use super::level::Level;
use crate::marshal::Asked;

/// How long rows are begun: the client gets what there is then, and asks for the rest.
const TIME_MAX: Duration = Duration::from_millis(2);

/// After how many rows the time and the client's cancellation are looked at.
const LOOK_INTERVAL: usize = 8;

/// Rows are begun until their results have this many code units of text. Other large results are made anew,
/// which takes time, or are not copied.
const TEXT_MAX: usize = 1 << 20;

type Operation = RowOperation<Value, Value, Key>;

/// What came of a row.
enum Outcome {
    Result(Value),
    /// There is no such property.
    Absent,
    Thrown(Value),
}

impl Session {
    /// Does the same with each row. Rows are left for the client to ask for again when they took long, or have
    /// large results.
    pub(super) fn bulk(
        &self,
        level: &Level,
        (operation, stops, (count, width, values)): Asked<calls::Bulk>,
    ) -> Result<BulkAnswer, Refusal> {
        let (rows, width) = (count as usize, width as usize);
        if count == 0 || count > ROWS_MAX || rows.checked_mul(width) != Some(values.len()) {
            return Err(ProtocolError::violation("rows that do not fit their number").into());
        }
        let row = |place: usize| &values[place * width..][..width];
        let answer = self.serve_rows(&operation, stops, rows, row);
        // They are dropped once the reply is sent, as those of a call.
        level.objects.borrow_mut().arguments = values;
        answer
    }

    fn serve_rows<'a>(
        &self,
        operation: &Operation,
        stops: bool,
        rows: usize,
        values_of: impl Fn(usize) -> &'a [Value],
    ) -> Result<BulkAnswer, Refusal> {
        let rt = self.rt;
        let started = Instant::now();
        let (mut results, mut failures) = (Vec::new(), Vec::new());
        rt.reserve(&mut results, rows)?;
        let mut text = 0;
        for (row, place) in (0..rows).zip(0..) {
            let is_due = row > 0 && row % LOOK_INTERVAL == 0;
            if is_due && (started.elapsed() >= TIME_MAX || self.is_cancelled()) || text > TEXT_MAX {
                break;
            }
            let outcome = self.serve_row(operation, values_of(row))?;
            if let Outcome::Result(value) = outcome {
                text += value.text_length();
                results.push(value);
                continue;
            }
            let (is_thrown, reason) = match outcome {
                Outcome::Thrown(reason) => (true, reason),
                _ => (false, Value::UNDEFINED),
            };
            rt.push(&mut failures, (place, is_thrown, reason))?;
            if stops {
                break;
            }
            results.push(Value::UNDEFINED);
        }
        if self.is_cancelled() {
            return Err(RemoteError::Cancelled.into());
        }
        Ok(Box::new((rt.array_from(results)?, failures)))
    }

    /// Does it with one row. An error ends the whole request.
    fn serve_row(&self, operation: &Operation, values: &[Value]) -> Result<Outcome, Refusal> {
        let rt = self.rt;
        let done = match operation {
            RowOperation::Call(function, this) => {
                let this = this.clone().unwrap_or_default();
                self.result(rt.call(function, &this, values))
            }
            RowOperation::CallMethod(object, key) => self.invoke(object, key, values),
            RowOperation::Construct(class, defers) => self.new_object(class, *defers, values),
            RowOperation::Get(key) => {
                let object = values.first().cloned().unwrap_or_default();
                match self.get((object, key.clone())) {
                    Ok((false, _)) => return Ok(Outcome::Absent),
                    Ok((true, value)) => Ok(value),
                    Err(refusal) => Err(refusal),
                }
            }
        };
        match done {
            Ok(value) => Ok(Outcome::Result(value)),
            Err(Refusal::Thrown(thrown)) if !thrown.is_uncatchable() && !self.is_cancelled() => {
                Ok(Outcome::Thrown(thrown.0))
            }
            Err(refusal) => Err(refusal),
        }
    }
}
