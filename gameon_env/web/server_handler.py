"""The local server's answers: the page's files, its recordings and their loader, and its scores."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from gameon_env import __version__
from gameon_env.errors import GameOnError, StorageError
from gameon_env.export.reacture_loader import NAME as LOADER
from gameon_env.export.reacture_loader import reacture_loader
from gameon_env.web.server_checks import RequestError, check_host, check_origin, read_body, read_json
from gameon_env.web.server_download import find_span, read_span
from gameon_env.web.server_recording import FILES

if TYPE_CHECKING:
    from gameon_env.web.server import HttpServer

MAX_BATCH_BYTES = 8 << 20

_LOG = logging.getLogger(__name__)
_TYPES = {".json": "application/json", ".jsonl": "application/x-ndjson", ".md": "text/markdown; charset=utf-8"}


class Handler(BaseHTTPRequestHandler):
    """One connection of the page."""

    server: HttpServer
    server_version = f"gameon-env/{__version__}"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = 60.0  # of a connection that says nothing
    _answered = False

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_HEAD(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def log_message(self, format: str, *args: Any) -> None:
        _LOG.debug(format, *args)

    def _answer(self, deed: Callable[[SplitResult], None]) -> None:
        """Do it. What is refused or fails is told in JSON; the connection ends then, for its body may wait unread."""
        self._answered = False
        try:
            check_host(self.headers, self.server.server_port)
            deed(_url(self.path))
        except RequestError as error:
            self._refuse(error.status, str(error))
        except StorageError as error:
            _LOG.warning("%s", error)
            self._refuse(HTTPStatus.INSUFFICIENT_STORAGE, str(error))
        except GameOnError as error:
            _LOG.warning("%s", error)
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
        except (ConnectionError, TimeoutError):
            self.close_connection = True  # the page went away
        except OSError as error:
            _LOG.warning("%s", error)
            self._refuse(HTTPStatus.INSUFFICIENT_STORAGE, f"the data folder cannot be used: {error}")
        except Exception as error:  # noqa: BLE001 - a request without an answer tells the page nothing
            _LOG.exception("%s %s", self.command, self.path[:200])
            self._refuse(
                HTTPStatus.INTERNAL_SERVER_ERROR, f"the server failed ({type(error).__name__}): its log says where"
            )

    def _get(self, url: SplitResult) -> None:
        path = unquote(url.path)
        if path == "/api/scores":
            check_origin(self.headers, self.server.server_port)
            self._send_json({"scores": self.server.scores.all()})
        elif path.startswith("/api/recordings/"):
            check_origin(self.headers, self.server.server_port)
            self._get_recording(path.split("/")[3:])
        elif path == f"/{LOADER}":
            named = {"Content-Disposition": f'attachment; filename="{LOADER}"'}
            self._send(reacture_loader().encode(), "text/x-python; charset=utf-8", named)
        else:
            found = self.server.static.read(path)
            self._send(found.content, found.content_type)

    def _post(self, url: SplitResult) -> None:
        check_origin(self.headers, self.server.server_port)
        words = url.path.split("/")[1:]
        if words == ["api", "scores"]:
            self._send_json({"scores": self.server.scores.add(read_json(self.headers, self.rfile))})
        elif words == ["api", "recordings"]:
            recording = self.server.recordings.begin(self._read_metadata())
            self._send_json({"id": recording.prefix, "prefix": recording.prefix}, HTTPStatus.CREATED)
        elif words[:2] == ["api", "recordings"] and len(words) == 4:
            self._post_recording(words[2], words[3], url.query)
        else:
            raise RequestError(HTTPStatus.NOT_FOUND, f"nothing can be posted to {url.path[:200]!r}")

    def _get_recording(self, words: list[str]) -> None:
        recording = self.server.recordings.find(words[0])
        if len(words) == 1:
            registrar = self.server.recordings.registrar
            told = {
                "complete": recording.complete,
                "samples": recording.samples,
                "catalogue": registrar.state(recording),
            }
            self._send_json(told)
            return
        name = words[1].removeprefix(f"{recording.prefix}_")
        pieces = recording.pieces(name) if name in FILES and len(words) == 2 else None
        if pieces is None:
            raise RequestError(
                HTTPStatus.NOT_FOUND, f"{recording.prefix} has no file {'/'.join(words[1:])[:100]!r} yet"
            )
        size = sum(piece.length for piece in pieces)
        span = find_span(self.headers.get("Range"), size)
        if span is None:
            raise RequestError(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, f"the file has {size} bytes")
        extra = {"Accept-Ranges": "bytes", "Content-Disposition": f'attachment; filename="{recording.prefix}_{name}"'}
        if span.partial:
            extra["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{size}"
        content_type = _TYPES.get(name[name.rindex(".") :], "application/octet-stream")
        status = HTTPStatus.PARTIAL_CONTENT if span.partial else HTTPStatus.OK
        self._send_head(status, content_type, span.stop - span.start, extra)
        if self.command != "HEAD":
            for block in read_span(pieces, span):
                self.wfile.write(block)

    def _post_recording(self, name: str, what: str, query: str) -> None:
        recordings = self.server.recordings
        if what == "checkpoint":
            recordings.find(name).checkpoint(self._read_metadata())
            self._send_json({})
        elif what == "snapshot":
            recordings.find(name).snapshot(self._read_metadata())
            self._send_json({})
        elif what == "finish":
            recording = recordings.finish(name, self._read_metadata())
            self._send_json({"samples": recording.samples})
        else:
            offset = _offset(query)
            data = read_body(self.headers, self.rfile, "application/octet-stream", MAX_BATCH_BYTES)
            self._send_json({"size": recordings.append(name, what, offset, data)})

    def _read_metadata(self) -> dict[str, Any]:
        metadata = read_json(self.headers, self.rfile).get("metadata")
        if not isinstance(metadata, dict):
            raise RequestError(HTTPStatus.BAD_REQUEST, "the body must hold the recording's metadata as a JSON object")
        return metadata

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        self.close_connection = True
        if self._answered:  # its head went out; the length that it told tells the reader that it was cut short
            return
        self._send_json({"error": message}, status, {"Connection": "close"})

    def _send(self, content: bytes, content_type: str, extra: Mapping[str, str] | None = None) -> None:
        self._send_head(HTTPStatus.OK, content_type, len(content), extra)
        if self.command != "HEAD":
            self.wfile.write(content)

    def _send_json(self, told: Any, status: HTTPStatus = HTTPStatus.OK, extra: Mapping[str, str] | None = None) -> None:
        content = json.dumps(told).encode()
        self._send_head(status, "application/json", len(content), {"Cache-Control": "no-store", **(extra or {})})
        if self.command != "HEAD":
            self.wfile.write(content)

    def _send_head(
        self, status: HTTPStatus, content_type: str, length: int, extra: Mapping[str, str] | None = None
    ) -> None:
        self._answered = True
        self.send_response(status)
        for name, value in {**self.server.headers, **(extra or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(length))
        self.end_headers()


def _url(path: str) -> SplitResult:
    try:
        return urlsplit(path)
    except ValueError as error:
        raise RequestError(HTTPStatus.BAD_REQUEST, f"{path[:200]!r} is no address: {error}") from error


def _offset(query: str) -> int:
    told = parse_qs(query).get("offset", [""])
    if len(told) != 1 or not (told[0].isascii() and told[0].isdecimal() and len(told[0]) < 16):
        raise RequestError(HTTPStatus.BAD_REQUEST, "say where in the stream the bytes belong: ?offset=BYTES")
    return int(told[0])
