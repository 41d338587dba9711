"""Learning is tested by what was learned: a task with a known answer, and the score it reaches."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gameon_env.errors import StorageError, TrajectoryError
from gameon_env.learning.behavioral_cloning import CloningConfig, CloningResult, Steps, augment, clone
from gameon_env.learning.network import CloneNetwork
from gameon_env.learning.policy import Policy, read_policy
from tests.unit.learning.dot_task import CONTROLS, answer, draw, write_episodes

QUICK = CloningConfig(epochs=8, batch_size=32, stack=2, shift_px=0, learning_rate=3e-3, threads=1)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> CloningResult:
    folder = tmp_path_factory.mktemp("dots")
    return clone(write_episodes(folder / "data", 8, 150), folder / "policy.safetensors", QUICK, progress=False)


def test_a_task_is_learned(learned: CloningResult) -> None:
    assert min(f1 or 0.0 for f1 in learned.best.f1.values()) > 0.9, learned.best
    assert max(learned.best.axis_error.values()) < 0.06, learned.best


def test_the_saved_policy_plays_what_was_learned(learned: CloningResult) -> None:
    policy = Policy.load(learned.policy_path)
    rng = np.random.default_rng(99)
    buttons, errors = [], []
    for _ in range(100):
        x, y, lit = rng.uniform(-1, 1), rng.uniform(-1, 1), rng.random() < 0.5
        policy.reset()
        action, right = policy.act(draw(x, y, lit)), answer(x, y, lit)
        buttons.append(action[:3] == right[:3])
        errors.append(np.abs(action[3:] - right[3:]))
    assert np.mean(buttons) > 0.93
    assert np.mean(errors) < 0.06


def test_the_learning_curve_is_returned_and_written(learned: CloningResult) -> None:
    lines = [json.loads(line) for line in learned.curve_path.read_text().splitlines()]
    assert [line["validation_loss"] for line in lines] == [record.validation_loss for record in learned.curve]
    assert learned.best.validation_loss == min(record.validation_loss for record in learned.curve)
    assert learned.best.best
    assert set(lines[0]["f1"]) == {"key:a", "key:d", "mouse:left"}
    assert learned.curve[-1].train_loss < 0.5 * learned.curve[0].train_loss


def test_the_policy_says_what_it_was_trained_on(learned: CloningResult) -> None:
    spec, _ = read_policy(learned.policy_path)
    assert (spec.game, spec.fps, spec.controls, spec.stack) == ("dots", 15.0, CONTROLS, 2)
    assert spec.play == {"draw_at_repeats": True}
    assert spec.training["training_steps"] + spec.training["validation_steps"] == 8 * 150


def test_the_same_seed_gives_the_same_policy(tmp_path: Path) -> None:
    episodes = write_episodes(tmp_path / "data", 3, 40)
    config = replace(QUICK, epochs=1, shift_px=2)
    first = clone(episodes, tmp_path / "a.safetensors", config, progress=False)
    second = clone(episodes, tmp_path / "b.safetensors", config, progress=False)
    other = clone(episodes, tmp_path / "c.safetensors", replace(config, seed=1), progress=False)
    assert first.best.validation_loss == second.best.validation_loss != other.best.validation_loss


def test_frames_beyond_memory_are_read_from_the_files(tmp_path: Path) -> None:
    episodes = write_episodes(tmp_path, 3, 20)
    kept = Steps(episodes, stack=3, spacing=2)
    read = Steps(episodes, stack=3, spacing=2, memory_fraction=0.0)
    some = np.random.default_rng(0).integers(0, 60, 32)
    np.testing.assert_array_equal(kept.stacks(some), read.stacks(some))


def test_stacks_stay_within_their_episode_and_repeat_its_first_frame(tmp_path: Path) -> None:
    episodes = write_episodes(tmp_path, 2, 10)
    steps = Steps(episodes, stack=3, spacing=2)
    stacks = steps.stacks(np.array([0, 9, 10, 13])).reshape(4, 32, 32, 3, 3)
    expected = [(0, [0, 0, 0]), (0, [5, 7, 9]), (1, [0, 0, 0]), (1, [0, 1, 3])]
    for stack, (episode, rows) in zip(stacks, expected, strict=True):
        np.testing.assert_array_equal(np.moveaxis(stack, 2, 0), np.stack([episodes[episode].video(r)[0] for r in rows]))


def test_validation_holds_whole_episodes_out(tmp_path: Path) -> None:
    steps = Steps(write_episodes(tmp_path, 5, 10))
    training, validation = steps.split(0.4, np.random.default_rng(0))
    assert len(training) == 30
    assert len(validation) == 20
    assert not set(steps.episode_of[training]) & set(steps.episode_of[validation])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("lengths", [(200, 6), (100, 100), (300, 300, *[4] * 9), (30,) * 7])
def test_validation_is_the_share_that_was_asked_for_however_long_the_episodes_are(
    tmp_path: Path, lengths: tuple[int, ...], seed: int
) -> None:
    episodes = [write_episodes(tmp_path / str(i), 1, length)[0] for i, length in enumerate(lengths)]
    training, validation = Steps(episodes).split(0.12, np.random.default_rng(seed))
    assert 0.05 < len(validation) / sum(lengths) < 0.25
    assert sorted([*training, *validation]) == list(range(sum(lengths)))


def test_a_large_share_of_one_episode_leaves_something_to_learn(tmp_path: Path) -> None:
    training, validation = Steps(write_episodes(tmp_path, 1, 20)).split(0.6, np.random.default_rng(0))
    assert (len(training), len(validation)) == (8, 12)


@pytest.mark.parametrize("seed", range(6))
def test_an_episode_without_any_action_is_not_what_is_validated_on(tmp_path: Path, seed: int) -> None:
    episodes = write_episodes(tmp_path, 3, 20)
    episodes[1]._read["inputs"] = np.zeros_like(episodes[1].inputs)
    _, validation = Steps(episodes).split(0.3, np.random.default_rng(seed))
    assert len(validation)


def test_a_button_that_nobody_pressed_has_no_f1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    episodes = write_episodes(tmp_path / "data", 2, 40)
    for episode in episodes:
        unlit = np.array(episode.inputs)
        unlit[:, CONTROLS.index("mouse:left")] = 0
        episode._read["inputs"] = unlit
    learned = clone(episodes, tmp_path / "policy.safetensors", replace(QUICK, epochs=1))
    assert learned.best.f1["mouse:left"] is None
    assert isinstance(learned.best.f1["key:a"], float)
    assert "mouse:left not pressed" in " ".join(capsys.readouterr().out.split())
    assert json.loads(learned.curve_path.read_text())["f1"]["mouse:left"] is None


def test_a_latency_pairs_a_frame_with_a_later_action(tmp_path: Path) -> None:
    episodes = write_episodes(tmp_path, 2, 10)
    steps = Steps(episodes, latency_ms=133.4)
    np.testing.assert_array_equal(steps.inputs[:8], episodes[0].inputs[2:10])
    assert len(steps.inputs) == 16


def test_steps_that_are_not_to_be_learned_from_are_left_out(tmp_path: Path) -> None:
    episodes = write_episodes(tmp_path, 2, 10)
    keep = [np.arange(11) % 2 == 0, np.ones(11, bool)]
    steps = Steps(episodes, keep=keep)
    np.testing.assert_array_equal(steps.inputs, np.concatenate((episodes[0].inputs[:10:2], episodes[1].inputs[:10])))


def test_the_wait_before_the_first_action_is_left_out(tmp_path: Path) -> None:
    episode = write_episodes(tmp_path, 1, 10)[0]
    waited = np.array(episode.inputs)
    waited[:4] = 0
    episode._read["inputs"] = waited
    np.testing.assert_array_equal(Steps([episode]).inputs, waited[4:10])


def test_a_long_hold_is_known_from_the_recording(tmp_path: Path) -> None:
    steps = Steps(write_episodes(tmp_path, 3, 100))
    head = steps.head(np.arange(300))
    pressed = steps.inputs[:, 0] >= 0.5
    runs = [len(run) for run in "".join("1" if p else "0" for p in pressed).split("0") if run]
    assert min(runs) <= head.max_hold_steps[0] <= max(runs)


def test_augmentation_moves_all_frames_of_a_stack_together() -> None:
    stacked = np.full((16, 20, 20, 6), 100, dtype=np.uint8)
    moved = augment(stacked, 3, 0.0, np.random.default_rng(0))
    assert moved.shape == stacked.shape
    assert set(np.unique(moved)) == {0, 100}
    assert (moved == moved[..., :1]).all()
    brighter = augment(stacked, 0, 0.5, np.random.default_rng(0))
    assert len(np.unique(brighter)) > 5
    assert augment(np.full((4, 8, 8, 3), 250, np.uint8), 0, 0.5, np.random.default_rng(1)).max() == 255


def test_no_episodes_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrajectoryError, match="record some first"):
        clone([], tmp_path / "policy.safetensors", progress=False)


def test_episodes_of_different_settings_are_an_error(tmp_path: Path) -> None:
    mixed = write_episodes(tmp_path / "a", 1, 5) + write_episodes(tmp_path / "b", 1, 5, mouse_scale_px=7)
    with pytest.raises(TrajectoryError, match="mouse_scale_px"):
        Steps(mixed)


def test_an_output_that_cannot_be_written_is_an_error_before_any_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="nothing can be written"):
        clone(write_episodes(tmp_path / "data", 2, 5), tmp_path / "file" / "policy.safetensors", progress=False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is full, as Linux has it")
def test_a_disk_that_gets_full_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "policy.curve.jsonl").symlink_to("/dev/full")
    with pytest.raises(StorageError, match="No space left"):
        clone(
            write_episodes(tmp_path / "data", 2, 20),
            tmp_path / "policy.safetensors",
            replace(QUICK, epochs=1),
            progress=False,
        )


def test_what_lies_in_line_is_learned_wherever_it_is(tmp_path: Path) -> None:
    """A dot at the top and one at the bottom, further apart than a convolution sees: is one above the other?"""
    rng = np.random.default_rng(3)
    network = CloneNetwork((64, 96), 1, 1, lines=True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)

    def batch(size: int) -> tuple[torch.Tensor, torch.Tensor]:
        frames = np.full((size, 64, 96, 3), 30, dtype=np.uint8)
        upper, lower = rng.integers(0, 10, size), rng.integers(0, 10, size)
        lower = np.where(rng.random(size) < 0.4, upper, lower)
        for frame, top, bottom in zip(frames, upper, lower, strict=True):
            frame[2:8, 9 * top : 9 * top + 6] = (255, 255, 0)
            frame[56:62, 9 * bottom : 9 * bottom + 6] = (0, 200, 0)
        return torch.from_numpy(frames), torch.from_numpy((upper == lower)[:, None].astype(np.float32))

    for _ in range(150):
        frames, above = batch(32)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(network(frames), above)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    frames, above = batch(300)
    with torch.inference_mode():
        right = ((network.eval()(frames) > 0) == (above > 0.5)).float().mean()
    assert right > 0.95
