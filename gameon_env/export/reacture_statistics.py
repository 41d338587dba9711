"""What a ReActure download holds, in figures and as a page of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gameon_env.export.reacture_rows import MODEL_KEYS

if TYPE_CHECKING:
    from gameon_env.export.reacture import ReActureDataset

_FRAMES_AT_ONCE = 64


def statistics_of(dataset: ReActureDataset) -> dict[str, Any]:
    """Plain numbers, JSON-safe; None where there is nothing to count."""
    times = np.sort(dataset.frame_timestamps.astype(np.float64))
    intervals = np.diff(times)
    position = dataset.numbers("position").astype(np.float64)
    position[~np.isfinite(position)] = np.nan
    steps = np.linalg.norm(np.diff(position[np.argsort(dataset.frame_timestamps, kind="stable")], axis=0), axis=1)
    keys = dataset.numbers("keys")
    mean, black = _look_through(dataset)
    return {
        "num_samples": len(dataset),
        "num_frames": len(dataset.frames_array),
        "num_other_rows": int((~dataset.rows.has_frame).sum()) + len(dataset.rows.other_offsets),
        "duration_s": _plain((times[-1] - times[0]) / 1000.0),
        "sampling_rate": _plain(1000.0 / intervals.mean()) if len(intervals) and intervals.mean() > 0 else None,
        "interval_ms": _spread(intervals),
        "trajectory_stats": {
            **{f"{name}_position": values for name, values in _spread_of_columns(position).items()},
            "length": _plain(np.nansum(steps)) if np.isfinite(steps).any() else None,
        },
        "key_press_frequency": {name: _plain(_mean(keys[:, i])) for i, name in enumerate(MODEL_KEYS)},
        "battery_stats": _spread(dataset.numbers("battery")[:, 0]),
        "damage_stats": _spread(dataset.numbers("damage")[:, 0]),
        "frame_stats": {"mean_rgb": [_plain(value) for value in mean], "black_frames": black},
    }


def describe(dataset: ReActureDataset) -> str:
    """A summary to print."""
    stats, metadata = dataset.get_statistics(), dataset.metadata
    height, width = dataset.frames_array.shape[1:3]
    lines = [f"{dataset.prefix}: {len(dataset)} samples, {width}x{height} RGB frames"]
    told = {name: metadata.get(name) for name in ("environment_name", "player_name", "start_time", "session_id")}
    lines += [f"  {name.replace('_', ' ')}: {value}" for name, value in told.items() if value is not None]
    result = metadata.get("game_result")
    if isinstance(result, dict):
        lines.append("  result: " + ", ".join(f"{name} {value}" for name, value in result.items()))
    rate, interval = stats["sampling_rate"], stats["interval_ms"]
    lines.append(f"  duration: {_text(stats['duration_s'])} s at {_text(rate)} Hz")
    if interval["mean"] is not None:
        lines.append(f"  interval: {_text(interval['min'])} to {_text(interval['max'])} ms")
    pressed = [f"{name} {_text(100 * (share or 0.0))} %" for name, share in stats["key_press_frequency"].items()]
    lines.append(f"  pressed: {', '.join(pressed)}")
    lines.append(f"  way: {_text(stats['trajectory_stats']['length'])} long")
    for name in ("battery", "damage"):
        spread = stats[f"{name}_stats"]
        lines.append(f"  {name}: {_text(spread['min'])} to {_text(spread['max'])}, mean {_text(spread['mean'])}")
    lines.append(f"  black frames: {stats['frame_stats']['black_frames']}")
    lines.append(f"  rows without a frame: {stats['num_other_rows']}")
    lines += [f"  note: {repair}" for repair in dataset.repairs]
    return "\n".join(lines)


def _look_through(dataset: ReActureDataset) -> tuple[np.ndarray, int]:
    """The frames' mean colour, from 0 to 255, and how many are black."""
    total, black = np.zeros(3), 0
    frames = dataset.frames_array
    for first in range(0, len(frames), _FRAMES_AT_ONCE):
        some = frames[first : first + _FRAMES_AT_ONCE]
        total += some.sum(axis=(0, 1, 2), dtype=np.uint64)
        black += int((some.max(axis=(1, 2, 3)) == 0).sum())
    return total / (len(frames) * frames.shape[1] * frames.shape[2]), black


def _spread(values: np.ndarray) -> dict[str, float | None]:
    known = values[np.isfinite(values)].astype(np.float64)
    if not len(known):
        return dict.fromkeys(("mean", "std", "min", "max"))
    figures = {"mean": known.mean(), "std": known.std(), "min": known.min(), "max": known.max()}
    return {name: _plain(value) for name, value in figures.items()}


def _spread_of_columns(values: np.ndarray) -> dict[str, list[float | None]]:
    spreads = [_spread(column) for column in values.T]
    return {name: [spread[name] for spread in spreads] for name in ("mean", "std", "min", "max")}


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _plain(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _text(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"
