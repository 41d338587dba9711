"""One thing that this machine has or lacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that this machine has or lacks.

    Attributes:
        part: what was looked at.
        ok: whether it can be used.
        found: what was found, for people.
        remedy: the command, or the deed, that mends the lack; empty where there is none.
        figures: what was measured, units in the names.
    """

    part: str
    ok: bool
    found: str
    remedy: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
