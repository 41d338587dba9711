"""A dataset shared by two processes that ``torchrun`` starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.unit.datasets.played_session import catalogue_of, played
from tests.unit.export import load_in_parts

ROOT = Path(__file__).parents[3]


def test_two_processes_share_the_windows_and_the_model(tmp_path: Path) -> None:
    (tmp_path / "sessions").mkdir()
    played(tmp_path / "sessions" / "a", 41)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += [str(Path(load_in_parts.__file__)), str(catalogue_of(tmp_path)), str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    one, two = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert one["windows"] == 41
    assert one["weights"] == two["weights"]
    for name in ("plain", "resumable"):
        first, second = one["given"][name], two["given"][name]
        assert len(first) == len(second) == 21
        assert set(first) | set(second) == set(range(41))
