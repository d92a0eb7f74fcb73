//! How the elements of a pool buffer lie in its memory: element type, shape and strides.

use std::ffi::CStr;
use std::sync::Arc;

use pyo3::exceptions::{PyIndexError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyEllipsis, PySlice, PyString, PyTuple, PyType};

use crate::element::{ELEMENT_TYPES, ElementType};
use crate::errors::raised;

/// The most dimensions that the buffer protocol knows.
const DIMENSIONS_MAX: usize = 64;
/// The longest format of a buffer that is copied, in bytes.
const FORMAT_MAX: usize = 4096;

/// Python's types as names of element types.
const ALIASES: [(&str, &str); 3] = [
    ("int", "int64"),
    ("float", "float64"),
    ("complex", "complex128"),
];

/// The type of an element: its format in the buffer protocol, and its size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) format: Arc<CStr>,
    pub(crate) size: usize,
}

impl Element {
    fn named(name: &str) -> Option<Self> {
        let alias = ALIASES.iter().find(|(alias, _)| *alias == name);
        let name = alias.map_or(name, |(_, name)| name);
        let plain = name.strip_prefix(['<', '=', '|', '@']).unwrap_or(name);
        let is_code = |known: &ElementType| {
            let code = known.typestr.and_then(|typestr| typestr.get(1..));
            plain.len() != name.len() && code == Some(plain)
        };
        let plain = plain.as_bytes();
        let known = ElementType::find(|known| known.name == name || is_code(known))
            .or_else(|| ElementType::find(|known| known.has_format(plain)))
            .or_else(|| match plain {
                [code] => (1..=8).find_map(|size| ElementType::of_code(*code, size)),
                _ => None,
            })?;
        Some(Self {
            format: known.format?.into(),
            size: known.size,
        })
    }

    /// The element type, if its format is that of one.
    pub(crate) fn known(&self) -> Option<&'static ElementType> {
        ElementType::of_format(self.format.to_bytes(), self.size)
    }

    /// Bytes.
    pub(crate) fn bytes() -> Self {
        Self {
            format: c"B".into(),
            size: 1,
        }
    }

    /// The element type that a user names: by a name, a format, a type, or a dtype of numpy.
    pub(crate) fn of(dtype: &Bound<'_, PyAny>) -> PyResult<Self> {
        let found = if let Ok(name) = dtype.cast::<PyString>() {
            Self::named(name.to_cow()?.as_ref())
        } else if let Ok(class) = dtype.cast::<PyType>() {
            Self::named(class.name()?.to_cow()?.as_ref())
        } else {
            let text = dtype.getattr_opt("str")?;
            let text = text.and_then(|text| text.extract::<String>().ok());
            text.and_then(|text| Self::named(&text))
        };
        found.ok_or_else(|| {
            let usable = ELEMENT_TYPES.iter().filter(|known| known.format.is_some());
            let names: Vec<&str> = usable.map(|known| known.name).collect();
            let shown = dtype.repr().map_or_else(
                |_| "another object".to_owned(),
                |text| text.to_string_lossy().chars().take(100).collect(),
            );
            raised::<PyTypeError>(format!(
                "dtype must be one of {}, got {shown}",
                names.join(", ")
            ))
        })
    }

    /// The element type of a buffer.
    pub(crate) fn of_format(format: &CStr, size: usize) -> PyResult<Self> {
        let is_short = format.count_bytes() <= FORMAT_MAX;
        if size == 0 || !is_short {
            return Err(raised::<PyValueError>(
                "a buffer whose elements have no size, or whose format is long, cannot be copied \
                 into a pool; convert it first",
            ));
        }
        Ok(Self {
            format: format.into(),
            size,
        })
    }

    /// The name of the type, or its format if it has no name.
    pub(crate) fn name(&self) -> String {
        self.known().map_or_else(
            || self.format.to_string_lossy().into_owned(),
            |known| known.name.to_owned(),
        )
    }
}

