//! Which ranges of the data file are free: a list of ranges in the order of their offsets, and lists of
//! the free ones by size, from which one that fits well is found in constant time.

use super::error::{Damaged, PoolError};
use super::table::{BIN_WORDS, BINS, Table, header, node, state};

/// How many ranges of the bin just below are looked at when no larger one is free.
const SEARCH_MAX: usize = 4096;

/// The bin in which a free range of this size is listed.
fn bin_of(units: u64) -> usize {
    if units < 8 {
        return usize::try_from(units).unwrap_or(0);
    }
    let exponent = u64::from(units.ilog2());
    let mantissa = (units >> (exponent - 3)) & 7;
    usize::try_from((exponent - 2) * 8 + mantissa).map_or(BINS - 1, |bin| bin.min(BINS - 1))
}

/// The first bin whose ranges all have this size at least.
fn bin_from(units: u64) -> usize {
    let bin = bin_of(units);
    let is_exact = units < 8 || units.trailing_zeros() >= units.ilog2() - 3;
    if is_exact { bin } else { bin + 1 }
}

/// Makes everything one free range.
pub(crate) fn begin(table: &Table, units: u64) -> Result<(), PoolError> {
    let all = take_node(table)?;
    describe(table, all, 0, units)?;
    Ok(list_free(table, all)?)
}

/// Writes the extent of a node that has no neighbours and no references.
fn describe(table: &Table, number: usize, offset: u64, units: u64) -> Result<(), Damaged> {
    table.set(table.node(number, node::OFFSET)?, offset)?;
    table.set(table.node(number, node::UNITS)?, units)?;
    for field in [node::BEFORE, node::BEHIND, node::RECORD, node::CLASS] {
        table.set(table.node(number, field)?, 0)?;
    }
    Ok(())
}

/// A node that describes nothing.
fn take_node(table: &Table) -> Result<usize, PoolError> {
    if let Some(number) = table.link(header::NODES_FREE)? {
        let next = table.get(table.node(number, node::NEXT)?)?;
        table.set(header::NODES_FREE, next)?;
        return Ok(number);
    }
    let touched = table.get(header::NODES_TOUCHED)?;
    let max = table.nodes_max();
    match usize::try_from(touched).ok().filter(|number| *number < max) {
        Some(number) => {
            table.set(header::NODES_TOUCHED, touched + 1)?;
            Ok(number)
        }
        None => Err(PoolError::TooMany {
            what: "ranges",
            max: max as u64,
        }),
    }
}

fn give_node(table: &Table, number: usize) -> Result<(), Damaged> {
    table.set(table.node(number, node::STATE)?, state::NONE)?;
    let head = table.get(header::NODES_FREE)?;
    table.set(table.node(number, node::NEXT)?, head)?;
    table.set_link(header::NODES_FREE, Some(number))
}

/// Lists a node as free.
fn list_free(table: &Table, number: usize) -> Result<(), Damaged> {
    table.set(table.node(number, node::STATE)?, state::FREE)?;
    let bin = bin_of(table.get(table.node(number, node::UNITS)?)?);
    push(table, table.bin(bin)?, number)?;
    let word = table.bin_word(bin / 64);
    table.set(word, table.get(word)? | 1 << (bin % 64))
}

fn unlist_free(table: &Table, number: usize) -> Result<(), Damaged> {
    let bin = bin_of(table.get(table.node(number, node::UNITS)?)?);
    let head = table.bin(bin)?;
    unlink(table, head, number)?;
    if table.get(head)? == 0 {
        let word = table.bin_word(bin / 64);
        table.set(word, table.get(word)? & !(1 << (bin % 64)))?;
    }
    Ok(())
}

/// Puts a node at the head of a list.
pub(crate) fn push(table: &Table, head: usize, number: usize) -> Result<(), Damaged> {
    let next = table.link(head)?;
    table.set(table.node(number, node::PREVIOUS)?, 0)?;
    table.set_link(table.node(number, node::NEXT)?, next)?;
    if let Some(next) = next {
        table.set_link(table.node(next, node::PREVIOUS)?, Some(number))?;
    }
    table.set_link(head, Some(number))
}

