"""``GameOn-Desktop-v0``: any game on a desktop as a Gymnasium environment, in real time."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from gameon_env.clock import Pacer, now_ns
from gameon_env.controls import ActionEncoder, Command, Controls
from gameon_env.data_processing.resize import observe
from gameon_env.desktop.listen import Listener, open_listener
from gameon_env.envs.live_game import LiveGame
from gameon_env.envs.referee import Referee
from gameon_env.errors import (
    DisplayError,
    EmergencyStop,
    GameCrashError,
    GameOnError,
    InputError,
    ObservationError,
    ProfileError,
    WindowError,
)
from gameon_env.events import Frame
from gameon_env.games.profile import Attach, ResetStep, load_profile
from gameon_env.games.readers import GameView
from gameon_env.games.table import Table

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
        time: ``real``.
        fps: steps per second; the profile's without it.
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
    ) -> None:
        if time != "real":
            raise ProfileError(f"time must be 'real' here; it is {time!r}")
        if render_mode not in (None, "rgb_array"):
            raise ProfileError(f"render_mode must be 'rgb_array' or None; it is {render_mode!r}")
        self.profile = load_profile(game)
        self.fps = float(fps or self.profile.fps)
        if self.fps <= 0:
            raise ProfileError(f"fps must be more than 0; it is {fps}")
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
        self.passive = False
        """True while a person plays (see ``wrappers.HumanControl``): nothing is injected, not even releases."""
        self._emergency_stop = emergency_stop or self.profile.emergency_stop
        target = Attach.read(Table(_as_lists(attach), self.profile.path, "attach.")) if attach else None
        self._check_possible(target)
        self._game = LiveGame(self.profile, self._choose_display(display, target), target)
        self._referee = Referee(self.profile)
        self._encoder = ActionEncoder(self.controls)
        self._pacer = Pacer(int(1e9 / self.fps))
        self._stop_listener: Listener | None = None
        self._frame: Frame | None = None
        self._observation: Observation = np.zeros(self.observation_space.shape, np.uint8)
        self._steps = 0
        self._playing = False

    @property
    def display_name(self) -> str:
        """The display that the game is on, as in ``:7``; empty before the first reset."""
        return self._game.display_name

    @property
    def game_origin(self) -> tuple[int, int]:
        """``(left, top)`` of the game's picture on its display, in pixels."""
        return self._game.origin

    @property
    def raw_score(self) -> float:
        """The score as last read from the screen; NaN where there is none."""
        return self._referee.score

    @property
    def recording_metadata(self) -> dict[str, Any]:
        """What a recording must say of this environment, ready for JSON."""
        return {
            "game": self.profile.name,
            "fps": self.fps,
            "controls": list(self.controls.names),
            "mouse_scale_px": self.controls.mouse_scale_px,
            "wheel_scale": self.controls.wheel_scale,
            "window_size": list(self.controls.window_size),
            "observation_size": list(self.observation_size),
            "time": "real",
        }

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Bring the game to the start of an episode, whatever state it is in, and return the first observation."""
        super().reset(seed=seed)
        game_seed = int(self.np_random.integers(2**31)) if seed is None else int(seed)
        self._playing = False
        self._game.release_all()
        self._encoder.reset()
        launched = not self._reset_by_keys(seed)
        if launched:
            self._game.start(game_seed)
            self._open_stop_listener()
            self._check_size()
            self._wait_until_ready(after_launch=True)
        self._steps = 0
        self._playing = True
        view = self._view(self._game.grab())
        self._see(view.frame)
        self._referee.restart(view)
        self._pacer.restart()
        info = self._info(view, late_ns=0, capture_ns=0, inject_t_ns=view.frame.t_ns)
        if launched and self.profile.launch is not None and self.profile.launch.takes_seed:
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
        commands, applied = self._encode(action)
        presses = np.zeros(len(self.controls), np.uint8)
        end_reason = ""
        start_ns = inject_t_ns = now_ns()
        late_ns = 0
        view: GameView | None = None
        try:
            self._check_emergency_stop()
            focused = self._game.focused
            if not focused and not self.passive:
                commands, applied = self._let_go()
            for command in commands:
                if command.kind == "press":
                    presses[self.controls.index[command.control]] = 1
            inject_t_ns = self._game.inject(commands)
            late_ns = self._pacer.wait()
            start_ns = now_ns()
            frame = self._game.grab()
            self._see(frame)
            view = self._view(frame)
        except WindowError as error:
            focused = False
            end_reason = self._why_window_is_gone(error)
        except (DisplayError, InputError) as error:
            focused = False
            end_reason = f"display_lost: {error}"
        except BaseException:
            self._stop_playing()
            raise
        capture_ns = now_ns() - start_ns
        if view is None:  # the last good picture stays what is seen
            assert self._frame is not None
            view = self._view(Frame(self._frame.pixels, now_ns()))
        reward, over = self._referee.judge(view)
        if view.exit_code is not None and not end_reason:
            end_reason = self._why_process_ended(view.exit_code)
        self._steps += 1
        limit_s = self.profile.time_limit_s
        if not end_reason and limit_s is not None and self._steps >= limit_s * self.fps:
            end_reason = "time_limit"
        terminated = bool(over)
        truncated = bool(end_reason) and not terminated
        info = self._info(view, late_ns=late_ns, capture_ns=capture_ns, inject_t_ns=inject_t_ns)
        info.update(action=applied, presses=presses, focused=focused)
        if terminated or truncated:
            info["end_reason"] = f"game_over: {over}" if over else end_reason
            self._stop_playing()
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
        if self._stop_listener is not None:
            self._stop_listener.close()
            self._stop_listener = None
        if self._frame is not None:
            self._frame = Frame(self._frame.pixels.copy(), self._frame.t_ns)  # the capture's memory goes now
        self._game.close()

    def _check_possible(self, target: Attach | None) -> None:
        launch = self.profile.launch
        if launch is None or target is not None:
            return
        launch.check_installed()
        height, width = launch.screen_size
        if not 0 < self.observation_size[0] <= height or not 0 < self.observation_size[1] <= width:
            raise ObservationError(
                f"observation_size {self.observation_size} must lie between (1, 1) and the game's screen "
                f"({height}, {width}), (height, width) each"
            )

    def _choose_display(self, display: str, target: Attach | None) -> str:
        if display != "auto":
            if display not in ("private", "current") and ":" not in display:
                raise DisplayError(f"display must be 'auto', 'private', 'current' or ':N'; it is {display!r}")
            return display
        if self.profile.launch is None or target is not None:
            return "current"
        return "private" if shutil.which("Xvfb") else "current"

    def _check_size(self) -> None:
        height, width = self._game.size
        self.controls.window_size = (height, width)
        if self.observation_size[0] > height or self.observation_size[1] > width:
            self._game.close()
            raise ObservationError(
                f"observation_size {self.observation_size} is larger than the game's picture ({height}, {width}); "
                "choose a smaller one"
            )

    def _reset_by_keys(self, seed: int | None) -> bool:
        reset, launch = self.profile.reset, self.profile.launch
        wants_seed = seed is not None and launch is not None and launch.takes_seed
        if reset.mode == "relaunch" or wants_seed or not self._game.running:
            return False
        try:
            self._do_steps(reset.steps)
            self._wait_until_ready(after_launch=False)
        except (GameCrashError, WindowError, DisplayError, InputError):
            if launch is None:
                raise
            return False  # a game that does not come back by keys is launched anew
        return True

    def _wait_until_ready(self, *, after_launch: bool) -> None:
        reset = self.profile.reset
        if after_launch:
            self._do_steps(reset.start_steps)
        end_ns = now_ns() + int(reset.timeout_s * 1e9)
        while not self._ready():
            code = self._game.exit_code()
            if code is not None:
                raise GameCrashError(
                    f"{self.profile.title} ended with exit code {code} before it could be played. Its last output:\n"
                    f"{self._game.output_tail(20)}"
                )
            if now_ns() > end_ns:
                wanted = f"the reader {reset.ready!r} to be 1" if reset.ready else "a picture that is not one colour"
                raise GameCrashError(
                    f"{self.profile.title} was not ready to play after {reset.timeout_s:g} s (waited for {wanted}): "
                    f"correct [reset] in {self.profile.path}"
                )
            time.sleep(0.02)

    def _ready(self) -> bool:
        frame = self._game.grab()
        if self.profile.reset.ready is not None:
            return self._referee.says(self.profile.reset.ready, self._view(frame))
        if self.profile.reset.mode == "none":
            return True  # whatever is on the screen is what is to be played
        sample = frame.pixels[::8, ::8, :3]
        return bool((sample != sample[0, 0]).any())

    def _do_steps(self, steps: tuple[ResetStep, ...]) -> None:
        for step in steps:
            if step.kind == "wait":
                time.sleep(step.seconds)
            elif step.kind == "tap":
                if self._game.focused:
                    self._game.inject([Command("press", step.what)])
                    time.sleep(step.seconds)
                    self._game.inject([Command("release", step.what)])
            else:
                end_ns = now_ns() + int(step.seconds * 1e9)
                while now_ns() < end_ns and not self._referee.says(step.what, self._view(self._game.grab())):
                    time.sleep(0.02)

    def _encode(self, action: Action) -> tuple[list[Command], Action]:
        if self.passive:
            self.controls.clip(action)
            return [], self.controls.zeros()
        return self._encoder.encode(action)

    def _let_go(self) -> tuple[list[Command], Action]:
        self._game.release_all()
        self._encoder.reset()
        return [], self.controls.zeros()

    def _open_stop_listener(self) -> None:
        if self._game.shared and self._stop_listener is None:
            self._stop_listener = open_listener(self._game.display_name)
            self._stop_listener.start()

    def _check_emergency_stop(self) -> None:
        if self._stop_listener is None:
            return
        for event in self._stop_listener.drain():
            if event.control == self._emergency_stop and event.value >= 0.5 and not event.injected:
                raise EmergencyStop(f"stopped by {self._emergency_stop}: everything was let go; call reset() to go on")

    def _stop_playing(self) -> None:
        self._playing = False
        if not self.passive:
            self._game.release_all()
        self._encoder.reset()

    def _view(self, frame: Frame) -> GameView:
        return GameView(frame, self._game.exit_code(), self._game.new_output(), self._game.home)

    def _see(self, frame: Frame) -> None:
        self._observation = observe(frame.pixels, self.observation_size)
        self._frame = frame

    def _why_window_is_gone(self, error: GameOnError) -> str:
        code = self._game.exit_code(window_gone=True)
        return f"window_closed: {error}" if code is None else self._why_process_ended(code)

    def _why_process_ended(self, code: int) -> str:
        if code == 0:
            return "game_exited"
        return f"game_crashed: exit code {code}; its last output: {self._game.output_tail(5)}"

    def _info(self, view: GameView, *, late_ns: int, capture_ns: int, inject_t_ns: int) -> dict[str, Any]:
        info: dict[str, Any] = {
            "t_ns": view.frame.t_ns,
            "late_ns": late_ns,
            "capture_ns": capture_ns,
            "inject_t_ns": inject_t_ns,
            "action": self.controls.zeros(),
            "presses": np.zeros(len(self.controls), np.uint8),
            "focused": True,
            "readers": dict(self._referee.values),
        }
        if self.profile.score is not None:
            info["raw_score"] = self._referee.score
        return info


def _as_lists(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
