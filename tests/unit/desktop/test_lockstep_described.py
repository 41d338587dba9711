"""What is said of a thread that the virtual clock waits for."""

from __future__ import annotations

import os
import sys

import pytest

from gameon_env.desktop.lockstep import threads
from gameon_env.desktop.lockstep.shared_state import RUNNING, Slot

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="lockstep is for Linux")


def test_a_process_that_is_about_to_begin_is_described_by_what_it_does() -> None:
    described = threads.describe(Slot(state=RUNNING, pid=os.getpid(), tid=0))
    assert f"pid {os.getpid()}" in described
    assert "in the kernel: R" in described


def test_one_that_is_gone_says_so() -> None:
    assert threads.describe(Slot(state=RUNNING, pid=2**22 + 1, tid=0)).endswith("in the kernel: gone")
