"""Readers of what the system says of the game: how its process ended, what it logs; and the user's own functions."""

from __future__ import annotations

import importlib
import importlib.util
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np

from gameon_env.games.game_view import GameView
from gameon_env.games.log_tail import LogTail
from gameon_env.games.table import Table


class Exit:
    """``kind = "exit"``: 1 when the game's process has ended by itself without an error (exit code 0), else 0."""

    def __init__(self, table: Table) -> None:
        pass

    def reset(self) -> None:
        pass

    def read(self, view: GameView) -> float | None:
        return float(view.exit_code == 0)


class Log:
    """``kind = "log"``: from lines that the game prints, or adds to a file.

    Keys: pattern (a regular expression; the last line that matches counts: its first group as a number, else 1),
    file (below the game's HOME; what the game prints unless given). 0 until a line of this episode matches.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._pattern = re.compile(table.regex("pattern"))
        self._file = table.take("file", str, None)
        self._tail: LogTail | None = None
        self._value = 0.0

    def reset(self) -> None:
        self._value, self._tail = 0.0, None

    def read(self, view: GameView) -> float | None:
        if self._file is not None and self._tail is None:  # the lines of earlier episodes say nothing of this one
            self._tail = LogTail((view.home or Path.home()) / self._file, from_end=True)
        for line in view.new_output if self._tail is None else self._lines_of_file(self._tail):
            match = self._pattern.search(line)
            if match:
                self._value = self._number(match.group(1), line) if match.re.groups else 1.0
        return self._value

    def _number(self, text: str | None, line: str) -> float:
        try:
            value = float(text or "")
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            found = "took no part in the match" if text is None else f"is {text!r}, which is no number,"
            raise self._table.error(
                "pattern", f"must have a number as its first group: it {found} in the line {line!r}"
            )
        return value

    def _lines_of_file(self, tail: LogTail) -> list[str]:
        try:
            return tail.new_lines()
        except OSError as error:
            raise self._table.error("file", f"must be a file that can be read: {error}") from error


class Python:
    """``kind = "python"``: the user's own ``function = "module:function"``, called with each :class:`GameView`.

    The module lies beside the profile, or is installed.
    It returns a number, or None where there is none to be read; infinity and NaN count as None.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._name = table.take("function", str)
        module, _, attribute = self._name.partition(":")
        try:
            self._function: Callable[[GameView], object] = getattr(_module(module, table.file.parent), attribute)
        except Exception as error:  # whatever the user's module raises while it is imported
            raise table.error(
                "function", f"must be an importable 'module:function'; {self._name!r}: {error}"
            ) from error
        if not callable(self._function):
            raise table.error("function", f"must name a function; {self._name!r} is {self._function!r}")

    def reset(self) -> None:
        pass

    def read(self, view: GameView) -> float | None:
        try:
            value = self._function(view)
        except Exception as error:  # whatever the user's function raises
            problem = f"{type(error).__name__}: {error}"
            raise self._table.error("function", f"must not raise; {self._name!r} raised {problem}") from error
        if value is None:
            return None
        if isinstance(value, np.generic):
            value = value.item()
        if not isinstance(value, (int, float)):
            raise self._table.error("function", f"must return a number or None; {self._name!r} returned {value!r}")
        return float(value) if abs(value) <= sys.float_info.max else None


def _imports_as(name: str, file: Path) -> bool:
    """Whether the file is what an import gives: then the user's own code shares the module with us."""
    found = importlib.util.find_spec(name)
    return found is not None and found.origin is not None and Path(found.origin).resolve() == file.resolve()


def _module(name: str, folder: Path) -> ModuleType:
    """The module beside the profile, which another profile's of the same name is not; else the installed one."""
    file = folder / f"{name}.py"
    if not file.is_file() or _imports_as(name, file):
        return importlib.import_module(name)
    known_as = f"{name}@{file.resolve()}"
    if known_as not in sys.modules:
        spec = importlib.util.spec_from_file_location(known_as, file)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[known_as] = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[known_as]
            raise
    return sys.modules[known_as]
