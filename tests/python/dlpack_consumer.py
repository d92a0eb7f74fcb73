"""A consumer of DLPack capsules, of both layouts, as libraries in C are: by ctypes."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, Final

_capsules: Final = ctypes.pythonapi
_capsules.PyCapsule_IsValid.argtypes = [ctypes.py_object, ctypes.c_char_p]
_capsules.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
_capsules.PyCapsule_GetPointer.restype = ctypes.c_void_p
_capsules.PyCapsule_SetName.argtypes = [ctypes.py_object, ctypes.c_char_p]


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device", ctypes.c_int32 * 2),
        ("dimensions", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


# A foreign function of this type is called without the interpreter.
_DELETER: Final = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _Legacy(ctypes.Structure):
    _fields_ = (
        ("tensor", _Tensor),
        ("manager_ctx", ctypes.c_void_p),
        ("deleter", _DELETER),
    )


class _Versioned(ctypes.Structure):
    _fields_ = (
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("manager_ctx", ctypes.c_void_p),
        ("deleter", _DELETER),
        ("flags", ctypes.c_uint64),
        ("tensor", _Tensor),
    )


# The names of a capsule: before and after it was consumed.
_NAMES: Final = {
    b"dltensor": (_Legacy, b"used_dltensor"),
    b"dltensor_versioned": (_Versioned, b"used_dltensor_versioned"),
}


class Consumed:
    """What a consumer has after it took a tensor over from a capsule."""

    def __init__(self, capsule: object) -> None:
        name = next(name for name in _NAMES if _capsules.PyCapsule_IsValid(capsule, name))
        layout, used = _NAMES[name]
        self._pointer: int = _capsules.PyCapsule_GetPointer(capsule, name)
        # As the protocol wants it: from now on the capsule deletes nothing.
        _capsules.PyCapsule_SetName(capsule, used)
        managed: Any = layout.from_address(self._pointer)
        tensor = managed.tensor
        count = tensor.dimensions
        self.name = name.decode()
        self.version = (managed.major, managed.minor) if layout is _Versioned else None
        self.flags = managed.flags if layout is _Versioned else 0
        self.data: int | None = tensor.data
        self.device = tuple(tensor.device)
        self.element = (tensor.code, tensor.bits, tensor.lanes)
        self.shape = tuple(tensor.shape[:count])
        self.strides = tuple(tensor.strides[:count])
        self.byte_offset = tensor.byte_offset
        self._deleter: Callable[[int], None] = managed.deleter

    def delete(self) -> None:
        """Calls the deleter, as the consumer does when it is done."""
        self._deleter(self._pointer)
