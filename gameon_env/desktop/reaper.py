"""Finding and ending every process of a game; run as a program, the watchdog that outlives its owner.

The watchdog is started by path with ``python -I`` and imports only the standard library and python-xlib (on Windows
and macOS psutil and pynput), so that it is up soon and small. It reads lines on stdin and acts when its
owner is gone without a goodbye.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

TOKEN_VARIABLE = "GAMEON_PROCESS_TOKEN"
"""In the environment of every process of a game: finds those that left its process group as well."""


_ON_LINUX = sys.platform.startswith("linux")

# Windows has neither.
_KILL: int = getattr(signal, "SIGKILL", signal.SIGTERM)
_CONTINUE: int | None = getattr(signal, "SIGCONT", None)


class Entry(NamedTuple):
    """One row of the process table; ``start`` with ``pid`` names a process for good, for pids are used again."""

    pid: int
    parent: int
    group: int
    session: int
    start: int
    state: str


def process_table() -> dict[int, Entry]:
    """All processes of this machine by pid (Linux: read from ``/proc``; empty elsewhere)."""
    entries = (read_entry(int(name)) for name in _numbers("/proc"))
    return {entry.pid: entry for entry in entries if entry is not None}


def read_entry(pid: int) -> Entry | None:
    """One process, or None where there is none."""
    try:
        # The name in brackets may hold spaces and brackets itself.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return Entry(pid, int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19]), fields[0])


def name_of(pid: int) -> str:
    """The name of a process's program, its first 15 characters; empty where there is none."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(errors="replace").rstrip("\n")
    except OSError:
        return ""


def start_of(pid: int) -> int:
    """When a process was started, in the system's own units; 0 where there is none."""
    if _ON_LINUX:
        entry = read_entry(pid)
        return entry.start if entry is not None else 0
    import psutil

    try:
        return int(psutil.Process(pid).create_time() * 1000)
    except psutil.NoSuchProcess:
        return 0


def members(leader: int, leader_start: int, token: str) -> set[int]:
    """The living processes of a game: its session and group, their descendants, and all that carry its token.

    On Windows and macOS only its descendants, and only while the first of them is there.
    """
    if not _ON_LINUX:
        return _tree(leader, leader_start)
    table = process_table()
    first = table.get(leader)
    leader_is_ours = first is not None and first.start == leader_start
    found = set()
    for entry in table.values():
        if entry.start < leader_start:
            continue
        in_group = leader in (entry.group, entry.session)
        # Where the leader is gone its number may belong to somebody else by now: then only the token counts.
        if (in_group and leader_is_ours) or has_token(entry.pid, token):
            found.add(entry.pid)
    children: dict[int, list[int]] = {}
    for entry in table.values():
        children.setdefault(entry.parent, []).append(entry.pid)
    todo = list(found)
    while todo:
        fresh = [pid for pid in children.get(todo.pop(), []) if pid not in found]
        found.update(fresh)
        todo += fresh
    return {pid for pid in found if table[pid].state not in "ZX"} - {os.getpid()}


def _tree(leader: int, leader_start: int) -> set[int]:
    """A process and its descendants, where there is no ``/proc``."""
    import psutil

    try:
        root = psutil.Process(leader)
        # The same number at another time is another process; the time itself moves a little with the clock.
        if abs(int(root.create_time() * 1000) - leader_start) > 2000:
            return set()
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return set()
    return {process.pid for process in family if _lives(process)}


def _lives(process: Any) -> bool:
    import psutil

    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def has_token(pid: int, token: str) -> bool:
    """Whether a process was started with this token in its environment."""
    try:
        return f"{TOKEN_VARIABLE}={token}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def end_processes(find: Callable[[], set[int]], grace_s: float, wait: Callable[[], object] = lambda: None) -> None:
    """TERM to all that ``find`` gives, and after ``grace_s`` KILL, until it gives none.

    ``wait`` is called while waiting: there the caller collects children of its own.
    """
    deadline = time.monotonic() + grace_s
    told: set[int] = set()
    pause_s = 0.002
    while True:
        wait()
        alive = find()
        if not alive or time.monotonic() > deadline + 5.0:
            return
        late = time.monotonic() >= deadline
        for pid in alive if late else alive - told:
            with contextlib.suppress(OSError):  # it is gone, or not ours; Windows has its own numbers for these
                os.kill(pid, _KILL if late else signal.SIGTERM)
                if _CONTINUE is not None:  # a stopped process takes its signals when it goes on
                    os.kill(pid, _CONTINUE)
        told |= alive
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, 0.05)


def _numbers(folder: str) -> Iterator[str]:
    try:
        yield from (name for name in os.listdir(folder) if name.isdigit())  # noqa: PTH208 - names, not paths
    except OSError:
        return


