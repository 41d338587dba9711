"""``gameon doctor`` on this machine, and on one that lacks Xvfb."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer

from gameon_env.cli import doctor
from gameon_env.cli.recording_checks import check_calibration
from gameon_env.recording import calibration_store
from gameon_env.recording.calibration_figures import Spread
from gameon_env.recording.calibration_store import Calibration


def run(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any], dict[str, Any]]:
    """The exit code, the whole report, and its checks by part."""
    with pytest.raises(typer.Exit) as ended:
        doctor.command(as_json=True)
    report = json.loads(capsys.readouterr().out)
    return ended.value.exit_code, report, {check["part"]: check for check in report["checks"]}


def test_everything_is_tried(capsys: pytest.CaptureFixture[str]) -> None:
    code, report, checks = run(capsys)
    assert code == 0
    assert report["ready"]
    assert checks["private display"]["ok"]
    assert checks["capture"]["ok"], checks["capture"]
    assert checks["capture"]["figures"]["pictures_per_s"] > 0
    assert checks["input"]["ok"], checks["input"]
    assert checks["video h264"]["ok"]
    assert checks["private sound"]["ok"], checks["private sound"]
    assert checks["each picture"]["ok"], checks["each picture"]
    assert checks["gamepads"]["ok"], checks["gamepads"]
    assert {"current display", "audio", "system audio", "microphone", "accelerator"} <= set(checks)
    assert {"video h264", "video hevc", "video av1", "sync"} <= set(checks)
    assert [check["part"] for check in report["checks"] if not check["ok"] and not check["remedy"]] == []


def test_without_xvfb_the_command_that_brings_it_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    code, report, checks = run(capsys)
    assert code == 1
    assert not report["ready"]
    assert checks["private display"]["remedy"] == "apt-get install xvfb"
    assert not checks["capture"]["ok"]
    assert not checks["input"]["ok"]
    assert checks["video h264"]["ok"]


def test_a_wayland_desktop_is_refused_with_the_way_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    code, _, checks = run(capsys)
    assert code == 0
    assert not checks["current display"]["ok"]
    assert "Wayland" in checks["current display"]["found"]
    assert "X11" in checks["current display"]["remedy"]


def test_what_calibration_found_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(calibration_store, "cache_dir", lambda: tmp_path)
    assert check_calibration().remedy.startswith("gameon calibrate")
    none, spread = Spread(math.nan, math.nan, math.nan, 0), Spread(1.25, 6.5, 0.5, 100)
    facts: dict[str, Any] = {field.name: none for field in fields(Calibration)}
    facts |= {"display": "private", "sound": None, "measured_at": "2026-03-01T12:00:00Z", "recorder": "gameon-env 0"}
    calibration_store.store_calibration(
        Calibration(
            **facts
            | {"presses": 100, "recorded": 100, "seen": 100, "heard": 0, "missing": ()}
            | {"key_to_picture": spread, "key_to_picture_error": spread}
        )
    )
    check = check_calibration()
    assert check.ok
    assert check.found == "private display: key to picture 1.2 ms off, p99 6.5 ms (2026-03-01)"
    assert check.figures == {"private_median_ms": 1.25, "private_p99_ms": 6.5}


def test_people_read_one_line_for_each_check_and_what_mends_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(typer.Exit):
        doctor.command(as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("ok") and "private display" in line for line in lines)
    lack = next(i for i, line in enumerate(lines) if line.startswith("lacks") and "current display" in line)
    assert "mend:" in lines[lack + 1]
