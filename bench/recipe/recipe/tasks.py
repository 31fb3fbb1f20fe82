"""The task: the model is loaded once in each worker process, from its pickle."""

import os
import pickle
from pathlib import Path

from celery.signals import worker_process_init
from celery.utils.log import get_task_logger

from .celery_app import celery_app

logger = get_task_logger(__name__)
model = None


@worker_process_init.connect
def load_model(**_):
    """Load the pickled forest; the API imports this module, too, and loads nothing."""
    global model
    model = pickle.loads(Path(os.environ["MODEL_PATH"]).read_bytes())
    logger.warning("model loaded")


@celery_app.task(name="predict_batch")
def predict_batch(inputs):
    """The predicted class of each row."""
    import numpy as np

    return model.predict(np.asarray(inputs, dtype=np.float32)).tolist()
