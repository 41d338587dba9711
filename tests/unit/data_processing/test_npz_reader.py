"""npz files with several episodes, and such as nobody should believe."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gameon_env.data_processing.trajectory import load_episodes
from gameon_env.errors import TrajectoryError

EPISODES = ((0, 4), (5, 6), (7, 11))


def columns() -> dict[str, Any]:
    rows = EPISODES[-1][1] + 1
    first, last = np.zeros(rows, bool), np.zeros(rows, bool)
    for start, end in EPISODES:
        first[start] = last[end] = True
    metadata = [
        json.dumps({"first_row": a, "last_row": b, "controls": ["key:a"], "note": "é" * a}) for a, b in EPISODES
    ]
    return {
        "video": np.arange(rows * 12, dtype=np.uint8).reshape(rows, 2, 2, 3),
        "inputs": np.arange(rows, dtype=np.float32)[:, None],
        "timestamps": np.concatenate([np.arange(b - a + 1) for a, b in EPISODES]).astype(np.int64),
        "rewards": np.arange(rows, dtype=np.float32),
        "is_first": first,
        "is_last": last,
        "is_terminal": np.zeros(rows, bool),
        "is_valid": ~last,
        "metadata": np.array(metadata),
    }


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_several_episodes_in_one_file(tmp_path: Path, save: Any) -> None:
    whole = columns()
    save(tmp_path / "a.npz", **whole)
    episodes = load_episodes(tmp_path)
    assert [episode.num_steps for episode in episodes] == [4, 1, 4]
    for episode, (start, end) in zip(episodes, EPISODES, strict=True):
        np.testing.assert_array_equal(episode.video(), whole["video"][start : end + 1])
        np.testing.assert_array_equal(episode.video([-1, 0]), whole["video"][[end, start]])
        np.testing.assert_array_equal(episode.inputs[:, 0], np.arange(start, end + 1))
        assert episode.metadata["note"] == "é" * start


def _write(path: Path, name: str, descr: str, shape: tuple[int, ...], raw: bytes) -> Path:
    """The file, with one of its arrays replaced by these bytes under this header."""
    with zipfile.ZipFile(path, "w") as archive:
        for member, values in columns().items():
            buffer = io.BytesIO()
            if member == name:
                np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": shape})
                buffer.write(raw)
            else:
                np.save(buffer, values)
            archive.writestr(f"{member}.npy", buffer.getvalue())
    return path


TEXT = "{}"
ROWS = EPISODES[-1][1] + 1


@pytest.mark.parametrize(
    ("name", "descr", "shape", "raw"),
    [
        ("metadata", "<U2", (), TEXT.encode("utf-32-le")),
        ("metadata", "<U2", (0,), b""),
        ("metadata", "<U0", (3,), b""),
        ("metadata", "<U2", (1, 3), TEXT.encode("utf-32-le") * 3),
        ("metadata", "<U2", (ROWS + 1,), TEXT.encode("utf-32-le") * (ROWS + 1)),
        ("metadata", "<U2", (3,), TEXT.encode("utf-32-le") * 3),  # no rows
        ("metadata", "<U2", (2,), b"\xff" * 16),  # no characters
        ("metadata", "|S2", (3,), b"{}" * 3),
        ("metadata", "<U2", (1 << 62,), b""),
        ("metadata", "<U2", (3,), TEXT.encode("utf-32-le") * 2),
        ("video", "|u1", (ROWS, 0, 1 << 62, 3), b""),
        ("video", "|u1", (ROWS, 1 << 40, 1 << 40, 3), b""),
        ("video", "|u1", (1 << 62, 0, 2, 3), b""),
        ("note", "|S0", (ROWS,), b""),
    ],
)
def test_absurd_shapes_are_refused(tmp_path: Path, name: str, descr: str, shape: tuple[int, ...], raw: bytes) -> None:
    path = _write(tmp_path / "a.npz", name, descr, shape, raw)
    if name == "note":
        with zipfile.ZipFile(path, "a") as archive:
            buffer = io.BytesIO()
            np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": shape})
            archive.writestr("note.npy", buffer.getvalue())
    with pytest.raises(TrajectoryError, match="cannot be read"):
        load_episodes(path)


def test_episodes_that_overlap_or_leave_the_file(tmp_path: Path) -> None:
    for rows in ((0, ROWS), (-1, 4), (4, 4), (3, 6)):
        whole = columns()
        whole["metadata"] = np.array([whole["metadata"][0], json.dumps({"first_row": rows[0], "last_row": rows[1]})])
        np.savez(tmp_path / "a.npz", **whole)
        with pytest.raises(TrajectoryError, match="cannot be read"):
            load_episodes(tmp_path / "a.npz")


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    whole = columns()
    whole["metadata"] = whole["metadata"].astype(object)
    np.savez(tmp_path / "a.npz", **whole)
    with pytest.raises(TrajectoryError, match="unpickled"):
        load_episodes(tmp_path / "a.npz")
