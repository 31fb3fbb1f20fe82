"""The whole of a variant: broker, result backend, workers, API."""

import json
import platform
import signal
import subprocess
import urllib.error
import urllib.request

from .packages import ensure_rabbitmq_server, ensure_redis_server
from .processes import Process, free_port, wait_until
from .rabbitmq_server import PortMapper, RabbitMqServer, rabbitmq_version
from .redis_server import RedisServer
from .variants import describe_variant

READY_S = 120
PACKAGES = ["celery", "kombu", "fastapi", "starlette", "uvicorn", "numpy", "scikit-learn", "onnxruntime"]
PACKAGES += ["orjson", "msgspec", "redis"]
MODEL_LOADED = b"model loaded"
API_STARTED = b"Application startup complete"
ONE_ROW = {"inputs": [[5.1, 3.5, 1.4, 0.2]]}


class Stack:
    """Is responsible for the order in which the parts start and end."""

    def __init__(self, options, python, folder):
        self.options = options
        self.python = python
        self.folder = folder
        self.url = None
        self.versions = {}
        self.settings = {}
        self._first_task = None
        self._brokers = []
        self.worker = None
        self._api = None
        self._variant = None

    def start(self):
        """
        Start everything and wait until a first batch was predicted.

        :raises RuntimeError: with the output of the part that ended or was not ready in time
        """
        redis = self._start_redis()
        broker_url = redis.url if self.options.broker == "redis" else self._start_rabbitmq().url
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._variant = describe_variant(self.options, self.python, port, broker_url, redis.result_url)
        self.settings |= self._variant.settings
        self.start_worker()
        log = self.folder / "api.log"
        self._api = Process("api", self._variant.api_command, log, self._variant.environment)
        self._wait_for_all(self._api, API_STARTED, self.options.api_processes)
        wait_until(self._accepts, self._api, READY_S)
        wait_until(self._predicted, self.worker, READY_S)
        self.versions |= self._package_versions()

    def start_worker(self):
        """Start the worker, again if it was killed, and wait until all its processes have the model."""
        log = self.folder / "worker.log"
        variant = self._variant
        # Celery's quick way out: SIGTERM would first finish what is under way.
        self.worker = Process("worker", variant.worker_command, log, variant.environment, signal.SIGQUIT)
        self._wait_for_all(self.worker, MODEL_LOADED, self.options.workers)

    def check(self):
        """
        Look whether all of it still runs.

        :raises RuntimeError: with the output of the part that ended
        """
        for process in self._processes():
            process.check()

    def describe(self):
        """What start.py prints."""
        return {
            "url": self.url,
            "pids": {
                "api": self._api.pids(),
                "worker": self.worker.pids(),
                "broker": [pid for broker in self._brokers for pid in broker.pids()],
            },
            "versions": self.versions,
            "settings": {name: str(value) for name, value in self.settings.items()},
        }

    def stop(self):
        """End what was started, those first who need the others."""
        for process in reversed(self._processes()):
            process.stop()

    def _processes(self):
        return [*self._brokers, *(part for part in (self.worker, self._api) if part is not None)]

    def _start_redis(self):
        binary = ensure_redis_server()
        redis = RedisServer(binary, self.folder)
        self._brokers.append(redis.process)
        redis.wait()
        self.settings |= {"result_url": redis.result_url, "redis": redis.SETTINGS_SHOWN}
        self.versions["redis-server"] = _run(binary, "--version").split("v=")[-1].split()[0]
        return redis

    def _start_rabbitmq(self):
        binary = ensure_rabbitmq_server()
        mapper = PortMapper(self.folder)
        self._brokers.append(mapper.process)
        mapper.wait()
        rabbitmq = RabbitMqServer(binary, self.folder, mapper)
        self._brokers.append(rabbitmq.process)
        rabbitmq.wait()
        self.settings["rabbitmq"] = rabbitmq.SETTINGS_SHOWN
        self.versions["rabbitmq-server"] = rabbitmq_version(binary)
        return rabbitmq

    @staticmethod
    def _wait_for_all(process, line, count):
        """Wait until all processes of a program have written a line: the first to answer is one of them."""
        wait_until(lambda: process.log.read_bytes().count(line) >= count, process, READY_S)

    def _accepts(self):
        try:
            self._first_task = self._call("/batch-predict", ONE_ROW)["task_id"]
            return True
        except ConnectionError:
            return False
        except urllib.error.URLError as error:
            if isinstance(error.reason, ConnectionError):
                return False
            raise

    def _predicted(self):
        result = self._call(f"/batch-result/{self._first_task}")
        if result["status"] == "failed":
            raise RuntimeError(f"The first batch failed: {result}")
        return result["status"] == "done"

    def _call(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)

    def _package_versions(self):
        code = "import sys, importlib.metadata; print(*map(importlib.metadata.version, sys.argv[1:]))"
        versions = _run(self.python, "-c", code, *PACKAGES).split()
        return {"python": platform.python_version(), **dict(zip(PACKAGES, versions, strict=True))}


def _run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
