"""Sessions as episodes to learn from: the frames and inputs of their runs, at the agent's rate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from gameon_env.cli import make_app
from gameon_env.errors import GameOnError
from gameon_env.learning.policy import read_policy
from gameon_env.learning.recorded_runs import load_runs
from gameon_env.learning.steps import Steps
from tests.unit.data_processing.painted_video import number_in
from tests.unit.datasets.played_session import (
    CONTROLS,
    PERIOD_NS,
    SCALE_PX,
    SIZE,
    catalogue_of,
    expected_inputs,
    played,
)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    (data / "sessions").mkdir()
    played(data / "sessions" / "a", 60, id="aa01", gaps=((13, 16),))
    played(data / "sessions" / "b", 30, id="bb02", first=100)
    return catalogue_of(data)


@pytest.mark.parametrize("cached", [False, True])
def test_a_run_is_an_episode(catalogue: Path, tmp_path: Path, cached: bool) -> None:
    rate = 1e9 / PERIOD_NS
    runs = load_runs(catalogue, fps=rate, size=SIZE, cache=tmp_path / "cache" if cached else None)
    assert len(runs) == 3
    for run in runs:
        assert run.controls == CONTROLS
        assert run.fps == rate
        assert run.metadata["mouse_scale_px"] == SCALE_PX
        shown = [number_in(frame) for frame in run.video(np.arange(run.num_steps))]
        assert shown == list(range(shown[0], shown[0] + run.num_steps))
        np.testing.assert_allclose(run.inputs[:-1], [expected_inputs(n) for n in shown], atol=1e-6)
        assert run.is_valid.tolist() == [True] * run.num_steps + [False]
        assert [number_in(frame) for frame in run.video(np.array([5, 2, 5]))] == [shown[5], shown[2], shown[5]]


def test_steps_read_them_as_they_do_files(catalogue: Path) -> None:
    runs = load_runs(catalogue, sessions=["bb02"], size=SIZE)
    steps = Steps(runs, stack=2)
    assert steps.game == "Dots"
    stacks = steps.stacks(np.array([0, 4]))
    assert [number_in(np.ascontiguousarray(stacks[1][..., i : i + 3])) for i in (0, 3)] == [103, 104]
    read = Steps(runs, stack=2, memory_fraction=0.0)
    np.testing.assert_array_equal(read.stacks(np.array([0, 4])), stacks)


def test_a_latency_counts_once(catalogue: Path, tmp_path: Path) -> None:
    rate = 1e9 / PERIOD_NS
    two_steps_ms = 2 * PERIOD_NS / 1e6
    (read_so,) = load_runs(catalogue, sessions=["bb02"], fps=rate, size=SIZE, latency_ms=two_steps_ms)
    (plain,) = load_runs(catalogue, sessions=["bb02"], fps=rate, size=SIZE)
    shifted = Steps([plain], latency_ms=two_steps_ms).inputs
    np.testing.assert_allclose(Steps([read_so], latency_ms=two_steps_ms).inputs[: len(shifted)], shifted, atol=1e-6)
    both = Steps([read_so, plain], latency_ms=two_steps_ms)
    np.testing.assert_allclose(both.inputs[-len(shifted) :], shifted, atol=1e-6)


def test_a_policy_is_trained_on_sessions_by_the_command(
    catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    policy = tmp_path / "policy.safetensors"
    words = ["train", "bc", "--db", str(catalogue), "--game", "Dots", "--size", "48x96", "--fps", "15"]
    result = CliRunner().invoke(make_app(["train", "games"]), [*words, "-o", str(policy), "--epochs", "1"])
    assert result.exit_code == 0, result.output
    assert list((tmp_path / "cache").rglob("*.frames"))
    spec, _ = read_policy(policy)
    assert (spec.controls, spec.fps, spec.observation_size, spec.game) == (CONTROLS, 15.0, (48, 96), "Dots")


def test_options_about_sessions_are_refused_with_files(tmp_path: Path) -> None:
    words = ["train", "bc", str(tmp_path / "play.hdf5"), "--fps", "5", "--session", "aa01"]
    result = CliRunner().invoke(make_app(["train", "games"]), words)
    assert isinstance(result.exception, GameOnError)
    assert "--session, --fps are about sessions (--db)" in str(result.exception)


def test_frames_farther_back_than_any_recording_are_refused(catalogue: Path) -> None:
    runs = load_runs(catalogue, sessions=["bb02"], size=SIZE)
    with pytest.raises(
        GameOnError, match="11 frames 3 steps apart reach 30 steps back, and the longest episode has 30"
    ):
        Steps(runs, stack=11, spacing=3)


def test_what_is_ambiguous_is_asked(catalogue: Path, tmp_path: Path) -> None:
    (tmp_path / "sessions").mkdir()
    played(tmp_path / "sessions" / "a", 20, id="aa01", fps=20.0)
    played(tmp_path / "sessions" / "b", 20, id="bb02", fps=30.0)
    with pytest.raises(GameOnError, match="--fps"):
        load_runs(catalogue_of(tmp_path))
    other = tmp_path / "other"
    (other / "sessions").mkdir(parents=True)
    played(other / "sessions" / "a", 20, id="aa01")
    played(other / "sessions" / "b", 20, id="bb02", game="Other", fps=20.0)
    with pytest.raises(GameOnError, match="choose one of them"):
        load_runs(catalogue_of(other))
    for words in ([], ["data", "--db", str(catalogue)]):
        result = CliRunner().invoke(make_app(["train", "games"]), ["train", "bc", *words])
        assert isinstance(result.exception, GameOnError)