/// A number of bytes or elements that a user gives.
pub(crate) fn count(what: &str, number: &Bound<'_, PyAny>) -> PyResult<usize> {
    let wrong = |needed: &str| {
        let shown = number.repr().map_or_else(
            |_| "another object".to_owned(),
            |text| text.to_string_lossy().chars().take(100).collect(),
        );
        format!("{what} must be {needed}, got {shown}")
    };
    match number.extract::<isize>() {
        Ok(found) => usize::try_from(found).map_err(|_| raised::<PyValueError>(wrong("0 or more"))),
        Err(error) if error.is_instance_of::<PyTypeError>(number.py()) => {
            Err(raised::<PyTypeError>(wrong("an int")))
        }
        Err(_) => Err(raised::<PyValueError>(wrong("0 to 2**63 - 1"))),
    }
}

/// A shape that a user gives: a number, or a sequence of them.
pub(crate) fn shape(shape: &Bound<'_, PyAny>) -> PyResult<Vec<usize>> {
    let Ok(dimensions) = shape.try_iter() else {
        return Ok(vec![count("shape", shape)?]);
    };
    let mut found = Vec::new();
    for extent in dimensions {
        if found.len() == DIMENSIONS_MAX {
            return Err(raised::<PyValueError>(format!(
                "shape must have at most {DIMENSIONS_MAX} dimensions"
            )));
        }
        found.push(count("an extent of shape", &extent?)?);
    }
    Ok(found)
}

/// Element type, shape, strides and first byte of a view of a buffer.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) element: Element,
    pub(crate) shape: Vec<isize>,
    /// In bytes.
    pub(crate) strides: Vec<isize>,
    /// Where the first element lies in the buffer, in bytes.
    pub(crate) offset: usize,
}

impl Layout {
    /// Elements in C order.
    ///
    /// # Errors
    /// They have more bytes than memory can have.
    pub(crate) fn contiguous(element: Element, shape: &[usize]) -> PyResult<Self> {
        let too_large = || {
            raised::<PyValueError>(
                "the shape has more bytes than memory can have (2**63 - 1); make it smaller",
            )
        };
        let size = isize::try_from(element.size).map_err(|_| too_large())?;
        let mut extents = Vec::with_capacity(shape.len());
        let mut strides = vec![0; shape.len()];
        let mut stride = size;
        for extent in shape {
            extents.push(isize::try_from(*extent).map_err(|_| too_large())?);
        }
        for (place, extent) in strides.iter_mut().zip(&extents).rev() {
            *place = stride;
            // An empty buffer has the strides of one with an element.
            stride = stride.checked_mul((*extent).max(1)).ok_or_else(too_large)?;
        }
        Ok(Self {
            element,
            shape: extents,
            strides,
            offset: 0,
        })
    }

    /// A layout that another process describes; none if it leads out of `length` bytes.
    pub(crate) fn checked(
        element: Element,
        shape: Vec<isize>,
        strides: Vec<isize>,
        offset: usize,
        length: usize,
    ) -> Option<Self> {
        if shape.len() != strides.len() || shape.len() > DIMENSIONS_MAX {
            return None;
        }
        let (mut low, mut high) = (0_isize, isize::try_from(element.size).ok()?);
        let mut count = 1_isize;
        for (extent, stride) in shape.iter().zip(&strides) {
            let last = if *extent < 0 {
                return None;
            } else {
                (*extent - 1).max(0)
            };
            let reach = last.checked_mul(*stride)?;
            low = low.checked_add(reach.min(0))?;
            high = high.checked_add(reach.max(0))?;
            count = count.checked_mul(*extent)?;
        }
        count.checked_mul(isize::try_from(element.size).ok()?)?;
        let first = isize::try_from(offset).ok()?;
        let is_inside = if count == 0 {
            offset <= length
        } else {
            first.checked_add(low)? >= 0
                && usize::try_from(first.checked_add(high)?).ok()? <= length
        };
        is_inside.then_some(Self {
            element,
            shape,
            strides,
            offset,
        })
    }

    /// How many elements there are.
    pub(crate) fn count(&self) -> usize {
        self.shape
            .iter()
            .map(|extent| extent.unsigned_abs())
            .product()
    }

    /// How many bytes the elements have.
    pub(crate) fn bytes(&self) -> usize {
        self.count() * self.element.size
    }

    /// Whether the elements lie in C order without gaps.
    pub(crate) fn is_c_contiguous(&self) -> bool {
        self.is_packed(self.shape.iter().zip(&self.strides).rev())
    }

    /// Whether they lie in Fortran order without gaps.
    pub(crate) fn is_f_contiguous(&self) -> bool {
        self.is_packed(self.shape.iter().zip(&self.strides))
    }

