"""Kills an agent in the middle of a press, and counts what stays behind.

    python scripts/bench/kill_agent.py [--kills 20]

Half of the kills are on a display that the agent shares (as on a person's desktop), half on one that is its own
with a game on it. After each kill -9 another connection looks for keys and buttons that are down, for the game and
for the display. Prints one line per kind: all figures must be 0.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from gameon_env.desktop.display import PrivateDisplay
from gameon_env.desktop.inject import open_injector
from gameon_env.desktop.process import GameProcess
from gameon_env.desktop.watchdog import Watchdog
from gameon_env.desktop.x11 import Wire

CONTROLS = (
    "key:w",
    "key:a",
    "key:s",
    "key:d",
    "key:left_shift",
    "key:space",
    "mouse:left",
    "mouse:right",
    "mouse:back",
)
PATIENCE_S = 20.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="how many, both kinds together")
    parser.add_argument("--agent", metavar="DISPLAY", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.agent is not None:
        play(arguments.agent)
    shared, owned = arguments.kills - arguments.kills // 2, arguments.kills // 2
    with PrivateDisplay((240, 320)) as display:
        results = [kill_on_shared_display(display.name) for _ in range(shared)]
    pressing, stuck = sum(n > 0 for n, _ in results), sum(n > 0 for _, n in results)
    print(f"shared display: {shared} kills, {pressing} in the middle of a press, {stuck} left keys or buttons down")
    leftovers = [kill_with_own_display() for _ in range(owned)]
    print(f"own display: {owned} kills, {sum(n > 0 for n in leftovers)} left a game, a display or a watchdog behind")
    return int(bool(stuck or sum(leftovers)))


def kill_on_shared_display(display: str) -> tuple[int, int]:
    """How many keys and buttons were down before the kill, and after it."""
    eye = Wire(display)
    agent, pids = start_agent(display)
    time.sleep(random.uniform(0.0, 0.1))
    agent.send_signal(signal.SIGSTOP)  # so that the count before is that of the moment of the kill
    before = len(eye.held())
    kill(agent)
    wait_until(lambda: not any(map(runs, pids)))
    after = len(eye.held())
    eye.close()
    return before, after


def kill_with_own_display() -> int:
    """How many processes and displays were left."""
    agent, (watchdog, game, server) = start_agent("own")
    children = psutil.Process(game).children(recursive=True)
    time.sleep(random.uniform(0.0, 0.1))
    kill(agent)
    pids = [watchdog, game, server, *(child.pid for child in children)]
    wait_until(lambda: not any(map(runs, pids)))
    left = [pid for pid in pids if runs(pid)]
    for pid in left:
        print(f"  left: {pid} {psutil.Process(pid).cmdline()}")
    return len(left)


def runs(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def start_agent(display: str) -> tuple[subprocess.Popen[str], list[int]]:
    agent = subprocess.Popen(
        [sys.executable, str(Path(__file__).resolve()), "--agent", display], stdout=subprocess.PIPE, text=True
    )
    assert agent.stdout is not None
    return agent, [int(word) for word in agent.stdout.readline().split()]


def kill(agent: subprocess.Popen[str]) -> None:
    agent.kill()
    agent.wait()
    assert agent.stdout is not None
    agent.stdout.close()


def wait_until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not done() and time.monotonic() < deadline:
        time.sleep(0.005)


def play(where: str) -> None:
    """The agent: always holds something, until it is killed. Says who must be gone after it."""
    numbers: list[int] = []
    own = PrivateDisplay((240, 320), gl=False) if where == "own" else None
    name = own.name if own is not None else where
    watchdog = Watchdog.start(name, private=own is not None)
    numbers.append(watchdog.pid)
    if own is not None:
        watchdog.guard_display(own.pid)
        # A launcher whose game leaves its process group and ignores TERM.
        script = "trap '' TERM; (setsid sh -c \"trap '' TERM; sleep 600\" &) ; sleep 600"
        game = GameProcess.launch(["sh", "-c", script], display=name)
        watchdog.guard_process_group(game)
        numbers += [game.pid, own.pid]
    injector = open_injector(name, watchdog=watchdog)
    last = ""
    while True:
        control = random.choice([c for c in CONTROLS if c != last])
        injector.press(control)
        injector.move(random.randint(-20, 20), random.randint(-20, 20))
        injector.flush()
        if last:
            injector.release(last)
            injector.flush()
        else:
            print(*numbers, flush=True)
        last = control
        time.sleep(random.uniform(0.0, 0.02))


if __name__ == "__main__":
    sys.exit(main())
