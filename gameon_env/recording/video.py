"""Writing a video while a game runs: every frame with its own time, on its way to the disk as soon as it is encoded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from gameon_env.data_processing.video_boxes import BRIDGE_US, time_after
from gameon_env.errors import VideoError
from gameon_env.recording.video_encoder import BT601, LIMITED_RANGE, EncodedFrame, Encoder
from gameon_env.recording.video_file import VideoFile


class VideoWriter:
    """A new MP4 video of frames that come when they come. One thread at a time may use it.

    Args:
        path: the file; must not exist.
        size: ``(height, width)`` of the frames in pixels. Odd sides are padded in the file; our reader gives them back
            as they were, other players show one pixel more.
        codec: ``h264``, ``hevc`` or ``av1``.
        quality: constant rate factor of the codec: less is better and larger. None: 20 for h264, 24 for hevc, 32 for
            av1.
        keyframe_every: frames; what a reader must at most decode to reach one frame.
        threads: of the encoder. More shorten the time of one frame, not its work. None: one for each 1280x720 pixels,
            as far as there are processors.

    Raises:
        VideoError: there is no such codec, or it does not take this size.
        StorageError: the file cannot be made.
    """

    def __init__(
        self,
        path: str | Path,
        size: tuple[int, int],
        *,
        codec: str = "h264",
        quality: int | None = None,
        keyframe_every: int = 30,
        threads: int | None = None,
    ) -> None:
        self.path = Path(path)
        height, width = self.size = (int(size[0]), int(size[1]))
        if height < 1 or width < 1:
            raise VideoError(f"a video of size {size} cannot be: expected (height, width) of at least one pixel")
        even = (height + height % 2, width + width % 2)
        if threads is None:
            threads = max(1, min(os.cpu_count() or 1, round(even[0] * even[1] / (1280 * 720))))
        self._encoder = Encoder(codec, even, self.size, quality=quality, keyframe_every=keyframe_every, threads=threads)
        self._padded = np.zeros((*even, 4), np.uint8) if even != self.size else None
        self._reformatter = VideoReformatter()
        self._last_us: int | None = None
        self._closed = False
        try:
            self._file = VideoFile(self.path, self._encoder.head)
        except BaseException:
            self._encoder.close()
            raise

    @property
    def frames(self) -> int:
        """How many frames are in the file, safe from the death of this process."""
        return len(self._file)

    def write(self, pixels: np.ndarray, t_ns: int) -> None:
        """Encode one frame. Its time is kept to the microsecond; where it is not later than the last, it is moved.

        Args:
            pixels: ``(H, W, 4) uint8`` BGRX.
            t_ns: since the start of the session.

        Raises:
            VideoError: the frame has another shape than the video, or the video is closed.
            StorageError: it could not be written (disk full). The file holds all frames before and takes no more.
        """
        if self._closed:
            raise VideoError(f"the video {self.path} is closed: it takes no more frames")
        if pixels.shape != (*self.size, 4) or pixels.dtype != np.uint8:
            raise VideoError(
                f"a frame of shape {pixels.shape} {pixels.dtype} came for the video {self.path}: "
                f"expected {(*self.size, 4)} uint8 BGRX"
            )
        t_us = time_after(self._last_us, t_ns // 1000)
        key = self._last_us is not None and t_us - self._last_us > BRIDGE_US
        self._last_us = t_us
        self._append(self._encoder.encode(self._converted(pixels), t_us, key=key))

    def close(self) -> None:
        """Finish the file. More calls do nothing.

        Raises:
            StorageError: there is no room for its index; all frames are in the file, which can be repaired.
        """
        if self._closed:
            return
        self._closed = True
        try:
            if not self._file.failed and self._last_us is not None:
                self._append(self._encoder.flush())
        finally:
            self._encoder.close()
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _converted(self, pixels: np.ndarray) -> av.VideoFrame:
        """The picture as the encoder takes it: BT.601, limited range, half the colour resolution."""
        if self._padded is not None:
            height, width = self.size
            self._padded[:height, :width] = pixels
            self._padded[height:, :width] = pixels[-1:]
            self._padded[:, width:] = self._padded[:, width - 1 : width]
            pixels = self._padded
        if pixels.strides[1:] != (4, 1):
            pixels = np.ascontiguousarray(pixels)
        # 1.3 ms of CPU for 1280x720. OpenCV takes 0.8, but the colour of one pixel for four: 2 dB worse.
        frame: av.VideoFrame = self._reformatter.reformat(
            av.VideoFrame.from_numpy_buffer(pixels, "bgra"),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU601,
            dst_color_range=ColorRange.MPEG,
            interpolation=Interpolation.AREA,
            threads=1,
        )
        frame.colorspace, frame.color_range = BT601, LIMITED_RANGE
        return frame

    def _append(self, frames: list[EncodedFrame]) -> None:
        for frame in frames:
            self._file.append(frame.data, frame.t_us, frame.key)
