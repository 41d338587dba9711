"""The Parquet files of a LeRobot dataset, written row group by row group."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gameon_env.optional import require

PURPOSE = "Writing LeRobot datasets"

CHUNKS_SIZE = 1000
"""Files in a folder."""


def file_name(number: int) -> dict[str, int]:
    """Where the file with this number is: ``chunk_index`` of its folder and ``file_index`` within it."""
    chunk, file = divmod(number, CHUNKS_SIZE)
    return {"chunk_index": chunk, "file_index": file}


class ParquetFile:
    """A new Parquet file. Columns are numpy arrays or lists.

    Args:
        path: the file; its folder is made.

    Raises (all methods):
        OSError: the disk refuses. The file is of no use then.
    """

    def __init__(self, path: Path) -> None:
        self._arrow, self._parquet = require("pyarrow", PURPOSE), require("pyarrow.parquet", PURPOSE)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("wb")
        self._writer: Any = None

    @property
    def size_bytes(self) -> int:
        """How many bytes were written so far."""
        return self._file.tell()

    def append(self, columns: Mapping[str, Any], metadata: Mapping[bytes, bytes] | None = None) -> None:
        """Append rows: of each column ``(n,)`` or ``(n, W)`` values, or n values as a list. The first decide the types.

        Args:
            columns: by name.
            metadata: of the file; that of the first rows counts.
        """
        arrays = {name: self._array(values) for name, values in columns.items()}
        if self._writer is None:
            table = self._arrow.table(arrays).replace_schema_metadata(metadata)
            self._writer = self._parquet.ParquetWriter(self._file, table.schema)
        self._writer.write_table(self._arrow.table(arrays, schema=self._writer.schema))

    def finish(self) -> None:
        """Write the index."""
        self._writer.close()
        self._file.close()

    def close(self) -> None:
        """Let go of the file, finished or not."""
        try:
            if self._writer is not None:
                self._writer.close()
        except OSError:
            pass  # what it holds is of no use
        finally:
            self._file.close()

    def _array(self, values: Any) -> Any:
        if not isinstance(values, np.ndarray):
            return self._arrow.array(values)
        flat = self._arrow.array(np.ascontiguousarray(values).reshape(-1))
        if values.ndim == 1 or values.shape[1] == 1:  # LeRobot reads one number alone as no list
            return flat
        return self._arrow.FixedSizeListArray.from_arrays(flat, values.shape[1])


def write_tasks(path: Path, tasks: Sequence[str]) -> None:
    """``tasks.parquet``: a table of pandas whose index is the tasks' names."""
    index, column = "__index_level_0__", "task_index"
    kinds = ((column, column, "int64", "int64"), (None, index, "unicode", "object"))
    described = [
        {"name": name, "field_name": field, "pandas_type": pandas, "numpy_type": numpy, "metadata": None}
        for name, field, pandas, numpy in kinds
    ]
    about = {"index_columns": [index], "column_indexes": [], "columns": described, "pandas_version": "2.0.0"}
    file = ParquetFile(path)
    try:
        numbers = np.arange(len(tasks), dtype=np.int64)
        file.append({column: numbers, index: list(tasks)}, {b"pandas": json.dumps(about).encode()})
        file.finish()
    finally:
        file.close()
