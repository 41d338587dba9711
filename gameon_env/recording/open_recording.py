"""A recording while it runs: its parts opened together, and finished together into one complete session."""

from __future__ import annotations

import datetime
import platform
import shutil
import threading
import uuid
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import psutil

from gameon_env import __version__
from gameon_env.clock import now_ns
from gameon_env.desktop.changes import open_changes
from gameon_env.desktop.focus import FocusWatch, open_focus
from gameon_env.desktop.gamepad import GamepadListener
from gameon_env.desktop.listen import open_listener
from gameon_env.desktop.region import Region
from gameon_env.desktop.windows import list_windows, open_window
from gameon_env.errors import InputError, MissingPartError, StorageError, WindowError
from gameon_env.events import Frame
from gameon_env.games.profile import Profile
from gameon_env.games.running_game import RunningGame
from gameon_env.keys import MOUSE_POSITION
from gameon_env.paths import data_dir
from gameon_env.recording.attention import Attention, focus_notice
from gameon_env.recording.calibration_store import stated_error
from gameon_env.recording.catalogue import Catalogue
from gameon_env.recording.finishing import finish_recording, wall_clock
from gameon_env.recording.frame_pump import FramePump, fitted
from gameon_env.recording.input_log import InputLog, Source
from gameon_env.recording.model import VIDEO_FILE, AudioClockRow, Gap, SessionInfo
from gameon_env.recording.recorder_loop import Parts, RecorderLoop
from gameon_env.recording.recorder_options import RecorderOptions
from gameon_env.recording.recovery import recover_cut_off
from gameon_env.recording.session_folder import new_session_folder
from gameon_env.recording.session_writer import SessionWriter
from gameon_env.recording.sound_tracks import SoundSources
from gameon_env.recording.video import VideoWriter
from gameon_env.recording.window_lock import WindowLock

LOOK_EVERY_NS = 100_000_000
"""Windows are moved seldom, and asking where it is costs as much as its picture."""

LOOK_AROUND_NS = 1_000_000_000
"""How often to look for windows that are opened beside the game's."""

START_FREE_MB = 48.0
"""What must be free to begin: a minute of video, and the room to finish properly."""


