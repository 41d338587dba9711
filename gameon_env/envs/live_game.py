"""One running game that an agent plays: what it injects reaches this game only."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Sequence

from gameon_env.controls import Command
from gameon_env.desktop.inject import Injector, open_injector
from gameon_env.errors import InputError
from gameon_env.games.game_focus import GameFocus
from gameon_env.games.game_time import GameTime
from gameon_env.games.profile import Attach, Profile
from gameon_env.games.running_game import RunningGame


class LiveGame(RunningGame):
    """A game that is launched on a display, or found on one, and is played by injected input.

    Args:
        profile: the game.
        display: ``private``, ``current`` or ``:N``.
        attach: where to find the game, in place of what the profile says.
        time: the time in which it runs; the real one without it.
    """

    def __init__(
        self, profile: Profile, display: str, attach: Attach | None = None, *, time: GameTime | None = None
    ) -> None:
        super().__init__(profile, display, attach, time=time)
        self._injector: Injector | None = None
        self._injecting = threading.Lock()
        self._given_way = False
        self._focus = GameFocus()

    @property
    def focused(self) -> bool:
        """Whether what is typed goes to the game: always on a private display, else while its window has the keyboard.

        Raises:
            DisplayError: its window cannot be watched.
        """
        return self.focused_since_ns is not None

    @property
    def focused_since_ns(self) -> int | None:
        """Since when it is :attr:`focused` without a break: 0 on a private display; None while it is not.

        Raises:
            DisplayError: its window cannot be watched.
        """
        if not self.shared:
            return 0
        self._follow_window()
        return self._focus.since_ns

    def start(self, seed: int) -> None:
        super().start(seed)
        self._follow_window()  # at once: who grabbed the keyboard before is not known

    def refresh(self) -> None:
        super().refresh()
        self._follow_window()

    def inject(self, commands: Sequence[Command]) -> tuple[int, list[Command]]:
        """Send input to the game; nothing while a person has it.

        On a shared display, clicks and turns of the wheel that would go to another window are kept back.

        Returns:
            when it went out, in ns, and what was kept back.

        Raises:
            InputError: the display is gone.
        """
        self._check_owner()
        injector = self._injector
        if injector is None:
            raise InputError("the game is not running; call reset()")
        left, top = self._origin
        shared, kept_back = self.shared, list[Command]()
        with self._injecting:
            if self._given_way:
                return self.time.now_ns(), []
            for command in commands:
                if shared and _is_click(command):
                    injector.flush()  # the motion before it
                    if not self._focus.under_pointer:
                        kept_back.append(command)
                        continue
                match command.kind:
                    case "press":
                        injector.press(command.control)
                    case "release":
                        injector.release(command.control)
                    case "move":
                        injector.move(command.x, command.y)
                    case "move_to":
                        injector.move_to(left + command.x, top + command.y)
                    case "scroll":
                        injector.scroll(command.y)
            if commands:
                injector.flush()
            return self.time.now_ns(), kept_back

    def release_all(self) -> None:
        """Let go of everything that was injected as held. Where the display is gone, nothing is held any more."""
        if self._injector is None or os.getpid() != self._owner_pid:
            return
        try:
            with self._injecting:
                self._injector.release_all()
        except InputError:
            if self.display_alive:
                raise

    def release_astray(self) -> bool:
        """Let go of what the agent holds where the game's window has not the keyboard. Returns whether anything was."""
        injector = self._injector
        if injector is None or not injector.held or self._given_way or self._focus.since_ns is not None:
            return False
        self.release_all()
        return True

    def give_way(self, keep: Collection[str] = ()) -> None:
        """A person takes the game: let go of all that was injected as held, and inject nothing until :meth:`go_on`.

        Args:
            keep: keys that the person holds down as well. Letting go of them would free the person's: they stay
                until :meth:`let_go`.
        """
        with self._injecting:
            self._given_way = True
            if self._injector is not None:
                for control in self._injector.held.difference(keep):
                    self._injector.release(control)
                self._flush()

    def hold(self, control: str) -> None:
        """Hold a key for the person who holds it too, but whose press a release of ours has undone."""
        with self._injecting:
            if self._injector is not None:
                self._injector.press(control)
                self._flush()

    def let_go(self, control: str) -> None:
        """The person let go of this key: so do we, where we hold it."""
        with self._injecting:
            if self._injector is not None and control in self._injector.held:
                self._injector.release(control)
                self._flush()

    def go_on(self) -> None:
        """The person gave the game back: inject again."""
        self.release_all()
        with self._injecting:
            self._given_way = False

    def _follow_window(self) -> None:
        if self.shared:
            self._focus.follow(self.display_name, self._picture.window_id if self._picture is not None else None)

    def _flush(self) -> None:
        assert self._injector is not None
        try:
            self._injector.flush()
        except InputError:
            if self.display_alive:
                raise

    def _launch(self, seed: int) -> None:
        if self.time.virtual and self._injector is not None and self.profile.launch is not None:
            height, width = self.profile.launch.screen_size
            self._injector.move_to(width // 2, height // 2)  # not where the last episode left it
            self._injector.flush()
        super()._launch(seed)

    def _open_display(self) -> None:
        super()._open_display()
        assert self._watchdog is not None
        self._injector = open_injector(self.display_name, watchdog=self._watchdog)

    def _end_game(self) -> None:
        try:
            self.release_all()
        finally:
            self._focus.close()
            super()._end_game()

    def _close_display(self) -> None:
        injector, self._injector = self._injector, None
        try:
            if injector is not None:
                injector.close()
        finally:
            super()._close_display()


def _is_click(command: Command) -> bool:
    return command.kind == "scroll" or (command.kind == "press" and command.control.startswith("mouse:"))
