//! Unwinds the stack of a crash record, and names the functions.

use std::cell::OnceCell;

use framehop::{
    CacheNative, FrameAddress, MayAllocateDuringUnwind, Module, UnwindRegsNative, Unwinder as _,
    UnwinderNative,
};
use hostd_symbols::escape;

use super::file::{Budget, Pieces};
use super::image::Placed;
use super::maps::{Mapping, Maps};
use super::page::Record;
use crate::report::StackFrame;

const FRAMES_MAX: usize = 64;
/// The most files that are opened.
const FILES_MAX: usize = 32;

/// One frame: its address, and the one to look up, which is inside the calling instruction.
#[derive(Debug, Clone, Copy)]
struct Step {
    address: u64,
    lookup: u64,
}

impl From<FrameAddress> for Step {
    fn from(address: FrameAddress) -> Self {
        Self {
            address: address.address(),
            lookup: address.address_for_lookup(),
        }
    }
}

/// The frames from where the signal was raised, innermost first.
pub(super) fn trace(record: &Record, maps: &Maps<'_>, budget: &Budget) -> Vec<StackFrame> {
    let slots: [OnceCell<Pieces<'_>>; FILES_MAX] = Default::default();
    let mut files = Files {
        slots: &slots,
        budget,
        open: Vec::new(),
    };
    let steps = steps(record, maps, &mut files);
    files.describe(&steps, maps)
}

fn steps<'m>(record: &Record, maps: &Maps<'m>, files: &mut Files<'_, '_, 'm>) -> Vec<Step> {
    let mut unwinder = UnwinderNative::<Vec<u8>, MayAllocateDuringUnwind>::new();
    let mut cache = CacheNative::<MayAllocateDuringUnwind>::new();
    let mut registers = registers(record);
    let mut read = |address| record.word(address).ok_or(());
    let mut address = FrameAddress::from_instruction_pointer(record.program_counter);
    let mut steps = vec![Step::from(address)];
    if maps.code_at(record.program_counter).is_none() {
        // A jump to an address without code: the caller is where a call has put it.
        let Some(caller) = after_wild_jump(record, &mut registers, maps) else {
            return steps;
        };
        address = caller;
        steps.push(Step::from(address));
    }
    while steps.len() < FRAMES_MAX && files.budget.has_time() {
        let lookup = address.address_for_lookup();
        if let Some(mapping) = maps.code_at(lookup)
            && let Some(placed) = files.open_first(mapping, lookup)
        {
            let range = placed.range.clone();
            let module = Module::new(String::new(), range, placed.bias, placed.tables());
            unwinder.add_module(module);
        }
        let stack = registers.sp();
        let next = unwinder.unwind_frame(address, &mut registers, &mut cache, &mut read);
        let Ok(Some(next)) = next else {
            break;
        };
        let Some(caller) = FrameAddress::from_return_address(next) else {
            break;
        };
        // A stack that does not get shorter would be unwound for ever.
        if registers.sp() <= stack && steps.len() > 1 {
            break;
        }
        address = caller;
        steps.push(Step::from(address));
    }
    steps
}

fn registers(record: &Record) -> UnwindRegsNative {
    UnwindRegsNative::new(
        record.program_counter,
        record.stack_pointer,
        record.frame_pointer,
    )
}

/// The caller of an address without code, if it was called.
fn after_wild_jump(
    record: &Record,
    registers: &mut UnwindRegsNative,
    maps: &Maps<'_>,
) -> Option<FrameAddress> {
    let back = record.word(record.stack_pointer)?;
    maps.code_at(back)?;
    registers.set_ip(back);
    registers.set_sp(record.stack_pointer.checked_add(8)?);
    FrameAddress::from_return_address(back)
}

/// The files that the code on the stack is from.
struct Files<'a, 'b, 'm> {
    slots: &'a [OnceCell<Pieces<'b>>],
    budget: &'b Budget,
    open: Vec<Open<'a, 'b, 'm>>,
}

struct Open<'a, 'b, 'm> {
    path: &'m str,
    /// None if the file is gone, or not an ELF file.
    placed: Option<Placed<'a, 'b>>,
}

