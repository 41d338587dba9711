"""Connections to X servers that do not come about."""

from __future__ import annotations

import gc
import socket
import sys
import warnings

import pytest

from gameon_env.desktop import x11
from gameon_env.errors import DisplayError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs X11's sockets")

NAME = ":7841"


class OtherConnection:
    """One that somebody has, and whose failure is being handled when another one is tried."""

    def __init__(self) -> None:
        self.socket, self.far_end = socket.socketpair()

    def why_no_other(self) -> str:
        try:
            raise OSError("what is being handled meanwhile")
        except OSError:
            try:
                x11.connect(NAME)
            except DisplayError as error:
                return str(error)
        return ""


def test_a_server_that_dies_while_it_is_reached_leaves_no_socket_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(x11, "_knock", lambda name: None)  # it was there then
    mine = OtherConnection()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert NAME in mine.why_no_other()
        gc.collect()
    assert [str(warning.message) for warning in said if warning.category is ResourceWarning] == []
    mine.socket.sendall(b"still open")
    mine.socket.close()
    mine.far_end.close()
