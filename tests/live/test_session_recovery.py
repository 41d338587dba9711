"""Recorders of real games that are killed with -9, and what comes back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from gameon_env.data_processing.video_reader import VideoReader
from gameon_env.data_processing.wav_file import wav_layout
from gameon_env.recording.catalogue import Catalogue
from gameon_env.recording.recorder import SessionRecorder
from gameon_env.recording.session import Session
from gameon_env.recording.verification import verify

PROFILE = """
fps = 20
[launch]
command = ["{{python}}", "{game}", "{log}", "--fps", "30", "--size", "320x240", "--beep"]
screen_size = [240, 320]
gl = false
[controls]
names = ["key:left"]
"""

PAUSED = """
import sys, time
from gameon_env.recording.recorder import SessionRecorder
recorder = SessionRecorder(sys.argv[1], display="private", data_dir=sys.argv[2], gamepads=False)
print("recording into", recorder.start(), flush=True)
time.sleep(0.5)
recorder.pause()
time.sleep(60)
"""


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    path = tmp_path / "game.toml"
    game = Path(__file__).with_name("counter_game.py")
    path.write_text(PROFILE.format(game=game, log=tmp_path / "log.json"))
    return path


@contextmanager
def recording(*command: str) -> Iterator[tuple[psutil.Process, Path]]:
    """A recorder in a process of its own, and its session's folder; killed at the end, and all that it started."""
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        said = program.stdout.readline()
        family = psutil.Process(program.pid).children(recursive=True)
        try:
            assert said.startswith("recording into ")
            yield psutil.Process(program.pid), Path(said.removeprefix("recording into ").strip())
        finally:
            program.kill()
            program.communicate()
            _, left = psutil.wait_procs(family, timeout=20)
            for process in left:
                process.kill()
    assert not left


def by_cli(profile: Path, data: Path) -> tuple[str, ...]:
    command = ("-m", "gameon_env", "record", "--game", str(profile), "--display", "private", "--no-gamepads")
    return (*command, "--data-dir", str(data))


def recover(*paths: Path, **variables: str) -> str:
    command = [sys.executable, "-m", "gameon_env", "recover", *map(str, paths)]
    done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_killed_recordings_come_back_and_live_ones_are_left_alone(profile: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with recording(*by_cli(profile, data)) as (_, killed):
        time.sleep(1.5)
    said = recover(GAMEON_DATA_DIR=str(data))
    assert f"{killed}: recovered" in said
    with recording(*by_cli(profile, data)) as (_, live):
        assert f"{live}: left alone" in recover(GAMEON_DATA_DIR=str(data))
        assert verify(killed) == []
        with Catalogue(data) as catalogue:
            assert [entry.status for entry in catalogue.sessions()] == ["recovered", "recording"]
        with Session(killed) as session:
            assert session.end is not None
            assert session.end.reason == "killed"
            assert session.end.missing
            with VideoReader(session.video) as video:
                assert len(video) == session.counts["frames"] > 25
            assert wav_layout(session.audio("system_audio")).frames > 40_000
    assert "nothing to do" in recover(killed)
    assert f"{live}: recovered" in recover(data)


def test_the_next_recording_completes_what_was_cut_off(profile: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with recording(*by_cli(profile, data)) as (_, killed):
        time.sleep(1)
    with SessionRecorder(profile, display="private", data_dir=data, gamepads=False) as recorder:
        assert any(killed.name in notice and "recovered" in notice for notice in recorder.notices)
    assert verify(killed) == []
    assert verify(recorder.folder) == []
    with Catalogue(data) as catalogue:
        assert sorted(entry.status for entry in catalogue.sessions()) == ["completed", "recovered"]


def test_one_that_was_killed_while_it_was_paused_says_so(profile: Path, tmp_path: Path) -> None:
    with recording("-c", PAUSED, str(profile), str(tmp_path / "data")) as (_, folder):
        time.sleep(1.5)
    recover(folder)
    assert verify(folder) == []
    with Session(folder) as session:
        (gap,) = [gap for gap in session.gaps() if gap.stream == "all"]
        assert (gap.reason, gap.end_ns) == ("paused", None)


def test_a_sound_server_that_dies_is_a_gap_and_not_an_end(profile: Path, tmp_path: Path) -> None:
    with recording(*by_cli(profile, tmp_path / "data")) as (program, folder):
        time.sleep(1.0)
        server = next(process for process in program.children(recursive=True) if process.name() == "pulseaudio")
        server.kill()
        time.sleep(2.5)
        assert program.is_running()
        program.send_signal(signal.SIGTERM)
        program.wait(30)
    assert verify(folder) == []
    with Session(folder) as session:
        assert session.status == "completed"
        lost = [gap for gap in session.gaps() if gap.stream == "system_audio" and gap.reason == "device lost"]
        assert len(lost) == 1
        frames = session.frames()
        assert frames.t_ns[-1] > lost[0].start_ns + 1_500_000_000
