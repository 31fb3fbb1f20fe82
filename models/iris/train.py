"""Trains the iris forest and writes 1/model.onnx, 1/samples.json and the reference answers.

    python -m venv /tmp/iris && /tmp/iris/bin/pip install -r requirements.txt && /tmp/iris/bin/python train.py

The data is scikit-learn's iris. The forest is trained on float32, the type it is served in:
trained on float64, a threshold can fall between the two roundings of one value and flip a vote.
"""

import gzip
import json
from pathlib import Path

import numpy as np
import onnxruntime
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType

from forest import FEATURES, load_flowers, train_forest

HERE = Path(__file__).resolve().parent / "1"
REFERENCE = HERE.parents[2] / "test" / "reference" / "iris.ndjson.gz"


def line(row, label, probability):
    """A row and its answer as JSON, in decimals that read back to the same float32."""
    values = {name: float(str(value)) for name, value in zip(FEATURES, row)}
    outputs = {"label": int(label), "probabilities": [float(str(p)) for p in probability]}
    return json.dumps({"row": values, "outputs": outputs})


everything, training, held_out = load_flowers()
rows, train_labels = everything.rows, training.labels
test_rows, test_labels = held_out.rows, held_out.labels
forest = train_forest(training)
majority = np.bincount(train_labels).argmax()
print(f"{len(training.rows)} rows to train on, {len(test_rows)} held out")
print(f"held-out accuracy: {forest.score(test_rows, test_labels):.3f}")
print(f"held-out accuracy of always the most frequent class: {(test_labels == majority).mean():.3f}")

onnx_model = convert_sklearn(
    forest,
    name="iris",
    initial_types=[("features", FloatTensorType([None, len(FEATURES)]))],
    final_types=[("label", Int64TensorType([None])), ("probabilities", FloatTensorType([None, 3]))],
    options={id(forest): {"zipmap": False}},
    target_opset={"": 18, "ai.onnx.ml": 3},
)
# The converter lists the operator sets in the order of a set of strings, which changes from run to run.
imports = sorted(onnx_model.opset_import, key=lambda operators: operators.domain)
del onnx_model.opset_import[:]
onnx_model.opset_import.extend(imports)
(HERE / "model.onnx").write_bytes(onnx_model.SerializeToString())

session = onnxruntime.InferenceSession(str(HERE / "model.onnx"), providers=["CPUExecutionProvider"])
labels, probabilities = session.run(["label", "probabilities"], {"features": rows})
assert (labels == forest.predict(rows)).all(), "the exported graph disagrees with scikit-learn"
difference = np.abs(probabilities - forest.predict_proba(rows)).max()
assert difference < 1e-5
print(f"largest difference from scikit-learn on all rows: {difference:.1e}")

# All 150 flowers, with scikit-learn's own answers.
answers = zip(rows, forest.predict(rows), np.round(forest.predict_proba(rows), 6).astype(np.float32))
samples = ",\n  ".join(line(*answer) for answer in answers)
(HERE / "samples.json").write_text('{"tolerance": 1e-5, "samples": [\n  ' + samples + "\n]}\n")

# The held-out flowers, with the graph's answers.
answers = zip(test_rows, *session.run(["label", "probabilities"], {"features": test_rows}))
REFERENCE.write_bytes(gzip.compress("".join(line(*answer) + "\n" for answer in answers).encode(), mtime=0))
