"""The report's figures, and its page: whole, self-contained, and safe whatever a recording says of itself."""

from __future__ import annotations

import base64
import json
import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from gameon_env.datasets.recordings import SessionRecording, find_recordings
from gameon_env.datasets.report.charts import histogram
from gameon_env.datasets.report.picture_samples import keyframe_times
from gameon_env.datasets.report.report import Report, make_report, write_report
from gameon_env.errors import DatasetError, StorageError
from gameon_env.recording.model import Gap
from tests.unit.datasets.judged_session import FPS, SECONDS, good_play, judged
from tests.unit.datasets.played_session import trajectory

HOSTILE = "<script>alert(1)</script>\"'><img src=http://evil.example/x onerror=alert(2)> & co"


class Page(HTMLParser):
    """What a browser would make of it: tags, what they point to, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.targets: list[str] = []
        self.ids: set[str] = set()
        self.handlers: list[str] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        self.text = " ".join(self.words)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "srcset", "data", "action", "poster", "xlink:href"):
                self.targets.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)
            if name == "id":
                assert value not in self.ids
                self.ids.add(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data.strip())


def report_on(*folders: Path, **options: object) -> Report:
    return make_report([SessionRecording(folder) for folder in folders], **options)  # type: ignore[arg-type]


def assert_stands_alone(html: str) -> Page:
    page = Page(html)
    assert page.open == []
    assert not {"script", "link", "iframe", "object", "embed", "form", "base"} & set(page.tags)
    assert page.handlers == []
    for target in page.targets:
        assert target.startswith(("data:image/jpeg;base64,", "data:image/png;base64,", "#")), target[:80]
        assert not target.startswith("#") or target[1:] in page.ids
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    return page


def test_the_page_has_it_all_and_needs_nothing_else(tmp_path: Path) -> None:
    gap = Gap(10**9, 2 * 10**9, "all", "paused")
    calibration = {"calibration": {"key_to_picture_error": {"median_ms": 1.25, "p99_ms": 4.5}}}
    folder = judged(tmp_path / "s", gaps=(gap,), dropped=(200, 201, 202, 203), details=calibration)
    written = write_report(tmp_path / "deep" / "page.html", [SessionRecording(folder)])
    html = (tmp_path / "deep" / "page.html").read_text(encoding="utf-8")
    assert html == written.html()
    page = assert_stands_alone(html)
    for words in (
        "Dots", "key:space", "Press lengths of all controls", "mouse:dx:", "Pointer position", "Frame intervals",
        "Video time less database time", "system sound", "key to picture: median 1.25 ms", "paused", "dropped frames",
        "held together", "Run lengths", "picture change", "How this was looked at", "286 of 286",
    ):  # fmt: skip
        assert words in page.text, words
    assert list((tmp_path / "deep").iterdir()) == [tmp_path / "deep" / "page.html"]


def test_what_a_recording_says_cannot_become_markup(tmp_path: Path) -> None:
    folder = judged(
        tmp_path / "<b>s", game=HOSTILE, reason=HOSTILE, missing=(HOSTILE,), who="human",
        gaps=(Gap(10**9, 2 * 10**9, "all", HOSTILE),),
    )  # fmt: skip
    report = report_on(folder, title=HOSTILE, left_out={HOSTILE: HOSTILE})
    page = assert_stands_alone(report.html())
    assert page.text.count(HOSTILE) >= 6
    assert page.tags.count("img") == len(report.recordings[0].pictures.stills) + 1  # type: ignore[union-attr]
    json.dumps(report.as_json())


def test_contact_sheet(tmp_path: Path) -> None:
    report = report_on(judged(tmp_path / "s"))
    html = report.html()
    shots = re.findall(r'alt="at ([0-9:.]+), held: ([^"]*)" src="data:image/jpeg;base64,([^"]*)"', html)
    assert len(shots) == 24
    (pictures,) = [r.pictures for r in report.recordings]
    assert pictures is not None
    for (_, held, data), still in zip(shots, pictures.stills, strict=True):
        image = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        assert image.shape[:2] == still.size == (180, 240)
        frame = round(still.t_s * FPS)
        block = (frame * 5) % 48 + 8
        assert image[90, int(block * 240 / 64)].mean() > 180
        assert image[20, 120].mean() < 120
        down = {
            name
            for name in ("key:a", "key:d", "key:space")
            if any(
                on < (frame + 1) / FPS and off >= frame / FPS
                for (on, _, _), (off, _, _) in zip(
                    [e for e in good_play() if e[1] == name and e[2]],
                    [e for e in good_play() if e[1] == name and not e[2]],
                    strict=True,
                )
            )
        }
        assert set(still.held) == down
        assert held == (", ".join(still.held) or "nothing")


def test_figures(tmp_path: Path) -> None:
    facts = report_on(judged(tmp_path / "s")).as_json()
    (recording,) = facts["recordings"]  # type: ignore[misc]
    assert recording["frames"] == SECONDS * FPS
    assert recording["frame_interval_ms"]["median"] == pytest.approx(100)
    left, space = recording["controls"]["key:a"], recording["controls"]["key:space"]
    assert left["presses"] == 30
    assert left["held_share"] == pytest.approx(0.3)
    assert left["presses_per_minute"] == pytest.approx(60)
    assert left["median_press_s"] == pytest.approx(0.3)
    assert space["presses_per_minute"] == pytest.approx(120)
    assert facts["games"]["Dots"] == recording["controls"]  # type: ignore[index]


def test_time_that_was_not_recorded_does_not_count(tmp_path: Path) -> None:
    events = [(1.0, "key:a", 1.0), (9.0, "key:a", 0.0)]
    folder = judged(tmp_path / "s", events=events, seconds=12, gaps=(Gap(5 * 10**9, 11 * 10**9, "all", "paused"),))
    (recording,) = report_on(folder).as_json()["recordings"]  # type: ignore[misc]
    assert recording["played_s"] == pytest.approx(6)
    assert recording["controls"]["key:a"]["held_s"] == pytest.approx(4)
    assert recording["runs_s"] == pytest.approx([5, 1])


def test_trajectory_files(tmp_path: Path) -> None:
    trajectory(tmp_path, (12, 8, 20))
    report = make_report(find_recordings(tmp_path))
    page = assert_stands_alone(report.html())
    for words in ("dots", "Reward of an episode", "Episode lengths", "reward so far", "key:a"):
        assert words in page.text, words
    assert [r.rewards.sum() for r in report.recordings if r.rewards is not None] == [66, 28, 190]
    assert [r.presses["key:a"] for r in report.recordings] == [6, 4, 10]
    assert [len(r.held["key:d"]) for r in report.recordings] == [4, 2, 7]
    assert report.recordings[0].held["key:d"][1].tolist() == pytest.approx([3 * 0.033333, 4 * 0.033333])


def test_many_long_recordings_make_a_page_of_sensible_size(tmp_path: Path) -> None:
    """Pictures as hard to encode as any, and hours of input."""
    (one,) = report_on(judged(tmp_path / "s")).recordings
    assert one.pictures is not None
    noise = np.random.default_rng(0).integers(0, 256, (135, 240, 3), np.uint8)
    still = replace(one.pictures.stills[0], jpeg=bytes(cv2.imencode(".jpg", cv2.blur(noise, (3, 3)))[1]))
    frame_s = np.arange(4 * 3600 * 60) / 60
    presses = np.sort(np.random.default_rng(1).uniform(0, frame_s[-1], (40_000, 2)), axis=0).reshape(-1, 4)[:, :2]
    long = replace(
        one,
        duration_s=4 * 3600.0,
        frame_s=frame_s,
        held=dict.fromkeys(one.held, np.sort(presses, axis=1)),
        pictures=replace(one.pictures, stills=(still,) * 10),
    )
    many = tuple(replace(long, id=f"{i:x}", name=f"Dots_{i}") for i in range(120))
    html = Report("Many", many, (), {}).html()
    assert len(html) < 5_000_000
    page = assert_stands_alone(html)
    assert page.tags.count("h3") == 24
    assert "96 more recordings are not shown in detail" in page.text


def test_nothing_to_report_on_and_nowhere_to_write(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="gameon record"):
        make_report([])
    only_lost = make_report([], left_out={"x": "cut off"})
    assert "cut off" in assert_stands_alone(only_lost.html()).text
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        only_lost.write(tmp_path / "file" / "page.html")


def test_bars_of_whole_numbers_are_even() -> None:
    """Where 40 bars would share 55 values, some would hold two of them and others one."""
    html = histogram("dx", np.repeat(np.arange(-27.0, 28.0), 10), "counts", "steps")
    counts = [int(text) for text in re.findall(r"counts: (\d+)<", html)]
    assert counts[:-1] == [20] * 27
    assert sum(counts) == 550
    assert histogram("none", np.array([np.nan]), "s", "runs") == ""
    assert "<rect" in histogram("one", np.full(5, 16.7), "ms", "frames", least=2.0)


def test_key_frames_are_looked_at_where_there_are_enough(tmp_path: Path) -> None:
    folder = judged(tmp_path / "s", seconds=210, heard="none", events=[])
    recording = SessionRecording(folder)
    times = keyframe_times(folder / "video.mp4")
    assert len(times) >= 70
    (pictures,) = [r.pictures for r in make_report([recording]).recordings]
    assert pictures is not None
    assert np.abs(pictures.t_s[:, None] - times).min(axis=1).max() < 1e-4
    assert len(pictures.t_s) == len(times)
    assert keyframe_times(folder / "session.db").tolist() == []


def test_a_database_with_values_of_the_wrong_kind_is_left_out(tmp_path: Path) -> None:
    good, damaged = judged(tmp_path / "a"), SessionRecording(judged(tmp_path / "b", id="cd34"))
    with closing(sqlite3.connect(tmp_path / "b" / "session.db")) as connection, connection:
        connection.execute("PRAGMA writable_schema = 1")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, ') STRICT', ')') WHERE name = 'input_events'")
    with closing(sqlite3.connect(tmp_path / "b" / "session.db")) as connection, connection:
        connection.execute("UPDATE input_events SET t_ns = 'soon' WHERE rowid = 3")
    report = make_report([SessionRecording(good), damaged])
    assert [r.id for r in report.recordings] == ["ab12"]
    assert "holds what none of ours does" in report.left_out["cd34"]
