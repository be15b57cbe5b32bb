"""Writes the fuzzers' first corpus: small sound files, and one of every malformed kind.

Usage: make_corpus.py [FOLDER]      (default: corpus, beside this file)
"""

import json
import os
import struct
import sys

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
TYPE_F32, TYPE_F16, TYPE_Q4_0, TYPE_DROPPED, TYPE_Q8_0, TYPE_Q4_K, TYPE_I8, TYPE_F64, TYPE_BF16 = 0, 1, 2, 4, 8, 12, 24, 28, 30


def u32(number):
    return struct.pack("<I", number)


def u64(number):
    return struct.pack("<Q", number & (2**64 - 1))


def text(string):
    return u64(len(string)) + string.encode()


def key(name, kind, value):
    return text(name) + u32(kind) + value


def tensor(name, shape, kind, offset):
    return text(name) + u32(len(shape)) + b"".join(map(u64, shape)) + u32(kind) + u64(offset)


ARCHITECTURE = key("general.architecture", STRING, text("llama"))
TENSOR = tensor("blk.0.ffn_norm.weight", [8], TYPE_F32, 0)
FLOATS = struct.pack("<8f", 0, 1, -2, 0.1, 1e30, float("inf"), float("nan"), 1e-40)


def gguf(keys=(ARCHITECTURE,), tensors=(TENSOR,), data=FLOATS, magic=b"GGUF", version=3, key_count=None, tensor_count=None,
         alignment=32):
    header = magic + u32(version) + u64(len(tensors) if tensor_count is None else tensor_count)
    header += u64(len(keys) if key_count is None else key_count) + b"".join(keys) + b"".join(tensors)
    return header + b"\0" * (-len(header) % alignment) + data


