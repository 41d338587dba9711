"""The priority of this process, kept from libraries that raise it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_TASKS = Path("/proc/self/task")


@contextmanager
def ordinary_priority() -> Iterator[None]:
    """Whatever is done meanwhile, this thread and those that are begun keep the priority that this thread has.

    As root on Linux, SVT-AV1 puts the thread that opens it, its own threads, and so all processes that are started
    afterwards, into the first real-time class (seen with PyAV 18.1): a few busy ones then take all of a machine.
    """
    if sys.platform != "linux":
        yield
        return
    policy, settings = os.sched_getscheduler(0), os.sched_getparam(0)
    before = {task.name for task in _TASKS.iterdir()}
    try:
        yield
    finally:
        for thread in [0, *(int(task.name) for task in _TASKS.iterdir() if task.name not in before)]:
            with suppress(ProcessLookupError):  # it has ended meanwhile
                if os.sched_getscheduler(thread) != policy:
                    os.sched_setscheduler(thread, policy, settings)
