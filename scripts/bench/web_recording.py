"""What the page's recording is worth and costs: minutes of scripted play in a real Chromium, drawn in software.

    .venv/bin/python scripts/bench/web_recording.py [--minutes 5] [--size 1280x720] [--compare 30]

Into each picture that is recorded, and into no other, its tick and a mark for each corner are drawn before it is taken:
so black, mirrored and wrongly paired frames are found in the real game, and not only in a drawing made for a test.
After that the same game is played twice for --compare seconds, with and without recording.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

sys.path.insert(0, str(Path(__file__).parents[2]))

from gameon_env.web.chromium import browser_options, find_chromium
from gameon_env.web.server import WebServer

FILES = ("metadata.json", "data.jsonl", "frames.npy", "timestamps.npy", "README.md")
CORNERS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255))  # top left, top right, bottom left, bottom right
MB_A_MINUTE = {"frames.npy": 30.0, "data.jsonl": 5.0, "timestamps.npy": 2.4e-3}  # as the guide says

MARK = """
const recorder = window.reacture.recorder, sim = window.reacture.sim, { gl, renderer } = window.reacture.stage();
const capture = recorder.capture.bind(recorder);
recorder.capture = () => {
  const { drawingBufferWidth: w, drawingBufferHeight: h } = gl, a = Math.floor(w / 10), b = Math.floor(h / 10);
  const fill = (x, y, rgb) => {
    gl.scissor(x, y, a, b);
    gl.clearColor(...rgb.map((value) => value / 255), 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
  };
  gl.enable(gl.SCISSOR_TEST);
  [[0, h - b], [w - a, h - b], [0, 0], [w - a, 0]].forEach(([x, y], i) => fill(x, y, arguments[0][i]));
  fill(Math.floor((w - a) / 2), 0, [sim.tick % 256, Math.floor(sim.tick / 256), 77]);
  renderer.resetState();
  capture();
};
"""

BUSY = """
const raf = window.requestAnimationFrame.bind(window);
window.busy = { ms: 0, frames: 0 };
window.requestAnimationFrame = (callback) => raf((now) => {
  const begun = performance.now();
  callback(now);
  window.busy.ms += performance.now() - begun;
  window.busy.frames++;
});
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--session", type=float, default=0.0, help="minutes: go on with further games until then")
    parser.add_argument("--size", default="1280x720", help="of the window")
    parser.add_argument("--environment", default="earthquake")
    parser.add_argument("--compare", type=float, default=30.0, help="seconds with and without recording")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    with tempfile.TemporaryDirectory(prefix="web-recording-") as name, chromium(Path(name), (height, width)) as driver:
        data_dir = Path(name) / "data"
        with WebServer(data_dir, port=0) as server:
            address = f"{server.url}?kiosk=1&start=1&sound=0&player=bench&seed=7&environment={options.environment}"
            memory, status = play(driver, f"{address}&record=1&seconds={options.minutes * 60}", mark=True)
            print("status:", json.dumps(status))
            report_files(Path(name), driver, options.minutes)
            while memory[-1][0] < 60 * options.session:  # a game may be over before its time: nobody waits any more
                driver.execute_script("document.getElementById('again').click()")
                wait(driver, "document.body.dataset.state === 'playing'")
                memory += drive(driver, time.monotonic() - memory[-1][0], 60 * options.session)
            report_memory(memory)
            if options.compare:
                compare(driver, f"{address}&seconds={options.compare}")


@contextlib.contextmanager
def chromium(folder: Path, size: tuple[int, int]) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = find_chromium()
    for flag in (*browser_options(folder / "profile", size, software_gl=True), "--headless=new"):
        options.add_argument(flag)
    prefs = {
        "download.default_directory": str(folder / "downloads"),
        "profile.default_content_setting_values.automatic_downloads": 1,
    }
    options.add_experimental_option("prefs", prefs)
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        driver.set_script_timeout(600)
        driver.execute_cdp_cmd("Performance.enable", {})
        yield driver
    finally:
        driver.quit()


def play(driver: webdriver.Chrome, url: str, *, mark: bool) -> tuple[list[tuple[float, ...]], dict[str, Any]]:
    """Play until the game is over, or nearly. Returns memory over time, and the recorder's last status."""
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": BUSY})
    driver.get(url)
    wait(driver, "document.body.dataset.state === 'playing'")
    if mark:
        driver.execute_script(MARK, CORNERS)
    memory = drive(driver, time.monotonic())
    assert driver.execute_script("return document.body.dataset.state") == "over", "the game did not end by itself"
    status = driver.execute_script("return window.reacture.recorder?.status ?? {}")
    status["busy"] = driver.execute_script("return window.busy")
    return memory, status


def drive(driver: webdriver.Chrome, began: float, until_s: float = math.inf) -> list[tuple[float, ...]]:
    """Press keys and move the mouse until the game is over, or it is ``until_s`` after the session began."""
    chooser, memory, next_look = np.random.default_rng(7), [], time.monotonic() - began
    held: list[str] = []
    while driver.execute_script("return document.body.dataset.state") == "playing":
        if time.monotonic() - began > until_s:
            break
        for key in held:
            send_key(driver, "keyUp", key)
        held = [key for key in "wasd" if chooser.random() < (0.7 if key == "w" else 0.2)]
        for key in held:
            send_key(driver, "rawKeyDown", key)
        driver.execute_cdp_cmd(
            "Input.dispatchMouseEvent",
            {"type": "mouseMoved", "x": int(chooser.integers(100, 500)), "y": int(chooser.integers(150, 250))},
        )
        seconds = time.monotonic() - began
        if seconds >= next_look:
            memory.append((seconds, *used_mb(driver)))
            next_look += 10
        time.sleep(0.4)
    memory.append((time.monotonic() - began, *used_mb(driver)))
    return memory


def send_key(driver: webdriver.Chrome, kind: str, key: str) -> None:
    told = {"type": kind, "key": key, "code": f"Key{key.upper()}", "windowsVirtualKeyCode": ord(key.upper())}
    driver.execute_cdp_cmd("Input.dispatchKeyEvent", told)


def used_mb(driver: webdriver.Chrome) -> tuple[float, float, float]:
    """The page's JavaScript heap after a collection, its unsaved bytes, and the private memory of all its processes."""
    driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    metrics = {each["name"]: each["value"] for each in driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]}
    unsaved = driver.execute_script("return window.reacture.recorder?.status.unsavedBytes ?? 0")
    processes = psutil.Process(driver.service.process.pid).children(recursive=True)
    private = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            private += process.memory_full_info().uss
    return metrics["JSHeapUsedSize"] / 1e6, unsaved / 1e6, private / 1e6


