"""Files that are open: few at a time, each belonging to one thread of one process."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar


class Closable(Protocol):
    def close(self) -> None: ...


C = TypeVar("C", bound=Closable)


class OpenFiles(Generic[C]):
    """Opens on demand; what was not used for longest is closed when there are more than ``most``.

    Nothing that was opened before a fork, or in another thread, is ever used: a decoder is at one place only.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._local = threading.local()

    def get(self, key: Hashable, open_it: Callable[[], C]) -> C:
        """The open file of this key, opened by ``open_it`` where it is not."""
        files = self._mine()
        if key in files:
            files.move_to_end(key)
            return files[key]
        file = files[key] = open_it()
        while len(files) > self._most:
            files.popitem(last=False)[1].close()
        return file

    def close(self, key: Hashable) -> None:
        """Close this one, if this thread has it open."""
        file = self._mine().pop(key, None)
        if file is not None:
            file.close()

    def _mine(self) -> OrderedDict[Hashable, C]:
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.pid = os.getpid()
            self._local.files = OrderedDict()
        files: OrderedDict[Hashable, C] = self._local.files
        return files
