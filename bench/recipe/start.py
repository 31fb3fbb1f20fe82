"""
Starts the recipe, or its tuned form, and all it needs, until it is told to stop.

    python3 bench/recipe/start.py --variant recipe --api-processes 1 --workers 2 --broker rabbitmq

Once a first batch has been predicted it writes one line of JSON: the URL, the process ids, the versions and
the settings. SIGTERM, SIGINT, the end of its standard input (when that is a pipe) or the end of the process
that started it stop everything, and remove the temporary folder.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path

from launch.environment import ensure_environment
from launch.stack import Stack
from launch.variants import Options

LOOK_S = 0.2


def parse_options():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--variant", choices=["recipe", "tuned"], default="recipe")
    parser.add_argument("--api-processes", type=_count, default=1)
    parser.add_argument("--workers", type=_count, default=2, help="processes of Celery's prefork pool")
    parser.add_argument("--broker", choices=["rabbitmq", "redis"], help="default: rabbitmq; of tuned: redis")
    parser.add_argument("--serializer", choices=["json", "pickle"], default="json", help="of the recipe")
    parser.add_argument("--acks", choices=["early", "late"], default="early", help="of the recipe")
    parser.add_argument("--prefetch", type=_count, default=4, help="messages taken ahead per process")
    parser.add_argument("--threads", type=_count, default=1, help="of onnxruntime, per tuned process")
    given = vars(parser.parse_args())
    given["broker"] = given["broker"] or ("redis" if given["variant"] == "tuned" else "rabbitmq")
    return Options(**given)


def _count(text):
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def main():
    """Start, say so, wait, stop."""
    parent = os.getppid()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: _interrupt(stopping))
    _stop_at_end_of_input()
    options = parse_options()
    python = ensure_environment()
    with tempfile.TemporaryDirectory(prefix="bench-recipe-") as folder:
        stack = Stack(options, python, Path(folder))
        try:
            stack.start()
            print(json.dumps(stack.describe()), flush=True)
            while os.getppid() == parent:
                stack.check()
                stopping.wait(LOOK_S)
        except RuntimeError as error:
            sys.exit(str(error))
        finally:
            stopping.set()
            stack.stop()


def _interrupt(stopping):
    """Leave whatever is under way, once: what was started is stopped on the way out."""
    if not stopping.is_set():
        stopping.set()
        raise SystemExit(0)


def _stop_at_end_of_input():
    """A starter that dies closes the pipe; /dev/null and files end at once and mean nothing."""
    if not (sys.stdin and _is_pipe(sys.stdin.fileno())):
        return

    def read():
        while os.read(0, 4_096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=read, daemon=True).start()


def _is_pipe(descriptor):
    kind = os.fstat(descriptor).st_mode & 0o170000
    return kind in (0o010000, 0o140000)


if __name__ == "__main__":
    main()
