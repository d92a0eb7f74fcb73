//! One operation of `fs`: its arguments, what is done on any thread, and what becomes of the result on
//! the JS thread.

use std::io;
use std::os::fd::OwnedFd;

use hostd_engine::{JsResult, Runtime, Thrown, Value};
use rustix::fs::Dir;

use crate::files::OpenFile;
use crate::native::uv;
use crate::state::NodeState;

/// The largest number of bytes that one call of the system reads or writes.
pub(super) const IO_MAX: usize = 0x7fff_f000;

/// What an operation does, on any thread.
pub(super) type Work = Box<dyn FnOnce() -> Answer + Send>;
pub(super) type Answer = Result<Outcome, Failure>;

/// An operation that can be run.
pub(super) struct Task {
    pub(super) work: Work,
    /// The views that take what is read, in this order.
    pub(super) targets: Vec<Target>,
}

/// A part of a view.
pub(super) struct Target {
    pub(super) view: Value,
    pub(super) offset: usize,
    pub(super) length: usize,
}

/// What an operation gives.
pub(super) enum Outcome {
    Nothing,
    Number(f64),
    Text(Vec<u8>),
    /// A name of the file system: a text, or an `ArrayBuffer` if it is wanted raw.
    Name(Vec<u8>, bool),
    /// Names, and the kinds of what they name if those are wanted.
    Entries {
        names: Vec<Vec<u8>>,
        kinds: Option<Vec<u8>>,
        is_raw: bool,
    },
    /// The bytes of an `ArrayBuffer`.
    Bytes(Vec<u8>),
    /// What was read for the targets.
    Read(Vec<u8>),
    File(OwnedFd),
    Folder(Dir),
}

/// Why an operation failed.
#[derive(Debug)]
pub(super) struct Failure {
    error: io::Error,
    syscall: &'static str,
    path: Option<Vec<u8>>,
    dest: Option<Vec<u8>>,
}

impl Failure {
    pub(super) fn new(error: impl Into<io::Error>, syscall: &'static str) -> Self {
        Self {
            error: error.into(),
            syscall,
            path: None,
            dest: None,
        }
    }

    pub(super) fn at(mut self, path: Vec<u8>) -> Self {
        self.path = Some(path);
        self
    }

    pub(super) fn to(mut self, dest: Vec<u8>) -> Self {
        self.dest = Some(dest);
        self
    }

    /// The exception that Node throws for it.
    pub(super) fn exception(&self, rt: Runtime) -> Thrown {
        let text = |path: &Option<Vec<u8>>| {
            path.as_deref()
                .map(|path| String::from_utf8_lossy(path).into_owned())
        };
        let (path, dest) = (text(&self.path), text(&self.dest));
        uv::exception(
            rt,
            &self.error,
            self.syscall,
            path.as_deref(),
            dest.as_deref(),
        )
    }
}

/// The arguments of an operation.
pub(super) struct Args<'a> {
    pub(super) rt: Runtime,
    pub(super) node: &'a NodeState,
    pub(super) values: &'a [Value],
}

