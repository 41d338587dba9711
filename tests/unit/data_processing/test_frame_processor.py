"""Frames to tensors and features."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gameon_env.data_processing import FrameProcessor, ProcessedFrame  # noqa: E402
from gameon_env.data_processing.frame_processor import IMAGENET_MEAN, IMAGENET_STD  # noqa: E402
from gameon_env.data_processing.resize import observe  # noqa: E402
from gameon_env.errors import MissingPartError, ObservationError, PolicyError  # noqa: E402


def picture(height: int, width: int, channels: int) -> Any:
    return np.random.default_rng(height + width).integers(0, 256, (height, width, channels), dtype=np.uint8)


class MeanColour(torch.nn.Module):
    """Features that can be said beforehand."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))
        self.drop = torch.nn.Dropout(0.5)

    def forward(self, batch: Any) -> Any:
        return self.drop(batch.mean(dim=(2, 3)) * self.scale)


def test_raw_is_the_resized_picture_and_processed_the_normalised_one() -> None:
    frame = picture(90, 160, 3)
    done = FrameProcessor((30, 40)).process_frame(frame, "f1", 123)
    assert isinstance(done, ProcessedFrame)
    assert (done.frame_id, done.timestamp, done.features) == ("f1", 123, None)
    assert done.metadata == {"original_size": (90, 160), "processed_size": (30, 40)}
    assert done.raw_tensor.shape == (3, 30, 40)
    assert done.raw_tensor.dtype == done.processed_tensor.dtype == torch.float32
    seen_live = observe(np.dstack([frame[:, :, ::-1], frame[:, :, :1]]), (30, 40))
    np.testing.assert_array_equal((done.raw_tensor.numpy() * 255).round().transpose(1, 2, 0), seen_live)
    back = (
        done.processed_tensor * torch.tensor(IMAGENET_STD)[:, None, None] + torch.tensor(IMAGENET_MEAN)[:, None, None]
    )
    torch.testing.assert_close(back, done.raw_tensor, rtol=0, atol=1e-6)


def test_the_fourth_channel_is_left_out_and_channel_order_is_respected() -> None:
    frame = picture(64, 64, 4)
    rgb = FrameProcessor((32, 32)).process_frame(frame, "a", 0).raw_tensor
    bgr = FrameProcessor((32, 32), channel_order="bgr").process_frame(frame, "a", 0).raw_tensor
    three = FrameProcessor((32, 32)).process_frame(np.ascontiguousarray(frame[:, :, :3]), "a", 0).raw_tensor
    assert torch.equal(rgb, bgr.flip(0))
    assert torch.equal(rgb, three)


def test_views_of_a_picture_are_taken_as_they_are() -> None:
    frame = picture(64, 64, 3)
    for view in (frame[:, :, ::-1], frame[::-1], frame[:, ::2], frame.transpose(1, 0, 2)):
        for size in ((16, 16), (80, 80)):
            done = FrameProcessor(size).process_frame(view, "a", 0).raw_tensor
            assert torch.equal(done, FrameProcessor(size).process_frame(view.copy(), "a", 0).raw_tensor)


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 1)])
def test_grey_frames_become_three_equal_channels(shape: tuple[int, ...]) -> None:
    frame = np.arange(600, dtype=np.uint8).reshape(shape)
    raw = FrameProcessor((20, 30)).process_frame(frame, "a", 0).raw_tensor
    for channel in raw:
        np.testing.assert_allclose(channel.numpy() * 255, frame.reshape(20, 30), atol=1e-4)


@pytest.mark.parametrize("size", [(64, 64), (16, 100), (100, 16)])
def test_small_frames_are_enlarged(size: tuple[int, int]) -> None:
    frame = np.full((32, 32, 3), (10, 20, 30), np.uint8)
    raw = FrameProcessor(size).process_frame(frame, "a", 0).raw_tensor
    assert raw.shape == (3, *size)
    assert (raw * 255).round().amin(dim=(1, 2)).tolist() == [10, 20, 30]


