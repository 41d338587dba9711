"""The page's own recording and ours, of the same play: the same keys, the same mouse motion, the same pictures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from gameon_env.data_processing.video_reader import VideoReader
from gameon_env.export.reacture import ReActureDataset
from gameon_env.games.profile import Attach
from gameon_env.recording.recorder import SessionRecorder
from gameon_env.recording.session import Session
from gameon_env.web.server import WebServer
from tests.live._browser import Browser, browser, wait_until

SIDE = 512
KEYS = {"key:w": "W", "key:a": "A", "key:s": "S", "key:d": "D", "key:e": "E", "mouse:left": "destroy"}
TURNS = ((25, 4), (-40, 0), (31, -9))

LATE_S = 1.0
"""How late a busy machine's page may hear or show something; what is held is held for two seconds of the game."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Play:
    """Both recordings of one play, times in seconds of the wall clock.

    Attributes:
        page: the page's.
        samples: its rows, ten a second; on a busy machine some have lost their frame.
        samples_s: when the page came to each.
        frames_s: when it came to those with a frame.
        ours: our session.
        ours_start_s: when that began.
    """

    page: ReActureDataset
    samples: list[dict[str, Any]]
    samples_s: Floats
    frames_s: Floats
    ours: Session
    ours_start_s: float

    def told(self, key: str) -> Floats:
        """``(N,)``: what the page's rows say of a key."""
        return np.array([float(row["key_presses"][key]) for row in self.samples])


def seconds(iso: str) -> float:
    return datetime.fromisoformat(iso.replace("Z", "+00:00")).timestamp()


def play_on(page: Browser) -> None:
    """Hold one thing after the other, each for a while of the game's own time."""

    def ticks(count: int) -> None:
        until = page.js("window.reacture.sim.tick") + count
        page.wait_for(f"window.reacture.sim.tick >= {until}", timeout_s=120)

    ticks(60)
    for control in KEYS:
        page.hold(control)
        ticks(120)
        page.let_go()
        ticks(120)
    for dx, dy in TURNS:
        for _ in range(10):
            page.move(dx, dy)
            ticks(6)  # faster, and a busy browser may not bring the locked pointer back in time, and cut a motion
        ticks(60)


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Play:
    folder = tmp_path_factory.mktemp("agreement")
    with (
        WebServer(folder / "page", port=0) as server,
        browser(folder / "browser", size=(SIDE, SIDE)) as page,
    ):
        page.open(f"{server.url}?kiosk=1&environment=earthquake&seed=4&seconds=300&player=ada&record=1")
        page.wait_state("ready")
        everything = Attach(region=(0, 0, SIDE, SIDE))
        recorder = SessionRecorder(
            "reacture", display=page.display, attach=everything, data_dir=folder / "ours", system_audio=False,
            gamepads=False, only_focused=False,
        )  # fmt: skip
        with recorder:
            page.click()
            page.wait_state("playing")
            play_on(page)
            page.tap("key:escape")
            page.wait_state("paused")
            page.click_on("#leave")
            page.wait_state("over")
            wait_until(lambda: bool(list(folder.glob("page/reacture/*/*_README.md"))), "the finished recording")
        assert page.errors() == []
    (metadata,) = folder.glob("page/reacture/reacture_*/*_metadata.json")
    dataset, session = ReActureDataset(metadata), Session(recorder.folder)
    text = Path(str(metadata).replace("metadata.json", "data.jsonl")).read_text()
    rows = [json.loads(line) for line in text.splitlines()]
    assert [row["event"] for row in rows if "event" in row][-1] == "game_end"
    samples = [row for row in rows if row.get("event") in ("periodic_update_10hz", "capture_failed")]
    samples.sort(key=lambda row: float(row["timestamp_ms"]))
    samples_s = np.array([seconds(row["timestamp"]) for row in samples])
    framed = [row["event"] == "periodic_update_10hz" for row in samples]
    assert len(dataset) == sum(framed)
    return Play(dataset, samples, samples_s, samples_s[framed], session, seconds(session.info.started_at))


