"""Starts processes that end with the one that started them, and tells which there are."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

STOP_S = 10
PR_SET_PDEATHSIG = 1
TAIL = 2_000

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class Process:
    """A process in a session of its own, which all its children share; its output goes to a file."""

    def __init__(self, name, command, log, environment=None, stop_signal=signal.SIGTERM):
        """
        Start it.

        :param log: the file that gets what it writes
        :param environment: variables besides those of this process
        :param stop_signal: what it gets when it shall end, and when this process dies
        """
        self.name = name
        self.log = log
        self.stop_signal = stop_signal
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
                preexec_fn=lambda: _libc and _libc.prctl(PR_SET_PDEATHSIG, int(stop_signal)),
            )
        self.pid = self._process.pid

    def check(self):
        """
        Raise what it wrote, when it has ended.

        :raises RuntimeError: with the last lines of its output
        """
        code = self._process.poll()
        if code is not None:
            output = self.log.read_text(errors="replace")[-TAIL:].strip()
            raise RuntimeError(f"{self.name} ended with code {code}\n{output}")

    def pids(self):
        """Its own id and those of its children, in the order of their start."""
        return sorted(_session_members(self.pid))

    def stop(self):
        """End it and its children: asked first, killed after 10 seconds."""
        if self._process.poll() is None:
            self._process.send_signal(self.stop_signal)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_S)
        self.kill()

    def kill(self):
        """End it and its children without asking."""
        for pid in _session_members(self.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()


def _session_members(session):
    """Processes of a session that are no zombies, from /proc; elsewhere its leader alone."""
    if not Path("/proc/self/stat").exists():
        return [session]
    members = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            state, _, _, of_session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(of_session) == session and state != "Z":
            members.append(int(entry.name))
    return members


def free_port():
    """A port of loopback that nobody listens on now."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def wait_until(ready, process, seconds):
    """
    Wait for `ready()` to be true.

    :param process: what is waited for; its end ends the wait
    :raises RuntimeError: with the last lines of its output, when it ended or was not ready in time
    """
    deadline = time.monotonic() + seconds
    while not ready():
        process.check()
        if time.monotonic() > deadline:
            output = process.log.read_text(errors="replace")[-TAIL:].strip()
            raise RuntimeError(f"{process.name} was not ready after {seconds} s\n{output}")
        time.sleep(0.05)
