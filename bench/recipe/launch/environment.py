"""Makes the virtual environment once, and enters it."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from .places import CACHE, RECIPE_DIR

REQUIREMENTS = RECIPE_DIR / "requirements.txt"
OLDEST_PYTHON = (3, 11)


def ensure_environment():
    """
    The path of a Python that has every package of requirements.txt.

    It is made on the first call, which takes a minute, and kept under node_modules/.cache; two calls at once
    make one.
    :raises SystemExit: when this Python is too old, or a package cannot be installed
    """
    if sys.version_info < OLDEST_PYTHON:
        wanted = ".".join(map(str, OLDEST_PYTHON))
        sys.exit(f"The recipe's packages need Python {wanted} or later; this is {sys.version.split()[0]}.")
    CACHE.mkdir(parents=True, exist_ok=True)
    folder = CACHE / f"venv-{_digest()}"
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            _make(folder)
    return folder / "bin" / "python"


def enter_environment():
    """Runs this same program again with the environment's Python, unless that is what runs it."""
    python = ensure_environment()
    if Path(sys.prefix) != python.parents[1]:
        os.execv(python, [str(python), *sys.argv])


def _digest():
    version = ".".join(map(str, sys.version_info[:3]))
    return hashlib.sha256(version.encode() + REQUIREMENTS.read_bytes()).hexdigest()[:12]


def _make(folder):
    print("Installing the recipe's Python packages, once.", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    install = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    install += ["--require-hashes", "--only-binary", ":all:", "-r", REQUIREMENTS]
    try:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True, stdout=sys.stderr)
        subprocess.run(install, check=True, stdout=sys.stderr)
    except subprocess.CalledProcessError as error:
        sys.exit(f"The Python packages could not be installed (code {error.returncode}): see above.")
    (folder / "complete").touch()
