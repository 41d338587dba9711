"""Loads a file with the real robomimic, which needs an environment of its own: ``PYTHON robomimic_reader.py FILE``.

Prints as JSON what its ``SequenceDataset`` gives: the number of sequences, the controls, and for each sequence of
three steps the sums of its pictures and of the next ones, its actions, rewards and dones.
"""

from __future__ import annotations

import json
import sys

import numpy as np

try:
    import torchvision  # noqa: F401
except RuntimeError:  # another build of PyTorch: its operators are not there, and nobody here needs them
    import torch

    _library = torch.library.Library("torchvision", "DEF")
    _library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import robomimic.utils.file_utils as FileUtils
import robomimic.utils.obs_utils as ObsUtils
from robomimic.utils.dataset import SequenceDataset


def main(path: str) -> None:
    ObsUtils.initialize_obs_utils_with_obs_specs({"obs": {"rgb": ["screen"], "low_dim": ["audio", "audio_mask"]}})
    shapes = FileUtils.get_shape_metadata_from_dataset(path)
    environment = FileUtils.get_env_metadata_from_dataset(path)
    keys = list(shapes["all_shapes"])
    dataset = SequenceDataset(path, keys, ["actions", "rewards", "dones"], seq_length=3, pad_seq_length=False)
    items = [dataset[i] for i in range(len(dataset))]
    sequences = [
        {
            "pictures": [int(picture.sum()) for picture in item["obs"]["screen"].astype(np.int64)],
            "next_pictures": [int(picture.sum()) for picture in item["next_obs"]["screen"].astype(np.int64)],
            **{name: item[name].tolist() for name in ("actions", "rewards", "dones")},
        }
        for item in items
    ]
    print(json.dumps({"environment": environment, "actions": shapes["ac_dim"], "keys": keys, "sequences": sequences}))


if __name__ == "__main__":
    main(sys.argv[1])
