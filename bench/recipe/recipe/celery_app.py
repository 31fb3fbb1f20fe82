"""Celery as the recipe sets it up: its own defaults, and what its documentation advises for each setting."""

import os

from celery import Celery

SERIALIZER = os.environ.get("RECIPE_SERIALIZER", "json")

celery_app = Celery("recipe", broker=os.environ["BROKER_URL"], backend=os.environ["RESULT_URL"])
celery_app.conf.update(
    task_serializer=SERIALIZER,
    result_serializer=SERIALIZER,
    accept_content=[SERIALIZER],
    result_expires=3600,
    task_acks_late=os.environ.get("RECIPE_ACKS") == "late",
    task_reject_on_worker_lost=os.environ.get("RECIPE_ACKS") == "late",
    worker_prefetch_multiplier=int(os.environ.get("RECIPE_PREFETCH", "4")),
)
