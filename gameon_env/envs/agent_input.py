"""What an agent's actions do to its game: injected while it may be, held from step to step, and let go of in time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gameon_env.controls import ActionEncoder, Command, Controls
from gameon_env.envs.guard import HANG_S, Guard
from gameon_env.envs.live_game import LiveGame
from gameon_env.keys import MOUSE_WHEEL


@dataclass(slots=True)
class AppliedInput:
    """What was injected in one step.

    Attributes:
        commands: still to be injected, or injected.
        action: ``(A,) float32``, the vector that they apply.
        presses: ``(A,) uint8``, how often each control was pressed.
        focused: whether the game had the keyboard all the while.
        t_ns: when the action had gone out.
        focused_since_ns: since when the game had the keyboard at the step's begin.
    """

    commands: list[Command]
    action: npt.NDArray[np.float32]
    presses: npt.NDArray[np.uint8]
    focused: bool
    t_ns: int
    focused_since_ns: int | None = None


class AgentInput:
    """One agent's hands on one game.

    Nothing goes out while the game's window has not the keyboard, and what is held is let go of then; clicks go out
    only where the pointer is over the window. Between two steps a :class:`~gameon_env.envs.guard.Guard` lets go of all
    when another window gets the keyboard, the person wants it, or the agent hangs. In lockstep the game stands
    still while the agent thinks, and no person can reach it: nothing is guarded there.

    Args:
        game: what is played.
        controls: what the elements of an action are.
        stop_key: the control by which a person stops the agent.
        fps: steps per second.
    """

    def __init__(self, game: LiveGame, controls: Controls, stop_key: str, fps: float) -> None:
        self.passive = False
        """True while a person plays: nothing is injected, not even releases."""
        self._game = game
        self._controls = controls
        self._encoder = ActionEncoder(controls)
        self._stop_key = stop_key
        self._own_keys = {*controls.names, *game.profile.reset.pressed}
        self._hang_s = max(HANG_S, 20 / fps)
        self._guard: Guard | None = None
        self._guarded_generation = 0

    def begin(self) -> None:
        """An episode is about to begin, or begins."""
        if self.passive or self._game.time.virtual:
            self.close()
            return
        if self._guard is None or self._guarded_generation != self._game.display_generation:
            self.close()
            game, shared = self._game, self._game.shared
            self._guarded_generation = game.display_generation
            self._guard = Guard(
                game.display_name,
                self._stop_key if shared else None,
                game.release_all,
                game.release_astray if shared else None,
                self._hang_s,
                own_key=self._stop_key in self._own_keys,
            )
        self._guard.begin()

    def check(self) -> None:
        """Raises ``EmergencyStop`` where the person pressed the stop key, ``InputError`` where the display is gone."""
        if self._guard is not None:
            self._guard.check()

    def encode(self, action: npt.NDArray[np.float32]) -> AppliedInput:
        """What an action comes to; nothing is injected yet.

        Raises:
            ActionError: wrong shape, or NaN.
        """
        commands, applied = self._encode(action)
        return AppliedInput(commands, applied, np.zeros(len(self._controls), np.uint8), False, self._game.time.now_ns())

    def apply(self, action: npt.NDArray[np.float32], applied: AppliedInput) -> None:
        """Inject it, where the game has the keyboard; ``applied`` says afterwards what went out.

        Raises:
            EmergencyStop: the person pressed the stop key.
            InputError: the display is gone.
        """
        if self._guard is not None and self._guard.check():  # all was let go of meanwhile: it is pressed again
            self._encoder.reset()
            applied.commands, applied.action = self._encode(action)
        applied.focused_since_ns = self._game.focused_since_ns
        applied.focused = applied.focused_since_ns is not None
        if not applied.focused and not self.passive:
            self._let_go()
            applied.commands, applied.action = [], self._controls.zeros()
        applied.t_ns, kept_back = self._game.inject(applied.commands)
        if kept_back:
            self._forget(kept_back)
            applied.commands = [command for command in applied.commands if command not in kept_back]
            applied.action[[self._controls.index[command.control or MOUSE_WHEEL] for command in kept_back]] = 0
        for command in applied.commands:
            if command.kind == "press":
                applied.presses[self._controls.index[command.control]] = 1

    def hold(self, applied: AppliedInput) -> None:
        """Between two periods of one step: what is held stays held, where the game still has the keyboard.

        Raises:
            EmergencyStop: the person pressed the stop key.
            InputError: the display is gone.
        """
        released = self._guard is not None and self._guard.check()
        if self.look(applied) and not self.passive:
            self._let_go()
        if released:
            self._forget(self._game.inject([Command("press", control) for control in sorted(self._encoder.held)])[1])

    def look(self, applied: AppliedInput) -> bool:
        """Note whether the game has lost the keyboard, be it for a moment. Returns whether that is news."""
        lost = applied.focused and self._game.focused_since_ns != applied.focused_since_ns
        applied.focused = applied.focused and not lost
        return lost

    def release(self) -> None:
        """Let go of everything: the episode is over, or the next one begins."""
        if not self.passive:
            self._game.release_all()
        self._encoder.reset()

    def close(self) -> None:
        """End the guard. May be called twice."""
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.close()

    def _encode(self, action: npt.NDArray[np.float32]) -> tuple[list[Command], npt.NDArray[np.float32]]:
        if self.passive:
            self._controls.clip(action)
            return [], self._controls.zeros()
        return self._encoder.encode(action)

    def _forget(self, kept_back: list[Command]) -> None:
        """What was not pressed is pressed when it can be, where the agent still wants it."""
        self._encoder.held = self._encoder.held.difference(command.control for command in kept_back)

    def _let_go(self) -> None:
        self._game.release_all()
        self._encoder.reset()
