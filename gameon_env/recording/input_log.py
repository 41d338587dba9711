"""What a person, or an agent, does in the game: heard, filtered by what may be stored, ready for the database."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Protocol

from gameon_env.clock import now_ns
from gameon_env.controls import held_before
from gameon_env.events import InputEvent
from gameon_env.keys import BUTTONS, MOUSE_POSITION, PAD_AXES


class Source(Protocol):
    """A listener: keyboard and mouse, or gamepads."""

    @property
    def dropped(self) -> int: ...

    def drain(self) -> list[InputEvent]: ...

    def held(self) -> frozenset[str]: ...


class Sticks(Protocol):
    """Gamepads: where their axes stand now, of those that are not at rest."""

    def axes(self) -> dict[str, float]: ...


class InputLog:
    """Gathers the events that may be stored.

    Keys that are not the game's are left out, unless all are asked for, so that what is typed elsewhere in the game
    (a chat, a password) is nowhere in the data. Mouse and gamepad are always stored. Hotkeys are never stored.

    Args:
        sources: where events come from.
        sticks: gamepads, whose axes may be held out when the recording begins; they are among ``sources`` too.
        controls: the game's controls; of keys only these are stored.
        all_keys: store every key.
        hotkeys: controls that are the recorder's own, and what to do when one is pressed.
        place: turns a place on the display into one in the picture.
    """

    def __init__(
        self,
        sources: Collection[Source],
        controls: Collection[str],
        *,
        all_keys: bool,
        hotkeys: dict[str, Callable[[], object]],
        place: Callable[[str, float], float],
        sticks: Sticks | None = None,
    ) -> None:
        self._sticks = sticks
        self._sources = sources
        self._controls = frozenset(controls)
        self._all_keys = all_keys
        self._hotkeys = hotkeys
        self._place = place
        self._waiting: list[InputEvent] = []
        self._held: set[str] = set()
        self._stands: dict[str, float] = {}
        self._told: dict[str, float] = {}
        self._pointer: dict[str, InputEvent] = {}
        self._placed: dict[str, float] = {}
        self.stored = 0

    def held(self) -> frozenset[str]:
        """What is held now, of what may be stored."""
        return frozenset(
            control for source in self._sources for control in source.held() if self._may_be_stored(control)
        )

    def begin(self) -> frozenset[str]:
        """Start from what is held now, which is returned; events before this are forgotten.

        Sticks and triggers that are held out become the first events.
        """
        for source in self._sources:
            source.drain()
        axes = self._sticks.axes() if self._sticks is not None else {}
        begun_ns = now_ns()
        self._waiting = [InputEvent(begun_ns, control, value) for control, value in axes.items()]
        self._held = self._held_at(begun_ns, act=False)
        return frozenset(self._held)

    def hear(self) -> None:
        """Take in what has happened; hotkeys act at once. Raises ``InputError`` where the display is gone."""
        self._gather(act=True)
        now = now_ns()
        for event in self._pointer.values():  # the window may have moved under it, or it went elsewhere in a pause
            self._note_pointer(replace(event, t_ns=max(now, event.t_ns)))

    def take(self, until_ns: int) -> list[InputEvent]:
        """Events before ``until_ns`` that may be stored, by time."""
        taken = sorted((event for event in self._waiting if event.t_ns < until_ns), key=lambda event: event.t_ns)
        self._waiting = [event for event in self._waiting if event.t_ns >= until_ns]
        self._follow(taken)
        self.stored += len(taken)
        return taken

    def skip(self, until_ns: int) -> None:
        """Forget events before ``until_ns``: they belong to no game, or to a pause."""
        for event in sorted(self._waiting, key=lambda event: event.t_ns):
            if event.t_ns < until_ns:
                self._placed.pop(event.control, None)
                if event.control in PAD_AXES:
                    self._stands[event.control] = event.value
        self._waiting = [event for event in self._waiting if event.t_ns >= until_ns]

    def catch_up(self, at_ns: int) -> list[InputEvent]:
        """After a pause that ended at ``at_ns``: the changes that make what was held into what was held then, and put
        sticks and triggers where they stood then.

        Events before that are forgotten; later ones are still to be taken.
        """
        now = self._held_at(at_ns, act=True)
        self.skip(at_ns)
        changed = [InputEvent(at_ns, control, 0.0) for control in sorted(self._held - now)]
        changed += [InputEvent(at_ns, control, 1.0) for control in sorted(now - self._held)]
        self._held = now
        moved = {control: value for control, value in self._stands.items() if value != self._told.get(control, 0.0)}
        changed += [InputEvent(at_ns, control, value) for control, value in moved.items()]
        self._told |= moved
        self.stored += len(changed)
        return changed

    def _held_at(self, at_ns: int, *, act: bool) -> set[str]:
        """What was down then: what is down now, without what has happened since, which is still to be taken."""
        held = self.held()  # before the events are gathered, so that none happens between the two
        self._gather(act=act)
        return held_before(sorted((e for e in self._waiting if e.t_ns >= at_ns), key=lambda event: event.t_ns), held)

    def _gather(self, act: bool) -> None:
        for source in self._sources:
            for event in source.drain():
                hotkey = self._hotkeys.get(event.control)
                if hotkey is not None:
                    if act and event.value >= 0.5:
                        hotkey()
                elif event.control in MOUSE_POSITION:
                    self._pointer[event.control] = event
                    self._note_pointer(event)
                elif self._may_be_stored(event.control):
                    self._waiting.append(event)

    def _may_be_stored(self, control: str) -> bool:
        if control in self._hotkeys:
            return False
        return self._all_keys or not control.startswith("key:") or control in self._controls

    def _note_pointer(self, event: InputEvent) -> None:
        """``event`` says where the pointer is on the display: stored where that is another place in the picture."""
        value = self._place(event.control, event.value)
        if value != self._placed.get(event.control):
            self._placed[event.control] = value
            self._waiting.append(replace(event, value=value))

    def _follow(self, events: Iterable[InputEvent]) -> None:
        for event in events:
            if event.control in BUTTONS:
                (self._held.add if event.value >= 0.5 else self._held.discard)(event.control)
            elif event.control in PAD_AXES:
                self._stands[event.control] = self._told[event.control] = event.value
