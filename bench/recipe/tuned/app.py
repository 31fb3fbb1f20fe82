"""The two routes on Starlette: no model of each row, no thread per request, no copy of an answer."""

import os
from itertools import chain

import msgspec
import numpy as np
import orjson
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from .results import PENDING, result_key
from .tasks import FEATURES, predict_rows

JSON = "application/json"


class Batch(msgspec.Struct):
    """What is posted; reading it checks that each row is four numbers."""

    inputs: list[tuple[float, float, float, float]]


decoder = msgspec.json.Decoder(Batch)
redis = Redis.from_url(os.environ["RESULT_URL"])


async def batch_predict(request):
    """Queue a batch as the bytes of one float32 array."""
    try:
        rows = decoder.decode(await request.body()).inputs
    except msgspec.DecodeError as error:
        return Response(orjson.dumps({"detail": str(error)}), 422, media_type=JSON)
    values = np.fromiter(chain.from_iterable(rows), np.float32, len(rows) * FEATURES)
    task = predict_rows.delay(values.tobytes())
    return Response(orjson.dumps({"task_id": task.id}), media_type=JSON)


async def batch_result(request):
    """Hand out the answer as a worker stored it."""
    answer = await redis.get(result_key(request.path_params["task_id"]))
    return Response(PENDING if answer is None else answer, media_type=JSON)


app = Starlette(
    routes=[
        Route("/batch-predict", batch_predict, methods=["POST"]),
        Route("/batch-result/{task_id}", batch_result),
    ]
)
