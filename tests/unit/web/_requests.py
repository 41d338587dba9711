"""Requests as a browser sends them, and as one that is up to something would."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

import numpy as np

from gameon_env.web.server import WebServer

METADATA: dict[str, Any] = {
    "format_version": 1,
    "generator": "gameon-env 0",
    "start_time": "2026-01-01T00:00:00.000Z",
    "end_time": "2026-01-01T00:00:00.000Z",
    "duration_s": 0,
    "sampling_rate_hz": 10,
    "key_interval": "before",
    "player_id": "ann",
    "player_name": "Ann",
    "robot_model": "rescue robot",
    "environment": "earthquake",
    "environment_name": "Collapsed City",
    "seed": 7,
    "game_result": {"victims_total": 3, "victims_saved": 1, "completion_status": "time_up"},
    "data_stats": {"total_samples": 0, "total_frames": 0, "actions_logged": 0, "captures_failed": 0},
    "frames": {"content_boxes": []},
}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    server: WebServer, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> Answer:
    """One request; ``headers`` replace those that a browser on our own page would send, an empty value removes one."""
    sent = {"Host": f"localhost:{server.port}"}
    if method == "POST":
        sent["Origin"] = f"http://localhost:{server.port}"
    sent |= headers or {}
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    if body is not None and "Content-Length" not in sent:
        sent["Content-Length"] = str(len(body))
    for name, value in sent.items():
        if value:
            connection.putheader(name, value)
    connection.endheaders(body)
    response = connection.getresponse()
    answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    connection.close()
    return answer


def post_json(server: WebServer, path: str, content: Any, headers: dict[str, str] | None = None) -> Answer:
    told = {"Content-Type": "application/json", **(headers or {})}
    return ask(server, "POST", path, json.dumps(content).encode(), told)


def begin(server: WebServer) -> str:
    """A new recording's id."""
    answer = post_json(server, "/api/recordings", {"metadata": METADATA})
    assert answer.status == 201, answer.body
    return str(answer.json()["id"])


def send(server: WebServer, name: str, stream: str, data: bytes, offset: int) -> Answer:
    path = f"/api/recordings/{name}/{stream}?offset={offset}"
    return ask(server, "POST", path, data, {"Content-Type": "application/octet-stream"})


def frame(i: int) -> bytes:
    return np.full((128, 128, 3), i % 251, np.uint8).tobytes()


def row(i: int) -> bytes:
    told = {
        "type": "robot_state",
        "timestamp": f"2026-01-01T00:00:{i // 10:02d}.{i % 10}00Z",
        "timestamp_ms": 100 * (i + 1),
        "time_elapsed_s": (i + 1) / 10,
        "event": "periodic_update_10hz",
        "health": 90,
        "fuel": 80,
        "visual_frame_path": f"frames.npy[{i}]",
    }
    return json.dumps(told).encode() + b"\n"


def event(name: str) -> bytes:
    return json.dumps({"type": "robot_state", "event": name}).encode() + b"\n"


def send_samples(server: WebServer, name: str, first: int, last: int) -> None:
    """Samples ``first`` to ``last`` (not included), all whole."""
    numbers = range(first, last)
    sizes = (128 * 128 * 3, 4)
    rows_before = sum(len(row(i)) for i in range(first))
    frames = b"".join(frame(i) for i in numbers)
    times = np.array([100 * (i + 1) for i in numbers], "<f4").tobytes()
    assert send(server, name, "frames", frames, first * sizes[0]).status == 200
    assert send(server, name, "timestamps", times, first * sizes[1]).status == 200
    assert send(server, name, "rows", b"".join(row(i) for i in numbers), rows_before).status == 200
