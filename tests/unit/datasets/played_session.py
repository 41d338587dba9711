"""Sessions and trajectory files whose frames carry their number, and whose input tells the same number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gameon_env.data_processing.trajectory import STEP_COLUMNS, Column, open_writer
from gameon_env.events import InputEvent
from gameon_env.recording.catalogue import Catalogue
from gameon_env.recording.model import AudioClockRow, FrameRow, Gap
from gameon_env.recording.session_writer import SessionWriter
from gameon_env.recording.video import VideoWriter
from gameon_env.recording.wav_writer import WavWriter
from tests.unit.data_processing.painted_video import painted
from tests.unit.recording.small_session import START_NS, end, info

PERIOD_NS = 33_333_000
SIZE = (48, 96)
CONTROLS = ("key:a", "key:d", "key:space", "mouse:dx")
SCALE_PX = 50.0


def played(
    folder: Path,
    frames: int = 40,
    *,
    id: str = "aa01",
    game: str = "Dots",
    controls: tuple[str, ...] = CONTROLS,
    gaps: tuple[tuple[int, int], ...] = (),
    first: int = 0,
    sound: bool = False,
    finish: bool = True,
    **changes: Any,
) -> Path:
    """A session of ``frames`` frames: frame i shows ``first + i``. In step i the mouse moves by that many counts,
    ``key:a`` is tapped where it is even, and ``key:d`` is held where it is divisible by 3.

    Args:
        gaps: ``(i, j)``: nothing was recorded from frame i's time to frame j's, frames i to j - 1 are not there.
    """
    facts: dict[str, Any] = {"mouse_scale_px": SCALE_PX, "picture_size": SIZE, "held": (), "pointer": (0.0, 0.0)}
    facts |= {"fps": 1e9 / PERIOD_NS} | changes
    writer = SessionWriter.create(folder, info(id=id, game=game, controls=controls, **facts))
    here = [i for i in range(frames) if not any(a <= i < b for a, b in gaps)]
    with VideoWriter(folder / "video.mp4", SIZE) as video:
        for number, i in enumerate(here):
            video.write(painted(first + i, SIZE), i * PERIOD_NS)
            writer.add_frames([FrameRow(i * PERIOD_NS, number)])
            writer.add_events(_events(i * PERIOD_NS, first + i))
    for a, b in gaps:
        writer.add_gap(Gap(a * PERIOD_NS, b * PERIOD_NS, "all", "paused"))
    if sound:
        _write_sound(folder, writer, frames)
    if finish:
        writer.finish(end(duration_ns=frames * PERIOD_NS))
    else:
        writer.commit()
        writer.close()
    return folder


def _events(t_ns: int, number: int) -> list[InputEvent]:
    start = START_NS + t_ns
    down = number % 3 == 0  # a release at a step's very begin would still be held in it
    events = [InputEvent(start if down else max(start - 1000, START_NS), "key:d", float(down))]
    events.append(InputEvent(start + 1_000_000, "mouse:dx", float(number)))
    if number % 2 == 0:
        events += [InputEvent(start + 2_000_000, "key:a", 1.0), InputEvent(start + 3_000_000, "key:a", 0.0)]
    return events


def _write_sound(folder: Path, writer: SessionWriter, frames: int) -> None:
    """Silence, and a tone in the second half of the session."""
    count = round(frames * PERIOD_NS * 48_000 / 1e9)
    wave = np.sin(np.arange(count) * 2 * np.pi * 1000 / 48_000) * 16_000
    wave[: count // 2] = 0
    with WavWriter(folder / "system_audio.wav", 48_000, 1) as file:
        file.write(wave.astype(np.int16)[:, None])
    rows = range(0, count + 1, max(1, count // 20))
    writer.add_audio_clock([AudioClockRow("system_audio", n, round(n * 1e9 / 48_000)) for n in rows])


def expected_inputs(number: int) -> list[float]:
    return [float(number % 2 == 0), float(number % 3 == 0), 0.0, number / SCALE_PX]


def catalogue_of(data_dir: Path) -> Path:
    """The catalogue of the sessions in ``data_dir/sessions``."""
    with Catalogue(data_dir) as catalogue:
        catalogue.reindex()
    return data_dir / "gameon.db"


def trajectory(
    folder: Path,
    episodes: tuple[int, ...] = (12, 8),
    *,
    format: str = "hdf5",
    name: str = "dots",
    terminal: bool = False,
    **metadata: Any,
) -> Path:
    """A trajectory file of episodes with so many steps; row r of an episode shows ``100 * episode + r``, and its input
    tells the same, as in :func:`played`. ``terminal``: the game ended them."""
    columns = (
        *STEP_COLUMNS,
        Column("video", "uint8", (*SIZE, 3)),
        Column("inputs", "float32", (4,)),
        Column("presses", "uint8", (4,)),
    )
    facts = {"session": None, "game": "Dots", "fps": 30.0, "controls": list(CONTROLS), "mouse_scale_px": SCALE_PX}
    facts |= metadata
    writer = open_writer(folder, name, columns, format)
    path = writer.path
    for episode, count in enumerate(episodes):
        writer.start_episode(facts)
        for row in range(count + 1):
            number, ends = 100 * episode + row, row == count
            writer.append(
                {
                    "timestamps": np.int64(row * PERIOD_NS),
                    "rewards": np.float32(0 if ends else row),
                    "is_first": np.bool_(row == 0),
                    "is_last": np.bool_(ends),
                    "is_terminal": np.bool_(terminal and ends),
                    "is_valid": np.bool_(not ends),
                    "video": np.ascontiguousarray(painted(number, SIZE)[:, :, 2::-1]),
                    "inputs": np.array([0] * 4 if ends else expected_inputs(number), np.float32),
                    "presses": np.array([0 if ends else int(number % 2 == 0), 0, 0, 0], np.uint8),
                }
            )
        path = writer.end_episode(facts)
    writer.close()
    return path
