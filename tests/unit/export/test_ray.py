"""Exports and the frame cache over a Ray cluster of two nodes, by the same commands."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gameon_env.data_processing.trajectory import load_episodes
from gameon_env.datasets.options import DatasetOptions
from gameon_env.datasets.ray_cluster import RayCluster, check_here
from gameon_env.datasets.windows import Windows
from gameon_env.errors import DatasetError, MissingPartError, StorageError
from gameon_env.export.hdf5_export import export_to_hdf5
from tests.unit.datasets.played_session import catalogue_of, played

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    for number, id in enumerate(("aa01", "bb02", "cc03")):
        played(data / "sessions" / id, 100 + 20 * number, id=id, first=200 * number, sound=number == 0)
    catalogue_of(data)
    return data


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    script = Path(__file__).with_name("two_node_cluster.py")
    with (
        pytest.MonkeyPatch.context() as patch,
        subprocess.Popen(
            [sys.executable, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        address = ""
        for line in process.stdout:
            if line.startswith("127.0.0.1:"):
                address = line.strip()
                break
        assert address, "the cluster did not start"
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # Linux too takes 127.0.0.1 for itself then
        yield address
        process.communicate("")


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gameon_env", *words], capture_output=True, text=True, check=False, timeout=60
    )


@needs_ray
def test_the_same_commands_over_two_nodes(data: Path, tmp_path: Path, cluster: str) -> None:
    chosen = ["--all", "--data-dir", str(data), "--size", "24x48"]
    done = run("export", "hdf5", *chosen, "--output", str(tmp_path / "ray.h5"), "--ray", cluster)
    assert done.returncode == 0, done.stderr
    export_to_hdf5(data / "gameon.db", tmp_path / "here.h5", target_size=(24, 48))
    ours, same = load_episodes(tmp_path / "ray.h5"), load_episodes(tmp_path / "here.h5")
    assert len(ours) == len(same) == 3
    for one, other in zip(ours, same, strict=True):
        assert one.columns == other.columns
        for name in one.columns:
            np.testing.assert_array_equal(one.column(name), other.column(name))
    cache = ["--cache", str(tmp_path / "cache"), "--json", "--ray", cluster]
    done = run("export", "cache", *chosen, *cache)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["decoded_frames"] == 360
    seen: list[int] = []
    options = DatasetOptions(
        db_path=data / "gameon.db", sequence_length=2, target_size=(24, 48), cache=tmp_path / "cache"
    )
    windows = Windows(options)
    windows.prepare(lambda done, _: seen.append(done))
    assert seen == []
    plain = Windows(DatasetOptions(db_path=data / "gameon.db", sequence_length=2, target_size=(24, 48)))
    np.testing.assert_array_equal(windows.batch([0, 150, 300]).frames, plain.batch([0, 150, 300]).frames)


WORK = """
import json, os, subprocess, sys
from concurrent.futures import BrokenExecutor
from pathlib import Path
from gameon_env.datasets.ray_cluster import RayCluster, check_here
from gameon_env.errors import DatasetError
import ray

pool = RayCluster(sys.argv[1]).connect()
assert pool.workers == 2, pool.workers
# At the same time, one on each node: the parents of their processes are the two nodes' daemons.
asked = "sleep 1; sed 's/.*) //' /proc/$PPID/stat | cut -d ' ' -f 2"
parents = [pool.submit(subprocess.getoutput, asked) for _ in range(2)]
nodes = {int(parent.result()) for parent in parents}
try:
    pool.submit(check_here, Path("/nowhere/at/all")).result()
except DatasetError as error:
    assert "/nowhere/at/all is not there on the machine" in str(error), error
else:
    raise AssertionError
try:
    pool.submit(os.abort).result()
except BrokenExecutor as error:
    pass
else:
    raise AssertionError
assert pool.submit(os.path.basename, "a/b").result() == "b"
pool.shutdown()
pool.shutdown()
print(json.dumps(len(nodes)))
"""


@needs_ray
def test_errors_come_back_as_they_are(cluster: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WORK, cluster], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == 2


def test_without_ray_the_extra_is_named(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingPartError, match=r"pip install 'gameon-env\[ray\]'"):
        export_to_hdf5(data / "gameon.db", tmp_path / "a.h5", workers=RayCluster("127.0.0.1:1"))
    assert not list(tmp_path.iterdir())


@needs_ray
def test_no_cluster_there(data: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"no Ray cluster at 127\.0\.0\.1:1 .*ray start --head"):
        export_to_hdf5(data / "gameon.db", tmp_path / "a.h5", workers=RayCluster("127.0.0.1:1"))


def test_wrong_addresses_and_places() -> None:
    with pytest.raises(DatasetError, match="address of a Ray cluster"):
        RayCluster(" ")
    with pytest.raises(DatasetError, match="on a file system that they share"):
        check_here(Path("/nowhere/at/all"))
