"""npz exports: the same columns as HDF5, for plain numpy without pickle, written in flat memory."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import psutil
import pytest

from gameon_env.data_processing.trajectory import load_episodes
from gameon_env.errors import DatasetError, StorageError
from gameon_env.export.hdf5_export import export_to_hdf5
from gameon_env.export.npz_export import export_to_npz
from gameon_env.export.summary import ExportProgress
from tests.unit.data_processing.painted_video import fill_disk, number_in
from tests.unit.datasets.played_session import CONTROLS, SIZE, catalogue_of, expected_inputs, played
from tests.unit.export.recipient import load_elsewhere
from tests.unit.recording.small_session import small_disk


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    played(data / "sessions" / "one", 30, id="aa01", gaps=((13, 16),), sound=True)
    played(data / "sessions" / "two", 20, id="bb02", first=100)
    return catalogue_of(data)


def test_plain_numpy_reads_it_where_nothing_of_ours_is(database: Path, tmp_path: Path) -> None:
    export_to_npz(database, tmp_path / "dots.npz", game_name="Dots")
    result = load_elsewhere(
        """
import numpy as np
with np.load('dots.npz', allow_pickle=False) as f:
    columns = {name: [list(f[name].shape), str(f[name].dtype)] for name in f.files}
    episodes = [json.loads(text) for text in f['metadata']]
result = [columns, episodes[0]['controls'], [e['last_row'] for e in episodes]]
""",
        tmp_path,
    )
    columns, controls, last_rows = result
    assert columns["video"] == [[47, *SIZE, 3], "uint8"]
    assert columns["inputs"] == [[47, 4], "float32"]
    assert columns["timestamps"] == [[47], "int64"]
    assert controls == list(CONTROLS)
    assert last_rows == [12, 26, 46]


@pytest.mark.parametrize("compressed", [False, True])
def test_it_holds_what_hdf5_holds(database: Path, tmp_path: Path, compressed: bool) -> None:
    export_to_npz(database, tmp_path / "a.npz", compressed=compressed, workers=2 if compressed else 1)
    export_to_hdf5(database, tmp_path / "a.h5")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as ours, h5py.File(tmp_path / "a.h5") as other:
        assert set(ours.files) == set(other)
        for name in set(other) - {"metadata"}:
            assert ours[name].dtype == other[name].dtype
            assert (ours[name] == other[name][:]).all(), name
        assert ours["metadata"].tolist() == [text.decode() for text in other["metadata"][:]]


def test_our_own_loader_reads_it(tmp_path: Path) -> None:
    export_to_npz(played(tmp_path / "s", 12), tmp_path / "a.npz")
    (episode,) = load_episodes(tmp_path / "a.npz")
    assert [number_in(frame) for frame in episode.video()] == list(range(12))
    assert episode.inputs[:-1] == pytest.approx(np.array([expected_inputs(i) for i in range(11)]))


def test_a_disk_that_fills_up_leaves_the_file_before(database: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 4) as folder:
        export_to_npz(database, folder / "a.npz")
        before = (folder / "a.npz").read_bytes()

        def fill(state: ExportProgress) -> None:
            fill_disk(folder)

        with pytest.raises(StorageError, match="What it held before is as it was"):
            export_to_npz(database, folder / "a.npz", progress=fill)
        assert (folder / "a.npz").read_bytes() == before
        assert {path.name for path in folder.iterdir()} == {"a.npz", "filler"}


def test_what_does_not_fit_into_memory_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = played(tmp_path / "s", 12)
    assert export_to_npz(session, tmp_path / "a.npz").notes == ()
    small = psutil.virtual_memory()._replace(total=100_000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: small)
    (note,) = export_to_npz(session, tmp_path / "a.npz").notes
    assert "166 kB of memory, and this machine has 100 kB" in note
    assert "gameon export hdf5" in note


def test_wrong_arguments(database: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"ends with \.npz: .*a\.npz"):
        export_to_npz(database, tmp_path / "a.zip")
    with pytest.raises(DatasetError, match="compressed must be True or False"):
        export_to_npz(database, tmp_path / "a.npz", compressed="gzip")  # type: ignore[arg-type]  # what people try
    assert not list(tmp_path.iterdir())
