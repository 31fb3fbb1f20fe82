"""
Shows what the recipe and its tuned form lose, and what they say of it.

    python3 bench/recipe/faults.py [--variant recipe|tuned] [--acks early|late] [--only unknown-task]

Each fault is made in a stack of its own, on loopback, and needs /proc.
"""

from launch.environment import ensure_environment, enter_environment

enter_environment()

import argparse  # noqa: E402
import os  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
import uuid  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402

from checks.client import RecipeClient  # noqa: E402
from checks.processor_time import processor_seconds  # noqa: E402
from checks.rows import draw_rows  # noqa: E402
from launch.stack import Stack  # noqa: E402
from launch.variants import Options  # noqa: E402

TRIES = 5
# About a second of work, begun with reading the message and ended with predicting.
HEAVY_ROWS = 400_000
INSIDE = 0.7
# 80 bytes a row: more than the 128 MiB that RabbitMQ takes as one message.
HUGE_ROWS = 1_800_000
PATIENCE_S = 15
ONE_ROW = [[5.1, 3.5, 1.4, 0.2]]


def unknown_task(stack, client):
    """A task that never was."""
    print(f"  {outcome(client, str(uuid.uuid4()))}")


def killed_process(stack, client):
    """SIGKILL to the pool process that predicts, as the kernel does when memory runs out."""
    work_s = measure_heavy_task(stack, client)
    for _ in range(TRIES):
        task, child = begin_heavy_task(stack, client, work_s)
        os.kill(child, signal.SIGKILL)
        print(f"  its task: {outcome(client, task)} | the next: {outcome(client, client.submit(ONE_ROW))}")


def killed_service(stack, client):
    """SIGKILL to the whole worker service, as when its machine is lost; then a new one."""
    work_s = measure_heavy_task(stack, client)
    for _ in range(TRIES):
        task, _ = begin_heavy_task(stack, client, work_s)
        stack.worker.kill()
        stack.start_worker()
        print(f"  its task: {outcome(client, task)} | the next: {outcome(client, client.submit(ONE_ROW))}")


def huge_request(stack, client):
    """One request of 1.8 million rows with 17 digits a number."""
    rows = np.random.default_rng(0).uniform(1, 8, (HUGE_ROWS, 4)).tolist()
    print(f"  accepted; then {outcome(client, client.submit(rows))}")
    for log in (stack.folder / "rabbitmq" / "log").glob("*.log"):
        for line in log.read_text().splitlines():
            if "[error]" in line:
                print(f"  RabbitMQ's log: {line.partition('> ')[2]}")


FAULTS = {
    "unknown-task": unknown_task,
    "killed-process": killed_process,
    "killed-service": killed_service,
    "huge-request": huge_request,
}


def measure_heavy_task(stack, client):
    """How many seconds of processor time the pool's process needs for a heavy batch."""
    child = stack.worker.pids()[-1]
    before = processor_seconds(child)
    client.wait(client.submit(draw_rows(HEAVY_ROWS).tolist()))
    return processor_seconds(child) - before


def begin_heavy_task(stack, client, work_s):
    """
    Submit a heavy batch and wait until most of its work is done: its id, and the process that does it.

    Early would not do: what a process has not accepted yet is given to the next one.
    """
    child = stack.worker.pids()[-1]
    before = processor_seconds(child)
    task = client.submit(draw_rows(HEAVY_ROWS).tolist())
    while processor_seconds(child) < before + INSIDE * work_s:
        stack.check()
        time.sleep(0.01)
    return task, child


def outcome(client, task):
    """What the API says of a task in the end, or after 15 seconds."""
    try:
        result = client.wait(task, PATIENCE_S)
    except TimeoutError:
        return f"pending after {PATIENCE_S} s"
    if result["status"] == "done":
        return f"done, {len(result['predictions'])} predictions"
    return f"{result['status']}: {result['error'][:80]}"


@contextmanager
def running_stack(options):
    """A stack until the block ends."""
    with tempfile.TemporaryDirectory(prefix="bench-recipe-") as folder:
        stack = Stack(options, ensure_environment(), Path(folder))
        try:
            stack.start()
            yield stack
        finally:
            stack.stop()


def main():
    """Make each fault and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--variant", choices=["recipe", "tuned"], default="recipe")
    parser.add_argument("--acks", choices=["early", "late"], default="early", help="of the recipe")
    parser.add_argument("--only", choices=FAULTS, action="append", help="default: all of them")
    chosen = parser.parse_args()
    options = Options(
        variant=chosen.variant,
        broker="rabbitmq" if chosen.variant == "recipe" else "redis",
        api_processes=1,
        workers=1,
        acks=chosen.acks,
    )
    for name in chosen.only or FAULTS:
        print(f"{name}: {FAULTS[name].__doc__}", flush=True)
        with running_stack(options) as stack:
            FAULTS[name](stack, RecipeClient(stack.url))


signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
main()
