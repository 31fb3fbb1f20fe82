"""
Checks that the recipe's pickled forest and the shipped graph are the same model, and how fast each is alone.

    python3 bench/recipe/parity.py

100,000 drawn rows, in batches of 10,000, on one thread. The two may differ where two classes have equally
many votes, and nowhere else: any other difference ends with code 1. The rates are the model-only ratio: what ONNX
Runtime brings without any platform.
"""

from launch.environment import ensure_environment, enter_environment

enter_environment()

import json  # noqa: E402
import pickle  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

import numpy as np  # noqa: E402

from checks.rows import Reference, draw_rows, ties  # noqa: E402
from launch.variants import ensure_pickle  # noqa: E402

ROWS = 100_000
BATCH = 10_000
ROUNDS = 5


def main():
    """Compare, time, tell."""
    rows = draw_rows(ROWS).astype(np.float32)
    forest = pickle.loads(ensure_pickle(ensure_environment()).read_bytes())
    reference = Reference()
    labels, probabilities = reference.predict(rows)
    different = labels != forest.predict(rows)
    tied = ties(probabilities)
    difference = float(np.abs(probabilities - forest.predict_proba(rows)).max())
    report = {
        "rows": ROWS,
        "differ": int(different.sum()),
        "differ_at_a_tie": int((different & tied).sum()),
        "ties": int(tied.sum()),
        "largest_difference_of_a_probability": difference,
    }
    rates = measure({"scikit-learn": forest.predict, "onnxruntime": reference.predict}, rows)
    print(json.dumps({**report, "rows_per_second": rates}))
    sys.exit(1 if (different & ~tied).any() else 0)


def measure(predictors, rows):
    """The median rate of each in rows per second; they take turns."""
    seconds = {name: [] for name in predictors}
    for _ in range(ROUNDS):
        for name, predict in predictors.items():
            started = time.perf_counter()
            for first in range(0, len(rows), BATCH):
                predict(rows[first : first + BATCH])
            seconds[name].append(time.perf_counter() - started)
    return {name: round(len(rows) / float(np.median(times))) for name, times in seconds.items()}


main()
