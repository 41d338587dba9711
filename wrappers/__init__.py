"""Gymnasium wrappers of GameOn env, each imported when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wrappers.discrete_actions import DiscreteActions
    from wrappers.human_control import HumanControl
    from wrappers.human_takeover import HumanTakeover
    from wrappers.multi_discrete_actions import MultiDiscreteActions
    from wrappers.record_episode import RecordEpisode
    from wrappers.record_session import RecordSession
    from wrappers.stack_frames import StackFrames
    from wrappers.sticky_keys import StickyKeys
    from wrappers.symmetric_actions import SymmetricActions

__all__ = [
    "DiscreteActions",
    "HumanControl",
    "HumanTakeover",
    "MultiDiscreteActions",
    "RecordEpisode",
    "RecordSession",
    "StackFrames",
    "StickyKeys",
    "SymmetricActions",
]

_MODULES = {
    "DiscreteActions": "discrete_actions",
    "HumanControl": "human_control",
    "HumanTakeover": "human_takeover",
    "MultiDiscreteActions": "multi_discrete_actions",
    "RecordEpisode": "record_episode",
    "RecordSession": "record_session",
    "StackFrames": "stack_frames",
    "StickyKeys": "sticky_keys",
    "SymmetricActions": "symmetric_actions",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
