"""A RabbitMQ node of one's own, on loopback, that touches nothing of an installed broker."""

import os
import shutil
import socket
from pathlib import Path

from .processes import Process, free_port, wait_until

START_S = 120
PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"


class PortMapper:
    """Is responsible for one epmd, which Erlang would otherwise leave behind as a daemon."""

    def __init__(self, folder):
        """
        Start it.

        :raises RuntimeError: when Erlang's epmd is not on the PATH
        """
        if shutil.which("epmd") is None:
            raise RuntimeError("There is no epmd on the PATH: it comes with the package erlang-base.")
        self.port = free_port()
        command = ["epmd", "-port", self.port, "-address", "127.0.0.1"]
        self.process = Process("epmd", command, folder / "epmd.log")

    def wait(self):
        """Wait until it listens."""
        wait_until(lambda: _listens(self.port), self.process, START_S)


class RabbitMqServer:
    """
    Is responsible for one RabbitMQ node.

    Its name, cookie, ports, data and port mapper are its own, and it reads nothing from /etc/rabbitmq.
    """

    SETTINGS_SHOWN = "defaults, no plugins"

    def __init__(self, binary, folder, port_mapper):
        """
        Start it.

        :param binary: RabbitMQ's own script, not the distribution's wrapper of it
        :param port_mapper: a port mapper that answers
        """
        self.port = free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"
        home = folder / "rabbitmq"
        home.mkdir()
        plugins = home / "enabled_plugins"
        plugins.write_text("[].\n")
        environment = {
            "HOME": home,  # where Erlang makes its cookie
            "ERL_EPMD_PORT": port_mapper.port,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"recipe-{os.getpid()}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": self.port,
            "RABBITMQ_DIST_PORT": free_port(),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_CONF_ENV_FILE": home / "none",
            "RABBITMQ_CONFIG_FILE": home / "none",
            "RABBITMQ_ADVANCED_CONFIG_FILE": home / "none",
            "RABBITMQ_ENABLED_PLUGINS_FILE": plugins,
            "RABBITMQ_MNESIA_BASE": home / "data",
            "RABBITMQ_LOG_BASE": home / "log",
            "RABBITMQ_PID_FILE": home / "pid",
            # The script becomes the server, as under systemd, instead of waiting beside it.
            "RUNNING_UNDER_SYSTEMD": "true",
        }
        environment = {name: str(value) for name, value in environment.items()}
        self.process = Process("rabbitmq-server", [binary], folder / "rabbitmq.log", environment)

    def wait(self):
        """Wait until it answers the AMQP handshake, which it does once it has started."""
        wait_until(self._answers, self.process, START_S)

    def _answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(PROTOCOL_HEADER)
                return b"rabbit" in connection.recv(4_096).lower()
        except OSError:
            return False


def rabbitmq_version(binary):
    """The version of a server, as the name of the folder that it is installed in tells."""
    return Path(binary).resolve().parents[1].name.removeprefix("rabbitmq_server-")


def _listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False
