"""One game of a vector environment, in a thread of its own that does one thing at a time."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any

from gameon_env.envs.desktop_env import DesktopEnv

Job = Callable[[DesktopEnv], Any]


class VectorWorker:
    """A thread and its environment, which is made, played and closed there.

    Nearly all of a step is waiting for the game and the display, or work on pictures: other threads run meanwhile.

    Args:
        make: makes the environment.
        core: the processor core that the thread and all that it starts (display, game) keep to; None for any.
    """

    def __init__(self, make: Callable[[], DesktopEnv], core: int | None = None) -> None:
        self._jobs: SimpleQueue[tuple[int, Job] | None] = SimpleQueue()
        self._results: SimpleQueue[tuple[int, Any, BaseException | None]] = SimpleQueue()
        self._started = 0
        arguments = make, core, self._jobs, self._results
        self._thread = threading.Thread(target=_work, args=arguments, name="gameon-vector", daemon=True)
        self._thread.start()

    def start(self, job: Job) -> None:
        """Do this, after what was started before."""
        self._started += 1
        self._jobs.put((self._started, job))

    def finish(self) -> tuple[Any, BaseException | None]:
        """Wait for what was started last: its result, or what it raised. The first one of all is the making.

        What was started before it and never waited for, as by a step that Ctrl+C ended, is dropped.
        """
        while True:
            number, result, error = self._results.get()
            if number == self._started:
                return result, error

    def dismiss(self) -> None:
        """End the thread, once what was started is done, and do not wait for it. May be called twice."""
        self._jobs.put(None)

    def close(self) -> None:
        """End the thread and wait for it. May be called twice."""
        self.dismiss()
        self._thread.join()


def do_all(workers: Sequence[VectorWorker], jobs: Sequence[Job | None]) -> list[Any]:
    """Let each worker do its job (None: nothing), at the same time, and wait for all of them.

    Raises:
        BaseException: the first that any of them raised, once all are done.
    """
    start_all(workers, jobs)
    return finish_all([worker if job is not None else None for worker, job in zip(workers, jobs, strict=True)])


def start_all(workers: Sequence[VectorWorker], jobs: Sequence[Job | None]) -> None:
    """The first half of :func:`do_all`."""
    for worker, job in zip(workers, jobs, strict=True):
        if job is not None:
            worker.start(job)


def finish_all(workers: Sequence[VectorWorker | None]) -> list[Any]:
    """The results of those that do something. Raises as :func:`do_all`."""
    ends = [worker.finish() if worker is not None else (None, None) for worker in workers]
    for _, error in ends:
        if error is not None:
            raise error
    return [result for result, _ in ends]


def _work(
    make: Callable[[], DesktopEnv],
    core: int | None,
    jobs: SimpleQueue[tuple[int, Job] | None],
    results: SimpleQueue[tuple[int, Any, BaseException | None]],
) -> None:
    try:
        if core is not None:
            os.sched_setaffinity(0, {core})
        env = make()
    except BaseException as error:  # noqa: BLE001 (raised by whoever waits for it)
        results.put((0, None, error))
        return
    results.put((0, env, None))
    while (started := jobs.get()) is not None:
        number, job = started
        try:
            end: tuple[int, Any, BaseException | None] = number, job(env), None
        except BaseException as error:  # noqa: BLE001 (raised by whoever waits for it)
            end = number, None, error
        results.put(end)
        del started, job, end
