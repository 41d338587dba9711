"""Which requests the local server answers: those of its own page, on this machine, of a bounded size."""

from __future__ import annotations

import json
from email.message import Message
from http import HTTPStatus
from typing import Any, Protocol

from gameon_env.errors import GameOnError

MAX_JSON_BYTES = 256 << 10
LOCAL_NAMES = ("127.0.0.1", "localhost", "[::1]")


class RequestError(GameOnError):
    """A request is not answered; the page, or whoever sent it, is told why.

    Attributes:
        status: the HTTP status.
    """

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def check_host(headers: Message, port: int) -> None:
    """Refuse another site's name that was made to point here (DNS rebinding).

    Raises:
        RequestError: ``Host`` is not this machine's own name with our port.
    """
    asked = headers.get("Host", "")
    if asked not in _hosts(port):
        raise RequestError(
            HTTPStatus.MISDIRECTED_REQUEST,
            f"this server answers to http://127.0.0.1:{port}, not to the host {asked[:100]!r}",
        )


def check_origin(headers: Message, port: int) -> None:
    """Refuse what another site's page sends, or loads, through the player's browser.

    Raises:
        RequestError: ``Origin`` or ``Sec-Fetch-Site`` tell of another site.
    """
    origin = headers.get("Origin")
    if origin is not None and origin not in {f"http://{host}" for host in _hosts(port)}:
        raise RequestError(
            HTTPStatus.FORBIDDEN, f"only this server's own page may ask; {origin[:100]!r} is another site"
        )
    if headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
        raise RequestError(HTTPStatus.FORBIDDEN, "only this server's own page may ask; this request is another site's")


def read_body(headers: Message, stream: _Readable, content_type: str, limit: int) -> bytes:
    """The request's body.

    Args:
        content_type: what it must be; a form on another site can send none of those that are used here.
        limit: the most bytes.

    Raises:
        RequestError: it is of another type, too large, cut short, or of unknown length.
    """
    if headers.get_content_type() != content_type or "Content-Type" not in headers:
        raise RequestError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"the body must be {content_type}")
    told = headers.get("Content-Length", "")
    if "Transfer-Encoding" in headers or not (told.isascii() and told.isdecimal()):
        raise RequestError(HTTPStatus.LENGTH_REQUIRED, "the body's length must be told in Content-Length")
    length = int(told) if len(told) < 16 else limit + 1
    if length > limit:
        raise RequestError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body of {told[:20]} bytes; at most {limit} are taken"
        )
    body = stream.read(length)
    if len(body) < length:
        raise RequestError(HTTPStatus.BAD_REQUEST, f"the body ended after {len(body)} of {length} bytes")
    return body


def read_json(headers: Message, stream: _Readable) -> dict[str, Any]:
    """The request's body as a JSON object of at most ``MAX_JSON_BYTES``.

    Raises:
        RequestError: it is none.
    """
    body = read_body(headers, stream, "application/json", MAX_JSON_BYTES)
    try:
        content = json.loads(body, parse_constant=_refuse_constant)
        json.dumps(content, ensure_ascii=False).encode()  # half of a surrogate pair cannot be written into any file
    except (ValueError, RecursionError) as error:
        raise RequestError(HTTPStatus.BAD_REQUEST, f"the body is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise RequestError(HTTPStatus.BAD_REQUEST, f"the body must be a JSON object, not {type(content).__name__}")
    return content


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _hosts(port: int) -> set[str]:
    return {f"{name}:{port}" for name in LOCAL_NAMES} | (set(LOCAL_NAMES) if port == 80 else set())
