"""A game that paints how many key events it has seen, recorded live: a dataset's frames and inputs belong together."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest

from gameon_env.datasets.options import DatasetOptions
from gameon_env.datasets.windows import Windows
from gameon_env.desktop.display import PrivateDisplay
from gameon_env.recording.recorder import SessionRecorder
from tests.physical import PhysicalDevices

COUNTER = Path(__file__).with_name("counter_game.py")
SIZE = (480, 800)
PROFILE = """
fps = 30
[launch]
command = ["{{python}}", "{script}", "{log}", "--fps", "30", "--size", "800x480"]
screen_size = [480, 800]
gl = false
[controls]
names = ["key:left", "key:right", "key:space", "mouse:dx"]
[reset]
mode = "relaunch"
"""


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    profile = folder / "counter.toml"
    profile.write_text(PROFILE.format(script=COUNTER, log=folder / "log.json"))
    rng = np.random.default_rng(3)
    with (
        PrivateDisplay(SIZE, gl=False) as display,
        PhysicalDevices(display.name) as person,
        SessionRecorder(
            profile, display=display.name, data_dir=folder, gamepads=False, system_audio=False, only_focused=False
        ),
    ):
        time.sleep(0.5)
        for _ in range(12):
            key = str(rng.choice(["key:left", "key:right", "key:space"]))
            person.press(key)
            time.sleep(rng.uniform(0.12, 0.2))
            person.release(key)
            time.sleep(rng.uniform(0.12, 0.2))
        time.sleep(0.3)
    return folder


def test_an_action_is_in_the_step_before_the_frame_that_shows_it(data_dir: Path) -> None:
    sys.path.insert(0, str(Path(__file__).parents[2] / "scripts" / "bench"))
    from _counter import read_number

    windows = Windows(DatasetOptions(db_path=data_dir, sequence_length=1, target_size=SIZE, include_audio=False))
    assert windows.left_out == {}
    assert windows.controls == ("key:left", "key:right", "key:space", "mouse:dx")
    shown, held = [], []
    for index in range(len(windows)):
        item = windows.item(index)
        shown.append(read_number(item.frames[0], row=1))
        held.append(bool(item.inputs[0, :3].any()))
    counts = np.array([-1 if number is None else number for number in shown])
    counts = np.maximum.accumulate(counts)
    presses = np.flatnonzero(np.diff(np.array([False, *held]).astype(int)) == 1)
    assert len(presses) == 12
    assert counts[-1] == 24
    # The game counts presses and releases: after the k-th press it shows 2 k + 1.
    seen = np.array([int(np.searchsorted(counts, 2 * k + 1)) for k in range(12)])
    later = seen - presses
    assert later.min() >= 1  # never seen before it was done
    assert np.median(later) <= 3
    releases = np.array([int(np.searchsorted(counts, 2 * k + 2)) for k in range(12)])
    ends = np.flatnonzero(np.diff(np.array([*held, False]).astype(int)) == -1)
    assert (releases - ends).min() >= 1
    assert np.median(releases - ends) <= 3


def test_what_is_trained_on_is_what_the_live_loop_sees(data_dir: Path) -> None:
    from gameon_env.data_processing.resize import shrink

    native = Windows(DatasetOptions(db_path=data_dir, sequence_length=2, target_size=SIZE, include_audio=False))
    small = Windows(DatasetOptions(db_path=data_dir, sequence_length=2, target_size=(128, 128), include_audio=False))
    for index in range(0, len(native), 7):
        expected = np.stack([shrink(frame, (128, 128)) for frame in native.item(index).frames])
        np.testing.assert_array_equal(small.item(index).frames, expected)
