"""The files of calibrate about products' inputs, as docs/gptq.md and docs/smoothing.md describe them, and models' tensors."""

import gguf
import numpy as np


def tensors_of(path):
    """The values of a GGUF file's tensors in float32, by name."""
    return {t.name: np.array(t.data, np.float32).reshape(t.shape[::-1]) for t in gguf.GGUFReader(path).tensors}


class InputFile:
    """`type` says what the file has, `input_of` which input each weight reads, `recipe` what rounded the layers before each, and `tensors` has what belongs to the inputs."""

    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        contents = {key: field.contents() for key, field in reader.fields.items()}
        self.type = contents["general.type"]
        self.input_of = dict(zip(contents[f"{self.type}.weights"], contents[f"{self.type}.inputs"]))
        self.recipe = contents.get(f"{self.type}.recipe")
        self.tensors = {t.name: np.array(t.data, np.float32) for t in reader.tensors}
