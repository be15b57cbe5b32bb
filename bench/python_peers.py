"""Compares the Python package with ml_dtypes, gfloat and torch, whichever of them are installed: bits and speed.

Bits: all float32 whose lower 16 bits are one of a few patterns, those at ties among them. Speed: 2^24 normal values, the best
of seven turns, each package with one thread.

Usage: FAKEQUANT_LIBRARY=build/release/libfakequant_formats.so PYTHONPATH=python python3 bench/python_peers.py
"""

import importlib.util
import time

import numpy as np

import fakequant as fq

# Our names of their types. Of the last two, which have an infinity there and more values here, only finite results are compared.
ML_DTYPES = {"bfloat16": "bf16", "float8_e5m2": "e5m2", "float8_e4m3fn": "e4m3", "float8_e4m3fnuz": "e4m3fnuz",
             "float8_e5m2fnuz": "e5m2fnuz", "float6_e2m3fn": "e2m3", "float6_e3m2fn": "e3m2", "float4_e2m1fn": "e2m1",
             "float8_e3m4": "e3m4", "float8_e4m3": "e4m3"}
GFLOAT = {"format_info_binary16": "f16", "format_info_bfloat16": "bf16", "format_info_ocp_e5m2": "e5m2",
          "format_info_ocp_e4m3": "e4m3", "format_info_ocp_e3m2": "e3m2", "format_info_ocp_e2m3": "e2m3",
          "format_info_ocp_e2m1": "e2m1"}
TURNS = 7


def has(package):
    return importlib.util.find_spec(package) is not None


def values_of_stride():
    upper = np.arange(1 << 16, dtype=np.uint32) << 16
    return np.concatenate([upper | lower for lower in (0, 1, 0x7fff, 0x8000, 0x8001, 0xffff)]).astype(np.uint32).view(np.float32)


def seconds(work, prepare=lambda: None):
    best = np.inf
    for _ in range(TURNS):
        prepare()
        begin = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - begin)
    return best


def compare(package, theirs_of, names, x):
    """Without NaN where the format has no code for it, and without what overflows to NaN there, which saturates here."""
    for theirs, ours in names.items():
        specials = fq.Format(ours).specials
        expected, mine = theirs_of(theirs, ours, x), fq.round(x, ours)
        compared = ~np.isnan(expected) if "NaN" in specials else ~np.isnan(x) & ~np.isnan(expected)
        compared |= np.isnan(x) & ("NaN" in specials)
        if "inf" not in specials:
            compared &= ~np.isinf(expected)
        same = (mine.view(np.uint32) == expected.view(np.uint32)) | (np.isnan(mine) & np.isnan(expected))
        different = compared & ~same
        print(f"{package:10} {theirs:22} {ours:9} {compared.sum():7} compared, {different.sum()} differ",
              [(float(a), float(b), float(c)) for a, b, c in zip(x[different][:3], mine[different], expected[different])] or "")


def main():
    x = values_of_stride()
    if has("ml_dtypes"):
        import ml_dtypes
        with np.errstate(all="ignore"):
            names = {name: ours for name, ours in ML_DTYPES.items() if hasattr(ml_dtypes, name)}
            compare("ml_dtypes", lambda name, _, x: x.astype(getattr(ml_dtypes, name)).astype(np.float32), names, x)
    if has("gfloat"):
        import gfloat
        import gfloat.formats
        with np.errstate(all="ignore"):
            def by_gfloat(name, ours, x):
                saturates = "inf" not in fq.Format(ours).specials
                return gfloat.round_ndarray(getattr(gfloat.formats, name), x.astype(np.float64), gfloat.RoundMode.TiesToEven,
                                            saturates).astype(np.float32)
            compare("gfloat", by_gfloat, {name: ours for name, ours in GFLOAT.items() if hasattr(gfloat.formats, name)}, x)

    many = np.random.default_rng(1).standard_normal((4096, 4096), np.float32)
    out = np.empty_like(many)
    copy = seconds(lambda: np.copyto(out, many))
    print(f"\n{many.size} values; numpy copies them in {copy * 1e3:.1f} ms")
    for text in ("bf16", "e4m3", "int8", "mxfp4", "nvfp4", "nvfp4,rotate=hadamard"):
        in_place = seconds(lambda: fq.round(out, text, out=out), lambda: np.copyto(out, many))
        mine = seconds(lambda: fq.round(many, text))  # the others make new arrays as well
        line = f"{text:22} in place {in_place * 1e3:5.1f} ms, a new array {mine * 1e3:5.1f} ms"
        if has("ml_dtypes") and text in ("bf16", "e4m3"):
            dtype = getattr(ml_dtypes, {"bf16": "bfloat16", "e4m3": "float8_e4m3fn"}[text])
            line += f", ml_dtypes {seconds(lambda: many.astype(dtype).astype(np.float32)) / mine:5.1f} x"
        if has("torch") and text in ("bf16", "e4m3", "int8"):
            import torch
            torch.set_num_threads(1)
            tensor = torch.from_numpy(many)

            def int8():
                scale = tensor.abs().amax(dim=1, keepdim=True) / 127
                return (tensor / scale).round_().mul_(scale)
            work = {"bf16": lambda: tensor.bfloat16().float(), "e4m3": lambda: tensor.to(torch.float8_e4m3fn).float(),
                    "int8": int8}[text]
            line += f", torch {seconds(work) / mine:5.1f} x"
        print(line)
    small = np.zeros(16, np.float32)
    calls = 10000
    print(f"a call for 16 values takes {seconds(lambda: [fq.round(small, 'e4m3', out=small) for _ in range(calls)]) / calls * 1e6:.1f} us")


if __name__ == "__main__":
    main()
