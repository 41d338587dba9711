"""Games and machines that lockstep does not like: each a clear error, or a clean end, and nothing is left over."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import gymnasium
import numpy as np
import psutil
import pytest

import gameon_env  # noqa: F401 (registers the environment)
from gameon_env.desktop.lockstep.lockstep_error import LockstepError
from gameon_env.envs.desktop_env import DesktopEnv
from gameon_env.errors import AudioError, GameOnError, InputError
from gameon_env.games.game_time import LockstepTime
from gameon_env.games.profile import load_profile
from gameon_env.games.running_game import RunningGame
from wrappers import HumanControl, RecordSession

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not all(map(shutil.which, ("cc", "Xvfb"))),
    reason="lockstep needs Linux, a C compiler and Xvfb",
)

WINDOW = """
import os, socket, subprocess, sys, time
os.environ["PYGAME_HIDE_SUPPORT_PROMPT"] = "1"
import pygame
pygame.display.init()
window = pygame.display.set_mode((320, 240))
def show(number):
    for event in pygame.event.get():
        pass
    window.fill((number % 50 * 5, 90, 20))
    pygame.draw.rect(window, "white", (number % 300, 9, 9, 9))
    pygame.display.flip()
"""


def profile_of(folder: Path, script: str, *, command: str = "") -> Path:
    """The profile of a game that shows a window, and then does what the script says."""
    game, profile = folder / "game.py", folder / "game.toml"
    game.write_text(WINDOW + script)
    command = command or f'["{{python}}", "{game}"]'
    profile.write_text(
        f'title = "Bad game"\nfps = 50\n[launch]\ncommand = {command}\nscreen_size = [240, 320]\ngl = false\n'
        'timeout_s = 5\n[controls]\nnames = ["key:left", "key:right"]\n'
    )
    return profile


@contextlib.contextmanager
def playing(profile: Path, *, limit_s: float | None = None) -> Iterator[DesktopEnv]:
    env = DesktopEnv(profile, time="lockstep", observation_size=(64, 64), render_mode="rgb_array")
    if limit_s is not None:
        env._time._session.limit_s = limit_s  # type: ignore[attr-defined]
    children = set(psutil.Process().children(recursive=True))
    try:
        yield env
    finally:
        env.close()
    _, left = psutil.wait_procs(set(psutil.Process().children(recursive=True)) - children, timeout=20)
    assert not left


def step(env: DesktopEnv, times: int = 1) -> tuple[list[bytes], dict[str, object]]:
    frames, info = [], {}
    for _ in range(times):
        _, _, terminated, truncated, info = env.step(np.zeros(2, np.float32))
        picture = env.render()
        assert picture is not None
        frames.append(picture.tobytes())
        if terminated or truncated:
            break
    return frames, info


def test_a_game_that_never_sleeps_before_its_first_window(tmp_path: Path) -> None:
    profile = profile_of(tmp_path, "")
    profile.write_text(profile.read_text().replace("timeout_s = 5", "timeout_s = 2"))
    (tmp_path / "game.py").write_text("while True: pass")
    with (
        playing(profile, limit_s=2) as env,
        pytest.raises(LockstepError, match=r"within 2 s\. It is here:\n.* runs;(.|\n)*kernel: R"),
    ):
        env.reset(seed=1)


def test_a_profile_says_how_long_a_step_may_take(tmp_path: Path) -> None:
    computes = """
end = resource.getrusage(resource.RUSAGE_SELF).ru_utime + 1.5
while resource.getrusage(resource.RUSAGE_SELF).ru_utime < end:
    pass
"""
    script = f"""
for number in range(20):
    show(number)
    time.sleep(0.02)
{computes}
while True:
    show(1)
    time.sleep(0.02)
