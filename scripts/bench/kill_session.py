"""What is lost of a recorded session when its recorder is killed, its disk fills, its display or its sound dies?

    .venv/bin/python scripts/bench/kill_session.py [--kills 40] [--full-disks 10] [--displays 10] [--audio 10]
                                                   [--game counter|doom] [--seed N] [--keep FOLDER]

Each trial is a real ``gameon record`` with video and sound of a game on a private display, and keys that are pressed
there all the time, by this program, which writes down when. At a random moment (0.5 to 5 s)

- kill: the recorder is killed with -9;
- full disk: its disk, of 64 MB, is filled to the last byte; where the recorder sees that coming and ends before it is
  full, that is the moment;
- display: the game's X server is killed with -9;
- audio: the game's sound server is killed with -9, the recorder must go on, and is ended 2.5 s later.

Then the session is recovered, where it needs that, and verified. Lost is what lies between the moment and the last
picture, the first key that is missing, the last sample. The counter game shows 60 pictures a second without a pause, so
up to 17 ms of picture are not a loss but the time until the next one. A full disk needs the right to mount one.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

from _presses import Presses

from gameon_env.clock import now_ns
from gameon_env.data_processing.video_reader import VideoReader
from gameon_env.data_processing.wav_file import wav_layout
from gameon_env.errors import GameOnError
from gameon_env.recording.recorder_loop import LEAST_FREE_MB
from gameon_env.recording.recovery import recover_session
from gameon_env.recording.session import Session
from gameon_env.recording.verification import verify

ROOT = Path(__file__).parents[2]
TARGETS_S = {"video": 0.5, "events": 0.3, "audio": 0.5}
KINDS = ("kill", "full disk", "display", "audio")

PROFILE = """
title = "counter"
fps = 60
[launch]
command = ["{{python}}", "{game}", "{log}", "--fps", "60", "--size", "1280x720", "--beep"]
screen_size = [720, 1280]
gl = false
[controls]
names = ["key:left", "key:right", "key:space"]
"""


@dataclass
class Trial:
    """What came of one: seconds that are lost, and what was wrong; ``outcome`` is that of the recovery."""

    kind: str
    moment_s: float
    outcome: str = ""
    lost_s: dict[str, float] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not self.faults and all(self.lost_s.get(what, 9e9) <= most for what, most in TARGETS_S.items())


def run_trial(kind: str, moment_s: float, game: str, base: Path) -> Trial:
    trial = Trial(kind, moment_s)
    data = base / "data"
    data.mkdir(parents=True)
    if kind == "full disk":
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(data)], check=True)
    try:
        with (
            _recording(game, data, base / "said") as (recorder, folder, family),
            Presses(_display(family)) as presses,
        ):
            time.sleep(moment_s)
            at_ns = _strike(kind, recorder, family, data)
            _outlive(kind, recorder, trial)
        _judge(trial, folder, at_ns, presses.sent)
    except (GameOnError, OSError, LookupError, AssertionError) as error:
        trial.faults.append(f"{type(error).__name__}: {error}")
    finally:
        if kind == "full disk":
            subprocess.run(["umount", "--lazy", str(data)], check=True)
    return trial


@contextmanager
def _recording(
    game: str, data: Path, said: Path
) -> Iterator[tuple[subprocess.Popen[bytes], Path, list[psutil.Process]]]:
    """The recorder, the session's folder, and the processes that it started. All are gone at the end."""
    if game == "counter":
        profile = said.with_name("counter.toml")
        log = said.with_name("counter.json")
        profile.write_text(PROFILE.format(game=ROOT / "tests" / "live" / "counter_game.py", log=log))
        game = str(profile)
    command = [sys.executable, "-m", "gameon_env", "record", "--game", game, "--display", "private"]
    command += ["--no-gamepads", "--data-dir", str(data)]
    with said.open("wb") as output:
        recorder = subprocess.Popen(command, stdout=output, stderr=output, cwd=ROOT)
    family: list[psutil.Process] = []
    try:
        _until(lambda: b"recording into" in said.read_bytes() or recorder.poll() is not None, 60)
        (video,) = data.glob("sessions/*/video.mp4") or [None]
        if recorder.poll() is not None or video is None:
            raise LookupError(f"the recorder did not begin: {said.read_text()}")
        family = psutil.Process(recorder.pid).children(recursive=True)
        yield recorder, video.parent, family
    finally:
        if recorder.poll() is None:
            recorder.kill()
        recorder.wait()
        _, left = psutil.wait_procs(family, timeout=15)
        for process in left:
            process.kill()
    if left:
        raise LookupError(f"these outlived the recorder: {left}")


def _display(family: list[psutil.Process]) -> str:
    """The name of the private display, out of the game's environment."""
    for process in family:
        try:
            name = process.environ().get("DISPLAY")
        except psutil.Error:
            continue
        if name and name != os.environ.get("DISPLAY"):
            return name
    raise LookupError("the recorder has no private display")


