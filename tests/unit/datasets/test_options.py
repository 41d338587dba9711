"""Options say what is allowed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from gameon_env.datasets.options import DatasetOptions
from gameon_env.errors import DatasetError


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sequence_length": 0}, "sequence_length must be a whole number, 1 or more; got 0"),
        ({"frame_skip": -1}, "frame_skip must be a whole number"),
        ({"frame_skip": 1.5}, "frame_skip must be a whole number"),
        ({"stride": True}, "stride must be a whole number"),
        ({"fps": 0}, "fps must be a rate"),
        ({"fps": math.nan}, "fps must be a rate"),
        ({"fps": "30"}, "fps must be a rate"),
        ({"target_size": 224}, r"target_size must be \(height, width\)"),
        ({"target_size": (0, 5)}, r"target_size must be \(height, width\)"),
        ({"target_size": (10, 10**9)}, r"each from 1 to 8192"),
        ({"split": "validation"}, "split must be one of None, 'train', 'val', 'test'"),
        ({"split_fractions": (0.5, 0.5)}, "add up to 1"),
        ({"split_fractions": (0.5, 0.9, -0.4)}, "from 0 to 1"),
        ({"split_fractions": (0.5, 0.4, 0.4)}, "add up to 1"),
        ({"audio_source": "mic"}, "'microphone'"),
        ({"audio_features": "mfcc"}, "'mel', 'waveform'"),
        ({"audio_rate": 44100}, "waveform"),
        ({"audio_features": "waveform", "audio_rate": 0}, "audio_rate must be"),
        ({"target": "first"}, "'all', 'last'"),
        ({"dtype": "float16"}, "'float32', 'uint8'"),
        ({"latency_ms": math.inf}, "latency_ms must be"),
        ({"transform": 3}, "transform must be callable"),
        ({"augment": "yes"}, "augment must be True or False"),
        ({"sessions": []}, "sessions must name at least one"),
        ({"sessions": 5}, "sessions must name at least one"),
        ({"game_name": ""}, "game_name must be"),
        ({"db_path": ""}, "db_path must be"),
        ({"seed": -1}, "seed must be"),
        ({"cache": 7}, "cache must be"),
    ],
)
def test_what_is_not_allowed(options: dict[str, Any], said: str) -> None:
    with pytest.raises(DatasetError, match=said):
        DatasetOptions(**options)


def test_what_is_allowed() -> None:
    options = DatasetOptions(sequence_length=np.int64(4), fps=30, sessions="aa", cache=False, target_size=[10, 20])  # type: ignore[arg-type]
    assert type(options.sequence_length) is int
    assert options.sessions == ("aa",)
    assert options.cache is None
    assert options.target_size == (10, 20)
