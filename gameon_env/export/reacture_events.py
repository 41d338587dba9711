"""The key rows of a ReActure download as input events, such that our steps hold what the rows say."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from gameon_env.errors import DatasetError
from gameon_env.events import InputEvent
from gameon_env.export.reacture_rows import RowTable

CONTROLS = (
    "key:w", "key:a", "key:s", "key:d", "key:space", "key:e", "key:r", "mouse:left", "mouse:dx", "mouse:dy",
)  # fmt: skip
"""What the browser game is played with."""

COLUMNS_OF = {
    "key:w": ("W",),
    "key:a": ("A",),
    "key:s": ("S",),
    "key:d": ("D",),
    "key:space": ("Space",),
    "key:e": ("E", "inspect"),
    "key:r": ("R",),
    "mouse:left": ("destroy",),
}
"""Which keys of a row mean that a control is held; ``destroy`` is the mouse button."""

TAP_OF = {"jump": "key:space", "destroy_rubble": "mouse:left", "rescue_victim": "mouse:left", "refuel": "key:r"}
"""The original's actions, by the controls that do the same in our game."""

BEFORE = "before"
"""``key_interval`` in metadata: a row's keys are what was held at any time since the row before."""

MAX_TIME_MS = 366 * 86_400_000.0
"""A year: no game takes longer, and sums of such times stay far from the end of what an int64 of ns holds."""

_TAP_NS = 50_000_000
_JUST_BEFORE_NS = 1000  # our videos' times are microseconds


def key_rows(
    rows: RowTable, times: npt.NDArray[np.float64], framed: npt.NDArray[np.int64], metadata: Mapping[str, Any]
) -> npt.NDArray[np.int64]:
    """``(K,) int64``: the rows that tell what was pressed, in the order of time.

    Where keys cover intervals, those are the rows with a frame and those whose picture could not be read, for the row
    after them may tell of the time since them only; other events repeat what these rows say. Where keys are samples,
    as in the original's files, every row is one more sample.
    """
    chosen = np.append(framed, np.flatnonzero(rows.failed)) if is_before(metadata) else np.arange(len(times))
    chosen = chosen[np.isfinite(times[chosen]) & np.isfinite(rows.column("W")[chosen])]
    in_order: npt.NDArray[np.int64] = chosen[np.argsort(times[chosen], kind="stable")]
    return in_order


def is_before(metadata: Mapping[str, Any]) -> bool:
    """Whether keys cover the interval before their row; else they are samples at its time."""
    return metadata.get("key_interval") == BEFORE


def row_events(
    times_ns: npt.NDArray[np.int64], held: Mapping[str, npt.NDArray[np.bool_]],
    motion: Mapping[str, npt.NDArray[np.float64]], *, before: bool,
) -> list[InputEvent]:  # fmt: skip
    """Events that :class:`gameon_env.controls.StepBinner` bins back into the rows, in the order of time.

    A key that row i has is pressed where the row's interval begins, and released a microsecond before it ends, if the
    next row has it no more: a release at the very end would be held in the next step too. The interval is
    ``[t_(i-1), t_i)`` where rows cover what was before them, else ``[t_i, t_(i+1))``. Mouse motion always happened
    before its row, and comes in the middle of that time.

    Args:
        times_ns: ``(K,) int64``, rising.
        held: control -> ``(K,) bool``.
        motion: ``mouse:dx``, ``mouse:dy`` -> ``(K,) float64`` counts.
        before: what a row's keys cover.
    """
    if not len(times_ns):
        return []
    earlier = np.append(0, times_ns[:-1])
    later = np.append(times_ns[1:], times_ns[-1] + 1_000_000)
    begins, ends = (earlier, times_ns) if before else (times_ns, later)
    events: list[InputEvent] = []
    for control, down in held.items():
        edges = np.diff(down.astype(np.int8), prepend=0, append=0)
        events += [InputEvent(int(begins[i]), control, 1.0) for i in np.flatnonzero(edges[:-1] > 0)]
        events += [
            InputEvent(max(int(begins[i - 1]), int(ends[i - 1]) - _JUST_BEFORE_NS), control, 0.0)
            for i in np.flatnonzero(edges < 0)
        ]
    middles = (earlier + times_ns) // 2
    for control, counts in motion.items():
        moved = np.flatnonzero(np.isfinite(counts) & (counts != 0))
        events += [InputEvent(int(middles[i]), control, float(counts[i])) for i in moved]
    return sorted(events, key=lambda event: event.t_ns)


def table_events(
    rows: RowTable, chosen: npt.NDArray[np.int64], times_ns: npt.NDArray[np.int64], *, before: bool
) -> list[InputEvent]:
    """The events of the chosen rows of a ReActure game."""
    held = {
        control: np.any([rows.column(name)[chosen] > 0 for name in names], axis=0)
        for control, names in COLUMNS_OF.items()
    }
    # A row of an event repeats the motion that its neighbour with a frame tells. One whose picture could not be read
    # may do so too, or not: no file says which, and motion that is counted twice was never made.
    told = rows.has_frame[chosen]
    motion = {f"mouse:{axis}": np.where(told, rows.column(f"mouse_{axis}")[chosen], 0.0) for axis in ("dx", "dy")}
    return row_events(times_ns, held, motion, before=before)


def ascending_ns(times_ms: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.int64]:
    """Sorted times as ns, each at least a microsecond after the one before it, and none before 0.

    Raises:
        DatasetError: they are too far from the game's start to be times of a game.
    """
    if len(times_ms) and not np.abs(times_ms).max() <= MAX_TIME_MS:
        raise DatasetError(
            f"a time is {float(times_ms[np.abs(times_ms).argmax()]):g} ms from the game's start, more than a year: "
            "timestamps.npy or data.jsonl is damaged, or counts from elsewhere. Download the recording again."
        )
    micro = np.maximum(np.rint(times_ms.astype(np.float64) * 1000).astype(np.int64), 0)
    place = np.arange(len(micro))
    rising: npt.NDArray[np.int64] = (np.maximum.accumulate(micro - place) + place) * 1000
    return rising


def action_taps(rows: Iterable[Mapping[str, Any]], last_ns: int, taken: Collection[str]) -> Iterator[InputEvent]:
    """What the original's samples never show, told by its rows of actions: a tap at the time of each.

    Args:
        rows: ``player_action`` rows among others; their ``timestamp`` is in ms since the game's start.
        last_ns: nothing later is believed.
        taken: controls that the samples do show; they get no taps.
    """
    for row in rows:
        control, t_ms = TAP_OF.get(str(row.get("action"))), row.get("timestamp")
        if row.get("type") != "player_action" or control is None or control in taken:
            continue
        if isinstance(t_ms, int | float) and 0 <= t_ms <= last_ns / 1e6:
            t_ns = round(t_ms * 1000) * 1000
            yield from (InputEvent(t_ns, control, 1.0), InputEvent(t_ns + _TAP_NS, control, 0.0))
