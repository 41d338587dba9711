"""A game's profile: a TOML file that says how to launch or find a game, what its controls are, and how its score,
its end and its reset are read off the screen. ``gameon games --help`` shows all keys.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gameon_env.controls import Controls
from gameon_env.desktop.process import GAME_FOLDERS
from gameon_env.errors import MissingProgramError, ProfileError, UnknownNameError, suggest
from gameon_env.games.readers import Reader, make_reader
from gameon_env.games.table import Table
from gameon_env.keys import BUTTONS, check_control
from gameon_env.paths import user_profiles_dir

BUILT_IN = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start the game.

    Attributes:
        command: program and arguments; ``{python}``, ``{seed}``, ``{width}``, ``{height}``, ``{folder}`` (the
            profile's) are filled in.
        screen_size: ``(height, width)`` of the private display.
        window: regular expression for the title of the game's window; the largest window of the game without one.
        home: ``private`` gives the game a HOME of its own, thrown away at the end; ``user`` leaves it the user's.
        env: environment variables for the game.
        install: the command that installs the game, for the error when it is missing.
        files: other files that the game needs.
        timeout_s: how long the window may take to show.
        gl: the private display offers OpenGL (58 MB more).
        cursor: the mouse pointer is in the picture.
    """

    command: tuple[str, ...]
    screen_size: tuple[int, int]
    window: str | None = None
    home: Literal["private", "user"] = "private"
    env: Mapping[str, str] = field(default_factory=dict)
    install: str = ""
    files: tuple[str, ...] = ()
    timeout_s: float = 30.0
    gl: bool = True
    cursor: bool = False

    def fill(self, *, seed: int, folder: Path) -> list[str]:
        """The command for one start."""
        height, width = self.screen_size
        values = {"python": sys.executable, "seed": seed, "width": width, "height": height, "folder": folder}
        return [part.format(**values) for part in self.command]

    @property
    def takes_seed(self) -> bool:
        """Whether the game can be started with a seed."""
        return any("{seed}" in part for part in self.command)

    def check_installed(self) -> None:
        """Raise :class:`MissingProgramError` where the program is not there."""
        program = self.fill(seed=0, folder=Path())[0]
        folders = os.pathsep.join([os.environ.get("PATH", os.defpath), *GAME_FOLDERS])
        missing = [file for file in self.files if not Path(file).expanduser().exists()]
        if shutil.which(program, path=folders) is None:
            missing.insert(0, program)
        if missing:
            remedy = f"install it: {self.install}" if self.install else "install it, or correct launch.command"
            raise MissingProgramError(f"the game is not installed, {', '.join(missing)} is missing; {remedy}")


@dataclass(frozen=True, slots=True)
class Attach:
    """Where to find a game that is on the screen already: a window's title, a monitor (from 0), or a region."""

    window: str | None = None
    monitor: int | None = None
    region: tuple[int, int, int, int] | None = None

    @classmethod
    def read(cls, table: Table) -> Attach:
        """From a table with exactly one of these keys.

        Raises:
            ProfileError: none or more than one of them, or another key.
        """
        region = table.integers("region", "left, top, width, height", None)
        made = cls(
            window=table.take("window", str, None),
            monitor=table.take("monitor", int, None),
            region=None if region is None else (region[0], region[1], region[2], region[3]),
        )
        table.done()
        if [made.window, made.monitor, made.region].count(None) != 2:
            raise table.error("window", "or monitor or region must be there, exactly one of them")
        return made


@dataclass(frozen=True, slots=True)
class RewardTerm:
    """``weight`` times what a reader says: its ``change`` since the last step, only its ``increase`` or ``decrease``
    (as a negative number), or its ``value``."""

    reader: str
    on: Literal["change", "increase", "decrease", "value"] = "change"
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Termination:
    """The game is over when a reader's value is at least ``above``, or at most ``below``, for ``steps`` steps."""

    reader: str
    above: float | None = None
    below: float | None = None
    steps: int = 1


