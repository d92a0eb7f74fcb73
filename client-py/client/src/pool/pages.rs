//! Which pages of the data file take up memory, as far as the processes of a pool know.

use super::error::Damaged;
use super::table::{Table, header};

/// The words of the bitmap for these pages, each with its mask.
fn words(start: usize, count: usize) -> impl Iterator<Item = (usize, u64)> {
    let end = start + count;
    (start / 64..end.div_ceil(64)).map(move |at| {
        let from = start.saturating_sub(at * 64);
        let to = (end - at * 64).min(64);
        (at, (u64::MAX << from) & (u64::MAX >> (64 - to)))
    })
}

/// How many of these pages are resident.
pub(crate) fn count(table: &Table, start: usize, count: usize) -> Result<usize, Damaged> {
    let mut sum = 0;
    for (at, mask) in words(start, count) {
        sum += (table.get(table.resident(at)?)? & mask).count_ones() as usize;
    }
    Ok(sum)
}

/// Notes that these pages are resident, or are no more.
pub(crate) fn set(table: &Table, start: usize, count: usize, value: bool) -> Result<(), Damaged> {
    for (at, mask) in words(start, count) {
        let word = table.resident(at)?;
        let before = table.get(word)?;
        let after = if value { before | mask } else { before & !mask };
        if before != after {
            let changed = u64::from((before ^ after).count_ones());
            if value {
                table.add(header::RESIDENT, changed)?;
            } else {
                table.subtract(header::RESIDENT, changed)?;
            }
            table.set(word, after)?;
        }
    }
    Ok(())
}

/// Counts the resident pages anew.
pub(crate) fn rebuild(table: &Table) -> Result<(), Damaged> {
    let resident = count(table, 0, table.pages())?;
    table.set(header::RESIDENT, resident as u64)
}
