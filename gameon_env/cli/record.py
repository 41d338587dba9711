"""``gameon record``: record a person, or an agent, who plays."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from types import FrameType

import typer
from rich.live import Live
from rich.text import Text

from gameon_env.cli.console import open_console
from gameon_env.cli.record_steps import record_steps
from gameon_env.errors import GameOnError, UnknownNameError
from gameon_env.games.profile import Attach, load_profile
from gameon_env.recording.recorder import RecorderStatus, SessionRecorder
from gameon_env.recording.recorder_options import RecorderOptions

SAY_EVERY_S = 10
"""Where nobody watches a terminal, a line is enough now and then."""


def command(
    game: str = typer.Option("desktop", help="A profile's name or file, or any name of a game on your screen."),
    title: str | None = typer.Option(None, help="The game's name in the catalogue."),
    display: str = typer.Option("current", help="current, private, or an X display such as :1."),
    window: str | None = typer.Option(None, help="Record the window with this title (a regular expression)."),
    monitor: int | None = typer.Option(None, min=0, help="Record this monitor, from 0."),
    region: str | None = typer.Option(None, help="Record this part of the screen: left,top,width,height."),
    fps: float = typer.Option(60.0, help="The most pictures a second that are kept."),
    codec: str = typer.Option("h264", help="h264, hevc or av1."),
    quality: int | None = typer.Option(None, help="The codec's constant rate factor; lower is better and larger."),
    audio: str = typer.Option("default", help="What the game sounds like: default, none, or a device's name."),
    microphone: str = typer.Option("none", help="Your voice: none, default, or a device's name."),
    gamepads: bool = typer.Option(True, help="Record gamepads."),
    all_keys: bool = typer.Option(False, help="Store every key, not only the game's controls."),
    always: bool = typer.Option(False, help="Record also while another window has the keyboard."),
    pause_key: str = typer.Option("f9", help="Pauses and goes on; none for no such key."),
    stop_key: str = typer.Option("f10", help="Ends the recording; none for no such key."),
    duration: float | None = typer.Option(None, help="End after so many seconds."),
    seed: int | None = typer.Option(None, help="For a game that takes one."),
    steps: bool = typer.Option(False, help="Write a trajectory file (one row per step) in place of a session."),
    data_dir: Path | None = typer.Option(None, help="Where recordings lie; ./data without it."),
) -> None:
    """Record a game: video with each picture's own time, keyboard, mouse, gamepads and sound, on one clock.

    With a profile the game is launched; with --window, --monitor or --region one that is on your screen is recorded.
    Only while its window has the keyboard, and of keys only the game's controls (unless --all-keys): what you type
    elsewhere is never stored. Everything stays on this machine, in data/, which is git-ignored.

    The recording ends by the stop key, Ctrl-C, --duration, the game's end, or when the disk is nearly full: each time
    as a complete session. One that was killed comes back by: gameon recover.
    """
    attach = _attach(window, monitor, region)
    keys = {"pause_key": _key(pause_key), "stop_key": _key(stop_key)}
    if steps:
        spare = {
            "--title": title, "--quality": quality, "--all-keys": all_keys, "--always": always,
            "--microphone": microphone != "none", "--audio": audio not in ("default", "none"),
        }  # fmt: skip
        _check_steps([name for name, given in spare.items() if given])
        RecorderOptions(duration_s=duration, stop_key=keys["stop_key"], pause_key=None).check()
        record_steps(game, display, attach, seed=seed, duration_s=duration, folder=data_dir, stop_key=keys["stop_key"])
        return
    if attach is None and game is not None:
        _check_launched(game)
    recorder = SessionRecorder(
        game, title=title, display=display, attach=attach, fps=fps, codec=codec, quality=quality,
        system_audio=_sound(audio), microphone=_sound(microphone), gamepads=gamepads, all_keys=all_keys,
        only_focused=not always, duration_s=duration, seed=seed, data_dir=data_dir, **keys,
    )  # fmt: skip
    asked: list[str] = []

    def ask(number: int, _: FrameType | None) -> None:
        asked.append("signal " + signal.Signals(number).name)

    handlers = {number: signal.signal(number, ask) for number in _ending()}
    try:
        recorder.start()
        _watch(recorder, asked)
    finally:
        if recorder.running:  # nobody reads what is printed any more
            recorder.stop(asked[0] if asked else "stopped")
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _check_launched(game: str) -> None:
    try:
        load_profile(game)
    except UnknownNameError as error:
        raise UnknownNameError(
            f"{error} A game without a profile is recorded where it is on your screen: add --window TITLE, --monitor 0 "
            "or --region"
        ) from error


def _check_steps(names: list[str]) -> None:
    if names:
        raise GameOnError(
            f"{', '.join(names)} cannot be had with --steps: rows hold the pictures and controls of the profile at "
            "its own rate. Leave it out, or record a session: without --steps"
        )


def _ending() -> list[signal.Signals]:
    """Ctrl-C, and what a shutdown and a closed terminal send; under nohup the last is ignored, and stays so."""
    hang_up = getattr(signal, "SIGHUP", None)
    ending = [signal.SIGINT, signal.SIGTERM]
    if hang_up is not None and signal.getsignal(hang_up) is not signal.SIG_IGN:
        ending.append(hang_up)
    return ending


def _watch(recorder: SessionRecorder, asked: list[str]) -> None:
    console = open_console()
    console.print(f"recording into {recorder.folder}", markup=False, soft_wrap=True)
    options = recorder.options
    hotkeys = [f"{key} {does}" for key, does in ((options.pause_key, "pauses"), (options.stop_key, "stops")) if key]
    console.print(", ".join([*hotkeys, "Ctrl-C stops"]), markup=False)
    for notice in recorder.notices:
        console.print(f"note: {notice}", markup=False)
    if console.is_terminal:
        with Live(console=console, refresh_per_second=4, transient=True) as live:
            while not asked and not recorder.wait(0.25):
                live.update(Text(status_line(recorder.status), overflow="ellipsis", no_wrap=True))
    else:
        ticks = 0
        while not asked and not recorder.wait(0.25):
            ticks += 1
            if ticks % (SAY_EVERY_S * 4) == 0:
                print(status_line(recorder.status), flush=True)
    last = status_line(recorder.status)
    folder = recorder.stop(asked[0] if asked else "stopped")
    console.print(last, markup=False, soft_wrap=True)
    console.print(f"ended: {recorder.end_reason}. The session is complete: {folder}", markup=False, soft_wrap=True)


def status_line(status: RecorderStatus) -> str:
    """All that matters while recording, in one line."""
    minutes, seconds = divmod(int(status.seconds), 60)
    words = [
        f"{minutes // 60}:{minutes % 60:02}:{seconds:02}",
        f"{status.frames} frames",
        f"{status.dropped} dropped",
        f"{status.events} events",
        *(f"{stream.removesuffix('_audio')} {level:.0f} dB" for stream, level in status.levels_db.items()),
        f"{status.disk_free_mb / 1000:.1f} GB left",
        f"{status.mb_per_hour:.0f} MB/h",
    ]
    if status.paused:
        words.insert(0, "PAUSED" if status.paused == "paused" else "WAITING for the game to have the keyboard")
    return "  ".join(words)


def _attach(window: str | None, monitor: int | None, region: str | None) -> Attach | None:
    if (window, monitor, region).count(None) < 2:
        raise GameOnError("--window, --monitor and --region exclude each other: give one of them")
    if window is not None:
        try:
            re.compile(window)
        except re.error as error:
            raise GameOnError(f"--window must be a regular expression; {window!r} is none: {error}") from None
    if region is None:
        return None if window is None and monitor is None else Attach(window=window, monitor=monitor)
    try:
        left, top, width, height = (int(part) for part in region.split(","))
    except ValueError:
        raise GameOnError(
            f"--region must be left,top,width,height in pixels, as in 0,0,1280,720; it is {region!r}"
        ) from None
    return Attach(region=(left, top, width, height))


def _key(name: str) -> str | None:
    if name == "none":
        return None
    return name if ":" in name else f"key:{name}"


def _sound(name: str) -> bool | str:
    return {"default": True, "none": False}.get(name, name)
