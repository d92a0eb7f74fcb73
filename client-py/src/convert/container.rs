//! Python containers → wire. Subclasses are read by their base layout, which runs no code of theirs.
//! Other code that runs (`__index__`, buffer exporters, finalizers …) can change a container, so its
//! length is checked after each element.

use hostd_protocol::value::{ElementKind, Open, ValueWriter};
use pyo3::buffer::PyUntypedBuffer;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyIterator, PyList, PyString, PyTuple,
};

use super::encode::{Encoder, changed, wire};
use super::pace::PAUSE_ITEMS;
use super::place::{Step, shown};
use super::shared::Source;
use crate::exporter;
use crate::fallible::{self, Item};

impl<'a, 'py> Encoder<'a, 'py> {
    pub(super) fn list(&mut self, list: &Bound<'py, PyList>) -> PyResult<()> {
        self.list_of(list.as_any(), list)
    }

    /// The items of `owner`, which is the array to the host.
    pub(super) fn list_of(
        &mut self,
        owner: &Bound<'py, PyAny>,
        list: &Bound<'py, PyList>,
    ) -> PyResult<()> {
        if self.known(owner) {
            return Ok(());
        }
        let count = list.len();
        if count > 1 && self.packed(owner, list, count)? {
            return Ok(());
        }
        let open = wire(self.out.open_array())?;
        self.number(owner)?;
        for position in 0..count {
            let item = list.get_item(position).map_err(|_| changed("list"))?;
            self.value_at(&item, || Step::Item(position))?;
            if list.len() != count {
                return Err(changed("list"));
            }
        }
        self.out.close(open, u32::try_from(count)?);
        Ok(())
    }

    /// Writes a list of numbers as a packed array; false if it is no such list. Python code runs only
    /// in pauses.
    fn packed(
        &mut self,
        owner: &Bound<'py, PyAny>,
        list: &Bound<'py, PyList>,
        count: usize,
    ) -> PyResult<bool> {
        let first = list.get_item(0)?;
        let narrow = first.is_exact_instance_of::<PyInt>();
        if !narrow && !first.is_exact_instance_of::<PyFloat>() {
            return Ok(false);
        }
        let number = u32::try_from(count)?;
        self.spend(number)?;
        if (narrow && self.packed_i32(list, count)?) || self.packed_f64(list, count)? {
            self.number(owner)?;
            return Ok(true);
        }
        self.unspend(number);
        Ok(false)
    }

    /// A pause in the middle of a list, which other threads can change meanwhile.
    #[cold]
    fn pause_in(&mut self, list: &Bound<'py, PyList>, count: usize) -> PyResult<()> {
        self.pause()?;
        if list.len() == count {
            Ok(())
        } else {
            Err(changed("list"))
        }
    }

    fn packed_i32(&mut self, list: &Bound<'py, PyList>, count: usize) -> PyResult<bool> {
        let open = wire(self.out.open_array_i32())?;
        let small = |item| match item {
            Item::Int(number) => i32::try_from(number).ok(),
            Item::Float(_) | Item::Other => None,
        };
        self.packed_items(open, list, count, small, ValueWriter::push_i32)
    }

    fn packed_f64(&mut self, list: &Bound<'py, PyList>, count: usize) -> PyResult<bool> {
        let open = wire(self.out.open_array_f64())?;
        let exact = |item| match item {
            Item::Float(number) => Some(number),
            #[expect(clippy::cast_precision_loss, reason = "below 2^53, so it is exact")]
            Item::Int(number) => (number.unsigned_abs() < 1 << 53).then_some(number as f64),
            Item::Other => None,
        };
        self.packed_items(open, list, count, exact, ValueWriter::push_f64)
    }

