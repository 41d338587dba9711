"""One running game: its display, process and picture, opened together and closed together."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from contextlib import ExitStack
from pathlib import Path

from gameon_env.desktop.display import PrivateDisplay, current_display
from gameon_env.desktop.display_watch import DisplayWatch
from gameon_env.desktop.process import GameProcess
from gameon_env.desktop.sound_server import PrivateSoundServer
from gameon_env.desktop.watchdog import Watchdog
from gameon_env.errors import AudioError, DisplayError, GameOnError, MissingProgramError, ProfileError, WindowError
from gameon_env.events import Frame
from gameon_env.games.game_picture import GamePicture
from gameon_env.games.game_time import GameTime, RealTime
from gameon_env.games.log_tail import LogTail
from gameon_env.games.profile import Attach, Profile
from gameon_env.games.readers import GameView

EXIT_WAIT_S = 2.0
"""How long a game whose window is gone may take to end, in its own time, before that counts as a closed window."""


class RunningGame:
    """A game that is launched on a display, or found on one.

    Args:
        profile: the game.
        display: ``private``, ``current`` or ``:N``.
        attach: where to find the game, in place of what the profile says.
        sound: give a game on a private display a sound server of its own, where this machine has what it needs.
        time: the time in which it runs; the real one without it.
    """

    def __init__(
        self,
        profile: Profile,
        display: str,
        attach: Attach | None = None,
        *,
        sound: bool = False,
        time: GameTime | None = None,
    ) -> None:
        self.profile = profile
        self.time: GameTime = time or RealTime()
        if sound and self.time.virtual:
            raise AudioError(
                "the sound of a game is not in lockstep: no sound server keeps its virtual time; use time='real' to "
                "hear it"
            )
        self._attach = attach or profile.attach
        self._display = display
        self._owner_pid = os.getpid()
        self._sound = sound
        self.sound_server: PrivateSoundServer | None = None
        """The game's own sound server; None where it plays on the person's, or nowhere."""
        self.sound_fault = ""
        """Why a game that was to have a sound server of its own has none."""
        self._private: PrivateDisplay | None = None
        self._display_watch: DisplayWatch | None = None
        self._watchdog: Watchdog | None = None
        self._process: GameProcess | None = None
        self._picture: GamePicture | None = None
        self._folder: Path | None = None
        self.home: Path | None = None
        """The HOME that the game was given, if any."""
        self._remove_folder: weakref.finalize[[Path, int], RunningGame] | None = None
        self._log: LogTail | None = None
        self._origin = (0, 0)
        self.display_name = ""
        self.display_generation = 0
        """How many displays have been opened: a new one may have the name of the last."""

    @property
    def shared(self) -> bool:
        """Whether the display is one that a person uses: input goes out only while the game has the focus."""
        return self._private is None

    @property
    def running(self) -> bool:
        """Whether the game can be played: display, window and process are there."""
        if self._picture is None or not self._display_usable():
            return False
        return self._picture.alive and (self._process is None or self._process.poll() is None)

    @property
    def display_alive(self) -> bool:
        """Whether its display still answers: the one that was opened, not another one of the same name."""
        return self._display_watch is not None and self._display_watch.alive

    def open_display(self) -> None:
        """Start or reach the display; one that was lost is opened anew.

        Raises:
            GameOnError: it cannot be; nothing is left behind.
        """
        self._check_owner()
        if self._watchdog is not None and not self._display_usable():
            self.close()
        if self._watchdog is not None:
            return
        try:
            self._open_display()
        except BaseException:
            self.close()
            raise

    def start(self, seed: int) -> None:
        """Launch the game anew, or find it, and look at it.

        Raises:
            GameOnError: whatever was missing; nothing is left behind.
        """
        self.open_display()
        try:
            self._end_game()
            launch = self.profile.launch
            if launch is not None and self._attach is None:
                self._launch(seed)
                self._picture = GamePicture(
                    self.display_name, self._process, title=launch.window, timeout_s=launch.timeout_s, time=self.time
                )
            else:
                self._picture = GamePicture(self.display_name, attach=self._attach)
                self._picture.focus()
        except BaseException:
            self.close()
            raise

    def refresh(self) -> None:
        """Before an episode in a game that runs on: find what is attached to once more, and give it the focus."""
        if self._picture is None:
            return
        if self._process is None:
            self._picture.close()
            self._picture = GamePicture(self.display_name, attach=self._attach)
        self._picture.focus()

    def adopt_largest_window(self) -> None:
        """While the game starts: change to its largest window, where no title says which one it is."""
        if self._picture is not None and self.profile.launch is not None and self.profile.launch.window is None:
            self._picture.adopt_largest()

    def grab(self) -> Frame:
        """The picture of now, wherever the window is.

        Raises:
            CaptureError: the display is gone.
            WindowError: the window is gone.
        """
        if self._picture is None:
            raise WindowError("the game is not running; call reset()")
        frame = self._picture.grab()
        self._origin = self._picture.origin
        return Frame(frame.pixels, self.time.now_ns()) if self.time.virtual else frame

    @property
    def origin(self) -> tuple[int, int]:
        """``(left, top)`` of the game's picture on the display, as last seen."""
        return self._origin

    @property
    def picture(self) -> GamePicture:
        """Its picture. Raises ``WindowError`` before :meth:`start`."""
        if self._picture is None:
            raise WindowError("the game is not running: start it first")
        return self._picture

    def exit_code(self, *, window_gone: bool = False) -> int | None:
        """How the game's process ended, or None. A game whose window is gone is given some time to end."""
        if self._process is None:
            return None
        end_ns = self.time.now_ns() + int(EXIT_WAIT_S * 1e9)
        code = self._process.poll()
        while code is None and window_gone and self.time.now_ns() < end_ns:
            self.time.sleep(0.01)
            code = self._process.poll()
        if code is not None and self._picture is not None and self._picture.alive:
            return None  # what ended was a launcher: the game itself is there
        return code

    def output_tail(self, lines: int = 5) -> str:
        """The last lines that the game printed."""
        return self._process.output_tail(lines) if self._process is not None else ""

    def view(self, frame: Frame) -> GameView:
        """What readers may look at, with this picture."""
        return GameView(frame, self.exit_code(), self.new_output(), self.home)

    def new_output(self) -> list[str]:
        """Lines that the game printed since the last call."""
        return self._log.new_lines() if self._log is not None else []

    def close(self) -> None:
        """End everything, whatever of it fails. May be called twice; in a forked child it does nothing."""
        if os.getpid() != self._owner_pid:
            return
        with ExitStack() as parts:  # in the reverse order, each of them even where another one fails
            parts.callback(self._forget)
            if self._remove_folder is not None:
                parts.callback(self._remove_folder)
            parts.callback(self._close_display)
            parts.callback(self._end_game)

    def _close_display(self) -> None:
        with ExitStack() as parts:
            for part in (self._watchdog, self._display_watch, self._private, self.sound_server):
                if part is not None:
                    parts.callback(part.close)

    def _forget(self) -> None:
        self._watchdog = self._display_watch = self._private = self.sound_server = None
        self._folder = self.home = self._remove_folder = None

    def _end_game(self) -> None:
        process, picture = self._process, self._picture
        self._process = self._picture = self._log = None
        with ExitStack() as parts:
            parts.callback(self.time.close)
            if process is not None:
                if self._watchdog is not None and self._watchdog.alive:
                    parts.callback(self._watchdog.unguard_process_group, process)
                parts.callback(process.close)
                parts.callback(self.time.release)
            if picture is not None:
                parts.callback(picture.close)

    def _check_owner(self) -> None:
        if os.getpid() != self._owner_pid:
            raise GameOnError("this environment was made in another process: make one of its own in each process")

    def _display_usable(self) -> bool:
        return self._watchdog is not None and self._watchdog.alive and self.display_alive

    def _open_display(self) -> None:
        launch = self.profile.launch
        if self._display == "private":
            if launch is None or self._attach is not None:
                raise ProfileError(
                    f"{self.profile.path}: a game that is already on a screen cannot be on a private display, which is "
                    "empty: use display='current' or display=':N'"
                )
            self._private = PrivateDisplay(launch.screen_size, gl=launch.gl, cursor=launch.cursor)
            self.display_name = self._private.name
            self._display_watch = DisplayWatch(self.display_name)
            self._watchdog = Watchdog.start(self.display_name, private=True)
            self._watchdog.guard_display(self._private.pid)
            if self._sound:
                self._open_sound()
        else:
            self.display_name = current_display() if self._display == "current" else self._display
            try:
                self._display_watch = DisplayWatch(self.display_name)
            except DisplayError as error:
                raise DisplayError(
                    f"the display {self.display_name} cannot be reached: start it, or use display='private'"
                ) from error
            self._watchdog = Watchdog.start(self.display_name, private=False)
        self.display_generation += 1

    def _open_sound(self) -> None:
        try:
            self.sound_server, self.sound_fault = PrivateSoundServer(self._watchdog), ""
        except (AudioError, MissingProgramError) as error:
            self.sound_fault = str(error)

    def _launch(self, seed: int) -> None:
        launch, watchdog = self.profile.launch, self._watchdog
        assert launch is not None
        assert watchdog is not None
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="gameon-"))
            # Before the process: what ends by itself at exit ends in the reverse order.
            self._remove_folder = weakref.finalize(self, _remove, self._folder, os.getpid())
            watchdog.guard_folder(self._folder)
            self.home = self._folder / "home" if launch.home == "private" else None
        if self.home is not None:
            shutil.rmtree(self.home, ignore_errors=True)  # what the last launch left makes the next one another game
        if self._private is not None:
            self._private.forget_game()
        log = self._folder / "game.log"
        command = launch.fill(seed=seed, folder=self.profile.path.parent, lockstep=self.time.virtual)
        env = self.time.launch(command[0], seed, launch.env)
        self._process = GameProcess.launch(
            command,
            display=self.display_name,
            env={**(self.sound_server.environment if self.sound_server else {}), **env},
            home=self.home,
            log=log,
        )
        watchdog.guard_process_group(self._process)
        self._log = LogTail(log)
        self.time.begin(self._process, self.display_name, launch.window, launch.timeout_s)


def _remove(folder: Path, owner_pid: int) -> None:
    if os.getpid() == owner_pid:
        shutil.rmtree(folder, ignore_errors=True)  # a file that the game still writes may come back
