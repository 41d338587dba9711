"""What gets to people: the wheel holds the two packages with their data, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from email import message_from_string
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA_ENDINGS = {".toml", ".cfg", ".png", ".wav", ".html", ".css", ".js", ".sql", ".c", ".h", ".md"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built by the backend itself: no network, no environment of its own."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.whl")
    return path


def contents(wheel: Path) -> set[PurePosixPath]:
    with zipfile.ZipFile(wheel) as archive:
        return {PurePosixPath(name) for name in archive.namelist()}


def test_only_the_two_packages_are_shipped(wheel: Path) -> None:
    rooms = {path.parts[0] for path in contents(wheel)}
    assert {room for room in rooms if not room.endswith(".dist-info")} == {"gameon_env", "wrappers"}


def test_every_module_and_data_file_is_shipped(wheel: Path) -> None:
    in_tree = {
        PurePosixPath(file.relative_to(ROOT).as_posix())
        for package in ("gameon_env", "wrappers")
        for file in (ROOT / package).rglob("*")
        if file.is_file() and (file.suffix in DATA_ENDINGS | {".py"} or file.name == "py.typed")
    }
    assert in_tree - contents(wheel) == set()


def test_nothing_unexpected_is_shipped(wheel: Path) -> None:
    strange = {
        path
        for path in contents(wheel)
        if not path.parts[0].endswith(".dist-info")
        and path.suffix not in DATA_ENDINGS | {".py"}
        and path.name not in ("py.typed", "three.LICENSE")
    }
    assert strange == set()


def test_metadata_names_licence_command_and_extras(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        texts = {PurePosixPath(name).name: name for name in archive.namelist() if ".dist-info/" in name}
        metadata = message_from_string(archive.read(texts["METADATA"]).decode())
        commands = archive.read(texts["entry_points.txt"]).decode()
    assert metadata["Name"] == "gameon-env"
    assert metadata["License-Expression"] == "MIT"
    assert "LICENSE" in texts
    assert {"torch", "tensorflow", "sb3", "all", "dev"} <= set(metadata.get_all("Provides-Extra") or [])
    assert "gameon = gameon_env.cli:main" in commands
    # python-xlib is no help elsewhere, and pynput cannot be installed on Linux without a compiler.
    required = [line for line in metadata.get_all("Requires-Dist") or [] if "extra ==" not in line]
    assert any(line.startswith("python-xlib") and "sys_platform" in line for line in required)
    assert all("sys_platform" in line for line in required if line.startswith("pynput"))
    assert not any(line.startswith(("torch", "tensorflow")) for line in required)
