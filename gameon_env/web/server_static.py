"""The page's own files, and the headers that keep the page to itself."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from gameon_env.web.server_checks import RequestError

STATIC = Path(__file__).parent / "static"

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".wav": "audio/wav",
    ".glb": "model/gltf-binary",
}

_INLINE_SCRIPT = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.DOTALL)


@dataclass(frozen=True)
class StaticFile:
    """One file of the page."""

    content: bytes
    content_type: str


class StaticFiles:
    """The files below ``folder``; nothing else can be named."""

    def __init__(self, folder: Path = STATIC) -> None:
        self._folder = folder

    def read(self, path: str) -> StaticFile:
        """The file that a URL's path names.

        Args:
            path: decoded, without the query.

        Raises:
            RequestError: there is no such file of the page.
        """
        name = path.removeprefix("/") or "index.html"
        # Looked up among what there is, instead of joined: no name can lead out of the folder.
        files = {file.relative_to(self._folder).as_posix(): file for file in self._folder.rglob("*") if file.is_file()}
        file = files.get(name)
        if file is None or file.suffix not in _TYPES or file.is_symlink():
            raise RequestError(HTTPStatus.NOT_FOUND, f"the page has no file {path[:200]!r}")
        return StaticFile(file.read_bytes(), _TYPES[file.suffix])

    def page_headers(self) -> dict[str, str]:
        """What each answer carries: the page loads from this server alone and is embedded nowhere."""
        index = self._folder / "index.html"
        inline = _INLINE_SCRIPT.findall(index.read_text("utf-8")) if index.is_file() else []
        hashes = "".join(f" 'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in inline)
        return {
            "Content-Security-Policy": (
                f"default-src 'self'; script-src 'self'{hashes}; style-src 'self' 'unsafe-inline'; "
                "img-src 'self' data: blob:; media-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
                "form-action 'self'; frame-ancestors 'none'"
            ),
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Embedder-Policy": "require-corp",
            "Cross-Origin-Resource-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-cache",
        }
