"""When the game may be recorded: not while it is paused, and only while its window has the focus."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from gameon_env.clock import now_ns
from gameon_env.desktop.focus import FocusWatch


@dataclass(frozen=True, slots=True)
class Turn:
    """From ``t_ns`` on (the clock's time) it is recorded, or not and why."""

    t_ns: int
    recording: bool
    reason: str


class Attention:
    """Follows the pause key and the focus; :meth:`turns` says when recording stopped and went on.

    Args:
        focus: watches the game's window; None where nobody else can have the focus.
    """

    def __init__(self, focus: FocusWatch | None) -> None:
        self._focus = focus
        self._focused = focus.focused if focus is not None else True
        self._changes: list[tuple[int, str, bool]] = []
        self._known_ns = focus.confirmed_ns if focus is not None else 0
        self._since_ns = 0
        self._closed = False
        self._lock = threading.Lock()
        self._asked = False
        self._paused = False
        self._recording = self._focused

    @property
    def recording(self) -> bool:
        """Whether it is recorded, as far as is known. Safe to ask from any thread."""
        return not self._asked and (self._focus is None or self._focus.focused)

    def keeps(self, t_ns: int) -> bool:
        """Whether a picture of ``t_ns`` may be kept, by the focus as it is now. Safe to ask from any thread.

        Raises:
            DisplayError: the display is gone.
        """
        with self._lock:
            self._look()
            return self.recording and t_ns >= self._since_ns

    @property
    def paused(self) -> bool:
        """Whether a person asked for a pause."""
        return self._asked

    def pause(self, on: bool) -> None:
        """Ask for a pause, or for its end. Safe to call from any thread."""
        with self._lock:
            if on != self._asked:
                self._asked = on
                self._changes.append((now_ns(), "pause", on))

    def follow(self, focus: FocusWatch) -> None:
        """The game opened another window: watch that one from now on."""
        with self._lock:
            if self._focus is not None:
                self._focus.close()
            self._focus = focus
            self._note(now_ns(), focus.focused)

    def turns(self) -> list[Turn]:
        """What changed since the last call, by time."""
        with self._lock:
            self._look()
            changes = list(self._changes)
            self._changes.clear()
            if self._focus is not None:
                self._known_ns = self._focus.confirmed_ns
        turns = []
        for t_ns, kind, on in sorted(changes):
            if kind == "pause":
                self._paused = on
            else:
                self._focused = on
            recording = self._focused and not self._paused
            if recording != self._recording:
                self._recording = recording
                turns.append(Turn(t_ns, recording, "" if recording else "paused" if self._paused else "focus"))
        return turns

    def known_until(self, t_ns: int) -> int:
        """Up to when :meth:`turns` has told whether to record: no later than ``t_ns``."""
        return t_ns if self._focus is None else min(t_ns, self._known_ns)

    def close(self) -> None:
        """Let go of the window."""
        with self._lock:
            self._closed = True
            if self._focus is not None:
                self._focus.close()

    def _look(self) -> None:
        if self._focus is not None and not self._closed:
            for t_ns, on in self._focus.transitions():
                self._note(t_ns, on)

    def _note(self, t_ns: int, focused: bool) -> None:
        self._changes.append((t_ns, "focus", focused))
        if focused:
            self._since_ns = t_ns


def focus_notice(title: str) -> str:
    """For a monitor or a region, where no window was named: which one's focus counts."""
    return (
        f"recorded only while the window {title!r} has the keyboard, which had it at the start. If the game is another "
        "one, name it with --window; or record always, with --always"
    )
