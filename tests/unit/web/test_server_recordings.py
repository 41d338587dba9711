"""Recordings that arrive in batches: doubled, broken off, left, found again, and what becomes of them."""

from __future__ import annotations

import json
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gameon_env.export.reacture_import import import_reacture
from gameon_env.recording.catalogue import Catalogue
from gameon_env.recording.model import Who
from gameon_env.web import server_catalogue, server_recordings
from gameon_env.web.server import WebServer
from tests.unit.web._requests import METADATA, ask, begin, event, frame, post_json, row, send, send_samples

FILES = ("metadata.json", "data.jsonl", "frames.npy", "timestamps.npy", "README.md")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WebServer]:
    with WebServer(tmp_path / "data", port=0) as server:
        yield server


def finish(server: WebServer, name: str) -> None:
    assert post_json(server, f"/api/recordings/{name}/finish", {"metadata": METADATA}).status == 200


def check_files(folder: Path, samples: int, others: int = 0) -> dict[str, Any]:
    """All five are there and agree. Returns the metadata."""
    prefix = folder.name
    frames = np.load(folder / f"{prefix}_frames.npy", mmap_mode="r")
    timestamps = np.load(folder / f"{prefix}_timestamps.npy", mmap_mode="r")
    lines = (folder / f"{prefix}_data.jsonl").read_bytes().splitlines(keepends=True)
    assert frames.shape == (samples, 128, 128, 3)
    assert frames.dtype == np.uint8
    assert timestamps.dtype == np.float32
    assert timestamps.tolist() == [100 * (i + 1) for i in range(samples)]
    assert lines[:samples] == [row(i) for i in range(samples)]
    assert len(lines) == samples + others
    for i in range(samples):
        assert frames[i].tobytes() == frame(i)
    metadata: dict[str, Any] = json.loads((folder / f"{prefix}_metadata.json").read_text())
    assert metadata["session_id"] == prefix
    assert metadata["data_stats"]["total_frames"] == samples
    assert metadata["data_stats"]["total_samples"] + metadata["data_stats"]["actions_logged"] == samples + others
    readme = (folder / f"{prefix}_README.md").read_text()
    assert f"({samples}, 128, 128, 3)" in readme
    assert "{{" not in readme
    left = {path.name for path in folder.iterdir()} - {f"{prefix}_{name}" for name in FILES} - {"catalogue.txt"}
    assert left == set()
    return metadata


def wait_for(seen: Callable[[], object]) -> None:
    for _ in range(1200):
        if seen():
            return
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def test_five_files(server: WebServer, tmp_path: Path) -> None:
    name = begin(server)
    assert send(server, name, "events", event("game_start"), 0).status == 200
    send_samples(server, name, 0, 12)
    send_samples(server, name, 12, 20)
    action = b'{"type": "player_action", "action": "rescue"}\n'
    assert send(server, name, "events", action + event("game_end"), len(event("game_start"))).status == 200
    finish(server, name)
    metadata = check_files(tmp_path / "data" / "reacture" / name, 20, others=3)
    assert metadata["data_stats"]["actions_logged"] == 1
    assert metadata["game_result"] == METADATA["game_result"]
    header = (tmp_path / "data" / "reacture" / name / f"{name}_frames.npy").read_bytes()[:128]
    assert header[:8] == b"\x93NUMPY\x01\x00"
    assert header.endswith(b"\n")
    assert b"'descr': '|u1', 'fortran_order': False, 'shape': (20, 128, 128, 3)" in header


def test_a_batch_that_is_sent_again_changes_nothing(server: WebServer, tmp_path: Path) -> None:
    name = begin(server)
    for _ in range(3):
        send_samples(server, name, 0, 3)
    whole = b"".join(frame(i) for i in range(6))
    assert send(server, name, "frames", whole[:70_000], 0).json() == {"size": 3 * len(frame(0))}
    assert send(server, name, "frames", whole[100_000:], 100_000).json() == {"size": 6 * len(frame(0))}
    send_samples(server, name, 3, 6)
    finish(server, name)
    finish(server, name)  # its answer was lost
    check_files(tmp_path / "data" / "reacture" / name, 6)


