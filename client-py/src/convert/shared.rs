//! Large buffers in shared memory: Python's bytes are copied there once, unless they lie in a pool, and
//! what the addon changes in them is copied back.
//!
//! A buffer that can be written back is compared by the hashes of its pieces, taken when it is sent and
//! after each write-back: so pieces that the addon has not changed keep what Python has changed in them.
//! If both have changed a piece, the addon's is kept.

use std::cell::RefCell;

use hostd_client::LentMemory;
use hostd_client::pool::SharedPool;
use hostd_protocol::memory::{
    ARGUMENT_MIN, PROCESS_FILE, Region, SharedBytes, WRITABLE_MIN, hash_piece, shared_min,
};
use hostd_protocol::value::{ClientKind, ElementKind};
use pyo3::buffer::PyUntypedBuffer;
use pyo3::prelude::*;
use pyo3::types::PyMemoryView;

use super::decode::Decoder;
use super::encode::{Encoder, wire};
use super::objects::RequestObjects;
use crate::argument_memory::{ArgumentMemory, Kept, SharedArgument};
use crate::exporter::{self, WritableView};
use crate::fallible::{self, push};

/// The bytes of a piece: what both sides have changed in it is not merged.
const PIECE: usize = 4096;
/// Pieces between two pauses: some hundred microseconds of copying.
const PAUSE_PIECES: usize = 1024;
/// What is copied between two pauses, in bytes.
const RUN: usize = PAUSE_PIECES * PIECE;

