"""The controller of a game's virtual clock: grants time, and waits until the game has used it."""

from __future__ import annotations

import ctypes
import mmap
import os
import time
import weakref
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from gameon_env.desktop.lockstep import threads
from gameon_env.desktop.lockstep.build import Libraries, libraries
from gameon_env.desktop.lockstep.lockstep_error import LockstepError
from gameon_env.desktop.lockstep.shared_state import NEVER, ClockState
from gameon_env.errors import StorageError

EPOCH_NS = 1_767_225_600_000_000_000
"""What the game takes for the time of day when its clock starts: 2026-01-01, and a second later for each seed."""

LOOK_EVERY_NS = 20_000_000
"""How long a game may take over its granted time before a look at what it does meanwhile."""

PINNED = {
    "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8", "TZ": "UTC", "PYTHONHASHSEED": "0", "PERL_HASH_SEED": "0",
    "PERL_PERTURB_KEYS": "0", "QT_HASH_SEED": "0", "QT_NO_CPU_FEATURE": "rdrnd rdseed", "LP_NUM_THREADS": "0",
    "GALLIUM_THREAD": "0", "mesa_glthread": "false", "OMP_NUM_THREADS": "1", "SDL_AUDIODRIVER": "dummy",
    "SDL_AUDIO_DRIVER": "dummy", "ALSOFT_DRIVERS": "null",
}  # fmt: skip
"""Variables of what makes a game depend on the machine: its language and zone, threads that only draw, and random
numbers that Qt takes from the processor."""


class _Look(NamedTuple):
    """What the thread whose turn it is was seen to do: in which turn, the processor's ticks it had used, and how many
    looks at it in this turn found the same."""

    turns: int
    doing: str
    used: int
    times: int


class LockstepClock:
    """A virtual clock for one launch of one game, with everything that the game starts.

    The game begins to run when it is launched with :attr:`environment`; its time stands still until it is granted.

    Args:
        seed: of all randomness that the game asks the system for, and of the time of day at which it starts.
        limit_s: real seconds that the game may take over one grant.
        env: variables for the game, in place of those of :data:`PINNED`; a library in LD_PRELOAD is loaded as well.

    Raises:
        LockstepError: not on this system.
        MissingProgramError: there is no C compiler.
        StorageError: the library cannot be written or loaded.
    """

    def __init__(self, *, seed: int = 0, limit_s: float = 20.0, env: Mapping[str, str] | None = None) -> None:
        built = _built()
        self._control = _load(built)
        self._shim = built.shim
        self.limit_s = limit_s
        self._fd = os.memfd_create("gameon-lockstep", os.MFD_CLOEXEC)
        size = ctypes.sizeof(ClockState)
        os.ftruncate(self._fd, size)
        self._map = mmap.mmap(self._fd, size)
        self._state = ClockState.from_buffer(self._map)
        self._address = ctypes.addressof(self._state)
        self._closed = False
        self._released_ns: int | None = None
        self.unseen_waits: list[str] = []
        """What the game waited for that the library does not see, so that other threads went on: not repeatable."""
        self._seen = _Look(-1, "", 0, 0)
        self._control.control_open(self._address, (seed * 2 + 1) & 0xFFFF_FFFF_FFFF_FFFF, epoch_ns(seed))
        preload = (env or {}).get("LD_PRELOAD", os.environ.get("LD_PRELOAD"))
        self.environment = {
            **PINNED,
            **(env or {}),
            "LD_PRELOAD": f"{built.shim}:{preload}" if preload else str(built.shim),
            # By this path, not in /dev/shm: it goes with this process, however that ends.
            "GAMEON_LOCKSTEP": f"/proc/{os.getpid()}/fd/{self._fd}",
        }
        self._finalizer = weakref.finalize(self, _end, self._fd, self._map, self._control, self._address, os.getpid())

    @property
    def now_ns(self) -> int:
        """The virtual time: ns since the game was launched; what passes after :meth:`release` does not count."""
        return int(self._state.now) if self._released_ns is None else self._released_ns

    @property
    def fixed_layout(self) -> bool:
        """Whether the game's address space is laid out the same each time; a container may forbid it."""
        return not self._state.layout_random

    @property
    def attached(self) -> int:
        """How many programs have come under the clock."""
        return int(self._state.attached)

    @property
    def abandoned(self) -> bool:
        """Whether no thread of the game is left under the clock."""
        return next(threads.living(self._state), None) is None

    def begin(self, alive: Callable[[], bool], timeout_s: float = 10.0, limit_s: float | None = None) -> None:
        """Wait until the launched game is under the clock, and has done what it does before its first wait.

        Args:
            alive: whether the game's process is there.
            timeout_s: how long it may take to load the library.
            limit_s: real seconds that it may take from there, where that is more than usual.

        Raises:
            LockstepError: it runs without the library, or ended first, or does not come to its first wait.
        """
        end = time.monotonic() + timeout_s
        while not self._state.attached:
            if not alive():
                raise LockstepError("the game ended before it came under the virtual clock; see its output")
            if time.monotonic() > end:
                raise LockstepError(
                    f"the game runs, but did not load the library of the virtual clock within {timeout_s:g} s: it may "
                    'be setuid, statically linked, or in a sandbox; use time="real"'
                )
            time.sleep(0.002)
        self._wait_until_used(limit_s)

    def advance(self, ns: int, limit_s: float | None = None) -> None:
        """Grant so much time, and wait until the game has used it: until all of it waits for later.

        Args:
            ns: how much.
            limit_s: real seconds that it may take, where that is more than usual.

        Raises:
            LockstepError: it did not within ``limit_s`` of real time; the message says where it is.
        """
        if ns <= 0:
            raise LockstepError(f"time goes on by 1 ns or more; {ns} ns were granted")
        self._wait_until_used(limit_s)
        self._control.control_grant(self._address, ns)
        if not self._control.control_wait(self._address, LOOK_EVERY_NS):
            self._wait_until_used(limit_s)

    def release(self) -> None:
        """Let the game run free, as fast as it can: before it is told to end."""
        if not self._closed and self._released_ns is None:
            self._released_ns = self.now_ns
            self._control.control_grant(self._address, NEVER)

    def waits(self) -> str:
        """What each thread of the game does now, one line each."""
        return "\n".join(threads.describe(slot) for slot in threads.living(self._state)) or "no thread of it is left"

    def close(self) -> None:
        """Let go of the game; one that still runs ends at its next look at the clock. May be called twice."""
        self._closed = True
        self._finalizer()

    def _wait_until_used(self, limit_s: float | None = None) -> None:
        if self._closed:
            raise LockstepError("this clock is closed")
        limit_s = max(self.limit_s, limit_s or 0.0)
        end = time.monotonic() + limit_s
        while not self._control.control_wait(self._address, LOOK_EVERY_NS):
            self._look()
            if time.monotonic() > end:
                raise LockstepError(
                    f"the game did not use up its granted time within {limit_s:g} s. It is here:\n{self.waits()}\n"
                    "One that only needs longer: raise launch.step_limit_s in its profile"
                )

    def _look(self) -> None:
        """Clear up after threads that died, and let the others go on where one waits for something unseen."""
        for slot in threads.living(self._state):
            if threads.is_dead(slot.pid, slot.tid):
                self._control.control_drop(self._address, slot.index)
        holder, turns = int(self._state.holder), int(self._state.turns)
        if holder < 0:
            if not self._state.idle:
                self._control.control_pass(self._address, 0, turns + 1)
            return
        slot = self._state.slots[holder]
        if slot.parked:
            self._control.control_wake(self._address, holder)
            return
        doing = threads.doing(slot.pid, slot.tid or slot.pid)
        used, last = threads.processor_ticks(slot.pid, slot.tid or slot.pid), self._seen
        times = 1
        if (last.turns, last.doing) == (turns, doing):  # one that would run, but gets no processor, does nothing wrong
            times = last.times + (doing != "R" or used != last.used)
        self._seen = _Look(turns, doing, used, times)
        if times > 1 and not threads.has_loaded(slot.pid, self._shim):
            self._control.control_drop(self._address, holder)  # it became a program that knows of no virtual clock
        elif not slot.real and threads.waits_unseen(self._state, doing, times, len(self.unseen_waits)):
            seen = threads.describe(slot)
            if not slot.parked and self._control.control_pass(self._address, holder, turns):
                self.unseen_waits.append(f"{self.now_ns}: {seen}")