def gguf_files():
    sound = gguf()
    yield "sound", sound
    yield "sound_version_2", gguf(version=2)
    yield "sound_without_tensors", gguf(tensors=(), data=b"")
    yield "sound_without_anything", gguf(keys=(), tensors=(), data=b"")
    yield "sound_alignment_64", gguf(keys=(ARCHITECTURE, key("general.alignment", U32, u32(64))), alignment=64)
    yield "sound_every_key_type", gguf(keys=(
        key("a", U8, b"\1"), key("b", I8, b"\xff"), key("c", U16, b"\1\0"), key("d", I16, b"\xff\xff"), key("e", U32, u32(1)),
        key("f", I32, u32(2**32 - 1)), key("g", F32, u32(0)), key("h", BOOL, b"\1"), key("i", STRING, text("x")),
        key("j", ARRAY, u32(STRING) + u64(2) + text("x") + text("")), key("k", U64, u64(1)), key("l", I64, u64(-1)),
        key("m", F64, u64(0)), key("n", ARRAY, u32(U16) + u64(3) + bytes(6)), key("o", ARRAY, u32(U8) + u64(0))))
    yield "sound_several_types", gguf(
        tensors=(tensor("a", [32], TYPE_Q8_0, 0), tensor("b", [3, 2], TYPE_F16, 64), tensor("c", [5], TYPE_BF16, 96),
                 tensor("blk.1.d.weight", [256], TYPE_Q4_K, 128), tensor("e", [2], TYPE_F64, 288), tensor("f", [3], TYPE_I8, 320)),
        data=bytes(range(256)) + bytes(96))
    yield "sound_without_values", gguf(tensors=(tensor("a", [0], TYPE_F32, 0), TENSOR, tensor("b", [4, 0], TYPE_F32, 32)))
    yield "sound_scalar", gguf(tensors=(tensor("a", [], TYPE_F32, 0),))
    yield "sound_with_a_gap_and_an_end", gguf(tensors=(TENSOR, tensor("b", [1], TYPE_F32, 96)), data=FLOATS + bytes(100))
    yield "sound_out_of_order", gguf(tensors=(tensor("a", [8], TYPE_F32, 32), tensor("b", [8], TYPE_F32, 0)), data=FLOATS * 2)
    yield "sound_one_part_of_one", gguf(keys=(key("split.count", U16, b"\1\0"), key("split.no", U16, b"\0\0")))

    yield "empty", b""
    yield "three_bytes", b"GGU"
    yield "other_magic", gguf(magic=b"GGML")
    yield "version_0", gguf(version=0)
    yield "version_1", gguf(version=1)
    yield "version_4", gguf(version=4)
    yield "big_endian", gguf(version=0x03000000)
    for length in (4, 8, 16, 23, 24, 30, 40, 60, 64, 70, 90, 100, 110, 120, len(sound) - 1):
        yield f"cut_at_{length}", sound[:length]
    for name, count in (("one_more", 2), ("a_million", 10**6), ("most", 2**64 - 1), ("negative", 2**63)):
        yield f"keys_{name}", gguf(key_count=count)
        yield f"tensors_{name}", gguf(tensor_count=count)
    yield "key_name_past_end", gguf(keys=(u64(10**6) + b"x",))
    yield "key_name_most", gguf(keys=(u64(2**64 - 1) + b"x",))
    yield "key_twice", gguf(keys=(ARCHITECTURE, ARCHITECTURE))
    yield "key_type_unknown", gguf(keys=(key("k", 13, b""),))
    yield "key_string_past_end", gguf(keys=(key("k", STRING, u64(10**6)),))
    yield "key_string_most", gguf(keys=(key("k", STRING, u64(2**64 - 1)),))
    yield "key_array_type_unknown", gguf(keys=(key("k", ARRAY, u32(99) + u64(1)),))
    yield "key_array_of_arrays", gguf(keys=(key("k", ARRAY, u32(ARRAY) + u64(1) + u32(U8) + u64(1) + b"x"),))
    yield "key_array_past_end", gguf(keys=(key("k", ARRAY, u32(U64) + u64(10**6)),))
    yield "key_array_size_overflows", gguf(keys=(key("k", ARRAY, u32(U64) + u64(2**61)),))
    yield "key_array_most", gguf(keys=(key("k", ARRAY, u32(U8) + u64(2**64 - 1)),))
    yield "key_array_strings_past_end", gguf(keys=(key("k", ARRAY, u32(STRING) + u64(3) + text("x") + u64(10**6)),))
    yield "key_array_strings_most", gguf(keys=(key("k", ARRAY, u32(STRING) + u64(2**64 - 1)),))
    for name, kind, value in (("0", U32, u32(0)), ("48", U32, u32(48)), ("of_64_bits", U64, u64(32)), ("most", U32, u32(2**31)),
                              ("string", STRING, text("32"))):
        yield f"alignment_{name}", gguf(keys=(key("general.alignment", kind, value),))
    yield "architecture_is_a_number", gguf(keys=(key("general.architecture", U32, u32(1)),))
    yield "part_1_of_3", gguf(keys=(key("split.count", U16, b"\3\0"), key("split.no", U16, b"\0\0")))
    yield "parts_negative", gguf(keys=(key("split.count", I64, u64(-1)),))
    yield "parts_most", gguf(keys=(key("split.count", U64, u64(2**63 - 1)),))

    yield "tensor_name_past_end", gguf(tensors=(u64(10**6) + b"x",))
    yield "tensor_name_most", gguf(tensors=(u64(2**64 - 1) + b"x",))
    yield "tensor_name_empty", gguf(tensors=(tensor("", [8], TYPE_F32, 0),))
    yield "tensor_name_strange", gguf(tensors=(tensor("blk.99999999999.\n\x01", [8], TYPE_F32, 0),))
    yield "tensor_twice", gguf(tensors=(TENSOR, TENSOR))
    yield "tensor_of_five_dimensions", gguf(tensors=(tensor("t", [1, 1, 1, 1, 8], TYPE_F32, 0),))
    yield "tensor_of_most_dimensions", gguf(tensors=(text("t") + u32(2**32 - 1) + u64(1),))
    yield "tensor_length_negative", gguf(tensors=(tensor("t", [-8], TYPE_F32, 0),))
    yield "tensor_shape_overflows", gguf(tensors=(tensor("t", [2**40, 2**40], TYPE_F32, 0),))
    yield "tensor_shape_overflows_to_0", gguf(tensors=(tensor("t", [2**32, 2**32], TYPE_F32, 0),))
    yield "tensor_size_overflows", gguf(tensors=(tensor("t", [2**62], TYPE_F32, 0),))
    yield "tensor_size_overflows_to_8", gguf(tensors=(tensor("t", [2**62 + 2], TYPE_F32, 0),))
    yield "tensor_type_unknown", gguf(tensors=(tensor("t", [8], 1000, 0),))
    yield "tensor_type_dropped", gguf(tensors=(tensor("t", [8], TYPE_DROPPED, 0),))
    yield "tensor_type_most", gguf(tensors=(tensor("t", [8], 2**32 - 1, 0),))
    yield "tensor_rows_of_part_blocks", gguf(tensors=(tensor("t", [31], TYPE_Q8_0, 0),))
    yield "tensor_off_alignment", gguf(tensors=(tensor("t", [1], TYPE_F32, 4),))
    yield "tensor_offset_past_end", gguf(tensors=(tensor("t", [8], TYPE_F32, 32),))
    yield "tensor_offset_most", gguf(tensors=(tensor("t", [8], TYPE_F32, 2**64 - 32),))
    yield "tensor_end_overflows", gguf(tensors=(tensor("t", [2**61 - 1], TYPE_I8, 2**64 - 64),))
    yield "tensor_past_end", gguf(tensors=(tensor("t", [9], TYPE_F32, 0),))
    yield "tensors_overlap", gguf(tensors=(tensor("a", [16], TYPE_F32, 0), tensor("b", [8], TYPE_F32, 32)), data=FLOATS * 2)
    yield "tensors_at_one_place", gguf(tensors=(tensor("a", [8], TYPE_F32, 0), tensor("b", [8], TYPE_F32, 0)))
    yield "tensor_without_values_within_another", gguf(
        tensors=(tensor("a", [16], TYPE_F32, 0), tensor("b", [0], TYPE_F32, 32)), data=FLOATS * 2)


def safetensors(header, data=bytes(64), length=None):
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return u64(len(header) if length is None else length) + header + data


