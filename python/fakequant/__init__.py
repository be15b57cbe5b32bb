"""Simulated quantization: number formats for numpy arrays and torch tensors on the CPU, and measurements of GGUF models.

round() replaces every value by the value of the code that it rounds to. Results equal those of the program fakequant in every
bit; docs/formats.md defines the formats. evaluate(), sweep() and the others run the program, which must be installed, and give
what it measured as dataclasses.

>>> import numpy as np
>>> import fakequant as fq
>>> fq.round(np.array([0.3, 449], np.float32), "e4m3")
array([3.125e-01, 4.480e+02], dtype=float32)
>>> fq.Format("nvfp4").bits
4.5
"""

from . import results as results
from ._formats import Format, formats, round, version
from ._measure import calibrate, evaluate, generate, inspect, plan, sweep
from ._result import Result
from ._study import Study

__all__ = ["Format", "formats", "round", "version", "inspect", "evaluate", "sweep", "plan", "calibrate", "generate", "Result",
           "Study"]
__version__ = version()
