from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from gameon_env.cli import make_app
from gameon_env.errors import GameOnError, SessionError, UnknownNameError
from gameon_env.recording.catalogue import Catalogue
from gameon_env.recording.session_folder import new_session_folder
from gameon_env.recording.session_writer import SessionWriter
from tests.unit.recording.small_session import info, record_media


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two sessions, in the folder that is used where none is named."""
    monkeypatch.setenv("GAMEON_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "250")
    with Catalogue() as catalogue:
        for i, game in enumerate(("Doom", "CS:GO"), start=1):
            folder = new_session_folder(catalogue.data_dir, game, datetime(2026, 3, i, 13))
            record_media(folder, id=f"{i}a{i}b", game=game, started_at=f"2026-03-0{i}T12:00:00.000000Z")
            catalogue.add(folder)
    return tmp_path / "data"


def run(*words: str, answer: str | None = None, code: int = 0) -> str:
    result: Result = CliRunner().invoke(make_app(["sessions", "games"]), ["sessions", *words], input=answer)
    if isinstance(result.exception, GameOnError):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


def run_json(*words: str, code: int = 0) -> Any:
    return json.loads(run(*words, "--json", code=code))


def test_list_filters_and_speaks_to_programs(data: Path) -> None:
    text = run("list")
    for word in ("1a1b", "Doom", "CS:GO", "0:00:02", "2 (-1)", "completed", "human"):
        assert word in text
    assert [row["id"] for row in run_json("list")] == ["1a1b", "2a2b"]
    assert [row["id"] for row in run_json("list", "--game", "cs:go")] == ["2a2b"]
    assert [row["id"] for row in run_json("list", "--after", "2026-03-02")] == ["2a2b"]
    assert [row["id"] for row in run_json("list", "--before", "2026-03-02", "--min-s", "1")] == ["1a1b"]
    assert run_json("list", "--status", "recovered") == []
    assert "There are sessions of: CS:GO, Doom" in run("list", "--game", "Quake")
    with pytest.raises(UnknownNameError, match="Did you mean 'completed'"):
        run("list", "--status", "complete")
    with pytest.raises(SessionError, match="no catalogue"):
        run("list", "--data-dir", str(data / "inner"))


def test_show_says_what_is_in_a_session(data: Path) -> None:
    text = run("show", "1a1b")
    for word in ("Doom", "1280 x 720, h264", "video.mp4", "1 dropped", "all, paused", "12.5 % CPU", "key:w"):
        assert word in text
    facts = run_json("show", "CS_GO")
    assert facts["events_by_control"] == {
        "key:w": 2,
        "key:a": 0,
        "mouse:dx": 1,
        "mouse:dy": 1,
        "pad:left_x": 1,
    }
    assert facts["frames_not_in_video"] == {"dropped": 1}
    assert facts["info"]["picture_size"] == [720, 1280]
    alone = shutil.copytree(facts["folder"], data.parent / "alone")
    assert run_json("show", str(alone))["id"] == "2a2b"


def test_states_that_need_a_deed_name_it(data: Path) -> None:
    with Catalogue() as catalogue:
        shutil.rmtree(catalogue.find("1a1b").folder)
        writer = SessionWriter.create(new_session_folder(data, "Live", datetime.now()), info(id="3a3b"))
        catalogue.add(writer.folder)
    text = run("list")
    assert "folder gone: gameon sessions reindex" in text
    assert "recording now" in text
    assert "folder gone" in run("show", "1a1b")
    assert run_json("show", "1a1b")["present"] is False
    writer.close()
    assert "cut off: gameon recover" in run("list")
    text = run("reindex")
    assert "Doom_20260301_130000" in text
    assert "2 sessions in" in text
    assert run_json("reindex") == {"added": [], "changed": [], "gone": [], "problems": []}


def test_tags_and_notes(data: Path) -> None:
    assert "Doom_20260301_130000: fast, good" in run("tag", "1a1b", "good", "fast")
    assert [row["id"] for row in run_json("list", "--tag", "good")] == ["1a1b"]
    assert "Doom_20260301_130000: fast" in run("untag", "1a1b", "good")
    assert "my [best] run" in run("note", "1a1b", "my [best] run")
    assert "my [best] run" in run("show", "1a1b")


def test_deletion_asks(data: Path) -> None:
    run("delete", "1a1b", answer="n\n", code=1)
    assert len(run_json("list")) == 2
    text = run("delete", "1a1b", answer="y\n")
    assert "Delete 1 session for good?" in text
    assert [row["id"] for row in run_json("list")] == ["2a2b"]
    run("delete", "2a", "--yes")
    assert list((data / "sessions").iterdir()) == []


def test_verify_finds_what_is_wrong(data: Path) -> None:
    assert run("verify", "--all").count("sound") == 2
    with Catalogue() as catalogue:
        (catalogue.find("1a1b").folder / "video.mp4").unlink()
    text = run("verify", "--all", code=1)
    assert "not sound" in text
    assert "video.mp4 is not there" in text
    rows = run_json("verify", "1a1b", code=1)
    assert rows[0]["id"] == "1a1b"
    assert all(problem["remedy"] for problem in rows[0]["problems"])
    assert "--all" in run("verify", code=2)


def test_verify_takes_folders_that_are_damaged(data: Path) -> None:
    with Catalogue() as catalogue:
        folder = catalogue.find("1a1b").folder
    (folder / "session.db").write_bytes(b"x" * 5000)
    (row,) = run_json("verify", str(folder), code=1)
    assert row["id"] is None
    assert row["folder"] == str(folder)
    assert "damaged" in row["problems"][0]["what"]
    (folder / "session.db").unlink()
    assert "gameon recover" in run("verify", str(folder), code=1)


def test_a_list_for_a_file_is_not_cut_to_a_terminals_width(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    run("tag", "1a1b", "a tag of many words")
    (line,) = [line for line in run("list").splitlines() if line.startswith("1a1b")]
    assert "completed" in line
    assert line.endswith("a tag of many words")