def epoch_ns(seed: int) -> int:
    """The time of day at which a game with this seed starts: many take their own seed from it."""
    return EPOCH_NS + (seed % 10_000_000) * 1_000_000_000


@cache
def _built() -> Libraries:
    return libraries()  # once in a process: it asks the compiler for its version


@cache
def _load(built: Libraries) -> ctypes.CDLL:
    try:
        control = ctypes.CDLL(str(built.control))
    except OSError as error:
        raise StorageError(
            f"the library for time='lockstep' cannot be loaded: {error}. Remove {built.control.parent} if it is "
            "damaged, and where its disk allows no programs (noexec), set XDG_CACHE_HOME to a folder that does"
        ) from error
    pointer, i64, u64, u32 = ctypes.c_void_p, ctypes.c_int64, ctypes.c_uint64, ctypes.c_uint32
    for name, result, arguments in (
        ("control_size", u64, []),
        ("control_open", None, [pointer, u64, i64]),
        ("control_grant", None, [pointer, i64]),
        ("control_close", None, [pointer]),
        ("control_wait", ctypes.c_int, [pointer, i64]),
        ("control_drop", None, [pointer, u32]),
        ("control_wake", None, [pointer, u32]),
        ("control_pass", ctypes.c_int, [pointer, u32, u64]),
    ):
        function = getattr(control, name)
        function.restype, function.argtypes = result, arguments
    if control.control_size() != ctypes.sizeof(ClockState):
        raise LockstepError(f"{Path(built.control)} does not fit this version: remove it")
    return control


def _end(fd: int, memory: mmap.mmap, control: ctypes.CDLL, address: int, owner_pid: int) -> None:
    del memory  # unmapped when the last user of it goes
    if os.getpid() == owner_pid:
        control.control_close(address)
    os.close(fd)
