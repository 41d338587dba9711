"""Several processes under ``torchrun`` learn what one does: gradients, statistics and metrics agree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from gameon_env.data_processing.trajectory import load_episodes
from gameon_env.errors import PolicyError
from gameon_env.learning.augmentation import augment
from gameon_env.learning.batch_part import BatchPart
from gameon_env.learning.distributed import TrainingGroup, is_main_process, training_group
from gameon_env.learning.policy import Policy, read_policy
from tests.unit.learning import train_in_parts
from tests.unit.learning.dot_task import write_episodes

ROOT = Path(__file__).parents[3]


def torchrun(processes: int, *words: str) -> str:
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        str(processes),
        *words,
    ]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def test_gradients_agree_with_one_process(tmp_path: Path) -> None:
    train_in_parts.main(str(tmp_path / "one.npz"))
    torchrun(2, str(Path(train_in_parts.__file__)), str(tmp_path / "two.npz"))
    with np.load(tmp_path / "one.npz") as one, np.load(tmp_path / "two.npz") as two:
        assert (one["processes"], two["processes"]) == (1, 2)
        assert set(one) == set(two)
        assert sum(name.startswith("gradient") for name in one) > 90
        for name in set(one) - {"processes"}:
            scale = max(1e-4, float(np.abs(one[name]).max()))  # the smallest are 0 but for rounding
            np.testing.assert_allclose(two[name], one[name], rtol=0, atol=2e-4 * scale, err_msg=name)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are read from /proc")
def test_no_thread_of_the_group_outlives_it(tmp_path: Path) -> None:
    """One that lets go of a tensor while the interpreter ends would abort the process."""
    torchrun(2, str(Path(__file__).with_name("threads_left.py")), str(tmp_path))
    assert [(tmp_path / rank).read_text() for rank in "01"] == ["0", "0"]


def test_the_command_learns_the_same_under_torchrun(tmp_path: Path) -> None:
    write_episodes(tmp_path / "data", 4, 40)
    words = ["-m", "gameon_env", "train", "bc", str(tmp_path / "data"), "--epochs", "2", "--batch-size", "33"]
    words += ["--stack", "2", "--device", "cpu"]
    one = subprocess.run(
        [sys.executable, *words, "--output", str(tmp_path / "one.safetensors")],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    two = torchrun(2, *words, "--output", str(tmp_path / "two.safetensors"))
    assert one.count("Learning curve") == two.count("Learning curve") == 1
    curves = [
        [json.loads(line) for line in (tmp_path / f"{name}.curve.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    ]
    assert len(curves[0]) == len(curves[1]) == 2
    for alone, together in zip(*curves, strict=True):
        for name in ("train_loss", "validation_loss"):
            assert together[name] == pytest.approx(alone[name], rel=0.02), name
        assert together["axis_error"] == pytest.approx(alone["axis_error"], abs=0.02)
    (spec, weights), (other, others) = (read_policy(tmp_path / f"{name}.safetensors") for name in ("one", "two"))
    assert spec.network_kwargs == other.network_kwargs
    assert {name: array.shape for name, array in weights.items()} == {n: a.shape for n, a in others.items()}
    # What is pressed hangs on thresholds amid likelihoods that differ by 0.01 after two passes: these agree themselves.
    video = load_episodes(tmp_path / "data")[0].video()
    seen = [np.concatenate((video[max(row - 1, 0)], video[row]), axis=2) for row in range(40)]
    answers = [
        spec.head.probabilities(np.stack([policy._run(stacked) for stacked in seen]))
        for policy in (Policy(spec, weights, device="cpu"), Policy(other, others, device="cpu"))
    ]
    for alone, together, tolerance in zip(*answers, (0.008, 0.02), strict=True):  # of buttons, and of axes
        np.testing.assert_allclose(together, alone, rtol=0, atol=tolerance)


def test_parts_are_a_whole() -> None:
    for total, parts in ((7, 3), (2, 2), (64, 5), (3, 5)):
        pieces = [BatchPart.of(total, number, parts) for number in range(parts)]
        assert [i for piece in pieces for i in range(total)[piece.rows]] == list(range(total))
        assert sum(piece.weight for piece in pieces) == pytest.approx(1)


def test_what_is_random_does_not_depend_on_the_parts() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (10, 12, 12, 3), np.uint8)
    whole = augment(frames, 3, 0.3, np.random.default_rng(1))
    for number in range(3):
        part = BatchPart.of(10, number, 3)
        np.testing.assert_array_equal(
            augment(frames[part.rows], 3, 0.3, np.random.default_rng(1), part), whole[part.rows]
        )


def test_alone_nothing_is_changed() -> None:
    with training_group("cpu") as group:
        assert (group.size, group.is_main, group.largest(0.5)) == (1, True, 0.5)
        network = torch.nn.Sequential(torch.nn.BatchNorm2d(3), torch.nn.Dropout())
        kinds = [type(module) for module in network]
        group.share(network)
        assert [type(module) for module in network] == kinds
    assert is_main_process({})
    assert not is_main_process({"RANK": "1"})


def test_more_processes_than_rows_are_refused() -> None:
    with pytest.raises(PolicyError, match="larger batch size"):
        TrainingGroup(0, 8, 8, torch.device("cpu")).take(5)
