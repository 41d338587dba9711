"""Pictures to tensors and features, for models in PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from gameon_env.data_processing.resize import shrink
from gameon_env.errors import ObservationError, PolicyError
from gameon_env.optional import require

if TYPE_CHECKING:
    import torch

Pixels = npt.NDArray[np.uint8]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""What the usual pretrained models were trained with (torchvision's documentation of its weights)."""


@dataclass(frozen=True, slots=True, eq=False)
class ProcessedFrame:
    """One frame, ready for a model. All tensors are on the CPU.

    Attributes:
        frame_id: as given.
        timestamp: as given, in microseconds.
        raw_tensor: ``(3, h, w) float32`` RGB in [0, 1], resized, not normalised: what one looks at or augments.
        processed_tensor: ``(3, h, w) float32``, the same normalised by mean and deviation: what the model gets.
        features: ``float32``, the extractor's output without its batch axis; ``None`` without extractor.
        metadata: ``original_size`` and ``processed_size``, each ``(height, width)``.
    """

    frame_id: str
    timestamp: int
    raw_tensor: torch.Tensor
    processed_tensor: torch.Tensor
    features: torch.Tensor | None
    metadata: dict[str, Any]


class FrameProcessor:
    """Resizes frames as the live loop does, normalises them, and runs a feature extractor on them.

    Args:
        model_input_size: ``(height, width)`` of the tensors. Smaller frames are enlarged.
        feature_extractor: a ``torch.nn.Module`` from ``(B, 3, h, w)`` to ``(B, ...)``. It is moved to the device and
            set to evaluation.
        device: where the extractor runs; ``None``: ``cuda`` where there is one, else ``cpu``.
        channel_order: of frames with 3 or 4 channels; a fourth one (alpha, or nothing) is left out. Captured frames
            are ``bgr``, all else in this package is ``rgb``.
        mean, std: of the channels red, green, blue.

    Raises:
        MissingPartError: PyTorch is not installed.
        PolicyError: the device is not there.
        ObservationError: a size or deviation that is not positive.
    """

    def __init__(
        self,
        model_input_size: tuple[int, int] = (224, 224),
        feature_extractor: torch.nn.Module | None = None,
        device: str | torch.device | None = None,
        *,
        channel_order: Literal["rgb", "bgr"] = "rgb",
        mean: tuple[float, float, float] = IMAGENET_MEAN,
        std: tuple[float, float, float] = IMAGENET_STD,
    ) -> None:
        self._torch: Any = require("torch", "FrameProcessor")
        if len(model_input_size) != 2 or min(model_input_size) < 1:
            raise ObservationError(f"model_input_size must be (height, width) in pixels, got {model_input_size}")
        if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
            raise ObservationError(f"mean and std must be 3 numbers, std greater than 0; got {mean} and {std}")
        if channel_order not in ("rgb", "bgr"):
            raise ObservationError(f"channel_order must be 'rgb' or 'bgr', got {channel_order!r}")
        self.model_input_size = model_input_size
        self.channel_order = channel_order
        self.device: torch.device = _device(self._torch, device)
        self.feature_extractor = feature_extractor
        if feature_extractor is not None:
            feature_extractor.to(self.device).eval()
        self._mean = self._torch.tensor(mean).reshape(3, 1, 1)
        self._std = self._torch.tensor(std).reshape(3, 1, 1)

    def process_frame(
        self, frame_data: Pixels, frame_id: str, timestamp: int, extract_features: bool = True
    ) -> ProcessedFrame:
        """Process one frame.

        Args:
            frame_data: ``(H, W, 3)`` or ``(H, W, 4)`` in the processor's channel order, or grey ``(H, W)`` or
                ``(H, W, 1)``; ``uint8``.
            frame_id: any name.
            timestamp: in microseconds.
            extract_features: run the extractor, where there is one.

        Raises:
            ObservationError: no such picture.
            PolicyError: the extractor gives anything but one row of numbers for each frame.
        """
        return self.process_frames([frame_data], [frame_id], [timestamp], extract_features)[0]

    def process_frames(
        self,
        frames: Sequence[Pixels],
        frame_ids: Sequence[str],
        timestamps: Sequence[int],
        extract_features: bool = True,
    ) -> list[ProcessedFrame]:
        """Process frames in one batch: one run of the extractor, and one copy to its device, for all of them.

        Arguments and errors are those of :meth:`process_frame`, one of each for every frame.
        """
        if not len(frames) == len(frame_ids) == len(timestamps):
            raise ObservationError(
                f"a batch needs an id and a time for each frame; got {len(frames)} frames, {len(frame_ids)} ids, "
                f"{len(timestamps)} times"
            )
        if not len(frames):
            return []
        height, width = self.model_input_size
        pictures = np.empty((len(frames), 3, height, width), np.uint8)
        for picture, frame in zip(pictures, frames, strict=True):
            picture[...] = self._resized_rgb(frame).transpose(2, 0, 1)
        raw = self._torch.from_numpy(pictures).float().div_(255)
        processed = (raw - self._mean) / self._std
        features = self._features(processed) if extract_features else None
        return [
            ProcessedFrame(
                frame_ids[i],
                timestamps[i],
                raw[i],
                processed[i],
                None if features is None else features[i],
                {"original_size": frames[i].shape[:2], "processed_size": self.model_input_size},
            )
            for i in range(len(frames))
        ]

    def _resized_rgb(self, frame: Pixels) -> Pixels:
        if frame.dtype != np.uint8 or frame.ndim not in (2, 3) or 0 in frame.shape:
            raise ObservationError(f"a frame must be (H, W, C) or (H, W) uint8, got {frame.shape} {frame.dtype}")
        channels = 1 if frame.ndim == 2 else frame.shape[2]
        if channels not in (1, 3, 4):
            raise ObservationError(f"a frame must have 1, 3 or 4 channels, got {frame.shape}: the axes are (H, W, C)")
        height, width = self.model_input_size
        small: Any = shrink(frame, (min(height, frame.shape[0]), min(width, frame.shape[1])))
        if small.shape[:2] != (height, width):
            small = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
        small = small.reshape(height, width, channels)  # OpenCV drops a single channel's axis
        if channels == 1:
            return np.repeat(small, 3, axis=2)
        rgb: Pixels = small[:, :, :3] if self.channel_order == "rgb" else small[:, :, 2::-1]
        return rgb

    def _features(self, batch: torch.Tensor) -> torch.Tensor | None:
        if self.feature_extractor is None:
            return None
        with self._torch.no_grad():
            features = self.feature_extractor(batch.to(self.device))
        if not isinstance(features, self._torch.Tensor) or features.shape[:1] != batch.shape[:1]:
            found = tuple(features.shape) if isinstance(features, self._torch.Tensor) else type(features).__name__
            raise PolicyError(
                f"the feature extractor must give a tensor ({len(batch)}, ...) for {len(batch)} frames, got {found}: "
                "wrap it in a module that returns its features alone"
            )
        on_cpu: torch.Tensor = features.float().cpu()
        return on_cpu


def _device(library: Any, device: str | torch.device | None) -> torch.device:
    has_cuda = library.cuda.is_available()
    try:
        chosen: torch.device = library.device(device or ("cuda" if has_cuda else "cpu"))
    except RuntimeError as error:
        raise PolicyError(f"there is no device {device!r}; name one like 'cpu' or 'cuda'") from error
    count = library.cuda.device_count() if has_cuda else 0
    if chosen.type == "cuda" and (chosen.index or 0) >= count:
        raise PolicyError(
            f"device {device!r} was asked for, and PyTorch sees {count} CUDA devices here: leave device out to take "
            "what there is, or use device='cpu'"
        )
    return chosen
