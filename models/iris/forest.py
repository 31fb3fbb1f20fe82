"""The forest that is shipped as iris@1: what it is trained on, and how."""

from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

FEATURES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]


@dataclass
class Flowers:
    """Rows of float32, shape (n, 4), and the species of each."""

    rows: np.ndarray
    labels: np.ndarray


def load_flowers():
    """All flowers, those to train on, and those held out."""
    iris = load_iris()
    rows = iris.data.astype(np.float32)
    train_rows, test_rows, train_labels, test_labels = train_test_split(
        rows, iris.target, test_size=50, stratify=iris.target, random_state=0
    )
    return Flowers(rows, iris.target), Flowers(train_rows, train_labels), Flowers(test_rows, test_labels)


def train_forest(flowers):
    """The forest of 100 trees: the same one on every run."""
    return RandomForestClassifier(n_estimators=100, random_state=0).fit(flowers.rows, flowers.labels)
