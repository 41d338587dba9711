"""An agent plays and a person takes over: another process at the physical keyboard and mouse of a private display."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from Xlib import X

import gameon_env
from gameon_env.data_processing.trajectory import load_episodes
from gameon_env.desktop.display import PrivateDisplay
from gameon_env.desktop.listen import Listener, open_listener
from gameon_env.desktop.x11 import connect
from gameon_env.envs.desktop_env import DesktopEnv
from gameon_env.errors import EmergencyStop, InputError
from gameon_env.events import InputEvent
from tests.other_program import OtherProgram
from wrappers import DiscreteActions, HumanControl, HumanTakeover, RecordEpisode

ROOT = Path(__file__).parents[2]
GAME = Path(__file__).with_name("small_game.py")
PROFILE = f"""
fps = 20
[launch]
command = ["{{python}}", "{GAME}"]
screen_size = [240, 320]
gl = false
[controls]
names = ["key:left", "key:right", "key:space", "mouse:left", "mouse:dx", "mouse:dy"]
mouse_scale_px = 10
[actions]
nothing = []
right = ["key:right"]
[reset]
mode = "none"
"""
PERSON = """
import sys
from tests.physical import PhysicalDevices
with PhysicalDevices(sys.argv[1]) as person:
    print("ready", flush=True)
    for line in sys.stdin:
        verb, *words = line.split()
        if verb == "move":
            person.move(int(words[0]), int(words[1]))
        else:
            for control in words:
                getattr(person, verb)(control)
        print("done", flush=True)
