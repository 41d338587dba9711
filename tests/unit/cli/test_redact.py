"""``gameon sessions redact``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gameon_env.cli import make_app
from gameon_env.cli.times import clock_time, seconds_of
from gameon_env.errors import GameOnError, SessionError
from gameon_env.recording.catalogue import Catalogue
from gameon_env.recording.session import Session
from gameon_env.recording.session_folder import new_session_folder
from gameon_env.recording.verification import verify
from tests.unit.recording.small_session import record_media


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GAMEON_DATA_DIR", str(tmp_path / "data"))
    with Catalogue() as catalogue:
        folder = new_session_folder(catalogue.data_dir, "Doom", datetime(2026, 3, 1, 13))
        record_media(folder)
        catalogue.add(folder)
    return folder


def redact(*words: str, answer: str | None = None, code: int = 0) -> str:
    result = CliRunner().invoke(make_app(["sessions", "games"]), ["sessions", "redact", *words], input=answer)
    if isinstance(result.exception, GameOnError):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


def test_times_are_read_as_people_write_them() -> None:
    assert [seconds_of(text) for text in ("12.5", "1:20", "1:02:03.5", "90", ".5")] == [12.5, 80, 3723.5, 90, 0.5]
    for text in ("", "1:", "-3", "1:2:3:4", "abc", "1e3", "nan"):
        with pytest.raises(GameOnError, match="m:ss"):
            seconds_of(text)
    assert clock_time(3723.5) == "1:02:03.500"


def test_it_asks_then_cuts_and_the_catalogue_knows(folder: Path) -> None:
    redact("Doom", "--from", "0.01", "--to", "1", answer="n", code=1)
    with Session(folder) as session:
        assert session.counts["events"] == 5
    said = redact("Doom", "--from", "0.01", "--to", "0:01", answer="y")
    assert "Cut 0:00:00.010 to 0:00:01.000 out of Doom_20260301_130000 for good?" in said
    assert "2 frames, 0 input events" in said
    assert "exported" in said
    redact("Doom", "--from", "0", "--to", "0.005", "--from", "1", "--to", "1.5", "--yes")
    assert verify(folder) == []
    with Catalogue() as catalogue:
        (entry,) = catalogue.sessions()
    assert (entry.frames, entry.dropped, entry.events) == (0, 0, 2)  # what is held: a key, a stick


def test_a_folder_that_stands_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAMEON_DATA_DIR", str(tmp_path / "none"))
    folder = record_media(tmp_path / "alone")
    assert "cut out" in redact(str(folder), "--from", "1", "--to", "2", "-y")
    assert not (tmp_path / "none").exists()


def test_mistakes_are_said(folder: Path) -> None:
    assert "say what to cut" in redact("Doom", code=2)
    assert "each --from" in redact("Doom", "--from", "1", "-y", code=2)
    with pytest.raises(SessionError, match=r"lasts 2\.000 s"):
        redact("Doom", "--from", "3", "--to", "4", "-y")
