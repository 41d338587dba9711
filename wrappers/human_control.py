"""A person plays, by real keyboard and mouse; the environment watches and says what was done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, SupportsFloat

import gymnasium
import numpy as np
import numpy.typing as npt

from gameon_env.clock import now_ns
from gameon_env.controls import StepBinner, held_before
from gameon_env.desktop.listen import Listener, open_listener
from gameon_env.envs.desktop_env import DesktopEnv
from gameon_env.envs.end_reason import is_loss
from gameon_env.errors import InputError
from gameon_env.events import InputEvent
from gameon_env.keys import MOUSE_POSITION
from wrappers.record_episode import RecordEpisode

Observation = npt.NDArray[np.uint8]
Action = npt.NDArray[np.float32]


class HumanControl(gymnasium.Wrapper[Observation, Action, Observation, Action], gymnasium.utils.RecordConstructorArgs):
    """A person, or another process, plays the game through real input events.

    Nothing is injected meanwhile, not even releases. ``step`` ignores its action (None is fine), and puts what was
    really done between the two observations into ``info["action"]`` ``(A,) float32`` (axes are not clipped) and
    ``info["presses"]`` ``(A,) uint8``, with ``info["actor"] = "human"``. While the game's window does not have the
    focus on a shared display, nothing of what is typed elsewhere is kept: the action is zero.

    Args:
        env: a ``GameOn-Desktop-v0`` environment, wrapped or not. To record, wrap this one:
            ``RecordEpisode(HumanControl(env), folder)``.
        backend: how to listen: ``auto``, ``x11`` or ``pynput``.

    Raises:
        InputError: the environment is none of ours, is in lockstep, records already, or input cannot be heard here.
    """

    def __init__(self, env: gymnasium.Env[Observation, Action], backend: str = "auto") -> None:
        gymnasium.utils.RecordConstructorArgs.__init__(self, backend=backend)
        super().__init__(env)
        if not isinstance(env.unwrapped, DesktopEnv):
            raise InputError(
                f"HumanControl needs a GameOn-Desktop-v0 environment, whose game real events reach; got {env.unwrapped}"
            )
        _refuse_recorder_below(env)
        if env.unwrapped.time != "real":
            raise InputError(
                f"a person plays in real time, and this game runs in {env.unwrapped.time}: make the environment with "
                "time='real'"
            )
        self._desktop = env.unwrapped
        self._desktop.passive = True
        self._backend = backend
        self._listener: Listener | None = None
        self._generation = 0
        self._focused_since_ns: int | None = None
        self._binner = StepBinner(self._desktop.controls)
        self._has_pointer = bool(set(MOUSE_POSITION) & set(self._desktop.controls.names))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Reset the game and start to listen. What is held already counts as held."""
        observation, info = self.env.reset(seed=seed, options=options)
        since_ns = self._focused_since_ns = self._desktop.live_game.focused_since_ns
        self._begin(info["t_ns"] if since_ns is None else max(info["t_ns"], since_ns))
        info["actor"] = "human"
        return observation, info

    def step(self, action: Action | None = None) -> tuple[Observation, SupportsFloat, bool, bool, dict[str, Any]]:
        """Wait for the next tick and say what was done meanwhile."""
        observation, reward, terminated, truncated, info = self.env.step(self._desktop.controls.zeros())
        over = terminated or truncated
        events = self._heard(over)
        # Asked for after the events were taken: a change before any of them is known by now.
        before_ns, since_ns = self._focused_since_ns, self._desktop.live_game.focused_since_ns
        self._focused_since_ns = None
        # Where the window or the display went away, the focus went with it.
        lost = before_ns is not None and is_loss(info.get("end_reason", ""))
        if lost or (info["focused"] and since_ns is not None):
            if since_ns is None or since_ns == before_ns:
                self._binner.origin = self._desktop.game_origin
                self._binner.add(event for event in events if event.control not in MOUSE_POSITION)
            else:  # since the last step the focus was elsewhere, and what was typed there is none of the game's
                self._begin(since_ns, events)
            if self._has_pointer and self._listener is not None:
                self._binner.point(*self._listener.pointer())
            done = self._binner.take(now_ns() if over else info["t_ns"])
            info["action"], info["presses"] = done.inputs, done.presses
            self._focused_since_ns = since_ns
        info["actor"] = "human"
        return observation, reward, terminated, truncated, info

    def close(self) -> None:
        """Stop listening and close the environment."""
        self._close_listener()
        self._desktop.passive = False
        super().close()

    def _begin(self, since_ns: int, heard: Sequence[InputEvent] = ()) -> None:
        """Begin with what was held at ``since_ns``, and with what was done since then, ``heard`` already or not."""
        if self._listener is None or self._generation != self._desktop.display_generation:
            self._open_listener()
        try:
            self._start_binning(since_ns, heard)
        except InputError:  # the display went away and came back under its name
            self._open_listener()
            self._start_binning(since_ns, heard)

    def _start_binning(self, since_ns: int, heard: Sequence[InputEvent]) -> None:
        listener = self._listener
        assert listener is not None
        held = listener.held()  # before the events are taken, so that none happens between the two
        events = [*heard, *listener.drain()]
        since = [event for event in events if event.t_ns >= since_ns and event.control not in MOUSE_POSITION]
        self._binner = StepBinner(
            self._desktop.controls,
            held_before(since, held),
            origin=self._desktop.game_origin,
            pointer=listener.pointer(),
        )
        self._binner.add(since)

    def _heard(self, over: bool) -> list[InputEvent]:
        if self._listener is None:
            return []
        try:
            return self._listener.drain()
        except InputError:
            if not over:
                raise
            self._close_listener()  # the episode ended because the display went away
            return []

    def _open_listener(self) -> None:
        self._close_listener()
        self._generation = self._desktop.display_generation
        self._listener = open_listener(self._desktop.display_name, self._backend)
        self._listener.start()

    def _close_listener(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None


def _refuse_recorder_below(env: gymnasium.Env[Any, Any]) -> None:
    while isinstance(env, gymnasium.Wrapper):
        if isinstance(env, RecordEpisode):
            raise InputError(
                "a RecordEpisode inside HumanControl cannot see what the person does: "
                "put it outside, RecordEpisode(HumanControl(env), folder)"
            )
        env = env.env