impl Args<'_> {
    pub(super) fn get(&self, index: usize) -> &Value {
        const NONE: &Value = &Value::UNDEFINED;
        self.values.get(index).unwrap_or(NONE)
    }

    /// A path: a string, or the bytes of a view.
    pub(super) fn path(&self, index: usize) -> JsResult<Vec<u8>> {
        let value = self.get(index);
        if value.is_string() {
            return self.rt.copied(self.rt.utf8(value)?.as_bytes());
        }
        let bytes = self.rt.copy_bytes(value)?;
        bytes.ok_or_else(|| {
            self.rt
                .type_error("a path must be a string or a Uint8Array")
        })
    }

    /// A number without its fraction; 0 for other values.
    #[expect(clippy::cast_possible_truncation, reason = "it saturates")]
    pub(super) fn integer(&self, index: usize) -> i64 {
        let value = self.get(index);
        match self.rt.bigint_as_i64(value) {
            Some((number, _)) => number,
            None => value.as_f64().unwrap_or(0.0) as i64,
        }
    }

    /// The lower 32 bits of a number, as the system takes flags and modes.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the bits that there are"
    )]
    pub(super) fn bits(&self, index: usize) -> u32 {
        self.integer(index) as u32
    }

    /// A number in seconds.
    pub(super) fn seconds(&self, index: usize) -> f64 {
        self.get(index).as_f64().unwrap_or(0.0)
    }

    pub(super) fn flag(&self, index: usize) -> bool {
        self.rt.to_bool(self.get(index))
    }

    /// The place of a read or write; none for the current one.
    pub(super) fn position(&self, index: usize) -> Option<u64> {
        let is_number =
            self.get(index).as_f64().is_some() || self.rt.bigint_as_i64(self.get(index)).is_some();
        is_number
            .then(|| u64::try_from(self.integer(index)).ok())
            .flatten()
    }

    pub(super) fn descriptor(&self, index: usize) -> i32 {
        i32::try_from(self.integer(index)).unwrap_or(-1)
    }

    /// The file of a number; the error is that of the operation, not of the call.
    pub(super) fn file(&self, index: usize) -> io::Result<OpenFile> {
        self.node.files.borrow().get(self.descriptor(index))
    }

    /// A part of a view: the view, offset and length, from `index` on.
    pub(super) fn target(&self, index: usize) -> JsResult<Target> {
        let view = self.get(index).clone();
        let all = self.rt.byte_length(&view).unwrap_or(0);
        let number = |index| usize::try_from(self.integer(index)).ok();
        match (number(index + 1), number(index + 2)) {
            (Some(offset), Some(length))
                if offset.checked_add(length).is_some_and(|end| end <= all) =>
            {
                Ok(Target {
                    view,
                    offset,
                    length: length.min(IO_MAX),
                })
            }
            _ => Err(self.rt.range_error("the range is not inside of the view")),
        }
    }

    /// The views of an array, each as a whole; at most the first `most`.
    pub(super) fn targets(&self, index: usize, most: u32) -> JsResult<Vec<Target>> {
        let list = self.get(index);
        let mut targets = Vec::new();
        let mut total = 0_usize;
        for index in 0..self.rt.array_length(list).unwrap_or(0).min(most) {
            let view = self.rt.get_index(list, index)?;
            let Some(length) = self.rt.byte_length(&view) else {
                let text = "the array must have views or buffers only";
                return Err(self.rt.type_error(text));
            };
            let length = length.min(IO_MAX - total);
            total += length;
            self.rt.push(
                &mut targets,
                Target {
                    view,
                    offset: 0,
                    length,
                },
            )?;
        }
        Ok(targets)
    }
}

impl Task {
    /// An operation without targets.
    pub(super) fn new(work: impl FnOnce() -> Answer + Send + 'static) -> Self {
        Self {
            work: Box::new(work),
            targets: Vec::new(),
        }
    }
}

/// The value that a result is for scripts.
pub(super) fn value(
    rt: Runtime,
    node: &NodeState,
    outcome: Outcome,
    targets: &[Target],
) -> JsResult {
    match outcome {
        Outcome::Nothing => Ok(Value::UNDEFINED),
        Outcome::Number(number) => Ok(Value::from(number)),
        Outcome::Text(text) => rt.string_utf8(&text),
        Outcome::Name(name, is_raw) => self::name(rt, name, is_raw),
        Outcome::Bytes(bytes) => rt.array_buffer_from(bytes),
        Outcome::File(file) => Ok(Value::from(f64::from(node.files.borrow_mut().add(file)))),
        Outcome::Folder(folder) => {
            let number = node.files.borrow_mut().add_folder(folder);
            Ok(Value::from(f64::from(number)))
        }
        Outcome::Entries {
            names,
            kinds,
            is_raw,
        } => {
            let mut values = Vec::new();
            rt.reserve(&mut values, names.len())?;
            for name in names {
                values.push(self::name(rt, name, is_raw)?);
            }
            let names = rt.array_from(values)?;
            let Some(kinds) = kinds else {
                return Ok(names);
            };
            let kinds = kinds.into_iter().map(|kind| Value::from(f64::from(kind)));
            let kinds = rt.array_from(rt.list_from(kinds)?)?;
            rt.array_from(vec![names, kinds])
        }
        Outcome::Read(bytes) => {
            let mut rest = bytes.as_slice();
            for Target {
                view,
                offset,
                length,
            } in targets
            {
                let (part, after) = rest.split_at(rest.len().min(*length));
                // A view that was detached meanwhile takes nothing.
                rt.write_bytes(view, *offset, part);
                rest = after;
            }
            Ok(number(bytes.len()))
        }
    }
}

/// A length as a number of a script.
#[expect(clippy::cast_precision_loss, reason = "lengths are below 2^53")]
pub(super) fn number(length: usize) -> Value {
    Value::from(length as f64)
}

fn name(rt: Runtime, name: Vec<u8>, is_raw: bool) -> JsResult {
    if is_raw {
        rt.array_buffer_from(name)
    } else {
        rt.string_utf8(&name)
    }
}
