"""Profiles: what is shipped is right, and what is wrong is said with file and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from gameon_env.errors import GameOnError, MissingProgramError, ProfileError, UnknownNameError
from gameon_env.games.profile import load_profile, profile_paths

GOOD = """
fps = 20
score = "score"
[launch]
command = ["mygame", "--seed={seed}"]
screen_size = [480, 640]
install = "apt-get install mygame"
[controls]
names = ["key:w", "mouse:dx"]
[readers.score]
kind = "bar"
region = [0, 0, 10, 10]
color = [255, 0, 0]
[[reward]]
reader = "score"
[[termination]]
reader = "score"
below = 0
[reset]
mode = "keys"
[[reset.steps]]
tap = "key:enter"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


def test_all_shipped_profiles_load() -> None:
    assert {"rescue", "aliens", "doom", "desktop"} <= set(profile_paths())
    for name in profile_paths():
        profile = load_profile(name)
        assert profile.name == name
        assert profile.description
        assert len(profile.make_readers()) == len(profile.reader_tables)


def test_a_profile_loads_by_path(tmp_path: Path) -> None:
    profile = load_profile(str(write(tmp_path, GOOD)))
    assert profile.name == "mine"
    assert profile.controls.names == ("key:w", "mouse:dx")
    assert profile.launch is not None
    assert profile.launch.fill(seed=7, folder=tmp_path) == ["mygame", "--seed=7"]
    assert profile.launch.takes_seed
    assert profile.terminations[0].below == 0


def test_an_unknown_game_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'rescue'"):
        load_profile("resue")


def test_a_game_that_is_not_installed_says_how_to_get_it(tmp_path: Path) -> None:
    launch = load_profile(write(tmp_path, GOOD)).launch
    assert launch is not None
    with pytest.raises(MissingProgramError, match="apt-get install mygame"):
        launch.check_installed(tmp_path)


def test_a_game_that_lies_beside_its_profile_is_found(tmp_path: Path) -> None:
    launch = load_profile(write(tmp_path, GOOD.replace('"mygame"', '"{folder}/mygame"'))).launch
    assert launch is not None
    with pytest.raises(MissingProgramError, match="mygame is missing"):
        launch.check_installed(tmp_path)
    (tmp_path / "mygame").touch(mode=0o755)
    launch.check_installed(tmp_path)


