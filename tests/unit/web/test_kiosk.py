"""What the kiosk takes, refuses and tells the browser and the page."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlencode

import pytest

from gameon_env.errors import MissingProgramError
from gameon_env.web import kiosk
from gameon_env.web.chromium import PROGRAMS, browser_options, chromium_command, find_chromium


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.delenv("GAMEON_CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def program(folder: Path, name: str) -> str:
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


def test_without_a_browser_the_remedy_is_said(nothing_installed: Path) -> None:
    with pytest.raises(MissingProgramError, match="apt-get install chromium"):
        find_chromium()
    assert kiosk.main(["--data-dir", str(nothing_installed)]) == 1


def test_the_first_browser_there_is_taken(nothing_installed: Path) -> None:
    chrome = program(nothing_installed, PROGRAMS[3])
    assert find_chromium() == chrome
    assert find_chromium() != program(nothing_installed, PROGRAMS[0]) == find_chromium()


def test_a_named_browser_wins_and_must_be_there(nothing_installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(nothing_installed, PROGRAMS[0])
    mine = program(nothing_installed, "mine")
    monkeypatch.setenv("GAMEON_CHROMIUM", mine)
    assert find_chromium() == mine
    monkeypatch.setenv("GAMEON_CHROMIUM", "/nowhere/chromium")
    with pytest.raises(MissingProgramError, match="/nowhere/chromium"):
        find_chromium()


@pytest.mark.parametrize(("user", "boxed"), [(0, False), (1000, True)])
def test_only_root_goes_without_the_sandbox(user: int, boxed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: user, raising=False)
    options = browser_options(Path("/p"), None, software_gl=False)
    assert ("--no-sandbox" not in options) == boxed
    assert "--kiosk" in options
    assert not [option for option in options if "swiftshader" in option]


def test_a_window_of_a_size_shows_the_page_alone() -> None:
    command = chromium_command("chromium", "http://127.0.0.1:1/?a=b", profile=Path("/p"), size=(480, 640),
                               software_gl=True)  # fmt: skip
    assert command[:2] == ["chromium", "--app=http://127.0.0.1:1/?a=b"]
    assert {"--user-data-dir=/p", "--window-size=640,480", "--window-position=0,0", "--use-angle=swiftshader"} <= set(
        command
    )
    assert "--kiosk" not in command


def test_the_page_is_told_all_that_was_asked() -> None:
    words = ["--environment", "tsunami", "--seed", "7", "--seconds", "60", "--player", "a&b", "--record"]
    told = kiosk.page_options(kiosk.parser().parse_args(words))
    assert parse_qs(urlencode(told)) == {
        "kiosk": ["1"], "environment": ["tsunami"], "seed": ["7"], "player": ["a&b"], "seconds": ["60"],
        "record": ["1"],
    }  # fmt: skip
    plain = kiosk.page_options(kiosk.parser().parse_args([]))
    assert plain.keys() == {"kiosk", "environment", "seed", "player"}


@pytest.mark.parametrize(
    "words",
    [
        ("--seed", "-1"),
        ("--seed", str(2**32)),
        ("--seed", "x"),
        ("--size", "640"),
        ("--size", "10x10"),
        ("--environment", "moon"),
        ("--seconds", "0"),
        ("--seconds", "nan"),
        ("--port", "70000"),
    ],
)
def test_what_makes_no_sense_is_refused(words: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        kiosk.parser().parse_args(words)
    assert end.value.code == 2
    assert words[0] in capsys.readouterr().err
