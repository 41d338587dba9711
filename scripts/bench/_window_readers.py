"""Ways to read windows of four frames and their actions, all from the same session: ours, and others'.

Each is a function from the numbers of the first frames to the seconds that reading took, by the clock and of processor
time, in this process or in one of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import h5py
import numpy as np

from gameon_env.datasets.options import DatasetOptions
from gameon_env.datasets.windows import Windows

LENGTH = 4
BATCH = 32
Seconds = tuple[float, float]
Reader = Callable[[Sequence[int]], Seconds]


def windows_of(session: Path, size: tuple[int, int], cache: Path | None) -> Windows:
    return Windows(
        DatasetOptions(
            db_path=session, sequence_length=LENGTH, target_size=size, include_audio=False, cache=cache and str(cache)
        )
    )


def one_by_one(read: Callable[[int], object]) -> Reader:
    def run(starts: Sequence[int]) -> Seconds:
        begun = _now()
        for start in starts:
            read(start)
        return _since(begun)

    return run


def ours_in_batches(windows: Windows, *, reuse: bool) -> Reader:
    """32 at a time; into the same memory each time where ``reuse``."""
    out = np.empty((BATCH, LENGTH, *windows.size, 3), np.uint8) if reuse else None

    def run(starts: Sequence[int]) -> Seconds:
        begun = _now()
        for first in range(0, len(starts), BATCH):
            wanted = starts[first : first + BATCH]
            windows.batch(np.array(wanted), out=out[: len(wanted)] if out is not None else None)
        return _since(begun)

    return run


def memmap(frames: np.memmap, inputs: np.ndarray) -> Reader:
    """The limit: the same bytes, copied by NumPy from one array of all of them."""
    return one_by_one(
        lambda start: (np.array(frames[start : start + LENGTH]), np.array(inputs[start : start + LENGTH]))
    )


def memmap_reused(frames: np.memmap, inputs: np.ndarray) -> Reader:
    """The same into memory that is there already, as in :func:`ours_in_batches`."""
    out = np.empty((BATCH, LENGTH, *frames.shape[1:]), np.uint8)
    actions = np.empty((BATCH, LENGTH, *inputs.shape[1:]), inputs.dtype)

    def run(starts: Sequence[int]) -> Seconds:
        begun = _now()
        for number, start in enumerate(starts):
            out[number % BATCH] = frames[start : start + LENGTH]
            actions[number % BATCH] = inputs[start : start + LENGTH]
        return _since(begun)

    return run


def robomimic_style(path: Path, frames: np.ndarray, inputs: np.ndarray) -> Reader:
    """``data/demo_0/obs/...`` and ``data/demo_0/actions`` in one HDF5 file, not compressed, read by slices."""
    with h5py.File(path, "w") as file:
        demo = file.create_group("data/demo_0")
        demo.create_dataset("obs/screen_image", data=frames)
        demo.create_dataset("actions", data=inputs)
    opened = h5py.File(path, "r", swmr=True, libver="latest")

    def read(start: int) -> object:
        demo = opened["data/demo_0"]
        return demo["obs/screen_image"][start : start + LENGTH], demo["actions"][start : start + LENGTH]

    return one_by_one(read)


def open_each_time(video: Path, size: tuple[int, int], inputs: np.ndarray) -> Reader:
    """As the original did: the video is opened for each item, and sought by frame number."""

    def read(start: int) -> object:
        capture = cv2.VideoCapture(str(video))
        capture.set(cv2.CAP_PROP_POS_FRAMES, start)
        frames = []
        for _ in range(LENGTH):
            there, picture = capture.read()
            if not there:
                raise SystemExit(f"OpenCV finds no frame {start} in {video}")
            frames.append(cv2.cvtColor(cv2.resize(picture, size[::-1]), cv2.COLOR_BGR2RGB))
        capture.release()
        return np.stack(frames), inputs[start : start + LENGTH]

    return one_by_one(read)


def _now() -> Seconds:
    return time.perf_counter(), time.process_time()


def _since(begun: Seconds) -> Seconds:
    return time.perf_counter() - begun[0], time.process_time() - begun[1]


class Peer:
    """Another library's dataset in a process of its own, with another Python."""

    def __init__(self, python: str, script: str, *arguments: object, libraries: str | None = None) -> None:
        command = [python, str(Path(__file__).with_name(script)), *map(str, arguments)]
        env = dict(os.environ) | ({"LD_LIBRARY_PATH": libraries} if libraries else {})
        self._log = (Path(str(arguments[2])).parent / f"{script}.log").open("w")
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True, env=env
        )
        self.written_s = self._answer()["written_s"]

    def reader(self, **order: object) -> Reader:
        def run(starts: Sequence[int]) -> Seconds:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps({**order, "windows": list(starts)}) + "\n")
            self._process.stdin.flush()
            answer = self._answer()
            if "error" in answer:
                raise PeerError(str(answer["error"]))
            return float(answer["seconds"]), float(answer["processor_s"])

        return run

    def close(self) -> None:
        self._process.communicate()
        self._log.close()

    def _answer(self) -> dict[str, float]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"a peer's process ended: see {self._log.name}")
        answer: dict[str, float] = json.loads(line)
        return answer


class PeerError(Exception):
    """The peer cannot do that here."""
