"""The browser game's server: on this machine alone, with the page's files, its recordings and its scores."""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

from gameon_env.errors import ServerError
from gameon_env.paths import data_dir as default_data_dir
from gameon_env.recording.model import Who
from gameon_env.web.server_handler import Handler
from gameon_env.web.server_recordings import FOLDER, GRACE_S, MIN_FREE_BYTES, Recordings
from gameon_env.web.server_scores import Scores
from gameon_env.web.server_static import StaticFiles

LOOPBACK = ("127.0.0.1", "localhost")
SCORES = "scores.json"

_LOG = logging.getLogger(__name__)


class WebServer:
    """Serves the game while it is entered::

        with WebServer(data_dir) as server:
            print(server.url)

    Args:
        data_dir: the data folder; recordings go to ``reacture`` in it. ``$GAMEON_DATA_DIR`` or ``./data`` if None.
        host: a name of this machine's loopback.
        port: 0 is any that is free.
        min_free_bytes: how much of the disk is left free.
        grace_s: how long a recording that a killed server left waits for its page before it is completed.
        who: plays in the pages, as the catalogue of recordings is told.

    Raises:
        ServerError: the port is taken, or may not be used, or the host is not this machine's own.
    """

    def __init__(
        self,
        data_dir: str | Path | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 8000,
        min_free_bytes: int = MIN_FREE_BYTES,
        grace_s: float = GRACE_S,
        who: Who = "human",
    ) -> None:
        if host not in LOOPBACK:
            raise ServerError(
                f"the server answers this machine only: host must be 127.0.0.1 or localhost, not {host!r}"
            )
        if not 0 <= port <= 65535:
            raise ServerError(f"port must be from 0 to 65535; it is {port}")
        folder = default_data_dir(data_dir)
        self.completed: list[str] = []
        self.recordings = Recordings(folder, min_free_bytes=min_free_bytes, grace_s=grace_s, who=who)
        self._http = _listen(host, port, self.recordings, Scores(folder / FOLDER / SCORES))
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.1,), name="web server", daemon=True)

    @property
    def port(self) -> int:
        return self._http.server_port

    @property
    def url(self) -> str:
        """Where the game is, with a slash at the end."""
        return f"http://127.0.0.1:{self.port}/"

    def __enter__(self) -> WebServer:
        self.completed = self.recordings.start()
        for line in self.completed:
            _LOG.info("%s", line)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
        self.recordings.close()


def serve(
    data_dir: str | Path | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    on_ready: Callable[[WebServer], object] = lambda server: None,
) -> None:
    """Serve until Ctrl+C; recordings that are open then are completed.

    Args:
        on_ready: called with the server once it answers.

    Raises:
        ServerError: it cannot be started.
    """
    with WebServer(data_dir, host=host, port=port) as server:
        try:
            on_ready(server)
            threading.Event().wait()
        except KeyboardInterrupt:
            pass


class HttpServer(ThreadingHTTPServer):
    """What a connection's handler needs to answer."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = os.name != "nt"  # where it would let a second server take a port that is in use

    def __init__(self, address: tuple[str, int], recordings: Recordings, scores: Scores) -> None:
        super().__init__(address, Handler)
        self.recordings = recordings
        self.scores = scores
        self.static = StaticFiles()
        self.headers = self.static.page_headers()


def _listen(host: str, port: int, recordings: Recordings, scores: Scores) -> HttpServer:
    try:
        return HttpServer(("127.0.0.1" if host == "localhost" else host, port), recordings, scores)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ServerError(
                f"port {port} is taken, perhaps by another `gameon web`: open http://127.0.0.1:{port}/ and see, or "
                f"take another port: gameon web --port {port + 1 if port < 65535 else 8000} (0: any that is free)"
            ) from error
        if error.errno == errno.EACCES:
            raise ServerError(
                f"port {port} may not be used by this user: take one from 1024 on, gameon web --port 8000"
            ) from error
        raise ServerError(f"cannot listen on {host}:{port}: {error}") from error
