"""The shared library of the formats, and its C functions (include/fakequant/fakequant.h)."""

import ctypes
import os
import sys
from ctypes import POINTER, c_char_p, c_double, c_int, c_int64, c_uint32, c_void_p

_NAME = {"win32": "fakequant_formats.dll", "darwin": "libfakequant_formats.dylib"}.get(sys.platform, "libfakequant_formats.so")


class Facts(ctypes.Structure):
    """struct fakequant_facts."""

    _fields_ = [("bits", c_double), ("largest", c_double), ("smallest_normal", c_double), ("smallest_subnormal", c_double),
                ("steps", c_int64), ("codes", c_char_p), ("specials", c_char_p), ("scale", c_char_p), ("rotation", c_char_p),
                ("source", c_char_p)]


class Place(ctypes.Structure):
    """struct fakequant_place."""

    _fields_ = [("token_rows", c_int64), ("site", c_char_p), ("position", c_uint32)]


def _load() -> ctypes.CDLL:
    """The library that FAKEQUANT_LIBRARY names, else the one of this package, else the system's."""
    named = os.environ.get("FAKEQUANT_LIBRARY")
    own = os.path.join(os.path.dirname(__file__), _NAME)
    path = named or (own if os.path.exists(own) else _NAME)
    try:
        return ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(f"cannot load the library of the formats: {error}: install the package by pip, or name the library "
                          f"in FAKEQUANT_LIBRARY") from error


def _declare(library: ctypes.CDLL) -> ctypes.CDLL:
    for name, result, arguments in (
            ("version", c_char_p, []),
            ("last_error", c_char_p, []),
            ("name_count", c_int64, []),
            ("name", c_char_p, [c_int64]),
            ("parse", c_void_p, [c_char_p]),
            ("free", None, [c_void_p]),
            ("text", c_char_p, [c_void_p]),
            ("facts_of", POINTER(Facts), [c_void_p]),
            ("code_count", c_int64, [c_void_p]),
            ("code_values", c_int, [c_void_p, c_int64, c_int64, c_void_p]),
            ("round", c_int, [c_void_p, c_void_p, c_int64, c_int64, POINTER(Place), POINTER(c_int64)])):
        function = getattr(library, "fakequant_" + name)
        function.restype = result
        function.argtypes = arguments
    return library


library = _declare(_load())


def failure() -> ValueError:
    """The error of this thread's last call."""
    return ValueError(library.fakequant_last_error().decode(errors="replace"))
