"""Writing TFRecord shards: one Example a row, the frames encoded, and beside them what says how to read them."""

from __future__ import annotations

import contextlib
import json
import re
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from gameon_env.datasets.recording import Pixels
from gameon_env.export import tfrecord_page
from gameon_env.export.plan import ExportPlan
from gameon_env.export.summary import human_bytes
from gameon_env.optional import require

FrameEncoding = Literal["png", "jpeg", "raw"]

INFO = "dataset_info.json"
FORMAT, VERSION = "gameon-tfrecord", 1
READER = Path(__file__).with_name("tfrecord_reader.py")

_SHARD = re.compile(r"gameon-[0-9a-f]{8}-\d{5}-of-\d{5}\.tfrecord")
_PART = re.compile(r"\.gameon-[0-9a-f]{8}-\d{5}\.part")
_FORGOTTEN_S = 3600.0
"""Nobody writes a part any more that was not written to for so long."""
_JPEG_QUALITY = 95
_TYPES = {"float32": "float32", "uint8": "int64", "int64": "int64", "bool": "int64"}


class TFRecordWriter:
    """Writes all episodes of an export as shards beside its ``dataset_info.json``.

    The shards get their names when all are written, and count only from when the new ``dataset_info.json``, which
    names them, takes its place. Names are never used twice, so that an older export stays whole until then.

    Args:
        path: an empty file that becomes ``dataset_info.json``, in the folder of the shards.
        plan: of the export.
        encoding: of the frames.
        shard_bytes: a shard is ended when it has so many.

    Raises (all methods):
        OSError: the disk refuses. What was written is of no use then.
    """

    def __init__(self, path: Path, plan: ExportPlan, encoding: FrameEncoding, shard_bytes: int) -> None:
        self._tf = require("tensorflow", "Writing TFRecord files")
        self._path, self._plan, self._encoding = path, plan, encoding
        self._shard_bytes = shard_bytes
        self._token = uuid.uuid4().hex[:8]
        self._features = _features(plan)
        self._episodes: list[dict[str, Any]] = []
        self._parts: list[tuple[Path, int]] = []
        self._open: Any = None
        self._bytes = self._row = 0
        self._finished = False

    def append(self, rows: dict[str, Any]) -> None:
        """Append rows of the open episode, ``(n, ...)`` of each column; ``video`` as a list of encoded frames."""
        columns = {name: _as_lists(rows[name]) for name in self._features if name in rows and name != "video"}
        for i, frame in enumerate(rows["video"]):
            values = {name: column[i] for name, column in columns.items()}
            values |= {"video": [frame], "episode": [len(self._episodes)], "row": [self._row]}
            self._write(self._example(values))
            self._row += 1

    def end_episode(self, metadata: dict[str, Any]) -> None:
        """Keep an episode's metadata."""
        self._episodes.append(metadata)
        self._row = 0

    def finish(self) -> None:
        """Give the shards their names, and write what tells of them."""
        self._end_shard()
        shards = []
        for number, (part, rows) in enumerate(self._parts):
            shard = part.with_name(f"gameon-{self._token}-{number:05d}-of-{len(self._parts):05d}.tfrecord")
            part.replace(shard)
            shards.append({"file": shard.name, "rows": rows, "bytes": shard.stat().st_size})
        plan = self._plan
        info = {
            "format": FORMAT,
            "version": VERSION,
            "rows": plan.total_rows,
            "controls": list(plan.controls),
            "frames": {"encoding": self._encoding, "size": list(plan.size), "letterbox": plan.letterbox},
            "audio_width": plan.audio_width,
            "features": self._features,
            "episodes": self._episodes,
            "shards": shards,
            "left_out": {left.name: left.reason for left in plan.left_out},
        }
        self._path.with_name("read_dataset.py").write_bytes(READER.read_bytes())
        self._path.with_name("README.md").write_text(tfrecord_page.page(info), encoding="utf-8")
        self._path.write_text(json.dumps(info, indent=1, default=_plain), encoding="utf-8")
        self._finished = True

    def close(self) -> None:
        """Let go of the files; of an export that was not finished nothing is left."""
        if self._open is not None:
            with contextlib.suppress(OSError, self._tf.errors.OpError):  # what it holds is of no use
                self._open.close()
            self._open = None
        if not self._finished:
            for file in self._path.parent.glob(f"*gameon-{self._token}-*"):
                file.unlink(missing_ok=True)

    def _write(self, example: bytes) -> None:
        try:
            if self._open is None:
                part = self._path.with_name(f".gameon-{self._token}-{len(self._parts):05d}.part")
                self._open = self._tf.io.TFRecordWriter(str(part))
                self._parts.append((part, 0))
                self._bytes = 0
            self._open.write(example)
        except self._tf.errors.OpError as error:
            raise OSError(None, str(error.message)) from error
        part, rows = self._parts[-1]
        self._parts[-1] = part, rows + 1
        self._bytes += len(example) + 16
        if self._bytes >= self._shard_bytes:
            self._end_shard()

    def _end_shard(self) -> None:
        if self._open is not None:
            try:
                self._open.close()
            except self._tf.errors.OpError as error:
                raise OSError(None, str(error.message)) from error
            self._open = None

    def _example(self, values: dict[str, Any]) -> bytes:
        train = self._tf.train
        feature = {}
        for name, about in self._features.items():
            value = values[name]
            if about["type"] == "bytes":
                feature[name] = train.Feature(bytes_list=train.BytesList(value=value))
            elif about["type"] == "float32":
                feature[name] = train.Feature(float_list=train.FloatList(value=value))
            else:
                feature[name] = train.Feature(int64_list=train.Int64List(value=value))
        data: bytes = train.Example(features=train.Features(feature=feature)).SerializeToString()
        return data


