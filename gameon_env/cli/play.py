"""``gameon play``: let a policy play the live game."""

from __future__ import annotations

import secrets
from pathlib import Path

import typer

from gameon_env.cli.agents import load_agent, shell_words
from gameon_env.cli.console import open_console
from gameon_env.errors import EmergencyStop
from gameon_env.learning.evaluation import evaluate, score_table
from gameon_env.paths import data_dir as recordings_folder
from gameon_env.recording.session import Session
from wrappers.human_takeover import HumanTakeover
from wrappers.record_episode import RecordEpisode
from wrappers.record_session import RecordSession


def command(
    policy: Path = typer.Argument(..., help="A policy that 'gameon train' made."),
    game: str | None = typer.Option(None, help="A profile's name or file; the game it was trained on without it."),
    episodes: int = typer.Option(1, min=1, help="How many episodes."),
    display: str = typer.Option("current", help="current, private, or an X display such as :1."),
    device: str | None = typer.Option(None, help="cpu, cuda, mps ...; the accelerator where there is one."),
    record: bool = typer.Option(False, "--record", help="Record what it does and sees as a session."),
    takeover: bool = typer.Option(
        False, "--takeover", help="Take the game from it with any key, button or motion; F10 gives it back."
    ),
    data_dir: Path | None = typer.Option(None, help="Where recordings lie; ./data without it."),
) -> None:
    """Let a policy play the live game.

    On a display that you use yourself the emergency-stop key (F12 unless the profile names another) takes the
    keyboard and mouse away from it at once.

    With --record the picture and the input are recorded as by 'gameon record', without sound: one session for all
    episodes, or on a display that you use yourself one for each. Each says that an agent played, or both of you.

    With --takeover you correct it while it plays; recorded are then the steps, with who acted in each and what the
    agent would have done: 'gameon train dagger' learns from them (--corrections).
    """
    agent, env = load_agent(policy, game, display, device)
    console = open_console(soft_wrap=True)
    recording: RecordSession | None = None
    steps: RecordEpisode | None = None
    try:
        if takeover:
            env = HumanTakeover(env)
            if record:
                env = steps = RecordEpisode(env, recordings_folder(data_dir) / "trajectories")
        elif record:
            env = recording = RecordSession(env, data_dir)
        with shell_words():
            result = evaluate(
                env,
                agent,
                [secrets.randbits(31) for _ in range(episodes)],
                on_episode=lambda number, score: console.print(f"episode {number + 1}: score {score:g}"),
            )
    except (EmergencyStop, KeyboardInterrupt) as stop:
        console.print(f"stopped: {stop or 'Ctrl-C'}; everything is let go")
        raise typer.Exit(130) from stop
    finally:
        env.close()
        for recorder in recording.sessions if recording is not None else ():
            with Session(recorder.folder) as session:
                who = session.info.who
            console.print(f"recorded ({who}, {recorder.end_reason}): {recorder.folder}", markup=False)
        if steps is not None and steps.recording_path is not None:
            console.print(f"recorded: {steps.recording_path}", markup=False)
    console.print(score_table([result]))
