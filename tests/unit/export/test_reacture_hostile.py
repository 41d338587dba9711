"""Downloads with anything in them: they are refused with a reason, or read; nothing else happens."""

from __future__ import annotations

import contextlib
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gameon_env.errors import DatasetError, GameOnError
from gameon_env.export.reacture import ReActureDataset
from gameon_env.export.reacture_import import import_reacture
from gameon_env.recording.verification import verify
from tests.unit.export.reacture_download import Download, original_download, our_download

PARTS = ("metadata.json", "data.jsonl", "frames.npy", "timestamps.npy")

WILD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "y", "W", "mouse_dx"]), inner),
    max_leaves=5,
)


def use(download: Download) -> None:
    """Everything that the loader does."""
    dataset = ReActureDataset(download.folder, warn=False)
    assert len(list(dataset)) == len(dataset)
    json.dumps(dataset.get_statistics(), allow_nan=False)
    list(dataset.other_rows())
    dataset.get_time_range(0, 10)


def damage(path: Path, seed: int) -> None:
    """Some bytes changed, taken away or put in, mostly near the beginning, where headers are."""
    random_ = random.Random(seed)
    content = bytearray(path.read_bytes())
    for _ in range(random_.randint(1, 4)):
        at = random_.randrange(min(len(content), random_.choice([20, 200, len(content)])) or 1)
        way = random_.randrange(4)
        if way == 0:
            del content[at:]
        elif way == 1:
            content[at : at + random_.randint(1, 9)] = b""
        elif way == 2:
            content[at:at] = random_.randbytes(random_.randint(1, 9))
        elif content:
            content[at] = random_.randrange(256)
    path.write_bytes(content)


@pytest.mark.parametrize("make", [our_download, original_download])
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(part=st.sampled_from(PARTS), seed=st.integers(0, 1 << 30))
def test_damaged_bytes(tmp_path: Path, make: Any, part: str, seed: int) -> None:
    download = make(tmp_path, 4)
    download.write()
    damage(download.paths[part], seed)
    with contextlib.suppress(DatasetError):
        use(download)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    fields=st.dictionaries(
        st.sampled_from(
            ["timestamp_ms", "key_presses", "robot", "accelerometer", "battery", "damage", "visual_frame_path", "type"]
        ),
        WILD,
        max_size=4,
    ),
    told=st.dictionaries(
        st.sampled_from(
            ["game_result", "data_stats", "start_time", "seed", "key_interval", "controls", "mouse_scale_px", "missing",
             "sampling_rate_hz", "duration_s", "generator", "environment_name", "game"]
        ),
        WILD,
        max_size=4,
    ),
    row=st.integers(0, 6),
)  # fmt: skip
def test_wild_values(
    tmp_path_factory: pytest.TempPathFactory, fields: dict[str, Any], told: dict[str, Any], row: int
) -> None:
    folder = tmp_path_factory.mktemp("wild")
    download = our_download(folder / "download", 4)
    download.rows[row] |= fields
    download.metadata |= told
    download.write()
    try:
        use(download)
        imported = import_reacture(download.folder, folder / "data")
    except GameOnError:
        return
    assert verify(imported.folder) == []


def test_a_shape_that_no_disk_holds_takes_no_memory(tmp_path: Path) -> None:
    download = our_download(tmp_path, 4)
    metadata = download.write()
    path = download.paths["frames.npy"]
    text = b"{'descr': '|u1', 'fortran_order': False, 'shape': (9223372036854775807, 128, 128, 3), }".ljust(118)
    path.write_bytes(b"\x93NUMPY\x01\x00\x76\x00" + text + path.read_bytes()[128:])
    with pytest.raises(DatasetError, match="holds 4 whole frames of the 9223372036854775807 it says"):
        ReActureDataset(metadata)
    assert len(ReActureDataset(metadata, partial=True, warn=False)) == 4
