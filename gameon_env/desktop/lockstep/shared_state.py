"""The memory that the controller and the game's threads share: ``state.h``, for Python."""

from __future__ import annotations

import ctypes

NEVER = 2**63 - 1
MAX_SLOTS = 1024

FREE, RUNNING, READY, WAITING, POLLING, OUTSIDE = range(6)

_i32, _i64, _u32, _u64 = ctypes.c_int32, ctypes.c_int64, ctypes.c_uint32, ctypes.c_uint64


class Slot(ctypes.Structure):
    """One thread of the game."""

    _fields_ = (
        ("state", _i32), ("pid", _i32), ("tid", _i32), ("reason", _i32),
        ("key", _u64), ("order", _u64), ("handle", _u64), ("wake", _i64), ("looked", _u64),
        ("go", _u32), ("bits", _u32), ("real", _u32), ("index", _u32),
        ("parked", _u32), ("posted", _u32), ("looks", _u32), ("spare", _u32),
        ("where", ctypes.c_char * 32),
    )  # fmt: skip


class ClockState(ctypes.Structure):
    """The clock."""

    _fields_ = (
        ("version", _u32), ("lock", _u32), ("holder", _i32), ("idle", _u32),
        ("now", _i64), ("limit", _i64), ("next_wake", _i64),
        ("order", _u64), ("round", _u64), ("turns", _u64), ("random", _u64), ("epoch_ns", _i64),
        ("attached", _u32), ("layout_random", _u32), ("closed", _u32), ("used", _u32),
        ("dying", _i32 * 8),
        ("slots", Slot * MAX_SLOTS),
    )  # fmt: skip