@dataclass(frozen=True, slots=True)
class ResetStep:
    """One thing to do at a reset by keys: ``tap`` a key or button, ``hold`` it, ``wait`` some seconds, or wait
    ``until`` a reader is 1."""

    kind: Literal["tap", "wait", "until"]
    what: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Reset:
    """How a new episode begins.

    Attributes:
        mode: ``relaunch`` starts the game's process anew; ``keys`` does ``steps`` in the running game, and relaunches
            it where that does not make it ready; ``none`` takes the game as it is.
        steps: after a launch too, where ``always`` is set.
        ready: the reader that is 1 when the game can be played; a picture that is not one plain colour without it.
        timeout_s: how long the game may take to get ready.
    """

    mode: Literal["relaunch", "keys", "none"]
    steps: tuple[ResetStep, ...] = ()
    start_steps: tuple[ResetStep, ...] = ()
    ready: str | None = None
    timeout_s: float = 15.0


@dataclass(frozen=True)
class Profile:
    """A game's profile, checked. :func:`load_profile` reads one."""

    name: str
    title: str
    description: str
    path: Path
    fps: float
    time_limit_s: float | None
    launch: Launch | None
    attach: Attach | None
    controls: Controls
    score: str | None
    rewards: tuple[RewardTerm, ...]
    terminations: tuple[Termination, ...]
    reset: Reset
    emergency_stop: str
    reader_tables: Mapping[str, Mapping[str, object]]

    def make_readers(self) -> dict[str, Reader]:
        """New readers, one set per environment, by name."""
        return {
            name: make_reader(Table(dict(values), self.path, f"readers.{name}."))
            for name, values in self.reader_tables.items()
        }


def profile_paths() -> dict[str, Path]:
    """All profiles by name: those that are shipped, then the user's own, which win."""
    files = [*sorted(BUILT_IN.glob("*.toml")), *sorted(user_profiles_dir().glob("*.toml"))]
    return {file.stem: file for file in files}


def load_profile(game: str | Path) -> Profile:
    """Read a profile by name, or by the path of a TOML file.

    Raises:
        UnknownNameError: no such profile; the message suggests the nearest.
        ProfileError: the file is wrong; the message names the file, the key and what is allowed.
    """
    if isinstance(game, Path) or str(game).endswith(".toml"):
        return _read(Path(game).expanduser().resolve())
    paths = profile_paths()
    if game not in paths:
        raise UnknownNameError(
            f"no game profile {game!r}; there are {', '.join(paths)}, or give the path of a TOML file."
            f"{suggest(game, paths)}"
        )
    return _read(paths[game])


def _read(file: Path) -> Profile:
    table = Table.load(file)
    launch, attach = _launch(table), _attach(table)
    if (launch is None) == (attach is None):
        raise table.error("launch", "or attach must be there, one of the two: a game is launched or found")
    readers = {name: reader.rest() for name, reader in table.named_tables("readers").items()}
    profile = Profile(
        name=table.take("name", str, file.stem),
        title=table.take("title", str, file.stem),
        description=table.take("description", str, "").strip(),
        path=file,
        fps=table.number("fps", 30.0, low=0, above=True),
        time_limit_s=table.number("time_limit_s", low=0, above=True) if "time_limit_s" in table else None,
        launch=launch,
        attach=attach,
        controls=_controls(table, launch),
        score=_reader_name(table, "score", readers) if "score" in table else None,
        rewards=tuple(_reward(row, readers) for row in table.tables("reward")),
        terminations=tuple(_termination(row, readers) for row in table.tables("termination")),
        reset=_reset(table, readers, launched=launch is not None),
        emergency_stop=_button(table, "emergency_stop", "key:f12"),
        reader_tables=readers,
    )
    table.take("time_limit_s", float, None)
    table.take("score", str, None)
    table.done()
    profile.make_readers()  # their keys are checked now, not at the first frame
    return profile


def _launch(table: Table) -> Launch | None:
    launch = table.table("launch")
    if launch is None:
        return None
    command = launch.texts("command")
    size = launch.integers("screen_size", "height, width")
    assert size is not None
    if not command or min(size) < 16:
        raise launch.error("command", "must name a program, and screen_size must be at least 16x16")
    env = launch.take("env", dict, {})
    if not all(isinstance(value, str) for value in env.values()):
        raise launch.error("env", f"must hold texts; it is {env!r}")
    home = launch.choice("home", ("private", "user"), "private")
    made = Launch(
        command=command,
        screen_size=(size[0], size[1]),
        window=launch.take("window", str, None),
        home="private" if home == "private" else "user",
        env=env,
        install=launch.take("install", str, ""),
        files=launch.texts("files", ()),
        timeout_s=launch.number("timeout_s", 30.0, low=0, above=True),
        gl=launch.take("gl", bool, True),
        cursor=launch.take("cursor", bool, False),
    )
    launch.done()
    try:
        made.fill(seed=0, folder=Path())
    except (KeyError, IndexError, ValueError) as error:
        raise launch.error(
            "command", f"may use {{python}} {{seed}} {{width}} {{height}} {{folder}}: {error}"
        ) from error
    return made


