"""The page's recording in a real Chromium: what arrives is, to the byte, what was drawn and pressed."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from gameon_env import __version__
from gameon_env.web.server import WebServer
from tests.live._browser import Browser, browser, wait_until
from tests.live._marked_play import FILES, SAMPLES, check, download, finish, play, read, run, start


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as page:
        page.driver.set_script_timeout(120)
        yield page


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WebServer]:
    with WebServer(tmp_path / "data", port=0) as server:
        yield server


def test_each_frame_is_exactly_its_ticks_picture_and_row(page: Browser, server: WebServer, tmp_path: Path) -> None:
    prefix = start(page, server.url)
    play(page)
    status = finish(page)
    assert status["error"] is None
    assert (status["sink"], status["method"], status["samples"], status["failed"]) == ("server", "worker", SAMPLES, 0)
    files = download(page)
    others = check(files, [6 * (i + 1) for i in range(SAMPLES)])
    assert [row.get("event", row.get("action")) for row in others] == ["game_start", "rescue", "rescue", "game_end"]
    for file, path in files.items():
        assert path.name == f"{prefix}_{file}"
        assert path.read_bytes() == (tmp_path / "data" / "reacture" / prefix / path.name).read_bytes()
    for file in ("frames.npy", "timestamps.npy"):
        header = files[file].read_bytes()[:128]
        assert header[:10] == b"\x93NUMPY\x01\x00\x76\x00"
        assert header.endswith(b"\n")


def test_keys_are_those_held_in_the_interval_and_motion_is_summed(page: Browser, server: WebServer) -> None:
    start(page, server.url)
    play(page)
    finish(page)
    _, _, rows, metadata = read(download(page))
    assert metadata["key_interval"] == "before"
    for i in range(SAMPLES):
        ticks = range(6 * i + 1, 6 * i + 7)
        assert rows[i]["key_presses"] == {
            "W": True,
            "A": any(t % 12 == 0 for t in ticks),
            "S": False,
            "D": any(t % 60 < 30 for t in ticks),
            "Space": 7 in ticks,
            "E": any(t % 24 == 1 for t in ticks),
            "R": False,
            "mouse_dx": sum(t % 7 for t in ticks),
            "mouse_dy": -6,
            "inspect": any(t % 24 == 1 for t in ticks),
            "destroy": any(t % 30 == 5 for t in ticks),
        }
    rescue = rows[SAMPLES + 1]  # in tick 20: the interval began with tick 19
    assert rescue["timestamp_ms"] == pytest.approx(20 * 1000 / 60, abs=1e-3)
    assert (rescue["event"], rescue["success"], rescue["key_presses"]["mouse_dy"]) == ("rescue", True, -2)
    action = rows[SAMPLES + 2]
    assert (action["type"], action["action"], type(action["timestamp"])) == ("player_action", "rescue", int)
    assert action["timestamp"] == 333  # of the game
    assert set(action) == {"type", "timestamp", "action", "robot", "sensors"}


@pytest.mark.parametrize("size", [(128, 128), (90, 160), (133, 217), (217, 133), (64, 48), (720, 1280)])
def test_any_size_of_the_canvas(page: Browser, server: WebServer, size: tuple[int, int]) -> None:
    start(page, server.url, width=size[1], height=size[0])
    play(page, 4)
    finish(page)
    files = download(page)
    check(files, [6, 12, 18, 24], size)
    told = read(files)[3]["frames"]["content_boxes"]
    scale = 128 / max(size)
    assert len(told) == 1
    assert (told[0]["source_height"], told[0]["source_width"]) == size
    assert (told[0]["height"], told[0]["width"]) == tuple(int(side * scale + 0.5) for side in size)
    assert read(files)[0][0][told[0]["top"], told[0]["left"]].tolist() == [255, 0, 0]


def same_but_for_the_clock(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("timestamp", "visual_frame_path")}


def test_server_browser_and_page_make_the_same_files(page: Browser, server: WebServer) -> None:
    made = []
    for options in ({}, {"sink": "browser"}, {"method": "page"}):
        start(page, server.url, **options)
        play(page)
        status = finish(page)
        assert status["sink"] == options.get("sink", "server")
        assert status["method"] == options.get("method", "worker")
        made.append(download(page))
    first = read(made[0])
    for files in made[1:]:
        assert files["frames.npy"].read_bytes() == made[0]["frames.npy"].read_bytes()
        assert files["timestamps.npy"].read_bytes() == made[0]["timestamps.npy"].read_bytes()
        found = read(files)
        assert [*map(same_but_for_the_clock, found[2])] == [*map(same_but_for_the_clock, first[2])]
        assert [*found[3]] == [*first[3]]
        for name in ("data_stats", "frames", "game_result", "generator", "duration_s"):
            assert found[3][name] == first[3][name]
        prefixes = [each["metadata.json"].name.removesuffix("_metadata.json") for each in (files, made[0])]
        readmes = [
            each["README.md"].read_text().replace(prefix, "").splitlines()
            for each, prefix in zip((files, made[0]), prefixes, strict=True)
        ]
        assert [line for line in readmes[0] if "played by" not in line and " from 20" not in line] == [
            line for line in readmes[1] if "played by" not in line and " from 20" not in line
        ]


def test_the_readmes_code_runs(page: Browser, server: WebServer) -> None:
    start(page, server.url)
    play(page, 7)
    finish(page)
    files = download(page)
    readme = files["README.md"].read_text("utf-8")
    assert "{{" not in readme
    assert "null" not in readme
    code = readme.split("```python\n")[1].split("```")[0]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=page.downloads, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.startswith("(7, 128, 128, 3) [700.] ")


def test_a_machine_that_cannot_follow_loses_no_frame(page: Browser, server: WebServer) -> None:
    start(page, server.url, width=960, height=540)
    run(page, "await marked.play(80, [], true);")
    assert finish(page)["failed"] == 0
    check(download(page), [6 * (i + 1) for i in range(80)], (540, 960))


def test_nothing_is_kept_open_for_what_was_sent(page: Browser, server: WebServer) -> None:
    """An answer that nobody read kept a pipe, and the browser what was sent: 66 MB a minute."""
    start(page, server.url)

    def sent(samples: int) -> int:
        play(page, samples)
        run(page, "await marked.until(() => marked.recorder.status.unsavedBytes === 0);")
        return sum(process.num_fds() for process in psutil.Process(page.driver.service.process.pid).children(True))

    first, *_, last = [sent(10 * k) for k in range(2, 9)]
    finish(page)
    assert last - first < 8  # 4 streams, 6 times


def test_the_version_is_ours(page: Browser, server: WebServer) -> None:
    page.open(f"{server.url}version.js")
    assert run(page, "return (await import('/version.js')).VERSION;") == __version__


@pytest.mark.parametrize("sink", ["server", "browser"])
def test_a_picture_that_fails_makes_an_event_row(page: Browser, server: WebServer, sink: str) -> None:
    start(page, server.url, sink=sink)
    play(page, 10, skip=(18, 30))  # due, but never drawn
    page.js("marked.gl.getExtension('WEBGL_lose_context').loseContext()")
    run(page, "await marked.until(() => marked.gl.isContextLost());")
    play(page, 13)
    run(page, "marked.lost = marked.recorder.status;")
    status = finish(page)
    assert status["failed"] == 5
    files = download(page)
    ticks = [6 * i for i in range(1, 11) if 6 * i not in (18, 30)]
    others = check(files, ticks)
    for row, first, last in zip(read(files)[2], [0, *ticks], ticks, strict=False):
        # As test_keys_are_those_held_in_the_interval_and_motion_is_summed has it, since the last row with a picture.
        covered, keys = range(first + 1, last + 1), row["key_presses"]
        assert keys["mouse_dx"] == sum(t % 7 for t in covered)
        assert keys["mouse_dy"] == first - last
        assert keys["A"] == any(t % 12 == 0 for t in covered)
        assert keys["D"] == any(t % 60 < 30 for t in covered)
        assert keys["inspect"] == any(t % 24 == 1 for t in covered)
        assert keys["destroy"] == any(t % 30 == 5 for t in covered)
    failed = [row for row in others if row.get("event") == "capture_failed"]
    assert [round(row["timestamp_ms"] * 60 / 1000) for row in failed] == [18, 30, 66, 72, 78]
    assert failed[0]["reason"] == "it was not rendered"
    assert "graphics card" in failed[-1]["reason"]
    assert all(row["key_presses"]["mouse_dy"] == -6 for row in failed)


def test_a_download_in_the_middle_holds_what_was_played_so_far(page: Browser, server: WebServer) -> None:
    for sink in ("server", "browser"):
        start(page, server.url, sink=sink)
        play(page, 20)
        names = run(page, "return marked.recorder.download();")
        play(page, 30)
        wait_until(lambda names=names: all((page.downloads / name).exists() for name in names), "the downloads")
        wait_until(lambda: not list(page.downloads.glob("*.crdownload")), "the downloads' end")
        check({file: page.downloads / name for file, name in zip(FILES, names, strict=True)}, [*range(6, 121, 6)])
        for name in names:
            (page.downloads / name).unlink()
        finish(page)
        check(download(page), [*range(6, 181, 6)])


def test_the_pages_array_headers_are_numpys(page: Browser, server: WebServer) -> None:
    page.open(f"{server.url}version.js")
    shapes = [[n, *rest] for n in (0, 1, 9, 10, 599, 65536, 2**31, 2**52) for rest in ([], [128, 128, 3], [7])]
    for descr in ("|u1", "<f4"):
        made = run(
            page,
            "const { npyHeader } = await import('/npy.js');"
            "return given[1].map((one) => [...npyHeader(given[0], one)]);",
            descr,
            shapes,
        )
        for shape, header in zip(shapes, made, strict=True):
            file = io.BytesIO(bytes(header))
            assert np.lib.format.read_magic(file) == (1, 0)
            assert np.lib.format.read_array_header_1_0(file) == (tuple(shape), False, np.dtype(descr))
            assert file.tell() == len(header) == 128
    assert run(
        page,
        "const { npyHeader } = await import('/npy.js'); const tries = [[-1], [1.5], [NaN], ['1'], Array(60).fill(9)];"
        "return tries.filter((one) => { try { npyHeader('|u1', one); return true; } catch { return false; } });",
    ) == []  # fmt: skip
