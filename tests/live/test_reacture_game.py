"""The browser game as a live environment: the kiosk as a program, and the profile ``reacture``."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
import psutil
import pytest

import gameon_env
from gameon_env.desktop.display import PrivateDisplay
from gameon_env.desktop.process import GameProcess
from gameon_env.desktop.windows import wait_for_window
from gameon_env.events import Frame
from gameon_env.games.profile import load_profile
from gameon_env.games.readers import GameView, Reader
from gameon_env.web.server import WebServer
from tests.live._browser import Browser, browser, wait_until

ROOT = Path(__file__).parents[2]
SIZE = (512, 512)


@pytest.fixture
def display() -> Iterator[PrivateDisplay]:
    with PrivateDisplay(SIZE, gl=False, cursor=False) as display:
        yield display


@contextmanager
def kiosk(display: PrivateDisplay, home: Path, *words: str) -> Iterator[GameProcess]:
    command = [sys.executable, "-m", "gameon_env.web.kiosk", "--size", "512x512", "--software-gl", *words]
    with GameProcess.launch(command, display=display.name, home=home, cwd=ROOT) as game:
        yield game


def browser_of(game: GameProcess) -> psutil.Process:
    """Chromium's first process."""
    (browser,) = psutil.Process(game.pid).children()
    return browser


def left_behind(home: Path) -> list[Path]:
    return list((home / ".cache" / "gameon-env").glob("kiosk-*"))


def test_the_window_is_the_whole_screen_and_one_group_holds_it(display: PrivateDisplay, tmp_path: Path) -> None:
    with kiosk(display, tmp_path) as game:
        window = wait_for_window(display.name, process=game, title="ReActure", timeout_s=60)
        wait_until(lambda: (window.region().height, window.region().width) == SIZE, "the window's size")
        window.close()
        assert os.getpgid(browser_of(game).pid) == game.pid
        assert {os.sched_getscheduler(pid) for pid in (game.pid, browser_of(game).pid)} == {os.SCHED_OTHER}
        (folder,) = left_behind(tmp_path)
        assert (folder / "profile").is_dir()
    assert game.pids() == set()


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "SIGHUP", "browser killed", "browser ended"])
def test_server_and_browser_end_together(display: PrivateDisplay, tmp_path: Path, how: str) -> None:
    with kiosk(display, tmp_path) as game:
        wait_for_window(display.name, process=game, title="ReActure", timeout_s=60).close()
        browser = browser_of(game)
        if how.startswith("browser"):
            browser.send_signal(signal.SIGKILL if how == "browser killed" else signal.SIGTERM)
            expected = 1 if how == "browser killed" else 0
        else:
            os.kill(game.pid, getattr(signal, how))
            expected = 128 + getattr(signal, how)
        wait_until(lambda: game.poll() is not None, "the kiosk's end")
        assert game.poll() == expected
        assert ("Chromium ended with exit code -9" in game.output_tail()) == (how == "browser killed")
        assert game.pids() == set()
        assert left_behind(tmp_path) == []


def test_a_killed_kiosk_leaves_nothing(display: PrivateDisplay, tmp_path: Path) -> None:
    with kiosk(display, tmp_path) as game:
        wait_for_window(display.name, process=game, title="ReActure", timeout_s=60).close()
        os.kill(game.pid, signal.SIGKILL)
        wait_until(lambda: game.poll() is not None, "the kiosk's end")
    assert game.pids() == set()
    (old,) = left_behind(tmp_path)
    with kiosk(display, tmp_path) as game:
        wait_for_window(display.name, process=game, title="ReActure", timeout_s=60).close()
        assert not old.exists()


@pytest.mark.parametrize(
    ("words", "environment", "message"),
    [
        (("--port", "{busy}"), {}, "{busy}"),
        ((), {"GAMEON_CHROMIUM": "/nowhere/chromium"}, "/nowhere/chromium"),
        ((), {"DISPLAY": ""}, "Missing X server"),
    ],
)
def test_what_cannot_work_is_said_at_once(
    tmp_path: Path, words: tuple[str, ...], environment: dict[str, str], message: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        busy = str(server.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "gameon_env.web.kiosk", *(word.format(busy=busy) for word in words)],
            env={**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / ".cache" )} | environment,
            cwd=ROOT, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
    assert done.returncode == 1
    assert message.format(busy=busy) in done.stderr
    assert "Traceback" not in done.stderr
    assert left_behind(tmp_path) == []


@pytest.fixture(scope="module")
def env() -> Iterator[gymnasium.Env[Any, Any]]:
    env = gymnasium.make(gameon_env.ENV_ID, game="reacture", render_mode="rgb_array")
    yield env
    env.close()


