"""``gameon record --steps``: a person's play straight into a trajectory file, one row per step."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

import gymnasium as gym

from gameon_env.cli.console import open_console
from gameon_env.desktop.listen import Listener, open_listener
from gameon_env.games.profile import Attach
from gameon_env.paths import data_dir
from wrappers.human_control import HumanControl
from wrappers.record_episode import RecordEpisode


def record_steps(
    game: str,
    display: str,
    attach: Attach | None,
    *,
    seed: int | None,
    duration_s: float | None,
    folder: Path | None,
    stop_key: str | None,
) -> None:
    """Record episode after episode until Ctrl-C, SIGTERM, the stop key, or ``duration_s``.

    Raises:
        GameOnError: the game cannot be started or found.
    """
    console, output = open_console(soft_wrap=True), data_dir(folder) / "trajectories"
    target = None if attach is None else {name: value for name, value in _choice(attach).items() if value is not None}
    live: Any = gym.make("GameOn-Desktop-v0", game=game, display=display, attach=target)
    env = RecordEpisode(HumanControl(live), output)
    end = time.monotonic() + duration_s if duration_s is not None else None
    asked: list[int] = []

    def ask(number: int, _: FrameType | None) -> None:
        asked.append(number)

    handlers = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    listener: Listener | None = None
    episodes = steps = 0
    try:
        while not asked:
            env.reset(seed=seed if episodes == 0 else None)
            if listener is None and stop_key is not None:
                listener = open_listener(live.unwrapped.display_name)
                listener.start()
            over, episodes = False, episodes + 1
            while not over and not asked:
                *_, terminated, truncated, info = env.step(None)
                over, steps = terminated or truncated, steps + 1
                if listener is not None:
                    asked += [0 for event in listener.drain() if event.control == stop_key and event.value >= 0.5]
                if end is not None and time.monotonic() >= end:
                    asked.append(0)
            if over:
                console.print(f"episode {episodes}: {info['end_reason']}")
    finally:
        if listener is not None:
            listener.close()
        env.close()
        for number, handler in handlers.items():
            signal.signal(number, handler)
    console.print(f"{_count(episodes, 'episode')}, {_count(steps, 'step')}: {env.recording_path}")


def _choice(attach: Attach) -> dict[str, Any]:
    return {"window": attach.window, "monitor": attach.monitor, "region": attach.region}


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
