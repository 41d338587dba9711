"""Trains on a dataset as one of several processes under ``torchrun``; each writes which windows it was given.

Usage: load_in_parts.py CATALOGUE OUTPUT_FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset, DistributedSampler, Sampler

from gameon_env.export.pytorch_export import GameOnDataset, ResumableSampler
from tests.unit.datasets.played_session import SIZE


class Numbered(Dataset[tuple[int, torch.Tensor, torch.Tensor]]):
    """Items with their numbers."""

    def __init__(self, dataset: GameOnDataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[int, torch.Tensor, torch.Tensor]:
        item = self.dataset[index]
        return index, item["frames"], item["inputs"]


def main(catalogue: str, output: str) -> None:
    distributed.init_process_group("gloo")
    rank = distributed.get_rank()
    dataset = Numbered(GameOnDataset(catalogue, sequence_length=1, target_size=SIZE))
    model = DistributedDataParallel(torch.nn.Linear(3, 4))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    given: dict[str, list[int]] = {}
    samplers: dict[str, Sampler[int]] = {"plain": DistributedSampler(dataset), "resumable": ResumableSampler(dataset)}
    for name, sampler in samplers.items():
        given[name] = []
        for numbers, frames, inputs in DataLoader(dataset, batch_size=8, sampler=sampler, num_workers=1):
            loss = torch.nn.functional.mse_loss(model(frames.mean(dim=(2, 3))), inputs)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            given[name] += numbers.tolist()
    weights = [parameter.tolist() for parameter in model.parameters()]
    Path(output, f"{rank}.json").write_text(json.dumps({"given": given, "weights": weights, "windows": len(dataset)}))
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
