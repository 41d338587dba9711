"""Looking at recordings: figures, warnings, and a page of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from gameon_env.data_processing.atomic_file import AtomicFile
from gameon_env.datasets.recordings import EpisodeRecording, Recording, SessionRecording
from gameon_env.datasets.report.control_figures import button_figures, combinations
from gameon_env.datasets.report.episode_evidence import examine_episode
from gameon_env.datasets.report.evidence import Evidence
from gameon_env.datasets.report.finding import Finding
from gameon_env.datasets.report.game_findings import game_findings
from gameon_env.datasets.report.page import MOST_DETAILED, render
from gameon_env.datasets.report.recording_findings import recording_findings
from gameon_env.datasets.report.session_evidence import examine_session
from gameon_env.errors import GameOnError
