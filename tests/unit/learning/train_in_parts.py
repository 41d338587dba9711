"""Updates of a network on fixed batches by as many processes as ``torchrun`` starts; the first writes what came out.

Usage: train_in_parts.py OUTPUT.npz
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from gameon_env.learning.action_head import ActionHead
from gameon_env.learning.batch_part import BatchPart
from gameon_env.learning.cloning_loss import CloningLoss
from gameon_env.learning.distributed import training_group
from gameon_env.learning.network import CloneNetwork
from tests.unit.learning.dot_task import CONTROLS, answer, draw

BATCHES = (32, 31, 7)


def main(output: str) -> None:
    rng = np.random.default_rng(0)
    head = ActionHead(CONTROLS)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    found: dict[str, np.ndarray] = {}
    with training_group("cpu") as group:
        network = CloneNetwork((32, 32), 1, head.outputs)
        smoothen(network)
        plain_names = list(network.state_dict())
        group.share(network)
        assert list(network.state_dict()) == plain_names
        network.train()
        optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
        rows = [(*rng.uniform(-1, 1, 2), rng.random() < 0.5) for _ in range(sum(BATCHES))]
        frames = np.stack([draw(*row) for row in rows]) + rng.integers(0, 25, (len(rows), 32, 32, 3), np.uint8)
        pressed, shares = head.encode(np.stack([answer(*row) for row in rows]))
        loss_of = CloningLoss(head, pressed, 8.0)
        for number, batch in enumerate(np.split(np.arange(len(rows)), np.cumsum(BATCHES)[:-1])):
            part = group.take(len(batch))
            mine = batch[part.rows]
            logits = network(torch.from_numpy(frames[mine]))
            loss = part.weight * loss_of(logits, torch.from_numpy(pressed[mine]), torch.from_numpy(shares[mine]))
            optimizer.zero_grad()
            loss.backward()
            found[f"loss {number}"] = np.array(group.sum_gradients(network, loss))
            for name, parameter in network.named_parameters():
                assert parameter.grad is not None
                found[f"gradient {number} {name}"] = parameter.grad.numpy().copy()
            optimizer.step()
        found |= {f"state {name}": tensor.numpy() for name, tensor in network.state_dict().items()}
        numbers = np.arange(15, dtype=np.float32).reshape(5, 3)
        part = BatchPart.of(5, group.rank, group.size)
        np.testing.assert_array_equal(group.assemble(part, numbers[part.rows]), numbers)
        assert group.largest(float(group.rank)) == group.size - 1
        if group.is_main:
            np.savez(Path(output), processes=np.array(group.size), **found)


def smoothen(network: torch.nn.Module) -> None:
    """A rectifier whose input is within rounding of 0 may go either way, and a gradient with it."""
    for name, child in network.named_children():
        if isinstance(child, torch.nn.ReLU):
            setattr(network, name, torch.nn.Softplus())
        else:
            smoothen(child)


if __name__ == "__main__":
    main(sys.argv[1])
