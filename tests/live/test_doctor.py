"""``gameon doctor`` on this machine, and on one that lacks Xvfb."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer

from gameon_env.cli import doctor


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
    assert {"current display", "audio", "video h265", "video av1", "accelerator"} <= set(checks)
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
