"""Loads a dataset with the real LeRobot, which needs an environment of its own: ``PYTHON lerobot_reader.py FOLDER``.

Prints as JSON what its ``LeRobotDataset`` gives: the tasks, the statistics' features, and of each row the brightness
of twelve bars of its picture, and its other features; of windows of three rows the pictures' bars too.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import torch

try:
    import torchvision  # noqa: F401
except RuntimeError:  # another build of PyTorch: its operators are not there, and nobody here needs them
    _library = torch.library.Library("torchvision", "DEF")
    _library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    for _name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[_name]

from lerobot.datasets.lerobot_dataset import LeRobotDataset

PICTURES = "observation.images.screen"


def main(folder: str, backend: str = "pyav") -> None:
    dataset = LeRobotDataset("gameon/test", root=folder, video_backend=backend)
    rows = []
    for i in range(len(dataset)):
        item = dataset[i]
        row: dict[str, Any] = {name: value.tolist() for name, value in item.items() if isinstance(value, torch.Tensor)}
        rows.append(row | {PICTURES: bars(item[PICTURES]), "task": item["task"], "size": list(item[PICTURES].shape)})
    steps = [step / dataset.fps for step in range(3)]
    windows = LeRobotDataset(
        "gameon/test",
        root=folder,
        video_backend=backend,
        delta_timestamps={PICTURES: steps, "action": steps},
    )
    shown = [[bars(picture) for picture in windows[i][PICTURES]] for i in range(len(windows))]
    padded = [windows[i][f"{PICTURES}_is_pad"].tolist() for i in range(len(windows))]
    meta = dataset.meta
    print(
        json.dumps(
            {
                "episodes": meta.total_episodes,
                "fps": dataset.fps,
                "names": meta.features["action"]["names"],
                "statistics": sorted(meta.stats),
                "rows": rows,
                "windows": shown,
                "padded": padded,
            }
        )
    )


def bars(picture: torch.Tensor) -> list[float]:
    """Of a picture ``(3, h, w)`` the brightness in the middle of twelve columns."""
    _, height, width = picture.shape
    return [float(picture[:, height // 2, (2 * bar + 1) * width // 24].mean()) for bar in range(12)]


if __name__ == "__main__":
    main(*sys.argv[1:])
