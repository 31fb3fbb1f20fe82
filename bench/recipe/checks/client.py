"""Submits batches to a running variant and polls for what became of them; standard library only."""

import json
import time
import urllib.request

POLL_S = 0.01


class RecipeClient:
    """Speaks to the two routes."""

    def __init__(self, url, timeout_s=60):
        self._url = url
        self._timeout_s = timeout_s

    def submit(self, rows):
        """Queue rows (lists of four numbers), and tell the task's id."""
        return self._call("/batch-predict", {"inputs": rows})["task_id"]

    def result(self, task_id):
        """What the API tells of a task now."""
        return self._call(f"/batch-result/{task_id}")

    def wait(self, task_id, seconds=None):
        """
        Poll until a task has ended.

        :raises TimeoutError: when it is still pending after so many seconds
        """
        deadline = time.monotonic() + (seconds or self._timeout_s)
        while (result := self.result(task_id))["status"] == "pending":
            if time.monotonic() > deadline:
                raise TimeoutError(f"{task_id} is still pending")
            time.sleep(POLL_S)
        return result

    def _call(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=self._timeout_s) as response:
            return json.load(response)
