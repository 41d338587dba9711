"""The words that the export commands share: which recordings, as what, and by whom the work is done."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

from gameon_env.datasets.ray_cluster import RayCluster
from gameon_env.datasets.remote_file import is_url
from gameon_env.errors import DatasetError
from gameon_env.paths import data_dir


def add_source(parser: argparse.ArgumentParser) -> None:
    """``--game``, ``--all``, ``--sessions``, ``--data-dir``, ``--db``: which recordings."""
    which = parser.add_argument_group("which recordings")
    which.add_argument("--game", metavar="NAME", help="those of this game")
    which.add_argument("--all", action="store_true", help="those of all games, their controls aligned by name")
    which.add_argument(
        "--sessions", nargs="+", metavar="SESSION", help="only these: ids, beginnings of ids, or names of folders"
    )
    where = which.add_mutually_exclusive_group()
    where.add_argument("--data-dir", type=Path, help="the data folder; $GAMEON_DATA_DIR or ./data without it")
    where.add_argument(
        "--db",
        type=lambda text: text if is_url(text) else Path(text),
        metavar="PATH",
        help="gameon.db, a session's folder, a trajectory file or its URL, or a folder of them",
    )


def source_of(parsed: argparse.Namespace) -> dict[str, Any]:
    """``db_path``, ``game_name`` and ``sessions`` as :func:`add_source` took them.

    Raises:
        DatasetError: it is not said which.
    """
    if parsed.all and parsed.game is not None:
        raise DatasetError("--game and --all contradict each other: give one of them")
    if not (parsed.all or parsed.game is not None or parsed.sessions):
        raise DatasetError("say what to export: --game NAME, --all, or --sessions SESSION ...")
    db_path = parsed.db if parsed.db is not None else data_dir(parsed.data_dir) / "gameon.db"
    return {"db_path": db_path, "game_name": parsed.game, "sessions": parsed.sessions}


def add_work(parser: argparse.ArgumentParser, *, workers: int | None) -> None:
    """``--workers``, ``--ray``: who does the work."""
    who = parser.add_argument_group("who does it")
    default = "one for each processor" if workers is None else str(workers)
    who.add_argument("--workers", type=int, metavar="N", help=f"processes that decode ({default})")
    who.add_argument(
        "--ray", metavar="ADDRESS", help="a Ray cluster does it, such as 10.0.0.1:6379: all that it has, or --workers N"
    )
    parser.set_defaults(least_workers=workers)


def workers_of(parsed: argparse.Namespace) -> int | RayCluster | None:
    """The ``workers`` argument of what :func:`add_work` took.

    Raises:
        DatasetError: fewer than one.
    """
    if parsed.workers is not None and parsed.workers < 1:
        raise DatasetError(f"workers must be a whole number, 1 or more; got {parsed.workers}")
    if parsed.ray is not None:
        return RayCluster(parsed.ray, parsed.workers)
    workers: int | None = parsed.least_workers if parsed.workers is None else parsed.workers
    return workers


def add_steps(parser: argparse.ArgumentParser, *, downsample: bool = True, size: tuple[int, int] | None = None) -> None:
    """``--fps``, ``--frame-skip``, ``--size``, ``--downsample``, ``--no-audio`` and the like: as what.

    Args:
        parser: they are added to it.
        downsample: whether there is ``--downsample``.
        size: what the pictures have where neither is given; None: as recorded.
    """
    how = parser.add_argument_group("as what")
    how.add_argument("--fps", type=float, help="steps a second; without it each recorded frame is a step")
    how.add_argument("--frame-skip", type=int, default=1, metavar="N", help="frames (of --fps) a step (1)")
    either = how.add_mutually_exclusive_group()
    usual = ", such as 224x224" if size is None else f" ({size[0]}x{size[1]})"
    either.add_argument("--size", type=_size, metavar="HxW", help=f"height and width of the pictures{usual}")
    if downsample and size is None:
        either.add_argument("--downsample", type=int, default=1, metavar="N", help="divide both sides by this (1)")
    elif downsample:
        either.add_argument(
            "--downsample", type=int, metavar="N", help="divide both recorded sides by this; 1: as recorded"
        )
    else:
        parser.set_defaults(downsample=1)
    how.add_argument("--no-audio", action="store_true", help="leave out the sound")
    how.add_argument("--audio-source", choices=("system", "microphone", "both"), default="system", help="(system)")
    how.add_argument(
        "--latency-ms", type=float, default=0.0, metavar="MS", help="how much later than its picture an action is (0)"
    )


def steps_of(parsed: argparse.Namespace) -> dict[str, Any]:
    """What :func:`add_steps` took, as an export's arguments."""
    return {
        "fps": parsed.fps,
        "frame_skip": parsed.frame_skip,
        "target_size": parsed.size,
        "downsample_factor": parsed.downsample,
        "include_audio": not parsed.no_audio,
        "audio_source": parsed.audio_source,
        "latency_ms": parsed.latency_ms,
    }


def add_compression(parser: argparse.ArgumentParser) -> None:
    """``--compression`` of an HDF5 file."""
    parser.add_argument(
        "--compression",
        choices=("gzip", "lzf", "none"),
        default="gzip",
        help="of the frames: gzip packs best, lzf reads faster (with h5py only), none reads fastest",
    )


def compression_of(parsed: argparse.Namespace) -> dict[str, object]:
    """What :func:`add_compression` took, as an export's argument."""
    return {"compression": None if parsed.compression == "none" else parsed.compression}


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text.strip().lower())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: expected HEIGHTxWIDTH, such as 224x224")
    return int(found[1]), int(found[2])