/// Takes a node out of a list.
fn unlink(table: &Table, head: usize, number: usize) -> Result<(), Damaged> {
    let previous = table.link(table.node(number, node::PREVIOUS)?)?;
    let next = table.link(table.node(number, node::NEXT)?)?;
    match previous {
        Some(previous) => table.set_link(table.node(previous, node::NEXT)?, next)?,
        None => table.set_link(head, next)?,
    }
    if let Some(next) = next {
        table.set_link(table.node(next, node::PREVIOUS)?, previous)?;
    }
    Ok(())
}

/// Takes the first node of a list.
pub(crate) fn pop(table: &Table, head: usize) -> Result<Option<usize>, Damaged> {
    let first = table.link(head)?;
    if let Some(first) = first {
        unlink(table, head, first)?;
    }
    Ok(first)
}

/// The first bin from this one on that is not empty.
fn next_bin(table: &Table, from: usize) -> Result<Option<usize>, Damaged> {
    for word in from / 64..BIN_WORDS {
        let mut bits = table.get(table.bin_word(word))?;
        if word == from / 64 {
            bits &= u64::MAX << (from % 64);
        }
        if bits != 0 {
            return Ok(Some(word * 64 + bits.trailing_zeros() as usize));
        }
    }
    Ok(None)
}

/// A free range of this size at least.
fn find(table: &Table, units: u64) -> Result<Option<usize>, Damaged> {
    if let Some(bin) = next_bin(table, bin_from(units))? {
        return table.link(table.bin(bin)?);
    }
    let mut at = table.link(table.bin(bin_of(units))?)?;
    for _ in 0..SEARCH_MAX {
        let Some(number) = at else { break };
        if table.get(table.node(number, node::UNITS)?)? >= units {
            return Ok(Some(number));
        }
        at = table.link(table.node(number, node::NEXT)?)?;
    }
    Ok(None)
}

/// Allocates a range. Its node still has the state of a free one: the caller sets another. None if no
/// free range is as large.
pub(crate) fn allocate(table: &Table, units: u64) -> Result<Option<usize>, PoolError> {
    let Some(number) = find(table, units)? else {
        return Ok(None);
    };
    let found = table.get(table.node(number, node::UNITS)?)?;
    if found > units {
        // Before anything is changed, since it can fail.
        let rest = take_node(table)?;
        unlist_free(table, number)?;
        let offset = table.get(table.node(number, node::OFFSET)?)?;
        describe(table, rest, offset.wrapping_add(units), found - units)?;
        let behind = table.link(table.node(number, node::BEHIND)?)?;
        table.set_link(table.node(rest, node::BEFORE)?, Some(number))?;
        table.set_link(table.node(rest, node::BEHIND)?, behind)?;
        if let Some(behind) = behind {
            table.set_link(table.node(behind, node::BEFORE)?, Some(rest))?;
        }
        table.set_link(table.node(number, node::BEHIND)?, Some(rest))?;
        table.set(table.node(number, node::UNITS)?, units)?;
        list_free(table, rest)?;
    } else {
        unlist_free(table, number)?;
    }
    Ok(Some(number))
}

/// Frees the range of a node, and joins it with free ranges beside it. Returns the whole free range, in
/// units.
pub(crate) fn free(table: &Table, number: usize) -> Result<(u64, u64), Damaged> {
    table.set(table.node(number, node::STATE)?, state::FREE)?;
    let is_free = |other: usize| -> Result<bool, Damaged> {
        Ok(table.get(table.node(other, node::STATE)?)? == state::FREE)
    };
    let mut first = number;
    if let Some(behind) = table.link(table.node(number, node::BEHIND)?)?
        && is_free(behind)?
    {
        unlist_free(table, behind)?;
        join(table, number, behind)?;
    }
    if let Some(before) = table.link(table.node(number, node::BEFORE)?)?
        && is_free(before)?
    {
        unlist_free(table, before)?;
        join(table, before, number)?;
        first = before;
    }
    for field in [node::RECORD, node::CLASS] {
        table.set(table.node(first, field)?, 0)?;
    }
    list_free(table, first)?;
    let offset = table.get(table.node(first, node::OFFSET)?)?;
    Ok((offset, table.get(table.node(first, node::UNITS)?)?))
}

