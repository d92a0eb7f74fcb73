//! The CUDA driver API, from a library that is loaded at run time.
//!
//! Invariants:
//! D1. The library exports the driver API of CUDA: functions of these names have the signatures of
//!     its header `cuda.h`. The user installs or names the library. It is never closed.
//! D2. A pointer that is passed points to a live variable or to host memory of the length that is
//!     passed. The driver keeps none of them: copies are synchronized before they return.
//! D3. An `Allocation` is made by the driver and freed once, by value. Ranges are checked against its
//!     size before they reach the driver.
//! D4. The driver's names and descriptions of errors are constants of the library, and end in NUL.
//! D5. A context is only passed back to the driver. It is the primary one of a device and retained
//!     until the process ends.
#![expect(unsafe_code, reason = "the driver API is C")]

use std::ffi::{CStr, OsStr, c_char, c_int, c_uchar, c_uint, c_void};
use std::marker::PhantomData;
use std::ptr;

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW, Symbol};
use pyo3::buffer::PyUntypedBuffer;

/// Length in bytes of an IPC handle.
pub(crate) const IPC_HANDLE_BYTES: usize = 64;

/// `CUDA_ERROR_INVALID_VALUE`.
pub(crate) const INVALID_VALUE: DriverStatus = DriverStatus(1);
/// `CUDA_ERROR_INVALID_DEVICE`.
pub(crate) const INVALID_DEVICE: DriverStatus = DriverStatus(101);

/// `CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS`, the only flag there is.
const LAZY_PEER_ACCESS: c_uint = 1;

/// `CUipcMemHandle`.
#[repr(C)]
#[derive(Clone, Copy)]
struct IpcHandle {
    reserved: [u8; IPC_HANDLE_BYTES],
}

/// `CUcontext`.
type RawContext = *mut c_void;
/// `CUdeviceptr`.
type DevicePointer = u64;

/// Declares the functions that are looked up, all of which return a `CUresult`.
macro_rules! driver_api {
    ($($field:ident = $symbol:literal ($($argument:ty),*);)*) => {
        struct Api {
            $($field: unsafe extern "C" fn($($argument),*) -> c_int,)*
        }

        impl Api {
            /// Looks up all functions. Fails with the name of one that is missing.
            fn find(library: &Library) -> Result<Self, &'static str> {
                Ok(Self {
                    $($field: function(library, concat!($symbol, "\0"))
                        .ok_or($symbol)?,)*
                })
            }
        }
    };
}

driver_api! {
    init = "cuInit"(c_uint);
    device_count = "cuDeviceGetCount"(*mut c_int);
    device = "cuDeviceGet"(*mut c_int, c_int);
    retain = "cuDevicePrimaryCtxRetain"(*mut RawContext, c_int);
    release = "cuDevicePrimaryCtxRelease_v2"(c_int);
    push = "cuCtxPushCurrent_v2"(RawContext);
    pop = "cuCtxPopCurrent_v2"(*mut RawContext);
    synchronize = "cuCtxSynchronize"();
    synchronize_stream = "cuStreamSynchronize"(*mut c_void);
    allocate = "cuMemAlloc_v2"(*mut DevicePointer, usize);
    free = "cuMemFree_v2"(DevicePointer);
    range = "cuMemGetAddressRange_v2"(*mut DevicePointer, *mut usize, DevicePointer);
    upload = "cuMemcpyHtoD_v2"(DevicePointer, *const c_void, usize);
    download = "cuMemcpyDtoH_v2"(*mut c_void, DevicePointer, usize);
    fill = "cuMemsetD8_v2"(DevicePointer, c_uchar, usize);
    export = "cuIpcGetMemHandle"(*mut IpcHandle, DevicePointer);
    open = "cuIpcOpenMemHandle_v2"(*mut DevicePointer, IpcHandle, c_uint);
    close = "cuIpcCloseMemHandle"(DevicePointer);
    error_name = "cuGetErrorName"(c_int, *mut *const c_char);
    error_text = "cuGetErrorString"(c_int, *mut *const c_char);
}

/// A function of the library, by its name with a NUL at its end. `F` is its signature in the header.
fn function<F: Copy>(library: &Library, name: &str) -> Option<F> {
    // SAFETY: D1.
    let found: Result<Symbol<F>, _> = unsafe { library.get(name.as_bytes()) };
    found.ok().map(|function| *function)
}

/// A result of the driver other than success.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct DriverStatus(pub(crate) c_int);

type Answer<T> = Result<T, DriverStatus>;

