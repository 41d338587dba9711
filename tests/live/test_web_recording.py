"""The page's recording in a real Chromium: what arrives is, to the byte, what was drawn and pressed."""

from __future__ import annotations

import functools
import io
import json
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from gameon_env import __version__
from gameon_env.web.server import WebServer
from gameon_env.web.server_static import STATIC
from tests.live._browser import Browser, browser, wait_until

FILES = ("metadata.json", "data.jsonl", "frames.npy", "timestamps.npy", "README.md")
SCENE = (Path(__file__).parent / "marked_scene.js").read_text()
SAMPLES = 45

Bytes = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as page:
        page.driver.set_script_timeout(120)
        yield page


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WebServer]:
    with WebServer(tmp_path / "data", port=0) as server:
        yield server


@pytest.fixture
def other_server() -> Iterator[str]:
    """A server that has the page's files and nothing else."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Http(ThreadingHTTPServer):
        daemon_threads = True

    with Http(("127.0.0.1", 0), functools.partial(Quiet, directory=STATIC)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


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
    others = check(download(page), [6 * i for i in range(1, 11) if 6 * i not in (18, 30)])
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


def test_another_server_has_the_browser_keep_it(page: Browser, other_server: str) -> None:
    prefix = start(page, other_server)
    play(page)
    status = finish(page)
    assert status["sink"] == "browser"
    assert "takes no recordings" in status["note"]
    check(download(page), [6 * (i + 1) for i in range(SAMPLES)])
    stored = run(
        page,
        "const { storedRecordings } = await import('/stored.js');"
        "return (await storedRecordings()).map(({ prefix, bytes }) => [prefix, bytes]);",
    )
    assert [prefix, SAMPLES * 49152] in [[name, bytes_ - bytes_ % 49152] for name, bytes_ in stored]
    assert run(
        page,
        "const { removeStored, storedRecordings } = await import('/stored.js'); await removeStored(given[0]);"
        "return (await storedRecordings()).some((one) => one.prefix === given[0]);",
        prefix,
    ) is False  # fmt: skip


def test_what_a_browser_kept_of_a_page_that_was_closed(page: Browser, other_server: str) -> None:
    prefix = start(page, other_server)
    play(page, 200)  # two segments and more
    run(
        page,
        "const { storedRecordings } = await import('/stored.js'); let bytes = 0;"
        "while (bytes < 8e6) bytes = (await storedRecordings()).find((one) => one.prefix === given[0]).bytes;",
        prefix,
    )
    page.open(f"{other_server}version.js")
    page.driver.execute_script(SCENE)
    page.driver.execute_script(
        "import('/stored.js').then(async ({ storedFiles }) => {"
        "  const { download } = await import('/download.js');"
        "  await download(await storedFiles(arguments[0])); });",
        prefix,
    )
    files = {file: page.downloads / f"{prefix}_{file}" for file in FILES}
    wait_until(lambda: all(path.exists() for path in files.values()), "the downloads")
    wait_until(lambda: not list(page.downloads.glob("*.crdownload")), "the downloads' end")
    kept = len(read(files)[0])
    assert kept >= 160
    check(files, [6 * (i + 1) for i in range(kept)])


def test_a_full_browser_storage_is_said_and_loses_nothing(page: Browser, other_server: str) -> None:
    page.open(f"{other_server}version.js")
    quota = {"origin": other_server.rstrip("/"), "quotaSize": 40 << 20}
    page.driver.execute_cdp_cmd("Storage.overrideQuotaForOrigin", quota)
    prefix = start(page, other_server)
    assert prefix
    quota["quotaSize"] = 10 << 20
    page.driver.execute_cdp_cmd("Storage.overrideQuotaForOrigin", quota)
    play(page, 400)
    status = finish(page)
    page.driver.execute_cdp_cmd("Storage.overrideQuotaForOrigin", {"origin": quota["origin"]})
    assert "storage is full" in status["error"]
    assert 160 <= status["samples"] < 400
    check(download(page), [6 * (i + 1) for i in range(status["samples"])])


def test_a_full_disk_is_said_and_what_came_before_is_kept(page: Browser, server: WebServer) -> None:
    start(page, server.url)
    play(page, 30)
    run(page, "await marked.until(() => marked.recorder.status.unsavedBytes === 0);")
    server.recordings.min_free_bytes = 1 << 62
    play(page, 40)
    run(page, "await marked.until(() => marked.recorder.status.error);")
    play(page, 50)
    status = finish(page)
    assert "MiB are kept free" in status["error"]
    check(download(page), [6 * (i + 1) for i in range(30)])


def test_a_page_that_is_left_has_its_recording_finished(page: Browser, server: WebServer, tmp_path: Path) -> None:
    prefix = start(page, server.url)
    play(page, 20)
    run(page, "await marked.until(() => marked.recorder.status.unsavedBytes === 0);")
    page.open("about:blank")
    folder = tmp_path / "data" / "reacture" / prefix
    wait_until(lambda: (folder / f"{prefix}_metadata.json").exists(), "the end of the recording")
    files = {file: folder / f"{prefix}_{file}" for file in FILES}
    check(files, [6 * (i + 1) for i in range(20)])
    assert read(files)[3]["game_result"]["completion_status"] == "left"


def test_two_pages_record_at_once(page: Browser, server: WebServer) -> None:
    start(page, server.url)
    play(page, 10)
    first = page.driver.current_window_handle
    page.driver.switch_to.new_window("tab")
    try:
        start(page, server.url, width=160, height=90)
        play(page, 12)
        finish(page)
        files = download(page)
    finally:
        page.driver.close()
        page.driver.switch_to.window(first)
    check(files, [6 * (i + 1) for i in range(12)], (90, 160))
    play(page, 15)
    finish(page)
    check(download(page), [6 * (i + 1) for i in range(15)])


def test_the_server_is_killed_in_the_middle_and_comes_back(page: Browser, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = "import sys; from gameon_env.web.server import serve; serve(sys.argv[1], port=int(sys.argv[2]))"
    command = [sys.executable, "-c", program, str(tmp_path / "data"), str(port)]
    url = f"http://127.0.0.1:{port}/"

    def serve() -> subprocess.Popen[bytes]:
        server = subprocess.Popen(command)
        wait_until(lambda: answers(url), "the server")
        return server

    server = serve()
    try:
        prefix = start(page, url)
        play(page, 30)
        run(page, "await marked.until(() => marked.recorder.status.unsavedBytes === 0);")
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
        play(page, 60)
        assert page.js("marked.recorder.status.samples") >= 30
        server = serve()
        play(page, 70)
        status = finish(page)
        assert (status["error"], status["samples"]) == (None, 70)
        check(download(page), [6 * (i + 1) for i in range(70)])
        assert (tmp_path / "data" / "reacture" / prefix / f"{prefix}_metadata.json").exists()

        start(page, url)  # and now it stays away
        play(page, 10)
        run(page, "await marked.until(() => marked.recorder.status.unsavedBytes === 0);")
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
        play(page, 20)
        said = run(page, "return marked.recorder.finish({}).then(() => null, (error) => error.message);")
        assert "gameon web" in said
        assert page.js("marked.recorder.status.error") == said
        server = serve()
        files = download(page)  # tries to finish again
        check(files, [6 * (i + 1) for i in range(20)])
    finally:
        server.kill()
        server.wait()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


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