def test_a_gap_is_refused(server: WebServer) -> None:
    name = begin(server)
    answer = send(server, name, "frames", frame(1), len(frame(0)))
    assert answer.status == 409
    assert "cannot come yet" in answer.json()["error"]
    assert send(server, name, "pictures", b"x", 0).status == 404


def test_a_complete_recording_takes_no_more(server: WebServer) -> None:
    name = begin(server)
    send_samples(server, name, 0, 2)
    finish(server, name)
    assert send(server, name, "frames", frame(2), 2 * len(frame(0))).status == 409
    assert post_json(server, f"/api/recordings/{name}/checkpoint", {"metadata": {}}).status == 200
    assert ask(server, "GET", f"/api/recordings/{name}").json()["samples"] == 2


@pytest.mark.parametrize(("frames", "times", "rows", "whole"), [(5, 4, 3, 3), (2, 4, 4, 2), (4, 1, 4, 1), (0, 4, 4, 0)])
def test_only_whole_samples_are_kept(
    server: WebServer, tmp_path: Path, frames: int, times: int, rows: int, whole: int
) -> None:
    name = begin(server)
    send(server, name, "frames", b"".join(frame(i) for i in range(frames)) + b"\x01" * 999, 0)
    send(server, name, "timestamps", np.array([100 * (i + 1) for i in range(times)], "<f4").tobytes() + b"xy", 0)
    send(server, name, "rows", b"".join(row(i) for i in range(rows)) + b'{"cut', 0)
    send(server, name, "events", event("game_start") + b'{"cut', 0)
    finish(server, name)
    check_files(tmp_path / "data" / "reacture" / name, whole, others=1)


def test_the_files_so_far_are_those_of_the_snapshot(server: WebServer, tmp_path: Path) -> None:
    name = begin(server)
    send_samples(server, name, 0, 3)
    assert ask(server, "GET", f"/api/recordings/{name}/{name}_frames.npy").status == 404
    assert post_json(server, f"/api/recordings/{name}/snapshot", {"metadata": METADATA}).status == 200
    send_samples(server, name, 3, 5)  # the game goes on while the browser fetches
    so_far = tmp_path / name
    so_far.mkdir()
    for file in FILES:
        answer = ask(server, "GET", f"/api/recordings/{name}/{name}_{file}")
        assert answer.status == 200
        assert answer.headers["content-disposition"] == f'attachment; filename="{name}_{file}"'
        (so_far / f"{name}_{file}").write_bytes(answer.body)
    check_files(so_far, 3)
    finish(server, name)
    check_files(tmp_path / "data" / "reacture" / name, 5)


def test_a_download_that_was_broken_off_goes_on(server: WebServer) -> None:
    name = begin(server)
    send_samples(server, name, 0, 30)
    finish(server, name)
    path = f"/api/recordings/{name}/{name}_frames.npy"
    whole = ask(server, "GET", path).body
    assert len(whole) == 128 + 30 * 49152
    rest = ask(server, "GET", path, headers={"Range": "bytes=100-"})
    assert (rest.status, rest.body) == (206, whole[100:])
    assert rest.headers["content-range"] == f"bytes 100-{len(whole) - 1}/{len(whole)}"
    assert ask(server, "GET", path, headers={"Range": "bytes=-7"}).body == whole[-7:]
    assert ask(server, "GET", path, headers={"Range": "bytes=5-9"}).body == whole[5:10]
    assert ask(server, "GET", path, headers={"Range": f"bytes={len(whole)}-"}).status == 416
    assert ask(server, "GET", path, headers={"Range": "lines=1-2"}).body == whole
    assert ask(server, "GET", path, headers={"Range": "bytes=9-5"}).body == whole