def safetensors_files():
    def one(**fields):
        return safetensors({"t": {"dtype": "F32", "shape": [2, 8], "data_offsets": [0, 64]} | fields})

    yield "sound", one()
    for dtype, size in (("F64", 8), ("F16", 2), ("BF16", 2), ("I64", 8), ("I32", 4), ("I16", 2), ("I8", 1), ("U8", 1), ("BOOL", 1),
                        ("F8_E4M3", 1), ("F8_E5M2", 1)):
        yield f"sound_{dtype.lower()}", one(dtype=dtype, shape=[64 // size])
    yield "sound_scalar", safetensors({"t": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}}, bytes(4))
    yield "sound_without_values", safetensors({"t": {"dtype": "F32", "shape": [0, 5], "data_offsets": [0, 0]}}, b"")
    yield "sound_metadata", safetensors({"__metadata__": {"format": "pt"}}, b"")
    yield "data_of_no_tensor", safetensors({})
    yield "gap_first", one(shape=[15], data_offsets=[4, 64])
    yield "gap_last", one(shape=[15], data_offsets=[0, 60])
    half = {"dtype": "F32", "shape": [8], "data_offsets": [0, 32]}
    yield "overlap", safetensors({"t": half, "u": half | {"shape": [9], "data_offsets": [28, 64]}})
    yield "key_twice", safetensors(json.dumps({"t": half, "u": half}).replace('"u"', '"t"').encode(), bytes(32))
    yield "empty", b""
    yield "seven_bytes", bytes(7)
    yield "header_most", safetensors({}, length=2**64 - 1)
    yield "header_past_end", safetensors({}, length=1000)
    yield "header_no_json", safetensors(b"{nope")
    yield "header_a_list", safetensors(b"[]")
    yield "header_deep", safetensors(b"[" * 5000)
    yield "header_not_utf8", safetensors(b'{"\xff": 1}')
    yield "tensor_a_number", safetensors({"t": 1})
    yield "tensor_empty", safetensors({"t": {}})
    yield "dtype_unknown", one(dtype="Q4")
    yield "dtype_a_number", one(dtype=4)
    yield "shape_no_list", one(shape=16)
    yield "shape_negative", one(shape=[-16])
    yield "shape_fraction", one(shape=[1.5])
    yield "shape_overflows", one(shape=[2**40, 2**40])
    yield "shape_most", one(shape=[2**64 - 1])
    yield "shape_too_large", one(shape=[17])
    yield "offsets_one", one(data_offsets=[0])
    yield "offsets_text", one(data_offsets=["0", "64"])
    yield "offsets_reversed", one(data_offsets=[64, 0])
    yield "offsets_past_end", one(data_offsets=[0, 65])
    yield "offsets_most", one(data_offsets=[2**64 - 64, 2**64 - 1])
    yield "bytes_left_over", one(data_offsets=[0, 63])


def c_calls():
    """The text of a format, a line; then columns, rows of a token, and a position, a byte each; then float32 values."""
    floats = struct.pack("<16f", *(x / 7 for x in range(-8, 8)))

    def call(format_text, columns=16, token_rows=0, position=0, values=floats):
        return format_text.encode() + b"\n" + bytes((columns, token_rows, position)) + values

    for format_text in ("bf16", "e4m3,round=stochastic,seed=5", "int4,per=block,block=8,mode=asym", "int8,range=percentile:99.9",
                        "int3,range=mse", "mxfp4,scale=ceil", "nvfp4,rotate=hadamard:4", "e2m1,tile=2x2,scale=f32", "nf4,per=block,block=4",
                        "mantissa7,round=zero", "int4,codes=full,rotate=random:7"):
        yield "sound_" + "".join(c if c.isalnum() else "_" for c in format_text), call(format_text)
    yield "tokens", call("int8", columns=4, token_rows=2, position=9)
    yield "no_values", call("int8", values=b"")
    yield "no_columns", call("int8", columns=0)
    yield "not_finite", call("nvfp4", columns=8, values=FLOATS)
    yield "per_token_of_a_weight", call("int8,per=token")
    yield "tiles_of_tokens", call("e4m3,tile=4x4", token_rows=1)
    yield "rotation_does_not_divide", call("int4,rotate=hadamard:16", columns=3)
    yield "rows_are_no_tokens", call("int8", columns=4, token_rows=3)
    yield "unknown_name", call("e4m")
    yield "unknown_option", call("int4,size=3")
    yield "type_of_ggml", call("q4_k")
    yield "range_of_a_file", call("e4m3,range=static:ranges.json")
    yield "option_twice", call("int4,mode=sym,mode=asym")
    yield "number_too_large", call("int4,per=block,block=99999999999999999999")
    yield "quote_left_open", call("int4,range='percentile:99")
    yield "empty", b""


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "corpus")
    for kind, files in (("gguf", gguf_files()), ("safetensors", safetensors_files()), ("capi", c_calls())):
        folder = os.path.join(root, kind)
        os.makedirs(folder, exist_ok=True)
        for name, content in files:
            with open(os.path.join(folder, name), "wb") as file:
                file.write(content)


if __name__ == "__main__":
    main()
