"""The start of an episode: the game launched, found, or brought back by keys, and waited for until it can be played."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from gameon_env.controls import Command
from gameon_env.desktop.lockstep.lockstep_error import LockstepError
from gameon_env.envs.live_game import LiveGame
from gameon_env.envs.referee import Referee
from gameon_env.errors import DisplayError, GameCrashError, InputError, ObservationError, WindowError
from gameon_env.games.profile import ResetStep

LOOK_EVERY_S = 0.02

ONE_COLOUR = (
    "its picture had one colour all the time. A game that begins so needs ready = 'READER', which says when it can be "
    "played, or mode = 'none'"
)


class EpisodeStart:
    """Begins episodes of one game, as its profile says.

    Args:
        game: what is started.
        referee: says when it is ready, and that it is not over.
        smallest: ``(height, width)`` that its picture must have at least.
        check: called often meanwhile; raises where the person wants it to stop.
    """

    def __init__(
        self, game: LiveGame, referee: Referee, smallest: tuple[int, int], check: Callable[[], object]
    ) -> None:
        self._game = game
        self._profile = game.profile
        self._time = game.time
        self._referee = referee
        self._smallest = smallest
        self._check = check
        self._told: list[str] = []

    def begin(self, game_seed: int, *, seeded: bool) -> bool:
        """Start anew in the game that runs, or launch (or find) it. Returns whether it was launched or found now.

        Args:
            game_seed: for the game's command line, and for all its randomness in lockstep.
            seeded: the episode must have this seed, which only a launch can give.

        Raises:
            GameOnError: the game does not get ready to play.
        """
        self._referee.begin_reset()
        if self._by_keys(seeded):
            return False
        self._game.start(game_seed)
        self._check_size()
        self._do(self._profile.reset.start_steps)
        self._wait_until_ready(launched=True)
        self._compare_with_profile()
        return True

    def _check_size(self) -> None:
        height, width = self._game.grab().size
        if self._smallest[0] > height or self._smallest[1] > width:
            self._game.close()
            raise ObservationError(
                f"observation_size {self._smallest} is larger than the game's picture ({height}, {width}); "
                "choose a smaller one"
            )

    def _compare_with_profile(self) -> None:
        """Warn where the game's picture is another than the profile was made for."""
        (height, width), launch = self._game.grab().size, self._profile.launch
        found = [
            f"readers.{name}.region {list(region)} reaches beyond it and reads nothing"
            for name, region in self._profile.regions.items()
            if region[0] + region[2] > width or region[1] + region[3] > height
        ]
        if launch is not None and not self._game.shared:
            high, wide = launch.screen_size
            if height > high or width > wide:
                found.append(
                    f"launch.screen_size {[high, wide]} (height, width) is smaller: a part is not on the display"
                )
        if found and found != self._told:
            self._told = found
            warnings.warn(
                f"{self._profile.path}: the game's picture is {width}x{height} (width, height): {'; '.join(found)}",
                stacklevel=4,
            )

    def _by_keys(self, seeded: bool) -> bool:
        reset, launch = self._profile.reset, self._profile.launch
        needs_launch = seeded and launch is not None and (launch.takes_seed or self._time.virtual)
        if reset.mode == "relaunch" or needs_launch or not self._game.running:
            return False
        try:
            self._game.refresh()
            self._do(reset.steps)
            self._wait_until_ready(launched=False)
        except (GameCrashError, WindowError, DisplayError, InputError, LockstepError):
            if launch is None:
                raise
            return False  # a game that does not come back by keys, or hangs, is launched anew
        return True

    def _wait_until_ready(self, *, launched: bool) -> None:
        reset, title = self._profile.reset, self._profile.title
        end_ns = self._time.now_ns() + int(reset.timeout_s * 1e9)
        while not self._ready():
            self._check()
            code = self._game.exit_code()
            if code is not None:
                raise GameCrashError(
                    f"{title} ended with exit code {code} before it could be played. Its last output:\n"
                    f"{self._game.output_tail(20)}"
                )
            if self._time.now_ns() > end_ns:
                over = self._referee.over_now()
                found = f"waited for {reset.ready}" if reset.ready else ONE_COLOUR
                raise GameCrashError(
                    f"{title} was not ready to play after {reset.timeout_s:g} s "
                    f"({f'it is over: {over}' if over else found}): correct [reset] in {self._profile.path}"
                )
            if launched:
                self._game.adopt_largest_window()
            self._time.sleep(LOOK_EVERY_S)

    def _ready(self) -> bool:
        """Whether the game can be played: what the profile names, or any picture of more than one colour."""
        reset, frame = self._profile.reset, self._game.grab()
        if reset.mode == "none" and reset.ready is None:
            return True  # whatever is on the screen is what is to be played
        view = self._game.view(frame)
        if reset.ready is not None:
            shown = self._referee.says(reset.ready, view)
        else:
            self._referee.look(view)
            pixels = frame.pixels[:, :, :3]
            shown = bool((pixels != pixels[0, 0]).any())
        return shown and (reset.mode == "none" or not self._referee.over_now())

    def _do(self, steps: tuple[ResetStep, ...]) -> None:
        for step in steps:
            if step.kind == "tap":
                self.tap(step.what, step.seconds, step.at)
                continue
            end_ns = self._time.now_ns() + int(step.seconds * 1e9)
            while self._time.now_ns() < end_ns:
                self._check()
                if step.kind == "until" and self._referee.says(step.what, self._game.view(self._game.grab())):
                    break
                self._sleep_towards(end_ns)

    def tap(self, control: str, seconds: float, at: tuple[int, int] | None = None) -> None:
        """Hold a key or button for some seconds, with the pointer ``at`` a pixel ``(x, y)`` of the game's picture.

        Raises:
            WindowError: on a shared display the game's window does not have the focus, or a click would miss it.
        """
        self._check()
        self._check_focus(control)
        if at is not None:
            self._point(*at)
        end_ns = self._time.now_ns() + int(seconds * 1e9)
        try:
            if self._game.inject([Command("press", control)])[1]:
                raise WindowError(
                    f"{control} cannot be pressed: the pointer is not over the game's window; move it there"
                )
            while self._time.now_ns() < end_ns:
                self._sleep_towards(end_ns)
                self._check()
                self._check_focus(control)
        finally:
            self._game.release_all()

    def _point(self, x: int, y: int) -> None:
        """Games that look at the pointer once a frame see it there before the press."""
        self._game.grab()  # which says where its window is by now
        self._game.inject([Command("move_to", x=x, y=y)])
        self._time.sleep(2 * LOOK_EVERY_S)

    def _check_focus(self, control: str) -> None:
        if not self._game.focused:
            raise WindowError(f"{control} cannot be pressed: the game's window does not have the focus; click on it")

    def _sleep_towards(self, end_ns: int) -> None:
        self._time.sleep(min(LOOK_EVERY_S, max((end_ns - self._time.now_ns()) * 1e-9, 0.0)))
