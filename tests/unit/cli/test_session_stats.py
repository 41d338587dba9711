"""``gameon sessions stats``."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gameon_env.cli import make_app
from gameon_env.errors import GameOnError, UnknownNameError
from gameon_env.recording.catalogue import Catalogue
from gameon_env.recording.session_folder import new_session_folder
from tests.unit.datasets.judged_session import judged
from tests.unit.datasets.played_session import trajectory


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A good session, one without a picture, and one that was cut off; the report goes into the current folder."""
    monkeypatch.setenv("GAMEON_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    with Catalogue() as catalogue:
        for i, (game, changes) in enumerate(
            (("Dots", {}), ("Dark", {"shown": "black"}), ("Dots", {"finish": False})), start=1
        ):
            folder = new_session_folder(catalogue.data_dir, game, datetime(2026, 3, i, 13))
            catalogue.add(judged(folder, id=f"{i}a{i}b", game=game, seconds=12, **changes))  # type: ignore[arg-type]
    return tmp_path / "data"


def run(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(make_app(["sessions", "games"]), ["sessions", "stats", *words])
    if isinstance(result.exception, GameOnError):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


def test_all_sessions(data: Path) -> None:
    text = run("--all")
    for words in ("2 recordings", "black picture: Dark_", "(0:00 to 0:12)", "not looked at: Dots_2026", "recover"):
        assert words in text
    page = Path("report.html").read_text(encoding="utf-8")
    assert "black picture" in page
    assert "gameon recover" in page


def test_some_of_them(data: Path) -> None:
    assert "no warnings" in run("1a1b", "--output", "out/one.html")
    assert "Dots_20260301" in Path("out/one.html").read_text(encoding="utf-8")
    assert not Path("report.html").exists()
    with Catalogue() as catalogue:
        folder = catalogue.find("2a2b").folder
    assert "1 recordings" in run(str(folder))
    assert "not looked at" in run("--game", "dots")


def test_for_programs(data: Path) -> None:
    facts = json.loads(run("2a2b", "--json"))
    assert [recording["id"] for recording in facts["recordings"]] == ["2a2b"]
    assert {"black picture", "frozen picture"} <= {warning["kind"] for warning in facts["warnings"]}
    assert not Path("report.html").exists()
    run("2a2b", "--json", "-o", "page.html")
    assert Path("page.html").exists()


def test_trajectory_files(data: Path) -> None:
    path = trajectory(data.parent / "steps", (12, 8))
    assert "2 recordings" in run(str(path))
    assert "2 recordings" in run(str(path.parent))


def test_what_is_wrong_is_said(data: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"no session of 'Dot'.*Did you mean 'Dots'"):
        run("--game", "Dot")
    with pytest.raises(UnknownNameError, match="no session 'zz'"):
        run("zz")
    assert "--all" in run(code=2)
    assert "--all" in run("1a1b", "--all", code=2)
