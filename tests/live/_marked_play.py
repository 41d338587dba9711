"""Recordings of a marked scene in the page, and what their files must be to the byte."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.live._browser import Browser, wait_until

FILES = ("metadata.json", "data.jsonl", "frames.npy", "timestamps.npy", "README.md")
SCENE = (Path(__file__).parent / "marked_scene.js").read_text()
SAMPLES = 45

Bytes = npt.NDArray[np.uint8]


def run(page: Browser, script: str, *arguments: Any) -> Any:
    """What an async function of the page returns; it fails here where it fails there."""
    done = page.driver.execute_async_script(
        f"const done = arguments[arguments.length - 1]; (async (...given) => {{ {script} }})(...arguments)"
        ".then((value) => done({ value }), (error) => done({ error: String(error?.stack ?? error) }));",
        *arguments,
    )
    assert "error" not in done, done["error"]
    return done.get("value")


def start(page: Browser, url: str, **options: Any) -> str:
    """Record the marked scene in a page that has nothing else. Returns the recording's prefix."""
    page.open(f"{url}version.js")
    page.driver.execute_script(SCENE)
    return str(run(page, "return marked.start(given[0]);", options))


def play(page: Browser, samples: int = SAMPLES, skip: tuple[int, ...] = ()) -> None:
    run(page, "await marked.play(given[0], given[1]);", samples, list(skip))


def finish(page: Browser) -> dict[str, Any]:
    """End the recording. Returns its status."""
    status: dict[str, Any] = run(
        page, "await marked.recorder.finish(marked.game.result()); return marked.recorder.status;"
    )
    return status


def download(page: Browser) -> dict[str, Path]:
    """The five files, as the browser saved them."""
    names = run(page, "return marked.recorder.download();")
    wait_until(lambda: all((page.downloads / name).exists() for name in names), "the downloads")
    wait_until(lambda: not list(page.downloads.glob("*.crdownload")), "the downloads' end")
    return {file: page.downloads / name for file, name in zip(FILES, names, strict=True)}


def read(files: dict[str, Path]) -> tuple[Bytes, npt.NDArray[np.float32], list[dict[str, Any]], dict[str, Any]]:
    rows = [json.loads(line) for line in files["data.jsonl"].read_text("utf-8").splitlines()]
    frames = np.load(files["frames.npy"], mmap_mode="r")
    return frames, np.load(files["timestamps.npy"]), rows, json.loads(files["metadata.json"].read_text("utf-8"))


def picture(tick: int, width: int, height: int) -> Bytes:
    """The scene of a tick, ``(height, width, 3)``, as marked_scene.js draws it."""
    drawn = np.empty((height, width, 3), np.uint8)
    drawn[:] = tick % 256, tick // 256, 77
    w, h = width // 4, height // 4
    drawn[:h, :w], drawn[:h, -w:] = (255, 0, 0), (0, 255, 0)
    drawn[-h:, :w], drawn[-h:, -w:] = (0, 0, 255), (255, 255, 255)
    return drawn


def box_filtered(drawn: Bytes) -> Bytes:
    """The frame of a picture, in whole numbers: source pixels are repeated until the boxes hold whole ones."""
    height, width = drawn.shape[:2]
    scale = 128 / max(height, width)
    h, w = int(height * scale + 0.5), int(width * scale + 0.5)
    down, right = h // math.gcd(h, height), w // math.gcd(w, width)
    high, wide = height * down // h, width * right // w
    across = np.repeat(drawn.astype(np.int64), right, axis=1).reshape(height, w, wide, 3).sum(2)
    sums = np.repeat(across, down, axis=0).reshape(h, high, w, 3).sum(1)
    frame = np.zeros((128, 128, 3), np.uint8)
    top, left = (128 - h) // 2, (128 - w) // 2
    frame[top : top + h, left : left + w] = (sums + high * wide // 2) // (high * wide)
    return frame


def check(files: dict[str, Path], ticks: list[int], size: tuple[int, int] = (180, 320)) -> list[dict[str, Any]]:
    """Each frame is exactly its tick's picture, each row its tick's. Returns the rows that have no frame."""
    frames, timestamps, rows, metadata = read(files)
    assert frames.shape == (len(ticks), 128, 128, 3)
    assert frames.dtype == np.uint8
    assert timestamps.dtype == np.float32
    for frame, tick, time_ms, row in zip(frames, ticks, timestamps, rows, strict=False):
        assert (frame == box_filtered(picture(tick, size[1], size[0]))).all(), tick
        assert time_ms == pytest.approx(tick * 1000 / 60)
        assert row["timestamp_ms"] == time_ms
        assert row["robot"]["position"] == {"x": tick, "y": 0, "z": -tick}
        assert row["event"] == "periodic_update_10hz"
        assert row["visual_frame_path"]
    assert metadata["data_stats"]["total_frames"] == len(ticks)
    others = rows[len(ticks) :]
    assert not any("visual_frame_path" in row for row in others)
    return others
