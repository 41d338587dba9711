"""Clone a player of the browser game from the page's own downloads, and score the clone live against random play.

    python scripts/bench/web_game.py

A player that sees only the screen plays real games (wildfire) in a real Chromium while the page records them. The five
files of each game go the way that a person's download goes: imported into a catalogue, and a policy learns from that.
Then the policy and both kinds of random play have as many live games, on seeds drawn after the training. Exits 1 where
the policy's mean score is not above the better random play's by ``--margin``.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import gymnasium
import numpy as np
import numpy.typing as npt
from rich.console import Console

SCRIPTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(SCRIPTS), str(SCRIPTS / "bench")]
import reacture_player  # noqa: E402
from _live import Job, player_at  # noqa: E402

import gameon_env  # noqa: E402
from gameon_env.export.reacture_import import import_reacture  # noqa: E402
from gameon_env.games.profile import load_profile  # noqa: E402
from gameon_env.learning.behavioral_cloning import CloningConfig, clone  # noqa: E402
from gameon_env.learning.evaluation import RandomFresh, RandomHeld, Result, evaluate, score_table  # noqa: E402
from gameon_env.learning.policy import Policy  # noqa: E402
from gameon_env.learning.recorded_runs import RecordedRun, load_runs  # noqa: E402
from gameon_env.web.server import WebServer  # noqa: E402
from wrappers import HumanControl  # noqa: E402

PLAYER = ("{python}", str(SCRIPTS / "bench" / "reacture_player.py"), "--display", "{display}", "--seed", "{seed}")
DISPLAY_SHARE = 36 / 128
"""Of the height: the score, bars and compass, which the page draws over the picture that it records."""

FINISH_S = 60.0


class WithoutDisplay(gymnasium.ObservationWrapper[Any, Any, Any]):
    """Blackens the rows in which the screen shows the game's display, and a recorded frame does not."""

    def observation(self, observation: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        return without_display(observation)


class Shown:
    """A recorded run without the display's rows; the same run seen in a mirror, too.

    The mouse's motion is the mean of three steps: player and page both look ten times a second, but
    not at the same moments, so that of two turns one step often has both and the next one none.
    """

    def __init__(self, run: RecordedRun, *, mirrored: bool) -> None:
        self.run, self.mirrored = run, mirrored
        self.inputs = run.inputs.copy()
        at = {name: i for i, name in enumerate(run.controls or ())}
        for axis in (at["mouse:dx"], at["mouse:dy"]):
            self.inputs[:, axis] = steadied(run.inputs[:, axis])
        if mirrored:
            self.inputs[:, [at["key:a"], at["key:d"]]] = self.inputs[:, [at["key:d"], at["key:a"]]]
            self.inputs[:, at["mouse:dx"]] *= -1

    def __getattr__(self, name: str) -> Any:
        return getattr(self.run, name)

    def video(self, rows: Any = slice(None)) -> npt.NDArray[np.uint8]:
        frames = without_display(self.run.video(rows))
        return np.ascontiguousarray(frames[:, :, ::-1]) if self.mirrored else frames


def steadied(motion: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Motion ``(N,) float32``, each the mean of it and its neighbours."""
    return np.convolve(motion, np.ones(3) / 3, mode="same").astype(np.float32)


def without_display(frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Frames ``(..., H, W, 3) uint8`` with black rows at the top."""
    frames = frames.copy()
    frames[..., : round(DISPLAY_SHARE * frames.shape[-3]), :, :] = 0
    return frames


def write_profile(path: Path, seconds: float, *more: str) -> Path:
    """The shipped profile with games of so many seconds and more arguments for the kiosk."""
    shipped = load_profile("reacture").path
    arguments = "".join(f", {json.dumps(word)}" for word in more)
    text = shipped.read_text().replace('"--seconds", "120"', f'"--seconds", "{seconds:g}"{arguments}')
    path.write_text(text.replace('font = "', f'font = "{shipped.parent}/'))
    return path


def make(profile: Path, size: int) -> gymnasium.Env[Any, Any]:
    return gymnasium.make(gameon_env.ENV_ID, game=str(profile), display="private", observation_size=(size, size))


def record(profile: Path, data: Path, seeds: Sequence[int], noise: float) -> list[float]:
    """Let the player play while the page records. Returns the games' scores."""
    scores = []
    human = HumanControl(make(profile, 128))
    try:
        human.reset(seed=seeds[0])  # the player needs a display to look at
        job = Job(str(profile), "player", (seeds[0],), (*PLAYER, "--noise", str(noise)))
        with player_at(human.unwrapped.display_name, job):  # type: ignore[attr-defined]
            for seed in seeds:
                finished = len(downloads(data))
                human.reset(seed=seed)
                score, over = 0.0, False
                while not over:
                    *_, terminated, truncated, info = human.step(None)
                    score, over = info.get("raw_score", score), terminated or truncated
                scores.append(float(score))
                deadline = time.monotonic() + FINISH_S
                while len(downloads(data)) == finished and time.monotonic() < deadline:
                    time.sleep(0.1)
    finally:
        human.close()
    with WebServer(data, port=0, grace_s=0.0):
        time.sleep(1.0)  # completes what a game's abrupt end left
    return scores


def record_at_once(
    options: argparse.Namespace, folder: Path, data: Path, seeds: Sequence[int], say: Callable[[str], None]
) -> list[float]:
    """Share the games out among so many browsers. Returns all scores."""
    jobs = []
    for part in range(options.at_once):
        own = data / str(part)
        profile = write_profile(
            folder / f"recorded_{part}.toml", options.seconds,
            "--record", "--data-dir", str(own.resolve()), "--quality", options.quality,
        )  # fmt: skip
        jobs.append((profile, own, seeds[part :: options.at_once], options.noise))
    with ProcessPoolExecutor(options.at_once, mp_context=get_context("spawn")) as pool:
        scores = [score for played in [pool.submit(record, *job) for job in jobs] for score in played.result()]
    say(f"the player's scores: {sorted(scores)}")
    return scores


def score(profile: Path, size: int, name: str, policy: Path, seeds: Sequence[int]) -> Result:
    """Live games of the policy, or of random play, each seed once."""
    env = WithoutDisplay(make(profile, size))
    try:
        random = {"random, fresh": RandomFresh, "random, held": RandomHeld}.get(name)
        actor = random(env) if random else Policy.load(policy, sample_buttons=True)
        played = evaluate(env, actor, seeds)
    finally:
        env.close()
    return Result(name, played.scores, played.lengths, played.end_reasons, played.latencies_ms)


def downloads(data: Path) -> list[Path]:
    """The metadata files of the games that are recorded whole."""
    return [
        path
        for path in sorted(data.glob("**/reacture/reacture_*/reacture_*_metadata.json"))
        if (path.parent / path.name.replace("metadata.json", "README.md")).exists()
    ]


def answer_latency_ms(runs: Sequence[RecordedRun]) -> tuple[float, float]:
    """How long after a frame the turn comes that answers it, in ms, and the correlation of the two then.

    What the turn should be is what the player makes of the frame, though that is a quarter of its picture's size.

    A page's frame is of the moment it is drawn. Until it is on the screen, seen, and answered by an event that comes
    back to the page, the game goes on: with the browser drawing in software for some 300 ms.
    """
    seen, turns = [], []
    for run in runs:
        assert run.controls is not None
        frames = run.video(np.arange(run.num_steps))
        seen.append(np.array([turn_wanted(frame) for frame in frames]))
        turns.append(steadied(run.inputs[: run.num_steps, run.controls.index("mouse:dx")]))

    def likeness(steps: int) -> float:
        places = np.concatenate([places[: len(places) - steps] for places in seen])
        answers = np.concatenate([answers[steps:] for answers in turns])
        known = np.isfinite(places)
        return float(np.corrcoef(places[known], answers[known])[0, 1])

    best = max(range(9), key=likeness)
    return best * 1000 / (runs[0].fps or 10.0), likeness(best)


def turn_wanted(frame: npt.NDArray[np.uint8]) -> float:
    """By how many counts the player would turn right for a frame ``(H, W, 3) uint8 RGB``; NaN where it sees nobody."""
    size = (reacture_player.SIZE, reacture_player.SIZE)
    picture = cv2.resize(frame[..., ::-1], size, interpolation=cv2.INTER_NEAREST).astype(np.uint8)
    seen = reacture_player.Eyes(picture)
    return reacture_player.limited(reacture_player.decide(seen).turn[0]) if seen.people else float("nan")


def train(options: argparse.Namespace, folder: Path, data: Path, say: Callable[[str], None]) -> Path:
    """Clone the player from the downloads in `data`, and from earlier ones. Returns the policy's file."""
    policy = folder / "policy.safetensors"
    learning = folder / "learning"
    for source in (data, *options.data):
        for metadata in downloads(source):
            imported = import_reacture(metadata, learning)
            say(f"{imported.prefix}: {imported.result}, {imported.frames} frames, {imported.events} events")
    latency_ms = options.latency_ms
    if latency_ms is None:
        latency_ms, likeness = answer_latency_ms(load_runs(learning, size=(128, 128)))
        say(f"the player answers {latency_ms:g} ms after the page has drawn (correlation {likeness:.2f})")
    runs = load_runs(learning, size=(options.size, options.size), latency_ms=latency_ms)
    say(f"{sum(run.num_steps for run in runs)} steps in {len(runs)} runs")
    # Its own mirroring would ask for a mirror image of the key e.
    shown = [Shown(run, mirrored=mirrored) for run in runs for mirrored in (False, True)]
    config = CloningConfig(epochs=1000, minutes=options.minutes, lines=True)
    learned = clone(shown, policy, config)
    say(f"trained: {len(learned.curve)} epochs, best {learned.best.epoch}")
    return policy


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--games", type=int, default=20, help="recorded games")
    parser.add_argument("--at-once", type=int, default=2, help="games recorded at a time")
    parser.add_argument("--quality", default="lowest", help="of the page's picture, see the kiosk's --help")
    parser.add_argument("--size", type=int, default=128, help="height and width of what the clone sees")
    parser.add_argument("--seconds", type=float, default=60.0, help="of a game")
    parser.add_argument("--noise", type=float, default=0.05, help="the player's deliberate mistakes a look")
    parser.add_argument("--latency-ms", type=float, help="from what the page draws to the answer; measured without it")
    parser.add_argument("--minutes", type=float, default=7.0, help="of training")
    parser.add_argument("--episodes", type=int, default=8, help="live games for each")
    parser.add_argument("--margin", type=float, default=50.0, help="points above random play that the clone must have")
    parser.add_argument(
        "--data", type=Path, nargs="*", default=[], help="learn from these recordings, of earlier runs, too"
    )
    parser.add_argument("--policy", type=Path, help="score this one, and train none")
    parser.add_argument("--output", type=Path, default=Path("demo_output"))
    options = parser.parse_args()
    console, start = Console(highlight=False), time.monotonic()
    folder = options.output / f"web_game_{time.strftime('%Y%m%d_%H%M%S')}"
    folder.mkdir(parents=True)

    def say(text: str) -> None:
        console.print(f"{time.monotonic() - start:6.0f} s  {text}", markup=False)

    def fresh(count: int) -> list[int]:
        return [secrets.randbits(31) for _ in range(count)]

    data = folder / "data"
    results = []
    if options.games:
        say(f"recording {options.games} games into {data}")
        scores = record_at_once(options, folder, data, fresh(options.games), say)
        results.append(Result("player", tuple(scores)))
    agent = options.policy or train(options, folder, data, say)

    profile = write_profile(folder / "live.toml", options.seconds, "--quality", options.quality)
    seeds = fresh(options.episodes)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for names in (("agent",), ("random, fresh", "random, held")):  # the agent alone: it must be in time
            jobs = [pool.submit(score, profile, options.size, name, agent, seeds) for name in names]
            for played in (job.result() for job in jobs):
                results.append(played)
                say(f"{played.name}: {sorted(played.scores)}")
    console.print(score_table(results, reference="player" if options.games else None))
    means = {result.name: result.mean for result in results}
    margin = means["agent"] - max(means["random, fresh"], means["random, held"])
    say(f"the agent is {margin:+.1f} points from the better random play; {options.margin:g} are wanted")
    return 0 if margin >= options.margin else 1


if __name__ == "__main__":
    sys.exit(main())