"""
RIGHT = np.array([0, 1, 0, 0, 0, 0], np.float32)
LEFT = np.array([1, 0, 0, 0, 0, 0], np.float32)


class Person:
    """A process that plays as the person: ``do("press key:left")``, ``do("move 5 0")``."""

    def __init__(self, display: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", PERSON, display], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        self._hear("ready")

    def do(self, *lines: str) -> None:
        assert self._process.stdin is not None
        for line in lines:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
            self._hear("done")

    def tap(self, control: str) -> None:
        self.do(f"press {control}", f"release {control}")

    def close(self) -> None:
        self._process.communicate(timeout=30)

    def _hear(self, word: str) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == f"{word}\n"


@pytest.fixture
def game(tmp_path: Path) -> str:
    (tmp_path / "box.toml").write_text(PROFILE)
    return str(tmp_path / "box.toml")


def make(game: str, display: str = "private", **options: Any) -> HumanTakeover:
    plain = gymnasium.make(gameon_env.ENV_ID, game=game, display=display, observation_size=(48, 64))
    return HumanTakeover(plain, **options)


@pytest.fixture
def env(game: str) -> Iterator[HumanTakeover]:
    env = make(game)
    env.reset()
    yield env
    env.close()


@pytest.fixture
def person(env: HumanTakeover) -> Iterator[Person]:
    person = Person(desktop(env).display_name)
    yield person
    person.close()


@pytest.fixture
def ear(env: HumanTakeover) -> Iterator[Listener]:
    """Hears what reaches the display, and knows what is held there."""
    listener = open_listener(desktop(env).display_name)
    listener.start()
    yield listener
    listener.close()


def desktop(env: gymnasium.Env[Any, Any]) -> DesktopEnv:
    assert isinstance(env.unwrapped, DesktopEnv)
    return env.unwrapped


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def steps(env: gymnasium.Env[Any, Any], action: Any, until: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    """Step until it is so; the infos so far."""
    infos: list[dict[str, Any]] = []
    while not infos or not until(infos[-1]):
        assert len(infos) < 300
        infos.append(env.step(action)[4])
    return infos


def by_human(info: dict[str, Any]) -> bool:
    return bool(info["actor"] == "human")


def by_agent(info: dict[str, Any]) -> bool:
    return bool(info["actor"] == "agent")


def keys_seen(env: HumanTakeover) -> list[str]:
    """What the game itself says that it received."""
    lines = desktop(env)._game.output_tail(1000).splitlines()
    return [line for line in lines if line.startswith(("down", "up"))]


def test_the_agent_alone_is_nobody_elses(env: HumanTakeover, ear: Listener) -> None:
    for _ in range(5):
        *_, info = env.step(RIGHT)
        assert info["actor"] == "agent"
        assert not info["takeover"]
        assert info["human_share"] == 0
        np.testing.assert_array_equal(info["agent_action"], RIGHT)
        np.testing.assert_array_equal(info["action"], RIGHT)
    assert ear.held() == {"key:right"}


def test_between_two_steps_the_agent_lets_go_at_once(env: HumanTakeover, person: Person, ear: Listener) -> None:
    env.step(RIGHT)
    assert ear.held() == {"key:right"}
    person.do("press key:left")
    wait_until(lambda: ear.held() == {"key:left"})  # no step is taken meanwhile
    *_, info = env.step(RIGHT)
    assert info["actor"] == "human"
    assert info["takeover"]
    assert 0 < info["human_share"] < 1
    np.testing.assert_array_equal(info["action"], LEFT)
    assert info["presses"].tolist() == [1, 0, 0, 0, 0, 0]
    np.testing.assert_array_equal(info["agent_action"], RIGHT)
    *_, info = env.step(RIGHT)
    assert (info["actor"], info["takeover"], info["human_share"]) == ("human", False, 1.0)
    assert info["presses"].tolist() == [0] * 6
    np.testing.assert_array_equal(info["action"], LEFT)
    assert ear.held() == {"key:left"}
    person.do("release key:left")
    wait_until(lambda: keys_seen(env)[-1:] == ["up left"])
    assert keys_seen(env) == ["down right", "down left", "up right", "up left"]


def test_within_a_step_too(game: str) -> None:
    env = HumanTakeover(gymnasium.make(gameon_env.ENV_ID, game=game, fps=0.5, observation_size=(48, 64)))
    env.reset()
    person = Person(desktop(env).display_name)
    ear = open_listener(desktop(env).display_name)
    ear.start()
    try:
        env.step(RIGHT)
        infos: list[dict[str, Any]] = []
        events: list[InputEvent] = []

        def interrupt() -> None:
            person.do("press key:space")
            while not any(e.control == "key:right" and e.value < 0.5 and e.injected for e in events):
                events.extend(ear.drain())
                time.sleep(0.002)

        thread = threading.Thread(target=interrupt)
        thread.start()
        infos.append(env.step(RIGHT)[4])
        end_ns = infos[0]["t_ns"]
        thread.join(30)
        assert not thread.is_alive()
        pressed = next(e for e in events if e.control == "key:space")
        let_go = next(e for e in events if e.control == "key:right" and e.value < 0.5)
        assert pressed.t_ns <= let_go.t_ns < end_ns  # long before the step, of two seconds, was over
        assert infos[0]["takeover"]
        assert 0 < infos[0]["human_share"] < 1
        assert infos[0]["action"].tolist() == [0, 0, 1, 0, 0, 0]
    finally:
        ear.close()
        person.close()
        env.close()


def test_a_key_that_both_hold_stays_the_persons(env: HumanTakeover, person: Person, ear: Listener) -> None:
    env.step(RIGHT)
    person.do("press key:right")
    infos = steps(env, RIGHT, by_human)
    infos += steps(env, RIGHT, lambda info: info["human_share"] == 1)
    assert infos[-1]["action"].tolist() == RIGHT.tolist()
    assert ear.held() == {"key:right"}
    assert keys_seen(env) == ["down right"]  # it never went up
    person.do("release key:right")
    wait_until(lambda: keys_seen(env) == ["down right", "up right"])
    *_, info = env.step(RIGHT)
    *_, info = env.step(RIGHT)
    assert info["action"].tolist() == [0] * 6
    assert ear.held() == frozenset()


def test_a_press_that_crosses_the_agents_release_is_not_lost(env: HumanTakeover, person: Person, ear: Listener) -> None:
    both = LEFT + RIGHT
    for _ in range(10):
        env.step(both)
        # The first press interrupts; the agent's release of the other key meets the second one, before or after it.
        person.do("press key:left key:right")
        steps(env, both, lambda info: info["human_share"] == 1)
        wait_until(lambda: ear.held() == {"key:left", "key:right"})
        person.do("release key:left key:right")
        wait_until(lambda: ear.held() == frozenset())
        person.tap("key:f10")
        steps(env, both, by_agent)
        assert ear.held() == {"key:left", "key:right"}


def test_the_mouse_interrupts_and_its_counts_are_the_persons(env: HumanTakeover, person: Person, ear: Listener) -> None:
    env.step(np.array([0, 1, 0, 1, 0.5, 0], np.float32))
    person.do("move 3 -4", "move 4 0")
    wait_until(lambda: ear.held() == frozenset())
    ear.drain()
    *_, info = env.step(np.array([0, 1, 0, 1, 0.5, 0], np.float32))
    assert info["actor"] == "human"
    assert info["action"].tolist() == pytest.approx([0, 0, 0, 0, 0.7, -0.4])
    person.do("press mouse:left")
    infos = steps(env, RIGHT, lambda info: info["action"][3] == 1)
    assert infos[-1]["presses"][3] == 1
    person.do("release mouse:left")
    steps(env, RIGHT, lambda info: info["action"][3] == 0)
    assert not [event for event in ear.drain() if event.injected]  # while the person plays


def test_the_hand_back_key_counts_when_all_is_let_go_of(env: HumanTakeover, person: Person, ear: Listener) -> None:
    person.do("press key:left")
    steps(env, RIGHT, by_human)
    person.tap("key:f10")
    for _ in range(5):
        assert by_human(env.step(RIGHT)[4])
    person.do("release key:left")
    infos = steps(env, RIGHT, by_agent)
    assert infos[-1]["presses"].tolist() == [0, 1, 0, 0, 0, 0]  # it presses anew
    assert not infos[-1]["takeover"]
    assert ear.held() == {"key:right"}
    person.tap("key:f10")  # of what the agent has nothing can be given back, and it is no input of the game
    assert all(by_agent(env.step(RIGHT)[4]) for _ in range(3))
    person.tap("key:space")
    infos = steps(env, RIGHT, by_human)
    assert infos[-1]["takeover"]
    assert sum(info["presses"][2] for info in infos) == 1


def test_a_tap_and_the_hand_back_key_within_one_step(env: HumanTakeover, person: Person, ear: Listener) -> None:
    env.step(RIGHT)
    person.do("press key:space", "release key:space", "press key:f10", "release key:f10")
    *_, info = env.step(RIGHT)
    assert info["takeover"]
    assert info["action"].tolist() == [0, 0, 1, 0, 0, 0]
    steps(env, RIGHT, by_agent)
    assert ear.held() == {"key:right"}


def test_seconds_without_input_hand_back(game: str) -> None:
    env = make(game, idle_s=0.4, hand_back_key="key:f9")
    env.reset()
    person = Person(desktop(env).display_name)
    try:
        person.do("press key:left")
        infos = steps(env, RIGHT, by_human)
        infos += [env.step(RIGHT)[4] for _ in range(16)]
        assert all(by_human(info) for info in infos)  # a key that is held is input
        person.do("release key:left")
        infos = steps(env, RIGHT, by_agent)
        assert infos[-1]["action"].tolist() == RIGHT.tolist()
    finally:
        person.close()
        env.close()


def test_an_episode_begins_with_the_agent_unless_something_is_held(env: HumanTakeover, person: Person) -> None:
    person.tap("key:left")
    steps(env, RIGHT, by_human)
    _, info = env.reset()
    assert info["actor"] == "agent"
    *_, info = env.step(RIGHT)
    assert info["actor"] == "agent"
    np.testing.assert_array_equal(info["action"], RIGHT)
    person.do("press key:left")
    steps(env, RIGHT, by_human)
    env.reset()
    *_, info = env.step(RIGHT)
    assert (info["actor"], info["takeover"], info["human_share"]) == ("human", True, 1.0)
    np.testing.assert_array_equal(info["action"], LEFT)
    person.do("release key:left")


def test_nothing_stays_down_when_it_is_closed_in_the_middle(game: str) -> None:
    env = make(game)
    env.reset()
    env.step(RIGHT)
    person = Person(desktop(env).display_name)
    person.do("press key:left")
    env.close()
    env.close()
    person.close()


@pytest.mark.parametrize("fmt", ["hdf5", "npz"])
def test_who_acted_is_recorded_row_by_row(game: str, tmp_path: Path, fmt: str) -> None:
    env = RecordEpisode(make(game), tmp_path / "steps", format=fmt)
    env.reset()
    person = Person(desktop(env).display_name)
    infos = steps(env, RIGHT, by_agent)
    person.do("press key:left")
    infos += steps(env, RIGHT, lambda info: info["human_share"] == 1)
    person.do("release key:left", "press key:f10", "release key:f10")
    infos += steps(env, RIGHT, by_agent)
    person.close()
    env.close()
    (episode,) = load_episodes(tmp_path / "steps")
    assert episode.metadata["played_by"] == ["agent", "human"]
    assert episode.by_human.tolist() == [*map(by_human, infos), False]
    assert episode.by_human.any()
    for name, key in (("inputs", "action"), ("agent_inputs", "agent_action"), ("human_share", "human_share")):
        expected = np.array([info[key] for info in infos], np.float32)
        np.testing.assert_array_equal(episode.column(name)[:-1], expected)
        assert not episode.column(name)[-1].any()
    assert episode.column("actor").dtype == np.uint8


def test_on_a_display_that_a_person_uses(game: str) -> None:
    """What is typed into another window is none of the game's, and the stop key stops the agent as ever."""
    with PrivateDisplay((480, 640), gl=False) as display:
        env = make(game, display=display.name)
        env.reset()
        person = Person(display.name)
        other = connect(display.name)
        try:
            root = other.screen().root
            window = root.create_window(400, 300, 100, 100, 0, X.CopyFromParent)
            window.map()
            other.sync()
            window.set_input_focus(X.RevertToPointerRoot, X.CurrentTime)
            other.sync()
            steps(env, RIGHT, lambda info: not info["focused"])
            person.tap("key:left")
            infos = [env.step(RIGHT)[4] for _ in range(3)]
            assert all(by_agent(info) and not info["action"].any() for info in infos)
            env.reset()  # gives the game the focus
            assert steps(env, RIGHT, lambda info: info["focused"])
            person.do("press key:left")
            steps(env, RIGHT, by_human)
            person.do("release key:left")
            person.tap("key:f12")
            with pytest.raises(EmergencyStop):
                steps(env, RIGHT, lambda _: False)
            env.reset()
            assert by_agent(env.step(RIGHT)[4])  # the stop key is no input of the game
        finally:
            other.close()
            person.close()
            env.close()


