"""``GameOn-Desktop-v0``: any game on a desktop as a Gymnasium environment, in real time or in lockstep."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from gameon_env.clock import now_ns
from gameon_env.controls import Controls
from gameon_env.data_processing.resize import observe
from gameon_env.desktop.inject import check_button
from gameon_env.envs.agent_input import AgentInput, AppliedInput
from gameon_env.envs.end_reason import LOSSES, why_lost, why_process_ended
from gameon_env.envs.env_options import check_launch, check_options, choose_display, read_attach
from gameon_env.envs.episode_start import EpisodeStart
from gameon_env.envs.live_game import LiveGame
from gameon_env.envs.lockstep_time import choose_pacer, choose_time
from gameon_env.envs.referee import Referee
from gameon_env.errors import ActionError
from gameon_env.events import Frame
from gameon_env.games.profile import load_profile
from gameon_env.games.readers import GameView

Observation = npt.NDArray[np.uint8]
Action = npt.NDArray[np.float32]


class DesktopEnv(gymnasium.Env[Observation, Action]):
    """A live game.

    Observations are ``(height, width, 3) uint8 RGB``; actions are ``(A,) float32`` with one element per control of
    the profile (:attr:`controls` has the names). ``step`` injects what changed, waits for the next tick and captures.

    ``info`` after each step: ``t_ns`` (when the observation was captured), ``inject_t_ns`` (when the action had gone
    out), ``late_ns`` (how late the tick came), ``capture_ns`` (time for capture and resize), ``action`` (the vector
    that was really applied), ``presses`` (``(A,) uint8``), ``raw_score`` (as read from the screen, where the profile
    has a score), ``readers`` (all values), ``focused``, and at an episode's end ``end_reason``.

    Args:
        game: a profile's name, or the path of a TOML file.
        display: ``private`` (a virtual one), ``current``, ``:N``, or ``auto``: private where possible, but the
            current one for a profile that attaches to what is on the screen.
        time: ``real``, or ``lockstep``: on Linux, for a game that is launched on a private display, each step grants
            it exactly one period of virtual time, as fast as it can use it; all times in ``info`` are virtual then.
        fps: periods per second; the profile's without it.
        frame_skip: periods that a step lasts. The action is held for all of them: keys stay down, motion and presses
            go out once. One picture is taken, and judged, at the end; :attr:`fps` is the rate of these longer steps.
        observation_size: ``(height, width)``.
        render_mode: ``rgb_array`` for full-size frames from :meth:`render`, or None.
        attach: for a game that runs already: ``{"window": regex}``, ``{"monitor": 0}`` or
            ``{"region": [left, top, width, height]}``; for any profile, in place of launching it.
        emergency_stop: the key that stops an agent on a display that a person uses; the profile's (F12) without it.

    Raises:
        GameOnError: unknown profile, missing program, unusable display or size; the message names the remedy.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 30}  # noqa: RUF012 (Gymnasium's own form)

    def __init__(
        self,
        game: str | Path = "rescue",
        display: str = "auto",
        time: str = "real",
        fps: float | None = None,
        observation_size: tuple[int, int] = (128, 128),
        render_mode: str | None = None,
        attach: Mapping[str, Any] | None = None,
        emergency_stop: str | None = None,
        frame_skip: int = 1,
    ) -> None:
        check_options(time, fps, frame_skip, observation_size, render_mode, attach)
        self.profile = load_profile(game)
        rate = float(self.profile.fps if fps is None else fps)
        self.frame_skip = int(frame_skip)
        self.fps = rate / self.frame_skip
        """Steps per second, of game time."""
        self.observation_size = (int(observation_size[0]), int(observation_size[1]))
        self.render_mode = render_mode
        self.metadata = {**self.metadata, "render_fps": max(round(self.fps), 1)}
        self.controls = Controls(
            self.profile.controls.names,
            mouse_scale_px=self.profile.controls.mouse_scale_px,
            wheel_scale=self.profile.controls.wheel_scale,
            window_size=self.profile.controls.window_size,
        )
        self.action_space = self.controls.space
        self.observation_space = spaces.Box(0, 255, (*self.observation_size, 3), np.uint8)
        self.emergency_stop = check_button(emergency_stop or self.profile.emergency_stop)
        """The key that stops an agent on a display that a person uses."""
        target = read_attach(attach, self.profile)
        launched = self.profile.launch is not None and target is None
        if launched:
            check_launch(self.profile, self.observation_size)
        chosen = choose_display(display, launched=launched)
        self.time = time
        """``real`` or ``lockstep``."""
        self._time = choose_time(time, self.profile, private=chosen == "private")
        self._game = LiveGame(self.profile, chosen, target, time=self._time)
        self._referee = Referee(self.profile)
        self._hands = AgentInput(self._game, self.controls, self.emergency_stop, self.fps)
        self._start = EpisodeStart(self._game, self._referee, self.observation_size, self._hands.check)
        self._pacer = choose_pacer(self._time, rate)
        self._frame: Frame | None = None
        self._observation: Observation = np.zeros(self.observation_space.shape, np.uint8)
        self._steps = 0
        self._playing = False
        self._warned = False

    @property
    def passive(self) -> bool:
        """True while a person plays (see ``wrappers.HumanControl``): nothing is injected, not even releases."""
        return self._hands.passive

    @passive.setter
    def passive(self, passive: bool) -> None:
        self._hands.passive = passive

    @property
    def live_game(self) -> LiveGame:
        """The game that is played, for wrappers that share it with a person."""
        return self._game

    @property
    def display_name(self) -> str:
        """The display that the game is on, as in ``:7``; empty before the first reset."""
        return self._game.display_name

    @property
    def display_generation(self) -> int:
        """How many displays this environment has opened; a new one may have the name of the last."""
        return self._game.display_generation

    @property
    def display_shared(self) -> bool:
        """Whether a person uses the display as well: True for any but a private one; True before it is opened."""
        return self._game.shared

    def open_display(self) -> None:
        """Start or reach the display before the first reset, for whoever wants to see the game from its launch on.

        Raises:
            GameOnError: it cannot be; nothing is left behind.
        """
        self._game.open_display()

    @property
    def game_origin(self) -> tuple[int, int]:
        """``(left, top)`` of the game's picture on its display, in pixels."""
        return self._game.origin

    @property
    def raw_score(self) -> float:
        """The score as last read from the screen; NaN where there is none."""
        return self._referee.score

    @property
    def readings(self) -> dict[str, float | None]:
        """What each reader says of the last picture alone; None where it could not be read there."""
        return dict(self._referee.readings)

    @property
    def unread(self) -> tuple[str, ...]:
        """The readers of the score and the rewards that could not be read so far in this episode: they give nothing."""
        return self._referee.unread

    @property
    def recording_metadata(self) -> dict[str, Any]:
        """What a recording must say of this environment, ready for JSON."""
        return {
            "game": self.profile.name,
            "fps": self.fps,
            "frame_skip": self.frame_skip,
            "controls": list(self.controls.names),
            "mouse_scale_px": self.controls.mouse_scale_px,
            "wheel_scale": self.controls.wheel_scale,
            "window_size": list(self.controls.window_size),
            "observation_size": list(self.observation_size),
            "time": self.time,
        }

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Bring the game to the start of an episode, whatever state it is in, and return the first observation."""
        super().reset(seed=seed)
        game_seed = int(self.np_random.integers(2**31)) if seed is None else int(seed)
        self._stop_playing()
        try:
            self._game.open_display()
            self._hands.begin()
            launched = self._start.begin(game_seed, seeded=seed is not None)
            self._hands.begin()
            view = self._game.view(self._game.grab())
            self._see(view.frame)
            self._referee.restart(view)
        except BaseException:
            self._stop_playing()
            raise
        self._steps = 0
        self._playing = True
        self._hands.check()
        self._pacer.restart()
        info = self._info(view, 0, 0, None)
        launch = self.profile.launch
        if launched and launch is not None and (launch.takes_seed or self._time.virtual):
            info["seed"] = game_seed
        return self._observation, info

    def step(self, action: Action) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Apply the action, wait for the next tick, and observe.

        Raises:
            ActionError: wrong shape, or NaN.
            EmergencyStop: the person pressed the emergency-stop key.
        """
        if not self._playing:
            raise gymnasium.error.ResetNeeded("the episode is over, or has not begun: call reset()")
        try:
            return self._step(action)
        except ActionError:
            raise  # nothing was done: the episode goes on
        except BaseException:
            self._stop_playing()
            raise

    def _step(self, action: Action) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        applied = self._hands.encode(action)
        start_ns, late_ns, end_reason = now_ns(), 0, ""
        view: GameView | None = None
        try:
            self._hands.apply(action, applied)
            late_ns = self._pacer.wait()
            for _ in range(self.frame_skip - 1):
                self._hands.hold(applied)
                late_ns = self._pacer.wait()
            start_ns = now_ns()
            frame = self._game.grab()
            self._see(frame)
            self._hands.look(applied)
            view = self._game.view(frame)
        except LOSSES as error:
            end_reason = why_lost(self._game, error)
        capture_ns = now_ns() - start_ns
        if view is None:  # the last good picture stays what is seen
            assert self._frame is not None
            self._observation = self._observation.copy()
            view = self._game.view(Frame(self._frame.pixels, self._time.now_ns()))
        reward, over = self._referee.judge(view)
        if view.exit_code is not None and not end_reason:
            end_reason = why_process_ended(self._game, view.exit_code)
        self._steps += 1
        limit_s = self.profile.time_limit_s
        if not end_reason and limit_s is not None and self._steps >= limit_s * self.fps:
            end_reason = "time_limit"
        terminated = bool(over)
        truncated = bool(end_reason) and not terminated
        info = self._info(view, late_ns, capture_ns, applied)
        if terminated or truncated:
            info["end_reason"] = f"game_over: {over}" if over else end_reason
            self._stop_playing()
            self._warn_of_unread()
        return self._observation, reward, terminated, truncated, info

    def render(self) -> npt.NDArray[np.uint8] | None:
        """The game's picture at full size, ``(H, W, 3) uint8 RGB``, of the last observation."""
        if self.render_mode != "rgb_array":
            return None
        if self._frame is None:
            raise gymnasium.error.ResetNeeded("there is no picture yet: call reset() before render()")
        return self._frame.rgb()

    def close(self) -> None:
        """End the game, its display, and all that belongs to it. May be called twice."""
        self._playing = False
        self._hands.close()
        if self._frame is not None:
            self._frame = Frame(self._frame.pixels.copy(), self._frame.t_ns)  # the capture's memory goes now
        self._game.close()

    def _stop_playing(self) -> None:
        self._playing = False
        self._hands.release()

    def _warn_of_unread(self) -> None:
        if self._warned or not self.unread:
            return
        self._warned = True
        names = ", ".join(f"readers.{name}" for name in self.unread)
        height, width = self._frame.size if self._frame is not None else (0, 0)
        warnings.warn(
            f"{self.profile.path}: {names} read nothing in an episode of {self._steps} steps, which gave no score or "
            f"reward by it: compare it with the game's picture (render_mode='rgb_array', env.render()), which is "
            f"{width}x{height} (width, height)",
            stacklevel=4,
        )

    def _see(self, frame: Frame) -> None:
        self._observation = observe(frame.pixels, self.observation_size)
        self._frame = frame
        self.controls.window_size = frame.size

    def _info(self, view: GameView, late_ns: int, capture_ns: int, applied: AppliedInput | None) -> dict[str, Any]:
        info: dict[str, Any] = {
            "t_ns": view.frame.t_ns,
            "late_ns": late_ns,
            "capture_ns": capture_ns,
            "inject_t_ns": applied.t_ns if applied else view.frame.t_ns,
            "action": applied.action if applied else self.controls.zeros(),
            "presses": applied.presses if applied else np.zeros(len(self.controls), np.uint8),
            "focused": applied.focused if applied else True,
            "readers": dict(self._referee.values),
        }
        if self.profile.score is not None:
            info["raw_score"] = self._referee.score
        return info
