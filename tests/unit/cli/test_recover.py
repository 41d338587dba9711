from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gameon_env.cli import make_app
from gameon_env.data_processing.trajectory import STEP_COLUMNS, Column, load_episodes, open_writer, zero_row
from gameon_env.recording.session_writer import SessionWriter
from gameon_env.recording.verification import verify
from tests.unit.recording.small_session import fill, info

COLUMNS = (Column("inputs", "float32", (2,)), *STEP_COLUMNS)


def abandon(folder: Path, format: str) -> None:
    """Leave a recording of four rows as a kill leaves it."""
    writer = open_writer(folder, "game", COLUMNS, format)
    writer.start_episode({"controls": ["key:a", "key:b"]})
    for i in range(4):
        row = zero_row(COLUMNS)
        row["is_first"][...] = i == 0
        row["is_valid"][...] = True
        writer.append(row)
    writer.close()


def test_it_brings_back_what_a_folder_holds(tmp_path: Path) -> None:
    abandon(tmp_path / "a", "hdf5")
    abandon(tmp_path / "b", "npz")
    (tmp_path / "bad.npz").write_bytes(b"no zip")
    result = CliRunner().invoke(make_app(["recover", "games"]), ["recover", str(tmp_path)])
    assert result.exit_code == 1
    assert "game.recovered.hdf5 (1 episode, 3 steps)" in result.output
    assert "game_ep00000.npz (1 episode, 3 steps)" in result.output
    assert "nothing can be saved of" in result.output
    assert [episode.num_steps for episode in load_episodes([tmp_path / "a", tmp_path / "b"])] == [3, 3]
    again = CliRunner().invoke(make_app(["recover", "games"]), ["recover", str(tmp_path / "a")])
    assert again.exit_code == 0
    assert "brought back before" in again.output
    assert "nothing to do" in again.output


def test_it_brings_back_sessions_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app, run = make_app(["recover", "games"]), CliRunner().invoke
    for name in ("a", "b"):
        writer = SessionWriter.create(tmp_path / "sessions" / name, info(id=name * 12))
        fill(writer)
        writer.commit()
        writer.close()
    abandon(tmp_path / "steps", "hdf5")
    folder = tmp_path / "sessions" / "a"
    shutil.copytree(tmp_path / "sessions", tmp_path / "copies")
    result = run(app, ["recover", str(tmp_path / "copies")])  # a folder of sessions
    assert result.output.count(": recovered: 1.000 s") == 2
    result = run(app, ["recover", str(folder)])
    assert result.exit_code == 0
    assert f"{folder}: recovered: 1.000 s" in result.output
    assert "missing: the recorder was cut off" in result.output
    assert verify(folder) == []
    monkeypatch.setenv("GAMEON_DATA_DIR", str(tmp_path))
    result = run(app, ["recover"])
    assert result.exit_code == 0
    assert f"{tmp_path}: 1 session is complete, nothing to do" in result.output
    assert f"{folder.with_name('b')}: recovered" in result.output
    assert "game.recovered.hdf5 (1 episode, 3 steps)" in result.output


def test_a_folder_of_nothing_is_said(tmp_path: Path) -> None:
    result = CliRunner().invoke(make_app(["recover", "games"]), ["recover", str(tmp_path)])
    assert result.exit_code == 1
    assert "nothing to recover" in result.output
