"""A recorded game, with sound and a pause, from which a part is cut out."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from gameon_env.data_processing.audio_clock import AudioClock
from gameon_env.data_processing.audio_reader import AudioReader
from gameon_env.data_processing.video_reader import VideoReader
from gameon_env.desktop.sound_server import PrivateSoundServer
from gameon_env.errors import AudioError, MissingProgramError
from gameon_env.recording.recorder import SessionRecorder
from gameon_env.recording.redaction import redact
from gameon_env.recording.session import Session
from gameon_env.recording.verification import verify


def sound_possible() -> bool:
    try:
        PrivateSoundServer().close()
    except (AudioError, MissingProgramError):
        return False
    return True


def test_a_part_of_a_recorded_game(tmp_path: Path) -> None:
    with SessionRecorder("rescue", display="private", data_dir=tmp_path, gamepads=False) as recorder:
        time.sleep(1.5)
        recorder.pause()
        time.sleep(0.5)
        recorder.resume()
        time.sleep(3)
    folder = recorder.folder
    assert verify(folder) == []
    with Session(folder) as session:
        before = session.frames()
        resumed_s = max((gap.end_ns or 0) * 1e-9 for gap in session.gaps() if gap.reason == "paused")
        with VideoReader(session.video) as video:
            last = video.frame(len(video) - 1)
    redact(folder, [(1.0, 1.8), (3.0, 4.0)])
    assert verify(folder) == []
    with Session(folder) as session:
        after = session.frames()
        gone = ((before.t_ns >= 1e9) & (before.t_ns < 1.8e9)) | ((before.t_ns >= 3e9) & (before.t_ns < 4e9))
        assert gone.sum() > 20
        np.testing.assert_array_equal(after.t_ns, before.t_ns[~gone])
        with VideoReader(session.video) as video:
            np.testing.assert_allclose(video.times_ns, after.t_ns[after.video_frame >= 0], atol=1000)
            difference = np.abs(video.frame(len(video) - 1).astype(int) - last)
        assert difference.mean() < 2  # encoded again at most
        assert [gap.reason for gap in session.gaps() if gap.stream == "all"] == ["redacted", "paused", "redacted"]
        clock = session.audio_clock("system_audio")
    if not sound_possible():
        return
    path = folder / "system_audio.wav"
    reader = AudioReader(path, AudioClock.fit(*clock, 48_000))
    for start_s, end_s in ((1.02, 1.98), (3.02, 3.98)):
        assert not reader.read(round(start_s * 1e9), round(end_s * 1e9)).recorded.any()
    for start_s, end_s in ((0.8, 0.98), (resumed_s + 0.02, 2.98), (4.02, 4.4)):
        assert reader.read(round(start_s * 1e9), round(end_s * 1e9)).recorded.all()
