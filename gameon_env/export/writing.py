"""One way through every export: plan, estimate, check the disk, write episode by episode, sum up."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from gameon_env.datasets.recordings import find_recordings
from gameon_env.errors import AudioError, GameOnError, SessionError, TrajectoryError, VideoError
from gameon_env.export.blocks import BlockReader, Pack, Reading
from gameon_env.export.episodes import EpisodeSteps, episodes_of
from gameon_env.export.estimate import StoredBytes, check_space, estimate_bytes
from gameon_env.export.options import ExportOptions
from gameon_env.export.output_file import check_output, replacing
from gameon_env.export.plan import ExportPlan, make_plan, name_of, sound_width
from gameon_env.export.summary import ExportProgress, ExportSummary, LeftOut, ProgressCallback

_DAMAGED = (AudioError, SessionError, TrajectoryError, VideoError)
"""What a recording raises that turns out damaged while it is read."""
