"""When the picture changes on X11: the DAMAGE extension reports each drawing, OpenGL's as well."""

from __future__ import annotations

import select
import struct
import time
from dataclasses import dataclass

from gameon_env.clock import now_ns
from gameon_env.desktop.changes import Changes
from gameon_env.desktop.region import Region
from gameon_env.desktop.x11 import Wire
from gameon_env.errors import CaptureError, DisplayError

QUIET_NS = 3_000_000
"""A frame in pieces is drawn to its end when nothing was drawn for so long: its pieces come 0.1 to 1 ms apart."""
BURST_NS = 9_000_000
"""The longest a frame may take to be drawn. A game that draws without a pause is grabbed so often."""

TRUST = 30
"""So many frames by one drawing each make a game one that shows all its frames so; at its start it counts as one."""
_FIRST_TRUST, _LOST_TRUST = 8, 2
"""A game that catches up shows some frames at once and stays trusted; one that clears and then draws does not."""

_EXTENSION = "DAMAGE"
_ERROR = 0
_RAW_RECTANGLES = 0
_NEVER = 2**63


def has_damage(display: str | None) -> bool:
    """Whether an X server has the extension. Raises ``CaptureError`` where it cannot be reached."""
    wire = _connect(display)
    try:
        return wire.extension(_EXTENSION) is not None
    except OSError as error:
        raise CaptureError(f"display {wire.name} is gone: {error}") from error
    finally:
        wire.close()


class DamageChanges(Changes):
    """DAMAGE of the root window: what is drawn anywhere on the screen, of which the region's rectangles count.

    The root, not the game's window, because its picture is what is grabbed: where a compositor shows the windows, the
    game's own drawing comes before it is seen.

    The server reports each drawing (the level "raw rectangles") after it was done. The other levels report only what
    was not yet damaged since the client last emptied a collection: two frames of a game look like one to a client that
    is late, and the emptying must be awaited lest the grab, on another connection, overtake it. Raw reports need no
    emptying, and tell of each frame that was drawn over before it was grabbed. A game that shows its frame by one
    request, as nearly all do, costs one report a frame.

    Of a game that shows each frame by one drawing of the whole region, each such drawing is a frame. Else drawings less
    than :data:`QUIET_NS` apart are the pieces of one frame, as long as that lasts for :data:`BURST_NS` at most.
    """

    backend = "x11 DAMAGE"
    certain = True

    def __init__(self, display: str | None, region: Region) -> None:
        self.region = region
        self._wire = _connect(display)
        self._poll = select.poll()  # select() takes no descriptor from 1024 on
        self._poll.register(self._wire.fileno(), select.POLLIN)
        self._closed = False
        self._frames: list[_Frame] = []
        self._overdrawn: list[int] = []
        self._latest = _Frame(0, 0, False)
        self._trust = _FIRST_TRUST
        self._trusted = True
        try:
            found = self._wire.extension(_EXTENSION)
            if found is None:
                raise CaptureError(f"display {self._wire.name} has no {_EXTENSION} extension: use the polling backend")
            opcode, self._event = found
            self._wire.request(struct.pack("=BBHII", opcode, 0, 3, 1, 1))  # version 1.1
            damage = self._wire.new_id()
            self._wire.send(struct.pack("=BBHIIBxxx", opcode, 1, 4, damage, self._wire.root, _RAW_RECTANGLES))
            self._wire.sync()
        except CaptureError:
            self.close()
            raise
        except OSError as error:
            self.close()
            raise CaptureError(f"display {self._wire.name} does not tell what is drawn on it: {error}") from error

    def wait(self, timeout_s: float, not_before_ns: int = 0) -> int | None:
        end_ns = now_ns() + round(timeout_s * 1e9)
        self._hear_all()
        while (due_ns := self._due_ns(not_before_ns)) > now_ns():
            left_ns = min(due_ns, end_ns) - now_ns()
            if not self._hear(max(left_ns, 0)) and end_ns < due_ns and end_ns <= now_ns():
                return None
        frame = self._frames.pop()
        self._overdrawn += [passed.last_ns for passed in self._frames if passed.last_ns >= not_before_ns]
        self._frames.clear()
        return frame.last_ns

    def overdrawn(self) -> list[int]:
        times, self._overdrawn = self._overdrawn, []
        return times

    def drawn_again(self) -> bool:
        self._hear_all()
        return bool(self._frames)

    def close(self) -> None:
        self._closed = True
        self._wire.close()

    def _hear_all(self) -> None:
        while self._hear(0):
            pass

    def _due_ns(self, not_before_ns: int) -> int:
        """When the newest frame is whole, and may be handed out."""
        if not self._frames:
            return _NEVER
        frame = self._frames[-1]
        if frame.whole and self._trusted:
            return max(frame.last_ns, not_before_ns)
        return max(min(frame.last_ns + QUIET_NS, frame.first_ns + BURST_NS), not_before_ns)

    def _hear(self, timeout_ns: int) -> bool:
        """Read what comes within the time; False where nothing did."""
        if self._closed:
            raise CaptureError("these changes are closed")
        if not self._comes(timeout_ns):
            return False
        try:
            self._wire.receive()
        except OSError as error:
            raise CaptureError(f"display {self._wire.name} is gone: {error}") from error
        arrival_ns = now_ns()
        for packet in self._wire.packets():
            kind = packet[0] & 0x7F
            if kind == self._event:
                stamp_ms, *area = struct.unpack_from("=IhhHH", packet, 12)
                drawn = Region(*area)
                if drawn.overlaps(self.region):
                    self._drawn(self._wire.time_ns(arrival_ns, stamp_ms), drawn.covers(self.region))
            elif kind == _ERROR:
                raise CaptureError(f"the X server answered with error {packet[1]} to request {packet[10]}")
        return True

    def _comes(self, timeout_ns: int) -> bool:
        whole_ms, rest_ns = divmod(timeout_ns, 1_000_000)
        if self._poll.poll(whole_ms):
            return True
        if not rest_ns:
            return False
        time.sleep(rest_ns * 1e-9)  # poll() knows whole milliseconds only: too coarse for the pieces of a frame
        return bool(self._poll.poll(0))

    def _drawn(self, t_ns: int, whole: bool) -> None:
        latest = self._latest
        t_ns = max(t_ns, latest.last_ns)
        rushed = t_ns - latest.last_ns < QUIET_NS
        in_one = whole and latest.whole and self._trusted
        is_piece = rushed and not in_one and t_ns - latest.first_ns < BURST_NS
        self._judge(whole, rushed)
        if self._frames and is_piece:
            latest.last_ns, latest.whole = t_ns, False
        else:
            self._latest = _Frame(t_ns, t_ns, whole)
            self._frames.append(self._latest)

    def _judge(self, whole: bool, rushed: bool) -> None:
        """Whether the game shows each frame by one drawing."""
        change = -TRUST if not whole else -_LOST_TRUST if rushed else 1
        self._trust = min(max(self._trust + change, 0), TRUST)
        if self._trust in (0, TRUST):
            self._trusted = self._trust == TRUST


@dataclass(slots=True)
class _Frame:
    """A burst of drawings, from the first to the last so far; ``whole``: it is one, of the whole region."""

    first_ns: int
    last_ns: int
    whole: bool


def _connect(display: str | None) -> Wire:
    try:
        return Wire(display)
    except DisplayError as error:
        raise CaptureError(str(error)) from error
