"""Hearing gamepads: Xbox, PlayStation and all others that SDL knows, beside keyboard and mouse and on their clock."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

from gameon_env.clock import now_ns
from gameon_env.desktop.listen import EventQueue
from gameon_env.desktop.process import OUT_OF_THE_TERMINAL
from gameon_env.errors import InputError
from gameon_env.events import InputEvent
from gameon_env.keys import PAD_BUTTONS

START_TIMEOUT_S = 60.0
ANSWER_TIMEOUT_S = 30.0
PROGRAM = (sys.executable, "-m", "gameon_env.desktop.gamepad_process")

_LEFT, _RIGHT, _TRIGGER = 7849 / 32767, 8689 / 32767, 30 / 255
SUGGESTED_DEAD_ZONE: Mapping[str, float] = {
    "pad:left_x": _LEFT, "pad:left_y": _LEFT, "pad:right_x": _RIGHT, "pad:right_y": _RIGHT,
    "pad:left_trigger": _TRIGGER, "pad:right_trigger": _TRIGGER,
}  # fmt: skip
"""How far from rest means nothing, as XInput.h suggests it for Xbox pads. SDL knows no figures of single pads."""


@dataclass(frozen=True, slots=True)
class GamepadInfo:
    """A pad that was there while listening.

    Attributes:
        name: what it calls itself.
        guid: SDL's number of its model.
        mapping: SDL's: which of its own buttons and axes stands behind which name.
        attached_ns: when it was found, on :func:`gameon_env.clock.now_ns`.
        detached_ns: when it vanished, or None.
        dead_zone: axis -> the distance from rest below which games commonly ignore it. Nothing is ever cut off here.
    """

    name: str
    guid: str
    mapping: str
    attached_ns: int
    detached_ns: int | None = None
    dead_zone: Mapping[str, float] = dataclasses.field(default_factory=lambda: SUGGESTED_DEAD_ZONE)


class GamepadListener:
    """Events of all gamepads of this machine, read by a process of its own (see ``gamepad_process``).

    Buttons are named by their place: ``pad:a`` is the lowest of the four, the cross of a PlayStation pad. Sticks are
    in [-1, 1], to the right and *down* positive as SDL has it; triggers in [0, 1]; in steps of 1/32767, stored when
    they change, with no dead zone. Pads may come and go; one that goes lets go of what it held. Of several, a button
    is down while it is down on any, and an axis stands where it is farthest out. An event's time is when SDL was
    seen to report it, at most a millisecond or two after it did.

    Attributes:
        dropped: how many events were lost because nobody drained them.
    """

    backend = "sdl"
    tells_injected = False

    def __init__(self, program: Sequence[str] = PROGRAM) -> None:
        """``program``: the command that reads the pads."""
        self._program = tuple(program)
        self._inbox = _Inbox()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._end: weakref.finalize[..., GamepadListener] | None = None
        self._asking = threading.Lock()
        self._asked = 0
        self._closed = False

    @property
    def dropped(self) -> int:
        return self._inbox.queue.dropped

    @property
    def pads(self) -> tuple[GamepadInfo, ...]:
        """All pads that were there since the start, in the order they came; empty where none was."""
        with self._inbox.lock:
            return tuple(self._inbox.pads.values())

    def start(self) -> None:
        """Begin to listen. Returns only when it does; having no pad is no error.

        Raises:
            InputError: SDL cannot be used.
        """
        if self._process is not None or self._closed:
            raise InputError("a listener is started once; open another one")
        log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by _end
        try:
            process = subprocess.Popen(
                self._program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, bufsize=0,
                start_new_session=True, creationflags=OUT_OF_THE_TERMINAL,
            )  # fmt: skip
        except OSError as error:
            log.close()
            raise InputError(f"gamepads cannot be heard: {self._program[0]} cannot be started: {error}") from error
        self._process = process
        self._thread = threading.Thread(
            target=self._inbox.run, args=(process, log), name="gameon-gamepads", daemon=True
        )
        self._end = weakref.finalize(self, _end, process, self._thread, log, os.getpid())
        self._thread.start()
        if not self._inbox.ready.wait(START_TIMEOUT_S) or self._inbox.failure:
            self.close()
            why = self._inbox.failure or f"SDL did not start within {START_TIMEOUT_S:g} s"
            raise InputError(
                f"gamepads cannot be heard: {why}. Record without them, or mend SDL: pip install pygame-ce"
            )

    def drain(self) -> list[InputEvent]:
        """All events since the last call, in order; all that had happened by now. Safe to call from any thread.

        Raises:
            InputError: listening ended by itself; events before that are handed out first.
        """
        self._catch_up()
        events = self._inbox.queue.take()
        if not events and self._inbox.failure and not self._closed:
            raise InputError(f"gamepads are no longer heard: {self._inbox.failure}")
        return events

    def held(self) -> frozenset[str]:
        """The buttons that are down now."""
        return frozenset(control for control in self._now() if control in PAD_BUTTONS)

    def axes(self) -> dict[str, float]:
        """The axes that are not at rest now, and where they stand."""
        return {control: value for control, value in self._now().items() if control not in PAD_BUTTONS}

    def close(self) -> None:
        """End listening; more calls do nothing."""
        self._closed = True
        if self._end is not None:
            self._end()

    def _now(self) -> dict[str, float]:
        self._catch_up()
        if self._inbox.failure and not self._closed:
            raise InputError(f"gamepads are no longer heard: {self._inbox.failure}")
        with self._inbox.lock:
            return {control: value for control, value in self._inbox.values.items() if value}

    def _catch_up(self) -> None:
        """Have all heard that happened before this call: the answer to a question comes after it."""
        with self._asking:
            if self._process is None or self._closed or self._inbox.failure:
                return
            assert self._process.stdin is not None
            self._asked += 1
            try:
                self._process.stdin.write(b"%d\n" % self._asked)
            except OSError:  # the thread meets the same end, and says why
                self._inbox.wait_for(self._asked)
                return
            if not self._inbox.wait_for(self._asked):
                raise InputError(f"the process that reads the gamepads did not answer within {ANSWER_TIMEOUT_S:g} s")


class _Inbox:
    """What came from the process; filled by a thread that must not keep the listener alive."""

    def __init__(self) -> None:
        self.queue = EventQueue()
        self.lock = threading.Lock()
        self.ready = threading.Event()
        self.values: dict[str, float] = {}
        self.pads: dict[int, GamepadInfo] = {}
        self.failure = ""
        self._answered = threading.Condition()
        self._mark = 0

    def wait_for(self, mark: int) -> bool:
        with self._answered:
            return self._answered.wait_for(lambda: self._mark >= mark or bool(self.failure), ANSWER_TIMEOUT_S)

    def run(self, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
        """Read until the process ends, and then let go of what was held."""
        assert process.stdout is not None
        with open(process.stdout.fileno(), "rb", closefd=False) as lines:
            for line in lines:
                if line.endswith(b"\n"):
                    self._take(json.loads(line))
        code = process.wait()
        log.seek(0)
        said = log.read()[-2000:].decode(errors="replace").strip().splitlines()
        t_ns = now_ns()
        with self.lock:
            self.queue.put(InputEvent(t_ns, control, 0.0) for control, value in self.values.items() if value)
            self.values.clear()
            self.pads = {
                number: dataclasses.replace(pad, detached_ns=pad.detached_ns or t_ns)
                for number, pad in self.pads.items()
            }
        with self._answered:
            self.failure = said[-1] if said and code > 0 else f"its process ended (exit code {code})"
            self._answered.notify_all()
        self.ready.set()

    def _take(self, line: Any) -> None:
        if isinstance(line, list):
            t_ns, control, value = line
            with self.lock:
                self.values[control] = value
                # What came before "ready" was held at the start.
                if self.ready.is_set():
                    self.queue.put([InputEvent(t_ns, control, value)])
        elif "mark" in line:
            with self._answered:
                self._mark = line["mark"]
                self._answered.notify_all()
        elif "pad" in line:
            pad = line["pad"]
            with self.lock:
                self.pads[pad["id"]] = GamepadInfo(pad["name"], pad["guid"], pad["mapping"], pad["t_ns"])
        elif "gone" in line:
            with self.lock:
                self.pads[line["gone"]] = dataclasses.replace(self.pads[line["gone"]], detached_ns=line["t_ns"])
        else:
            with self.lock:
                self.values = dict(line["ready"])
            self.ready.set()


def _end(process: subprocess.Popen[bytes], thread: threading.Thread, log: IO[bytes], owner_pid: int) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    if os.getpid() == owner_pid:  # a forked child has only a copy of this object
        thread.join(5)
        if thread.is_alive():
            process.kill()
            thread.join()
    process.stdout.close()
    log.close()
