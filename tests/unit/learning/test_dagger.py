"""Corrections: which steps are lessons, what they weigh, and that a policy learns from them what it did not know."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gameon_env.data_processing.trajectory import STEP_COLUMNS, Column, Episode, load_episodes, open_writer
from gameon_env.errors import PolicyError, TrajectoryError
from gameon_env.learning.behavioral_cloning import CloningConfig, Steps, clone
from gameon_env.learning.dagger import aggregate, config_of, corrected_rows, retrain
from gameon_env.learning.policy import Policy, read_policy
from tests.unit.learning.dot_task import CONTROLS, SIZE, answer, draw, write_episodes

QUICK = CloningConfig(epochs=8, batch_size=32, shift_px=0, learning_rate=3e-3, threads=1)
A = len(CONTROLS)


def write_shared(
    folder: Path, actors: str, share: float = 1.0, x_of: Callable[[np.random.Generator], float] | None = None
) -> list[Episode]:
    """One episode in which ``h`` was answered by a person, ``z`` by a person who rests, and ``a`` by a useless agent.

    ``share`` is the person's part of each step in which they took over.
    """
    rng = np.random.default_rng(len(actors))
    vector = Column("inputs", "float32", (A,))
    columns = [*STEP_COLUMNS, Column("video", "uint8", (SIZE, SIZE, 3)), vector, Column("presses", "uint8", (A,))]
    columns += [Column("agent_inputs", "float32", (A,)), Column("actor", "uint8", ())]
    columns += [Column("human_share", "float32", ())]
    writer = open_writer(folder, "dots", columns)
    about = {"game": "dots", "fps": 15.0, "controls": list(CONTROLS), "played_by": ["agent", "human"]}
    writer.start_episode(about)
    useless = np.array([1, 1, 1, 1, 1], np.float32)
    for step, actor in enumerate(actors + "."):
        x, y, lit = (x_of(rng) if x_of else rng.uniform(-1, 1)), rng.uniform(-1, 1), rng.random() < 0.1
        done = {"h": answer(x, y, lit), "a": useless}.get(actor, np.zeros(A, np.float32))
        first = actor in "hz" and (step == 0 or actors[step - 1] == "a")
        writer.append(
            {
                "video": draw(x, y, lit),
                "inputs": done,
                "presses": (done >= 0.5).astype(np.uint8),
                "agent_inputs": useless if actor != "." else np.zeros(A, np.float32),
                "actor": np.uint8(actor in "hz"),
                "human_share": np.float32(0 if actor in "a." else share if first else 1),
                "timestamps": np.int64(step * 66_666_667),
                "rewards": np.float32(0),
                "is_first": np.bool_(step == 0),
                "is_last": np.bool_(actor == "."),
                "is_terminal": np.bool_(False),
                "is_valid": np.bool_(actor != "."),
            }
        )
    writer.end_episode({**about, "end_reason": "closed"})
    writer.close()
    return load_episodes(folder)


def rows(text: str) -> list[bool]:
    return [letter == "x" for letter in text]


@pytest.mark.parametrize(
    ("actors", "expected"),
    [
        ("aahhha", "..xxx.."),
        ("aahzha", "..xxx.."),  # resting in between is an answer
        ("ahhzza", ".xx...."),  # letting go before giving back is none
        ("ahhzz", ".xxxx."),  # nobody gave back: the episode ended
        ("hza", "x..."),
        ("zza", "...."),
        ("aaa", "...."),
    ],
)
def test_lessons_are_what_a_person_did(tmp_path: Path, actors: str, expected: str) -> None:
    (episode,) = write_shared(tmp_path, actors)
    # The light, and so the button, is the only part of an answer that may be rest as well: mouse motion never is.
    assert corrected_rows(episode).tolist() == rows(expected)


def test_the_agents_own_steps_are_no_targets_and_corrections_weigh_more(tmp_path: Path) -> None:
    recordings = write_episodes(tmp_path / "recordings", 2, 10)
    corrections = write_shared(tmp_path / "one", "aahhha", share=0.25) + write_shared(tmp_path / "two", "aaaa")
    lessons = aggregate(recordings, corrections, correction_weight=4)
    assert (lessons.recorded_steps, lessons.corrected_steps) == (20, 3)
    assert len(lessons.episodes) == 3  # the one in which nobody acted is left out
    steps = Steps(lessons.episodes, keep=lessons.keep, weights=lessons.weights)
    assert steps.weights is not None
    assert steps.weights.tolist() == [*[1.0] * 20, 1.0, 4.0, 4.0]  # of the step that was interrupted a quarter
    assert not (steps.inputs == 1).all(axis=1).any()
    shown = steps.epoch(np.arange(len(steps.inputs)), np.random.default_rng(0))
    assert np.bincount(shown).tolist() == [*[1] * 20, 1, 4, 4]


def test_the_part_of_a_weight_that_is_no_whole_number_is_a_probability(tmp_path: Path) -> None:
    recordings = write_episodes(tmp_path / "recordings", 1, 200)
    lessons = aggregate(recordings, write_shared(tmp_path / "one", "a" + "h" * 200), correction_weight=2.5)
    steps = Steps(lessons.episodes, keep=lessons.keep, weights=lessons.weights)
    shown = np.bincount(steps.epoch(np.arange(len(steps.inputs)), np.random.default_rng(0)))
    assert set(shown[200:]) == {2, 3}
    assert 2.3 < shown[200:].mean() < 2.7


def test_a_policy_learns_what_only_the_corrections_show(tmp_path: Path) -> None:
    """The recordings know the left half alone; the person takes over wherever the dot is on the right."""
    everything = write_episodes(tmp_path / "all", 6, 150)
    left = [episode.column("inputs")[:, 1] == 0 for episode in everything]  # key:d is held on the right
    weak = tmp_path / "weak.safetensors"
    clone(everything, weak, QUICK, keep=left, progress=False)
    corrections = []
    for number in range(4):
        corrections += write_shared(tmp_path / f"round{number}", "a" * 5 + "h" * (80 + number), x_of=right)
    better = tmp_path / "better.safetensors"
    lessons = aggregate(everything[:1], corrections)
    result = retrain(weak, lessons, better, progress=False, threads=1, epochs=6)
    assert result.training_steps + result.validation_steps == lessons.recorded_steps + lessons.corrected_steps
    assert held_on_the_right(weak) < 0.2
    assert held_on_the_right(better) > 0.9
    spec, _ = read_policy(better)
    assert config_of(spec).batch_size == QUICK.batch_size  # as it was made


def right(rng: np.random.Generator) -> float:
    return float(rng.uniform(0.35, 1))


def held_on_the_right(path: Path) -> float:
    policy, rng = Policy.load(path), np.random.default_rng(5)
    held = []
    for _ in range(60):
        policy.reset()
        held.append(policy.act(draw(right(rng), rng.uniform(-1, 1), False))[1])
    return float(np.mean(held))


def test_training_on_starts_from_the_policy(tmp_path: Path) -> None:
    episodes = write_episodes(tmp_path / "data", 4, 100)
    known = clone(episodes, tmp_path / "known.safetensors", QUICK, progress=False)
    short = CloningConfig(epochs=1, batch_size=32, shift_px=0, learning_rate=1e-4, threads=1)
    on = clone(episodes, tmp_path / "on.safetensors", short, start=known.policy_path, progress=False)
    fresh = clone(episodes, tmp_path / "fresh.safetensors", short, progress=False)
    assert on.best.validation_loss < 1.2 * known.best.validation_loss < fresh.best.validation_loss


def test_a_policy_of_another_kind_cannot_be_trained_on(tmp_path: Path) -> None:
    episodes = write_episodes(tmp_path / "data", 3, 30)
    one = CloningConfig(epochs=1, shift_px=0, threads=1)
    made = clone(episodes, tmp_path / "policy.safetensors", one, progress=False)
    two = CloningConfig(epochs=1, shift_px=0, threads=1, stack=2)
    with pytest.raises(PolicyError, match="it has stack 1 instead of 2"):
        clone(episodes, tmp_path / "other.safetensors", two, start=made.policy_path, progress=False)


def test_where_nobody_corrected_there_is_nothing_to_learn(tmp_path: Path) -> None:
    recordings = write_episodes(tmp_path / "recordings", 2, 10)
    with pytest.raises(TrajectoryError, match="in none of the 1 episodes did a person act"):
        aggregate(recordings, write_shared(tmp_path / "none", "aaa"))
    with pytest.raises(TrajectoryError, match="greater than 0"):
        aggregate(recordings, write_shared(tmp_path / "some", "aha"), correction_weight=0)
