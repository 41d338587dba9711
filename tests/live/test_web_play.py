"""A person's way, by real keys and mouse: the page, a game, the download, and a policy that learned from it."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gameon_env.export.reacture import ReActureDataset
from gameon_env.export.reacture_import import import_reacture
from gameon_env.learning.behavioral_cloning import CloningConfig, clone
from gameon_env.learning.policy import Policy
from gameon_env.learning.recorded_runs import load_runs
from gameon_env.web.server import WebServer
from tests.live._browser import Browser, browser

FILES = ("metadata.json", "data.jsonl", "frames.npy", "timestamps.npy", "README.md")


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Browser]:
    """The menu, in a window of half a small laptop's screen: the picture is drawn in software."""
    with WebServer(tmp_path / "data", port=0) as server, browser(tmp_path / "browser", size=(600, 800)) as page:
        page.open(server.url)
        page.wait_state("menu")
        yield page
        assert page.errors() == []


def type_text(page: Browser, text: str) -> None:
    for letter in text:
        page.tap(f"key:{letter}", 0.02)


def sign_in(page: Browser, name: str) -> None:
    page.click_on("#name")
    type_text(page, name)
    page.tap("key:enter")
    page.wait_for("!document.querySelector('#signed-in').hidden")


def play_a_little(page: Browser) -> None:
    """Drive, turn, jump and click, until there are four seconds of it."""
    page.hold("key:w")
    page.wait_for("window.reacture.sim.tick > 60")
    for turn in (30, -20, 25):
        page.move(turn, 5)
        time.sleep(0.1)
    page.let_go()
    page.tap("key:space", 0.15)
    page.tap("mouse:left", 0.15)
    page.hold("key:a", "key:e")
    page.wait_for("window.reacture.sim.tick > 180")
    page.let_go()
    page.wait_for("window.reacture.recorder.status.samples >= 40")