def test_what_a_person_types_elsewhere_is_none_of_the_games(game: str) -> None:
    with PrivateDisplay((480, 640), gl=False) as display:
        env = make(game, display=display.name)
        env.reset()
        person, other = Person(display.name), OtherProgram(display.name, 0, 0)
        try:
            person.tap("key:left")
            steps(env, RIGHT, by_human)
            other.take_focus()
            person.tap("key:space")
            desktop(env).live_game.picture.focus()  # between two steps
            infos = [env.step(RIGHT)[4] for _ in range(2)]
            assert all(by_human(info) and info["focused"] and not info["presses"].any() for info in infos)
            person.tap("key:left")
            assert sum(env.step(RIGHT)[4]["presses"][0] for _ in range(2)) == 1
            other.take_focus()
            person.tap("key:space")
            desktop(env).profile.__dict__["time_limit_s"] = 0.01
            *_, truncated, info = env.step(RIGHT)
            assert truncated
            assert info["end_reason"] == "time_limit"
            assert by_human(info)
            assert not info["focused"]
            assert not info["presses"].any()
            assert not info["action"].any()
        finally:
            other.close()
            person.close()
            env.close()


def test_in_a_real_game_with_keys_and_the_mouse() -> None:
    env = HumanTakeover(gymnasium.make(gameon_env.ENV_ID, game="rescue", observation_size=(64, 64)))
    env.reset(seed=1)
    drive = desktop(env).controls.vector(key_w=1, key_d=1, mouse_left=1, mouse_dx=0.2)
    person = Person(desktop(env).display_name)
    ear = open_listener(desktop(env).display_name)
    ear.start()
    try:
        for _ in range(3):
            steps(env, drive, by_agent)
            assert ear.held() == {"key:w", "key:d", "mouse:left"}
            person.do("move 20 0", "press key:a", "press mouse:left")
            wait_until(lambda: ear.held() == {"key:a", "mouse:left"})
            infos = steps(env, drive, lambda info: info["human_share"] == 1)
            done = dict(zip(desktop(env).controls.names, infos[-1]["action"].tolist(), strict=True))
            assert {name for name, value in done.items() if value} == {"key:a", "mouse:left"}
            assert sum(info["action"][6] for info in infos if by_human(info)) == pytest.approx(20 / 50)
            person.do("release key:a", "release mouse:left", "press key:f10", "release key:f10")
            steps(env, drive, by_agent)
    finally:
        ear.close()
        person.close()
        env.close()


