"""The PyTorch dataset: shapes, types and values of what recordings hold, in this process and in workers."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, default_collate

from gameon_env.datasets.recording import AudioSource
from gameon_env.errors import GameOnError
from gameon_env.export.pytorch_dataset import frames_tensor
from gameon_env.export.pytorch_export import GameOnDataset, ResumableSampler, collate
from tests.unit.data_processing.painted_video import number_in
from tests.unit.datasets.played_session import (
    CONTROLS,
    PERIOD_NS,
    SIZE,
    catalogue_of,
    expected_inputs,
    played,
    trajectory,
)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    (data / "sessions").mkdir()
    played(data / "sessions" / "a", 40, id="aa01", gaps=((13, 16),), sound=True)
    played(data / "sessions" / "b", 30, id="bb02", first=50)
    return catalogue_of(data)


def dataset(source: Path, **options: Any) -> GameOnDataset:
    return GameOnDataset(source, **({"sequence_length": 4, "target_size": SIZE} | options))


def numbers(frames: torch.Tensor) -> list[int]:
    """What ``(T, C, H, W)`` shows."""
    pixels = frames if frames.dtype == torch.uint8 else (frames * 255).round().to(torch.uint8)
    return [number_in(np.ascontiguousarray(picture.permute(1, 2, 0).numpy())) for picture in pixels]


def test_items_are_as_the_guide_says(catalogue: Path) -> None:
    data = GameOnDataset(db_path=catalogue, game_name="Dots", transform=None, frame_skip=1, sequence_length=16)
    assert data.num_actions == len(data.controls) == 4
    assert data.controls == CONTROLS
    item = data[0]
    assert item["frames"].shape == (16, 3, 224, 224)
    assert item["frames"].dtype == torch.float32
    assert item["frames"].is_contiguous()
    assert 0 <= item["frames"].min() < 0.3 < 0.7 < item["frames"].max() <= 1
    assert item["inputs"].shape == (16, 4)
    assert item["inputs"].dtype == torch.float32
    assert item["audio"].shape == (16, 128)
    assert item["audio"].dtype == torch.float32
    assert item["audio_mask"].shape == item["mask"].shape == (16,)
    assert item["mask"].all()
    assert item["timestamps"].dtype == torch.int64
    assert item["session_id"] == "aa01"
    assert item["control_mask"].all()


def test_frames_and_inputs_belong_together_by_item_and_by_batch(catalogue: Path) -> None:
    data = dataset(catalogue)
    batch = data.__getitems__(list(range(len(data))))
    assert len(batch) == len(data)
    for index, together in enumerate(batch):
        alone = data[index]
        assert alone.keys() == together.keys()
        for name, value in alone.items():
            if isinstance(value, torch.Tensor):
                torch.testing.assert_close(together[name], value, rtol=0, atol=0.02 if name == "audio" else 0)
            else:
                assert together[name] == value
        shown = numbers(alone["frames"])
        assert shown == list(range(shown[0], shown[0] + 4))
        torch.testing.assert_close(alone["inputs"], torch.tensor([expected_inputs(n) for n in shown]))
        first = 0 if alone["session_id"] == "aa01" else 50
        assert alone["timestamps"].tolist() == [(n - first) * PERIOD_NS for n in shown]


def test_one_step_has_no_axis_of_time(catalogue: Path) -> None:
    for target in ("all", "last"):
        data = dataset(catalogue, sequence_length=1, target=target)
        item, (other,) = data[7], data.__getitems__([7])
        for sample in (item, other):
            assert sample["frames"].shape == (3, *SIZE)
            assert sample["inputs"].shape == (4,)
            assert sample["audio"].shape == (128,)
            assert sample["mask"].shape == sample["timestamps"].shape == ()
            assert sample["control_mask"].shape == (4,)
        batch = next(iter(DataLoader(data, batch_size=3)))
        assert batch["frames"].shape == (3, 3, *SIZE)
        assert batch["inputs"].shape == (3, 4)


def test_bytes_are_the_same_pictures(catalogue: Path) -> None:
    plain, small = dataset(catalogue), dataset(catalogue, dtype="uint8", include_audio=False)
    assert small[3]["frames"].dtype == torch.uint8
    assert "audio" not in small[3]
    torch.testing.assert_close(small[3]["frames"].float() / 255, plain[3]["frames"], rtol=0, atol=0)
    batch = next(iter(DataLoader(small, batch_size=2)))
    assert batch["frames"].view(8, 3, *SIZE).shape == (8, 3, *SIZE)


@pytest.mark.parametrize(
    "shape", [(8, 9, 3), (4, 8, 9, 3), (2, 4, 8, 9, 3), (4, 8, 9, 1), (4, 8, 9, 4), (0, 4, 8, 9, 3)]
)
def test_each_byte_becomes_its_share_of_255(shape: tuple[int, ...]) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    exact = torch.from_numpy(pictures).movedim(-1, -3).to(torch.float32) / 255
    mirrored = np.ascontiguousarray(pictures[..., ::-1, :])
    for given, expected in (
        (pictures, exact),
        (mirrored, exact.flip(-1)),
        (torch.from_numpy(pictures).movedim(-1, -3), exact),
        (torch.from_numpy(pictures).movedim(-1, -3).contiguous(), exact),
    ):
        frames = frames_tensor(given, len(shape), "float32")
        assert frames.is_contiguous()
        assert torch.equal(frames, expected)


def test_the_last_action_alone(catalogue: Path) -> None:
    item = dataset(catalogue, target="last")[2]
    torch.testing.assert_close(item["inputs"], torch.tensor(expected_inputs(numbers(item["frames"])[-1])))


def test_padding_is_masked(catalogue: Path) -> None:
    data = dataset(catalogue, sequence_length=8, stride=8, pad=True)
    masks = torch.stack([item["mask"] for item in data])
    assert not masks.all()
    assert masks[:, 0].all()


def test_trajectory_files_are_read_too(tmp_path: Path) -> None:
    item = dataset(trajectory(tmp_path))[0]
    assert numbers(item["frames"]) == [0, 1, 2, 3]
    assert not item["audio_mask"].any()
    assert not item["audio"].any()


@pytest.mark.parametrize(
    ("method", "cached"), [("fork", False), ("fork", True), ("spawn", True), ("forkserver", False)]
)
def test_workers_of_any_kind_give_the_same(catalogue: Path, tmp_path: Path, method: str, cached: bool) -> None:
    data = dataset(catalogue, cache=tmp_path / "cache" if cached else None)
    if method == "fork":
        data[0]  # files are open before the fork
    loader = DataLoader(data, 8, num_workers=2, multiprocessing_context=method, persistent_workers=True)
    expected = [n for item in dataset(catalogue) for n in numbers(item["frames"])]
    for _ in range(2):
        assert [n for batch in loader for frames in batch["frames"] for n in numbers(frames)] == expected


def test_collate_saves_a_copy_and_gives_what_the_default_gives(catalogue: Path) -> None:
    data = dataset(catalogue)
    plain = [default_collate([data[i] for i in range(first, first + 5)]) for first in range(0, 50, 5)]
    for workers, function in ((0, collate), (1, collate), (0, None), (1, None)):
        quick = list(DataLoader(data, batch_size=5, collate_fn=function, num_workers=workers))
        for one, other in zip(plain, quick, strict=False):
            assert one.keys() == other.keys()
            for name, value in one.items():
                if isinstance(value, torch.Tensor):
                    torch.testing.assert_close(other[name], value, rtol=0, atol=0.02 if name == "audio" else 0)
                    assert other[name].is_contiguous()
                else:
                    assert other[name] == value
    assert collate([data[0], data[1]])["frames"].shape == (2, 4, 3, *SIZE)


def test_the_default_collate_function_copies_nothing_but_strided_bytes(catalogue: Path) -> None:
    together = dataset(catalogue).__getitems__([1, 2, 3])
    assert default_collate(together) is together.stacked
    some = default_collate(together[1:])  # no longer all that was read
    assert torch.equal(some["frames"], together.stacked["frames"][1:])
    assert some["session_id"] == together.stacked["session_id"][1:]
    small = dataset(catalogue, dtype="uint8").__getitems__([1, 2, 3])
    assert not small.stacked["frames"].is_contiguous()
    assert torch.equal(default_collate(small)["frames"], small.stacked["frames"])
    assert collate(small) is small.stacked


def to_tensor(picture: np.ndarray) -> torch.Tensor:
    """As torchvision's ToTensor, with noise of three generators."""
    assert picture.shape == (*SIZE, 3)
    assert picture.dtype == np.uint8
    noise = random.random() + float(np.random.rand()) + float(torch.rand(()))
    return torch.from_numpy(picture).permute(2, 0, 1).float() / 255 + noise


