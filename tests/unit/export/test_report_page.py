"""The page about an export's recordings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gameon_env.errors import StorageError
from gameon_env.export.hdf5_export import command, export_to_hdf5
from gameon_env.export.npz_export import export_to_npz
from gameon_env.export.pytorch_export import command as torch
from tests.unit.datasets.played_session import catalogue_of, played


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    played(data / "sessions" / "one", 30, id="aa01")
    played(data / "sessions" / "open", 8, id="cc03", finish=False)
    catalogue_of(data)
    return data


@pytest.mark.parametrize(("export", "name"), [(export_to_hdf5, "a.h5"), (export_to_npz, "a.npz")])
def test_the_page_tells_of_what_is_in_it(data: Path, tmp_path: Path, export: Any, name: str) -> None:
    summary = export(data / "gameon.db", tmp_path / name, report=tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert summary.report == tmp_path / "page.html"
    assert f"What is in {name}" in page
    assert "key:space" in page
    assert "cc03" in page  # what was left out is told too
    assert page.startswith("<!doctype html>") or page.startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("format", [command, torch])
def test_by_command(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], format: Any) -> None:
    words = ["--all", "--data-dir", str(data), "-o", str(tmp_path / "a"), "--report", str(tmp_path / "page.html")]
    assert format.main(words) == 0
    assert f"The page: {tmp_path / 'page.html'}" in capsys.readouterr().out
    assert "What is in a" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert format.main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["report"] == str(tmp_path / "page.html")


def test_a_page_that_cannot_be_written_is_told_before_the_work(data: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="does not exist"):
        export_to_hdf5(data / "gameon.db", tmp_path / "a.h5", report=tmp_path / "nowhere" / "page.html")
    assert command.main(["--all", "--data-dir", str(data), "-o", str(tmp_path / "a.h5"), "--report", "/no/page"]) == 2
    assert not list(tmp_path.iterdir())