"""
    profile = profile_of(tmp_path, script)
    (tmp_path / "game.py").write_text(f"import resource\n{computes}{WINDOW}{script}")
    text = profile.read_text().replace("timeout_s = 5", "timeout_s = 60")
    profile.write_text(text.replace("timeout_s", "step_limit_s = 0.5\ntimeout_s"))
    with playing(profile) as env:
        env.reset(seed=1)  # until its window shows it has all of timeout_s
        with pytest.raises(LockstepError, match=r"within 0\.5 s(.|\n)*launch\.step_limit_s"):
            step(env, 30)
    profile.write_text(text.replace("timeout_s", "step_limit_s = 60\ntimeout_s"))
    with playing(profile) as env:
        env.reset(seed=1)
        assert "end_reason" not in step(env, 30)[1]


def test_a_game_that_draws_as_fast_as_it_can_is_held_all_the_same(tmp_path: Path) -> None:
    profile = profile_of(tmp_path, "number = 0\nwhile True:\n    show(number)\n    number += 1\n")
    with playing(profile) as env:
        env.reset(seed=1)
        begin = env._time.now_ns()
        frames, info = step(env, 20)
        assert env._time.now_ns() == begin + 20 * 20_000_000
    assert "end_reason" not in info
    assert len(set(frames)) > 5


def test_a_game_that_waits_on_a_socket_stands_still(tmp_path: Path) -> None:
    script = """
server = socket.create_server(("127.0.0.1", 0))
for number in range(20):
    show(number)
    time.sleep(0.02)
server.accept()
"""
    with playing(profile_of(tmp_path, script)) as env:
        env.reset(seed=1)
        frames, _ = step(env, 60)
        assert len(set(frames)) > 5
        assert len(set(frames[-20:])) == 1
        assert env.live_game.time.unseen_waits == []


def test_a_helper_lives_in_the_same_time_and_ends_with_the_game(tmp_path: Path) -> None:
    code = "import time\nwhile True:\n    time.sleep(0.5)\n    print('tick', flush=True)"
    script = f"""
helper = subprocess.Popen([sys.executable, "-c", {code!r}], stdout=subprocess.PIPE, text=True)
print("helper", helper.pid, flush=True)
os.set_blocking(helper.stdout.fileno(), False)
ticks = 0
while True:
    ticks += len(helper.stdout.readlines())
    show(ticks)
    time.sleep(0.02)
"""
    runs, pids = [], []
    with playing(profile_of(tmp_path, script)) as env:
        for _ in range(2):
            env.reset(seed=1)
            runs.append(step(env, 200)[0])
            pids += [int(line.split()[1]) for line in env._game.output_tail(50).splitlines() if "helper" in line]
    assert len(set(pids)) == 2
    psutil.wait_procs([psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)], timeout=20)
    assert not any(map(psutil.pid_exists, pids))
    assert runs[0] == runs[1]
    assert 5 <= len(set(runs[0])) <= 12  # a tick each half second, over 4 s


def test_a_statically_linked_game_is_refused(tmp_path: Path) -> None:
    source, program = tmp_path / "game.c", tmp_path / "game"
    source.write_text("int main(void) { return 0; }")
    built = subprocess.run(["cc", "-static", str(source), "-o", str(program)], capture_output=True, check=False)
    if built.returncode:
        pytest.skip("this compiler links nothing statically")
    with (
        playing(profile_of(tmp_path, "", command=f'["{program}"]')) as env,
        pytest.raises(LockstepError, match=r'statically linked.*use time="real"'),
    ):
        env.reset(seed=1)


def test_a_game_that_crashes_at_step_500_does_so_each_time(tmp_path: Path) -> None:
    script = """
for number in range(100000):
    show(number)
    time.sleep(0.02)
    if number == 520:
        print("a terrible thing happened", flush=True)
        os.abort()
"""
    with playing(profile_of(tmp_path, script)) as env:
        lengths = []
        for _ in range(2):
            env.reset(seed=1)
            frames, info = step(env, 1000)
            lengths.append(len(frames))
            assert str(info["end_reason"]).startswith("game_crashed: exit code -6")
            assert "a terrible thing" in str(info["end_reason"])
    assert lengths[0] == lengths[1]
    assert 450 < lengths[0] < 550


def test_a_second_window(tmp_path: Path) -> None:
    script = """