class _Watchdog:
    """The separate process. ``display``: what to release on (empty: not X11); ``private``: release everything."""

    def __init__(self, owner: int, display: str, private: bool) -> None:
        self.owner, self.display, self.private = owner, display, private
        self.held: set[str] = set()
        self.groups: dict[tuple[int, int, str], None] = {}
        self.servers: dict[tuple[int, int], None] = {}
        self.folders: dict[str, None] = {}
        self.said_goodbye = False

    def run(self) -> None:
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGPIPE"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), signal.SIG_IGN)
        if self.display:  # where this fails, the owner must hear so before it presses anything
            import Xlib.display  # noqa: F401
        self._read_until_owner_ends()
        for act in (self._release, self._end_games, self._end_servers, self._remove_folders):
            try:
                act()
            except Exception as error:  # noqa: BLE001 - whatever one part meets, the next must still be done
                print(f"watchdog: {act.__name__}: {error!r}", file=sys.stderr, flush=True)
            if self.said_goodbye:
                return

    def _read_until_owner_ends(self) -> None:
        os.write(1, b"ready\n")
        rest = b""
        for data in self._from_owner():
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._take(line.decode())

    def _from_owner(self) -> Iterator[bytes]:
        """What the owner writes, until it is gone."""
        if sys.platform == "win32":  # the end of the pipe is all there is
            yield from iter(lambda: os.read(0, 65536), b"")
        else:
            poll = select.poll()
            poll.register(0, select.POLLIN | select.POLLHUP)
            # A forked child of the owner may keep the pipe open: watch the owner itself as well.
            owner_fd = -1
            if sys.platform == "linux":
                with contextlib.suppress(OSError, AttributeError):  # an old kernel or Python
                    owner_fd = os.pidfd_open(self.owner)
                    poll.register(owner_fd, select.POLLIN)
            pause_ms = None if owner_fd >= 0 else 200
            ended = os.getppid() != self.owner
            while True:
                ready = {fd for fd, _ in poll.poll(0 if ended else pause_ms)}
                ended = ended or owner_fd in ready or os.getppid() != self.owner
                if 0 in ready:
                    data = os.read(0, 65536)
                    if not data:
                        return
                    yield data
                elif ended:
                    return

    def _take(self, line: str) -> None:
        word, _, value = line.partition(" ")
        if word == "hold":
            self.held |= set(value.split())
        elif word == "free":
            self.held -= set(value.split())
        elif word in ("group", "ungroup"):
            pid, start, token = value.split()
            self._mark(self.groups, (int(pid), int(start), token), word == "group")
        elif word in ("server", "unserver"):
            pid, start = value.split()
            self._mark(self.servers, (int(pid), int(start)), word == "server")
        elif word in ("folder", "unfolder"):
            self._mark(self.folders, value, word == "folder")
        elif word == "bye":
            self.said_goodbye = True

    @staticmethod
    def _mark(kept: dict[Any, None], key: object, keep: bool) -> None:
        if keep:
            kept[key] = None
        else:
            kept.pop(key, None)

    def _release(self) -> None:
        """Codes are ``k38`` (an X keycode, or a virtual key elsewhere) and ``b1`` (a button)."""
        everything = self.private and not self.said_goodbye
        if not self.held and not everything:
            return
        if self.display:
            self._release_by_xtest(everything)
        else:
            self._release_by_pynput()

    def _release_by_xtest(self, everything: bool) -> None:
        from Xlib import X, display

        _mend_xlib()
        connection = display.Display(self.display)
        if everything:
            keymap = connection.query_keymap()
            self.held |= {f"k{8 * i + bit}" for i in range(32) for bit in range(8) if keymap[i] >> bit & 1}
            self.held |= {f"b{number}" for number in range(1, 10)}
        for code in self.held:
            connection.xtest_fake_input(X.KeyRelease if code[0] == "k" else X.ButtonRelease, int(code[1:]))
        connection.sync()
        connection.close()

    def _release_by_pynput(self) -> None:
        from pynput import keyboard, mouse

        keys, pointer = keyboard.Controller(), mouse.Controller()
        buttons = {1: "left", 2: "middle", 3: "right", 8: "x1", 9: "x2"}
        for code in self.held:
            if code[0] == "k":
                keys.release(keyboard.KeyCode.from_vk(int(code[1:])))
            else:
                pointer.release(getattr(mouse.Button, buttons[int(code[1:])]))

    def _end_games(self) -> None:
        if self.groups:
            end_processes(lambda: set().union(*(members(*group) for group in self.groups)), grace_s=1.0)

    def _end_servers(self) -> None:
        def alive() -> set[int]:
            entries = [(read_entry(pid), start) for pid, start in self.servers]
            return {e.pid for e, start in entries if e is not None and e.start == start and e.state not in "ZX"}

        end_processes(alive, grace_s=2.0)

    def _remove_folders(self) -> None:
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)


def _mend_xlib() -> None:
    """By the file beside this one: to import the package would take long."""
    spec = importlib.util.spec_from_file_location("xlib_mends", Path(__file__).with_name("xlib_mends.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.mend()


if __name__ == "__main__":
    sys.path += [folder for folder in sys.argv[4:] if folder not in sys.path]
    _Watchdog(int(sys.argv[1]), sys.argv[2], sys.argv[3] == "private").run()
