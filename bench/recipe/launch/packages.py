"""Finds redis-server and rabbitmq-server, and installs Debian's packages of them where it may."""

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

FURTHER_FOLDERS = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/opt/homebrew/bin"]
# Debian's command on the PATH changes to the user rabbitmq and reads /etc: this one does not.
RABBITMQ_SCRIPTS = Path("/usr/lib/rabbitmq/lib")
POLICY = Path("/usr/sbin/policy-rc.d")


def ensure_redis_server():
    """
    The path of a Redis server.

    :raises SystemExit: with the ways out when there is none and it cannot be installed
    """
    return _ensure("redis-server", _find_redis, "put Redis 6.2 or later on the PATH")


def ensure_rabbitmq_server():
    """
    The path of a RabbitMQ server.

    :raises SystemExit: with the ways out when there is none and it cannot be installed
    """
    return _ensure("rabbitmq-server", _find_rabbitmq, "do without: --broker redis")


def _find_redis():
    path = os.pathsep.join([os.environ.get("PATH", ""), *FURTHER_FOLDERS])
    return shutil.which("redis-server", path=path) or shutil.which("valkey-server", path=path)


def _find_rabbitmq():
    found = sorted(RABBITMQ_SCRIPTS.glob("rabbitmq_server-*/sbin/rabbitmq-server"))
    path = os.pathsep.join([os.environ.get("PATH", ""), *FURTHER_FOLDERS])
    return str(found[-1]) if found else shutil.which("rabbitmq-server", path=path)


def _ensure(package, find, other_way):
    found = find()
    if found is not None:
        return found
    ways_out = (
        "Do one of these and start again:\n"
        f"  - install it:  sudo apt-get install --no-install-recommends {package}\n"
        f"  - {other_way}"
    )
    if os.getuid() != 0 or shutil.which("apt-get") is None:
        sys.exit(f"There is no {package} on this machine, and this user may not install one.\n{ways_out}")
    print(f"There is no {package}; installing Debian's package of it.", file=sys.stderr)
    with _no_service_starts():
        _apt("update", "-qq")
        _apt("install", "-y", "-qq", "--no-install-recommends", package)
    found = find()
    if found is None:
        sys.exit(f"The installation did not bring {package}.\n{ways_out}")
    return found


def _apt(*arguments):
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", *arguments], env=environment, stdout=subprocess.DEVNULL, check=False)


@contextmanager
def _no_service_starts():
    """Debian starts what it installs; a policy that forbids it lies there meanwhile."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()
