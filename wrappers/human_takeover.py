"""An agent plays, and a person at the same keyboard and mouse takes over whenever they like."""

from __future__ import annotations

from typing import Any, SupportsFloat

import gymnasium
import numpy as np
import numpy.typing as npt

from gameon_env.clock import now_ns
from gameon_env.controls import StepBinner
from gameon_env.desktop.inject import check_button
from gameon_env.envs.desktop_env import DesktopEnv
from gameon_env.envs.end_reason import is_loss
from gameon_env.errors import InputError
from gameon_env.events import InputEvent
from gameon_env.keys import MOUSE_POSITION
from wrappers.person_watch import PersonWatch
from wrappers.record_episode import RecordEpisode

Observation = npt.NDArray[np.uint8]
Action = npt.NDArray[np.float32]


class HumanTakeover(gymnasium.Wrapper[Observation, Action, Observation, Action], gymnasium.utils.RecordConstructorArgs):
    """An agent plays through ``step(action)``; the first key, button or motion of a person interrupts it at once.

    From that event on, in the middle of a step too, nothing that the agent holds stays down, nothing more of it is
    injected, and the person plays the game directly. They give it back with ``hand_back_key``, or by doing nothing for
    ``idle_s``; the agent goes on with the first step after that in which they hold nothing down. Each episode begins
    with the agent, unless something is held down. On a display that a person uses, what they do counts while the game
    has the focus.

    ``info`` of each step says:

    - ``actor``: ``"agent"`` or ``"human"``; a step that the person interrupted is theirs.
    - ``action``, ``presses``: of an agent's step what was applied; of a human's step what the person did in it
      (axes are not clipped). What the agent had applied before it was interrupted is not in there.
    - ``agent_action``: ``(A,) float32``, what the agent would have done, or did.
    - ``takeover``: True in the step that the person interrupted.
    - ``human_share``: the part of the step's time, from 0 to 1, in which the person had the game.

    Keep on asking the agent for actions while the person plays: they are the answers to learn from. To record, wrap
    this one: ``RecordEpisode(HumanTakeover(env), folder)``. Wrappers that change actions go outside as well.

    Args:
        env: a ``GameOn-Desktop-v0`` environment in real time.
        hand_back_key: a key that neither the game nor its profile uses.
        idle_s: give the game back to the agent after so many seconds without input; None: never.
        backend: how to listen: ``auto`` or ``x11``.

    Raises:
        InputError: the environment is none of ours, in lockstep, wrapped in a way that does not work, or input cannot
            be told apart here; or ``hand_back_key`` is in use.
    """

    def __init__(
        self,
        env: gymnasium.Env[Observation, Action],
        hand_back_key: str = "key:f10",
        idle_s: float | None = None,
        backend: str = "auto",
    ) -> None:
        gymnasium.utils.RecordConstructorArgs.__init__(
            self, hand_back_key=hand_back_key, idle_s=idle_s, backend=backend
        )
        super().__init__(env)
        self._desktop = _desktop_below(env)
        self._emergency_stop = self._desktop.emergency_stop
        self.hand_back_key = _check_hand_back_key(hand_back_key, self._desktop, self._emergency_stop)
        if idle_s is not None and not idle_s > 0:
            raise InputError(f"idle_s must be a number of seconds, more than 0, or None; it is {idle_s!r}")
        self._idle_s = idle_s
        self._backend = backend
        self._watch: PersonWatch | None = None
        self._generation = 0
        self._human = self._emptied = False
        self._t_ns = 0
        self._focused_since_ns: int | None = None
        self._binner = StepBinner(self._desktop.controls)
        self._has_pointer = bool(set(MOUSE_POSITION) & set(self._desktop.controls.names))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Reset the game; the agent begins."""
        if self._watch is not None:
            self._watch.pause()
        observation, info = self.env.reset(seed=seed, options=options)
        self._t_ns = info["t_ns"]
        self._human = self._emptied = False
        self._focused_since_ns = self._desktop.live_game.focused_since_ns
        watch = self._listen()
        held = watch.begin(self._t_ns)
        self._binner = StepBinner(
            self._desktop.controls, held, origin=self._desktop.game_origin, pointer=watch.pointer()
        )
        info["actor"] = "agent"
        return observation, info

    def step(self, action: Action) -> tuple[Observation, SupportsFloat, bool, bool, dict[str, Any]]:
        """Apply the agent's action, or let the person play, until the next tick.

        Raises:
            ActionError: wrong shape, or NaN, whoever plays.
            EmergencyStop: the person pressed the emergency-stop key.
        """
        watch = self._watch
        if watch is None:
            raise gymnasium.error.ResetNeeded("the episode is over, or has not begun: call reset()")
        controls = self._desktop.controls
        would_do = controls.clip(action)
        would_do[controls.is_button] = would_do[controls.is_button] >= 0.5
        if self._emptied and watch.hand_back(self._idle_s):
            self._human = self._emptied = False
        # While the person plays, the environment is told that nothing is held, which is so: when the agent goes on,
        # it has to press again.
        emptied = watch.since_ns is not None
        observation, reward, terminated, truncated, info = self.env.step(controls.zeros() if emptied else action)
        over = terminated or truncated
        until_ns = now_ns() if over else info["t_ns"]
        self._binner.origin = self._desktop.game_origin
        self._binner.add(self._heard(watch, over))
        if self._has_pointer and not over:
            self._binner.point(*watch.pointer())
        done = self._binner.take(until_ns)
        focused_since_ns = self._desktop.live_game.focused_since_ns
        since_ns = watch.since_ns
        human = since_ns is not None and since_ns < until_ns
        info["agent_action"] = would_do if human else info["action"].copy()
        if human:
            kept = info["focused"] and focused_since_ns is not None and focused_since_ns == self._focused_since_ns
            theirs = kept or (self._focused_since_ns is not None and is_loss(info.get("end_reason", "")))
            info["action"] = done.inputs if theirs else controls.zeros()
            info["presses"] = done.presses if theirs else np.zeros(len(controls), np.uint8)
        info["actor"] = "human" if human else "agent"
        info["takeover"] = human and not self._human
        info["human_share"] = _share(since_ns, self._t_ns, until_ns) if human else 0.0
        self._human, self._emptied, self._t_ns = human, emptied and human, until_ns
        self._focused_since_ns = focused_since_ns
        watch.arm(info["focused"] and not over)
        return observation, reward, terminated, truncated, info

    def close(self) -> None:
        """Stop listening and close the environment."""
        self._close_watch()
        super().close()

    def _listen(self) -> PersonWatch:
        if self._watch is None or self._generation != self._desktop.display_generation:
            self._close_watch()
            self._generation = self._desktop.display_generation
            self._watch = PersonWatch(
                self._desktop.display_name,
                self._backend,
                self._desktop.live_game,
                self.hand_back_key,
                frozenset({self._emergency_stop}),
            )
        return self._watch

    def _heard(self, watch: PersonWatch, over: bool) -> list[InputEvent]:
        try:
            return [event for event in watch.heard() if event.control not in MOUSE_POSITION]
        except InputError:
            if not over:
                raise
            self._close_watch()  # the episode ended because the display went away
            return []

    def _close_watch(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.close()


def _share(since_ns: int | None, begin_ns: int, until_ns: int) -> float:
    if since_ns is None or since_ns <= begin_ns or until_ns <= begin_ns:
        return 1.0
    return (until_ns - since_ns) / (until_ns - begin_ns)


def _desktop_below(env: gymnasium.Env[Any, Any]) -> DesktopEnv:
    desktop = env.unwrapped
    if not isinstance(desktop, DesktopEnv):
        raise InputError(
            f"HumanTakeover needs a GameOn-Desktop-v0 environment, whose game real events reach; got {desktop}"
        )
    if desktop.time != "real":
        raise InputError(
            "in lockstep a person cannot take over: the game runs as fast as it can, and stands still between steps. "
            'Make the environment with time="real"; policies are the same in both'
        )
    if desktop.passive:
        raise InputError(
            "inside HumanTakeover there is a HumanControl, through which no agent can play: leave it out. "
            "HumanTakeover alone records a person as well, who takes over and does not give back"
        )
    inner = env
    while isinstance(inner, gymnasium.Wrapper):
        if isinstance(inner, RecordEpisode):
            raise InputError(
                "a RecordEpisode inside HumanTakeover cannot see what the person does: "
                "put it outside, RecordEpisode(HumanTakeover(env), folder)"
            )
        inner = inner.env
    if env.action_space != desktop.action_space:
        raise InputError(
            f"HumanTakeover needs actions that are the game's own vectors, {desktop.action_space}; the environment "
            f"takes {env.action_space}: put the wrapper that changes them outside, as in "
            "DiscreteActions(HumanTakeover(env))"
        )
    return desktop


def _check_hand_back_key(key: str, desktop: DesktopEnv, emergency_stop: str) -> str:
    check_button(key)
    reset = desktop.profile.reset
    taken = {
        **{step.what: "pressed by the profile's [reset]" for step in (*reset.steps, *reset.start_steps)},
        **dict.fromkeys(desktop.controls.names, "one of the game's controls"),
        emergency_stop: "the emergency stop",
    }
    if key in taken:
        raise InputError(f"hand_back_key {key!r} is {taken[key]}: choose a key that nothing else uses, key:f9 for one")
    return key
