"""Celery without results, events and chatter between workers: a queue of raw bytes, and nothing else."""

import os

from celery import Celery

celery_app = Celery("tuned", broker=os.environ["BROKER_URL"])
celery_app.conf.update(
    task_serializer="msgpack",
    accept_content=["msgpack"],
    task_ignore_result=True,
    worker_prefetch_multiplier=int(os.environ.get("RECIPE_PREFETCH", "4")),
    worker_disable_rate_limits=True,
    broker_connection_retry_on_startup=True,
)