def _attach(table: Table) -> Attach | None:
    attach = table.table("attach")
    return None if attach is None else Attach.read(attach)


def _controls(table: Table, launch: Launch | None) -> Controls:
    section = table.table("controls")
    if section is None:
        raise table.error("controls", "is missing: [controls] with names = [...] is needed")
    names = section.texts("names")
    pads = [name for name in names if name.startswith("pad:")]
    if pads:
        raise section.error("names", f"holds {pads}: gamepads can be recorded, but not injected; leave them out")
    try:
        controls = Controls(
            names,
            mouse_scale_px=section.number("mouse_scale_px", 100.0, low=0, above=True),
            wheel_scale=section.number("wheel_scale", 1.0, low=0, above=True),
            window_size=launch.screen_size if launch else (480, 640),
        )
    except (UnknownNameError, ProfileError) as error:
        raise section.wrap("names", error) from error
    section.done()
    return controls


def _reward(row: Table, readers: Mapping[str, object]) -> RewardTerm:
    on = row.choice("on", ("change", "increase", "decrease", "value"), "change")
    term = RewardTerm(_reader_name(row, "reader", readers), on, row.number("weight", 1.0))  # type: ignore[arg-type]
    row.done()
    return term


def _termination(row: Table, readers: Mapping[str, object]) -> Termination:
    above = row.number("above") if "above" in row else None
    below = row.number("below") if "below" in row else None
    row.take("above", float, None), row.take("below", float, None)
    if above is None and below is None:
        above = 1.0  # readers that say yes or no
    steps = row.take("steps", int, 1)
    if steps < 1:
        raise row.error("steps", f"must be at least 1; it is {steps}")
    made = Termination(_reader_name(row, "reader", readers), above, below, steps)
    row.done()
    return made


def _reset(table: Table, readers: Mapping[str, object], *, launched: bool) -> Reset:
    section = table.table("reset")
    if section is None:
        return Reset("relaunch" if launched else "none")
    mode = section.choice("mode", ("relaunch", "keys", "none"), "relaunch" if launched else "none")
    if mode == "relaunch" and not launched:
        raise section.error("mode", "cannot be relaunch: this profile attaches to a game and launches nothing")
    made = Reset(
        mode=mode,  # type: ignore[arg-type]
        steps=tuple(_reset_step(row, readers) for row in section.tables("steps")),
        start_steps=tuple(_reset_step(row, readers) for row in section.tables("start_steps")),
        ready=_reader_name(section, "ready", readers) if "ready" in section else None,
        timeout_s=section.number("timeout_s", 15.0, low=0, above=True),
    )
    section.take("ready", str, None)
    section.done()
    if made.mode == "keys" and not made.steps:
        raise section.error("steps", "is missing: reset.mode = 'keys' needs [[reset.steps]]")
    return made


def _reset_step(row: Table, readers: Mapping[str, object]) -> ResetStep:
    kinds = [kind for kind in ("tap", "wait", "until") if kind in row]
    if len(kinds) != 1:
        raise row.error("tap", "or wait or until must be there, exactly one of them")
    if kinds[0] == "wait":
        step = ResetStep("wait", seconds=row.number("wait", low=0))
    elif kinds[0] == "tap":
        step = ResetStep("tap", _button(row, "tap"), row.number("seconds", 0.1, low=0))
    else:
        step = ResetStep("until", _reader_name(row, "until", readers), row.number("seconds", 10.0, low=0))
    row.done()
    return step


def _reader_name(table: Table, key: str, readers: Mapping[str, object]) -> str:
    name = table.take(key, str)
    if name not in readers:
        raise table.error(key, f"must name a [readers.NAME] ({', '.join(readers) or 'none here'}); it is {name!r}")
    return name


def _button(table: Table, key: str, default: str | None = None) -> str:
    name = table.take(key, str) if default is None else table.take(key, str, default)
    try:
        check_control(name)
    except UnknownNameError as error:
        raise table.wrap(key, error) from error
    if name not in BUTTONS:
        raise table.error(key, f"must be a key or button; it is {name!r}")
    return name
