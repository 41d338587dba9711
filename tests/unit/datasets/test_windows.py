"""Windows of real recordings: what is seen and what was done belong together, whatever is asked for."""

from __future__ import annotations

import multiprocessing
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gameon_env.datasets.options import DatasetOptions
from gameon_env.datasets.window_item import WindowItem
from gameon_env.datasets.windows import Windows
from gameon_env.errors import GameOnError, StorageError
from tests.unit.data_processing.painted_video import number_in
from tests.unit.datasets.played_session import CONTROLS, PERIOD_NS, SCALE_PX, SIZE, expected_inputs, played, trajectory
from tests.unit.recording.small_session import read_only


def windows(source: Path, **options: Any) -> Windows:
    defaults: dict[str, Any] = {"sequence_length": 4, "target_size": SIZE, "include_audio": False}
    return Windows(DatasetOptions(db_path=source, **(defaults | options)))


def numbers(item: WindowItem) -> list[int]:
    return [number_in(frame) for frame in item.frames]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return played(tmp_path_factory.mktemp("session") / "s", 40, gaps=((13, 16),))


@pytest.fixture(scope="module", params=["hdf5", "npz", "session"])
def source(request: pytest.FixtureRequest, session: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param == "session":
        return session
    folder = tmp_path_factory.mktemp(request.param)
    trajectory(folder, format=request.param)
    return folder


def test_each_frame_comes_with_the_input_of_its_step(source: Path) -> None:
    data = windows(source)
    assert data.controls == CONTROLS
    seen = []
    for index in range(len(data)):
        item = data.item(index)
        shown = numbers(item)
        seen += shown
        np.testing.assert_allclose(item.inputs, [expected_inputs(n) for n in shown], atol=1e-6)
        assert shown == list(range(shown[0], shown[0] + 4))
        assert item.mask.all()
        assert item.timestamps.tolist() == [shown_at % 100 * PERIOD_NS for shown_at in shown]
    assert set(seen) == (
        {*range(12), *range(100, 108)}
        if source.is_dir() and not (source / "session.db").exists()
        else {*range(13), *range(16, 40)}
    )


@pytest.mark.parametrize("options", [{}, {"target": "last"}, {"pad": True, "stride": 3}, {"sequence_length": 1}])
@pytest.mark.parametrize("cached", [False, True])
def test_a_batch_is_its_items(source: Path, tmp_path: Path, options: dict[str, Any], cached: bool) -> None:
    data = windows(source, **options, cache=tmp_path if cached else None)
    rng = np.random.default_rng(0)
    wanted = rng.integers(0, len(data), 9)
    batch = data.batch(wanted)
    for row, index in enumerate(wanted):
        item, other = batch.item(row), data.item(int(index))
        assert item.session_id == other.session_id
        assert item.index == index
        for name in ("frames", "inputs", "timestamps", "mask", "control_mask"):
            np.testing.assert_array_equal(getattr(item, name), getattr(other, name))


def test_what_is_changed_in_an_item_stays_there(session: Path, tmp_path: Path) -> None:
    data = windows(session, cache=tmp_path)
    item, kept = data.item(3), data.batch([3]).item(0)
    for name in ("frames", "inputs", "timestamps", "mask", "control_mask"):
        getattr(item, name)[:] = 0
        np.testing.assert_array_equal(getattr(data.item(3), name), getattr(kept, name))


def test_the_cache_gives_the_same_frames(source: Path, tmp_path: Path) -> None:
    plain, cached = windows(source), windows(source, cache=tmp_path / "cache")
    told: list[tuple[int, int]] = []
    cached.prepare(lambda done, all_: told.append((done, all_)), workers=1)
    assert told[-1][0] == told[-1][1] > 0
    wanted = np.arange(len(plain))
    np.testing.assert_array_equal(cached.batch(wanted).frames, plain.batch(wanted).frames)
    out = np.empty((2, 4, *SIZE, 3), np.uint8)
    assert cached.batch([1, 0], out=out).frames is out
    np.testing.assert_array_equal(out[1], plain.item(0).frames)


def test_no_window_crosses_a_gap_even_padded(session: Path) -> None:
    data = windows(session, sequence_length=8, stride=8, pad=True)
    ranges = []
    for index in range(len(data)):
        item = data.item(index)
        shown, there = numbers(item), int(item.mask.sum())
        ranges.append((shown[0], there))
        assert shown == [*range(shown[0], shown[0] + there), *[shown[0] + there - 1] * (8 - there)]
        assert not item.inputs[there:].any()
        np.testing.assert_allclose(item.inputs[:there], [expected_inputs(n) for n in shown[:there]], atol=1e-6)
    assert ranges == [(0, 8), (8, 5), (16, 8), (24, 8), (32, 8)]
    assert [windows(session, sequence_length=8, stride=8).item(i).mask.all() for i in range(4)] == [True] * 4


def test_frame_skip_merges_the_input(source: Path) -> None:
    data = windows(source, frame_skip=3, sequence_length=2)
    item = data.item(0)
    assert numbers(item) == [0, 3]
    assert item.inputs[:, 0].tolist() == [1, 1]
    assert item.inputs[:, 1].tolist() == [1, 1]
    np.testing.assert_allclose(item.inputs[:, 3] * SCALE_PX, [0 + 1 + 2, 3 + 4 + 5], rtol=1e-6)


def test_steps_at_another_rate(source: Path, session: Path) -> None:
    fps = 1e9 / PERIOD_NS / 2 if source == session else 15
    data = windows(source, fps=fps, sequence_length=3)
    item = data.item(0)
    assert numbers(item) == [0, 2, 4]
    np.testing.assert_allclose(item.inputs[:, 3] * SCALE_PX, [1, 5, 9], rtol=1e-6)
    if source != session:
        with pytest.raises(GameOnError, match="15"):
            windows(source, fps=14)


def test_latency_shifts_the_input_and_cuts_the_end(source: Path, session: Path) -> None:
    data = windows(source, latency_ms=2 * PERIOD_NS / 1e6, sequence_length=2)
    for index in range(len(data)):
        item = data.item(index)
        np.testing.assert_allclose(item.inputs[:, 3] * SCALE_PX, np.array(numbers(item)) + 2, rtol=1e-6)
    last = max(n for index in range(len(data)) for n in numbers(data.item(index)))
    assert last == (37 if source == session else 105)
    early = windows(source, latency_ms=-PERIOD_NS / 1e6, sequence_length=1)
    assert numbers(early.item(0)) == [1]
    np.testing.assert_allclose(early.item(0).inputs[0, 3] * SCALE_PX, 0, atol=1e-6)


def test_the_last_action_alone(source: Path) -> None:
    item = windows(source, target="last").item(2)
    assert item.inputs.shape == (4,)
    np.testing.assert_allclose(item.inputs, expected_inputs(5), atol=1e-6)
    padded = windows(source, target="last", sequence_length=1000, pad=True).item(0)
    np.testing.assert_allclose(padded.inputs, expected_inputs(int(padded.mask.sum()) - 1), atol=1e-6)


def test_too_long_windows_name_the_longest_run(session: Path) -> None:
    with pytest.raises(GameOnError, match="longest run without a gap has 24 steps"):
        windows(session, sequence_length=25)


def test_indices(session: Path) -> None:
    data = windows(session)
    assert numbers(data.item(-1)) == [36, 37, 38, 39]
    with pytest.raises(IndexError, match="there are 31 windows"):
        data.item(31)
    with pytest.raises(IndexError):
        data.batch([0, -32])
    with pytest.raises(IndexError):
        data.batch(np.array([0.5]))
    assert data.batch([]).frames.shape == (0, 4, *SIZE, 3)


def _first_numbers(data: Windows) -> list[int]:
    return numbers(data.item(0))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_open_their_own_files(source: Path, method: str) -> None:
    data = windows(source)
    here = numbers(data.item(0))
    assert _first_numbers(pickle.loads(pickle.dumps(data))) == here  # noqa: S301
    context = multiprocessing.get_context(method)
    with context.Pool(1) as pool:
        assert pool.apply(_first_numbers, (data,)) == here


def test_sound_is_of_what_was_heard_before(tmp_path: Path) -> None:
    folder = played(tmp_path / "s", 60, sound=True)
    data = windows(folder, include_audio=True, sequence_length=60)
    item = data.item(0)
    assert item.audio is not None
    assert item.audio_mask is not None
    assert item.audio.shape == (60, 128)
    assert not item.audio_mask[0]
    assert item.audio_mask[5:].all()
    loud = item.audio.max(axis=1)
    assert loud[:30].max() < 0.1
    assert loud[34:].min() > 0.8
    single = windows(folder, include_audio=True, sequence_length=1)
    for index in (10, 31, 45):
        one = single.item(index)
        assert one.audio is not None
        np.testing.assert_allclose(one.audio[0], item.audio[index], atol=0.02)
    waves = windows(folder, include_audio=True, audio_features="waveform", audio_rate=8000, sequence_length=2)
    assert waves.audio_width == round(8000 * PERIOD_NS / 1e9)
    wave = waves.item(50)
    assert wave.audio is not None
    assert wave.audio.shape == (2, waves.audio_width)
    assert 0.3 < np.abs(wave.audio).max() < 0.6
    quiet = windows(folder, include_audio=True, audio_source="microphone").item(0)
    assert quiet.audio is not None
    assert quiet.audio_mask is not None
    assert not quiet.audio.any()
    assert not quiet.audio_mask.any()


def test_sound_from_the_cache_is_the_same(tmp_path: Path) -> None:
    folder = played(tmp_path / "s", 60, sound=True, gaps=((20, 23),))
    options: dict[str, Any] = {"include_audio": True, "pad": True, "stride": 3, "sequence_length": 5}
    plain, cached = windows(folder, **options), windows(folder, **options, cache=tmp_path / "cache")
    cached.prepare(workers=1)
    assert len(list((tmp_path / "cache").glob("*.sound.npy"))) == 1
    wanted = np.arange(len(plain))
    for _ in range(2):
        a, b = plain.batch(wanted), cached.batch(wanted)
        assert a.audio is not None
        assert b.audio is not None
        np.testing.assert_allclose(a.audio, b.audio, atol=1e-3)
        np.testing.assert_array_equal(a.audio_mask, b.audio_mask)
        (file,) = (tmp_path / "cache").glob("*.sound.npy")
        file.write_bytes(file.read_bytes()[:200])  # cut: made anew
        cached = windows(folder, **options, cache=tmp_path / "cache")


def test_a_cache_on_a_read_only_disk_gives_its_sound_and_makes_no_more(tmp_path: Path) -> None:
    folder = played(tmp_path / "s", 30, sound=True)
    options: dict[str, Any] = {"include_audio": True, "cache": tmp_path / "cache"}
    windows(folder, **options).prepare(workers=1)
    plain = windows(folder, include_audio=True).item(20)
    with read_only(tmp_path / "cache"):
        item = windows(folder, **options).item(20)
        np.testing.assert_array_equal(item.frames, plain.frames)
        assert item.audio is not None
        assert plain.audio is not None
        np.testing.assert_allclose(item.audio, plain.audio, atol=1e-3)
        with pytest.raises(StorageError, match="sound of a recording cannot be kept"):
            windows(folder, **options, audio_features="waveform").item(20)