class OpenRecording:
    """Opens the game and all that records it, and begins.

    Args:
        profile: the game.
        title: its name in the catalogue.
        options: how it is recorded.

    Raises:
        GameOnError: something is missing; nothing is left behind.
    """

    def __init__(self, profile: Profile, title: str, options: RecorderOptions) -> None:
        self.profile = profile
        self.title = title
        self.options = options
        self.ended = threading.Event()
        self.end_reason = ""
        self.ended_ns: int | None = None
        self.notices: list[str] = []
        self.advice: list[str] = []
        self._error: BaseException | None = None
        self._look_around_ns = 0
        self._stack = ExitStack()
        self._begun = False
        try:
            self._open()
        except BaseException:
            self._stack.close()
            raise

    def stop(self, reason: str) -> Path:
        """End it, and wait until the session is complete. Raises what kept it from that."""
        self.loop.stop(reason)
        self.loop.thread.join()
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        return self.folder

    def _open(self) -> None:
        options, stack = self.options, self._stack
        folder = data_dir(options.data_dir)
        self._catalogue = Catalogue(folder)
        stack.callback(self._catalogue.close)
        self.recovered = recover_cut_off(self._catalogue)
        _check_room(folder)
        self._game = RunningGame(self.profile, options.display, options.attach, sound=options.system_audio is True)
        stack.callback(self._game.close)
        self._game.start(options.seed or 0)
        self._game.picture.look_every_ns = LOOK_EVERY_NS
        display = self._game.display_name
        stack.callback(WindowLock(display, self._what()).release)
        sounds = SoundSources(options, self._game.sound_server, self._game.sound_fault)
        self.notices += sounds.missing.values()
        self._sounds = {str(stream): source.label for stream, source in sounds.found.items()}
        self._size = self._grab()[0].size
        attention = Attention(self._open_focus())
        self._explain_focus()
        stack.callback(attention.close)
        self._attention = attention
        log = self._open_log()
        start_ns = now_ns()
        held, pointer = log.begin(), self._listener.pointer()
        self._info = self._describe(start_ns, tuple(sorted(held)), pointer)
        self.folder = new_session_folder(folder, self.title, datetime.datetime.now())
        stack.callback(self._remove_unbegun)
        writer = SessionWriter.create(self.folder, self._info)
        stack.callback(writer.close)
        video = VideoWriter(self.folder / VIDEO_FILE, self._size, codec=options.codec, quality=options.quality)
        pump = FramePump(
            self._grab, open_changes(display, self._region), video, self._size, start_ns, options.fps,
            attention.keeps, self._check_game,
        )  # fmt: skip
        clock_rows: deque[AudioClockRow] = deque()
        gaps: deque[Gap] = deque()
        tracks = sounds.open_tracks(self.folder, start_ns, clock_rows.append, gaps.append)
        for track in tracks:
            stack.callback(track.close)
        self.parts = Parts(
            self.folder, start_ns, writer, pump, log, attention, tracks, clock_rows, gaps,
            self._follow_window, self._why_gone,
        )  # fmt: skip
        self.loop = RecorderLoop(self.parts, options.duration_s, self._finish)
        self._catalogue.add(self.folder)
        self._begun = True
        pump.start()
        self.loop.start()

    def _remove_unbegun(self) -> None:
        if not self._begun:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _grab(self) -> tuple[Frame, Region]:
        frame = self._game.picture.grab()
        self._note_place()
        return frame, self._game.picture.on_screen

    def _note_place(self) -> None:
        self._region, self._windows = self._game.picture.region, self._game.picture.windows

    def _what(self) -> str:
        """What is recorded, whichever way it was named."""
        picture = self._game.picture
        return f"the screen's part {picture.region}" if self._is_part_of_screen else f"window {picture.window_id}"

    @property
    def _is_part_of_screen(self) -> bool:
        attach = self.options.attach or self.profile.attach
        return attach is not None and attach.window is None

    def _check_game(self) -> bool:
        """In the pump's thread, while no picture is taken: is the game there, and has its window moved away?"""
        if self._game.picture.alive or (self._is_part_of_screen and not self.options.only_focused):
            return self._game.picture.moved()
        self._game.picture.follow()
        self._note_place()
        return True

    def _open_focus(self) -> FocusWatch | None:
        """Only on a display that others use as well can another window have the keyboard."""
        self._watched_id, self._followed = self._game.picture.window_id, self._game.picture.windows
        if not self._game.shared or not self.options.only_focused:
            return None
        if self._watched_id is None:
            raise WindowError(
                "no window has the keyboard, so that input to the game cannot be told from what is typed elsewhere: "
                "click into the game first, or name its window with --window; or record all input, with --always"
            )
        window = open_window(self._game.display_name, self._watched_id)
        self._stack.callback(window.close)
        return open_focus(self._game.display_name, window)

    def _explain_focus(self) -> None:
        if not (self._is_part_of_screen and self._game.shared and self.options.only_focused):
            return
        windows = list_windows(self._game.display_name)
        self.advice.append(
            focus_notice(next((w.title for w in windows if w.id == self._watched_id), "without a title"))
        )

    def _follow_window(self) -> None:
        """In the loop's thread: games open their window anew when they change its size or mode."""
        if now_ns() >= self._look_around_ns:
            self._look_around_ns = now_ns() + LOOK_AROUND_NS
            self._game.picture.look_around()
        if self._windows != self._followed:
            watch = self._open_focus()
            if watch is not None:
                self._attention.follow(watch)

    def _open_log(self) -> InputLog:
        listener = open_listener(self._game.display_name)
        self._stack.callback(listener.close)
        listener.start()
        self._listener = listener
        sources: list[Source] = [listener]
        self._pads: GamepadListener | None = None
        if self.options.gamepads:
            pads = GamepadListener()
            self._stack.callback(pads.close)
            try:
                pads.start()
                sources.append(pads)
                self._pads = pads
            except (InputError, MissingPartError) as error:
                self.notices.append(str(error))
        hotkeys: dict[str, Callable[[], object]] = {}
        if self.options.pause_key is not None:
            hotkeys[self.options.pause_key] = self._toggle_pause
        if self.options.stop_key is not None:
            hotkeys[self.options.stop_key] = lambda: self.loop.stop("stop key")
        names, all_keys = self.profile.controls.names, self.options.all_keys
        return InputLog(sources, names, all_keys=all_keys, hotkeys=hotkeys, place=self._place, sticks=self._pads)

    def _toggle_pause(self) -> None:
        self._attention.pause(not self._attention.paused)

    def _place(self, control: str, value_px: float) -> float:
        """A place on the display as one in the video's picture, in its pixels."""
        region = self._region
        top, left, height, width = fitted(region.size, self._size)
        if control == MOUSE_POSITION[0]:
            return (value_px - region.left) * width / region.width + left
        return (value_px - region.top) * height / region.height + top

    def _describe(self, start_ns: int, held: tuple[str, ...], pointer: tuple[int, int]) -> SessionInfo:
        profile, controls, region = self.profile, self.profile.controls, self._region
        kind = "desktop" if self._game.shared else "private"
        return SessionInfo(
            id=uuid.uuid4().hex,
            game=self.title,
            started_at=wall_clock(),
            start_ns=start_ns,
            controls=controls.names,
            mouse_scale_px=controls.mouse_scale_px,
            wheel_scale=controls.wheel_scale,
            fps=profile.fps,
            picture_size=self._size,
            picture_origin=(region.left, region.top),
            codec=self.options.codec,
            held=held,
            pointer=(self._place("mouse:x", pointer[0]), self._place("mouse:y", pointer[1])),
            recorder=f"gameon-env {__version__}",
            seed=self.options.seed if profile.launch is not None and profile.launch.takes_seed else None,
            details={
                "profile": profile.path.read_text(encoding="utf-8"),
                "machine": {
                    "system": platform.platform(),
                    "python": platform.python_version(),
                    "cores": psutil.cpu_count(),
                },
                "display": kind,
                "sound": self._sounds,
                "calibration": stated_error(kind, self._sounds.get("system_audio")),
                "ceiling_fps": self.options.fps,
                "all_keys": self.options.all_keys,
                "gamepads": [asdict(pad) for pad in self._pads.pads] if self._pads is not None else [],
                "process": {"pid": psutil.Process().pid, "started": psutil.Process().create_time()},
            },
        )

    def _why_gone(self, said: str) -> str:
        """The reason of the end, where the game or its display is gone."""
        if not self._game.display_alive:
            return f"display lost: {said}"
        code = self._game.exit_code(window_gone=True)
        if code == 0:
            return "game ended"
        if code is not None:
            return f"game crashed: exit code {code}; its last output: {self._game.output_tail(3)}"
        return said

    def _finish(self, reason: str) -> None:
        """In the loop's thread: end all parts, and complete the session."""
        self.ended_ns, self.end_reason = now_ns(), reason
        try:
            self._error = finish_recording(
                self.parts, self.loop, self._catalogue, self._stack.close, reason=reason, missing=self.notices
            )
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits in stop()
            self._error = error
        finally:
            self.ended.set()


def _check_room(folder: Path) -> None:
    free_mb = shutil.disk_usage(folder).free / 1e6
    if free_mb < START_FREE_MB:
        raise StorageError(
            f"only {free_mb:.0f} MB are free on the disk of {folder.resolve()}, and a recording needs "
            f"{START_FREE_MB:.0f} to begin: make room, or record to another disk with --data-dir"
        )