def grey(picture: np.ndarray) -> np.ndarray:
    return picture.mean(axis=2).astype(np.uint8)


def test_a_transform_draws_once_for_a_window_and_anew_in_each_epoch(catalogue: Path) -> None:
    data, plain = dataset(catalogue, transform=to_tensor), dataset(catalogue)
    state = random.getstate()
    noise = data[0]["frames"] - plain[0]["frames"]
    assert noise.max() - noise.min() < 1e-5
    assert random.getstate() == state
    other = data[0]["frames"] - plain[0]["frames"]
    assert abs(float(other.mean() - noise.mean())) > 1e-4
    torch.manual_seed(5)
    first = data[0]["frames"]
    torch.manual_seed(5)
    torch.testing.assert_close(data[0]["frames"], first, rtol=0, atol=0)
    data.set_epoch(1)
    first = data[3]["frames"]
    torch.testing.assert_close(data.__getitems__([5, 3])[1]["frames"], first, rtol=0, atol=0)
    data.set_epoch(2)
    assert not torch.equal(data[3]["frames"], first)


def test_workers_that_live_on_learn_of_the_epoch(catalogue: Path) -> None:
    data = dataset(catalogue, transform=to_tensor)
    for method in ("fork", "spawn"):
        loader = DataLoader(data, 8, num_workers=1, persistent_workers=True, multiprocessing_context=method)
        for epoch in (0, 1):
            data.set_epoch(epoch)
            first, *_ = loader  # all of it: a spawned worker that is ended while it still sends may abort in PyTorch
            torch.testing.assert_close(first["frames"][3], data[3]["frames"], rtol=0, atol=0)


