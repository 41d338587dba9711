"""The command line of the exports: ``python -m gameon_env.export.X`` and ``gameon export X``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from gameon_env.export.hdf5_export import command as hdf5
from gameon_env.export.npz_export import command as npz
from tests.unit.datasets.played_session import SIZE, catalogue_of, played


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    played(data / "sessions" / "one", 20, id="aa01", sound=True)
    played(data / "sessions" / "two", 10, id="bb02", game="Möbius: Go")
    played(data / "sessions" / "open", 8, id="cc03", finish=False)
    catalogue_of(data)
    return data


@pytest.mark.parametrize("words", [["-m", "gameon_env.export.hdf5_export"], ["-m", "gameon_env", "export", "hdf5"]])
def test_the_documents_commands(data: Path, tmp_path: Path, words: list[str]) -> None:
    chosen = ["--game", "Dots", "--output", str(tmp_path / "dots.h5"), "--data-dir", str(data)]
    done = subprocess.run([sys.executable, *words, *chosen], capture_output=True, text=True, check=True)
    assert "1 episode of 1 recording, 20 frames of 48x96, 4 controls, with sound" in done.stdout
    assert "about" in done.stderr
    assert "exporting" not in done.stderr  # a bar is for a terminal
    with h5py.File(tmp_path / "dots.h5") as file:
        assert file["video"].shape == (20, *SIZE, 3)


def test_all_games_and_what_was_left_out(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "all_games.h5"
    assert hdf5.main(["--all", "--output", str(output), "--data-dir", str(data)]) == 0
    shown = capsys.readouterr().out
    assert f"{output}: 2 episodes of 2 recordings, 30 frames of 48x96" in shown
    assert "left out:\n  cc03: " in shown


def test_the_summary_for_programs(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--game", "Möbius: Go", "--output", str(tmp_path / "a.npz"), "--db", str(data / "gameon.db"), "--json"]
    assert npz.main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["path"] == str(tmp_path / "a.npz")
    assert (told["rows"], told["recordings"], told["size"]) == (10, ["bb02"], [*SIZE])


def test_every_option_reaches_the_export(data: Path, tmp_path: Path) -> None:
    words = ["--sessions", "aa", "--output", str(tmp_path / "a.h5"), "--data-dir", str(data)]
    summary = hdf5.run([*words, "--size", "24x32", "--frame-skip", "2", "--no-audio", "--compression", "none"])
    assert (summary.size, summary.rows, summary.has_audio) == ((24, 32), 10, False)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["video"].compression is None
    summary = hdf5.run([*words, "--downsample", "4", "--fps", "10", "--audio-source", "both", "--workers", "2"])
    assert (summary.size, summary.rows, summary.has_audio) == ((12, 24), 7, True)
    words[words.index(str(tmp_path / "a.h5"))] = str(tmp_path / "a.npz")
    npz.run([*words, "--compressed"])
    with np.load(tmp_path / "a.npz") as file:
        assert file["video"].nbytes > (tmp_path / "a.npz").stat().st_size


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--all", "--game", "Dots"], "contradict"),
        ([], "say what to export: --game NAME, --all"),
        (["--game", "Dats"], "Did you mean 'Dots'"),
        (["--all", "--downsample", "0"], "downsample_factor must be a whole number from 1"),
        (["--all", "--workers", "0"], "workers must be"),
        (["--all", "--fps", "0"], "fps must be"),
    ],
)
def test_errors_are_one_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    chosen = ["--output", str(tmp_path / "a.h5"), "--data-dir", str(data)]
    assert hdf5.main([*words, *chosen], prog="gameon export hdf5") == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("gameon export hdf5: ")
    assert message in shown.err
    assert not shown.out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [["--size", "224"], ["--size", "2x2", "--downsample", "2"], ["--compression", "zip"]])
def test_wrong_words(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        hdf5.main(["--all", "--output", "a.h5", *words])
    assert stopped.value.code == 2
    assert words[0] in capsys.readouterr().err


def test_help_names_every_format_without_its_framework() -> None:
    code = (
        "import sys; sys.argv = ['gameon', 'export', '--help']\n"
        "from gameon_env.cli import main\n"
        "try: main()\n"
        "finally: assert not {'torch', 'tensorflow', 'h5py'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for word in ("hdf5", "npz", "torch", "tensorflow", "minari", "robomimic", "lerobot"):
        assert word in done.stdout
