"""Trains the shipped forest again and pickles it: python make_pickle.py <path>."""

import os
import pickle
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "models" / "iris"))

from forest import load_flowers, train_forest

target = Path(sys.argv[1])
_, training, _ = load_flowers()
partial = target.with_name(f"{target.name}.{os.getpid()}")
partial.write_bytes(pickle.dumps(train_forest(training)))
partial.replace(target)
