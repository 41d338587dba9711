"""Unmodified Doom in lockstep beside ViZDoom, a patched engine: steps a second at the same resolution, in turns.

    pip install vizdoom
    python scripts/bench/vizdoom_peer.py [--steps 1000] [--rounds 5] [--size 84]

Ours is the game as the profile launches it, without sound, which ViZDoom's ``basic.cfg`` has not either, and the same
with its effects, and with all its sound: 640x480, shrunk to observations of ``--size``, rewards read from the screen.
ViZDoom: 640x480 RGB24, one tic a step, as it comes and shrunk in the same way. All are open at once and take turns, so
that whatever else the machine does hits all alike. Resets are left out everywhere.

Prints the rates and their ratio per round and as a median, the load of the machine, the processor time that a step
costs all who take part (which says more than the rates where others use the machine), and where a step's time goes.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import psutil
from _step_parts import StepParts

from gameon_env.data_processing.resize import shrink
from gameon_env.envs.desktop_env import DesktopEnv
from gameon_env.games.profile import BUILT_IN

HOLD_STEPS = 8
"""So many steps each random action is held."""


class Player(Protocol):
    """One of those that take turns."""

    name: str

    def play(self, steps: int) -> float:
        """Play on. Returns steps a second, resets left out."""

    def pids(self) -> list[int]:
        """The processes that play, but for this one."""

    def close(self) -> None: ...


class Doom:
    """Ours."""

    def __init__(self, name: str, profile: Path, size: int) -> None:
        self.name = name
        self.env = DesktopEnv(profile, time="lockstep", observation_size=(size, size))
        self.parts = StepParts(self.env)
        self._rng = np.random.default_rng(1)
        self._seed = 7
        self._action = self.env.controls.zeros()
        self._playing = False

    def play(self, steps: int) -> float:
        spent = 0.0
        for step in range(steps):
            if not self._playing:
                self._reset()
            if step % HOLD_STEPS == 0:
                self._action = (self._rng.random(len(self.env.controls)) < 0.4).astype(np.float32)
            start = time.perf_counter()
            _, _, terminated, truncated, _ = self.env.step(self._action)
            spent += time.perf_counter() - start
            if terminated or truncated:
                self._playing = False
        return steps / spent

    def pids(self) -> list[int]:
        game = self.env._game
        assert game._private is not None
        assert game._process is not None
        return [game._private.pid, *game._process.pids()]

    def profile_parts(self, steps: int) -> str:
        """Where the time of a step goes; of one episode."""
        self._reset()
        return self.parts.measure(steps, self._rng)

    def close(self) -> None:
        self.env.close()

    def _reset(self) -> None:
        self.env.reset(seed=self._seed)
        self._seed += 1
        self._playing = True


class ViZDoom:
    """The peer."""

    def __init__(self, name: str, folder: Path, size: int | None) -> None:
        import vizdoom

        self.name = name
        self._size = size
        before = set(psutil.Process().children(recursive=True))
        self._game = vizdoom.DoomGame()
        self._game.load_config(str(Path(vizdoom.scenarios_path) / "basic.cfg"))
        self._game.set_doom_config_path(str(folder / f"{name.replace(' ', '_')}.ini"))
        self._game.set_screen_resolution(vizdoom.ScreenResolution.RES_640X480)
        self._game.set_screen_format(vizdoom.ScreenFormat.RGB24)
        self._game.set_window_visible(False)
        self._game.set_mode(vizdoom.Mode.PLAYER)
        self._game.init()
        self._engine = [process.pid for process in set(psutil.Process().children(recursive=True)) - before]
        self._actions = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
        self._random = random.Random(1)

    def play(self, steps: int) -> float:
        spent, action = 0.0, self._actions[0]
        for step in range(steps):
            if self._game.is_episode_finished():
                self._game.new_episode()
            if step % HOLD_STEPS == 0:
                action = self._random.choice(self._actions)
            start = time.perf_counter()
            self._observe(self._game.get_state().screen_buffer)
            self._game.make_action(action)
            spent += time.perf_counter() - start
        return steps / spent

    def pids(self) -> list[int]:
        return self._engine

    def close(self) -> None:
        self._game.close()

    def _observe(self, picture: npt.NDArray[Any]) -> None:
        if self._size is not None:
            shrink(picture, (self._size, self._size))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=84)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        doom = [
            stack.enter_context(closing(Doom(name, variant(folder, sound), options.size)))
            for name, sound in (("doom", "-nosound"), ("doom, no music", "-nomusic"), ("doom, with sound", ""))
        ]
        peers = [
            stack.enter_context(closing(ViZDoom("ViZDoom", folder, None))),
            stack.enter_context(closing(ViZDoom(f"ViZDoom, {options.size}x{options.size}", folder, options.size))),
        ]
        players: list[Player] = [*doom, *peers]
        rates: dict[str, list[float]] = {player.name: [] for player in players}
        used: dict[str, list[float]] = {player.name: [] for player in players}
        for player in players:
            player.play(100)
        print("steps/s, round by round; the load of the machine is that of the last minute")
        print("load ", *(f"{name:>16}" for name in rates))
        for _ in range(options.rounds):
            for player in players:
                before = cpu_s(player)
                rates[player.name].append(player.play(options.steps))
                used[player.name].append((cpu_s(player) - before) / options.steps * 1e3)
            print(f"{os.getloadavg()[0]:5.1f}", *(f"{each[-1]:16.0f}" for each in rates.values()))
        print("median", *(f"{statistics.median(each):15.0f} " for each in rates.values()))
        print("CPU ms", *(f"{statistics.median(each):15.2f} " for each in used.values()))
        for name in (player.name for player in doom):
            ratios = [ours / theirs for ours, theirs in zip(rates[name], rates["ViZDoom"], strict=True)]
            print(f"{name} / ViZDoom: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
        for player in doom:
            print(f"\n{player.name}, ms per step:")
            print(player.profile_parts(options.steps))


def cpu_s(player: Player) -> float:
    """Seconds of processor time so far, of this process and those of a player. A game launched anew starts at 0."""
    used = time.process_time()
    for pid in player.pids():
        times = psutil.Process(pid).cpu_times()
        used += times.user + times.system
    return used


def variant(folder: Path, sound: str) -> Path:
    """The profile of doom with another argument for its sound in lockstep, or none."""
    place = folder / (sound or "with_sound")
    place.mkdir()
    for beside in ("doom_digits.png", "doom_keys.cfg"):
        shutil.copy(BUILT_IN / beside, place)
    text = (BUILT_IN / "doom.toml").read_text()
    known = 'lockstep_arguments = ["-nosound"]'
    if known not in text:
        raise SystemExit(f"{BUILT_IN / 'doom.toml'} was expected to say {known}")
    path = place / "doom.toml"
    path.write_text(text.replace(known, f"lockstep_arguments = {[sound] if sound else []}"))
    return path


if __name__ == "__main__":
    main()
