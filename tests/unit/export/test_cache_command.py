"""``gameon export cache``: what it decodes is what a training asks for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gameon_env.datasets.options import DatasetOptions
from gameon_env.datasets.windows import Windows
from gameon_env.export.cache_command import command
from tests.unit.datasets.played_session import catalogue_of, played


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    for number, id in enumerate(("aa01", "bb02")):
        played(data / "sessions" / id, 20 + 10 * number, id=id)
    catalogue_of(data)
    return data


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_training_finds_its_frames(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], workers: str
) -> None:
    chosen = ["--game", "Dots", "--data-dir", str(data), "--cache", str(tmp_path), "--workers", workers]
    steps = ["--size", "24x48", "--frame-skip", "2", "--json"]
    assert command.main([*chosen, *steps]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["recordings"], told["decoded_frames"], told["size"]) == (["aa01", "bb02"], 25, [24, 48])
    assert told["cache_bytes"] > 25 * 24 * 48 * 3
    seen: list[int] = []
    options = DatasetOptions(
        db_path=data / "gameon.db", frame_skip=2, sequence_length=4, target_size=(24, 48), cache=tmp_path
    )
    Windows(options).prepare(lambda done, _: seen.append(done))
    assert seen == []  # nothing was left to decode
    assert command.main([*chosen, *steps]) == 0
    assert json.loads(capsys.readouterr().out)["decoded_frames"] == 0


def test_words_and_errors(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--data-dir", str(data), "--cache", str(tmp_path)]
    assert command.main(["--all", *where, "--sessions", "aa01", "--no-audio"]) == 0
    assert "1 recording at 224x224, 20 frames decoded now" in capsys.readouterr().out
    for words, message in (
        ([], "say what to export"),
        (["--game", "Dats"], "Did you mean"),
        (["--all", "--workers", "0"], "workers"),
    ):
        assert command.main([*words, *where], prog="gameon export cache") == 2
        assert message in capsys.readouterr().err