def test_features_of_a_batch_are_those_of_its_frames_without_gradient_or_dropout() -> None:
    processor = FrameProcessor((32, 32), MeanColour())
    frames = [picture(40 + i, 50, 3) for i in range(4)]
    batch = processor.process_frames(frames, ["0", "1", "2", "3"], [0, 1, 2, 3])
    for i, (frame, done) in enumerate(zip(frames, batch, strict=True)):
        alone = processor.process_frame(frame, str(i), i)
        assert done.features is not None
        assert alone.features is not None
        assert done.features.shape == (3,)
        assert not done.features.requires_grad
        torch.testing.assert_close(done.features, alone.features)
        torch.testing.assert_close(done.features, done.processed_tensor.mean(dim=(1, 2)))
        assert torch.equal(done.processed_tensor, alone.processed_tensor)
    assert processor.process_frame(frames[0], "0", 0, extract_features=False).features is None
    assert processor.process_frames([], [], []) == []


def test_the_frame_may_be_reused_by_its_owner() -> None:
    frame = picture(32, 32, 3)
    done = FrameProcessor((32, 32)).process_frame(frame, "a", 0)
    before = done.raw_tensor.clone()
    frame[:] = 0
    assert torch.equal(done.raw_tensor, before)


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((3, 4, 4, 3), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(frame: Any) -> None:
    with pytest.raises(ObservationError, match=r"\(H, W"):
        FrameProcessor((4, 4)).process_frame(frame, "a", 0)


def test_arguments_without_sense_are_refused() -> None:
    with pytest.raises(ObservationError, match="model_input_size"):
        FrameProcessor((0, 4))
    with pytest.raises(ObservationError, match="mean and std"):
        FrameProcessor(std=(1, 1, 0))
    with pytest.raises(ObservationError, match="channel_order"):
        FrameProcessor(channel_order="bgra")  # type: ignore[arg-type]
    with pytest.raises(PolicyError, match="no device"):
        FrameProcessor(device="toaster")
    with pytest.raises(ObservationError, match="an id and a time"):
        FrameProcessor().process_frames([picture(4, 4, 3)], [], [1])


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens without a CUDA device")
def test_without_cuda_it_runs_on_the_cpu_and_says_so_when_cuda_is_asked_for() -> None:
    assert FrameProcessor().device.type == "cpu"
    with pytest.raises(PolicyError, match="device='cpu'"):
        FrameProcessor(device="cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_with_cuda_features_come_from_there_and_are_the_same() -> None:
    frame = picture(64, 64, 3)
    there = FrameProcessor((32, 32), MeanColour()).process_frame(frame, "a", 0)
    here = FrameProcessor((32, 32), MeanColour(), device="cpu").process_frame(frame, "a", 0)
    assert FrameProcessor().device.type == "cuda"
    assert there.features is not None
    assert there.features.device.type == "cpu"
    torch.testing.assert_close(there.features, here.features)


@pytest.mark.parametrize("extractor", [lambda batch: (batch, batch), lambda batch: batch[0, 0]])
def test_an_extractor_that_gives_no_row_for_each_frame_is_refused(extractor: Any) -> None:
    class Wrong(torch.nn.Module):
        def forward(self, batch: Any) -> Any:
            return extractor(batch)

    with pytest.raises(PolicyError, match="wrap it in a module"):
        FrameProcessor((8, 8), Wrong()).process_frame(picture(8, 8, 3), "a", 0)


def test_importing_the_package_or_the_module_brings_no_torch_and_its_absence_is_explained() -> None:
    code = """
import json, sys
import gameon_env.data_processing as package
bare = sorted(sys.modules)
assert package.DataSynchronizer and package.FrameProcessor
light = sorted(sys.modules)
sys.modules["torch"] = None
from gameon_env.errors import MissingPartError
try:
    package.FrameProcessor()
except MissingPartError as error:
    print(json.dumps([bare, light, str(error)]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    bare, light, message = json.loads(done.stdout)
    assert not {"torch", "h5py", "cv2"} & set(bare)
    assert not {"torch", "h5py"} & set(light)
    assert "pip install 'gameon-env[torch]'" in message
    assert issubclass(MissingPartError, ImportError)
