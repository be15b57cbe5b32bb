"""Number formats of simulated quantization, for numpy arrays and torch tensors on the CPU.

Every value is replaced by the value of the code that it rounds to. Results equal those of the program fakequant in every
bit; docs/formats.md defines the formats.

>>> import numpy as np
>>> import fakequant as fq
>>> fq.round(np.array([0.3, 449], np.float32), "e4m3")
array([3.125e-01, 4.480e+02], dtype=float32)
>>> fq.Format("nvfp4").bits
4.5
"""

from ._formats import Format, formats, round, version

__all__ = ["Format", "formats", "round", "version"]
__version__ = version()
