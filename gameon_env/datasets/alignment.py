"""One vector for recordings of one game or of several: controls aligned by name, motion in one scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gameon_env.datasets.recording import Floats, Int64, Mask, Recording
from gameon_env.errors import DatasetError
from gameon_env.keys import MOUSE_MOTION, MOUSE_WHEEL


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """How the vectors of R recordings become vectors of one order.

    Attributes:
        controls: A names.
        mask: ``(R, A) bool``: which of them each recording's game has.
        mouse_scale_px: counts that are 1.0 on ``mouse:dx``, where there is one game; None where it is not known, or
            differs from game to game.
        wheel_scale: likewise.
        games: the games' names.
    """

    controls: tuple[str, ...]
    mask: Mask
    mouse_scale_px: float | None
    wheel_scale: float | None
    games: tuple[str, ...]
    columns: tuple[Int64, ...]
    factors: tuple[Floats, ...]

    def align(self, number: int, values: np.ndarray, *, scaled: bool = False) -> np.ndarray:
        """``(N, a)`` of recording ``number`` as ``(N, A)`` of the same dtype, zero where its game has no such control.

        Args:
            scaled: these are inputs, whose motion is counted in the dataset's scale.
        """
        columns = self.columns[number]
        result = np.zeros((len(values), len(self.controls)), values.dtype)
        known = columns >= 0
        result[:, columns[known]] = values[:, known]
        if scaled:
            result *= self.factors[number]
        return result


def align(recordings: Sequence[Recording]) -> Alignment:
    """Align all of a dataset's recordings.

    Raises:
        DatasetError: recordings of one game have different controls; the message lists them.
    """
    by_game: dict[str, list[Recording]] = {}
    for recording in recordings:
        by_game.setdefault(recording.game.casefold(), []).append(recording)
    names_of = {game: _controls_of(its) for game, its in by_game.items()}
    if len(by_game) == 1:
        controls = next(iter(names_of.values()))
    else:
        controls = tuple(dict.fromkeys(name for names in names_of.values() for name in names))
    index = {name: i for i, name in enumerate(controls)}
    scale_of = {game: _scales(its) for game, its in by_game.items()}
    mask = np.zeros((len(recordings), len(controls)), bool)
    columns, factors = [], []
    for number, recording in enumerate(recordings):
        game = recording.game.casefold()
        mask[number, [index[name] for name in names_of[game]]] = True
        columns.append(np.array([index.get(name, -1) for name in recording.controls], np.int64))
        factors.append(_factors(recording, controls, scale_of[game]))
    common = set(scale_of.values())
    mouse, wheel = common.pop() if len(common) == 1 else (None, None)
    games = tuple(its[0].game for its in by_game.values())
    return Alignment(controls, mask, mouse, wheel, games, tuple(columns), tuple(factors))


def _controls_of(recordings: list[Recording]) -> tuple[str, ...]:
    """Of one game: what its profile says; without one, all that was ever seen."""
    declared = [recording for recording in recordings if recording.controls_declared]
    if not declared:
        return tuple(sorted({name for recording in recordings for name in recording.controls}))
    kinds: dict[tuple[str, ...], Recording] = {}
    for recording in declared:
        kinds.setdefault(tuple(sorted(recording.controls)), recording)
    if len(kinds) > 1:
        listed = "; ".join(
            f"{sum(tuple(sorted(r.controls)) == names for r in declared)} such as {recording.id} have "
            f"{', '.join(recording.controls)}"
            for names, recording in kinds.items()
        )
        raise DatasetError(
            f"recordings of the game {recordings[0].game!r} have different controls: {listed}. Choose those that "
            "belong together: sessions=[...]"
        )
    return declared[0].controls


def _scales(recordings: list[Recording]) -> tuple[float | None, float | None]:
    """The first that is known: the others are turned into it."""
    mouse = next((r.mouse_scale_px for r in recordings if r.mouse_scale_px is not None), None)
    return mouse, next((r.wheel_scale for r in recordings if r.wheel_scale is not None), None)


def _factors(recording: Recording, controls: tuple[str, ...], scales: tuple[float | None, float | None]) -> Floats:
    factors = np.ones(len(controls), np.float32)
    for names, own, common in (
        (MOUSE_MOTION, recording.mouse_scale_px, scales[0]),
        ((MOUSE_WHEEL,), recording.wheel_scale, scales[1]),
    ):
        if own is not None and common is not None:
            factors[[i for i, name in enumerate(controls) if name in names]] = own / common
    return factors
