"""Many resets of a game: what is left over after each hundred of them, and how long each kind of reset takes.

    python scripts/bench/resets.py [--games rescue doom] [--resets 1000] [--time lockstep] [--steps 3] [--json FILE]

Each reset has a seed, so that the game is launched anew; with --keys it has none, and a profile with reset keys uses
them. Counted are the processes, files, displays and memory of this environment alone, whatever else runs here.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil

from gameon_env.envs.desktop_env import DesktopEnv

COUNT_EVERY = 100


@dataclass(frozen=True)
class Left:
    """What there was of an environment after so many resets.

    ``shared_segments`` are System V segments that this process or one of its children made, ``shm_files`` the files in
    /dev/shm that one of them holds open or that are named for this project, ``folders`` those of games in the
    system's folder for temporary files, and memory is in MB.
    """

    resets: int
    processes: int
    displays: int
    shared_segments: int
    shm_files: int
    folders: int
    open_files: int
    threads: int
    own_mb: float
    display_mb: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--games", nargs="+", default=["rescue", "doom"])
    parser.add_argument("--resets", type=int, default=1000)
    parser.add_argument("--time", choices=("lockstep", "real"), default="lockstep")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--keys", action="store_true", help="reset without a seed: by keys where the profile has some")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = {game: measure(game, options) for game in options.games}
    if options.json:
        options.json.write_text(json.dumps(found, indent=2))


def measure(game: str, options: argparse.Namespace) -> dict[str, object]:
    env = DesktopEnv(game, time=options.time)
    family: set[int] = {os.getpid()}
    folders: set[Path] = set()
    starts: dict[str, list[float]] = {"cold start": [], "by keys": []}
    rows = [count(0, family, folders)]
    print(f"{game}, {options.time}: {options.resets} resets, {options.steps} steps after each")
    print("  " + "  ".join(asdict(rows[0])))
    show(rows[0])
    try:
        for number in range(1, options.resets + 1):
            begin = time.perf_counter()
            _, info = env.reset(seed=None if options.keys and number > 1 else number)
            starts["cold start" if "seed" in info else "by keys"].append(time.perf_counter() - begin)
            for _ in range(options.steps):
                env.step(np.zeros(env.action_space.shape, np.float32))
            folders |= {env._game._folder} if env._game._folder else set()
            family |= {process.pid for process in psutil.Process().children(recursive=True)}
            if number == 1 or number % COUNT_EVERY == 0 or number == options.resets:
                rows.append(count(number, family, folders))
                show(rows[-1])
    finally:
        env.close()
    psutil.wait_procs(psutil.Process().children(recursive=True), timeout=10)
    rows.append(count(options.resets, family, folders))
    print("  after close():")
    show(rows[-1])
    for how, seconds in starts.items():
        if seconds:
            spread = f"{min(seconds):.3f} to {max(seconds):.3f} s"
            print(f"  {how}: {statistics.median(seconds):.3f} s (median of {len(seconds)}; {spread})")
    first, last, closed = rows[1], rows[-2], rows[-1]
    grown = [
        f"{name} {getattr(first, name)} -> {getattr(last, name)}"
        for name in ("processes", "displays", "shared_segments", "shm_files", "folders", "open_files", "threads")
        if getattr(last, name) > getattr(first, name)
    ]
    kept = [name for name in ("processes", "displays", "shared_segments", "shm_files", "folders")
            if getattr(closed, name) > getattr(rows[0], name)]  # fmt: skip
    memory = f"{last.own_mb - first.own_mb:+.1f} MB here, {last.display_mb - first.display_mb:+.1f} MB in the display"
    print(f"  from the first reset to the last: {', '.join(grown) or 'no more of anything'}; memory {memory}")
    print(f"  left over after close(): {', '.join(kept) or 'nothing'}")
    return {"rows": [asdict(row) for row in rows], "seconds": starts, "grown": grown, "kept": kept}


def count(resets: int, family: set[int], folders: set[Path]) -> Left:
    own = psutil.Process()
    children = own.children(recursive=True)
    displays = [process for process in children if process.name() == "Xvfb"]
    return Left(
        resets,
        len(children),
        len(displays),
        sum(int(row.split()[4]) in family for row in _lines("/proc/sysvipc/shm")[1:]),
        len(_shm_files([own, *children])),
        sum(folder.exists() for folder in folders),
        own.num_fds(),
        own.num_threads(),
        round(own.memory_info().rss / 1e6, 1),
        round(sum(process.memory_info().rss for process in displays) / 1e6, 1),
    )


def show(row: Left) -> None:
    print("  " + "  ".join(f"{value:>{len(name)}}" for name, value in asdict(row).items()))


def _shm_files(processes: list[psutil.Process]) -> set[str]:
    files: set[str] = set()
    for process in processes:
        for number in Path(f"/proc/{process.pid}/fd").glob("*"):
            try:
                target = str(number.readlink())
            except OSError:
                continue
            if target.startswith("/dev/shm/"):
                files.add(target)
    return files | {str(path) for path in Path("/dev/shm").glob("*gameon*")}


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return [""]


if __name__ == "__main__":
    main()