/// Why a library is not used as the driver.
pub(crate) enum LibraryError {
    /// The dynamic linker refused it, with this text.
    NotLoaded(String),
    /// It lacks a function. Its version of CUDA, if it tells one.
    Lacks(&'static str, Option<c_int>),
}

/// A primary context, retained.
#[derive(Clone, Copy)]
pub(crate) struct PrimaryContext {
    device: c_int,
    raw: RawContext,
}

// SAFETY: D5; the driver takes contexts from any thread.
unsafe impl Send for PrimaryContext {}
// SAFETY: as above.
unsafe impl Sync for PrimaryContext {}

/// Device memory that the driver allocated or opened.
pub(crate) struct Allocation {
    address: DevicePointer,
    size: u64,
}

impl Allocation {
    pub(crate) const fn address(&self) -> u64 {
        self.address
    }

    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// The address of a range, if it lies within.
    fn at(&self, offset: u64, length: usize) -> Answer<DevicePointer> {
        let end = offset.checked_add(length as u64).ok_or(INVALID_VALUE)?;
        if end > self.size {
            return Err(INVALID_VALUE);
        }
        self.address.checked_add(offset).ok_or(INVALID_VALUE)
    }
}

/// A context is current on this thread while this lives.
pub(crate) struct CurrentContext<'a> {
    api: &'a Api,
    /// What is current is a property of the thread.
    thread: PhantomData<*const ()>,
}

impl Drop for CurrentContext<'_> {
    fn drop(&mut self) {
        let mut popped = ptr::null_mut();
        // SAFETY: D1, D2. It only fails if there is no current context, and then nothing is left to do.
        let _ = unsafe { (self.api.pop)(&raw mut popped) };
    }
}

/// The functions of a loaded driver.
pub(crate) struct Driver {
    api: Api,
}

const fn check(code: c_int) -> Answer<()> {
    if code == 0 {
        Ok(())
    } else {
        Err(DriverStatus(code))
    }
}

impl Driver {
    /// Loads a library and looks the functions up. Nothing is initialized.
    pub(crate) fn load(library: &OsStr) -> Result<Self, LibraryError> {
        // SAFETY: D1; the constructors of the library run, as loading it requires.
        let library = unsafe { Library::open(Some(library), RTLD_NOW | RTLD_LOCAL) }
            .map_err(|error| LibraryError::NotLoaded(text_of(&error)))?;
        let api =
            Api::find(&library).map_err(|name| LibraryError::Lacks(name, version(&library)))?;
        // Kept open: the functions are used until the process ends.
        let _ = library.into_raw();
        Ok(Self { api })
    }

    /// Initializes the driver in this process. Returns the number of devices.
    pub(crate) fn init(&self) -> Answer<usize> {
        // SAFETY: D1.
        check(unsafe { (self.api.init)(0) })?;
        let mut count = 0;
        // SAFETY: D1, D2.
        check(unsafe { (self.api.device_count)(&raw mut count) })?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    /// The primary context of a device, which the driver makes if there is none.
    pub(crate) fn retain(&self, ordinal: c_int) -> Answer<PrimaryContext> {
        let mut device = 0;
        // SAFETY: D1, D2.
        check(unsafe { (self.api.device)(&raw mut device, ordinal) })?;
        let mut raw = ptr::null_mut();
        // SAFETY: D1, D2.
        check(unsafe { (self.api.retain)(&raw mut raw, device) })?;
        Ok(PrimaryContext { device, raw })
    }

    /// Gives back a context that was retained once too often.
    pub(crate) fn release(&self, context: &PrimaryContext) {
        // SAFETY: D1, D5. If it fails, the context stays retained until the process ends.
        let _ = unsafe { (self.api.release)(context.device) };
    }

    /// Makes a context current on this thread.
    pub(crate) fn enter(&self, context: &PrimaryContext) -> Answer<CurrentContext<'_>> {
        // SAFETY: D1, D5.
        check(unsafe { (self.api.push)(context.raw) })?;
        Ok(CurrentContext {
            api: &self.api,
            thread: PhantomData,
        })
    }

    /// The driver's name of an error, and its description.
    pub(crate) fn describe(&self, status: DriverStatus) -> (Option<String>, Option<String>) {
        let find = |function: unsafe extern "C" fn(c_int, *mut *const c_char) -> c_int| {
            let mut text = ptr::null();
            // SAFETY: D1, D2.
            check(unsafe { function(status.0, &raw mut text) }).ok()?;
            if text.is_null() {
                return None;
            }
            // SAFETY: D4.
            let text = unsafe { CStr::from_ptr(text) };
            Some(text.to_string_lossy().into_owned())
        };
        (find(self.api.error_name), find(self.api.error_text))
    }
}

