"""The [actions] of a profile: read as they are written, and what is wrong named with file and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from gameon_env.errors import ProfileError
from gameon_env.games.profile import load_profile

PROFILE = """
[launch]
command = ["mygame"]
screen_size = [480, 640]
[controls]
names = ["key:w", "mouse:left", "mouse:dx"]
[actions]
nothing = []
run = ["key:w"]
aim = { "mouse:dx" = -0.5, "mouse:left" = 1 }
"""


def load(folder: Path, text: str) -> dict[str, dict[str, float]]:
    path = folder / "mine.toml"
    path.write_text(text)
    return {name: dict(combination) for name, combination in load_profile(path).actions.items()}


def test_combinations_are_read_in_their_order(tmp_path: Path) -> None:
    read = load(tmp_path, PROFILE)
    assert read == {"nothing": {}, "run": {"key:w": 1.0}, "aim": {"mouse:dx": -0.5, "mouse:left": 1.0}}
    assert list(read) == ["nothing", "run", "aim"]
    assert load(tmp_path, PROFILE[: PROFILE.index("[actions]")]) == {}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('["key:w"]\naim', '["key:ww"]\naim', "actions.run holds 'key:ww'.*Did you mean 'key:w'"),
        ("-0.5", "-1.5", "actions.aim gives mouse:dx the value -1.5"),
        ("-0.5", "true", "actions.aim gives mouse:dx the value True"),
        ("= 1 }", "= 0.5 }", "actions.aim gives mouse:left the value 0.5; a key or button is 1"),
        ('["key:w"]\naim', '["mouse:dx"]\naim', "actions.run holds the axis mouse:dx"),
        ('["key:w"]\naim', '["key:w", "key:w"]\naim', "actions.run holds key:w twice"),
        ('["key:w"]\naim', "3\naim", "actions.run must be a list of controls"),
        ('["key:w"]\naim', "[3]\naim", "actions.run holds 3"),
        ('["key:w"]\naim', "[]\naim", "actions.run is the same combination as nothing"),
    ],
)
def test_each_mistake_is_named_with_file_and_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in PROFILE
    with pytest.raises(ProfileError, match=f"(?s)mine.toml: .*{said}"):
        load(tmp_path, PROFILE.replace(old, new, 1))