def test_pictures_of_a_transform_get_their_channels_first(catalogue: Path) -> None:
    item = dataset(catalogue, transform=grey)[0]
    assert item["frames"].shape == (4, 1, *SIZE)
    assert item["frames"].max() <= 1
    assert dataset(catalogue, transform=grey, sequence_length=1)[0]["frames"].shape == (1, *SIZE)


def test_augment_mirrors_controls_with_pictures(tmp_path: Path) -> None:
    data = dataset(played(tmp_path / "s", 20), augment=True, include_audio=False)
    mirrored = {bool((item["inputs"][:, 3] < 0).any()) for item in data}
    assert mirrored == {True, False}


def test_wrong_arguments_are_said(catalogue: Path) -> None:
    for options, message in (
        ({"sequence_length": 0}, "sequence_length"),
        ({"game_name": "Dotz"}, "Dots"),
        ({"dtype": "float16"}, "float32"),
        ({"sequence_length": 500}, "longest run"),
    ):
        with pytest.raises(GameOnError, match=message):
            dataset(catalogue, **options)
    with pytest.raises(IndexError):
        dataset(catalogue)[10_000]


@pytest.mark.parametrize("source", ["system", "microphone", "both"])
def test_a_trajectory_without_sound_gives_silence(tmp_path: Path, source: AudioSource) -> None:
    data = GameOnDataset(trajectory(tmp_path), sequence_length=4, audio_source=source, target_size=SIZE)
    assert data[0]["audio"].shape == (4, 128)
    assert not data[0]["audio"].any()
    assert not data[0]["audio_mask"].any()


def test_the_order_is_resumed(catalogue: Path) -> None:
    data = dataset(catalogue)
    sampler = ResumableSampler(data, seed=3)
    whole = [list(sampler) for _ in range(3)]
    assert all(sorted(order) == list(range(len(data))) for order in whole)
    assert whole[0] != whole[1] != whole[2]
    for workers in (0, 2):
        first = ResumableSampler(data, seed=3)
        loader = DataLoader(data, batch_size=5, sampler=first, num_workers=workers)
        list(loader)
        for done, _ in enumerate(loader, start=1):
            if done == 3:
                state = first.state_dict(samples_done=15)
                break
        again = ResumableSampler(data, seed=3)
        again.load_state_dict(state)
        assert len(again) == len(data) - 15
        assert list(again) == whole[1][15:]
        assert list(again) == whole[2]
    sampler.load_state_dict(sampler.state_dict())  # after its last pass
    assert sampler.epoch == 3
    ended = ResumableSampler(data, seed=3)
    loader = DataLoader(data, batch_size=5, sampler=ended, num_workers=2)
    states = [ended.state_dict(min(5 * done, len(data))) for done, _ in enumerate(loader, start=1)]
    assert [state["epoch"] for state in states] == [0] * (len(states) - 1) + [1]


def test_an_order_is_not_resumed_elsewhere(catalogue: Path) -> None:
    data = dataset(catalogue)
    state = ResumableSampler(data, seed=3).state_dict()
    with pytest.raises(GameOnError, match="seed was 3, is 4"):
        ResumableSampler(data, seed=4).load_state_dict(state)
    with pytest.raises(GameOnError, match="samples_done"):
        ResumableSampler(data).state_dict(10_000)


def test_several_processes_share_an_epoch(catalogue: Path) -> None:
    data = dataset(catalogue)
    orders = [list(ResumableSampler(data, rank=rank, num_replicas=3)) for rank in range(3)]
    assert len({len(order) for order in orders}) == 1
    assert {index for order in orders for index in order} == set(range(len(data)))
    with pytest.raises(GameOnError, match="rank"):
        ResumableSampler(data, rank=3, num_replicas=3)
