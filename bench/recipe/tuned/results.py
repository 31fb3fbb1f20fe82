"""What workers store and the API hands out unread: the answer's own bytes, under one key."""

import orjson

RESULT_LIFETIME_S = 3_600

PENDING = b'{"status":"pending","predictions":null}'


def result_key(task_id):
    """The Redis key of an answer."""
    return f"result:{task_id}"


def finished(labels):
    """The answer of a batch that was predicted, from its array of classes."""
    return orjson.dumps({"status": "done", "predictions": labels}, option=orjson.OPT_SERIALIZE_NUMPY)


def failed(error):
    """The answer of a batch that was not."""
    return orjson.dumps({"status": "failed", "predictions": None, "error": str(error)})
