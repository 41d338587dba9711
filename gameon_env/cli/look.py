"""``gameon look``: screenshots of a game, and what its profile's readers read from each."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import typer

from gameon_env.cli.agents import shell_words
from gameon_env.cli.console import open_console
from gameon_env.data_processing.picture_file import read_picture, write_png
from gameon_env.envs.desktop_env import DesktopEnv
from gameon_env.errors import GameCrashError, ObservationError
from gameon_env.events import Frame
from gameon_env.games.profile import Profile, load_profile
from gameon_env.games.readers import GameView
from gameon_env.games.screen_readers import Digits

MARK = (255, 0, 255)
"""Of the regions' edges and names: a colour that few games have."""

NOT_IN_PICTURES = ("exit", "log", "unchanged")
"""Readers that a single picture says nothing of."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a game: ``(H, W, 4) uint8 BGRX``, and by reader what it says (None where it reads nothing)."""

    where: str
    pixels: npt.NDArray[np.uint8]
    readings: Mapping[str, float | None]


def command(
    game: str = typer.Argument(..., help="A profile's name, or the path of a TOML file."),
    pictures: list[Path] | None = typer.Argument(None, help="Screenshots to read, in place of playing the game."),
    output: Path | None = typer.Option(
        None, "--output", "-o", help="A folder for the screenshots (look_001.png ...), and one that shows the regions."
    ),
    seconds: float = typer.Option(10.0, min=0.0, help="How long to look, in the game's own time."),
    every: float = typer.Option(1.0, min=0.0, help="Seconds between two looks; 0: at each step."),
    play: bool = typer.Option(True, "--play/--still", help="Play at random meanwhile, or press nothing."),
    display: str = typer.Option("auto", help="private, current, or an X display such as :1."),
    time: str = typer.Option("real", help="real, or lockstep."),
    seed: int | None = typer.Option(None, help="Of the game and of the random play."),
) -> None:
    """Show what a profile reads, for making one, or where a score is wrong.

    The game is launched and brought to its start as the profile says. Each look is a line: what each reader says of
    that picture alone (- where it reads nothing), and for digits all the characters that it found. A profile with no
    more than [launch] and [controls] gives the screenshots that regions, fonts and templates are made from:

    \b
      gameon look mygame.toml -o shots            # regions.png shows where the readers look
      gameon teach shots/look_004.png --text 137 --region 10,10,60,24 --font mygame_digits.png
      gameon look mygame.toml shots/look_*.png    # is it read from all of them?

    A game that does not get ready is shown as it is then. On a display of your own, --still lets you play.
    """
    profile, console = load_profile(game), open_console(soft_wrap=True)
    digits = {name: reader for name, reader in profile.make_readers().items() if isinstance(reader, Digits)}
    readings: list[Mapping[str, float | None]] = []
    last: Look | None = None  # the only picture that is kept: each step's would fill the memory in minutes
    with shell_words():
        seen = _read(profile, pictures) if pictures else _play(profile, display, time, seconds, every, seed, play=play)
        with closing(seen):
            try:
                for last in seen:
                    readings.append(last.readings)
                    file = "" if output is None else _save(output / f"look_{len(readings):03}.png", last.pixels)
                    console.print(f"{last.where}: {_line(digits, last)}{file and f'  {file}'}")
            finally:
                if last is not None:
                    _sum_up(profile, readings, console.print)
                    if output is not None:
                        _save(output / "regions.png", marked(last.pixels, profile.regions))


def _play(
    profile: Profile, display: str, time: str, seconds: float, every: float, seed: int | None, *, play: bool
) -> Generator[Look, None, None]:
    with closing(DesktopEnv(profile.path, display, time, observation_size=(16, 16), render_mode="rgb_array")) as env:
        env.passive = not play
        env.action_space.seed(seed)
        steps, apart = round(seconds * env.fps), max(round(every * env.fps), 1)
        over = True
        for step in range(steps + 1):
            if over:
                try:
                    env.reset(seed=seed if not step else None)
                except GameCrashError:
                    if env.live_game.running:
                        view = env.live_game.view(env.live_game.grab())
                        yield Look("not ready", view.frame.pixels.copy(), _readings(profile, view))
                    raise
                over, end = False, ""
            else:
                _, _, terminated, truncated, info = env.step(env.action_space.sample())
                over, end = terminated or truncated, info.get("end_reason", "")
            if over or step % apart == 0:
                picture = env.render()
                assert picture is not None
                pixels = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2BGRA), np.uint8)
                yield Look(f"{step / env.fps:7.2f} s{end and f' {end}'}", pixels, env.readings)


def _read(profile: Profile, pictures: Sequence[Path]) -> Generator[Look, None, None]:
    for path in pictures:
        picture = read_picture(path)
        if picture is None:
            raise ObservationError(f"{path} cannot be read as a picture: name PNG files")
        view = GameView(Frame(np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2BGRA), np.uint8), 0))
        yield Look(str(path), view.frame.pixels, _readings(profile, view))


def _readings(profile: Profile, view: GameView) -> dict[str, float | None]:
    kinds = {name: table["kind"] for name, table in profile.reader_tables.items()}
    readers = profile.make_readers()
    return {name: reader.read(view) for name, reader in readers.items() if kinds[name] not in NOT_IN_PICTURES}


def _line(digits: Mapping[str, Digits], look: Look) -> str:
    frame = Frame(look.pixels, 0)
    parts = []
    for name, value in look.readings.items():
        found = f" ({digits[name].text(frame)!r})" if name in digits else ""
        parts.append(f"{name} {'-' if value is None else f'{value:.10g}'}{found}")
    height, width = look.pixels.shape[:2]
    return f"{width}x{height}  {'  '.join(parts)}".rstrip()


def _sum_up(profile: Profile, readings: Sequence[Mapping[str, float | None]], say: Callable[[str], object]) -> None:
    for name in profile.reader_tables:
        values = [value for look in readings if (value := look.get(name)) is not None]
        if any(name in look for look in readings):
            span = f", from {min(values):.10g} to {max(values):.10g}" if values else ""
            say(f"{name}: read in {len(values)} of {len(readings)} looks{span}")


def marked(pixels: npt.NDArray[np.uint8], regions: Mapping[str, tuple[int, int, int, int]]) -> npt.NDArray[np.uint8]:
    """``(H, W, 3) uint8 BGR``: a picture with an edge around each region ``(left, top, width, height)``, and its name.

    The edge lies outside the region.
    """
    shown = np.ascontiguousarray(pixels[:, :, :3])
    for name, (left, top, width, height) in regions.items():
        cv2.rectangle(shown, (left - 1, top - 1), (left + width, top + height), MARK)
        below = top + height + 12
        line = below if below < shown.shape[0] else max(top - 4, 10)
        cv2.putText(shown, name, (left, line), cv2.FONT_HERSHEY_SIMPLEX, 0.4, MARK, 1, cv2.LINE_AA)
    return shown


def _save(file: Path, pixels: npt.NDArray[np.uint8]) -> Path:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_png(file, np.ascontiguousarray(pixels[:, :, :3]))
    except OSError as error:
        raise ObservationError(f"{file} cannot be written ({error.strerror}): name a folder of yours") from error
    return file