    /// Writes the items of a list; false, having written nothing, if `read` refuses one.
    #[inline]
    fn packed_items<T>(
        &mut self,
        open: Open,
        list: &Bound<'py, PyList>,
        count: usize,
        read: impl Fn(Item) -> Option<T>,
        write: impl Fn(&mut ValueWriter<'a>, T),
    ) -> PyResult<bool> {
        for start in (0..count).step_by(PAUSE_ITEMS) {
            if start != 0 {
                self.pause_in(list, count)?;
            }
            let end = count.min(start + PAUSE_ITEMS);
            wire(self.out.reserve((end - start) * size_of::<T>()))?;
            for position in start.cast_signed()..end.cast_signed() {
                let Some(item) = read(fallible::number_at(list, position)?) else {
                    self.out.rewind(open);
                    return Ok(false);
                };
                write(&mut self.out, item);
            }
        }
        self.out.close(open, u32::try_from(count)?);
        Ok(true)
    }

    pub(super) fn tuple(&mut self, tuple: &Bound<'py, PyTuple>) -> PyResult<()> {
        if self.known(tuple.as_any()) {
            return Ok(());
        }
        let open = wire(self.out.open_array())?;
        self.number_unless(tuple.is_empty(), tuple.as_any())?;
        for position in 0..tuple.len() {
            let item = tuple.get_borrowed_item(position)?;
            self.value_at(item.as_any(), || Step::Item(position))?;
        }
        self.out.close(open, u32::try_from(tuple.len())?);
        Ok(())
    }

    pub(super) fn dict(&mut self, dict: &Bound<'py, PyDict>) -> PyResult<()> {
        self.dict_of(dict.as_any(), dict)
    }

    /// The items of `owner`, which is the object to the host.
    pub(super) fn dict_of(
        &mut self,
        owner: &Bound<'py, PyAny>,
        dict: &Bound<'py, PyDict>,
    ) -> PyResult<()> {
        if self.known(owner) {
            return Ok(());
        }
        let open = wire(self.out.open_object())?;
        self.number(owner)?;
        let count = dict.len();
        // `take` and the check below keep the iterator from a dict that has changed, where it panics.
        for (key, value) in dict.iter().take(count) {
            self.key(dict, &key)?;
            self.value_at(&value, || Step::key(&key))?;
            if dict.len() != count {
                return Err(changed("dict"));
            }
        }
        self.out.close(open, u32::try_from(count)?);
        Ok(())
    }

    /// A key of a dict: a str, or an int written out.
    pub(super) fn key(
        &mut self,
        dict: &Bound<'py, PyDict>,
        key: &Bound<'py, PyAny>,
    ) -> PyResult<()> {
        self.spend(1)?;
        if let Ok(text) = key.cast::<PyString>() {
            return self.string(text);
        }
        if let Ok(int) = key.cast::<PyInt>()
            && !key.is_exact_instance_of::<PyBool>()
        {
            // The repr of int itself, not of a subclass.
            let text = self.names.int_repr.bind(self.py).call1((int,))?;
            let text = text.cast_into::<PyString>()?;
            if dict.contains(&text)? {
                let text = text.to_str()?;
                return Err(self.place.refuse(&format!(
                    "the dict keys {text} and {text:?} are the same key in JavaScript; keep one \
                     of them"
                )));
            }
            return self.string(&text);
        }
        let class = key.get_type().name()?;
        Err(self.place.refuse(&format!(
            "dict key {} is of type {class}: keys of a JavaScript object are strings, so dict keys \
             must be str or int",
            shown(key)
        )))
    }

    /// A set, iterated by the method of the base class.
    pub(super) fn set(
        &mut self,
        set: &Bound<'py, PyAny>,
        count: usize,
        iterate: &Py<PyAny>,
    ) -> PyResult<()> {
        if self.known(set) {
            return Ok(());
        }
        let items = iterate.bind(self.py).call1((set,))?;
        let items = items.cast::<PyIterator>()?;
        let items = items
            .into_iter()
            .map(|item| item.map_err(|_| changed("set")));
        if self.set_items(set, items)? != count {
            return Err(changed("set"));
        }
        Ok(())
    }

    /// The items of `owner`, which is the set to the host. Returns how many there were.
    pub(super) fn set_items(
        &mut self,
        owner: &Bound<'py, PyAny>,
        items: impl Iterator<Item = PyResult<Bound<'py, PyAny>>>,
    ) -> PyResult<usize> {
        let open = wire(self.out.open_set())?;
        self.number(owner)?;
        let mut written = 0_u32;
        for item in items {
            self.value_at(&item?, || Step::Named("item of a set".to_owned()))?;
            written += 1;
        }
        self.out.close(open, written);
        Ok(written as usize)
    }

    pub(super) fn bytes(&mut self, bytes: &Bound<'py, PyBytes>) -> PyResult<()> {
        if self.known(bytes.as_any()) {
            return Ok(());
        }
        let view = if self.lends_as_is(bytes.as_bytes().len()) {
            Some(PyUntypedBuffer::get(bytes.as_any())?)
        } else {
            None
        };
        let source = match &view {
            Some(view) => Source::View(view),
            None => Source::Bytes(bytes.as_bytes()),
        };
        if !self.share(&source, ElementKind::Buffer, false)? {
            wire(
                self.out
                    .buffer(ElementKind::Buffer, None, false, bytes.as_bytes()),
            )?;
        }
        self.number_unless(bytes.as_bytes().is_empty(), bytes.as_any())
    }

    /// Anything that exports a buffer: bytes become a Buffer, else a typed array of the element
    /// type. Returns false, having written nothing, for a single item: that is a scalar.
    pub(super) fn buffer(
        &mut self,
        object: &Bound<'py, PyAny>,
        view: PyUntypedBuffer,
    ) -> PyResult<bool> {
        if self.known(object) {
            return Ok(true);
        }
        if object.get_type().hasattr(intern!(self.py, "mask"))? {
            return Err(self.place.refuse(
                "the mask of a masked array has no JavaScript counterpart; pass array.filled(value)",
            ));
        }
        if view.dimensions() == 0 {
            return Ok(false);
        }
        let is_plain =
            object.is_instance_of::<PyByteArray>() || object.get_type().is(&self.names.memory_view);
        let element = match exporter::element_of(&view) {
            Some(ElementKind::Uint8) if is_plain => ElementKind::Buffer,
            Some(element) => element,
            None => {
                let class = object.get_type().name()?;
                return Err(self.place.refuse(&format!(
                    "no JavaScript typed array has the format {:?} of this buffer (a {class}); convert \
                     it to integers or floats in native byte order, or to a list",
                    view.format().to_string_lossy(),
                )));
            }
        };
        self.bytes_of(view, element)?;
        self.number(object)?;
        Ok(true)
    }

    fn bytes_of(&mut self, view: PyUntypedBuffer, element: ElementKind) -> PyResult<()> {
        let writable = !view.readonly();
        if !self.share(&Source::View(&view), element, writable)? {
            wire(exporter::with_bytes(self.py, &view, |bytes| {
                self.out.buffer(element, None, writable, bytes)
            })?)?;
        }
        view.release(self.py);
        Ok(())
    }

    /// Bytes in a wrapper that names the kind of buffer.
    pub(super) fn view(&mut self, wrapper: &Bound<'py, PyAny>) -> PyResult<()> {
        if self.known(wrapper) {
            return Ok(());
        }
        let py = self.py;
        let source = wrapper.getattr(intern!(py, "_source"))?;
        let code: u8 = wrapper.getattr(intern!(py, "_element"))?.extract()?;
        let view = exporter::view(&source)?;
        // A bytearray can have changed its length since it was wrapped.
        let element = ElementKind::from_code(code)
            .filter(|element| view.len_bytes().is_multiple_of(element.size()));
        let Some(element) = element else {
            return Err(self
                .place
                .refuse("the bytes are no whole number of elements of the typed array any more"));
        };
        self.bytes_of(view, element)?;
        // In this message the wrapper is the buffer; changes of the addon are written to the source.
        self.number_as(wrapper, &source)?;
        Ok(())
    }
}