def test_what_cannot_be_taken_over_is_refused(game: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="GameOn-Desktop-v0"):
        HumanTakeover(gymnasium.make("CartPole-v1"))  # type: ignore[arg-type]
    plain = gymnasium.make(gameon_env.ENV_ID, game=game, observation_size=(48, 64))
    with pytest.raises(InputError, match=r"RecordEpisode\(HumanTakeover\(env\), folder\)"):
        HumanTakeover(RecordEpisode(plain, tmp_path / "steps"))
    with pytest.raises(InputError, match=r"DiscreteActions\(HumanTakeover\(env\)\)"):
        HumanTakeover(DiscreteActions(plain))
    for key, why in (("key:left", "one of the game's controls"), ("key:f12", "the emergency stop")):
        with pytest.raises(InputError, match=f"{key}' is {why}"):
            HumanTakeover(plain, hand_back_key=key)
    with pytest.raises(InputError, match="idle_s"):
        HumanTakeover(plain, idle_s=0)
    rescue = gymnasium.make(gameon_env.ENV_ID, game="rescue")
    with pytest.raises(InputError, match="key:f5' is pressed by the profile"):
        HumanTakeover(rescue, hand_back_key="key:f5")
    with pytest.raises(InputError, match="there is a HumanControl"):
        HumanTakeover(HumanControl(rescue))
    lockstep = gymnasium.make(gameon_env.ENV_ID, game="rescue", time="lockstep")
    with pytest.raises(InputError, match=r'a person cannot take over.*time="real"'):
        HumanTakeover(lockstep)