impl<'a, 'b, 'm> Files<'a, 'b, 'm> {
    /// Opens the file of a mapping; none if it was opened before, or there are too many.
    fn open_first(&mut self, mapping: &Mapping<'m>, address: u64) -> Option<&Placed<'a, 'b>> {
        if self.open.iter().any(|open| open.path == mapping.path) {
            return None;
        }
        let slot = self.slots.get(self.open.len())?;
        let placed = Pieces::open(mapping.path, self.budget).and_then(|pieces| {
            let offset = mapping.offset.checked_add(address - mapping.start)?;
            Placed::read(slot.get_or_init(|| pieces), offset, address)
        });
        self.open.push(Open {
            path: mapping.path,
            placed,
        });
        self.open.last()?.placed.as_ref()
    }

    /// Finds module and function of each step.
    fn describe(&self, steps: &[Step], maps: &Maps<'m>) -> Vec<StackFrame> {
        let mut frames: Vec<_> = steps
            .iter()
            .map(|step| {
                let code = maps.code_at(step.lookup);
                StackFrame {
                    module: code.map(|code| file_name(code.path)),
                    path: code.map(|code| escape(code.path)),
                    ..StackFrame::unnamed(step.address)
                }
            })
            .collect();
        for open in &self.open {
            let Some(placed) = &open.placed else {
                continue;
            };
            let is_here = |step: &Step| {
                maps.code_at(step.lookup)
                    .is_some_and(|code| code.path == open.path)
            };
            let here = steps.iter().filter(|step| is_here(step));
            let mut lookups: Vec<_> = here.map(|step| step.lookup).collect();
            lookups.sort_unstable();
            lookups.dedup();
            let functions = placed.functions_at(&lookups);
            for (step, frame) in steps.iter().zip(&mut frames) {
                let Ok(index) = lookups.binary_search(&step.lookup) else {
                    continue;
                };
                frame.file_address = Some(step.lookup.wrapping_sub(placed.bias));
                if let Some(Some(function)) = functions.get(index) {
                    frame.symbol = Some(function.name.clone());
                    frame.offset = function.offset.wrapping_add(step.address - step.lookup);
                } else {
                    frame.offset = step.address.wrapping_sub(placed.bias);
                }
            }
        }
        frames
    }
}

fn file_name(path: &str) -> String {
    escape(path.rsplit('/').next().unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn random_records_are_unwound_in_bounded_time_and_frames() {
        let program = std::env::current_exe().unwrap();
        let library = |start: u64, path: &str| {
            format!(
                "{start:x}-{:x} r-xp 00001000 00:00 1 {path}\n",
                start + 0x20_0000
            )
        };
        let mut maps = library(0x40_0000, &program.to_string_lossy());
        maps += &library(0x50_0000, "/dev/zero");
        maps += &library(0x60_0000, "/etc/passwd");
        maps += &library(u64::MAX - 0x30_0000, &program.to_string_lossy());
        for seed in 0..200_u64 {
            let mut noise = seed;
            let mut next = || {
                noise = noise
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                noise >> 20
            };
            let pointer = [0, 8, 0x7fff_0000, u64::MAX - 0xffff][(seed % 4) as usize];
            let code = [0x40_1000, 0x50_1000, 0x60_1000, u64::MAX - 0x20_0000];
            let record = Record {
                program_counter: code[(seed / 4 % 4) as usize] + next() % 0x10_0000,
                stack_pointer: pointer,
                frame_pointer: pointer.wrapping_add(next() % 4096),
                stack_address: pointer,
                stack: (0..1024)
                    .flat_map(|_| {
                        let value = code[(next() % 4) as usize] + next() % 0x10_0000;
                        let other = pointer.wrapping_add(next() % 8192);
                        let chosen = if next() % 2 == 0 { value } else { other };
                        chosen.to_ne_bytes()
                    })
                    .collect(),
                maps: maps.clone(),
                ..Record::default()
            };
            let begun = Instant::now();
            let budget = Budget::new(64 << 20, begun + Duration::from_millis(250));
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                trace(&record, &Maps::parse(&record.maps), &budget)
            }));
            if let Ok(frames) = caught {
                assert!((1..=FRAMES_MAX).contains(&frames.len()));
            }
            assert!(begun.elapsed() < Duration::from_secs(5));
        }
    }
}
