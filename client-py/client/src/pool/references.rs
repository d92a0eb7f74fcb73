//! Who refers to which buffer: a record for each process and buffer, with the guards that the process
//! holds on it.

use super::error::{Damaged, PoolError};
use super::ranges;
use super::table::{CLASSES, PROCESSES, Table, class, header, node, record, state};

/// The records of a node.
struct Records<'a> {
    table: &'a Table,
    next: Option<usize>,
    /// More than there can be: the links form a circle.
    left: usize,
}

impl Records<'_> {
    fn of(table: &Table, number: usize) -> Result<Records<'_>, Damaged> {
        Ok(Records {
            table,
            next: table.link(table.node(number, node::RECORD)?)?,
            left: table.records_max(),
        })
    }

    fn next(&mut self) -> Result<Option<usize>, Damaged> {
        let Some(at) = self.next else {
            return Ok(None);
        };
        self.left = self.left.checked_sub(1).ok_or(Damaged)?;
        self.next = self.table.link(self.table.record(at, record::NEXT)?)?;
        Ok(Some(at))
    }
}

/// Whether a node is a buffer that had this generation when it was allocated.
pub(crate) fn is_current(table: &Table, number: usize, generation: u64) -> Result<bool, Damaged> {
    Ok(table.get(table.node(number, node::STATE)?)? == state::USED
        && table.get(table.node(number, node::GENERATION)?)? == generation)
}