def test_a_module_that_is_missing_is_said(tmp_path: Path) -> None:
    path = tmp_path / "game.toml"
    path.write_text(
        '[launch]\ncommand = ["{python}"]\nscreen_size = [90, 90]\nmodules = ["json", "no_such_module"]\n'
        'install = "pip install no-such-module"\n[controls]\nnames = ["key:a"]\n'
    )
    launch = load_profile(path).launch
    assert launch is not None
    with pytest.raises(MissingProgramError, match=r"installed, no_such_module is missing.*pip install no-such-module"):
        launch.check_installed(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("fps = 20", "fsp = 20", "fsp is unknown.*Did you mean 'fps'"),
        ("fps = 20", "fps = 0", "fps must be more than 0"),
        ("fps = 20", 'fps = "fast"', "fps must be a number"),
        ("[480, 640]", "[480]", r"launch.screen_size must be \[height, width\]"),
        ('"key:w"', '"key:ww"', "controls.names is wrong: unknown control 'key:ww'"),
        ('"key:w"', '"pad:a"', "controls.names holds.*cannot|injected"),
        ('kind = "bar"', 'kind = "barr"', "readers.score.kind must be one of.*Did you mean 'bar'"),
        ("color = [255, 0, 0]", "color = [256, 0, 0]", "readers.score.color must be"),
        ("color = [255, 0, 0]", "colour = [255, 0, 0]", "readers.score.color is missing"),
        ('[[reward]]\nreader = "score"', '[[reward]]\nreader = "points"', r"reward\[0\].reader must name a"),
        ("below = 0", "belov = 0", r"termination\[0\].belov is unknown"),
        ('mode = "keys"', 'mode = "key"', "reset.mode must be one of"),
        ('tap = "key:enter"', 'tap = "mouse:dx"', r"reset.steps\[0\].tap must be a key or button"),
        ('tap = "key:enter"', 'press = "key:enter"', r"reset.steps\[0\].tap or wait or until"),
        (
            'tap = "key:enter"',
            'tap = "mouse:left"\nat = [640, 9]',
            r"reset.steps\[0\].at must be \[x, y\].*it is \[640, 9\]",
        ),
        ('tap = "key:enter"', "wait = 1\nat = [6, 9]", r"reset.steps\[0\].at is unknown"),
        ('"--seed={seed}"', '"--seed={sed}"', "launch.command may use"),
        ("[launch]", "[attach]\nmonitor = 0\n[launch]", r"attach stands beside \[launch\].*keep one"),
        ("[launch]", "[lanch]", "lanch is unknown; allowed here: name, title.*Did you mean 'launch'"),
        ("[[reward]]", "[reward]", r"reward must be written as \[\[reward\]\]"),
        ("fps = 20", "fps = = 20", "not valid TOML"),
        ('score = "score"', 'score = "points"', "score must name a"),
        ("region = [0, 0, 10, 10]", "region = [0, 0, 10, 0]", "region must be"),
        (
            "region = [0, 0, 10, 10]",
            "region = [635, 0, 10, 10]",
            r"readers.score.region must lie within.*x = 645.*\[480, 640\]",
        ),
        ("region = [0, 0, 10, 10]", "region = [0, 600, 10, 10]", r"readers.score.region must lie within.*y = 610"),
        ('"--seed={seed}"', '"{python.x}"', "launch.command may use"),
        ('"--seed={seed}"', '"{python[x]}"', "launch.command may use"),
        ('"--seed={seed}"', '"{}"', "launch.command may use"),
        ('install = "', 'window = "("\ninstall = "', "launch.window must be a regular expression"),
        ("fps = 20", "fps = nan", "fps must be a finite number"),
        ("fps = 20", "fps = inf", "fps must be a finite number"),
        (
            "fps = 20",
            'fps = 20\nemergency_stop = "key:w"',
            "emergency_stop must be a key that the game does not use: 'key:w'",
        ),
        (
            '"key:w"',
            '"key:w", "key:f12"',
            r"emergency_stop must be a key .*'key:f12' \(F12 without it\) is in controls",
        ),
        ("below = 0", "below = nan", r"termination\[0\].below must be a finite number"),
        ("color = [255, 0, 0]", "colors = []", "readers.score.colors must hold at least one"),
        (
            'kind = "bar"\nregion = [0, 0, 10, 10]\ncolor = [255, 0, 0]',
            'kind = "digits"\nregion = [0, 0, 10, 10]\nfont = "none.png"',
            "readers.score.font is wrong: .*none.png.*gameon teach",
        ),
    ],
)
def test_each_mistake_is_named_with_file_and_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(ProfileError, match=f"(?s)mine.toml.*{said}"):
        load_profile(path)


def test_regions_of_a_game_that_is_found_may_lie_anywhere(tmp_path: Path) -> None:
    start, end = GOOD.index("[launch]"), GOOD.index("[controls]")
    text = (GOOD[:start] + "[attach]\nmonitor = 0\n" + GOOD[end:]).replace("region = [0, 0,", "region = [3000, 2000,")
    assert len(load_profile(write(tmp_path, text)).make_readers()) == 1


def test_a_profile_that_neither_launches_nor_finds_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"launch or attach is missing: \[launch\] with a command"):
        load_profile(write(tmp_path, '[controls]\nnames = ["key:a"]\n'))


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(GameOnError, match="cannot be read"):
        load_profile(tmp_path / "none.toml")