/// Where the bytes of an argument come from.
pub(super) enum Source<'a> {
    Bytes(&'a [u8]),
    View(&'a PyUntypedBuffer),
}

impl Encoder<'_, '_> {
    /// Writes a large buffer whose bytes are copied to shared memory; false, and nothing is written, if
    /// it is small, there is no room, or it is a writable `SharedArrayBuffer`: the engine allocates its
    /// bytes, so changes of it are not seen here. The caller numbers the object next.
    pub(super) fn share(
        &mut self,
        source: &Source<'_>,
        element: ElementKind,
        writable: bool,
    ) -> PyResult<bool> {
        if writable && element == ElementKind::SharedArrayBuffer {
            return Ok(false);
        }
        let length = match source {
            Source::Bytes(bytes) => bytes.len(),
            Source::View(view) => view.len_bytes(),
        };
        if let Source::View(view) = source
            && let Some(region) = match self.in_pool(view)? {
                None => self.in_process(view)?,
                in_pool => in_pool,
            }
        {
            wire(self.out.shared_buffer(element, None, writable, region))?;
            return Ok(true);
        }
        let usual = if writable { WRITABLE_MIN } else { ARGUMENT_MIN };
        if length < shared_min(usual) {
            return Ok(false);
        }
        let Some(memory) = self.generation.memory() else {
            return Ok(false);
        };
        let Some(memory) = LentMemory::allocate(&memory, length) else {
            return Ok(false);
        };
        let mut hashes = Vec::new();
        if writable {
            fallible::reserve(&mut hashes, length.div_ceil(PIECE))?;
        }
        self.copy_pieces(source, memory.bytes(), writable.then_some(&mut hashes))?;
        let bytes = memory.bytes().clone();
        let (region, kept) = self.lend_memory(memory)?;
        wire(self.out.shared_buffer(element, None, writable, region))?;
        if writable {
            let shared = SharedArgument {
                object: self.objects.compounds.len(),
                memory: bytes,
                _kept: kept,
                hashes: RefCell::new(hashes),
            };
            push(&mut self.objects.shared, shared)?;
        }
        Ok(true)
    }

    /// Writes a long text. Inside of a container it is in the frame, since the host compares it with what
    /// the container has after the call.
    #[cold]
    pub(super) fn long_text(&mut self, text: &str) -> PyResult<()> {
        let memory = self.generation.memory().filter(|_| self.out.is_outermost());
        let lent = memory.and_then(|memory| LentMemory::allocate(&memory, text.len()));
        let Some(memory) = lent else {
            return wire(self.out.str(text));
        };
        self.copy_pieces(&Source::Bytes(text.as_bytes()), memory.bytes(), None)?;
        let region = self.lend_memory(memory)?.0;
        self.out.shared_text(region);
        Ok(())
    }

    /// Lends memory to the host.
    fn lend_memory(&mut self, memory: LentMemory) -> PyResult<(Region, Py<ArgumentMemory>)> {
        let (offset, length) = (memory.bytes().offset(), memory.bytes().len());
        let lent = ArgumentMemory {
            bytes: memory.bytes().clone(),
            file: 0,
            is_readonly: false,
            _kept: Kept::Copy(memory),
        };
        let kept = Bound::new(self.py, lent)?;
        let region = Region {
            id: self.lend(kept.as_any(), ClientKind::Opaque)?.id,
            file: 0,
            offset: offset as u64,
            length: length as u64,
        };
        Ok((region, kept.unbind()))
    }

    /// Lends the memory of a buffer that lies in a pool, whatever object it is a buffer of; none if it lies
    /// elsewhere, is not in one piece, or the host cannot be handed the pool.
    fn in_pool(&mut self, view: &PyUntypedBuffer) -> PyResult<Option<Region>> {
        let length = view.len_bytes();
        let Some((pool, offset)) = SharedPool::at(view.buf_ptr().addr(), length) else {
            return Ok(None);
        };
        let Some(owner) = view.obj(self.py).filter(|_| view.is_c_contiguous()) else {
            return Ok(None);
        };
        let Some(bytes) = pool.memory().bytes(offset, length) else {
            return Ok(None);
        };
        let Some(file) = self.generation.host.attach(&pool) else {
            return Ok(None);
        };
        let owner = PyMemoryView::from(owner)?.unbind();
        let lent = ArgumentMemory {
            bytes,
            file,
            is_readonly: view.readonly(),
            _kept: Kept::View(owner),
        };
        let kept = Bound::new(self.py, lent)?;
        Ok(Some(Region {
            id: self.lend(kept.as_any(), ClientKind::Opaque)?.id,
            file,
            offset: offset as u64,
            length: length as u64,
        }))
    }

    /// Whether a buffer of this length is lent as it is, to a session in this process.
    pub(super) fn lends_as_is(&self, length: usize) -> bool {
        length >= ARGUMENT_MIN && self.addon.config.process_memory.is_some()
    }

    /// Lends the memory of a buffer to a session in this process, as it is; none if the session is in
    /// another one, or the buffer is short or not in one piece.
    fn in_process(&mut self, view: &PyUntypedBuffer) -> PyResult<Option<Region>> {
        let length = view.len_bytes();
        let memory = self.addon.config.process_memory.clone();
        let Some(memory) = memory.filter(|_| length >= ARGUMENT_MIN && view.is_c_contiguous())
        else {
            return Ok(None);
        };
        let address = view.buf_ptr().expose_provenance();
        let (Some(owner), Some(bytes)) = (view.obj(self.py), memory.bytes(address, length)) else {
            return Ok(None);
        };
        let owner = PyMemoryView::from(owner)?.unbind();
        let lent = ArgumentMemory {
            bytes,
            file: PROCESS_FILE,
            is_readonly: view.readonly(),
            _kept: Kept::View(owner),
        };
        let kept = Bound::new(self.py, lent)?;
        Ok(Some(Region {
            id: self.lend(kept.as_any(), ClientKind::Opaque)?.id,
            file: PROCESS_FILE,
            offset: address as u64,
            length: length as u64,
        }))
    }

    /// Copies the bytes, and notes the hash of each piece.
    fn copy_pieces(
        &mut self,
        source: &Source<'_>,
        target: &SharedBytes,
        mut hashes: Option<&mut Vec<u64>>,
    ) -> PyResult<()> {
        if let Source::View(view) = source
            && exporter::gather(self.py, view, target)?
        {
            if let Some(hashes) = hashes {
                hashes
                    .extend(pieces(target.len()).map_while(|(at, length)| target.hash(at, length)));
            }
            return Ok(());
        }
        for at in (0..target.len()).step_by(RUN) {
            if at > 0 {
                self.pause()?;
            }
            let length = RUN.min(target.len() - at);
            let mut put = |run: &[u8]| match &mut hashes {
                Some(hashes) => {
                    let pieces = (at..).step_by(PIECE).zip(run.chunks(PIECE));
                    hashes.extend(pieces.map_while(|(at, piece)| target.write_hashed(at, piece)));
                }
                None => {
                    target.write(at, run);
                }
            };
            match source {
                Source::Bytes(bytes) => put(bytes.get(at..at + length).unwrap_or_default()),
                Source::View(view) => exporter::with_piece(self.py, view, at, length, put),
            }
        }
        Ok(())
    }
}

/// The pieces of a buffer: where each begins, and its length.
fn pieces(length: usize) -> impl Iterator<Item = (usize, usize)> {
    let starts = (0..length).step_by(PIECE);
    starts.map(move |at| (at, PIECE.min(length - at)))
}

impl Decoder<'_, '_> {
    /// Copies what the addon has changed in the shared arguments of the request to the Python objects.
    #[inline]
    pub(crate) fn take_back(&mut self) -> PyResult<()> {
        match self.request() {
            Some(request) if !request.shared.is_empty() => self.take_all_back(request),
            _ => Ok(()),
        }
    }

    #[inline(never)]
    fn take_all_back(&mut self, request: &RequestObjects) -> PyResult<()> {
        for shared in &request.shared {
            let Some(object) = request.compounds.get(shared.object) else {
                continue;
            };
            let target = object.bind(self.py);
            let bytes = &shared.memory;
            // Made for the first change: it fails if the buffer was resized.
            let mut view = None;
            for (place, (at, length)) in pieces(bytes.len()).enumerate() {
                if place % PAUSE_PIECES == PAUSE_PIECES - 1 {
                    self.pause()?;
                }
                let mut hashes = shared.hashes.borrow_mut();
                let Some(known) = hashes.get_mut(place) else {
                    break;
                };
                if bytes.hash(at, length) == Some(*known) {
                    continue;
                }
                let mut piece = [0; PIECE];
                let piece = &mut piece[..length];
                bytes.read(at, piece);
                let view = match &mut view {
                    Some(view) => view,
                    none => none.insert(WritableView::new(target)?),
                };
                view.write(at, piece)?;
                // Of what was written: the addon may have changed it once more.
                *known = hash_piece(piece);
            }
        }
        Ok(())
    }
}
