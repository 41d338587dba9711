"""Gymnasium spaces as columns of a trajectory file: what to store for an environment's own observations and actions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from gameon_env.data_processing.trajectory_layout import Column
from gameon_env.errors import ObservationError

_LISTED_BOUNDS = 1024
"""Bounds of a Box that differ from entry to entry are listed up to this many; of larger ones only the range is kept."""

Leaf = spaces.Box | spaces.Discrete | spaces.MultiBinary | spaces.MultiDiscrete


def is_rgb(space: spaces.Space[Any]) -> bool:
    """Whether the space is of RGB frames: ``(H, W, 3) uint8``."""
    return isinstance(space, spaces.Box) and len(space.shape) == 3 and space.shape[2] == 3 and space.dtype == np.uint8


def space_columns(space: spaces.Space[Any], name: str) -> tuple[Column, ...]:
    """The columns for values of ``space``: ``name`` itself, or ``name/<path>`` for each part of a Dict or Tuple.

    Raises:
        ObservationError: values of such a space have no fixed shape.
    """
    return tuple(
        Column(path, np.dtype(leaf.dtype).name, tuple(leaf.shape or ())) for path, leaf in _leaves(space, name)
    )


def space_values(space: spaces.Space[Any], name: str, value: Any) -> dict[str, npt.NDArray[Any]]:
    """Copies of the parts of ``value`` by their columns' names.

    Raises:
        ObservationError: a part has not the shape that the space says, or holds what its dtype does not.
    """
    if isinstance(space, spaces.Dict | spaces.Tuple):
        values: dict[str, npt.NDArray[Any]] = {}
        for key, part in _parts(space):
            values |= space_values(part, f"{name}/{_path_part(key)}", value[key])
        return values
    array = _as(space.dtype, name, value)
    if array.shape != space.shape and array.size == np.prod(space.shape or (), dtype=int) == 1:
        array = array.reshape(space.shape or ())  # a policy's [2] for a Discrete's 2
    if array.shape != space.shape:
        raise ObservationError(
            f"{name} has the shape {array.shape}, but the environment's space says {space.shape}: mend the space, "
            "or put a wrapper between that transforms the values"
        )
    return {name: array}


def _as(dtype: np.dtype[Any] | None, name: str, value: Any) -> npt.NDArray[Any]:
    """A copy of ``value`` in its space's dtype, which must not make other numbers of it (0.5 is no uint8)."""
    given = np.asarray(value)
    if given.dtype == dtype:
        return given.copy()
    if given.dtype.kind in "biuf":
        with np.errstate(invalid="ignore", over="ignore"):
            array = given.astype(dtype)
        if array.dtype.kind == "f" or np.array_equal(array, given):
            return array
    raise ObservationError(
        f"{name} is {given.dtype}, with values that the environment's space, which says {dtype}, cannot hold: mend the "
        "space, or put a wrapper between that transforms the values"
    )


def space_to_json(space: spaces.Space[Any]) -> dict[str, Any]:
    """The space as JSON types, short also where bounds are large arrays."""
    kind = type(space).__name__
    if isinstance(space, spaces.Dict):
        return {"type": kind, "spaces": {key: space_to_json(part) for key, part in space.spaces.items()}}
    if isinstance(space, spaces.Tuple):
        return {"type": kind, "spaces": [space_to_json(part) for part in space.spaces]}
    base = {"type": kind, "dtype": np.dtype(space.dtype).name, "shape": list(space.shape or ())}
    if isinstance(space, spaces.Box):
        return base | {"low": _bound(space.low, min), "high": _bound(space.high, max)}
    if isinstance(space, spaces.Discrete):
        return base | {"n": int(space.n), "start": int(space.start)}
    if isinstance(space, spaces.MultiDiscrete):
        return base | {"nvec": space.nvec.tolist(), "start": space.start.tolist()}
    return base


def _leaves(space: spaces.Space[Any], name: str) -> Iterator[tuple[str, Leaf]]:
    if isinstance(space, spaces.Dict | spaces.Tuple):
        for key, part in _parts(space):
            yield from _leaves(part, f"{name}/{_path_part(key)}")
    elif isinstance(space, Leaf):
        yield name, space
    else:
        raise ObservationError(
            f"{name} is a {type(space).__name__} space, whose values have no fixed shape and cannot be recorded. "
            "Recorded are Box, Discrete, MultiBinary, MultiDiscrete, and Dict and Tuple of them: put a wrapper between "
            "that transforms the values (gymnasium.wrappers.TransformObservation, TransformAction)"
        )


def _parts(space: spaces.Dict | spaces.Tuple[Any]) -> Iterator[tuple[Any, spaces.Space[Any]]]:
    return iter(space.spaces.items()) if isinstance(space, spaces.Dict) else iter(enumerate(space.spaces))


def _path_part(key: Any) -> str:
    """A key as one part of a path: what separates parts, or means another folder, is percent-encoded."""
    text = str(key).replace("%", "%25").replace("/", "%2F")
    return text.replace(".", "%2E") if text.strip(".") == "" else text


def _bound(values: npt.NDArray[Any], outermost: Any) -> Any:
    if values.size and (values == values.flat[0]).all():
        return _number(values.flat[0].item())
    if values.size <= _LISTED_BOUNDS:
        return _numbers(values.tolist())
    return _number(outermost(values.min().item(), values.max().item()))


def _numbers(value: Any) -> Any:
    return [_numbers(part) for part in value] if isinstance(value, list) else _number(value)


def _number(value: float) -> float | str:
    """JSON has no infinity."""
    return str(value) if value in (float("inf"), float("-inf")) else value
