"""The task: bytes of float32 in, the finished answer out, one numpy array in between."""

import os

from celery.signals import task_failure, worker_process_init
from celery.utils.log import get_task_logger
from redis import Redis

from .celery_app import celery_app
from .results import RESULT_LIFETIME_S, failed, finished, result_key

FEATURES = 4

logger = get_task_logger(__name__)
session = None
redis = Redis.from_url(os.environ["RESULT_URL"])


@worker_process_init.connect
def open_session(**_):
    """Open the session in the child: its threads would not outlive the fork."""
    global session
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("RECIPE_THREADS", "1"))
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        os.environ["MODEL_PATH"], options, providers=["CPUExecutionProvider"]
    )
    logger.warning("model loaded")


@celery_app.task(name="predict_rows", bind=True)
def predict_rows(self, values):
    """
    Predict rows and store the answer as the client will read it.

    :param values: the rows as bytes of float32, four each
    """
    import numpy as np

    rows = np.frombuffer(values, dtype=np.float32).reshape(-1, FEATURES)
    (labels,) = session.run(["label"], {"features": rows})
    redis.set(result_key(self.request.id), finished(labels), ex=RESULT_LIFETIME_S)


@task_failure.connect
def store_failure(task_id, exception, **_):
    """Store what went wrong, here or, when this process was killed, in the parent that noticed."""
    redis.set(result_key(task_id), failed(exception), ex=RESULT_LIFETIME_S)
