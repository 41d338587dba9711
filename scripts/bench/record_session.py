"""Is a recorded session complete, and what does recording cost, beside ``ffmpeg -f x11grab`` with the same codec?

    .venv/bin/python scripts/bench/record_session.py [--minutes 10] [--games counter,doom] [--keep FOLDER]

Each game is recorded twice, one after the other, on a display of its own: by ``gameon record`` with sound, as a person
runs it, and by ffmpeg, picture only. The counter game (1280x720, 60 a second) paints the number of each frame: what is
in the video is read back from its pictures, and held against what the game says that it showed. Doom (640x480, 35 a
second) paints none: a library loaded into it writes when it put each frame on the screen, and each must have a row.
Somebody plays it: random keys, the same in both runs.

The processor time is that of the recorder's process and its children, without the game, its display and its sound
server, while it records; likewise ffmpeg's.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

import _presents
from _counter import Account, judge, read_video
from _recording_runs import Game, Run, find_ffmpeg, record_by_ffmpeg, record_by_gameon

from gameon_env.games.profile import load_profile

COUNTER_GAME = Path(__file__).parents[2] / "tests" / "live" / "counter_game.py"
SETTLED_NS = 100_000_000
"""Frames so short before the end need not be there: the recorder may be about to stop."""
WITHIN_NS = 14_000_000
"""A row belongs to the frame that was shown so near: frames of Doom are 28 ms apart."""


def counter_game(folder: Path) -> Game:
    log = folder / "counter.json"
    command = [sys.executable, str(COUNTER_GAME), str(log), "--fps", "60", "--size", "1280x720", "--beep"]
    return Game("counter", command, (720, 1280), 60, {}, log, keys=())


def doom(folder: Path) -> Game:
    profile = load_profile("doom")
    launch = profile.launch
    assert launch is not None
    launch.check_installed(profile.path.parent)
    log = folder / "presents.bin"
    env = {**launch.env, **_presents.environment(_presents.build(folder), log)}
    keys = tuple(load_profile("doom").controls.names)
    return Game("doom", launch.fill(seed=0, folder=folder), launch.screen_size, 35, env, log, keys)


def judge_session(game: Game, folder: Path) -> dict[str, object]:
    """The session that ``gameon record`` left, held against the game's own log."""
    database = sqlite3.connect(f"file:{folder / 'session.db'}?mode=ro", uri=True)
    start_ns, duration_ns, reason = database.execute("SELECT start_ns, duration_ns, reason FROM session").fetchone()
    rows = database.execute("SELECT t_ns, video_frame, reason FROM frames ORDER BY t_ns, number").fetchall()
    events = database.execute("SELECT COUNT(*) FROM input_events").fetchone()[0]
    gaps = database.execute("SELECT stream, reason, (end_ns - start_ns) / 1e9 FROM gaps").fetchall()
    database.close()
    in_video = [row for row in rows if row[1] is not None]
    numbers = read_video(folder / "video.mp4")
    verdict: dict[str, object] = {
        "end": reason,
        "rows = video frames": len(in_video) == len(numbers),
        "events": events,
        "gaps": "; ".join(map(str, gaps)),
    }
    end_ns = start_ns + duration_ns - SETTLED_NS
    if game.name == "doom":
        shown = _presents.read(game.log)
        taken = np.array([row[0] for row in rows], np.int64) + start_ns
        shown = shown[(shown > taken[0] - WITHIN_NS) & (shown < end_ns)]
        unaccounted, extra = _presents.match(shown, taken[taken < end_ns + WITHIN_NS], WITHIN_NS)
        return verdict | {
            "shown": len(shown), "recorded": len(in_video), "dropped": len(rows) - len(in_video),
            "unaccounted": unaccounted, "rows without a frame": extra,
        }  # fmt: skip
    flips = json.loads(game.log.read_text())["flips"]
    found = ["dropped" if video_frame is None else numbers[video_frame] for _, video_frame, _ in rows]
    return verdict | asdict(judge(found, _expected(flips, found, end_ns)))


def judge_video(game: Game, run: Run) -> dict[str, object]:
    """ffmpeg's video, which has only pictures."""
    numbers = read_video(run.result)
    if game.name == "doom":
        shown = _presents.read(game.log)
        shown = shown[(shown > run.begun_ns) & (shown < run.ended_ns)]
        return {"shown": len(shown), "recorded": len(numbers)}
    flips = json.loads(game.log.read_text())["flips"]
    last = next(number for number in reversed(numbers) if number is not None)
    account: Account = judge(numbers, _expected(flips, numbers, flips[last - 1]))
    return asdict(account) | {"dropped": account.unaccounted, "unaccounted": ""}


def _expected(flips: list[int], found: list[int | str | None], end_ns: int) -> range:
    """The numbers that were shown from the first that was recorded to ``end_ns``."""
    first = next(number for number in found if isinstance(number, int))
    return range(first, sum(flip <= end_ns for flip in flips) + 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--games", default="counter,doom")
    parser.add_argument("--recorders", default="gameon,ffmpeg")
    parser.add_argument("--keep", type=Path, help="keep the recordings here")
    arguments = parser.parse_args()
    seconds = arguments.minutes * 60
    recorders = arguments.recorders.split(",")
    ffmpeg = find_ffmpeg() if "ffmpeg" in recorders else ""
    console = Console(width=150)
    with tempfile.TemporaryDirectory() as temporary:
        top = arguments.keep or Path(temporary)
        for name in arguments.games.split(","):
            verdicts = {}
            for recorder in recorders:
                folder = top / f"{name}_{recorder}"
                folder.mkdir(parents=True)
                game = {"counter": counter_game, "doom": doom}[name](folder)
                print(f"{name}, {recorder}: {seconds:g} s ...", flush=True)
                if recorder == "gameon":
                    run = record_by_gameon(game, folder, seconds)
                    verdict = judge_session(game, run.result.parent)
                else:
                    run = record_by_ffmpeg(game, folder, seconds, ffmpeg)
                    verdict = judge_video(game, run)
                gb_h = run.bytes / 1e9 / ((run.ended_ns - run.begun_ns) / 3.6e12)
                cost = {f"CPU % ({process})": f"{percent:.1f}" for process, percent in sorted(run.cpu_percent.items())}
                total = sum(run.cpu_percent.values())
                verdicts[recorder] = verdict | {"CPU % in all": f"{total:.1f}", **cost, "GB/h": f"{gb_h:.2f}"}
                verdicts[recorder]["begin to end, s"] = f"{run.wall_s:.1f}"
                if "gameon" in verdicts and recorder == "ffmpeg":
                    ratio = float(str(verdicts["gameon"]["CPU % in all"])) / total
                    verdicts["gameon"]["CPU / ffmpeg's"] = f"{ratio:.2f}"
            table = Table("", *verdicts, title=f"{name}, {seconds:g} s")
            for line in dict.fromkeys(key for verdict in verdicts.values() for key in verdict):
                table.add_row(line, *(str(verdict.get(line, "")) for verdict in verdicts.values()))
            console.print(table)
    if ffmpeg:
        print(subprocess.run([ffmpeg, "-version"], capture_output=True, text=True).stdout.splitlines()[0])
    print(time.strftime("%Y-%m-%d"))


if __name__ == "__main__":
    main()