for number in range(100000):
    show(number)
    time.sleep(0.02)
    if number == 40:
        second = pygame.Window("Another one", (120, 90))
    if number == 80:
        second.destroy()
"""
    with playing(profile_of(tmp_path, script)) as env:
        runs = []
        for _ in range(2):
            env.reset(seed=1)
            frames, info = step(env, 100)
            assert "end_reason" not in info
            runs.append(frames)
    assert runs[0] == runs[1]
    assert len(set(runs[0])) > 40
    assert {len(frame) for frame in runs[0]} == {320 * 240 * 3}


def test_a_window_that_is_opened_anew_some_time_later(tmp_path: Path) -> None:
    script = """
for number in range(100000):
    show(number)
    time.sleep(0.02)
    if number == 40:
        pygame.display.quit()
        time.sleep(0.3)
        window = pygame.display.set_mode((320, 240))
"""
    with playing(profile_of(tmp_path, script)) as env:
        env.reset(seed=1)
        times = [env._time.now_ns()]
        for _ in range(80):
            _, info = step(env)
            assert "end_reason" not in info
            times.append(env._time.now_ns())
    periods = np.diff(times)
    assert (periods > 100_000_000).sum() == 1  # the one in which it had no window
    assert (periods == 20_000_000).sum() == 79


EXITS = """
for number in range(20):
    show(number)
    time.sleep(0.02)
pygame.display.quit()
time.sleep(0.05)
"""


def test_a_game_that_closes_its_window_before_it_ends(tmp_path: Path) -> None:
    profile = profile_of(tmp_path, EXITS)
    with playing(profile) as env:
        env.reset(seed=1)
        assert step(env, 100)[1]["end_reason"] == "game_exited"
    profile.write_text(profile.read_text() + '[readers.ended]\nkind = "exit"\n[[termination]]\nreader = "ended"\n')
    with playing(profile) as env:
        env.reset(seed=1)
        assert step(env, 100)[1]["end_reason"] == "game_over: ended"
    (tmp_path / "game.py").write_text(WINDOW + EXITS + "time.sleep(30)\n")
    with playing(profile) as env:
        env.reset(seed=1)
        assert str(step(env, 100)[1]["end_reason"]).startswith("window_closed")


def test_the_variables_of_a_profile_win(tmp_path: Path) -> None:
    script = """
for name in ("LC_ALL", "TZ", "OMP_NUM_THREADS", "LD_PRELOAD", "GAMEON_LOCKSTEP"):
    print(name, os.environ[name], flush=True)
while True:
    show(1)
    time.sleep(0.02)
"""
    profile = profile_of(tmp_path, script)
    wished = 'env = { TZ = "Asia/Tokyo", OMP_NUM_THREADS = "2", LD_PRELOAD = "libm.so.6", GAMEON_LOCKSTEP = "no" }'
    profile.write_text(profile.read_text().replace("timeout_s", f"{wished}\ntimeout_s"))
    with playing(profile) as env:
        env.reset(seed=1)
        step(env, 3)
        told = dict(line.split() for line in env.live_game.output_tail(20).splitlines() if line.count(" ") == 1)
    assert (told["LC_ALL"], told["TZ"], told["OMP_NUM_THREADS"]) == ("C.UTF-8", "Asia/Tokyo", "2")
    assert told["LD_PRELOAD"].endswith("/shim.so:libm.so.6")
    assert told["GAMEON_LOCKSTEP"].startswith("/proc/")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may make a setuid program")
def test_a_setuid_game_is_refused() -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        program = Path(name) / "game"
        shutil.copy("/bin/sleep", program)
        program.chmod(0o4755)
        with (
            playing(profile_of(Path(name), "", command=f'["{program}", "9"]')) as env,
            pytest.raises(LockstepError, match="setuid"),
        ):
            env.reset(seed=1)


def test_a_launcher_that_takes_the_library_away_is_told(tmp_path: Path) -> None:
    launcher = tmp_path / "launcher"
    launcher.write_text(f'#!/bin/sh\nexec env -u LD_PRELOAD {sys.executable} "$@"\n')
    launcher.chmod(0o755)
    profile = profile_of(tmp_path, "while True:\n    show(1)\n    time.sleep(0.02)\n")
    profile.write_text(profile.read_text().replace("{python}", str(launcher)))
    with (
        playing(profile) as env,
        pytest.raises(LockstepError, match=r'no thread of it is under(.|\n)*use time="real"'),
    ):
        env.reset(seed=1)


def gameon(*words: str, before: tuple[str, ...] = (), **variables: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; sys.argv[0] = 'gameon'; from gameon_env.cli import main; main()"
    command = [*before, sys.executable, "-c", code, *words]
    return subprocess.run(
        command, env={**os.environ, **variables}, capture_output=True, text=True, timeout=240, check=False
    )


CHECK = ("games", "rescue", "--check", "--runs", "2", "--steps", "10")


def test_without_a_compiler_the_message_says_what_to_install(tmp_path: Path) -> None:
    done = gameon(*CHECK, CC="no-such-compiler", XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 1
    assert "Not in lockstep" in done.stdout
    assert "apt-get install gcc" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_cache_behind_a_link(tmp_path: Path) -> None:
    """A slow game is looked at in the midst of its turn: its library has another path for the kernel."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    script = """
