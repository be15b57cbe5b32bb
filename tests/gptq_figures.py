"""The Hessians of a file of `calibrate --hessian` as matrices, and the errors of outputs that follow from them."""

import numpy as np

from input_file import InputFile


class Hessians(InputFile):
    def matrix(self, weight, number=0):
        triangles = self.tensors[self.input_of[weight] + ".hessian"]
        triangle = triangles.reshape(-1, triangles.shape[-1])[number].astype(np.float64)
        columns = int((2 * triangle.size) ** 0.5)
        lower = np.zeros((columns, columns))
        lower[np.tril_indices(columns)] = triangle
        return lower + np.tril(lower, -1).T

    def counts(self, weight):
        return self.tensors[self.input_of[weight] + ".counts"].ravel()


def output_error(weights, rounded, hessian):
    """The sum of (w - q) H (w - q)^T over the rows."""
    change = weights.astype(np.float64) - rounded
    return np.sum(change @ hessian * change)
