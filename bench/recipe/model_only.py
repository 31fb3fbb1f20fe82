"""
Predicts rows with the model and nothing around it, whenever it is told to.

    python3 bench/recipe/model_only.py --model scikit-learn --rows rows.f32

Writes a line of JSON once it has the model and the rows, and one as the answer to each line of its standard
input: `run` predicts all rows, in numpy arrays of 10,000; `labels` tells what came of them. Ends with its
standard input. One process is one thread: start one for each core.
"""

from launch.environment import ensure_environment, enter_environment

enter_environment()

import argparse  # noqa: E402
import json  # noqa: E402
import pickle  # noqa: E402
import sys  # noqa: E402

import numpy as np  # noqa: E402

FEATURES = 4
BATCH = 10_000


def parse_options():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", choices=PREDICTORS, required=True)
    parser.add_argument("--rows", required=True, help="a file of float32, four for each row")
    return parser.parse_args()


def main():
    """Get ready, say so, do what is asked."""
    options = parse_options()
    predict = PREDICTORS[options.model]()
    rows = np.fromfile(options.rows, dtype=np.float32).reshape(-1, FEATURES)
    labels = np.empty(len(rows), dtype=np.int64)
    answer("ready")
    for line in sys.stdin:
        if line == "run\n":
            for first in range(0, len(rows), BATCH):
                labels[first : first + BATCH] = predict(rows[first : first + BATCH])
            answer("done")
        elif line == "labels\n":
            answer(labels.tolist())
        else:
            sys.exit(f"It can run and tell labels, not {line!r}.")


def pickled_forest():
    """The recipe's model: classes of float32 rows."""
    from launch.variants import ensure_pickle

    return pickle.loads(ensure_pickle(ensure_environment()).read_bytes()).predict


def shipped_graph():
    """The shipped model in a session of one thread, asked for all outputs: classes of float32 rows."""
    from checks.rows import Reference

    reference = Reference(threads=1)
    return lambda rows: reference.predict(rows)[0]


def answer(what):
    """One line for whoever started this."""
    print(json.dumps(what), flush=True)


PREDICTORS = {"scikit-learn": pickled_forest, "onnxruntime": shipped_graph}

if __name__ == "__main__":
    main()
