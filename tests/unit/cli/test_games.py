"""`gameon games`: profiles are shown as they are, and the help's own example is a profile that loads."""

from __future__ import annotations

import textwrap
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from gameon_env.cli import make_app
from gameon_env.cli.games import command
from gameon_env.data_processing.digits import DigitFont
from gameon_env.games.profile import load_profile
from gameon_env.games.readers import KINDS


def shown(*words: str) -> str:
    result = CliRunner().invoke(make_app(["games", "play"]), ["games", *words])
    assert result.exit_code == 0, result.output
    return result.output


def test_texts_in_brackets_are_printed() -> None:
    assert '"region": [left, top, width, height]' in shown("desktop")


def test_a_profile_is_printed_as_it_is(tmp_path: Path) -> None:
    text = load_profile("rescue").path.read_text()
    text = text.replace('title = "Rescue"', 'title = "[red]Rescue :robot:"')
    text = text.replace('font = "', f'font = "{load_profile("rescue").path.parent}/')
    (tmp_path / "mine.toml").write_text(text)
    assert "[red]Rescue :robot:" in shown(str(tmp_path / "mine.toml"))


def test_the_example_in_the_help_is_a_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_module.py").write_text("def read(view):\n    return 1.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    cv2.imwrite(str(tmp_path / "mygame_menu.png"), np.full((20, 30, 3), 90, np.uint8))
    cv2.imwrite(str(tmp_path / "mygame_lost.png"), np.full((20, 30, 3), 90, np.uint8))
    cv2.imwrite(str(tmp_path / "mygame_heart.png"), np.full((9, 9, 3), 90, np.uint8))
    lines = (command.__doc__ or "").splitlines()
    example = [line for line in lines[lines.index("    \b") :] if line.strip() != "\b"]
    (tmp_path / "mygame.toml").write_text(textwrap.dedent("\n".join(example)))
    DigitFont({digit: np.full((9, 7, 4), 255, np.uint8) for digit in "0123456789"}).save(tmp_path / "mygame_digits.png")
    profile = load_profile(tmp_path / "mygame.toml")
    assert profile.launch is not None
    assert set(KINDS) == {values["kind"] for values in profile.reader_tables.values()}
    assert [step.kind for step in profile.reset.steps] == ["tap", "tap", "wait", "until"]
    assert [step.kind for step in profile.reset.start_steps] == ["tap"]
    help_page = shown("--help")
    for key in ("env", "home", "files", "timeout_s", "gl", "cursor", "window", "emergency_stop"):
        assert f"{key} = " in help_page
