"""Calls that few games make, under the virtual clock: each waits in virtual time, and none goes unseen."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator

import pytest

from gameon_env.desktop.lockstep.session import LockstepSession
from tests.live._lockstep_play import LONG, compiled, measured, play

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None, reason="lockstep needs Linux and a C compiler"
)


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> str:
    return compiled("lockstep_calls.c", tmp_path_factory.mktemp("probe"))


@pytest.fixture
def session() -> Iterator[LockstepSession]:
    session = LockstepSession(limit_s=10)
    yield session
    assert session.clock.unseen_waits == []
    session.close()


def is_long(ns: int) -> bool:
    return LONG <= ns < LONG + 10_000


def test_a_semaphore_that_a_handler_posts_wakes_who_waits_for_it(session: LockstepSession, probe: str) -> None:
    found = measured(play(session, probe, "handler_posts"))
    ns, result = found["worker"]
    assert is_long(ns)
    assert result == 0
