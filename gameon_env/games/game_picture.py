"""The game's picture: which window, monitor or region it is, where that is now, and the frames of it."""

from __future__ import annotations

import time

import numpy as np

from gameon_env.desktop.capture import Capture, open_capture
from gameon_env.desktop.display import display_alive, screen
from gameon_env.desktop.process import GameProcess
from gameon_env.desktop.region import Region
from gameon_env.desktop.windows import Window, wait_for_window
from gameon_env.errors import CaptureError, GameCrashError, OffScreenError, ProfileError, WindowError
from gameon_env.events import Frame
from gameon_env.games import window_search
from gameon_env.games.game_time import GameTime, RealTime
from gameon_env.games.profile import Attach

ATTACH_TIMEOUT_S = 2.0
"""How long to look for a window that should be there already."""

REOPEN_TIMEOUT_S = 1.0
"""How long a game whose window went away may take to open another one, in its own time."""

RESIZE_TIMEOUT_S = 1.0
"""How long a screen that changes its size, and the window with it, may take until there are pictures again."""


class GamePicture:
    """Frames of one game on one display.

    Args:
        display: the display's name.
        process: the game that was launched: its largest window is followed wherever it goes; or
        attach: where to find a game that runs already. With a monitor or a region, the window that has the focus
            when this is made is the one that is played.
        title: of the launched game's window, a regular expression.
        timeout_s: how long the launched game's window may take to show.
        time: the time in which it runs; the real one without it.

    Raises:
        WindowError: no such window.
        GameCrashError: the process ended before it showed one.
        ProfileError: no such monitor.
    """

    def __init__(
        self,
        display: str,
        process: GameProcess | None = None,
        attach: Attach | None = None,
        title: str | None = None,
        timeout_s: float = ATTACH_TIMEOUT_S,
        *,
        time: GameTime | None = None,
    ) -> None:
        self._display = display
        self._time: GameTime = time or RealTime()
        self.look_every_ns = 0
        """How long the window's place is believed where the capture does not tell that it moved; 0: for no time."""
        self._looked_ns = 0
        self._process = process
        self._attach = attach
        self._title = attach.window if attach else title
        self._screen = screen(display)
        self._window: Window | None = None
        self.windows = 0
        """How many windows it has been so far: one that is opened anew may have the id of the last."""
        self._succession: window_search.Succession | None = None
        self._capture: Capture | None = None
        self._whole = Region(0, 0, 0, 0)
        self._astray = False
        try:
            if attach is None or attach.window is not None:
                self._open_window(timeout_s)
            else:
                self._window = window_search.focused_window(display)
                self._look_at(window_search.part_of_screen(display, attach))
            if process is None and self._window is not None:
                self._succession = window_search.Succession(display, self._window, self._title)
        except BaseException:
            self.close()
            raise

    @property
    def size(self) -> tuple[int, int]:
        """``(height, width)`` of the picture."""
        return self._whole.size

    @property
    def origin(self) -> tuple[int, int]:
        """``(left, top)`` of the picture on the display; negative where the window lies partly outside it."""
        return self._whole.left, self._whole.top

    @property
    def region(self) -> Region:
        """Where the picture is on the display, as last seen; it may lie partly outside the screen."""
        return self._whole

    @property
    def on_screen(self) -> Region:
        """The part of it that lies on the screen, where it is drawn."""
        return self._whole if self._capture is None else self._capture.region

    @property
    def window_id(self) -> int | None:
        """The window whose picture it is, or that is played on this monitor or region; None where there is none."""
        return self._window.id if self._window is not None else None

    @property
    def alive(self) -> bool:
        """Whether the window is there; True for a monitor or a region without one."""
        return self._window.alive if self._window is not None else self._capture is not None

    def focus(self) -> None:
        """Give the game's window the keyboard, where it has one."""
        if self._window is not None:
            self._window.focus()

    def grab(self) -> Frame:
        """The picture of now, at the window's own size; what lies outside the screen is black.

        Raises:
            CaptureError: the display is gone.
            OffScreenError: all of the window is outside the screen now; ask again when it may be back.
            WindowError: the window is gone, and no other took its place.
        """
        if self._capture is None:
            if self._window is None:
                raise WindowError("the game is not running; call reset()")
            self._grab_anew()
            return self.grab()  # it may have moved meanwhile
        try:
            frame = self._capture.grab()
        except CaptureError:
            return self._fitted(self._grab_anew())
        if self._window is None or self._is_fixed:
            return self._fitted(frame if self._capture.steady else self._grab_anew())
        if not self._astray and (self._capture.steady or frame.t_ns - self._looked_ns < self.look_every_ns):
            return self._fitted(frame)
        self._capture.settle()
        if not self._capture.steady:
            self._looked_ns = frame.t_ns
        try:
            moved = self._window.region()
        except WindowError:
            self.follow()
            return self.grab()
        if self._astray or moved != self._whole:
            self._astray = True  # until it was looked at
            self._look_at(moved)
            self._astray = False
            frame = self._capture.grab()
        return self._fitted(frame)

    def moved(self) -> bool:
        """Whether the window is at another place, or of another size, than when last seen; the next grab follows it.

        Of a monitor or a region: whether the screen has another size.

        Raises:
            CaptureError: the display is gone.
        """
        if self._is_fixed:
            return screen(self._display) != self._screen
        if self._window is None:
            return False
        try:
            moved = self._astray or self._capture is None or self._window.region() != self._whole
        except WindowError:
            return False
        if moved:
            self._looked_ns = 0
        return moved

    def look_around(self) -> None:
        """Call about once a second, from any thread, where :meth:`follow` is not to take for the game's new window
        another one that was opened beside it.

        Raises:
            DisplayError: the display is gone.
        """
        window_id = self.window_id
        if self._succession is not None and window_id is not None:
            self._succession.look(window_id)

    def follow(self) -> None:
        """After the window went away: games open it anew when they change its size or mode.

        Raises:
            WindowError: the game opens no other one.
        """
        if self._process is None:
            self._follow_attached()
            return
        if self._process.poll() is not None:
            raise WindowError("the game's window was closed")
        self.close()
        try:
            self._open_window(REOPEN_TIMEOUT_S)
        except (WindowError, GameCrashError) as error:
            raise WindowError("the game's window was closed") from error

    def adopt_largest(self) -> None:
        """Change to the largest window of the launched game, where that is another one by now."""
        if self._process is None or self._window is None:
            return
        self._open_window(REOPEN_TIMEOUT_S)

    def close(self) -> None:
        """Let go of the window and the display. May be called twice."""
        self._close_capture()
        if self._window is not None:
            self._window.close()
            self._window = None

    @property
    def _is_fixed(self) -> bool:
        return self._attach is not None and self._attach.window is None

    @property
    def _watched(self) -> int | None:
        return None if self._is_fixed else self.window_id

    def _follow_attached(self) -> None:
        """Only to a window of the same process; and the keyboard is left to whoever has it."""
        if self._succession is None:
            raise WindowError("the game's window was closed")
        found = self._succession.find(REOPEN_TIMEOUT_S)
        if self._window is not None:
            self._window.close()
        self._window = found
        self.windows += 1
        if not self._is_fixed:
            self._close_capture()  # the next grab opens one that watches this window, where it is seen

    def _open_window(self, timeout_s: float) -> None:
        """Find the window, give it the focus, and look at it.

        A window that goes away at once (some games open one to try the display) is not the one.
        """
        end_ns = self._time.now_ns() + int(timeout_s * 1e9)
        while True:
            window = self._wait_for_window(end_ns, timeout_s)
            if self._window is not None and window.id == self._window.id and self._capture is not None:
                window.close()
                return
            self.close()
            self._window = window
            self.windows += 1
            try:
                window.focus()
                self._look_at(window.region())
                if window.alive:
                    return
            except WindowError:
                if self._time.now_ns() > end_ns:
                    raise
            self._time.sleep(window_search.LOOK_EVERY_S)

    def _wait_for_window(self, end_ns: int, timeout_s: float) -> Window:
        while True:
            left_s = max((end_ns - self._time.now_ns()) * 1e-9, 0.0)
            looking_s = 0.0 if self._time.virtual else left_s  # a virtual time stands still while we wait
            try:
                return wait_for_window(
                    self._display, process=self._process, title=self._title, timeout_s=looking_s, waited_s=timeout_s
                )
            except WindowError as error:
                if not self._time.virtual:
                    raise
                if not left_s:
                    raise WindowError(
                        f'{error}\nWhere it shows one with time="real", it cannot be played in lockstep.'
                    ) from error
            self._time.sleep(window_search.LOOK_EVERY_S)
            time.sleep(window_search.LOOK_EVERY_S)  # the display, which shows the window, knows no other time

    def _grab_anew(self) -> Frame:
        """Screens change their size, before or after the window does.

        A window that stays outside is not waited for once more at each picture.
        """
        end_s = time.monotonic() + RESIZE_TIMEOUT_S
        while True:
            try:
                self._reopen_capture(self._place())
                assert self._capture is not None
                return self._capture.grab()
            except (CaptureError, WindowError) as error:
                is_late = time.monotonic() > end_s or not display_alive(self._display)
                if isinstance(error, OffScreenError) and (is_late or self._capture is None):
                    self._close_capture()
                    raise
                if is_late:
                    raise
            time.sleep(window_search.LOOK_EVERY_S)

    def _place(self) -> Region:
        """Where the picture is now."""
        if self._window is not None and not self._is_fixed:
            return self._window.region()
        assert self._attach is not None
        try:
            part = window_search.part_of_screen(self._display, self._attach)
        except ProfileError as error:
            raise WindowError(f"the monitor is gone: {error}") from error
        if part.common(screen(self._display)) is None:  # unlike a window, it does not come back
            raise WindowError(f"the region {part} is outside the screen now: choose one that is on it")
        return part

    def _close_capture(self) -> None:
        if self._capture is not None:
            self._capture.close()
            self._capture = None

    def _reopen_capture(self, region: Region) -> None:
        now = screen(self._display)
        opened = open_capture(self._display, window_search.seen_part(now, region), self._watched)
        self._close_capture()
        self._capture, self._screen, self._whole, self._looked_ns = opened, now, region, 0

    def _look_at(self, region: Region) -> None:
        unsure = not self._is_fixed and (self._capture is None or not self._screen.covers(region))
        if unsure and screen(self._display) != self._screen:
            self._reopen_capture(region)
            return
        seen = region if self._is_fixed else window_search.seen_part(self._screen, region)
        if self._capture is not None:
            self._capture.look_at(seen)
        else:
            self._capture = open_capture(self._display, seen, self._watched)
        self._whole = region

    def _fitted(self, frame: Frame) -> Frame:
        """What lies outside the screen is black."""
        assert self._capture is not None
        seen = self._capture.region
        if seen == self._whole:
            return frame
        top, left = seen.top - self._whole.top, seen.left - self._whole.left
        pixels = np.zeros((*self._whole.size, 4), np.uint8)
        pixels[top : top + seen.height, left : left + seen.width] = frame.pixels
        return Frame(pixels, frame.t_ns)
