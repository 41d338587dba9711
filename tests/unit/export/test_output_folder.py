"""Exports that are a folder: it appears whole or not at all, and nothing of another's is touched."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from gameon_env.errors import DatasetError, StorageError
from gameon_env.export.lerobot_export import export_to_lerobot
from gameon_env.export.minari_export import export_to_minari
from gameon_env.export.output_folder import new_folder
from gameon_env.export.summary import ExportProgress, ExportSummary
from tests.unit.data_processing.painted_video import fill_disk
from tests.unit.datasets.played_session import catalogue_of, played
from tests.unit.recording.small_session import small_disk

FORMATS = {"minari": export_to_minari, "lerobot": export_to_lerobot}

Export = Callable[..., ExportSummary]


@pytest.fixture(params=FORMATS)
def export(request: pytest.FixtureRequest) -> Export:
    return FORMATS[request.param]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    played(data / "sessions" / "one", 40, id="aa01")
    return catalogue_of(data)


def test_an_empty_folder_is_filled_and_a_full_one_left_alone(database: Path, tmp_path: Path, export: Export) -> None:
    folder = tmp_path / "dots-v0"
    folder.mkdir()
    summary = export(database, folder)
    assert summary.path == folder
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert summary.size_bytes == sum(map(len, files.values()))
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in [folder, *files])
    with pytest.raises(DatasetError, match=r"there already, and is not empty: remove it \(rm -r"):
        export(database, folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == files


def test_a_mount_point_is_filled_on_its_own_disk(database: Path, tmp_path: Path, export: Export) -> None:
    beside: list[Path] = []
    with small_disk(tmp_path / "dots-v0", 60) as folder:
        export(database, folder, progress=lambda _: beside.extend(tmp_path.iterdir()))
        assert set(beside) == {folder}
        assert [path for path in folder.rglob("*.json") if path.stat().st_size]
        assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_a_small_disk_that_is_mounted_there_is_what_must_have_room(
    database: Path, tmp_path: Path, export: Export
) -> None:
    with small_disk(tmp_path / "dots-v0", 1) as folder, tempfile.TemporaryFile(dir=folder) as unseen:
        unseen.write(bytes(1_000_000))
        unseen.flush()
        with pytest.raises(StorageError, match=rf"{folder} has .* free"):
            export(database, folder)
        assert not list(folder.iterdir())


def test_the_working_folder_stays_the_working_folder(
    database: Path, tmp_path: Path, export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "dots-v0"
    folder.mkdir(mode=0o750)
    before = folder.stat()
    monkeypatch.chdir(folder)
    summary = export(database, ".")
    assert summary.path == folder
    assert list(Path().iterdir())
    assert (folder.stat().st_ino, folder.stat().st_mode) == (before.st_ino, before.st_mode)


def test_a_part_that_cannot_be_moved_up_takes_the_others_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    rename = Path.rename

    def fail_at_last(path: Path, target: Path) -> Path:
        if target.parent == tmp_path:
            order.append(path.name)
            if path.name == "meta":
                raise OSError(5, "Input/output error")
        return rename(path, target)

    def fill() -> None:
        with new_folder(tmp_path) as new:
            for name in ("meta", "videos", "data"):
                (new / name).mkdir()

    monkeypatch.setattr(Path, "rename", fail_at_last)
    with pytest.raises(StorageError, match="Input/output error"):
        fill()
    assert order == ["data", "videos", "meta"]
    assert not list(tmp_path.iterdir())


def test_what_a_killed_export_left_in_the_folder_goes_with_the_next(
    database: Path, tmp_path: Path, export: Export
) -> None:
    folder = tmp_path / "dots-v0"
    folder.mkdir()
    code = (
        "import os, signal\n"
        f"from {export.__module__} import {export.__name__} as export\n"
        "kill = lambda state: state.rows and os.kill(os.getpid(), signal.SIGKILL)\n"
        f"export({str(database)!r}, {str(folder)!r}, progress=kill)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    (left,) = folder.iterdir()
    assert left.name.startswith(".dots-v0.")
    export(database, folder)
    assert not left.exists()


def test_where_nothing_can_be_made(database: Path, tmp_path: Path, export: Export) -> None:
    (tmp_path / "mine-v0").write_text("mine")
    with pytest.raises(DatasetError, match="is there already, as a file"):
        export(database, tmp_path / "mine-v0")
    with pytest.raises(StorageError, match="mkdir -p"):
        export(database, tmp_path / "no" / "such-v0")
    assert [path.name for path in tmp_path.iterdir()] == ["mine-v0"]


def test_an_interrupted_export_leaves_nothing(database: Path, tmp_path: Path, export: Export) -> None:
    def stop(state: ExportProgress) -> None:
        if state.rows:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(database, tmp_path / "dots-v0", progress=stop)
    assert not list(tmp_path.iterdir())


def test_a_killed_export_leaves_no_dataset_and_goes_with_the_next(
    database: Path, tmp_path: Path, export: Export
) -> None:
    code = (
        "import os, signal\n"
        f"from {export.__module__} import {export.__name__} as export\n"
        "kill = lambda state: state.rows and os.kill(os.getpid(), signal.SIGKILL)\n"
        f"export({str(database)!r}, {str(tmp_path / 'dots-v0')!r}, progress=kill)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".dots-v0.")
    export(database, tmp_path / "dots-v0")
    assert [path.name for path in tmp_path.iterdir()] == ["dots-v0"]


def test_a_disk_that_fills_up_leaves_nothing(database: Path, tmp_path: Path, export: Export) -> None:
    with small_disk(tmp_path / "small", 6) as folder:

        def fill(state: ExportProgress) -> None:
            fill_disk(folder)

        with pytest.raises(StorageError, match="Free some space"):
            export(database, folder / "dots-v0", progress=fill)
        assert {path.name for path in folder.iterdir()} == {"filler"}


def test_a_recording_that_is_damaged_in_the_middle_is_left_out(tmp_path: Path, export: Export) -> None:
    played(tmp_path / "data/sessions/one", 10, id="aa01")
    broken = played(tmp_path / "data/sessions/two", 40, id="bb02") / "video.mp4"
    data = bytearray(broken.read_bytes())
    start = len(data) // 3
    data[start : start * 2] = b"\xff" * start
    broken.write_bytes(data)
    summary = export(catalogue_of(tmp_path / "data"), tmp_path / "dots-v0")
    assert (summary.recordings, summary.episodes) == (("aa01",), 1)
    assert {path.name for path in tmp_path.iterdir()} == {"data", "dots-v0"}