/// Appends the range of `second`, which lies right behind `first`, to that of `first`.
fn join(table: &Table, first: usize, second: usize) -> Result<(), Damaged> {
    let more = table.get(table.node(second, node::UNITS)?)?;
    table.add(table.node(first, node::UNITS)?, more)?;
    let behind = table.link(table.node(second, node::BEHIND)?)?;
    table.set_link(table.node(first, node::BEHIND)?, behind)?;
    if let Some(behind) = behind {
        table.set_link(table.node(behind, node::BEFORE)?, Some(first))?;
    }
    give_node(table, second)
}

/// The size of the largest free range, in units.
pub(crate) fn largest(table: &Table) -> Result<u64, Damaged> {
    for bin in (0..BINS).rev() {
        let mut at = table.link(table.bin(bin)?)?;
        let mut largest = 0;
        for _ in 0..SEARCH_MAX {
            let Some(number) = at else { break };
            largest = largest.max(table.get(table.node(number, node::UNITS)?)?);
            at = table.link(table.node(number, node::NEXT)?)?;
        }
        if largest > 0 {
            return Ok(largest);
        }
    }
    Ok(0)
}

/// Calls `body` with offset and size of each free range, in units.
pub(crate) fn each_free(
    table: &Table,
    mut body: impl FnMut(u64, u64) -> Result<(), Damaged>,
) -> Result<(), Damaged> {
    let touched = table.get(header::NODES_TOUCHED)?;
    for number in 0..usize::try_from(touched).map_err(|_| Damaged)? {
        if table.get(table.node(number, node::STATE)?)? == state::FREE {
            let offset = table.get(table.node(number, node::OFFSET)?)?;
            body(offset, table.get(table.node(number, node::UNITS)?)?)?;
        }
    }
    Ok(())
}

/// Makes the list of ranges and the free lists anew, from the nodes that are used or idle.
///
/// # Errors
/// There is no memory for it, or the ranges overlap.
pub(crate) fn rebuild(table: &Table, units: u64) -> Result<(), PoolError> {
    for word in 0..BIN_WORDS {
        table.set(table.bin_word(word), 0)?;
    }
    for bin in 0..BINS {
        table.set(table.bin(bin)?, 0)?;
    }
    table.set(header::NODES_FREE, 0)?;
    let touched = usize::try_from(table.get(header::NODES_TOUCHED)?)
        .ok()
        .filter(|touched| *touched <= table.nodes_max())
        .ok_or(Damaged)?;
    let mut taken = Vec::new();
    for number in 0..touched {
        let found = table.get(table.node(number, node::STATE)?)?;
        if found == state::USED || found == state::IDLE {
            taken.try_reserve(1).map_err(|_| PoolError::Repair)?;
            let offset = table.get(table.node(number, node::OFFSET)?)?;
            taken.push((offset, number));
        } else {
            give_node(table, number)?;
        }
    }
    taken.sort_unstable();
    let mut end = 0;
    let mut before = None;
    let append = |number: usize, before: &mut Option<usize>| -> Result<(), Damaged> {
        table.set_link(table.node(number, node::BEFORE)?, *before)?;
        table.set(table.node(number, node::BEHIND)?, 0)?;
        if let Some(before) = *before {
            table.set_link(table.node(before, node::BEHIND)?, Some(number))?;
        }
        *before = Some(number);
        Ok(())
    };
    let gap = |from: u64, to: u64, before: &mut Option<usize>| -> Result<(), PoolError> {
        if from < to {
            let number = take_node(table)?;
            describe(table, number, from, to - from)?;
            append(number, before)?;
            list_free(table, number)?;
        }
        Ok(())
    };
    for (offset, number) in taken {
        let length = table.get(table.node(number, node::UNITS)?)?;
        let next = offset.checked_add(length).filter(|next| *next <= units);
        let (true, Some(next)) = (offset >= end && length > 0, next) else {
            return Err(PoolError::Corrupt);
        };
        gap(end, offset, &mut before)?;
        append(number, &mut before)?;
        end = next;
    }
    gap(end, units, &mut before)
}
