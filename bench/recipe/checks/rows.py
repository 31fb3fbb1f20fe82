"""Rows of iris, drawn at random, and what ONNX Runtime says of them."""

import numpy as np
import onnxruntime

from launch.places import ONNX_MODEL

# The smallest and the largest flower, in centimetres.
SMALLEST = [4.3, 2.0, 1.0, 0.1]
LARGEST = [7.9, 4.4, 6.9, 2.5]
# ONNX Runtime sums 100 shares of votes in float32, so equal ones come out this close.
TIE = 2e-6


def draw_rows(count, seed=0):
    """Rows in tenths of a centimetre, as flowers are measured: float64 of shape (count, 4)."""
    generator = np.random.default_rng(seed)
    return np.round(generator.uniform(SMALLEST, LARGEST, (count, 4)), 1)


class Reference:
    """Is responsible for what an answer is compared with: the shipped model in ONNX Runtime."""

    def __init__(self, threads=1):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(
            str(ONNX_MODEL), options, providers=["CPUExecutionProvider"]
        )

    def predict(self, rows):
        """Classes and probabilities of float32 rows."""
        return self._session.run(["label", "probabilities"], {"features": rows.astype(np.float32)})


def ties(probabilities):
    """For each row, whether its two likeliest classes got the same number of votes."""
    ordered = np.sort(probabilities, axis=1)
    return ordered[:, -1] - ordered[:, -2] < TIE