def test_from_the_menu_to_a_policy(page: Browser, tmp_path: Path) -> None:
    sign_in(page, "ada")
    page.click_on("#cards > :nth-child(1)")
    page.wait_state("ready")
    page.click_on("#start")
    page.wait_state("playing")
    page.wait_for("document.pointerLockElement !== null")
    before = page.look()
    play_a_little(page)
    assert (page.look()[200:400] != before[200:400]).any(axis=2).mean() > 0.2

    page.tap("key:escape")
    page.wait_state("paused")
    tick = page.js("window.reacture.sim.tick")
    page.click_on("#screen-paused [data-download]")
    metadata_path = page.wait_file("reacture_*_metadata.json")
    prefix = metadata_path.name.removesuffix("metadata.json")
    files = [page.wait_file(f"{prefix}{name}") for name in FILES]
    assert page.js("window.reacture.sim.tick") == tick

    samples = int(page.js("window.reacture.recorder.status.samples"))
    frames, timestamps = (np.load(page.downloads / f"{prefix}{name}.npy") for name in ("frames", "timestamps"))
    assert frames.shape == (samples, 128, 128, 3)
    assert frames.dtype == np.uint8
    assert min(frame.max() for frame in frames) > 60
    assert set(timestamps.tolist()) <= {100.0 * k for k in range(1, tick // 6 + 1)}
    assert (np.diff(timestamps) > 0).all()
    assert samples > tick / 12  # a busy machine may lose some, and says so
    rows = [json.loads(line) for line in (page.downloads / f"{prefix}data.jsonl").read_text().splitlines()]
    assert [row["timestamp_ms"] for row in rows[:samples]] == pytest.approx(timestamps.tolist())
    metadata = json.loads(metadata_path.read_text())
    assert metadata["player_name"] == "ada"
    assert metadata["data_stats"]["total_frames"] == samples
    assert re.search(r"np\.load", (page.downloads / f"{prefix}README.md").read_text())
    assert len(files) == 5

    pressed = {
        key: [row["key_presses"][key] for row in rows[:samples]] for key in ("W", "A", "D", "Space", "E", "destroy")
    }
    assert sum(pressed["W"]) >= 10
    assert sum(pressed["A"]) >= 3
    assert any(pressed["Space"])
    assert any(pressed["destroy"])
    assert any(pressed["E"])
    assert not any(pressed["D"])
    assert sum(row["key_presses"]["mouse_dx"] for row in rows[:samples]) == 35
    assert sum(row["key_presses"]["mouse_dy"] for row in rows[:samples]) == 15

    learn_from(metadata_path, tmp_path / "learning")


def learn_from(metadata_path: Path, folder: Path) -> None:
    """What the guide promises for a download, and what the rest of the project does with one."""
    dataset = ReActureDataset(metadata_path)
    first: dict[str, Any] = next(iter(dataset))
    assert first["frame"].shape == (128, 128, 3)
    batch = next(iter(dataset.to_pytorch_dataloader(batch_size=4)))
    assert tuple(batch["frame"].shape) == (4, 3, 128, 128)
    assert tuple(batch["keys"].shape) == (4, 6)

    import_reacture(metadata_path, folder)
    runs = load_runs(folder, size=(64, 64), cache=False)
    assert sum(run.num_steps for run in runs) >= 30
    clone(runs, folder / "policy.safetensors", CloningConfig(epochs=1, batch_size=8), progress=False)
    policy = Policy.load(folder / "policy.safetensors")
    assert policy.spec.game == "reacture"
    assert policy.spec.fps == 10
    assert {"key:w", "mouse:dx", "mouse:left"} <= set(policy.spec.controls)


def test_keys_that_are_held_when_a_game_ends_begin_no_other(tmp_path: Path) -> None:
    """The private display repeats no keys, as desktops do: those come by the browser's own protocol."""
    with WebServer(tmp_path / "data", port=0) as server, browser(tmp_path / "browser", saves=False) as page:

        def key(kind: str, name: str, repeated: bool = False) -> None:
            text, code = {"Space": (" ", 32), "Enter": ("\r", 13)}[name]
            told = {"type": kind, "code": name, "key": text if name == "Space" else name, "autoRepeat": repeated}
            told |= {"windowsVirtualKeyCode": code} | ({"text": text} if kind == "keyDown" else {})
            page.driver.execute_cdp_cmd("Input.dispatchKeyEvent", told)

        page.open(f"{server.url}?kiosk=1&start=1&seconds=3&quality=lowest&record=1")
        page.wait_state("playing")
        for name in ("Space", "Enter"):
            key("keyDown", name)
        page.wait_state("over")
        assert page.js("document.activeElement.id") == "again"
        time.sleep(0.7)
        for name in ("Space", "Enter"):
            for _ in range(3):
                key("keyDown", name, repeated=True)
            key("keyUp", name)
        time.sleep(3)  # another game would be there by then
        assert page.js("document.body.dataset.state") == "over"
        key("keyDown", "Enter")  # pressed for the button
        key("keyUp", "Enter")
        page.wait_state("playing")
        assert page.js("window.reacture.errors") == page.errors() == []


def test_a_browser_that_asks_before_several_downloads(tmp_path: Path) -> None:
    with WebServer(tmp_path / "data", port=0) as server, browser(tmp_path / "browser", saves=False) as page:
        page.open(f"{server.url}?kiosk=1&start=1&seconds=1&quality=lowest&record=1")
        page.wait_state("over")
        said = "document.querySelector('#screen-over [data-recording]').textContent"
        page.wait_for(f"{said}.startsWith('Recorded')")
        page.driver.execute_script(
            "window.heard = []; new MutationObserver((changes) => heard.push(changes[0].target.textContent)).observe("
            "document.querySelector('#screen-over [data-recording]'), { childList: true });"
        )
        page.click_on("#screen-over [data-download]")
        page.wait_for(f"{said}.includes('kept some back')")
        assert "5 files: allow several downloads" in page.js("window.heard")[0]
        metadata_path = page.wait_file("*_metadata.json")
        assert list(page.downloads.iterdir()) == [metadata_path]  # the others wait for a yes that nobody gives
        links = page.js(
            "[...document.querySelectorAll('#screen-over [data-files] a')].map((a) => [a.download, a.href])"
        )
        folder = tmp_path / "data" / "reacture" / metadata_path.name.removesuffix("_metadata.json")
        assert [name for name, _ in links] == [f"{folder.name}_{file}" for file in FILES]
        for name, address in links:
            with urllib.request.urlopen(address, timeout=30) as reply:
                assert reply.read() == (folder / name).read_bytes()
        page.tap("key:escape")  # puts the browser's question away
        page.click_on("#screen-over [data-files] a")
        assert page.js("document.body.dataset.state") == "over"  # where a click beside starts the next game
        assert page.js("window.reacture.errors") == page.errors() == []