def _strike(kind: str, recorder: subprocess.Popen[bytes], family: list[psutil.Process], data: Path) -> int:
    """Do it; returns when it was done, on the clock of the recordings."""
    if kind == "full disk":
        with (data / "ballast").open("wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(os.urandom(1 << 20))
            except OSError:
                return now_ns()
    victim = recorder.pid
    if kind != "kill":
        program = {"display": "Xvfb", "audio": "pulseaudio"}[kind]
        victim = next(process.pid for process in family if process.name() == program)
    at_ns = now_ns()
    os.kill(victim, signal.SIGKILL)
    return at_ns


def _outlive(kind: str, recorder: subprocess.Popen[bytes], trial: Trial) -> None:
    """Wait for the recorder's end, which is its own where it was not killed."""
    if kind == "audio":
        time.sleep(2.5)
        if recorder.poll() is not None:
            trial.faults.append("the recorder ended with the sound")
        recorder.send_signal(signal.SIGTERM)
    try:
        recorder.wait(30)
    except subprocess.TimeoutExpired:
        trial.faults.append("the recorder did not end")


def _judge(trial: Trial, folder: Path, at_ns: int, sent: list[tuple[int, str, float]]) -> None:
    (folder.parents[1] / "ballast").unlink(missing_ok=True)
    found = recover_session(folder)
    trial.outcome = found.outcome
    if found.outcome not in ("recovered", "whole"):
        trial.faults.append(found.note)
    trial.faults += [problem.what for problem in verify(folder)]
    with Session(folder) as session:
        if trial.kind == "full disk":
            at_ns = min(at_ns, session.info.start_ns + _gave_up_ns(session))
        at = at_ns - session.info.start_ns
        with VideoReader(session.video) as video:
            trial.lost_s["video"] = (at - int(video.times_ns[-1])) * 1e-9
            if len(video) != session.counts["frames"]:
                trial.faults.append("video and rows differ")
        trial.lost_s["events"] = _lost_events(trial, session, at_ns, sent)
        samples, t_ns = session.audio_clock("system_audio")
        sound = wav_layout(session.audio("system_audio"))
        heard_ns = int(t_ns[-1]) + (sound.frames - int(samples[-1])) * 10**9 // sound.rate_hz
        if trial.kind == "audio":
            gaps = [gap for gap in session.gaps() if gap.stream == "system_audio" and (gap.end_ns or 1 << 62) > at]
            if not gaps:
                trial.faults.append("no gap is stated")
            heard_ns = gaps[0].start_ns if gaps else 0
            if trial.lost_s["video"] > -1.0:
                trial.faults.append("the video did not go on")
        trial.lost_s["audio"] = (at - heard_ns) * 1e-9
    trial.lost_s = {what: max(lost_s, 0.0) for what, lost_s in trial.lost_s.items()}


def _gave_up_ns(session: Session) -> int:
    """When the recorder saw that too little room was left, while the disk filled; later than all where it did not."""
    return min((health.t_ns for health in session.health() if health.disk_free_mb < LEAST_FREE_MB), default=1 << 62)


def _lost_events(trial: Trial, session: Session, at_ns: int, sent: list[tuple[int, str, float]]) -> float:
    """Seconds from the first change before the moment that is not in the session."""
    stored = [(event.control, event.value) for event in session.input_events()]
    before = [(t_ns, (key, value)) for t_ns, key, value in sent if t_ns <= at_ns]
    if stored[: len(before)] != [change for _, change in before[: len(stored)]]:
        trial.faults.append("the events are not those that were sent")
    if not before:
        trial.faults.append("nothing was sent before the moment")
    return (at_ns - before[len(stored)][0]) * 1e-9 if len(stored) < len(before) else 0.0


def _until(true: Callable[[], bool], timeout_s: float) -> None:
    end = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > end:
            raise LookupError(f"waited {timeout_s} s in vain")
        time.sleep(0.02)


def print_table(trials: list[Trial]) -> None:
    table = Table(title="lost, in milliseconds: median / worst")
    for column in ("", "trials", "recovered", "complete by itself", "verified", *TARGETS_S):
        table.add_column(column, justify="left" if not column else "right")
    for kind in KINDS:
        chosen = [trial for trial in trials if trial.kind == kind]
        if not chosen:
            continue
        cells = []
        for what in TARGETS_S:
            lost = sorted(trial.lost_s[what] * 1e3 for trial in chosen if what in trial.lost_s)
            cells.append(f"{lost[len(lost) // 2]:.0f} / {lost[-1]:.0f}" if lost else "-")
        outcomes = [trial.outcome for trial in chosen]
        clean = sum(not trial.faults for trial in chosen)
        counts = (len(chosen), outcomes.count("recovered"), outcomes.count("whole"), clean)
        table.add_row(kind, *map(str, counts), *cells)
    limits = [f"at most {most * 1e3:.0f}" for most in TARGETS_S.values()]
    table.add_row("target", "", "", "", "all", *limits)
    Console(width=110).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option, count in (("--kills", 40), ("--full-disks", 10), ("--displays", 10), ("--audio", 10)):
        parser.add_argument(option, type=int, default=count)
    parser.add_argument("--game", default="counter", choices=("counter", "doom"))
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--keep", type=Path, default=None, help="leave the sessions there")
    arguments = parser.parse_args()
    dice = random.Random(arguments.seed)
    counts = (arguments.kills, arguments.full_disks, arguments.displays, arguments.audio)
    base = arguments.keep or Path(tempfile.mkdtemp(prefix="gameon-kills-"))
    trials: list[Trial] = []
    try:
        for kind, count in zip(KINDS, counts, strict=True):
            for number in range(count):
                folder = base / f"{kind.replace(' ', '_')}_{number}"
                psutil.cpu_percent()
                trial = run_trial(kind, dice.uniform(0.5, 5.0), arguments.game, folder)
                trials.append(trial)
                lost = ", ".join(f"{what} {lost_s * 1e3:.0f} ms" for what, lost_s in trial.lost_s.items())
                words = [
                    f"{kind} after {trial.moment_s:.2f} s: {trial.outcome}",
                    f"lost {lost}",
                    f"processor {psutil.cpu_percent():.0f} %",
                ]
                words += trial.faults
                print("; ".join(words), flush=True)
                if not arguments.keep:
                    shutil.rmtree(folder, ignore_errors=True)
    finally:
        print_table(trials)
        if not arguments.keep:
            shutil.rmtree(base, ignore_errors=True)
    if not all(trial.good for trial in trials):
        sys.exit(1)


if __name__ == "__main__":
    main()
