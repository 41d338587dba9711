"""The values that an axis takes in a discrete action space: close together near rest, far apart at its ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from gameon_env.controls import Controls
from gameon_env.errors import ActionError, UnknownNameError, suggest
from gameon_env.keys import AXES, MOUSE_POSITION, MOUSE_WHEEL

AxisBins = int | str | Mapping[str, int | Sequence[float]]

_X = (2, 4, 10, 20, 30, 60, 100, 200, 300, 500, 1000)
_Y = (2, 4, 10, 20, 50, 100, 200)
CSGO_COUNTS = {"mouse:dx": _X, "mouse:dy": _Y}
"""Mouse counts to each side of 0, of Pearce and Zhu's "Counter-Strike Deathmatch with Large-Scale Behavioural
Cloning" (2021)."""

MU = 20.0
WHEEL_BINS = 3


def axis_values(controls: Controls, bins: AxisBins) -> dict[str, npt.NDArray[np.float32]]:
    """The rising values in [-1, 1] of each axis.

    Args:
        bins: how many for each axis, an odd number, so that one of them is at rest; ``"csgo"``: the counts of the
            paper; or by control, a number or the values themselves.

    Raises:
        ActionError: that is none of these.
        UnknownNameError: a name is none of the axes here.
    """
    axes = [name for name in controls.names if name in AXES]
    if isinstance(bins, Mapping):
        for name in bins:
            if name not in axes:
                raise UnknownNameError(f"{name!r} is no axis of this game ({', '.join(axes)}).{suggest(name, axes)}")
    return {name: _values(controls, name, bins) for name in axes}


def companded(count: int, mu: float = MU) -> npt.NDArray[np.float32]:
    """``count`` values from -1 to 1, by mu-law closer together near 0: as a cloned policy's bins."""
    even = np.linspace(-1.0, 1.0, count)
    values: npt.NDArray[np.float32] = (np.sign(even) * np.expm1(np.abs(even) * np.log1p(mu)) / mu).astype(np.float32)
    return values


def _values(controls: Controls, name: str, bins: AxisBins) -> npt.NDArray[np.float32]:
    asked = bins.get(name, 11) if isinstance(bins, Mapping) else bins
    if asked == "csgo":
        if name in CSGO_COUNTS:
            side = np.minimum(np.array(CSGO_COUNTS[name]) / controls.mouse_scale_px, 1.0)
            return np.unique(np.concatenate([-side, [0.0], side])).astype(np.float32)
        asked = 11
    if isinstance(asked, Sequence) and not isinstance(asked, str):
        values = np.array(asked, np.float32)
        if values.ndim != 1 or len(values) < 2 or not np.all(np.diff(values) > 0) or np.abs(values).max() > 1:
            raise ActionError(f"the values of {name} must rise and lie in [-1, 1], at least two; got {list(asked)}")
        return values
    if isinstance(asked, bool) or not isinstance(asked, int) or asked < 3 or asked % 2 == 0:
        raise ActionError(
            f"mouse_bins must be an odd number of at least 3, 'csgo', or numbers or values by axis; got {asked!r} "
            f"for {name}"
        )
    if name == MOUSE_WHEEL and not isinstance(bins, Mapping):
        asked = WHEEL_BINS
    return np.linspace(-1, 1, asked, dtype=np.float32) if name in MOUSE_POSITION else companded(asked)