def scene(env: gymnasium.Env[Any, Any]) -> npt.NDArray[np.int64]:
    """The picture below the display, as numbers to compare."""
    return np.asarray(env.render())[150:, :, :].astype(int)


def test_it_is_played_by_keys_and_the_locked_mouse(env: gymnasium.Env[Any, Any]) -> None:
    observation, info = env.reset(seed=3)
    assert observation.shape == (128, 128, 3)
    assert info["seed"] == 3
    assert info["readers"] == {"score": 0, "battery": 1, "damage": 0, "start": 0, "over": 0, "playing": 1}
    controls, start = env.unwrapped.controls, scene(env)  # type: ignore[attr-defined]
    # 320 counts are 0.7 rad to the right: what was in the middle is far to the left, and this is another view.
    for _ in range(4):
        _, reward, terminated, truncated, info = env.step(controls.vector(mouse_dx=1))
        assert (reward, terminated, truncated) == (0, False, False)
    step_until(env, lambda _: abs(scene(env) - start).mean() > 10)
    for _ in range(4):
        env.step(controls.vector(mouse_dx=-1))
    step_until(env, lambda _: abs(scene(env) - start).mean() < 8)
    step_until(env, lambda _: abs(scene(env) - start).mean() > 10, key_w=1)
    info = step_until(env, lambda info: info["readers"]["battery"] < 1, key_e=1)
    assert info["raw_score"] == 0


def step_until(env: gymnasium.Env[Any, Any], seen: Callable[[dict[str, Any]], bool], **held: float) -> dict[str, Any]:
    """Step until it is seen: a busy machine's game runs slower than the environment. Returns the last info."""
    for _ in range(300):
        *_, info = env.step(env.unwrapped.controls.vector(**held))  # type: ignore[attr-defined]
        if seen(info):
            return info
    raise AssertionError("not seen within 30 s")


def test_the_seed_makes_the_map(env: gymnasium.Env[Any, Any]) -> None:
    first, again, other = (env.reset(seed=seed) and scene(env) for seed in (5, 5, 6))
    assert abs(first - again).mean() < 6 < abs(first - other).mean()


def test_the_end_terminates_with_the_score_still_read(tmp_path: Path) -> None:
    env = gymnasium.make(gameon_env.ENV_ID, game=str(short_profile(tmp_path, seconds=2)))
    env.reset(seed=1)
    info: dict[str, Any] = {}
    terminated = truncated = False
    while not (terminated or truncated):
        *_, terminated, truncated, info = env.step(np.zeros(10, np.float32))
    assert terminated
    assert info["end_reason"].startswith("game_over")
    assert info["raw_score"] == 0
    assert info["readers"]["score"] == 0  # read now, not remembered
    assert info["readers"]["battery"] > 0.9
    env.close()


def test_every_digit_is_read_at_every_place(tmp_path: Path) -> None:
    reader = load_profile("reacture").make_readers()["score"]
    with WebServer(tmp_path / "data", port=0) as server, browser(tmp_path, size=SIZE) as page:
        page.open(f"{server.url}?kiosk=1&environment=wildfire&seed=1")
        page.wait_state("ready")
        page.driver.execute_script("document.body.dataset.state = 'playing'")
        for first in range(10):
            text = "".join(str((first + 3 * place) % 10) for place in range(5))
            page.driver.execute_script("document.querySelector('#score').textContent = arguments[0]", text)
            wait_until(lambda text=text: read(reader, page) == float(text), f"the score {text}")


def read(reader: Reader, page: Browser) -> float | None:
    picture = np.ascontiguousarray(page.look()[:, :, ::-1])
    frame = Frame(np.dstack([picture, np.zeros(SIZE, np.uint8)]), 0)
    return reader.read(GameView(frame, None, [], None))


def test_closing_ends_every_process(tmp_path: Path) -> None:
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    env = gymnasium.make(gameon_env.ENV_ID, game="reacture")
    env.reset(seed=1)
    family = [p for p in psutil.Process().children(recursive=True) if p.pid not in before]
    assert len(family) > 5
    env.close()
    _, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []


def short_profile(folder: Path, seconds: float, *words: str) -> Path:
    """The profile with games of so many seconds, and more arguments for the kiosk."""
    shipped = load_profile("reacture").path
    more = "".join(f', "{word}"' for word in words)
    text = shipped.read_text().replace('"--seconds", "120"', f'"--seconds", "{seconds:g}"{more}')
    text = text.replace('font = "', f'font = "{shipped.parent}/')
    path = folder / "reacture.toml"
    path.write_text(text)
    return path