def test_a_reader_that_goes_away_harms_nobody(server: WebServer) -> None:
    import socket

    name = begin(server)
    send_samples(server, name, 0, 150)
    finish(server, name)
    with socket.create_connection(("127.0.0.1", server.port)) as reader:
        reader.sendall(
            f"GET /api/recordings/{name}/{name}_frames.npy HTTP/1.1\r\nHost: localhost:{server.port}\r\n\r\n".encode()
        )
        assert reader.recv(1000)
    assert len(ask(server, "GET", f"/api/recordings/{name}/{name}_frames.npy").body) == 128 + 150 * 49152


def killed(data_dir: Path, copy_to: Path) -> None:
    """The data folder as a killed server leaves it: what is there now, without the lock of a living process."""
    shutil.copytree(data_dir, copy_to, ignore=shutil.ignore_patterns("recording.lock*", "gameon.db*"))


def make_old(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (time.time() - 10_000,) * 2)


def test_what_a_killed_server_left_is_completed(server: WebServer, tmp_path: Path) -> None:
    name = begin(server)
    send_samples(server, name, 0, 7)
    told = {**METADATA, "game_result": {"victims_total": 3, "victims_saved": 2, "completion_status": "left"}}
    assert post_json(server, f"/api/recordings/{name}/checkpoint", {"metadata": told}).status == 200
    send(server, name, "frames", frame(7), 7 * len(frame(0)))
    killed(tmp_path / "data", tmp_path / "later")
    make_old(tmp_path / "later" / "reacture" / name)
    with WebServer(tmp_path / "later", port=0) as later:
        assert later.completed == [f"{name}: completed, 7 samples"]
        metadata = check_files(tmp_path / "later" / "reacture" / name, 7)
        answer = send(later, name, "frames", frame(8), 8 * len(frame(0)))
        assert answer.status == 409
    assert metadata["game_result"]["completion_status"] == "interrupted"
    assert metadata["game_result"]["victims_saved"] == 2
    assert metadata["game_result"]["final_health"] == 90
    assert metadata["duration_s"] == 0.7
    assert metadata["end_time"] == json.loads(row(6))["timestamp"]


def test_a_page_goes_on_with_the_next_server(server: WebServer, tmp_path: Path) -> None:
    name = begin(server)
    send_samples(server, name, 0, 4)
    killed(tmp_path / "data", tmp_path / "later")
    with WebServer(tmp_path / "later", port=0) as later:
        assert "waits 60 s" in later.completed[0]
        send_samples(later, name, 2, 9)
        finish(later, name)
        check_files(tmp_path / "later" / "reacture" / name, 9)


def test_a_page_that_does_not_come_back_is_waited_for_only_so_long(server: WebServer, tmp_path: Path) -> None:
    name = begin(server)
    send_samples(server, name, 0, 4)
    killed(tmp_path / "data", tmp_path / "later")
    folder = tmp_path / "later" / "reacture" / name
    with WebServer(tmp_path / "later", port=0, grace_s=0.2):
        wait_for(lambda: (folder / f"{name}_metadata.json").exists())
    check_files(folder, 4)


