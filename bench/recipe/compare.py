"""
Checks what a running variant delivers, row by row, against ONNX Runtime with the shipped model.

    python3 bench/recipe/compare.py --url http://127.0.0.1:8000

Every difference, a missing row or a failed batch ends with code 1. Where the two likeliest classes have
equally many votes, a session of several threads (--threads) may differ: parity.py says why. Those rows are
told apart.
"""

from launch.environment import enter_environment

enter_environment()

import argparse  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

import numpy as np  # noqa: E402

from checks.client import RecipeClient  # noqa: E402
from checks.rows import Reference, draw_rows, ties  # noqa: E402


def parse_options():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--url", required=True, help="what start.py printed")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--request-rows", type=int, default=10_000, help="rows of one request")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main():
    """Submit, poll, compare, tell."""
    options = parse_options()
    rows = draw_rows(options.rows, options.seed)
    batches = [rows[i : i + options.request_rows].tolist() for i in range(0, len(rows), options.request_rows)]
    client = RecipeClient(options.url)
    started = time.monotonic()
    tasks = [client.submit(batch) for batch in batches]
    results = [client.wait(task) for task in tasks]
    seconds = time.monotonic() - started
    failures = [result["error"] for result in results if result["status"] != "done"]
    delivered = [label for result in results for label in result["predictions"] or []]
    report = {"submitted": len(rows), "delivered": len(delivered), "failed_batches": failures}
    if len(delivered) == len(rows):
        report |= compare(rows, np.array(delivered))
    report["seconds"] = round(seconds, 3)
    print(json.dumps(report))
    sys.exit(0 if report.get("equal") == len(rows) else 1)


def compare(rows, delivered):
    """Count rows that are equal, and that differ at a tie of votes or elsewhere."""
    expected, probabilities = Reference().predict(rows)
    different = delivered != expected
    tied = ties(probabilities)
    return {
        "equal": int((~different).sum()),
        "differ_at_a_tie": int((different & tied).sum()),
        "differ_elsewhere": int((different & ~tied).sum()),
    }


main()
