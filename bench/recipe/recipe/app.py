"""The two routes of the recipe."""

from typing import Annotated, Literal

from celery.result import AsyncResult
from fastapi import FastAPI
from pydantic import BaseModel, Field

from .celery_app import celery_app
from .tasks import predict_batch

app = FastAPI(title="Batch prediction")

Row = Annotated[list[float], Field(min_length=4, max_length=4)]


class Batch(BaseModel):
    """What is posted."""

    inputs: list[Row]


class Accepted(BaseModel):
    """What a client polls with."""

    task_id: str


class Result(BaseModel):
    """What a client polls for."""

    status: Literal["pending", "done", "failed"]
    predictions: list[int] | None = None
    error: str | None = None


@app.post("/batch-predict")
def batch_predict(batch: Batch) -> Accepted:
    """Queue a batch."""
    return Accepted(task_id=predict_batch.delay(batch.inputs).id)


@app.get("/batch-result/{task_id}")
def batch_result(task_id: str) -> Result:
    """Tell what became of a batch."""
    task = AsyncResult(task_id, app=celery_app)
    if task.successful():
        return Result(status="done", predictions=task.result)
    if task.failed():
        return Result(status="failed", error=str(task.result))
    return Result(status="pending")
