"""WAV files are valid at every moment, whatever ends their writer."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gameon_env.data_processing.audio_reader import AudioReader
from gameon_env.data_processing.wav_file import HEADER_BYTES, wav_header, wav_layout
from gameon_env.errors import AudioError, StorageError
from gameon_env.recording.wav_writer import WavWriter, repair_wav


def ramp(count: int, channels: int = 2, start: int = 0) -> np.ndarray:
    return (
        ((np.arange(start * channels, (start + count) * channels) * 7) % 65536 - 32768)
        .astype(np.int16)
        .reshape(count, channels)
    )


def stored(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, file.getnchannels())


@pytest.mark.parametrize("channels", [1, 2])
def test_what_is_written_is_read_by_the_standard_library(tmp_path: Path, channels: int) -> None:
    path = tmp_path / "a.wav"
    with WavWriter(path, 44_100, channels) as wav:
        for start in range(0, 1000, 100):
            wav.write(ramp(100, channels, start))
        assert wav.frames == 1000
    np.testing.assert_array_equal(stored(path), ramp(1000, channels))
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (44_100, channels, 2)
    wav.close()
    with pytest.raises(StorageError, match="closed"):
        wav.write(ramp(1, channels))


def test_an_empty_file_is_valid_at_once(tmp_path: Path) -> None:
    wav = WavWriter(tmp_path / "a.wav", 48_000, 2)
    assert stored(tmp_path / "a.wav").shape == (0, 2)
    wav.close()


def test_wrong_samples_and_places(tmp_path: Path) -> None:
    with WavWriter(tmp_path / "a.wav", 48_000, 2) as wav:
        with pytest.raises(AudioError, match=r"expected int16 \(n, 2\)"):
            wav.write(ramp(10, 1))
        with pytest.raises(AudioError, match="float64"):
            wav.write(np.zeros((10, 2)))
    with pytest.raises(StorageError, match="cannot be written"):
        WavWriter(tmp_path / "a.wav", 48_000, 2)
    with pytest.raises(StorageError, match="cannot be written"):
        WavWriter(tmp_path / "nowhere" / "a.wav", 48_000, 2)


def test_a_killed_writer_leaves_a_valid_file(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    script = (
        "import sys, time, numpy as np\n"
        "from pathlib import Path\n"
        "from gameon_env.recording.wav_writer import WavWriter\n"
        "wav = WavWriter(Path(sys.argv[1]), 48000, 2)\n"
        "while True:\n"
        "    wav.write(np.full((960, 2), 5, np.int16)); print(wav.frames, flush=True); time.sleep(0.02)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(60)]
    process.send_signal(signal.SIGKILL)
    lines += process.stdout.read().splitlines()
    process.stdout.close()
    process.wait()
    written = int(lines[-1])
    assert 0 < len(stored(path)) <= written + 960
    assert written - len(stored(path)) <= 48_000 // 2
    assert repair_wav(path) >= written
    assert len(stored(path)) >= written
    assert np.all(stored(path) == 5)


def test_a_full_disk_leaves_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    limit = HEADER_BYTES + 40_001  # in the middle of a frame
    wav = WavWriter(path, 48_000, 2)
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    heard = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, old[1]))
    try:
        for start in range(0, 9600, 480):
            wav.write(ramp(480, start=start))
        with pytest.raises(StorageError, match="What was written is valid"):
            wav.write(ramp(480, start=9600))
        wav.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, heard)
    np.testing.assert_array_equal(stored(path), ramp(10_000))


def test_beyond_4_gb_it_is_rf64(tmp_path: Path) -> None:
    path = tmp_path / "large.wav"
    frames = 2**30 + 12_345  # 4.3 GB in stereo; a sparse file
    with path.open("wb") as file:
        file.write(wav_header(48_000, 2, 4 * frames))
        file.seek(HEADER_BYTES + 4 * (frames - 100))
        file.write(ramp(100).tobytes())
    layout = wav_layout(path)
    assert (layout.frames, layout.data_start, layout.rate_hz, layout.channels) == (frames, HEADER_BYTES, 48_000, 2)
    with path.open("rb") as file:
        assert file.read(4) == b"RF64"
    reader = AudioReader(path)
    end_ns = frames * 1_000_000_000 // 48_000
    sound = reader.read(end_ns - 1_000_000, end_ns)
    assert sound.recorded.sum() >= 46
    assert np.abs(sound.samples).max() > 0.9
    path.unlink()


def test_the_header_becomes_rf64_while_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.wav"
    monkeypatch.setattr("gameon_env.data_processing.wav_file.RIFF_LIMIT", 2000)
    with WavWriter(path, 48_000, 2) as wav:
        wav.write(ramp(400))
        wav.close()
        assert path.read_bytes()[:4] == b"RIFF"
    with WavWriter(tmp_path / "b.wav", 48_000, 2) as wav:
        wav.write(ramp(400))
        wav.write(ramp(400, start=400))
    assert (tmp_path / "b.wav").read_bytes()[:4] == b"RF64"
    assert wav_layout(tmp_path / "b.wav").frames == 800
    assert repair_wav(tmp_path / "b.wav") == 800
    sound = AudioReader(tmp_path / "b.wav").read(0, 800 * 1_000_000_000 // 48_000)
    assert sound.recorded.all()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 4 * 500 + HEADER_BYTES), declared=st.integers(0, 1000))
def test_repair_counts_the_samples_and_touches_none(
    tmp_path_factory: pytest.TempPathFactory, cut: int, declared: int
) -> None:
    path = tmp_path_factory.mktemp("wav") / "a.wav"
    whole = wav_header(48_000, 2, 4 * declared) + ramp(500).tobytes()
    path.write_bytes(whole[:cut])
    if 0 < cut < HEADER_BYTES:
        with pytest.raises(AudioError, match=r"cut short|no WAV file"):
            repair_wav(path, 48_000, 2)
        assert path.read_bytes() == whole[:cut]
        return
    present = max(0, cut - HEADER_BYTES) // 4
    assert repair_wav(path, 48_000, 2) == present
    np.testing.assert_array_equal(stored(path), ramp(500)[:present])
    assert path.read_bytes()[HEADER_BYTES:] == whole[HEADER_BYTES:cut]
    repaired = path.read_bytes()
    assert repair_wav(path) == present
    assert path.read_bytes() == repaired


def test_a_header_of_zeros_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(bytes(HEADER_BYTES) + ramp(30).tobytes())
    with pytest.raises(AudioError, match="no WAV file"):
        repair_wav(path)
    assert repair_wav(path, 48_000, 2) == 30
    np.testing.assert_array_equal(stored(path), ramp(30))


def test_files_of_others(tmp_path: Path) -> None:
    path = tmp_path / "other.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(22_050)
        file.writeframes(ramp(100, 1).tobytes())
    before = path.read_bytes()
    assert repair_wav(path) == 100
    assert path.read_bytes() == before
    assert (wav_layout(path).data_start, wav_layout(path).frames) == (44, 100)
    path.write_bytes(before[:-10])
    with pytest.raises(AudioError, match="not written by this project"):
        repair_wav(path)
    assert wav_layout(path).frames == 95
    path.write_bytes(b"not sound at all")
    with pytest.raises(AudioError, match="no WAV file"):
        wav_layout(path)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(3)
        file.setframerate(22_050)
        file.writeframes(bytes(300))
    with pytest.raises(AudioError, match="24-bit"):
        wav_layout(path)