def test_pages_that_come_back_while_another_recording_is_completed(
    server: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [begin(server) for _ in range(3)]
    for name in names:
        send_samples(server, name, 0, 4)
    killed(tmp_path / "data", tmp_path / "later")
    complete = server_recordings.Recordings._complete
    completed: list[str] = []
    goes_on = threading.Event()

    def slow(self: Any, recording: Any) -> str | None:
        completed.append(recording.prefix)
        goes_on.wait(10)
        return complete(self, recording)

    monkeypatch.setattr(server_recordings.Recordings, "_complete", slow)
    with WebServer(tmp_path / "later", port=0, grace_s=0.2) as later:
        wait_for(lambda: bool(completed))
        for name in set(names) - set(completed):
            finish(later, name)
        goes_on.set()
        wait_for(lambda: (tmp_path / "later" / "reacture" / completed[0] / f"{completed[0]}_metadata.json").exists())
    assert len(completed) == 1
    for name in names:
        check_files(tmp_path / "later" / "reacture" / name, 4)


def test_a_finish_that_was_killed_is_finished(server: WebServer, tmp_path: Path) -> None:
    name = begin(server)
    send_samples(server, name, 0, 4)
    killed(tmp_path / "data", tmp_path / "later")
    finish(server, name)
    done, later = tmp_path / "data" / "reacture" / name, tmp_path / "later" / "reacture" / name
    for file in ("frames.npy", "timestamps.npy", "data.jsonl"):  # these were made, metadata.json was not yet
        shutil.copy(done / f"{name}_{file}", later)
        (later / f"{file.removesuffix('.npy')}.part").unlink(missing_ok=True)
    make_old(later)
    with WebServer(tmp_path / "later", port=0):
        check_files(later, 4)


def test_the_end_of_the_server_completes_what_is_open(tmp_path: Path) -> None:
    with WebServer(tmp_path, port=0) as server:
        name, empty = begin(server), begin(server)
        send_samples(server, name, 0, 4)
        assert name != empty
    check_files(tmp_path / "reacture" / name, 4)
    assert not (tmp_path / "reacture" / empty).exists()


def test_a_row_that_no_text_file_takes_is_completed_too(tmp_path: Path) -> None:
    with WebServer(tmp_path, port=0) as server:
        name = begin(server)
        send_samples(server, name, 0, 2)
        odd = row(2).replace(b"2026-01-01T00:00:00.200Z", b"\\ud800")
        send(server, name, "rows", odd, len(row(0) + row(1)))
        send(server, name, "frames", frame(2), 2 * len(frame(0)))
        send(server, name, "timestamps", np.array([300], "<f4").tobytes(), 8)
    folder = tmp_path / "reacture" / name
    metadata = json.loads((folder / f"{name}_metadata.json").read_text("utf-8"))
    assert metadata["end_time"] == "\ud800"
    assert metadata["data_stats"]["total_frames"] == 3
    assert "?" in (folder / f"{name}_README.md").read_text("utf-8")
    assert (folder / "catalogue.txt").read_text("utf-8") == "registered"


def test_two_servers_on_one_folder_leave_each_other_alone(server: WebServer, tmp_path: Path) -> None:
    name = begin(server)
    send_samples(server, name, 0, 2)
    make_old(tmp_path / "data" / "reacture" / name)
    with WebServer(tmp_path / "data", port=0) as other:
        assert other.completed == []
        assert ask(other, "GET", f"/api/recordings/{name}").status != 200
        mine = begin(other)
        assert mine != name
    send_samples(server, name, 2, 5)
    finish(server, name)
    check_files(tmp_path / "data" / "reacture" / name, 5)


def test_a_full_disk(tmp_path: Path) -> None:
    with WebServer(tmp_path, port=0) as server:
        name = begin(server)
        send_samples(server, name, 0, 3)
        server.recordings.min_free_bytes = 1 << 62
        answer = send(server, name, "frames", frame(3), 3 * len(frame(0)))
        assert answer.status == 507
        assert "MiB are kept free" in answer.json()["error"]
        assert post_json(server, "/api/recordings", {"metadata": METADATA}).status == 507
        finish(server, name)
        check_files(tmp_path / "reacture" / name, 3)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "reacture").write_text("a file")
    with WebServer(tmp_path / "data", port=0) as server:
        answer = post_json(server, "/api/recordings", {"metadata": METADATA})
        assert answer.status == 507
        assert "reacture" in answer.json()["error"]


