"""What the kernel says of the game's threads: whether they live, and what they wait for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gameon_env.desktop.lockstep.shared_state import FREE, OUTSIDE, POLLING, READY, RUNNING, WAITING, ClockState, Slot

LOOKS_ASLEEP = 10
"""So many looks at a thread that sleeps in the kernel, in the same turn, and it waits for something unseen: on a busy
machine it may be a server that is late."""

LOOKS_BUSY = 250
"""So many at one that computes while another could go on, and it may be spinning until that one does: 5 s of the
processor's time, for games load long."""

LOOKS_ASLEEP_AGAIN, LOOKS_BUSY_AGAIN = 2, 50
"""The same for a game that did so ``OFTEN``: another one would make no difference, but for the time that it takes."""

OFTEN = 20

_STATES = {RUNNING: "runs", READY: "is ready", WAITING: "waits", POLLING: "waits", OUTSIDE: "is outside the clock"}


def living(state: ClockState) -> Iterator[Slot]:
    """The threads that are known."""
    for number in range(state.used):
        if state.slots[number].state != FREE:
            yield state.slots[number]


def doing(pid: int, tid: int) -> str:
    """The kernel's letter for what a thread does: R runs, S sleeps, D waits for a disk; empty where it is gone."""
    try:
        text = Path(f"/proc/{pid}/task/{tid}/stat").read_text(errors="replace")
    except OSError:
        return ""
    return text[text.rindex(")") + 2]


def processor_ticks(pid: int, tid: int) -> int:
    """How much of the processor a thread has used, in ticks of the kernel (some 10 ms); 0 where it is gone."""
    fields = _read(Path(f"/proc/{pid}/task/{tid}/stat")).rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12]) if len(fields) > 12 else 0


def is_dead(pid: int, tid: int) -> bool:
    """Whether a thread is over; one that has no number yet is about to begin."""
    return bool(pid) and doing(pid, tid or pid) in ("", "Z", "X")


def has_loaded(pid: int, library: Path) -> bool:
    """Whether a process has the library in its memory; True where that is not to be seen, or not yet."""
    maps = _read(Path(f"/proc/{pid}/maps"))
    name = "/".join(library.parts[-2:])  # the kernel shows another path where a part of it is a link, or mounted twice
    return not maps or f"/{name}" in maps or "libc" not in maps


def waits_unseen(state: ClockState, doing: str, looks: int, before: int) -> bool:
    """Whether the thread whose turn it is should let the others go on; ``before`` times one had to already."""
    if doing == "S":
        return looks >= (LOOKS_ASLEEP if before < OFTEN else LOOKS_ASLEEP_AGAIN)
    return looks >= (LOOKS_BUSY if before < OFTEN else LOOKS_BUSY_AGAIN) and any(
        slot.state == READY for slot in living(state)
    )


def describe(slot: Slot) -> str:
    """One line on a thread: ``doom (pid 7, thread 9) runs; its last call was poll; in the kernel: R, unix_wait``."""
    tid = slot.tid or slot.pid  # one that is about to begin is known by its process alone
    folder = Path(f"/proc/{slot.pid}/task/{tid}")
    call = slot.where.decode(errors="replace") or "none"
    line = f"{_read(folder / 'comm')} (pid {slot.pid}, thread {slot.tid}) {_STATES.get(slot.state, '')}"
    line += " for the X server's answer" if slot.real else ""
    kernel = ", ".join(part for part in (doing(slot.pid, tid), _read(folder / "wchan")) if part not in ("", "0"))
    return f"{line}; its last call was {call}; in the kernel: {kernel or 'gone'}"


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
