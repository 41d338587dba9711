"""Hearing input on X11: XInput2 raw events, which see everything, at the source, whoever has the focus."""

from __future__ import annotations

import os
import select
import struct
import threading

from gameon_env.clock import now_ns
from gameon_env.desktop import xinput
from gameon_env.desktop.listen import EventQueue
from gameon_env.desktop.x11 import CONTROL_OF_BUTTON, Wire
from gameon_env.errors import DisplayError, InputError
from gameon_env.events import InputEvent

ANSWER_TIMEOUT_S = 30.0
_WHEEL = {4: 1.0, 5: -1.0}


class X11Listener:
    """XInput 2.2 raw events of one display, on a connection and a thread of its own.

    ``mouse:dx`` and ``mouse:dy`` are the device's unaccelerated counts. A tablet or touch screen, which knows only
    places, gives the differences of its places on the screen instead. An injected absolute motion (xdotool, pynput)
    looks like a relative one in the protocol: it is recognised by where the pointer is afterwards, and gives the
    distance it moved.
    """

    backend = "x11"
    tells_injected = True
    relative_motion = True

    def __init__(self, display: str | None) -> None:
        self._wire = Wire(display)
        try:
            self._queries = Wire(display)
        except DisplayError:
            self._wire.close()
            raise
        self._queries_lock = threading.Lock()
        self._queue = EventQueue()
        self._thread: threading.Thread | None = None
        self._wake_read, self._wake_write = os.pipe()
        self._closed = False
        self._devices: dict[int, xinput.Device] = {}
        self._screen = (0, 0)
        self._down: set[tuple[str, bool]] = set()
        self._down_before: set[str] = set()
        self._place: dict[int, dict[int, float]] = {}
        self._pointer = self._reported = (0, 0)
        self._moved_by_device = False
        self._draining = threading.Lock()
        self._answered, self._failed = threading.Event(), threading.Event()

    @property
    def dropped(self) -> int:
        return self._queue.dropped

    def start(self) -> None:
        if self._thread is not None or self._closed:
            raise InputError("a listener is started once; open another one")
        try:
            for wire in (self._wire, self._queries):
                xinput.agree_on_version(wire)
            self._query_devices()
            self._pointer = self._reported = self._queries.pointer()
            xinput.select_raw_events(self._wire)
            # Selected before the snapshot, so that nothing falls between the two.
            self._queries_after_selection()
        except (OSError, InputError) as error:
            raise InputError(f"display {self._wire.name} does not let anybody listen: {error}") from error
        self._thread = threading.Thread(target=self._run, name="gameon-listen", daemon=True)
        self._thread.start()

    def drain(self) -> list[InputEvent]:
        with self._draining:
            if self._thread is not None and not self._closed:
                self._catch_up()
            events = self._queue.take()
            if self._pointer != self._reported:
                self._reported = self._pointer
                injected, self._moved_by_device = not self._moved_by_device, False
                t_ns = max(now_ns(), events[-1].t_ns if events else 0)
                events.append(InputEvent(t_ns, "mouse:x", float(self._reported[0]), injected))
                events.append(InputEvent(t_ns, "mouse:y", float(self._reported[1]), injected))
            return events

    def wait(self, timeout_s: float) -> bool:
        return self._queue.wait(timeout_s)

    def held(self) -> frozenset[str]:
        with self._queries_lock:
            try:
                return self._queries.held()
            except OSError as error:
                raise InputError(f"display {self._wire.name} is gone: {error}") from error

    def pointer(self) -> tuple[int, int]:
        with self._queries_lock:
            try:
                return self._queries.pointer()
            except OSError as error:
                raise InputError(f"display {self._wire.name} is gone: {error}") from error

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._queue.close()
        os.write(self._wake_write, b"x")
        if self._thread is not None:
            self._thread.join()
        self._wire.close()
        with self._queries_lock:
            self._queries.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _catch_up(self) -> None:
        """Wait until the thread has heard all that happened before this call.

        The question goes out on the connection that brings the events: the answer comes after them.
        """
        self._answered.clear()
        if self._failed.is_set():
            return
        try:
            self._wire.send(struct.pack("=BxHI", 38, 2, self._wire.root))
        except OSError:
            self._failed.wait(ANSWER_TIMEOUT_S)  # the thread meets the same end, and says so in the queue
            return
        if not self._answered.wait(ANSWER_TIMEOUT_S):
            raise InputError(f"display {self._wire.name} did not answer within {ANSWER_TIMEOUT_S:g} s")

    def _queries_after_selection(self) -> None:
        """Wait until the selection holds, keep events that come meanwhile, and take what is down already."""
        self._wire.send(struct.pack("=BxH", 43, 1))
        early: list[bytes] = []
        while True:
            for packet in self._wire.packets():
                if packet[0] == 1:
                    self._down_before = set(self.held())
                    self._queue.put(self._parse(early))
                    return
                if packet[0] == 0:
                    raise InputError(f"XInput2 refused to select raw events (error {packet[1]})")
                early.append(packet)
            self._wire.receive()

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._wire.fileno(), select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        try:
            while True:
                # What is in the buffer already must not wait for more.
                packets = list(self._wire.packets())
                self._queue.put(self._parse(packets))
                for packet in packets:
                    if packet[0] == 1:  # the answer to _catch_up
                        x, y = struct.unpack_from("=hh", packet, 16)
                        self._pointer = (x, y)
                        self._answered.set()
                ready = {fd for fd, _ in poll.poll()}
                if self._wake_read in ready:
                    return
                self._wire.receive()
        except Exception as error:  # noqa: BLE001 - handed on: drain() raises it in the caller's thread
            self._queue.fail(error)
        finally:
            self._failed.set()
            self._answered.set()

    def _parse(self, packets: list[bytes]) -> list[InputEvent]:
        events: list[InputEvent] = []
        arrival_ns = now_ns()
        motions = [packet for packet in packets if xinput.kind(packet) == xinput.MOTION]
        absolute = self._injected_places(motions)
        for packet in packets:
            kind = xinput.kind(packet)
            if kind == xinput.HIERARCHY_CHANGED:
                with self._queries_lock:
                    self._query_devices()
            elif kind in xinput.RAW_EVENTS:
                t_ms, detail, source = struct.unpack_from("=IIH", packet, 12)
                t_ns = self._time_ns(arrival_ns, t_ms)
                device = self._devices.get(source)
                injected = device is not None and device.is_xtest
                if kind == xinput.MOTION:
                    events += self._motion(packet, t_ns, source, injected, absolute)
                else:
                    events += self._press_or_release(kind, detail, t_ns, injected)
        return events

    def _press_or_release(self, kind: int, detail: int, t_ns: int, injected: bool) -> list[InputEvent]:
        if kind in (xinput.BUTTON_PRESS, xinput.BUTTON_RELEASE):
            if detail in _WHEEL:
                return (
                    [InputEvent(t_ns, "mouse:wheel", _WHEEL[detail], injected)] if kind == xinput.BUTTON_PRESS else []
                )
            control = CONTROL_OF_BUTTON.get(detail)
        else:
            control = self._wire.keymap.control_of.get(detail)
        if control is None:
            return []
        # Devices and programs are kept apart: a person pressing what an agent holds must be heard.
        mark = (control, injected)
        if kind in (xinput.KEY_PRESS, xinput.BUTTON_PRESS):
            if mark in self._down or control in self._down_before:
                return []
            self._down.add(mark)
            return [InputEvent(t_ns, control, 1.0, injected)]
        if mark not in self._down and control not in self._down_before:
            return []
        self._down.discard(mark)
        self._down_before.discard(control)
        return [InputEvent(t_ns, control, 0.0, injected)]

    def _motion(self, packet: bytes, t_ns: int, source: int, injected: bool, absolute: set[bytes]) -> list[InputEvent]:
        axes = xinput.raw_axes(packet)
        device = self._devices.get(source)
        if not injected:
            self._moved_by_device = True
        dx, dy = axes.get(0, 0.0), axes.get(1, 0.0)
        if packet in absolute:
            x, y = self._pointer
            self._pointer = (int(dx), int(dy))
            dx, dy = dx - x, dy - y
        elif device is not None and device.absolute:
            dx, dy = self._from_places(source, device, axes)
        elif injected:
            self._pointer = (self._pointer[0] + int(dx), self._pointer[1] + int(dy))
        return [
            InputEvent(t_ns, control, counts, injected)
            for control, counts in (("mouse:dx", dx), ("mouse:dy", dy))
            if counts
        ]

    def _from_places(self, source: int, device: xinput.Device, axes: dict[int, float]) -> tuple[float, float]:
        """Pixels moved since this device's last place; its first place moves nothing."""
        last = self._place.setdefault(source, {})
        moved = []
        for axis, size in ((0, self._screen[0]), (1, self._screen[1])):
            if axis not in axes or axis not in device.absolute:
                moved.append(0.0)
                continue
            lowest, highest = device.absolute[axis]
            place = (axes[axis] - lowest) * size / (highest - lowest) if highest > lowest else axes[axis]
            moved.append(place - last.get(axis, place))
            last[axis] = place
        return moved[0], moved[1]

    def _injected_places(self, motions: list[bytes]) -> set[bytes]:
        """Which of these motions are injected *absolute* ones.

        The protocol does not tell. But after an absolute motion the pointer is where its numbers say, which a
        relative one reaches only from (0, 0), where both are the same. Costs nothing for a real mouse.
        """
        injected = [p for p in motions if self._devices.get(xinput.source(p), xinput.NO_DEVICE).is_xtest]
        if not injected:
            return set()
        before = self._pointer
        now = self.pointer()
        axes = [xinput.raw_axes(packet) for packet in injected]
        dx, dy = (int(sum(values.get(axis, 0.0) for values in axes)) for axis in (0, 1))
        at_last = axes[-1].get(0) == now[0] and axes[-1].get(1) == now[1]
        if at_last and now != (before[0] + dx, before[1] + dy):
            return set(injected)
        # Relative ones: take the pointer's true place, which stops at the edge and is warped by games.
        self._pointer = (now[0] - dx, now[1] - dy)
        return set()

    def _time_ns(self, arrival_ns: int, stamp_ms: int) -> int:
        """When the event happened: the server stamps whole milliseconds, so arrival is finer where it is soon after."""
        if not self._wire.monotonic_clock:
            return arrival_ns
        age_ms = (arrival_ns // 1_000_000 - stamp_ms) % 2**32
        if age_ms >= 2**31:  # stamped after it arrived, by a millisecond's rounding
            return arrival_ns
        return min(arrival_ns, (arrival_ns // 1_000_000 - age_ms) * 1_000_000 + 999_999)

    def _query_devices(self) -> None:
        self._devices = xinput.query_devices(self._queries)
        self._screen = self._queries.screen_size()
