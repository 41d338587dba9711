"""Writing one HDF5 trajectory file from its first row to its last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from gameon_env.data_processing.trajectory import to_json
from gameon_env.data_processing.trajectory_layout import FORMAT_NAME, FORMAT_VERSION, METADATA
from gameon_env.export.hdf5_rows import Compression, Hdf5Rows, NewHdf5File
from gameon_env.export.plan import ExportPlan


class Hdf5EpisodeWriter:
    """Writes all episodes of an export to a new file.

    Args:
        path: an empty file.
        plan: of the export.
        compression: of all columns; ``video`` comes packed by what :func:`pack_of` it is.

    Raises (all methods):
        OSError: the disk refuses. The file is of no use then.
    """

    def __init__(self, path: Path, plan: ExportPlan, compression: Compression | None) -> None:
        self._size = plan.size
        self._metadata: list[str] = []
        self._new = NewHdf5File(path)
        self._file = self._new.file
        self._file.attrs["format"], self._file.attrs["version"] = FORMAT_NAME, FORMAT_VERSION
        self._rows = Hdf5Rows(self._file, compression, plan.total_rows)
        self._new.check()

    def append(self, rows: dict[str, Any]) -> None:
        """Append rows, ``(n, ...)`` of each column; ``video`` packed."""
        for name, values in rows.items():
            if name == "video":
                self._rows.append_pictures(name, values, self._size)
            else:
                self._rows.append(name, values)
        self._new.check()

    def end_episode(self, metadata: dict[str, Any]) -> None:
        """Keep an episode's metadata row."""
        self._metadata.append(to_json(metadata))

    def finish(self) -> None:
        """Write the metadata, and all that HDF5 still holds."""
        texts = np.array(self._metadata, dtype=object)
        self._file.create_dataset(METADATA, data=texts, dtype=h5py.string_dtype(), maxshape=(None,), chunks=(64,))
        self._new.finish()

    def close(self) -> None:
        """Close the file, finished or not."""
        self._new.close()
