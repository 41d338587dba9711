"""One game recorded once, by ``gameon record`` or by ffmpeg, with the processor time that it took."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from gameon_env.clock import now_ns
from gameon_env.desktop.display import PrivateDisplay
from gameon_env.desktop.inject import open_injector
from gameon_env.desktop.process import GameProcess
from gameon_env.desktop.windows import wait_for_window
from gameon_env.errors import InputError

NOT_THE_RECORDER = ("Xvfb", "pulseaudio")
SAMPLE_S = 0.25
SETTLE_S = 2.0
"""The start is not counted: Python's imports on one side, probing on the other."""


@dataclass(frozen=True)
class Game:
    """A game to record: ``screen_size`` is ``(height, width)``, ``log`` what it writes of its frames."""

    name: str
    command: list[str]
    screen_size: tuple[int, int]
    fps: int
    env: dict[str, str]
    log: Path
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """What came of it: the video, when it was recorded, and the mean of each process's CPU in percent of a core."""

    result: Path
    bytes: int
    begun_ns: int
    ended_ns: int
    wall_s: float
    cpu_percent: dict[str, float]


def find_ffmpeg() -> str:
    """ffmpeg of the system, or the one that imageio-ffmpeg brought. Ends the bench where there is none."""
    found = shutil.which("ffmpeg")
    if found is not None:
        return found
    try:
        import imageio_ffmpeg
    except ImportError:
        raise SystemExit(
            "comparing needs ffmpeg: apt-get install ffmpeg (or leave it out: --recorders gameon)"
        ) from None
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def record_by_gameon(game: Game, folder: Path, seconds: float) -> Run:
    """As a person runs it."""
    profile = folder / f"{game.name}.toml"
    profile.write_text(_profile(game))
    command = [sys.executable, "-m", "gameon_env", "record", "--game", str(profile), "--display", "private"]
    command += ["--duration", str(seconds), "--data-dir", str(folder / "data")]
    log = folder / "recorder.log"
    started = time.monotonic()
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=Path(__file__).parents[2])
    try:
        video = _wait_for(lambda: next((folder / "data").glob("sessions/*/video.mp4"), None), process, log)
        begun_ns = now_ns()
        with _played(game, _display_of_child(process.pid)):
            cpu = _watch(process.pid, seconds - SETTLE_S - 1.0)
            ended_ns = begun_ns + round(seconds * 1e9)
            code = process.wait(timeout=120 + seconds)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    print(log.read_text().strip())
    if code != 0:
        raise SystemExit(f"gameon record ended with code {code}")
    size = sum(file.stat().st_size for file in video.parent.iterdir())
    return Run(video, size, begun_ns, ended_ns, time.monotonic() - started, cpu)


def record_by_ffmpeg(game: Game, folder: Path, seconds: float, ffmpeg: str) -> Run:
    """x11grab at the game's rate, with the recorder's codec settings."""
    height, width = game.screen_size
    video = folder / "video.mp4"
    command = [ffmpeg, "-y", "-nostdin", "-loglevel", "warning", "-f", "x11grab", "-draw_mouse", "0"]
    command += ["-framerate", str(game.fps), "-video_size", f"{width}x{height}"]
    with PrivateDisplay(game.screen_size, gl=False, cursor=False) as display:
        command += ["-i", display.name, "-t", str(seconds), "-c:v", "libx264", "-preset", "veryfast"]
        command += ["-tune", "zerolatency", "-crf", "20", "-g", "30", "-pix_fmt", "yuv420p", str(video)]
        with GameProcess.launch(game.command, display=display.name, env=game.env, home=folder / "home") as running:
            wait_for_window(display.name, process=running, title=None, timeout_s=30).close()
            started = time.monotonic()
            begun_ns = now_ns()
            process = subprocess.Popen(command)
            try:
                with _played(game, display.name):
                    cpu = _watch(process.pid, seconds - SETTLE_S - 1.0)
                    code = process.wait(timeout=60 + seconds)
            finally:
                if process.poll() is None:
                    process.terminate()
                    process.wait()
            ended_ns = now_ns()
    if code != 0:
        raise SystemExit(f"ffmpeg ended with code {code}")
    return Run(video, video.stat().st_size, begun_ns, ended_ns, time.monotonic() - started, cpu)


def _watch(pid: int, seconds: float) -> dict[str, float]:
    """CPU percent of each process of the tree but the game, its display and its sound server."""
    time.sleep(SETTLE_S)
    first: dict[tuple[int, str], float] = {}
    last: dict[tuple[int, str], float] = {}
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        for process, label in _tree(psutil.Process(pid)):
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            first.setdefault((process.pid, label), times.user + times.system)
            last[process.pid, label] = times.user + times.system
        time.sleep(SAMPLE_S)
    wall = time.monotonic() - begun
    percents: dict[str, float] = {}
    for (number, label), spent in last.items():
        percents[label] = percents.get(label, 0.0) + 100 * (spent - first[number, label]) / wall
    return percents


def _tree(process: psutil.Process) -> Iterator[tuple[psutil.Process, str]]:
    """The recorder's processes, each with a name; what belongs to the game is left out with all below it."""
    try:
        words = process.cmdline()
        is_game = "GAMEON_BENCH_GAME" in process.environ()
        children = process.children()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return
    name = Path(words[0]).name if words else ""
    if is_game or name in NOT_THE_RECORDER:
        return
    module = words[words.index("-m") + 1] if "-m" in words else name
    yield process, module.removeprefix("gameon_env.")
    for child in children:
        yield from _tree(child)


def _display_of_child(pid: int) -> str:
    for child in psutil.Process(pid).children(recursive=True):
        variables = child.environ()
        if "GAMEON_BENCH_GAME" in variables:
            return variables["DISPLAY"]
    raise SystemExit("the recorder's game is not there")


@contextmanager
def _played(game: Game, display: str) -> Iterator[None]:
    """Random keys, the same each time, while the block runs."""
    ended = threading.Event()

    def play() -> None:
        dice = random.Random(7)
        injector = open_injector(display, "x11")
        try:
            while not ended.is_set():
                key = dice.choice(game.keys)
                injector.press(key)
                injector.flush()
                ended.wait(dice.uniform(0.1, 0.8))
                injector.release(key)
                injector.flush()
        except InputError:
            pass  # the recorder took the display away: it has ended
        finally:
            injector.close()

    thread = threading.Thread(target=play, daemon=True)
    if game.keys:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        if game.keys:
            thread.join()


def _wait_for(found: Callable[[], Path | None], process: subprocess.Popen[bytes], log: Path) -> Path:
    while (path := found()) is None:
        if process.poll() is not None:
            raise SystemExit(f"gameon record ended at its start: {log.read_text()}")
        time.sleep(0.02)
    return path


def _profile(game: Game) -> str:
    height, width = game.screen_size
    env = {**game.env, "GAMEON_BENCH_GAME": "1"}
    lines = [f'title = "{game.name} of the bench"', f"fps = {game.fps}", "[launch]"]
    lines += [f"command = {[word.replace('{', '{{').replace('}', '}}') for word in game.command]!r}"]
    lines += [f"screen_size = [{height}, {width}]", "gl = false"]
    lines += ["env = { " + ", ".join(f"{name} = '{value}'" for name, value in env.items()) + " }"]
    lines += ["[controls]", f"names = {list(game.keys or ('key:space',))!r}"]
    return "\n".join(lines) + "\n"
