"""Gymnasium wrappers of GameOn env, each imported when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wrappers.human_control import HumanControl
    from wrappers.record_episode import RecordEpisode
    from wrappers.record_session import RecordSession

__all__ = ["HumanControl", "RecordEpisode", "RecordSession"]

_MODULES = {
    "HumanControl": "human_control",
    "RecordEpisode": "record_episode",
    "RecordSession": "record_session",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
