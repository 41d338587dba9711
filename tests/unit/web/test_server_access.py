"""Who the local server answers, and what it lets nobody have."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gameon_env.errors import ServerError
from gameon_env.web.server import WebServer
from gameon_env.web.server_static import STATIC
from tests.unit.web._requests import ask, begin, post_json, send


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WebServer]:
    (tmp_path / "secret.js").write_text("secret")
    with WebServer(tmp_path / "data", port=0) as server:
        yield server


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]"])
def test_own_names(server: WebServer, name: str) -> None:
    assert ask(server, "GET", "/", headers={"Host": f"{name}:{server.port}"}).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost.evil", ""]
)
def test_other_names_are_refused(server: WebServer, host: str) -> None:
    answer = ask(server, "GET", "/", headers={"Host": host.format(port=server.port)})
    assert answer.status == 421
    assert b"127.0.0.1" in answer.body


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Origin": "https://localhost:{port}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_other_pages_are_refused(server: WebServer, headers: dict[str, str]) -> None:
    headers = {name: value.format(port=server.port) for name, value in headers.items()}
    name = begin(server)
    assert post_json(server, "/api/recordings", {"metadata": {}}, headers).status == 403
    assert ask(server, "GET", f"/api/recordings/{name}", headers=headers).status == 403
    assert ask(server, "GET", "/api/scores", headers=headers).status == 403


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_form_of_another_page_cannot_post(server: WebServer, kind: str) -> None:
    body = b'{"metadata": {}}'
    assert ask(server, "POST", "/api/recordings", body, {"Content-Type": kind}).status == 415


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.js",
        "/%2e%2e/secret.js",
        "/..%2fsecret.js",
        "/vendor/../../server.py",
        "/..\\server.py",
        "//etc/passwd",
        "/etc/passwd",
        "/vendor/%2e%2e/index.html",
        "/index.html%00.js",
        "/vendor",
        "/nothing.js",
    ],
)
def test_only_the_pages_own_files(server: WebServer, path: str) -> None:
    answer = ask(server, "GET", path)
    assert answer.status == 404
    assert b"secret" not in answer.body.replace(b"secret.js", b"")


def test_every_file_of_the_page_is_served(server: WebServer) -> None:
    for file in STATIC.rglob("*.*"):
        answer = ask(server, "GET", f"/{file.relative_to(STATIC).as_posix()}")
        if file.suffix in (".js", ".html", ".css", ".md"):
            assert (answer.status, answer.body) == (200, file.read_bytes()), file
    index = ask(server, "GET", "/")
    assert index.body == (STATIC / "index.html").read_bytes()
    assert "frame-ancestors 'none'" in index.headers["content-security-policy"]
    assert index.headers["cross-origin-opener-policy"] == "same-origin"
    assert "access-control-allow-origin" not in index.headers


def test_the_loader_is_served(server: WebServer) -> None:
    answer = ask(server, "GET", "/load_reacture_dataset.py")
    assert answer.status == 200
    assert answer.headers["content-disposition"] == 'attachment; filename="load_reacture_dataset.py"'
    scripts = Path(__file__).resolve().parents[3] / "scripts"
    assert answer.body == (scripts / "load_reacture_dataset.py").read_bytes()
    head = ask(server, "HEAD", "/load_reacture_dataset.py")
    assert (head.headers["content-length"], head.body) == (str(len(answer.body)), b"")


def test_head_has_no_body(server: WebServer) -> None:
    answer = ask(server, "HEAD", "/index.html")
    assert answer.status == 200
    assert int(answer.headers["content-length"]) == (STATIC / "index.html").stat().st_size
    assert answer.body == b""


@pytest.mark.parametrize(
    "name",
    ["..", "../data", "%2e%2e", "reacture_1", "reacture_1234567890123x", "reacture_9999999999999", "scores.json", "."],
)
def test_no_recording_but_by_its_name(server: WebServer, name: str) -> None:
    begin(server)
    assert ask(server, "GET", f"/api/recordings/{name}").status == 404
    assert send(server, name, "frames", b"x", 0).status == 404
    assert post_json(server, f"/api/recordings/{name}/finish", {"metadata": {}}).status == 404


@pytest.mark.parametrize(
    "file", ["frames.part", "checkpoint.json", "../scores.json", "metadata.json/x", "recording.lock"]
)
def test_no_file_of_a_recording_but_the_five(server: WebServer, file: str) -> None:
    name = begin(server)
    assert ask(server, "GET", f"/api/recordings/{name}/{file}").status == 404
    assert ask(server, "GET", f"/api/recordings/{name}/{name}_{file}").status == 404


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'"x"', b"{", b"\xff", b'{"metadata": 3}', b'{"metadata": NaN}', b"[" * 9999]
)
def test_what_is_no_metadata_is_refused(server: WebServer, body: bytes) -> None:
    answer = ask(server, "POST", "/api/recordings", body, {"Content-Type": "application/json"})
    assert answer.status == 400
    assert answer.json()["error"]


LONE_SURROGATE = b'{"metadata": {"player_name": "\\ud800"}}'


@pytest.mark.parametrize("body", [LONE_SURROGATE, b'{"metadata": {"\xed\xa0\x80": 1}}'])
def test_a_text_that_no_file_takes_is_refused_and_leaves_nothing(
    server: WebServer, tmp_path: Path, body: bytes
) -> None:
    told = {"Content-Type": "application/json"}
    for path in ("/api/recordings", f"/api/recordings/{begin(server)}/finish"):
        answer = ask(server, "POST", path, body, told)
        assert answer.status == 400
        assert "surrogates not allowed" in answer.json()["error"]
    assert len(list((tmp_path / "data" / "reacture").iterdir())) == 1


@pytest.mark.parametrize("path", ["http://[x", "http://[::1"])
def test_an_address_that_is_none_is_answered(server: WebServer, path: str) -> None:
    answer = ask(server, "GET", path)
    assert answer.status == 400
    assert "is no address" in answer.json()["error"]


def test_what_nobody_foresaw_is_answered_and_logged(
    server: WebServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(path: str) -> object:
        raise LookupError("something")

    monkeypatch.setattr(server._http.static, "read", fails)
    with caplog.at_level(logging.ERROR):
        answer = ask(server, "GET", "/index.html")
    assert answer.status == 500
    assert "LookupError" in answer.json()["error"]
    assert "GET /index.html" in caplog.text
    assert "LookupError: something" in caplog.text
    assert ask(server, "GET", "/api/scores").status == 200


def test_bodies_are_bounded(server: WebServer) -> None:
    name = begin(server)
    octets = {"Content-Type": "application/octet-stream"}
    path = f"/api/recordings/{name}/frames?offset=0"
    assert ask(server, "POST", path, None, {**octets, "Content-Length": str(9 << 20)}).status == 413
    assert ask(server, "POST", path, None, {**octets, "Content-Length": "9" * 400}).status == 413
    assert ask(server, "POST", path, None, {**octets, "Content-Length": "-1"}).status == 411
    assert ask(server, "POST", path, None, octets).status == 411
    assert ask(server, "POST", path, None, {**octets, "Transfer-Encoding": "chunked"}).status == 411
    many = {"Content-Type": "application/json", "Content-Length": str(1 << 20)}
    assert ask(server, "POST", "/api/recordings", None, many).status == 413


@pytest.mark.parametrize(
    "query", ["", "?offset=", "?offset=-1", "?offset=x", "?offset=1&offset=2", "?offset=" + "9" * 99]
)
def test_an_offset_is_a_number(server: WebServer, query: str) -> None:
    name = begin(server)
    octets = {"Content-Type": "application/octet-stream"}
    assert ask(server, "POST", f"/api/recordings/{name}/frames{query}", b"x", octets).status == 400


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_other_methods_are_not_known(server: WebServer, method: str) -> None:
    assert ask(server, method, "/api/scores").status == 501


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ServerError, match=f"port {port} is taken.*gameon web --port"):
            WebServer(tmp_path, port=port)


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::", "example.org"])
def test_only_this_machine_is_served(tmp_path: Path, host: str) -> None:
    with pytest.raises(ServerError, match="this machine only"):
        WebServer(tmp_path, host=host, port=0)


def test_a_port_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="from 0 to 65535"):
        WebServer(tmp_path, port=70000)


def test_scores(server: WebServer, tmp_path: Path) -> None:
    assert ask(server, "GET", "/api/scores").json() == {"scores": []}
    for score in (10, 30, 20):
        told = {"name": " Ann ", "environment": "tsunami", "score": score, "seed": 7, "extra": "x"}
        assert post_json(server, "/api/scores", told).status == 200
    scores = ask(server, "GET", "/api/scores").json()["scores"]
    assert [(each["name"], each["score"]) for each in scores] == [("Ann", 30), ("Ann", 20), ("Ann", 10)]
    for i in range(60):
        told = {"name": "Bo", "environment": "wildfire", "score": i, "seed": i}
        assert post_json(server, "/api/scores", told).status == 200
    scores = ask(server, "GET", "/api/scores").json()["scores"]
    assert len(scores) == 53
    assert min(each["score"] for each in scores if each["name"] == "Bo") == 10


@pytest.mark.parametrize("name", ["می\u200cخواهم", "👩\u200d🚒", "Jean\u00a0Luc", "🚒" * 24, "<b>"])
def test_a_name_in_any_script_is_kept(server: WebServer, name: str) -> None:
    told = {"name": name, "environment": "tsunami", "score": 1, "seed": 7}
    assert post_json(server, "/api/scores", told).json()["scores"][0]["name"] == name
    assert ask(server, "GET", "/api/scores").json()["scores"][0]["name"] == name


@pytest.mark.parametrize(
    "wrong",
    [
        {"score": "9"},
        {"score": True},
        {"score": -1},
        {"score": 1e400},
        {"name": ""},
        {"name": "x" * 65},
        {"name": "a\nb"},
        {"name": "a\x9bb"},
        {"name": "a\u202eb"},
        {"name": "a\u2067b"},
        {"name": "a\ud83d"},
        {"name": "\u00a0"},
        {"name": 3},
        {"environment": "moon"},
        {"seed": None},
    ],
)
def test_what_is_no_score_is_refused(server: WebServer, wrong: dict[str, object]) -> None:
    told = {"name": "Ann", "environment": "tsunami", "score": 1, "seed": 7, **wrong}
    assert post_json(server, "/api/scores", told).status == 400
    assert ask(server, "GET", "/api/scores").json() == {"scores": []}


def test_a_damaged_score_file_is_said_and_left(server: WebServer, tmp_path: Path) -> None:
    path = tmp_path / "data" / "reacture" / "scores.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("no")
    assert "scores.json" in ask(server, "GET", "/api/scores").json()["error"]
    assert path.read_text() == "no"