number = 0
while True:
    show(number)
    for _ in range(20):
        sum(range(1_000_000))
    time.sleep(0.02)
    number += 1
"""
    profile = profile_of(tmp_path, script)
    done = gameon(
        "games", str(profile), "--check", "--runs", "2", "--steps", "3", XDG_CACHE_HOME=str(tmp_path / "link")
    )
    assert "no thread of it" not in done.stdout
    assert "Speed" in done.stdout, done.stdout + done.stderr


def test_a_full_dev_shm_is_no_harm() -> None:
    full = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=4k none /dev/shm && cat /dev/zero > /dev/shm/full'
            '; test -s /dev/shm/full && exec "$@"', "sh")  # fmt: skip
    if shutil.which("unshare") is None or subprocess.run([*full, "true"], capture_output=True, check=False).returncode:
        pytest.skip("a /dev/shm of its own is not to be had here")
    done = gameon(*CHECK, before=full)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Deterministic" in done.stdout


CONTROLLER = """
import os, sys, time
import numpy as np
from gameon_env.envs.desktop_env import DesktopEnv
import psutil
env = DesktopEnv(sys.argv[1], time="lockstep")
env.reset(seed=1)
for _ in range(10):
    env.step(np.zeros(2, np.float32))
print(*(child.pid for child in psutil.Process().children(recursive=True)), flush=True)
time.sleep(600)
"""


def test_nothing_hangs_around_when_the_controller_is_killed(tmp_path: Path) -> None:
    profile = profile_of(tmp_path, "number = 0\nwhile True:\n    show(number)\n    number += 1\n    time.sleep(0.02)\n")
    with subprocess.Popen([sys.executable, "-c", CONTROLLER, str(profile)], stdout=subprocess.PIPE) as controller:
        assert controller.stdout is not None
        family = [psutil.Process(int(pid)) for pid in controller.stdout.readline().split()]
        controller.kill()
    _, left = psutil.wait_procs(family, timeout=30)
    assert not left
    assert len(family) >= 3  # the display, the watchdog, the game


def test_what_belongs_to_real_time_is_refused() -> None:
    env = gymnasium.make("GameOn-Desktop-v0", game="rescue", time="lockstep", disable_env_checker=True)
    try:
        with pytest.raises(InputError, match="real time, and this game runs in lockstep"):
            HumanControl(env)
        with pytest.raises(GameOnError, match=r"wrappers\.RecordEpisode, or make the environment with time='real'"):
            RecordSession(env)
    finally:
        env.close()
    with pytest.raises(AudioError, match="not in lockstep"):
        RunningGame(load_profile("rescue"), "private", sound=True, time=LockstepTime())