def remove_older(folder: Path) -> None:
    """Remove shards that ``dataset_info.json`` does not name: of an export that it replaced, or that was cut off."""
    named = {shard["file"] for shard in json.loads((folder / INFO).read_text(encoding="utf-8"))["shards"]}
    for file in folder.iterdir():
        forgotten = _PART.fullmatch(file.name) and time.time() - file.stat().st_mtime > _FORGOTTEN_S
        if forgotten or (_SHARD.fullmatch(file.name) and file.name not in named):
            file.unlink(missing_ok=True)


def encode_png(pictures: Pixels) -> list[bytes]:
    """Each of ``(n, h, w, 3) uint8`` RGB, lossless."""
    return [_encoded(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 1]) for picture in pictures]


def encode_jpeg(pictures: Pixels) -> list[bytes]:
    """Each, at quality 95 and with full colour."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    quality += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    return [_encoded(".jpg", picture, quality) for picture in pictures]


def encode_raw(pictures: Pixels) -> list[bytes]:
    """Each as its bytes."""
    return [picture.tobytes() for picture in pictures]


ENCODERS: dict[FrameEncoding, Callable[[Pixels], list[bytes]]] = {
    "png": encode_png,
    "jpeg": encode_jpeg,
    "raw": encode_raw,
}


def encoded_bytes(encoding: FrameEncoding) -> Callable[[Pixels], int]:
    """How many bytes pictures take in a shard."""
    return lambda pictures: sum(map(len, ENCODERS[encoding](pictures)))


def _encoded(suffix: str, picture: Pixels, how: list[int]) -> bytes:
    done, data = cv2.imencode(suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), how)
    if not done:
        raise OSError(None, f"a frame of {human_bytes(picture.nbytes)} could not be encoded")
    return data.tobytes()


def _features(plan: ExportPlan) -> dict[str, dict[str, Any]]:
    """Type and shape of each feature of an Example."""
    features: dict[str, dict[str, Any]] = {"video": {"type": "bytes", "shape": []}}
    for column in plan.columns[1:]:
        features[column.name] = {"type": _TYPES[column.dtype], "shape": list(column.shape)}
    return features | {name: {"type": "int64", "shape": []} for name in ("episode", "row")}


def _as_lists(values: npt.NDArray[Any]) -> list[list[Any]]:
    """``(n, ...)`` as n flat lists."""
    flat = values.reshape(len(values), -1)
    lists: list[list[Any]] = (flat if flat.dtype.kind == "f" else flat.astype(np.int64)).tolist()
    return lists


def _plain(value: Any) -> Any:
    """What JSON has no word for."""
    return value.item() if isinstance(value, np.generic) else str(value)
