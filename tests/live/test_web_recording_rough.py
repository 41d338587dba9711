"""The page's recording where something fails: nothing that was recorded is lost, and the player is told."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gameon_env.export.reacture import ReActureDataset
from gameon_env.web.server import WebServer
from gameon_env.web.server_static import STATIC
from tests.live._browser import Browser, browser, wait_until
from tests.live._marked_play import FILES, SAMPLES, SCENE, check, download, finish, play, read, run, start


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


def test_a_browser_that_lets_pages_write_no_files_keeps_blobs(page: Browser, other_server: str) -> None:
    script = page.driver.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": "delete FileSystemFileHandle.prototype.createWritable"}
    )
    try:
        start(page, other_server)
        play(page, 200)  # two segments and more
        status = finish(page)
        assert (status["sink"], status["error"]) == ("browser", None)
        check(download(page), [6 * (i + 1) for i in range(200)])
        assert run(page, "return (await (await import('/stored.js')).storedRecordings()).length;") == 0
    finally:
        page.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


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


def test_the_menu_offers_what_the_browser_kept(page: Browser, other_server: str) -> None:
    prefix = start(page, other_server)
    play(page)
    finish(page)
    page.open(other_server)
    line = f"#shelf-list li:has([aria-label*='{prefix}'])"
    page.wait_for(f"document.querySelector({line!r}) !== null")
    assert re.search(r"Tsunami, .*, 2\.\d MB", page.js(f"document.querySelector({line!r}).textContent"))
    page.js(f"document.querySelector('[aria-label=\"Download Data: {prefix}\"]').click()")
    for file in FILES:
        page.wait_file(f"{prefix}_{file}")
    check({file: page.downloads / f"{prefix}_{file}" for file in FILES}, [6 * (i + 1) for i in range(SAMPLES)])
    page.js("window.confirm = () => true")
    page.js("localStorage.setItem('reacture.player', JSON.stringify('ada'))")
    page.js(f"document.querySelector('[aria-label=\"Remove: {prefix}\"]').click()")
    page.wait_for(f"document.querySelector({line!r}) === null")
    assert page.js("window.reacture.errors") == []


def test_a_recording_that_broke_off_at_its_first_words_hides_no_other(page: Browser, other_server: str) -> None:
    prefix = start(page, other_server)
    play(page)
    finish(page)
    left = "reacture_1700000000000"  # as a page leaves it that is closed before these bytes are written
    run(
        page,
        "const root = await navigator.storage.getDirectory();"
        "const folder = await (await root.getDirectoryHandle('reacture')).getDirectoryHandle(given[0], {create: true});"
        "await folder.getFileHandle('metadata.json', {create: true});",
        left,
    )
    page.open(other_server)
    for one in (prefix, left):
        page.wait_for(f"document.querySelector('[aria-label=\"Download Data: {one}\"]') !== null")
    page.js("window.confirm = () => true")
    page.js(f"document.querySelector('[aria-label=\"Remove: {left}\"]').click()")
    page.wait_for(f"document.querySelector('[aria-label=\"Remove: {left}\"]') === null")
    assert page.js("window.reacture.errors") == []


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


NOISE = """
  const kinds = { getImageData: OffscreenCanvasRenderingContext2D, readPixels: WebGL2RenderingContext };
  for (const [name, kind] of Object.entries(kinds)) {
    const read = kind.prototype[name];
    kind.prototype[name] = function (...given) {
      const answer = read.apply(this, given);
      const pixels = answer?.data ?? given.at(-1);
      if (!falsified.includes(name)) return answer;
      for (let i = 0; i < pixels.length; i++) pixels[i] = (i * 89) % 251;
      return answer;
    };
  }
"""
"""As a browser does that resists fingerprinting."""


@pytest.mark.parametrize("falsified", [["getImageData"], ["getImageData", "readPixels"]])
def test_no_noise_is_recorded_in_place_of_the_picture(page: Browser, server: WebServer, falsified: list[str]) -> None:
    script = page.driver.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": f"{{ const falsified = {falsified}; {NOISE} }}"}
    )
    try:
        if len(falsified) == 1:
            start(page, server.url)
            play(page)
            assert finish(page)["method"] == "page"
            check(download(page), [6 * (i + 1) for i in range(SAMPLES)])
            return
        page.open(f"{server.url}?kiosk=1&start=1&record=1&seed=7&quality=lowest&environment=tsunami")
        page.wait_state("playing")
        page.wait_for(
            "document.querySelector('#said').textContent.includes('This game is not recorded: this browser fals')"
        )
        assert not list((server.recordings.folder).glob("reacture_*"))
    finally:
        page.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


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


@pytest.mark.parametrize("interruption", ["the page", "the server"])
def test_the_rest_of_a_game_is_another_recording(page: Browser, tmp_path: Path, interruption: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    samples = "window.reacture.recorder?.status.samples"
    with contextlib.ExitStack() as servers:
        servers.enter_context(WebServer(tmp_path / "data", port=port))
        page.open(f"http://127.0.0.1:{port}/?kiosk=1&start=1&record=1&seed=7&quality=lowest&environment=tsunami")
        page.wait_for(f"{samples} > 15")
        if interruption == "the page":
            page.driver.back()
            page.wait_for("!window.reacture")
            page.driver.forward()
            page.wait_state("paused")
            page.js("document.querySelector('#resume').click()")
        else:
            servers.close()
            servers.enter_context(WebServer(tmp_path / "data", port=port))
        first = sorted((tmp_path / "data" / "reacture").glob("reacture_*"))[0].name
        page.wait_for(f"window.reacture.recorder && window.reacture.recorder.prefix !== {first!r} && {samples} > 15")
        page.wait_for(f"document.querySelector('#said').textContent.includes('so far is kept as {first}')")
        page.tap("key:escape")
        page.wait_state("paused")
        page.js("document.querySelector('#leave').click()")
        page.wait_for("document.querySelector('#screen-over [data-recording]').textContent.startsWith('Recorded: ')")
    before, after = sorted((tmp_path / "data" / "reacture").glob("reacture_*"))
    one, rest = (ReActureDataset(folder) for folder in (before, after))
    assert one.repairs == rest.repairs == ()
    assert "game_start" in {row.get("event") for row in one.other_rows()}
    ends = {row.get("event") for row in rest.other_rows()}
    assert "game_end" in ends
    assert "game_start" not in ends
    assert one.frame_timestamps[-1] < rest.frame_timestamps[0]
    for part in (one, rest):
        assert (np.diff(part.frame_timestamps) == 100).all()
    started = [datetime.fromisoformat(part.metadata["start_time"]) for part in (one, rest)]
    assert abs((started[1] - started[0]).total_seconds()) < 60


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


def test_a_server_that_is_stopped_is_not_waited_for_for_ever(page: Browser, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = "import sys; from gameon_env.web.server import serve; serve(sys.argv[1], port=int(sys.argv[2]))"
    server = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "data"), str(port)])
    url = f"http://127.0.0.1:{port}/"
    try:
        wait_until(lambda: answers(url), "the server")
        start(page, url)
        play(page, 20)
        os.kill(server.pid, signal.SIGSTOP)
        said = run(page, "return marked.recorder.finish({}).then(() => null, (error) => error.message);")
        assert "does not answer" in said
        os.kill(server.pid, signal.SIGCONT)
        check(download(page), [6 * (i + 1) for i in range(20)])
    finally:
        server.kill()
        server.wait()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False
