"""The learning curve's files: one that is appended to, one that TensorBoard reads."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from gameon_env.errors import StorageError
from gameon_env.learning.rl_log import CURVE, open_logger


def test_a_second_logger_goes_on_in_the_same_curve(tmp_path: Path) -> None:
    for start, step in ((0.0, 10), (50.0, 20)):
        logger = open_logger(tmp_path, start)
        logger.record("eval/mean_score", 1.5)
        logger.record("time/not_a_number", float("nan"))
        logger.record("about", "text")
        logger.dump(step)
        logger.close()
    lines = [json.loads(line) for line in (tmp_path / CURVE).read_text().splitlines()]
    assert [(line["step"], line["eval/mean_score"]) for line in lines] == [(10, 1.5), (20, 1.5)]
    assert lines[0]["seconds"] < 50 <= lines[1]["seconds"]
    assert set(lines[0]) == {"step", "seconds", "eval/mean_score"}
    assert len(list(tmp_path.glob("events.out.tfevents.*"))) == 2


def test_records_are_framed_as_in_a_tfrecord_file(tmp_path: Path) -> None:
    logger = open_logger(tmp_path)
    logger.record("train/loss", 0.25)
    logger.dump(300)
    (file,) = tmp_path.glob("events.out.tfevents.*")
    data, records = file.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        records.append(data[12 : 12 + length])
        data = data[16 + length :]
    assert len(records) == 2
    assert b"brain.Event:2" in records[0]
    assert b"train/loss" in records[1]
    assert records[1][9:12] == b"\x10\xac\x02"  # field 2, the step: 300 as a varint
    assert struct.pack("<f", 0.25) in records[1]


def test_tensorflow_reads_the_events(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    logger = open_logger(tmp_path)
    logger.record("eval/mean_score", 42.0)
    logger.dump(7)
    (file,) = tmp_path.glob("events.out.tfevents.*")
    events = [tf.compat.v1.Event.FromString(raw.numpy()) for raw in tf.data.TFRecordDataset([str(file)])]
    assert events[0].file_version == "brain.Event:2"
    assert (events[1].step, events[1].summary.value[0].tag) == (7, "eval/mean_score")
    assert events[1].summary.value[0].simple_value == 42.0


def test_a_folder_that_is_gone_is_said(tmp_path: Path) -> None:
    logger = open_logger(tmp_path / "there") if (tmp_path / "there").mkdir() is None else None
    assert logger is not None
    for file in (tmp_path / "there").iterdir():
        file.unlink()
    (tmp_path / "there").rmdir()
    logger.record("a", 1.0)
    with pytest.raises(StorageError, match="cannot be written"):
        logger.dump(1)
