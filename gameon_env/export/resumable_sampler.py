"""An order of windows that a training can stop in and go on with."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from typing import Any

import numpy as np

from gameon_env.errors import DatasetError
from gameon_env.optional import require

require("torch", "ResumableSampler")
from torch import distributed  # noqa: E402
from torch.utils.data import Sampler  # noqa: E402


class ResumableSampler(Sampler[int]):
    """A shuffled order of a dataset's windows, another one in each epoch, that depends on ``seed`` and epoch alone.

    >>> sampler = ResumableSampler(dataset, seed=1)
    >>> loader = DataLoader(dataset, batch_size=32, sampler=sampler, num_workers=4)
    >>> for batches, batch in enumerate(loader, start=1):
    ...     train(batch)
    ...     torch.save(sampler.state_dict(samples_done=32 * batches), "order.pt")

    After ``sampler.load_state_dict(torch.load("order.pt"))`` the next pass gives what was left of that epoch, and those
    after it are whole. Each pass over it is an epoch; a dataset with ``set_epoch`` is told, so that its random draws
    are resumed with it.

    With several processes (``torch.distributed``), each gets its own windows, all equally many: the first of the order
    are given twice where they do not divide.

    Args:
        dataset: what is sampled.
        shuffle: False: in the order of the dataset.
        seed: of the order.
        rank, num_replicas: this process among how many; None: as ``torch.distributed`` says, if it is in use.

    Attributes:
        epoch: of the present pass, or of the last one; before the first, of that.

    Raises:
        DatasetError: an empty dataset, or a rank that is none.
    """

    def __init__(
        self,
        dataset: Sized,
        *,
        shuffle: bool = True,
        seed: int = 0,
        rank: int | None = None,
        num_replicas: int | None = None,
    ) -> None:
        joined = distributed.is_available() and distributed.is_initialized()
        self.num_replicas = num_replicas or (distributed.get_world_size() if joined else 1)
        self.rank = (distributed.get_rank() if joined else 0) if rank is None else rank
        if not 0 <= self.rank < self.num_replicas:
            raise DatasetError(f"rank must be from 0 to {self.num_replicas - 1}; got {self.rank}")
        if not len(dataset):
            raise DatasetError("the dataset is empty: there is nothing to sample")
        self.dataset = dataset
        self.shuffle, self.seed, self.epoch = shuffle, seed, 0
        self._begin = 0  # of the next pass, in samples of this process
        self._given = 0  # in the present pass, those before _begin included
        self._used = False  # whether there was a pass of this epoch

    @property
    def samples_per_epoch(self) -> int:
        """Of this process, in a whole epoch."""
        return -(-len(self.dataset) // self.num_replicas)

    def __len__(self) -> int:
        return self.samples_per_epoch - self._begin

    def __iter__(self) -> Iterator[int]:
        if self._used:
            self.epoch += 1
        self._used = True
        begin, self._begin = self._begin, 0
        self._given = begin
        if hasattr(self.dataset, "set_epoch"):
            self.dataset.set_epoch(self.epoch)
        return self._places(begin)

    def set_epoch(self, epoch: int) -> None:
        """Let the next pass be a whole one of this epoch."""
        self.epoch, self._begin, self._given, self._used = epoch, 0, 0, False

    def state_dict(self, samples_done: int | None = None) -> dict[str, Any]:
        """Where the training is: plain numbers.

        Args:
            samples_done: how many samples of this epoch this process has trained on, those before a resume included.
                A loader with workers asks for samples ahead of the training, which alone knows. None: all that were
                asked for.

        Raises:
            DatasetError: more samples than an epoch has.
        """
        done = max(self._given, self._begin) if samples_done is None else samples_done
        if not 0 <= done <= self.samples_per_epoch:
            raise DatasetError(f"samples_done must be from 0 to {self.samples_per_epoch}; got {samples_done}")
        epoch, done = divmod(self.epoch * self.samples_per_epoch + done, self.samples_per_epoch)
        return {"epoch": epoch, "done": done, "samples": len(self.dataset)} | self._identity()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state_dict` was.

        Raises:
            DatasetError: the state is of another dataset, seed or number of processes.
        """
        own = {"samples": len(self.dataset)} | self._identity()
        different = [
            f"{name} was {state.get(name)!r}, is {value!r}" for name, value in own.items() if state.get(name) != value
        ]
        if different:
            raise DatasetError(f"this order cannot be resumed here: {'; '.join(different)}. Start it anew")
        self.set_epoch(int(state["epoch"]))
        self._begin = int(state["done"])

    def _places(self, begin: int) -> Iterator[int]:
        order = np.random.default_rng((self.seed, self.epoch)).permutation(len(self.dataset)) if self.shuffle else None
        for number in range(begin, self.samples_per_epoch):
            place = (number * self.num_replicas + self.rank) % len(self.dataset)
            self._given = number + 1
            yield place if order is None else int(order[place])

    def _identity(self) -> dict[str, Any]:
        return {"seed": self.seed, "shuffle": self.shuffle, "num_replicas": self.num_replicas}
