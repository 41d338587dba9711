"""No encoder changes how this process, or what it starts, is scheduled."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from gameon_env.recording.video_encoder import CODECS, Encoder


@pytest.mark.skipif(sys.platform != "linux", reason="where threads have scheduling classes")
@pytest.mark.parametrize("codec", CODECS)
def test_an_encoder_leaves_the_priority_of_all_threads(codec: str) -> None:
    policy = os.sched_getscheduler(0)
    encoder = Encoder(codec, (64, 64), (64, 64))
    picture = av.VideoFrame.from_ndarray(np.zeros((96, 64), np.uint8), format="yuv420p")
    for number in range(3):
        encoder.encode(picture, number * 20_000)
    tasks = [int(task.name) for task in Path("/proc/self/task").iterdir()]
    assert {os.sched_getscheduler(task) for task in tasks} == {policy}
    encoder.flush()
    encoder.close()
