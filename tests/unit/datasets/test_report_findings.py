"""Each warning comes of a recording that deserves it, with its place, and of none that does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gameon_env.datasets.recordings import SessionRecording
from gameon_env.datasets.report.finding import Finding
from gameon_env.datasets.report.report import make_report
from gameon_env.recording.model import Gap
from tests.unit.datasets.judged_session import Event, good_play, judged

KEYS = ("key:a", "key:d", "key:space")


def findings(*folders: Path) -> list[Finding]:
    return list(make_report([SessionRecording(folder) for folder in folders]).findings)


def without(name: str) -> list[Event]:
    return [event for event in good_play() if event[1] != name]


def only(*names: str) -> list[Event]:
    return [event for event in good_play() if event[1] in names]


def test_a_good_recording_has_no_warning(tmp_path: Path) -> None:
    assert findings(judged(tmp_path / "s")) == []
    assert findings(judged(tmp_path / "t", id="cd34"), judged(tmp_path / "u", id="ef56", heard="none")) == []


CASES: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "idle": ({"events": [e for e in good_play() if not 9 < e[0] < 22]}, "notice", "13 s", "nothing was pressed"),
    "no input": ({"events": []}, "problem", "30 s", "no input"),
    "always held": ({"held": ("key:w",), "controls": ("key:w", *KEYS)}, "notice", "100 %", "key:w was down"),
    "never used": ({"events": without("key:space")}, "notice", "key:space", "never used"),
    "unlisted keys": (
        {"events": [*good_play(), (5.0, "key:tab", 1.0), (5.1, "key:tab", 0.0)]},
        "notice",
        "key:tab (1 times)",
        "not among",
    ),
    "black picture": ({"shown": "black"}, "problem", "300 of 300", "black"),
    "frozen picture": ({"shown": "still"}, "problem", "30 s", "stood still"),
    "silent audio": ({"heard": "nothing"}, "notice", "system", "silent"),
    "clipped audio": ({"heard": "clipped"}, "notice", "system", "full scale"),
    "dropped frames": ({"dropped": tuple(range(100, 110))}, "problem", "10 of 300", "3.3 %"),
    "gap": ({"gaps": (Gap(4 * 10**9, 7 * 10**9, "all", "paused"),)}, "notice", "3.0 s", "paused"),
    "recovered": (
        {"status": "recovered", "reason": "killed", "missing": ("2 frames",)},
        "notice",
        "killed",
        "2 frames",
    ),
    "missing": ({"missing": ("no microphone",)}, "notice", "no microphone", "recorder says"),
    "ended early": ({"reason": "disk full"}, "notice", "disk full", "ended by"),
}


@pytest.mark.parametrize("kind", CASES)
def test_what_deserves_a_warning_gets_it(tmp_path: Path, kind: str) -> None:
    changes, level, *words = CASES[kind]
    found = [finding for finding in findings(judged(tmp_path / "s", **changes)) if finding.kind == kind]
    assert len(found) == 1
    assert found[0].level == level
    assert all(word in found[0].what for word in words), found[0].what
    assert found[0].remedy


def test_places(tmp_path: Path) -> None:
    idle = judged(tmp_path / "idle", events=[e for e in good_play() if not 9 < e[0] < 22])
    (span,) = next(f.spans for f in findings(idle) if f.kind == "idle")
    assert span == pytest.approx((8.95, 22.05), abs=0.06)
    lost = judged(tmp_path / "lost", dropped=(*range(50, 53), *range(200, 204)))
    assert next(f.spans for f in findings(lost) if f.kind == "dropped frames") == ((20.0, 20.3), (5.0, 5.2))
    gone = judged(tmp_path / "gone", gaps=(Gap(10**9, 2 * 10**9, "all", "paused"), Gap(28 * 10**9, None, "all", "x")))
    assert [f.spans for f in findings(gone) if f.kind == "gap"] == [((1.0, 2.0),), ((28.0, 30.0),)]


def test_a_still_picture_without_input_is_no_idle_play(tmp_path: Path) -> None:
    kinds = {f.kind for f in findings(judged(tmp_path / "s", shown="still", events=good_play(8)))}
    assert "frozen picture" in kinds
    assert "idle" not in kinds


def test_holding_a_key_is_no_idling(tmp_path: Path) -> None:
    events = [e for e in good_play() if not 9 < e[0] < 22] + [(9.1, "key:space", 1.0), (21.9, "key:space", 0.0)]
    assert "idle" not in {f.kind for f in findings(judged(tmp_path / "s", events=events))}


def test_imbalance(tmp_path: Path) -> None:
    mostly_left = [e for e in only("key:a", "key:d") if e[1] == "key:a" or e[0] < 6]
    cases = {
        "key:a was held": {"events": mostly_left},
        "doing nothing": {"events": only("key:space"), "controls": ("key:space",)},
        "to the right": {
            "events": [(i / 10, "mouse:dx", 5.0 if i % 5 else -2.0) for i in range(300)],
            "controls": ("mouse:dx",),
        },
    }
    for i, (words, changes) in enumerate(cases.items()):
        folder = judged(tmp_path / str(i), **changes)  # type: ignore[arg-type]
        told = [f.what for f in findings(folder) if f.kind == "imbalance"]
        assert len(told) == 1
        assert words in told[0]


def test_steps_of_clocks(tmp_path: Path) -> None:
    lost = judged(tmp_path / "lost", lost_sound_s=0.4)
    (found,) = [f for f in findings(lost) if f.kind == "clock step"]
    assert "+400 ms" in found.what
    assert found.spans[0][0] == pytest.approx(15.4, abs=0.2)
    moved = judged(tmp_path / "moved", ended_at="2026-03-01T12:01:30.000000Z")
    (found,) = [f for f in findings(moved) if f.kind == "clock step"]
    assert "+60.0 s" in found.what


def test_other_controls_mixed_in(tmp_path: Path) -> None:
    one, other = judged(tmp_path / "a"), judged(tmp_path / "b", id="cd34", controls=(*KEYS, "key:w"))
    (found,) = [f for f in findings(one, other) if f.kind == "different controls"]
    assert found.level == "problem"
    assert "key:w" in found.what
    turned = judged(tmp_path / "c", id="ef56", controls=("mouse:y", "mouse:x", "mouse:dx", *KEYS))
    assert "different controls" not in {f.kind for f in findings(one, turned)}


def test_a_damaged_sound_is_told_and_the_rest_is_looked_at(tmp_path: Path) -> None:
    folder = judged(tmp_path / "s")
    (folder / "system_audio.wav").write_bytes(b"no sound")
    report = make_report([SessionRecording(folder)])
    assert [f.kind for f in report.findings] == ["unreadable"]
    assert "no WAV file" in report.findings[0].what
    assert report.recordings[0].pictures is not None
