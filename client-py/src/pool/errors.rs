//! The Python exception for each error of a pool.

use std::io::ErrorKind;

use hostd_client::pool::PoolError;
use hostd_protocol::memory::SegmentError;
use pyo3::exceptions::{
    PyFileExistsError, PyFileNotFoundError, PyMemoryError, PyOSError, PyPermissionError,
    PyRuntimeError, PyTimeoutError, PyValueError,
};
use pyo3::prelude::*;

use crate::errors::raised;

/// The exception for an error of a pool.
#[cold]
pub(crate) fn pool_error(error: PoolError) -> PyErr {
    let text = error.to_string();
    match error {
        PoolError::Create(SegmentError::System { source, .. })
            if source.kind() != ErrorKind::OutOfMemory =>
        {
            raised::<PyOSError>(text)
        }
        PoolError::Full { .. }
        | PoolError::Memory { .. }
        | PoolError::Unavailable { .. }
        | PoolError::Repair
        | PoolError::TooMany { .. }
        | PoolError::Create(_)
        | PoolError::Map(_) => raised::<PyMemoryError>(text),
        PoolError::System { .. } | PoolError::Folder { .. } => raised::<PyOSError>(text),
        PoolError::Busy | PoolError::Guarded { .. } => raised::<PyTimeoutError>(text),
        PoolError::Stale | PoolError::BadName { .. } | PoolError::BadSize { .. } => {
            raised::<PyValueError>(text)
        }
        PoolError::Taken { .. } => raised::<PyFileExistsError>(text),
        PoolError::Unknown { .. } | PoolError::Abandoned { .. } | PoolError::Gone { .. } => {
            raised::<PyFileNotFoundError>(text)
        }
        PoolError::NotOwn { .. } => raised::<PyPermissionError>(text),
        _ => raised::<PyRuntimeError>(text),
    }
}

/// A closed pool was used.
#[cold]
pub(crate) fn closed() -> PyErr {
    raised::<PyValueError>("the pool is closed; make or open another one")
}

/// A released buffer was used.
#[cold]
pub(crate) fn released() -> PyErr {
    raised::<PyValueError>(
        "the pool buffer was released or forgotten; keep it until nothing uses it any more",
    )
}