    fn is_packed<'a>(&self, mut dimensions: impl Iterator<Item = (&'a isize, &'a isize)>) -> bool {
        let mut stride = self.element.size.cast_signed();
        self.count() == 0
            || dimensions.all(|(extent, found)| {
                let fits = *extent == 1 || *found == stride;
                stride *= extent;
                fits
            })
    }

    /// The same bytes with another element type and shape.
    ///
    /// # Errors
    /// The elements are not in C order, or the bytes are no whole number of such elements.
    pub(crate) fn cast(&self, element: Element, shape: Option<Vec<usize>>) -> PyResult<Self> {
        let bytes = self.bytes();
        if !self.is_c_contiguous() {
            return Err(raised::<PyTypeError>(
                "cast() needs elements in C order without gaps; copy the buffer first",
            ));
        }
        let shape = match shape {
            Some(shape) => shape,
            None if bytes.is_multiple_of(element.size) => vec![bytes / element.size],
            None => {
                return Err(raised::<PyTypeError>(format!(
                    "cast() needs a whole number of elements: {bytes} bytes are not a multiple of \
                     {}",
                    element.size
                )));
            }
        };
        let mut layout = Self::contiguous(element, &shape)?;
        if layout.bytes() != bytes {
            return Err(raised::<PyTypeError>(format!(
                "cast() needs a shape of the same size: {} bytes are not {bytes}",
                layout.bytes()
            )));
        }
        layout.offset = self.offset;
        Ok(layout)
    }

    /// The elements that a key of `[]` selects; without dimensions if it is one element.
    pub(crate) fn select(&self, key: &Bound<'_, PyAny>) -> PyResult<Self> {
        let keys = match key.cast::<PyTuple>() {
            Ok(keys) => keys.clone(),
            Err(_) => PyTuple::new(key.py(), [key])?,
        };
        let is_ellipsis = |key: &Bound<'_, PyAny>| key.cast::<PyEllipsis>().is_ok();
        let ellipses = keys.iter().filter(|key| is_ellipsis(key)).count();
        let named = keys.len() - ellipses;
        if ellipses > 1 || named > self.shape.len() {
            return Err(raised::<PyIndexError>(format!(
                "a pool buffer of {} dimensions takes as many indices and one '...', got {}",
                self.shape.len(),
                keys.len()
            )));
        }
        let mut selected = Self {
            element: self.element.clone(),
            shape: Vec::new(),
            strides: Vec::new(),
            offset: self.offset,
        };
        let mut at = 0;
        for key in &keys {
            if is_ellipsis(&key) {
                let end = at + self.shape.len() - named;
                selected.keep(self, at, end);
                at = end;
            } else {
                selected.take(&key, self.shape[at], self.strides[at])?;
                at += 1;
            }
        }
        selected.keep(self, at, self.shape.len());
        Ok(selected)
    }

    /// Appends dimensions of another layout.
    fn keep(&mut self, from: &Self, start: usize, end: usize) {
        self.shape.extend_from_slice(&from.shape[start..end]);
        self.strides.extend_from_slice(&from.strides[start..end]);
    }

    /// Appends what a key selects of one dimension.
    fn take(&mut self, key: &Bound<'_, PyAny>, extent: isize, stride: isize) -> PyResult<()> {
        let start = if let Ok(slice) = key.cast::<PySlice>() {
            let indices = slice.indices(extent)?;
            let length = indices.slicelength.cast_signed();
            self.shape.push(length);
            // With one element at most, the step can be too large to be multiplied.
            self.strides.push(if length > 1 {
                stride * indices.step
            } else {
                stride
            });
            if length == 0 { 0 } else { indices.start }
        } else {
            let index: isize = key.extract().map_err(|_| {
                raised::<PyTypeError>("a pool buffer takes ints, slices and '...' as indices")
            })?;
            let place = if index < 0 {
                index.checked_add(extent)
            } else {
                Some(index)
            };
            place
                .filter(|place| (0..extent).contains(place))
                .ok_or_else(|| {
                    raised::<PyIndexError>(format!(
                        "index {index} is out of range of a pool buffer with {extent} elements"
                    ))
                })?
        };
        self.offset = self.offset.wrapping_add_signed(start * stride);
        Ok(())
    }
}
