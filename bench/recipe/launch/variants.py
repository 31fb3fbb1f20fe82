"""What the two variants are started with: commands, environment, and the settings that are reported."""

import subprocess
from dataclasses import dataclass, field

from .places import CACHE, ONNX_MODEL, RECIPE_DIR


@dataclass
class Options:
    """What start.py was asked for."""

    variant: str
    broker: str
    api_processes: int
    workers: int
    serializer: str = "json"
    acks: str = "early"
    prefetch: int = 4
    threads: int = 1


@dataclass
class Variant:
    """What to start, and what to say about it."""

    api_command: list
    worker_command: list
    environment: dict
    settings: dict = field(default_factory=dict)


def describe_variant(options, python, port, broker_url, result_url):
    """The commands of a variant; the recipe's pickle is made when it is not there yet."""
    environment = {
        "BROKER_URL": broker_url,
        "RESULT_URL": result_url,
        "PYTHONPATH": str(RECIPE_DIR),
        "RECIPE_PREFETCH": str(options.prefetch),
    }
    settings = {
        "variant": options.variant,
        "broker": options.broker,
        "api_processes": options.api_processes,
        "workers": options.workers,
        "prefetch": options.prefetch,
        "pool": "prefork",
        "uvicorn": "uvloop, httptools, no access log",
    }
    if options.variant == "recipe":
        environment |= {"RECIPE_SERIALIZER": options.serializer, "RECIPE_ACKS": options.acks}
        environment["MODEL_PATH"] = str(ensure_pickle(python))
        if options.serializer == "pickle":
            environment["C_FORCE_ROOT"] = "true"  # Celery refuses pickle to root; its broker is its own here
        settings |= {"serializer": options.serializer, "acks": options.acks, "model": "scikit-learn, pickled"}
    else:
        environment |= {"MODEL_PATH": str(ONNX_MODEL), "RECIPE_THREADS": str(options.threads)}
        settings |= {"serializer": "msgpack of float32 bytes", "acks": "early", "model": "onnxruntime"}
        settings["intra_op_num_threads"] = options.threads
    api, worker = _api_command(options, python, port), _worker_command(options, python)
    return Variant(api, worker, environment, settings)


def _api_command(options, python, port):
    command = [python, "-m", "uvicorn", f"{options.variant}.app:app", "--host", "127.0.0.1", "--port", port]
    command += ["--workers", options.api_processes, "--no-access-log"]
    return command


def _worker_command(options, python):
    command = [python, "-m", "celery", "--app", f"{options.variant}.tasks", "worker", "--pool", "prefork"]
    command += ["--concurrency", options.workers, "--loglevel", "warning"]
    command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return command


def ensure_pickle(python):
    """The forest, pickled by this environment's scikit-learn."""
    path = CACHE / f"iris-forest-{python.parents[1].name}.pkl"
    if not path.exists():
        subprocess.run([python, RECIPE_DIR / "forest" / "make_pickle.py", path], check=True)
    return path
