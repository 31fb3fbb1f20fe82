"""
Checks that the recipe's pickled forest and the shipped graph are the same model, and how fast each is alone.

    python3 bench/recipe/parity.py

100,000 drawn rows, in batches of 10,000. On one thread, as all variants run it, the graph gives the same
classes as scikit-learn, and any difference ends with code 1. With more threads ONNX Runtime adds the votes up
in another order, in float32, and of classes with equally many votes another one may come out first: such rows
are told, too. The rates are the model-only ratio: what ONNX Runtime brings without any platform.
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
THREADS = [1, 2, 4]


def main():
    """Compare, time, tell."""
    rows = draw_rows(ROWS).astype(np.float32)
    forest = pickle.loads(ensure_pickle(ensure_environment()).read_bytes())
    expected = forest.predict(rows)
    references = {threads: Reference(threads) for threads in THREADS}
    differ = {threads: count_differences(rows, expected, references[threads]) for threads in THREADS}
    rates = measure({"scikit-learn": forest.predict, "onnxruntime": references[1].predict}, rows)
    print(json.dumps({"rows": ROWS, "differ_by_threads": differ, "rows_per_second_on_one_thread": rates}))
    sys.exit(1 if differ[1]["all"] else 0)


def count_differences(rows, expected, reference):
    """How many rows differ from scikit-learn, and how many of them at a tie of votes."""
    labels, probabilities = reference.predict(rows)
    different = labels != expected
    return {"all": int(different.sum()), "at_a_tie": int((different & ties(probabilities)).sum())}


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
