"""The README of a recording, from the same template as the page's own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from gameon_env.web.server_static import STATIC

TEMPLATE = STATIC / "readme_template.md"

_NAME = re.compile(r"\{\{([a-z0-9_.]+)\}\}")


def make_readme(metadata: Mapping[str, Any]) -> str:
    """The template with the metadata's values in place of its ``{{names}}``; ``null`` where it has none."""
    return _NAME.sub(lambda found: _value(metadata, found[1]), TEMPLATE.read_text("utf-8"))


def _value(metadata: Mapping[str, Any], path: str) -> str:
    part: Any = metadata
    for name in path.split("."):
        if isinstance(part, list):
            part = part[int(name)] if name.isdecimal() and int(name) < len(part) else None
        else:
            part = part.get(name) if isinstance(part, Mapping) else None
    return part if isinstance(part, str) else json.dumps(part, ensure_ascii=False, separators=(",", ":"))
