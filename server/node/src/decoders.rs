//! The decoders of texts that arrive in pieces: see [`native::text`](crate::native::text).

use std::collections::HashMap;
use std::fmt;

use encoding_rs::Decoder;

#[derive(Default)]
pub(crate) struct Decoders {
    pub(crate) by_number: HashMap<usize, Decoder>,
    /// Numbers given so far: none is given twice.
    pub(crate) given: usize,
}

impl fmt::Debug for Decoders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_number.keys()).finish()
    }
}