/// The record of a process.
pub(crate) fn find(table: &Table, number: usize, process: usize) -> Result<Option<usize>, Damaged> {
    let mut records = Records::of(table, number)?;
    while let Some(at) = records.next()? {
        if table.get(table.record(at, record::PROCESS)?)? == process as u64 {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

/// Counts `count` more references of a process.
pub(crate) fn add(
    table: &Table,
    number: usize,
    process: usize,
    count: u64,
) -> Result<(), PoolError> {
    if let Some(known) = find(table, number, process)? {
        return Ok(table.add(table.record(known, record::COUNT)?, count)?);
    }
    let free = table.link(header::RECORDS_FREE)?;
    let touched = table.get(header::RECORDS_TOUCHED)?;
    let fresh = usize::try_from(touched)
        .ok()
        .filter(|fresh| *fresh < table.records_max());
    let at = match (free, fresh) {
        (Some(free), _) => {
            let next = table.get(table.record(free, record::NEXT)?)?;
            table.set(header::RECORDS_FREE, next)?;
            free
        }
        (None, Some(fresh)) => {
            table.set(header::RECORDS_TOUCHED, touched + 1)?;
            fresh
        }
        (None, None) => {
            return Err(PoolError::TooMany {
                what: "references",
                max: table.records_max() as u64,
            });
        }
    };
    table.set(table.record(at, record::NODE)?, number as u64)?;
    table.set(table.record(at, record::PROCESS)?, process as u64)?;
    table.set(table.record(at, record::COUNT)?, count)?;
    table.set(table.record(at, record::GUARDS)?, 0)?;
    let first = table.get(table.node(number, node::RECORD)?)?;
    table.set(table.record(at, record::NEXT)?, first)?;
    table.set(table.record(at, record::STATE)?, 1)?;
    Ok(table.set_link(table.node(number, node::RECORD)?, Some(at))?)
}

/// Takes a record out of the list of its node, and frees it.
fn remove(table: &Table, number: usize, which: usize) -> Result<(), Damaged> {
    table.set(table.record(which, record::STATE)?, 0)?;
    let next = table.link(table.record(which, record::NEXT)?)?;
    let mut from = table.node(number, node::RECORD)?;
    let mut records = Records::of(table, number)?;
    while let Some(at) = records.next()? {
        if at == which {
            table.set_link(from, next)?;
            break;
        }
        from = table.record(at, record::NEXT)?;
    }
    let head = table.get(header::RECORDS_FREE)?;
    table.set(table.record(which, record::NEXT)?, head)?;
    table.set_link(header::RECORDS_FREE, Some(which))
}

/// Drops one reference of a process. Returns whether it was the last one of all.
pub(crate) fn drop_one(table: &Table, number: usize, process: usize) -> Result<bool, Damaged> {
    let Some(at) = find(table, number, process)? else {
        return Ok(false);
    };
    let word = table.record(at, record::COUNT)?;
    match table.get(word)? {
        0 | 1 => {
            remove(table, number, at)?;
            Ok(table.get(table.node(number, node::RECORD)?)? == 0)
        }
        more => {
            table.set(word, more - 1)?;
            Ok(false)
        }
    }
}

/// How many references there are, over all processes.
pub(crate) fn count(table: &Table, number: usize) -> Result<u64, Damaged> {
    let mut sum = 0_u64;
    let mut records = Records::of(table, number)?;
    while let Some(at) = records.next()? {
        sum = sum.saturating_add(table.get(table.record(at, record::COUNT)?)?);
    }
    Ok(sum)
}

/// Calls `body` with the record and the node of each record of a process.
fn each_of(
    table: &Table,
    process: usize,
    mut body: impl FnMut(usize, usize) -> Result<(), PoolError>,
) -> Result<(), PoolError> {
    let touched = table.get(header::RECORDS_TOUCHED)?;
    for at in 0..usize::try_from(touched).map_err(|_| Damaged)? {
        if table.get(table.record(at, record::STATE)?)? == 1
            && table.get(table.record(at, record::PROCESS)?)? == process as u64
        {
            let number = table.get(table.record(at, record::NODE)?)?;
            body(at, usize::try_from(number).map_err(|_| Damaged)?)?;
        }
    }
    Ok(())
}

/// Gives `to` as many references as `from` has, without its guards.
pub(crate) fn copy(table: &Table, from: usize, to: usize) -> Result<(), PoolError> {
    each_of(table, from, |at, number| {
        let count = table.get(table.record(at, record::COUNT)?)?;
        add(table, number, to, count)
    })
}

/// Drops all references of a process, and passes the nodes without any other to `last`.
pub(crate) fn drop_all(
    table: &Table,
    process: usize,
    mut last: impl FnMut(usize) -> Result<(), Damaged>,
) -> Result<(), PoolError> {
    each_of(table, process, |at, number| {
        remove(table, number, at)?;
        if table.get(table.node(number, node::RECORD)?)? == 0 {
            last(number)?;
        }
        Ok(())
    })
}

/// The process whose guard on a node excludes another one, and whether that guard writes.
pub(crate) fn conflict(
    table: &Table,
    number: usize,
    is_writer: bool,
) -> Result<Option<(usize, bool)>, Damaged> {
    let mut records = Records::of(table, number)?;
    while let Some(at) = records.next()? {
        let guards = table.get(table.record(at, record::GUARDS)?)?;
        let writes = guards & record::WRITER != 0;
        if writes || (is_writer && guards != 0) {
            let process = table.get(table.record(at, record::PROCESS)?)?;
            return Ok(Some((
                usize::try_from(process).map_err(|_| Damaged)?,
                writes,
            )));
        }
    }
    Ok(None)
}

/// Notes a guard of a process that has a reference; false if it has none.
pub(crate) fn guard(
    table: &Table,
    number: usize,
    process: usize,
    is_writer: bool,
) -> Result<bool, Damaged> {
    let Some(at) = find(table, number, process)? else {
        return Ok(false);
    };
    let word = table.record(at, record::GUARDS)?;
    if is_writer {
        table.set(word, record::WRITER)?;
    } else {
        table.add(word, 1)?;
    }
    Ok(true)
}

/// Ends a guard of a process.
pub(crate) fn unguard(
    table: &Table,
    number: usize,
    process: usize,
    is_writer: bool,
) -> Result<(), Damaged> {
    let Some(at) = find(table, number, process)? else {
        return Ok(());
    };
    let word = table.record(at, record::GUARDS)?;
    if is_writer {
        table.set(word, table.get(word)? & !record::WRITER)
    } else if table.get(word)? & !record::WRITER != 0 {
        table.subtract(word, 1)
    } else {
        Ok(())
    }
}

/// Makes the lists of records and of idle nodes anew, and all counters. Nodes without references cease to
/// be buffers; the caller then rebuilds the ranges.
pub(crate) fn rebuild(table: &Table) -> Result<(), PoolError> {
    let touched = usize::try_from(table.get(header::NODES_TOUCHED)?).map_err(|_| Damaged)?;
    for number in 0..touched {
        table.set(table.node(number, node::RECORD)?, 0)?;
    }
    rebuild_records(table, touched)?;
    for number in 0..CLASSES {
        table.set(table.class(number, class::HEAD)?, 0)?;
        table.set(table.class(number, class::TOTAL)?, 0)?;
    }
    let (mut used, mut idle, mut buffers) = (0_u64, 0_u64, 0);
    for number in 0..touched {
        let word = table.node(number, node::STATE)?;
        let units = table.get(table.node(number, node::UNITS)?)?;
        let class = table.link(table.node(number, node::CLASS)?)?;
        let mut found = table.get(word)?;
        let is_referred = table.get(table.node(number, node::RECORD)?)? != 0;
        if found == state::USED && !is_referred {
            found = if class.is_some() {
                state::IDLE
            } else {
                state::NONE
            };
            table.set(word, found)?;
        }
        match found {
            state::USED => {
                used = used.saturating_add(units);
                buffers += 1;
            }
            state::IDLE => {
                let class = class.ok_or(Damaged)?;
                ranges::push(table, table.class(class, class::HEAD)?, number)?;
                idle = idle.saturating_add(units);
            }
            _ => continue,
        }
        if let Some(class) = class {
            table.add(table.class(class, class::TOTAL)?, 1)?;
        }
    }
    table.set(header::USED, used)?;
    table.set(header::IDLE, idle)?;
    Ok(table.set(header::BUFFERS, buffers)?)
}

fn rebuild_records(table: &Table, nodes: usize) -> Result<(), Damaged> {
    table.set(header::RECORDS_FREE, 0)?;
    let touched = table.get(header::RECORDS_TOUCHED)?;
    for at in 0..usize::try_from(touched).map_err(|_| Damaged)? {
        let number = usize::try_from(table.get(table.record(at, record::NODE)?)?).ok();
        let process = usize::try_from(table.get(table.record(at, record::PROCESS)?)?).ok();
        let counts = table.get(table.record(at, record::STATE)?)? == 1
            && table.get(table.record(at, record::COUNT)?)? > 0
            && process.is_some_and(|process| process < PROCESSES);
        let number = number.filter(|number| counts && *number < nodes);
        let is_buffer = match number {
            Some(number) => table.get(table.node(number, node::STATE)?)? == state::USED,
            None => false,
        };
        let list = if let Some(number) = number.filter(|_| is_buffer) {
            table.node(number, node::RECORD)?
        } else {
            table.set(table.record(at, record::STATE)?, 0)?;
            header::RECORDS_FREE
        };
        let first = table.get(list)?;
        table.set(table.record(at, record::NEXT)?, first)?;
        table.set_link(list, Some(at))?;
    }
    Ok(())
}