def report_memory(memory: list[tuple[float, ...]]) -> None:
    print("memory over time: seconds, JS heap MB, unsaved MB, private MB of all browser processes")
    for row in memory[:: max(1, len(memory) // 12)]:
        print("  " + "  ".join(f"{value:8.1f}" for value in row))
    table = np.array([row for row in memory if row[0] > memory[-1][0] * 0.2])
    if len(table) > 2:
        slopes = [np.polyfit(table[:, 0] / 60, table[:, i], 1)[0] for i in (1, 3)]
        print(f"  growth after the first fifth: heap {slopes[0]:+.2f} MB/min, private {slopes[1]:+.2f} MB/min")


def report_files(folder: Path, driver: webdriver.Chrome, minutes: float) -> None:
    driver.execute_async_script("window.reacture.recorder.download().then(arguments[0], arguments[0])")
    downloads = folder / "downloads"
    wait_for(lambda: len(list(downloads.glob("reacture_*"))) == len(FILES) and not list(downloads.glob("*.crdownload")))
    files = {name: next(downloads.glob(f"*_{name}")) for name in FILES}
    for name, path in files.items():
        said = f", the guide says {MB_A_MINUTE[name] * minutes:.3g} MB" if name in MB_A_MINUTE else ""
        print(f"{path.name}: {path.stat().st_size / 1e6:.3f} MB{said}")
    frames = np.load(files["frames.npy"], mmap_mode="r")
    timestamps = np.load(files["timestamps.npy"])
    rows = [json.loads(line) for line in files["data.jsonl"].read_text("utf-8").splitlines()]
    metadata = json.loads(files["metadata.json"].read_text("utf-8"))
    count = len(frames)
    print(f"np.load: frames {frames.shape} {frames.dtype}, timestamps {timestamps.shape} {timestamps.dtype}")
    box = metadata["frames"]["content_boxes"][0]
    black = sum(frame.max() < 8 for frame in frames)
    wrong_way, paired = 0, 0
    for frame, time_ms, row in zip(frames, timestamps, rows, strict=False):
        inside = frame[box["top"] : box["top"] + box["height"], box["left"] : box["left"] + box["width"]]
        corners = (inside[1, 1], inside[1, -2], inside[-2, 1], inside[-2, -2])
        wrong_way += any(tuple(found) != wanted for found, wanted in zip(corners, CORNERS, strict=True))
        red, green, blue = (int(value) for value in inside[-2, box["width"] // 2])
        tick = red + 256 * green
        paired += blue == 77 and abs(tick * 1000 / 60 - time_ms) < 0.01 and row["timestamp_ms"] == time_ms
    print(f"black frames: {black}; frames with a corner at a wrong place or of a wrong colour: {wrong_way}")
    print(f"frame, row and timestamp of the same tick: {paired} of {count}")
    print(f"rows {len(rows)}, of them with a frame {sum('visual_frame_path' in row for row in rows)}")
    steps = np.diff(timestamps)
    print(f"game time: {count} samples in {metadata['duration_s']} s, steps {steps.min():g} to {steps.max():g} ms")
    wall_ms = np.array([datetime.fromisoformat(row["timestamp"]).timestamp() for row in rows[:count]]) * 1e3
    apart = np.diff(wall_ms)
    rate = 1e3 * (count - 1) / (wall_ms[-1] - wall_ms[0])
    low, median, high = np.percentile(apart, [1, 50, 99])
    print(f"wall clock: {rate:.3f} Hz; interval p1 {low:.0f}, median {median:.0f}, p99 {high:.0f} ms")


def compare(driver: webdriver.Chrome, url: str) -> None:
    """The page's own time in its animation callbacks, with and without recording."""
    found = {}
    for record in (0, 1):
        _, status = play(driver, f"{url}&record={record}", mark=False)
        busy = status["busy"]
        found[record] = busy["ms"] / max(1, busy["frames"])
        print(
            f"{'with' if record else 'without'} recording: {busy['frames']} animation frames, "
            f"{found[record]:.2f} ms of the page's time each"
        )
    print(f"recording: {status['captureMs']:.2f} ms a sample (median), p99 {status['captureMsP99']:.2f}")


def wait(driver: webdriver.Chrome, expression: str) -> None:
    wait_for(lambda: bool(driver.execute_script(f"return {expression}")))


def wait_for(seen: Any) -> None:
    deadline = time.monotonic() + 120
    while not seen():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


if __name__ == "__main__":
    main()
