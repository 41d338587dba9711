"""``gameon export cache``: recordings decoded into the frame cache, so that no training waits for that."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gameon_env.datasets.frame_cache import FrameCache
from gameon_env.datasets.options import DatasetOptions
from gameon_env.datasets.windows import Windows
from gameon_env.errors import GameOnError
from gameon_env.export.arguments import add_source, add_steps, add_work, source_of, steps_of, workers_of
from gameon_env.export.command import ProgressBar, open_console
from gameon_env.export.summary import ExportProgress, human_bytes


class CacheCommand:
    """The command line that fills the frame cache, called like those of the formats."""

    def main(self, argv: Sequence[str] | None = None, prog: str | None = None) -> int:
        """Run it, with the errors of ours as one message.

        Args:
            argv: its words; None: those of this process.
            prog: its name in messages.

        Returns:
            The exit code: 0, 2 for an error, 130 where it was stopped.
        """
        parser = _parser(prog)
        parsed = parser.parse_args(argv)
        try:
            done = _fill(parsed)
        except GameOnError as error:
            print(f"{parser.prog}: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print(f"{parser.prog}: stopped; recordings that were finished are kept", file=sys.stderr)
            return 130
        if parsed.json:
            print(json.dumps(done, indent=2, ensure_ascii=False))
        else:
            _say(done)
        return 0


def _parser(prog: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog or "python -m gameon_env.export.cache_command",
        description="Decode recordings into the frame cache, as a training with the same arguments asks for them.",
    )
    add_source(parser)
    add_steps(parser, downsample=False)
    add_work(parser, workers=None)
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="the cache; the user's cache folder without it")
    parser.add_argument("--json", action="store_true", help="the summary for programs")
    return parser


def _fill(parsed: argparse.Namespace) -> dict[str, Any]:
    start = time.monotonic()
    steps = steps_of(parsed)
    del steps["downsample_factor"]
    if steps["target_size"] is None:
        del steps["target_size"]
    workers = workers_of(parsed)
    windows = Windows(DatasetOptions(**source_of(parsed), **steps, sequence_length=1, cache=parsed.cache or True))
    total = 0

    def tell(done: int, of: int) -> None:
        nonlocal total
        total = of
        bar.update(ExportProgress(done, of, 0))

    with ProgressBar(quiet=parsed.json, what="decoding") as bar:
        windows.prepare(tell, workers)
    cache = FrameCache(parsed.cache)
    return {
        "folder": str(cache.folder),
        "recordings": [recording.id for recording in windows.recordings],
        "decoded_frames": total,
        "size": list(windows.size),
        "cache_bytes": sum(entry.bytes for entry in cache.entries()),
        "seconds": time.monotonic() - start,
        "left_out": windows.left_out,
    }


def _say(done: dict[str, Any]) -> None:
    console = open_console()
    count = len(done["recordings"])
    height, width = done["size"]
    console.print(
        f"{done['folder']}: {count} recording{'s' * (count != 1)} at {height}x{width}, {done['decoded_frames']} frames "
        f"decoded now; it holds {human_bytes(done['cache_bytes'])}; {done['seconds']:.1f} s"
    )
    if done["left_out"]:
        console.print("left out:")
        for name, reason in done["left_out"].items():
            console.print(f"  {name}: {reason}")


command = CacheCommand()

if __name__ == "__main__":
    sys.exit(command.main())
