"""Formats, and rounding to them."""

import functools
import math
from typing import Any, List, Optional, Tuple, TypeVar, Union

import numpy as np

from ._library import Place, failure, library

Array = TypeVar("Array")  # a numpy array or a torch tensor


def version() -> str:
    """The version of the library: "0.1.0"."""
    return library.fakequant_version().decode()


def formats() -> List[str]:
    """The names of formats. Those with a number or a file in them are listed once: "eXmY", "int2..int16", "lookup:FILE".

    >>> "nvfp4" in formats()
    True
    """
    return [library.fakequant_name(i).decode() for i in range(library.fakequant_name_count())]


class Format:
    """A number format with its options: "e4m3", "int4,per=block,block=64,mode=asym", "nvfp4,rotate=hadamard".

    It does not change, may be used by several threads at once, and can be compared, hashed and pickled. Raises ValueError for
    what is no format, and for those that this library does not hold: ggml's types, and range=static:FILE.

    >>> e4m3 = Format("e4m3")
    >>> e4m3.bits, e4m3.largest, e4m3.specials
    (8.0, 448.0, 'NaN -0')
    >>> str(Format("e2m1,per=block,block=32,scale=e8m0"))
    'mxfp4'
    """

    bits: float  #: of a value, with its share of a block's scale; scales of rows, tokens and tensors are not counted
    largest: float  #: the largest finite value, in units of the scale if there is one
    smallest_normal: Optional[float]  #: None where steps are the same everywhere, or values are a list
    smallest_subnormal: float  #: the smallest value above 0
    steps: Optional[int]  #: from 1 to 2; None for whole numbers and lists
    layout: str  #: of a code: "1 sign, 4 exponent, 3 mantissa", "-127 .. 127"
    specials: str  #: those of inf, NaN, -0 that have codes: "NaN -0"
    scale: str  #: the values that share it, and its type: "16 values: E4M3; all: float32"; empty without one
    rotation: str  #: the matrix that rows are multiplied by; empty without one
    source: str  #: the specification

    def __init__(self, text: str) -> None:
        self._handle = None
        encoded = text.encode()
        if b"\0" in encoded:
            raise ValueError(f"the format {text!r} has a NUL in it")
        self._handle = library.fakequant_parse(encoded)
        if self._handle is None:
            raise failure()
        self._text = library.fakequant_text(self._handle).decode()
        facts = library.fakequant_facts_of(self._handle).contents
        self.bits = facts.bits
        self.largest = facts.largest
        self.smallest_normal = None if math.isnan(facts.smallest_normal) else facts.smallest_normal
        self.smallest_subnormal = facts.smallest_subnormal
        self.steps = facts.steps or None
        self.layout = facts.codes.decode()
        self.specials = facts.specials.decode()
        self.scale = facts.scale.decode()
        self.rotation = facts.rotation.decode()
        self.source = facts.source.decode()

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None and library is not None:
            library.fakequant_free(self._handle)

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"Format({self._text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Format) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> Tuple[Any, ...]:
        return Format, (self._text,)

    def codes(self) -> "np.ndarray[Any, np.dtype[np.float64]]":
        """The values of all codes, a float64 array, in units of the scale.

        Codes of floats are ordered by their bits, with NaN for those that are no numbers; integers and lists ascend.

        >>> Format("e2m1").codes()[:8]
        array([0. , 0.5, 1. , 1.5, 2. , 3. , 4. , 6. ])
        """
        count = library.fakequant_code_count(self._handle)
        if count > 1 << 20:
            raise ValueError(f"{self} has {count} codes: an array of their values would be too large")
        values = np.empty(count, np.float64)
        if library.fakequant_code_values(self._handle, 0, count, values.ctypes.data) != 0:
            raise failure()
        return values

    def round(self, x: Array, **options: Any) -> Array:
        """The same as fakequant.round(x, self, ...)."""
        return round(x, self, **options)

    def _round_memory(self, address: int, rows: int, columns: int, place: Place) -> None:
        """Rounds contiguous float32 values in place. ctypes releases the GIL while the library runs."""
        if library.fakequant_round(self._handle, address, rows, columns, place, None) != 0:
            raise failure()


@functools.lru_cache(maxsize=256)
def _known_format(text: str) -> Format:
    return Format(text)


def _format_of(format: Union[str, Format]) -> Format:
    if isinstance(format, Format):
        return format
    # A file may have changed since it was read.
    return Format(format) if format.startswith("lookup:") else _known_format(format)


def _shape_of_rows(shape: Tuple[int, ...]) -> Tuple[int, int]:
    """The rows and columns of an array whose rows lie along its last axis. A number is a row of one."""
    columns = shape[-1] if shape else 1
    return math.prod(shape[:-1]), columns


