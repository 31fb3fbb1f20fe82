"""A Redis server of one's own, on loopback, that keeps nothing on disk."""

import socket

from .processes import Process, free_port, wait_until

START_S = 30


class RedisServer:
    """Is responsible for one redis-server: broker, result backend, or both."""

    SETTINGS_SHOWN = "no persistence, noeviction"

    def __init__(self, binary, folder):
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        # a database of their own: they can be erased without the broker's queues
        self.result_url = f"redis://127.0.0.1:{self.port}/1"
        arguments = {"port": self.port, "bind": "127.0.0.1", "dir": folder, "save": "", "appendonly": "no"}
        command = [binary, *(part for name, value in arguments.items() for part in (f"--{name}", value))]
        self.process = Process("redis-server", command, folder / "redis.log")

    def wait(self):
        """Wait until it answers PING."""
        wait_until(self._answers, self.process, START_S)

    def _answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False
