"""One running game: its display, process, window, capture and input, opened together and closed together."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from gameon_env.clock import now_ns
from gameon_env.controls import Command
from gameon_env.desktop.capture import Capture, open_capture
from gameon_env.desktop.display import PrivateDisplay, current_display, display_alive, monitors, screen_size
from gameon_env.desktop.inject import Injector, open_injector
from gameon_env.desktop.process import GameProcess
from gameon_env.desktop.region import Region
from gameon_env.desktop.watchdog import Watchdog
from gameon_env.desktop.windows import Window, list_windows, wait_for_window
from gameon_env.errors import DisplayError, GameCrashError, InputError, ProfileError, WindowError
from gameon_env.events import Frame
from gameon_env.games.log_tail import LogTail
from gameon_env.games.profile import Attach, Profile

ATTACH_TIMEOUT_S = 2.0
"""How long to look for a window that should be there already."""

REOPEN_TIMEOUT_S = 1.0
"""How long a game whose window went away may take to open another one."""

EXIT_WAIT_S = 2.0
"""How long a game whose window is gone may take to end, before that counts as a closed window."""


class LiveGame:
    """A game that is launched on a display, or found on one.

    Args:
        profile: the game.
        display: ``private``, ``current`` or ``:N``.
        attach: where to find the game, in place of what the profile says.
    """

    def __init__(self, profile: Profile, display: str, attach: Attach | None = None) -> None:
        self.profile = profile
        self._attach = attach or profile.attach
        self._display = display
        self._private: PrivateDisplay | None = None
        self._watchdog: Watchdog | None = None
        self._injector: Injector | None = None
        self._process: GameProcess | None = None
        self._window: Window | None = None
        self._capture: Capture | None = None
        self._folder: Path | None = None
        self._log: LogTail | None = None
        self._origin = (0, 0)
        self.display_name = ""

    @property
    def shared(self) -> bool:
        """Whether the display is one that a person uses: input goes out only while the game has the focus."""
        return self._private is None

    @property
    def home(self) -> Path | None:
        """The HOME that the game was given, if any."""
        launch = self.profile.launch
        return self._folder / "home" if self._folder and launch and launch.home == "private" else None

    @property
    def running(self) -> bool:
        """Whether the game can be played: display, window and process are there."""
        if self._capture is None or not display_alive(self.display_name):
            return False
        if self._window is None:
            return self._process is None
        return self._window.alive and (self._process is None or self._process.poll() is None)

    def start(self, seed: int) -> None:
        """Launch the game anew, or find it, and open capture and input.

        Raises:
            GameOnError: whatever was missing; nothing is left behind.
        """
        self._end_game()
        try:
            self._open_display()
            if self.profile.launch is not None and self._attach is self.profile.attach:
                self._launch(seed)
                self._open_window(self.profile.launch.timeout_s)
            else:
                self._find()
                self._capture = open_capture(self.display_name, self._region())
        except BaseException:
            self.close()
            raise

    def grab(self) -> Frame:
        """The picture of now. The window's place is looked up anew on a display where it can be moved.

        Raises:
            CaptureError: the display is gone.
            WindowError: the window is gone.
        """
        if self._capture is None:
            raise WindowError("the game is not running; call reset()")
        if self._window is not None and self.shared:
            region = self._region()
            if region != self._capture.region:
                self._capture.close()
                self._capture = open_capture(self.display_name, region)
        frame = self._capture.grab()
        if self._window is None or self._window.alive:
            return frame
        if self._process is None or self._process.poll() is not None:
            raise WindowError("the game's window was closed")
        # Games open their window anew when they change its size or mode.
        try:
            self._open_window(REOPEN_TIMEOUT_S)
        except (WindowError, GameCrashError) as error:
            raise WindowError("the game's window was closed") from error
        return self._capture.grab()

    @property
    def size(self) -> tuple[int, int]:
        """``(height, width)`` of the game's picture."""
        assert self._capture is not None
        return self._capture.region.height, self._capture.region.width

    @property
    def origin(self) -> tuple[int, int]:
        """``(left, top)`` of the game's picture on the display, as last seen."""
        if self._capture is not None:
            self._origin = self._capture.region.left, self._capture.region.top
        return self._origin

    @property
    def focused(self) -> bool:
        """Whether input may go out: always on a private display, else while the game's window has the focus."""
        if not self.shared:
            return True
        return self._window is not None and self._window.focused

    def inject(self, commands: Sequence[Command]) -> int:
        """Send input to the game. Returns when it went out, in ns.

        Raises:
            InputError: the display is gone.
        """
        injector = self._injector
        assert injector is not None
        left, top = self.origin
        for command in commands:
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
        return now_ns()

    def release_all(self) -> None:
        """Let go of everything that was injected as held. Where the display is gone, nothing is held any more."""
        if self._injector is None:
            return
        try:
            self._injector.release_all()
        except InputError:
            if display_alive(self.display_name):
                raise

    def exit_code(self, *, window_gone: bool = False) -> int | None:
        """How the game's process ended, or None. A game whose window is gone is given some time to end."""
        if self._process is None:
            return None
        end_ns = now_ns() + int(EXIT_WAIT_S * 1e9)
        code = self._process.poll()
        while code is None and window_gone and now_ns() < end_ns:
            time.sleep(0.01)
            code = self._process.poll()
        return code

    def output_tail(self, lines: int = 5) -> str:
        """The last lines that the game printed."""
        return self._process.output_tail(lines) if self._process is not None else ""

    def new_output(self) -> list[str]:
        """Lines that the game printed since the last call."""
        return self._log.new_lines() if self._log is not None else []

    def close(self) -> None:
        """End everything. May be called twice."""
        self._end_game()
        if self._injector is not None:
            self._injector.close()
            self._injector = None
        if self._private is not None:
            self._private.close()
            self._private = None
        if self._watchdog is not None:
            self._watchdog.close()
            self._watchdog = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)  # a file that the game still writes may come back
            self._folder = None

    def _end_game(self) -> None:
        self.release_all()
        self._close_window()
        if self._process is not None:
            self._process.close()
            if self._watchdog is not None:
                self._watchdog.unguard_process_group(self._process)
            self._process = self._log = None

    def _open_display(self) -> None:
        if self.display_name and not display_alive(self.display_name):
            self.close()
        if self._injector is not None:
            return
        launch = self.profile.launch
        if self._display == "private":
            if launch is None:
                raise ProfileError(
                    f"{self.profile.path}: this profile attaches to a game that is already on a screen, and a private "
                    "display is empty: use display='current' or display=':N'"
                )
            self._private = PrivateDisplay(launch.screen_size, gl=launch.gl, cursor=launch.cursor)
            self.display_name = self._private.name
            self._watchdog = Watchdog.start(self.display_name, private=True)
            self._watchdog.guard_display(self._private.pid)
        else:
            self.display_name = current_display() if self._display == "current" else self._display
            if not display_alive(self.display_name):
                raise DisplayError(
                    f"the display {self.display_name} cannot be reached: start it, or use display='private'"
                )
            self._watchdog = Watchdog.start(self.display_name, private=False)
        self._injector = open_injector(self.display_name, watchdog=self._watchdog)

    def _launch(self, seed: int) -> None:
        launch = self.profile.launch
        assert launch is not None
        watchdog = self._watchdog
        assert watchdog is not None
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="gameon-"))
            watchdog.guard_folder(self._folder)
        log = self._folder / "game.log"
        self._process = GameProcess.launch(
            launch.fill(seed=seed, folder=self.profile.path.parent),
            display=self.display_name,
            env=launch.env,
            home=self.home,
            log=log,
        )
        watchdog.guard_process_group(self._process)
        self._log = LogTail(log)

    def _open_window(self, timeout_s: float) -> None:
        """Wait for the window of the game that was launched, give it the focus, and capture it.

        A window that goes away at once (some games open one to try the display) is not the one.
        """
        end_ns = now_ns() + int(timeout_s * 1e9)
        title = self.profile.launch.window if self.profile.launch else None
        while True:
            self._close_window()
            left_s = max((end_ns - now_ns()) * 1e-9, 0.0)
            self._window = wait_for_window(self.display_name, process=self._process, title=title, timeout_s=left_s)
            try:
                self._window.focus()
                self._capture = open_capture(self.display_name, self._region())
                if self._window.alive:
                    return
            except WindowError:
                if now_ns() > end_ns:
                    self._close_window()
                    raise

    def _close_window(self) -> None:
        if self._capture is not None:
            self._capture.close()
            self._capture = None
        if self._window is not None:
            self._window.close()
            self._window = None

    def _find(self) -> None:
        attach = self._attach
        assert attach is not None
        if attach.window is not None:
            self._window = wait_for_window(
                self.display_name, process=None, title=attach.window, timeout_s=ATTACH_TIMEOUT_S
            )
            return
        for found in list_windows(self.display_name):
            window = Window(self.display_name, found.id)
            if window.focused:
                self._window = window
                return
            window.close()

    def _region(self) -> Region:
        height, width = screen_size(self.display_name)
        attach = self._attach
        if attach is None or attach.window is not None:
            assert self._window is not None
            region = self._window.region()
        elif attach.region is not None:
            return Region(*attach.region)
        else:
            screens = monitors(self.display_name)
            number = attach.monitor or 0
            if not 0 <= number < len(screens):
                raise ProfileError(
                    f"{self.profile.path}: attach.monitor must be from 0 to {len(screens) - 1} here; it is {number}"
                )
            return screens[number]
        left, top = max(region.left, 0), max(region.top, 0)
        right, bottom = min(region.left + region.width, width), min(region.top + region.height, height)
        if right - left < 1 or bottom - top < 1:
            raise WindowError("the game's window lies outside the screen: move it back onto it")
        return Region(left, top, right - left, bottom - top)
