"""What a profile says, as data. :mod:`gameon_env.games.profile` is where it is found, loaded and checked."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gameon_env.controls import Controls
from gameon_env.desktop.process import GAME_FOLDERS
from gameon_env.errors import MissingProgramError
from gameon_env.games.combinations import Combination
from gameon_env.games.readers import Reader, make_reader
from gameon_env.games.table import Table
from gameon_env.games.training_table import Training


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start the game.

    Attributes:
        command: program and arguments; ``{python}``, ``{seed}``, ``{width}``, ``{height}``, ``{folder}`` (the
            profile's) are filled in.
        lockstep_arguments: what is added to them in lockstep, as what turns off sound that nobody hears there.
        screen_size: ``(height, width)`` of the private display.
        window: regular expression for the title of the game's window; the largest window of the game without one.
        home: ``private`` gives the game a HOME of its own, empty at each launch and thrown away at the end; ``user``
            leaves it the user's.
        env: environment variables for the game.
        install: the command that installs the game, for the error when it is missing.
        files: other files that the game needs.
        modules: Python modules that the game needs, where ``{python}`` runs it.
        timeout_s: how long the window may take to show.
        lockstep: whether the game can be played in lockstep at all; a browser, for one, cannot.
        step_limit_s: in lockstep, how long the game may compute over one step, by the clock on the wall; until
            its window shows ``timeout_s``, where that is more.
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
    modules: tuple[str, ...] = ()
    timeout_s: float = 30.0
    gl: bool = True
    cursor: bool = False
    lockstep_arguments: tuple[str, ...] = ()
    lockstep: bool = True
    step_limit_s: float = 20.0

    def fill(self, *, seed: int, folder: Path, lockstep: bool = False) -> list[str]:
        """The command for one start."""
        height, width = self.screen_size
        values = {"python": sys.executable, "seed": seed, "width": width, "height": height, "folder": folder}
        parts = (*self.command, *self.lockstep_arguments) if lockstep else self.command
        return [part.format(**values) for part in parts]

    @property
    def takes_seed(self) -> bool:
        """Whether the game can be started with a seed."""
        return any("{seed}" in part for part in self.command)

    def check_installed(self, folder: Path) -> None:
        """Raise :class:`MissingProgramError` where the program is not there; ``folder`` is the profile's."""
        program = self.fill(seed=0, folder=folder)[0]
        folders = os.pathsep.join([os.environ.get("PATH", os.defpath), *GAME_FOLDERS])
        missing = [file for file in self.files if not Path(file).expanduser().exists()]
        missing += [module for module in self.modules if importlib.util.find_spec(module) is None]
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
            window=table.regex("window", None),
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
    """One thing to do at a reset: ``tap`` a key or button (held for ``seconds``), ``wait`` some seconds, or wait
    ``until`` a reader is 1 (for ``seconds`` at most). The pointer goes ``at`` a pixel ``(x, y)`` of the game's picture
    before a tap."""

    kind: Literal["tap", "wait", "until"]
    what: str = ""
    seconds: float = 0.0
    at: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Reset:
    """How a new episode begins.

    Attributes:
        mode: ``relaunch`` starts the game's process anew; ``keys`` does ``steps`` in the running game, and relaunches
            it where that does not make it ready; ``none`` takes the game as it is.
        steps: what brings the running game back to its start, for ``keys``.
        start_steps: what is done after each launch, before the game is waited for.
        ready: the reader that is 1 when the game can be played; a picture that is not one plain colour without it.
        timeout_s: how long the game may take to get ready.
    """

    mode: Literal["relaunch", "keys", "none"]
    steps: tuple[ResetStep, ...] = ()
    start_steps: tuple[ResetStep, ...] = ()
    ready: str | None = None
    timeout_s: float = 15.0

    @property
    def pressed(self) -> frozenset[str]:
        """The keys and buttons that are tapped at a reset."""
        return frozenset(step.what for step in (*self.steps, *self.start_steps) if step.kind == "tap")


@dataclass(frozen=True)
class Profile:
    """A game's profile, checked. :func:`load_profile` reads one.

    ``actions`` are named combinations, for agents that choose one of a list; empty where the profile has none.
    """

    name: str
    title: str
    description: str
    path: Path
    fps: float
    time_limit_s: float | None
    launch: Launch | None
    attach: Attach | None
    controls: Controls
    actions: Mapping[str, Combination]
    score: str | None
    rewards: tuple[RewardTerm, ...]
    terminations: tuple[Termination, ...]
    reset: Reset
    emergency_stop: str
    reader_tables: Mapping[str, Mapping[str, object]]
    training: Training = field(default_factory=Training)

    @property
    def regions(self) -> dict[str, tuple[int, int, int, int]]:
        """``(left, top, width, height)`` of each reader that looks at a part of the picture."""
        tables = {name: values["region"] for name, values in self.reader_tables.items() if "region" in values}
        return {name: tuple(region) for name, region in tables.items()}  # type: ignore[arg-type, misc]  # was checked

    def make_readers(self) -> dict[str, Reader]:
        """New readers, one set per environment, by name."""
        return {
            name: make_reader(Table(dict(values), self.path, f"readers.{name}."))
            for name, values in self.reader_tables.items()
        }
