"""From frames, events and sound to steps, and steps on the disk. What is named here is imported on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gameon_env.data_processing.frame_processor import FrameProcessor, ProcessedFrame
    from gameon_env.data_processing.storage import DataStorage
    from gameon_env.data_processing.synchronizer import DataSynchronizer, SyncedData

__all__ = ["DataStorage", "DataSynchronizer", "FrameProcessor", "ProcessedFrame", "SyncedData"]

_MODULE_OF = {
    "DataStorage": "storage",
    "DataSynchronizer": "synchronizer",
    "FrameProcessor": "frame_processor",
    "ProcessedFrame": "frame_processor",
    "SyncedData": "synchronizer",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
