"""Many games at once: the native vector environment, Gymnasium's own, and what is left of them after a kill."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import psutil
import pytest
from gymnasium.vector import AutoresetMode

import gameon_env
from gameon_env.desktop.display import private_display_possible
from gameon_env.envs.vector import GameVectorEnv
from gameon_env.errors import ActionError, ProfileError, UnknownNameError

pytestmark = pytest.mark.skipif(not private_display_possible(), reason="needs Xvfb")
needs_lockstep = pytest.mark.skipif(
    sys.platform != "linux" or not all(map(shutil.which, ("cc", "Xvfb"))),
    reason="lockstep needs Linux, a C compiler and Xvfb",
)
SIZE = (60, 80)
SEED = 11


def make_vec(**options: Any) -> Any:
    return gymnasium.make_vec(gameon_env.ENV_ID, observation_size=SIZE, **options)


@pytest.fixture(scope="module")
def rescues() -> Iterator[GameVectorEnv]:
    """Three games in lockstep."""
    envs = make_vec(num_envs=3, game="rescue", time="lockstep")
    assert isinstance(envs, GameVectorEnv)
    yield envs
    envs.close()


def random_actions(steps: int, games: int, controls: int) -> np.ndarray:
    return (np.random.default_rng(2).random((steps, games, controls)) < 0.4).astype(np.float32)


@needs_lockstep
def test_it_equals_single_environments_on_the_same_seeds(rescues: GameVectorEnv) -> None:
    actions = random_actions(40, 3, rescues.single_action_space.shape[0])
    observations, infos = rescues.reset(seed=SEED)
    assert observations.shape == (3, *SIZE, 3)
    assert infos["seed"].tolist() == [SEED, SEED + 1, SEED + 2]
    seen = [observations]
    results = []
    for action in actions:
        observations, *result, infos = rescues.step(action)
        seen.append(observations)
        results.append(result)
    assert infos["t_ns"].shape == infos["raw_score"].shape == (3,)
    assert len({seen[-1][i].tobytes() for i in range(3)}) == 3
    env = gymnasium.make(gameon_env.ENV_ID, game="rescue", time="lockstep", observation_size=SIZE)
    try:
        for i in range(3):
            single, _ = env.reset(seed=SEED + i)
            assert np.array_equal(single, seen[0][i])
            for step, action in enumerate(actions):
                single, *result, _ = env.step(action[i])
                assert np.array_equal(single, seen[step + 1][i])
                assert [float(part) for part in result] == [float(part[i]) for part in results[step]]
    finally:
        env.close()


@needs_lockstep
def test_some_are_reset_while_the_others_play_on(rescues: GameVectorEnv) -> None:
    rescues.reset(seed=SEED)
    for action in random_actions(5, 3, rescues.single_action_space.shape[0]):
        before, *_ = rescues.step(action)
    after, infos = rescues.reset(seed=[None, SEED + 1, None], options={"reset_mask": np.array([False, True, False])})
    assert np.array_equal(after[[0, 2]], before[[0, 2]])
    assert not np.array_equal(after[1], before[1])
    assert infos["_t_ns"].tolist() == [False, True, False]
    with pytest.raises(ValueError, match="reset_mask"):
        rescues.reset(options={"reset_mask": np.array([True])})


def test_a_bad_action_is_an_error_and_all_play_on(rescues: GameVectorEnv) -> None:
    rescues.reset(seed=SEED)
    actions = rescues.action_space.sample()
    actions[1, 0] = np.nan
    with pytest.raises(ActionError, match="NaN"):
        rescues.step(actions)
    with pytest.raises(ValueError, match="3 games; 2 actions"):
        rescues.step(actions[:2])
    rescues.step(np.zeros_like(actions))


@needs_lockstep
def test_after_a_step_that_was_interrupted_the_results_are_those_of_now(rescues: GameVectorEnv) -> None:
    rescues.reset(seed=SEED)
    nothing = np.zeros(rescues.action_space.shape, np.float32)
    game, main, go_on = rescues.envs[1], threading.main_thread().ident, threading.Event()
    assert main is not None
    step = game.step

    def interrupts(action: Any) -> Any:
        signal.pthread_kill(main, signal.SIGINT)
        go_on.wait()
        return step(action)

    game.step = interrupts  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        rescues.step(nothing)
    go_on.set()
    del game.step
    for _ in range(2):
        *_, infos = rescues.step(nothing)
        assert infos["t_ns"].tolist() == [env.live_game.time.now_ns() for env in rescues.envs]
    _, infos = rescues.reset(seed=SEED)
    assert infos["seed"].tolist() == [SEED, SEED + 1, SEED + 2]


@needs_lockstep
def test_a_step_may_be_begun_and_asked_for_later(rescues: GameVectorEnv) -> None:
    actions = random_actions(6, 3, rescues.single_action_space.shape[0])
    rescues.reset(seed=SEED)
    at_once = [rescues.step(action) for action in actions]
    rescues.reset(seed=SEED)
    for action, (observations, rewards, *_) in zip(actions, at_once, strict=True):
        rescues.step_async(action)
        with pytest.raises(gymnasium.error.AlreadyPendingCallError, match="step_wait"):
            rescues.step_async(action)
        with pytest.raises(gymnasium.error.AlreadyPendingCallError, match="step_wait"):
            rescues.call("render")
        later, later_rewards, *_ = rescues.step_wait()
        assert np.array_equal(later, observations)
        assert np.array_equal(later_rewards, rewards)
    with pytest.raises(gymnasium.error.NoAsyncCallError, match="step_async"):
        rescues.step_wait()
    rescues.step_async(actions[0])
    after, infos = rescues.reset(seed=SEED)
    assert infos["seed"].tolist() == [SEED, SEED + 1, SEED + 2]
    assert rescues.step(actions[0])[0].shape == after.shape


def test_what_it_says_of_itself(rescues: GameVectorEnv) -> None:
    assert rescues.num_envs == 3
    assert rescues.metadata["autoreset_mode"] == AutoresetMode.NEXT_STEP
    assert rescues.action_space.shape == (3, *rescues.single_action_space.shape)
    assert rescues.observation_space.contains(rescues.reset(seed=1)[0])
    assert len(set(rescues.get_attr("display_name"))) == 3
    assert rescues.call("display_name") == rescues.get_attr("display_name")
    assert rescues.render() is None


CRASHES = """
fps = 20
time_limit_s = 0.3
[launch]
command = ["{{python}}", "{game}"]
screen_size = [240, 320]
gl = false
[controls]
names = ["key:left", "key:right"]
"""


@needs_lockstep
@pytest.mark.parametrize("mode", AutoresetMode)
def test_episodes_begin_anew_as_in_gymnasium(tmp_path: Path, mode: AutoresetMode) -> None:
    profile = tmp_path / "short.toml"  # of six steps
    profile.write_text(CRASHES.format(game=Path(__file__).with_name("small_game.py")))
    envs = GameVectorEnv(2, game=str(profile), time="lockstep", observation_size=SIZE, autoreset_mode=mode)
    try:
        envs.reset(seed=1)
        nothing = np.zeros((2, 2), np.float32)
        for _ in range(5):
            *_, truncated, _ = envs.step(nothing)
            assert not truncated.any()
        *_, truncated, infos = envs.step(nothing)
        assert truncated.all()
        if mode == AutoresetMode.SAME_STEP:
            assert infos["final_obs"][0].shape == (*SIZE, 3)
            assert infos["final_info"]["end_reason"].tolist() == ["time_limit"] * 2
        else:
            assert infos["end_reason"].tolist() == ["time_limit"] * 2
        if mode == AutoresetMode.DISABLED:
            with pytest.raises(gymnasium.error.ResetNeeded, match=r"\[0, 1\]"):
                envs.step(nothing)
            envs.reset()
        _, rewards, _, truncated, _ = envs.step(nothing)
        assert not rewards.any()
        assert not truncated.any()
    finally:
        envs.close()


def test_one_that_cannot_be_made_leaves_nothing() -> None:
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    with pytest.raises(UnknownNameError, match="not_a_game"):
        make_vec(num_envs=2, game="not_a_game")
    with pytest.raises(ProfileError, match="num_envs"):
        GameVectorEnv(0, game="rescue")
    assert {process.pid for process in psutil.Process().children(recursive=True)} == before


def test_closing_leaves_nothing() -> None:
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    envs = make_vec(num_envs=2, game="rescue", pinned=True)
    envs.reset(seed=1)
    envs.step(envs.action_space.sample())
    assert len(psutil.Process().children(recursive=True)) > len(before) + 4
    envs.close()
    envs.close()
    left = {process.pid for process in psutil.Process().children(recursive=True) if process.status() != "zombie"}
    assert left <= before


def test_one_that_is_dropped_ends_by_itself() -> None:
    code = (
        "import gc, time, gymnasium, gameon_env, psutil\n"
        "envs = gymnasium.make_vec(gameon_env.ENV_ID, num_envs=2, game='rescue')\n"
        "envs.reset(seed=1)\n"
        "assert len(psutil.Process().children()) >= 6\n"
        "del envs\n"
        "while psutil.Process().children():\n"
        "    gc.collect()\n"
        "    time.sleep(0.05)\n"
        "print('gone')\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240, check=False)
    assert ended.stdout.strip() == "gone", ended.stderr


@pytest.mark.parametrize("mode", ["async", "vector_entry_point"])
@pytest.mark.parametrize("time_kind", ["real", pytest.param("lockstep", marks=needs_lockstep)])
def test_a_killed_parent_leaves_nothing(mode: str, time_kind: str) -> None:
    code = (
        "import gymnasium, gameon_env, time\n"
        "if __name__ == '__main__':\n"
        f"    envs = gymnasium.make_vec(gameon_env.ENV_ID, num_envs=2, vectorization_mode={mode!r}, game='rescue',\n"
        f"                              time={time_kind!r})\n"
        "    envs.reset(seed=1)\n"
        "    envs.step(envs.action_space.sample())\n"
        "    print(*(envs.get_attr('display_name')), flush=True)\n"
        "    while True:\n"
        "        envs.step(envs.action_space.sample())\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as agent:
        assert agent.stdout is not None
        try:
            assert len(agent.stdout.readline().split()) == 2
            family = psutil.Process(agent.pid).children(recursive=True)
            assert len(family) >= 6  # two displays, two games, two watchdogs
        finally:
            agent.kill()
    deadline = time.monotonic() + 60

    def alive() -> list[psutil.Process]:
        return [process for process in family if process.is_running() and process.status() != "zombie"]

    while alive() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert alive() == []
