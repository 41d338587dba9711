"""The terminal, for texts that are not ours: file names, profiles, errors."""

from __future__ import annotations

import typer
from rich.console import Console


def open_console(*, soft_wrap: bool = False) -> Console:
    """A console that prints what it is given: no markup (``[left, top]`` stays), no emoji codes, no highlighting."""
    return Console(markup=False, emoji=False, highlight=False, soft_wrap=soft_wrap)


def is_given(context: typer.Context, name: str) -> bool:
    """Whether a parameter of a command was said, and is not its default."""
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"
