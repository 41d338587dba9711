"""The C library of the virtual clock is compiled once, whole or not at all, and says what is missing."""

from __future__ import annotations

import shutil
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gameon_env.desktop.lockstep import controller
from gameon_env.desktop.lockstep.build import libraries
from gameon_env.desktop.lockstep.controller import LockstepClock
from gameon_env.desktop.lockstep.lockstep_error import LockstepError
from gameon_env.errors import MissingProgramError, StorageError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="lockstep is for Linux")
needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    return tmp_path / "gameon-env" / "lockstep"


def a_compiler(path: Path, script: str) -> str:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@needs_compiler
def test_compiled_once_by_many_at_a_time(cache: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        first, *others = list(pool.map(lambda _: libraries(), range(3)))
    assert all(other == first for other in others)
    assert first.shim.is_file()
    assert first.control.is_file()
    assert [path.name for path in cache.iterdir()] == [first.shim.parent.name]
    changed = first.shim.stat().st_mtime_ns
    assert libraries() == first
    assert first.shim.stat().st_mtime_ns == changed


@needs_compiler
def test_another_compiler_is_another_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = libraries()
    monkeypatch.setenv("CC", a_compiler(tmp_path / "other", 'exec cc "$@" # another'))
    assert libraries() != first


@needs_compiler
def test_without_a_compiler_the_last_library_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    first = libraries()
    monkeypatch.setenv("PATH", "")
    assert libraries() == first


def test_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingProgramError, match="apt-get install gcc libc6-dev"):
        libraries()


def test_no_headers(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = '[ "$1" = --version ] && exit; echo "shim.c:3:10: fatal error: errno.h: No such file" >&2; exit 1'
    monkeypatch.setenv("CC", a_compiler(tmp_path / "bare", script))
    with pytest.raises(MissingProgramError, match=r"gcc libc6-dev.*\n.*errno\.h"):
        libraries()
    assert list(cache.iterdir()) == []


def test_a_compiler_that_fails(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = '[ "$1" = --version ] && exit; echo "internal compiler error" >&2; exit 1'
    monkeypatch.setenv("CC", a_compiler(tmp_path / "broken", script))
    with pytest.raises(LockstepError, match="internal compiler error"):
        libraries()
    assert list(cache.iterdir()) == []


@needs_compiler
def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(StorageError, match="XDG_CACHE_HOME"):
        libraries()


@needs_compiler
@pytest.mark.parametrize("name", ["a b", "a:b", "a$LIB"])
def test_a_folder_that_nothing_can_be_preloaded_from(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
    with pytest.raises(StorageError, match=r"a space, a colon.*XDG_CACHE_HOME"):
        libraries()
    assert not (tmp_path / name).exists()


@needs_compiler
def test_a_relative_folder_is_an_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    assert libraries().shim == tmp_path / "cache" / "gameon-env" / "lockstep" / libraries().shim.parent.name / "shim.so"


@needs_compiler
def test_a_library_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    built = libraries()
    built.control.write_bytes(b"")
    monkeypatch.setattr(controller, "_built", libraries)  # not what this process has loaded already
    with pytest.raises(StorageError, match=r"cannot be loaded.*noexec.*XDG_CACHE_HOME"):
        LockstepClock()