def test_so_many_at_once_and_no_more(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {begin(server) for _ in range(server_recordings.MAX_OPEN)}
    assert len(names) == server_recordings.MAX_OPEN
    assert post_json(server, "/api/recordings", {"metadata": METADATA}).status == 429
    monkeypatch.setattr(server_recordings, "RECENT_S", 0)
    assert begin(server) not in names


def test_a_recording_is_bounded(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    name = begin(server)
    send_samples(server, name, 0, 2)
    monkeypatch.setattr(server_recordings, "MAX_RECORDING_BYTES", 2 * 49152)
    assert send(server, name, "frames", frame(2), 2 * 49152).status == 413
    finish(server, name)


def test_a_finished_one_is_registered_in_the_catalogue_or_says_why_not(server: WebServer, tmp_path: Path) -> None:
    good, bad = begin(server), begin(server)
    send_samples(server, good, 0, 2)
    send_samples(server, bad, 0, 2)
    send(server, bad, "rows", b"x" * len(row(0)), 0)
    told = {}
    for name in (good, bad):
        finish(server, name)
        wait_for(lambda name=name: ask(server, "GET", f"/api/recordings/{name}").json()["catalogue"] != "pending")
        told[name] = ask(server, "GET", f"/api/recordings/{name}").json()
    assert told[good] == {"complete": True, "samples": 2, "catalogue": "registered"}
    assert told[bad]["catalogue"].startswith("not in the catalogue: ")
    with Catalogue(tmp_path / "data") as catalogue:
        assert len(catalogue.sessions()) == 1


def test_a_game_that_was_left_at_once_is_told_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        with WebServer(tmp_path / "data", port=0) as server:
            name = begin(server)
            send(server, name, "events", event("game_start"), 0)
            finish(server, name)
            wait_for(lambda: ask(server, "GET", f"/api/recordings/{name}").json()["catalogue"] != "pending")
            told = ask(server, "GET", f"/api/recordings/{name}").json()
        with WebServer(tmp_path / "data", port=0) as server:
            assert server.completed == []
    assert told == {"complete": True, "samples": 0, "catalogue": "not in the catalogue: it has no frame"}
    assert caplog.text == ""


def test_a_recording_that_cannot_be_written_keeps_nobody_from_playing(server: WebServer, tmp_path: Path) -> None:
    folder = tmp_path / "other" / "reacture" / "reacture_1731177600000"
    (folder / "recording.lock").mkdir(parents=True)  # as root in a test no folder is forbidden
    with WebServer(tmp_path / "other", port=0) as other:
        (said,) = other.completed
        assert said.startswith("reacture_1731177600000: cannot be completed: ")
        name = begin(other)
        send_samples(other, name, 0, 2)
        finish(other, name)
        check_files(tmp_path / "other" / "reacture" / name, 2)


def test_the_catalogue_is_told_that_an_agent_played(tmp_path: Path) -> None:
    with WebServer(tmp_path / "data", port=0, who="agent") as server:
        name = begin(server)
        send_samples(server, name, 0, 2)
        finish(server, name)
    with Catalogue(tmp_path / "data") as catalogue:
        assert [session.who for session in catalogue.sessions()] == ["agent"]


def test_what_nobody_foresaw_in_one_recording_ends_not_the_others(
    server: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = begin(server), begin(server)

    def fails_once(path: Path, data_dir: Path, *, who: Who) -> object:
        if bad in str(path):
            raise OverflowError("date value out of range")
        return import_reacture(path, data_dir, who=who)

    monkeypatch.setattr(server_catalogue, "import_reacture", fails_once)
    told = {}
    with caplog.at_level(logging.ERROR):
        for name in (bad, good):
            send_samples(server, name, 0, 2)
            finish(server, name)
            wait_for(lambda name=name: ask(server, "GET", f"/api/recordings/{name}").json()["catalogue"] != "pending")
            told[name] = ask(server, "GET", f"/api/recordings/{name}").json()["catalogue"]
    assert told[bad].startswith("not in the catalogue: OverflowError: date value out of range")
    assert told[good] == "registered"
    assert f"{bad}: not in the catalogue" in caplog.text
    assert "Traceback" in caplog.text
