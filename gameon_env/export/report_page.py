"""The page about the recordings of an export: what an eye should see before somebody trains on it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gameon_env.datasets.recording import Recording
from gameon_env.datasets.report.report import write_report
from gameon_env.export.output_file import check_output
from gameon_env.export.summary import ExportSummary


def check_page(report: str | Path | None) -> None:
    """See before the work that the page can be written.

    Raises:
        StorageError, DatasetError: it cannot.
    """
    if report is not None:
        check_output(report)


def write_page(report: str | Path, recordings: Sequence[Recording], summary: ExportSummary) -> Path:
    """Write the page.

    Raises:
        StorageError: it cannot be written.
    """
    path = Path(report).expanduser().resolve()
    left_out = {left.name: left.reason for left in summary.left_out}
    write_report(path, recordings, title=f"What is in {Path(str(summary.path)).name}", left_out=left_out)
    return path
