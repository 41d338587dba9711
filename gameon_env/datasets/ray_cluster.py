"""Work spread over a Ray cluster, by the same calls as over processes.

All machines need this package, and the recordings (and the cache folder) at the same paths: a shared file system.
"""

from __future__ import annotations

import importlib
import platform
import socket
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from gameon_env.errors import DatasetError, StorageError
from gameon_env.optional import require

T = TypeVar("T")


def check_here(path: Path) -> None:
    """See that a recording is there on the machine where this runs.

    Raises:
        DatasetError: it is not.
    """
    if not path.exists():
        raise DatasetError(
            f"{path} is not there on the machine {platform.node()}: machines that work together need the recordings at "
            "the same path, on a file system that they share"
        )


@dataclass(frozen=True, slots=True)
class RayCluster:
    """A Ray cluster, in place of a number of processes.

    Attributes:
        address: of its head, such as ``10.0.0.1:6379``, ``ray://10.0.0.1:10001`` or ``auto``, the one that this machine
            belongs to.
        workers: tasks at a time; None: as many as it has processors.

    Raises:
        DatasetError: the address is empty.
    """

    address: str
    workers: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.address, str) or not self.address.strip():
            raise DatasetError(f"the address of a Ray cluster is such as '10.0.0.1:6379'; got {self.address!r}")

    def connect(self) -> RayPool:
        """Connect to it.

        Raises:
            MissingPartError: Ray is not installed.
            StorageError: there is no cluster at this address.
        """
        return RayPool(self)


class RayPool(Executor):
    """Runs calls on a Ray cluster. Errors that they raise are raised as they are; a call whose machine goes away is
    run again on another, and where that does not help, :class:`concurrent.futures.BrokenExecutor`.

    Attributes:
        workers: how many at a time.
    """

    def __init__(self, cluster: RayCluster) -> None:
        self._ray: Any = require("ray", "Spreading work over a Ray cluster")
        self._connected = not self._ray.is_initialized()
        if self._connected:
            try:
                _see(cluster.address)
                self._ray.init(cluster.address, log_to_driver=False, logging_level="error")
            except (OSError, ValueError, RuntimeError) as error:
                raise StorageError(
                    f"there is no Ray cluster at {cluster.address} ({error}): start one with ray start --head, or see "
                    "its address with ray status"
                ) from error
        processors = int(self._ray.cluster_resources().get("CPU", 1))
        self.workers = cluster.workers or max(1, processors)
        self._call = self._ray.remote(num_cpus=1, max_retries=2)(_call)
        self._running: set[Any] = set()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run ``fn``, a function of a module, on some machine."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        task = self._call.remote(fn.__module__, fn.__qualname__, args, kwargs)
        self._running.add(task)

        def finish(done: Future[tuple[T | None, Exception | None]]) -> None:
            self._running.discard(task)
            broken = done.exception()
            if broken is not None:
                future.set_exception(BrokenExecutor(f"a task on the Ray cluster was lost: {broken}"))
                return
            value, error = done.result()
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(value)  # type: ignore[arg-type]  # T may be None

        task.future().add_done_callback(finish)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster, unless it was joined before; callable twice."""
        if cancel_futures:
            for task in list(self._running):
                self._ray.cancel(task)
        if self._connected:
            self._connected = False
            self._ray.shutdown()


def _see(address: str) -> None:
    """Whether anybody is there: Ray itself asks for a minute."""
    host, colon, port = address.rpartition(":")
    if colon and "//" not in address and port.isdecimal():
        with socket.create_connection((host, int(port)), timeout=10):
            pass


def _call(module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Exception | None]:
    """On the cluster: an error goes back as a value, for Ray would make another of it."""
    try:
        return getattr(importlib.import_module(module), name)(*args, **kwargs), None
    except Exception as error:  # noqa: BLE001  # raised where the call came from
        return None, error
