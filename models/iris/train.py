"""Trains the iris forest and writes 1/model.onnx and 1/samples.json.

    python -m venv /tmp/iris && /tmp/iris/bin/pip install -r requirements.txt && /tmp/iris/bin/python train.py

The data is scikit-learn's iris. The forest is trained on float32, the type it is served in:
trained on float64, a threshold can fall between the two roundings of one value and flip a vote.
"""

import json
from pathlib import Path

import numpy as np
import onnxruntime
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

FEATURES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
HERE = Path(__file__).parent / "1"

iris = load_iris()
rows = iris.data.astype(np.float32)
train_rows, test_rows, train_labels, test_labels = train_test_split(
    rows, iris.target, test_size=50, stratify=iris.target, random_state=0
)
forest = RandomForestClassifier(n_estimators=100, random_state=0).fit(train_rows, train_labels)
print(f"held-out accuracy on {len(test_rows)} rows: {forest.score(test_rows, test_labels):.3f}")

onnx_model = convert_sklearn(
    forest,
    name="iris",
    initial_types=[("features", FloatTensorType([None, len(FEATURES)]))],
    final_types=[("label", Int64TensorType([None])), ("probabilities", FloatTensorType([None, 3]))],
    options={id(forest): {"zipmap": False}},
    target_opset={"": 18, "ai.onnx.ml": 3},
)
(HERE / "model.onnx").write_bytes(onnx_model.SerializeToString())

session = onnxruntime.InferenceSession(str(HERE / "model.onnx"), providers=["CPUExecutionProvider"])
labels, probabilities = session.run(["label", "probabilities"], {"features": rows})
assert (labels == forest.predict(rows)).all(), "the exported graph disagrees with scikit-learn"
assert np.allclose(probabilities, forest.predict_proba(rows), atol=1e-5)

# All 150 flowers, as decimals that read back to the same float32, with scikit-learn's own answers.
samples = [
    {
        "row": {name: float(str(value)) for name, value in zip(FEATURES, row)},
        "outputs": {
            "label": int(label),
            "probabilities": [float(str(p)) for p in np.round(probability, 6).astype(np.float32)],
        },
    }
    for row, label, probability in zip(rows, forest.predict(rows), forest.predict_proba(rows))
]
lines = ",\n  ".join(json.dumps(sample) for sample in samples)
(HERE / "samples.json").write_text('{"tolerance": 1e-5, "samples": [\n  ' + lines + "\n]}\n")