def spans(held: Floats, edges: Floats) -> list[tuple[float, float]]:
    """From where to where it was held, by rows that cover the time since the row before."""
    change = np.flatnonzero(np.diff(np.concatenate([[0.0], held, [0.0]])))
    starts = np.concatenate([[edges[0]], edges])
    return [(float(starts[a]), float(edges[b - 1])) for a, b in zip(change[::2], change[1::2], strict=True)]


@pytest.mark.parametrize("control", KEYS)
def test_keys_are_held_as_long(play: Play, control: str) -> None:
    events = [e for e in play.ours.input_events() if e.control == control]
    at = [play.ours_start_s + event.t_ns * 1e-9 for event in events]
    ours = [
        (down, up) for down, up in zip(at[::2], at[1::2], strict=True) if play.samples_s[0] < down < play.samples_s[-1]
    ]
    theirs = spans(play.told(KEYS[control]), play.samples_s)
    if control == "mouse:left":  # what leaves the pause is a click too
        ours = ours[: len(theirs)]
    assert len(ours) == len(theirs) == 1
    assert np.allclose(ours, theirs, atol=LATE_S)
    first = play.samples_s[np.flatnonzero(play.told(KEYS[control]))[0]]
    assert first > ours[0][0]  # nothing is heard before it happened


def test_the_mouse_moved_as_far(play: Play) -> None:
    def moved(axis: str) -> float:
        return sum(e.value for e in play.ours.input_events() if e.control == axis and inside(e.t_ns))

    def inside(t_ns: int) -> bool:
        return play.samples_s[0] < play.ours_start_s + t_ns * 1e-9 < play.samples_s[-1]

    for axis, key, index in (("mouse:dx", "mouse_dx", 0), ("mouse:dy", "mouse_dy", 1)):
        told = play.told(key)
        assert told.sum() == moved(axis) == 10 * sum(turn[index] for turn in TURNS)
    told = play.told("mouse_dx")
    bursts = [burst for burst in np.split(told, np.flatnonzero(told == 0)) if burst.any()]
    sums: list[float] = []
    for burst in bursts:  # one turn is many bursts
        if sums and np.sign(sums[-1]) == np.sign(burst.sum()):
            sums[-1] += float(burst.sum())
        else:
            sums.append(float(burst.sum()))
    assert sums == [10 * dx for dx, _ in TURNS]


def test_the_pictures_are_the_same(play: Play) -> None:
    def scene(frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
        """Without what the page draws over its picture: score and bars, the crosshair, messages."""
        kept = frame.astype(np.int64)
        kept[:36] = kept[56:74, 40:88] = kept[92:116] = 0
        return kept

    own = play.ours.frames()
    own_s = play.ours_start_s + own.t_ns * 1e-9
    frames = np.asarray(play.page.frames_array)
    best, other, lags = [], [], []
    with VideoReader(play.ours.video) as video:
        for i in range(5, len(frames), 12):
            after_s = own_s - play.frames_s[i]
            near = np.flatnonzero((after_s > -0.3) & (after_s < LATE_S) & (own.video_frame >= 0))
            if not len(near):
                continue
            seen = [video.frame(int(own.video_frame[k])) for k in near]
            differences = [
                abs(scene(cv2.resize(picture, (128, 128), interpolation=cv2.INTER_AREA)) - scene(frames[i])).mean()  # type: ignore[arg-type]
                for picture in seen
            ]
            best.append(min(differences))
            lags.append(float(after_s[near[int(np.argmin(differences))]]))
            other.append(abs(scene(frames[(i + len(frames) // 2) % len(frames)]) - scene(frames[i])).mean())
    assert len(best) > 10
    assert np.median(best) < 3
    assert np.median(other) > 3 * np.median(best)
    assert -0.1 < np.median(lags) < LATE_S


def test_the_times_go_on_together(play: Play) -> None:
    """The game's clock is the wall's, where the machine keeps up; it never runs ahead of it."""
    game_s = np.array([row["timestamp_ms"] for row in play.samples]) / 1000
    assert np.allclose(np.diff(game_s), 0.1)
    assert (np.diff(play.samples_s) >= 0).all()
    assert game_s[-1] - game_s[0] <= play.samples_s[-1] - play.samples_s[0] + 0.3