/// What needs a current context.
impl CurrentContext<'_> {
    /// Waits for all work of the context.
    pub(crate) fn synchronize(&self) -> Answer<()> {
        // SAFETY: D1.
        check(unsafe { (self.api.synchronize)() })
    }

    /// Waits for the default stream, on which the copies below run.
    fn finish(&self) -> Answer<()> {
        // SAFETY: D1; null is the default stream.
        check(unsafe { (self.api.synchronize_stream)(ptr::null_mut()) })
    }

    pub(crate) fn allocate(&self, size: u64) -> Answer<Allocation> {
        let bytes = usize::try_from(size).map_err(|_| INVALID_VALUE)?;
        let mut address = 0;
        // SAFETY: D1, D2.
        check(unsafe { (self.api.allocate)(&raw mut address, bytes) })?;
        Ok(Allocation { address, size })
    }

    /// Frees what `allocate` made.
    #[expect(clippy::needless_pass_by_value, reason = "it is freed once")]
    pub(crate) fn free(&self, allocation: Allocation) -> Answer<()> {
        // SAFETY: D1, D3.
        check(unsafe { (self.api.free)(allocation.address) })
    }

    /// The handle by which another process opens an allocation.
    pub(crate) fn export(&self, allocation: &Allocation) -> Answer<[u8; IPC_HANDLE_BYTES]> {
        let mut handle = IpcHandle {
            reserved: [0; IPC_HANDLE_BYTES],
        };
        // SAFETY: D1, D2, D3.
        check(unsafe { (self.api.export)(&raw mut handle, allocation.address) })?;
        Ok(handle.reserved)
    }

    /// Opens an allocation of another process, which must have at least `size` bytes.
    pub(crate) fn open(&self, handle: [u8; IPC_HANDLE_BYTES], size: u64) -> Answer<Allocation> {
        let mut address = 0;
        let handle = IpcHandle { reserved: handle };
        // SAFETY: D1, D2; the driver checks the handle.
        check(unsafe { (self.api.open)(&raw mut address, handle, LAZY_PEER_ACCESS) })?;
        let allocation = Allocation { address, size };
        if self.room(&allocation).is_some_and(|room| room < size) {
            self.close(allocation)?;
            return Err(INVALID_VALUE);
        }
        Ok(allocation)
    }

    /// The number of bytes from the beginning of an allocation on, if the driver tells it.
    fn room(&self, allocation: &Allocation) -> Option<u64> {
        let (mut base, mut length) = (0, 0);
        let found =
            // SAFETY: D1, D2, D3.
            unsafe { (self.api.range)(&raw mut base, &raw mut length, allocation.address) };
        check(found).ok()?;
        let before = allocation.address.checked_sub(base)?;
        (length as u64).checked_sub(before)
    }

    /// Closes what `open` made.
    #[expect(clippy::needless_pass_by_value, reason = "it is closed once")]
    pub(crate) fn close(&self, allocation: Allocation) -> Answer<()> {
        // SAFETY: D1, D3.
        check(unsafe { (self.api.close)(allocation.address) })
    }

    /// Sets bytes from `offset` on.
    pub(crate) fn fill(
        &self,
        target: &Allocation,
        offset: u64,
        length: usize,
        byte: u8,
    ) -> Answer<()> {
        let address = target.at(offset, length)?;
        if length == 0 {
            return Ok(());
        }
        // SAFETY: D1, D3.
        check(unsafe { (self.api.fill)(address, byte, length) })?;
        self.finish()
    }

    /// Copies a contiguous host buffer to the device, from `offset` on.
    pub(crate) fn upload(
        &self,
        target: &Allocation,
        offset: u64,
        source: &PyUntypedBuffer,
    ) -> Answer<()> {
        let length = source.len_bytes();
        let address = target.at(offset, length)?;
        if !source.is_c_contiguous() {
            return Err(INVALID_VALUE);
        }
        if length == 0 {
            return Ok(());
        }
        // SAFETY: D1, D3, and D2: the buffer keeps its memory in place, in one piece. The driver reads
        // bytes that another thread may write meanwhile, as any native reader of a buffer does.
        check(unsafe { (self.api.upload)(address, source.buf_ptr(), length) })?;
        self.finish()
    }

    /// Fills a contiguous, writable host buffer from `offset` on.
    pub(crate) fn download(
        &self,
        source: &Allocation,
        offset: u64,
        target: &PyUntypedBuffer,
    ) -> Answer<()> {
        let length = target.len_bytes();
        let address = source.at(offset, length)?;
        if !target.is_c_contiguous() || target.readonly() {
            return Err(INVALID_VALUE);
        }
        if length == 0 {
            return Ok(());
        }
        // SAFETY: D1, D3, and D2: the buffer keeps its memory in place, in one piece, and is writable.
        check(unsafe { (self.api.download)(target.buf_ptr(), address, length) })
    }

    /// Fills private memory from `offset` on.
    pub(crate) fn read(&self, source: &Allocation, offset: u64, target: &mut [u8]) -> Answer<()> {
        let address = source.at(offset, target.len())?;
        if target.is_empty() {
            return Ok(());
        }
        let place = target.as_mut_ptr().cast::<c_void>();
        // SAFETY: D1, D2, D3.
        check(unsafe { (self.api.download)(place, address, target.len()) })
    }
}

/// The version of CUDA that a library implements, 1000 for each major one and 10 for each minor one.
fn version(library: &Library) -> Option<c_int> {
    let function: unsafe extern "C" fn(*mut c_int) -> c_int =
        function(library, "cuDriverGetVersion\0")?;
    let mut version = 0;
    // SAFETY: D1, D2.
    check(unsafe { function(&raw mut version) }).ok()?;
    Some(version)
}

/// The text of the dynamic linker.
fn text_of(error: &libloading::Error) -> String {
    match error {
        libloading::Error::DlOpen { source } => source.to_string(),
        other => other.to_string(),
    }
}