def round(x: Array, format: Union[str, Format], *, axis: int = -1, out: Optional[Array] = None, activation: bool = False,
          token_rows: int = 1, site: Optional[str] = None, position: int = 0) -> Array:
    """Rounds every value of an array to a format, and returns the array of rounded values.

    x           a numpy array or a torch tensor on the CPU, of any shape, in float32, float16, bfloat16 or float64. What is
                rounded is the nearest float32, as every value of a model is one; only float32 results are exact, others are
                the nearest that x's type has.
    format      a Format or its text.
    axis        the axis that rows lie along: what a matrix product adds up over. Blocks and rotations are of a row.
    out         an array of x's shape to write to, such as x itself, and to return. Contiguous float32 (with axis=-1) is rounded
                in its own memory. Left out: a new array of x's shape and type; x is not changed. torch's autograd does not
                notice what is written to a tensor.
    activation  False: x is a weight; a format that does not say otherwise has a scale for each row, and the scale of a tensor
                (per=tensor, the outer scale of NVFP4) is found over all of x. True: x is tokens; a format that does not say
                otherwise has a scale for each token, and outer scales are those of a token.
    token_rows  of an activation: how many consecutive rows are one token; 4 for x of shape (tokens, 4 heads, values).
    site        what random roundings depend on beside seed= and the place of a value: the name of a tensor
                ("blk.0.ffn_up.weight") or a site ("ffn_norm-5") of a model. Left out: the format's name.
    position    of an activation: the position of its first token, for random roundings.

    The array is rounded by the calling thread, without the GIL. Gradients do not flow through the result. Raises ValueError
    where the format cannot hold such rows, and TypeError for other types of values.

    >>> round(np.array([[1, 2, 7.4], [10, 0, 70]], np.float32), "int4")
    array([[ 1.0571429,  2.1142857,  7.4      ],
           [10.       ,  0.       , 70.       ]], dtype=float32)
    """
    if token_rows < 1 or (token_rows > 1 and not activation):
        raise ValueError(f"token_rows={token_rows}: a token has at least one row, and only activations have tokens")
    if not 0 <= position < 1 << 32:
        raise ValueError(f"position={position} is not in 0 .. 2^32 - 1")
    place = Place(token_rows if activation else 0, None if site is None else site.encode(), position)
    rounding = functools.partial(_round_rows, _format_of(format), place, axis)
    return _round_tensor(x, out, rounding) if hasattr(x, "data_ptr") else _round_array(x, out, rounding)


_TYPES = ("float32", "float16", "bfloat16", "float64")


def _check_type(dtype: Any) -> None:
    name = str(dtype).replace("torch.", "") if not isinstance(dtype, np.dtype) else dtype.name
    if name not in _TYPES:
        raise TypeError(f"values of type {name} are not rounded: give {', '.join(_TYPES)}")


def _check_out(out: Any, x: Any) -> None:
    if tuple(out.shape) != tuple(x.shape):
        raise ValueError(f"out has the shape {tuple(out.shape)} and x {tuple(x.shape)}: give one of x's shape")


def _round_rows(format: Format, place: Place, axis: int, values: Any) -> None:
    """Rounds a float32 array or tensor in place, whatever its strides."""
    dimensions = max(1, len(values.shape))
    if not -dimensions <= axis < dimensions:
        raise ValueError(f"axis={axis}: x has {len(values.shape)} axes")
    turned = values if axis in (-1, dimensions - 1) else values.swapaxes(axis, -1)
    if isinstance(values, np.ndarray):
        rows = turned if turned.flags.c_contiguous else turned.copy(order="C")
        format._round_memory(rows.ctypes.data, *_shape_of_rows(rows.shape), place)
        if rows is not turned:
            turned[...] = rows
    else:
        rows = turned.contiguous()  # itself if it is
        format._round_memory(rows.data_ptr(), *_shape_of_rows(tuple(rows.shape)), place)
        if rows.data_ptr() != turned.data_ptr():
            turned.copy_(rows)


def _round_array(x: Any, out: Any, rounding: Any) -> Any:
    if out is not None and not isinstance(out, np.ndarray):
        raise TypeError("out is no numpy array, as x is")
    given, x = x, np.asarray(x)
    if x.dtype != np.float32:  # finding the name takes longer than all else
        _check_type(x.dtype)
    if out is None:
        values = np.array(x, np.float32, order="C")
        rounding(values)
        return values if x.dtype == np.float32 else values.astype(x.dtype)
    if out.dtype != np.float32:
        _check_type(out.dtype)
    _check_out(out, x)
    if not out.flags.writeable:
        raise ValueError("out is read-only")
    if out.dtype == np.float32:
        if out is not given:
            out[...] = x
        rounding(out)
    else:
        values = np.array(x, np.float32, order="C")
        rounding(values)
        out[...] = values
    return out


def _round_tensor(x: Any, out: Any, rounding: Any) -> Any:
    # torch is not imported: the tensors have all that is needed.
    for tensor, name in ((x, "x"), (out, "out")):
        if tensor is None:
            continue
        if not hasattr(tensor, "data_ptr"):
            raise TypeError(f"{name} is no torch tensor, as the other is")
        if tensor.device.type != "cpu":
            raise ValueError(f"{name} is on {tensor.device}: move it to the CPU")
        _check_type(tensor.dtype)
    source = x.detach()
    if out is None:
        values = _own_float32(source)
        rounding(values)
        return values.to(x.dtype)
    _check_out(out, x)
    target = out.detach()  # the same memory
    if str(out.dtype) == "torch.float32":
        if out is not x:
            target.copy_(source)
        rounding(target)
    else:
        values = _own_float32(source)
        rounding(values)
        target.copy_(values)
    return out


def _own_float32(tensor: Any) -> Any:
    """The values in contiguous memory of their own."""
    values = tensor.float().contiguous()
    return values.clone() if values.data_ptr() == tensor.data_ptr() else values
