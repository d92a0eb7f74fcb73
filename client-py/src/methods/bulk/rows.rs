//! The rows of a message, as they are written.

use std::cell::Cell;

use hostd_protocol::bulk::{ROWS_MAX, Rows};
use hostd_protocol::parts::Put;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};

use crate::convert::{Argument, Encoder};
use crate::errors;

/// Rows are written until they take this many bytes.
const BYTES_MAX: usize = 1 << 20;

/// Rows of one length, as they are written.
pub(super) struct WrittenRows<'a, 'py> {
    pub(super) rows: &'a Bound<'py, PyTuple>,
    /// The number of items of each, if these are the arguments.
    width: Option<usize>,
    /// How many are to be written.
    pub(super) most: usize,
    /// How many were written.
    pub(super) count: Cell<usize>,
    /// The row that could not be written.
    pub(super) refused: Cell<Option<usize>>,
}

impl<'a, 'py> WrittenRows<'a, 'py> {
    /// The first rows: as many as have the same length if they are spread.
    pub(super) fn new(rows: &'a Bound<'py, PyTuple>, spreads: bool) -> PyResult<Self> {
        let mut most = rows.len().min(ROWS_MAX as usize);
        let mut width = None;
        if spreads {
            for (place, row) in rows.iter_borrowed().take(most).enumerate() {
                let length = row.cast::<PyTuple>()?.len();
                if *width.get_or_insert(length) != length {
                    most = place;
                    break;
                }
            }
        }
        Ok(Self {
            rows,
            width,
            most,
            count: Cell::new(0),
            refused: Cell::new(None),
        })
    }

    /// Writes an argument; returns how much it takes beside the message.
    fn write(
        body: &mut Encoder<'_, 'py>,
        (number, item): (usize, &Bound<'py, PyAny>),
    ) -> PyResult<usize> {
        Argument(item, number).put(body)?;
        // What is large and inside of a container is not known; its rows take time, and so are few.
        Ok(if let Ok(text) = item.cast_exact::<PyString>() {
            text.len()?
        } else if let Ok(bytes) = item.cast_exact::<PyBytes>() {
            bytes.as_bytes().len()
        } else {
            0
        })
    }
}

impl<'py> Put<Rows, Encoder<'_, 'py>> for WrittenRows<'_, 'py> {
    fn put(&self, body: &mut Encoder<'_, 'py>) -> PyResult<()> {
        let width = self.width.unwrap_or(1);
        let number = |rows: usize| u32::try_from(rows.saturating_mul(width));
        let start = body.out.position();
        (u32::try_from(self.most)?, u32::try_from(width)?).put(body)?;
        let values_at = body.out.position();
        number(self.most)?.put(body)?;
        let mut beside = 0;
        for (place, row) in self.rows.iter_borrowed().take(self.most).enumerate() {
            let written = match self.width {
                Some(_) => {
                    let row = row.cast::<PyTuple>()?;
                    let items = row.iter_borrowed().enumerate();
                    items
                        .map(|(place, item)| Self::write(body, (place + 1, &item)))
                        .sum()
                }
                None => Self::write(body, (1, &row)),
            };
            beside += written.inspect_err(|error| {
                if !errors::ends_calls(row.py(), error) {
                    self.refused.set(Some(place));
                }
            })?;
            self.count.set(place + 1);
            if body.out.position() - start + beside > BYTES_MAX {
                break;
            }
        }
        if self.count.get() < self.most {
            body.out.patch_u32(start, u32::try_from(self.count.get())?);
            body.out.patch_u32(values_at, number(self.count.get())?);
        }
        Ok(())
    }
}
