"""Reading a table of a TOML file strictly: each error names the file, the key and what is allowed."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, overload

from gameon_env.errors import GameOnError, ProfileError, suggest

T = TypeVar("T")
D = TypeVar("D")
_REQUIRED: Any = object()
_WORDS = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
}


class Table:
    """One table of a TOML file. Take every key that is known, then call :meth:`done`."""

    def __init__(self, values: dict[str, Any], file: Path, prefix: str = "") -> None:
        self.file = file
        self._values = values
        self._prefix = prefix
        self._known: list[str] = []

    @classmethod
    def load(cls, file: Path) -> Table:
        """Read a TOML file.

        Raises:
            ProfileError: the file cannot be read, or is not TOML.
        """
        try:
            return cls(tomllib.loads(file.read_text(encoding="utf-8")), file)
        except OSError as error:
            raise ProfileError(f"{file}: cannot be read: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ProfileError(f"{file}: is not valid TOML: {error}") from error

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def error(self, key: str, problem: str) -> ProfileError:
        """A :class:`ProfileError` that names the file and the key."""
        return ProfileError(f"{self.file}: {self._prefix}{key} {problem}")

    @overload
    def take(self, key: str, kind: type[T]) -> T: ...

    @overload
    def take(self, key: str, kind: type[T], default: D) -> T | D: ...

    def take(self, key: str, kind: type[T], default: Any = _REQUIRED) -> Any:
        """The value of ``key``, which must be of ``kind`` (a whole number serves as a number)."""
        self._known.append(key)
        if key not in self._values:
            if default is _REQUIRED:
                raise self.error(key, f"is missing: it must be {_WORDS[kind]}")
            return default
        value = self._values[key]
        if kind is float and type(value) is int:
            return float(value)
        if type(value) is not kind:
            raise self.error(key, f"must be {_WORDS[kind]}; it is {value!r}")
        return value

    def number(self, key: str, default: float = _REQUIRED, *, low: float = float("-inf"), above: bool = False) -> float:
        """A finite number of at least ``low`` (greater than it, where ``above``)."""
        value = self.take(key, float, default)
        if not math.isfinite(value):
            raise self.error(key, f"must be a finite number; it is {value}")
        if value < low or (above and value == low):
            raise self.error(key, f"must be {'more than' if above else 'at least'} {low:g}; it is {value:g}")
        return value

    def choice(self, key: str, allowed: Sequence[str], default: str = _REQUIRED) -> str:
        """One of the texts in ``allowed``."""
        value = self.take(key, str, default)
        if value not in allowed:
            raise self.error(key, f"must be one of {', '.join(allowed)}; it is {value!r}.{suggest(value, allowed)}")
        return value

    @overload
    def regex(self, key: str) -> str: ...

    @overload
    def regex(self, key: str, default: D) -> str | D: ...

    def regex(self, key: str, default: Any = _REQUIRED) -> Any:
        """A text that is a regular expression."""
        pattern = self.take(key, str, default)
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise self.error(key, f"must be a regular expression: {error}; it is {pattern!r}") from error
        return pattern

    def texts(self, key: str, default: Sequence[str] = _REQUIRED) -> tuple[str, ...]:
        """A list of texts."""
        values = self.take(key, list, default if default is _REQUIRED else list(default))
        if not all(isinstance(value, str) for value in values):
            raise self.error(key, f"must be a list of texts; it is {values!r}")
        return tuple(values)

    def integers(self, key: str, names: str, default: Sequence[int] | None = _REQUIRED) -> tuple[int, ...] | None:
        """As many whole numbers as ``names`` has words, as in ``"left, top, width, height"``."""
        values = self.take(key, list, default if default is _REQUIRED or default is None else list(default))
        if values is None:
            return None
        count = len(names.split(","))
        if len(values) != count or not all(type(value) is int for value in values):
            raise self.error(key, f"must be [{names}], {count} whole numbers; it is {values!r}")
        return tuple(values)

    def table(self, key: str) -> Table | None:
        """The table ``key``, where there is one."""
        values = self.take(key, dict, None)
        return None if values is None else Table(values, self.file, f"{self._prefix}{key}.")

    def tables(self, key: str) -> list[Table]:
        """The array of tables ``[[key]]``; empty where there is none."""
        if isinstance(self._values.get(key), dict):
            raise self.error(key, f"must be written as [[{self._prefix}{key}]], in two brackets: there may be several")
        values = self.take(key, list, [])
        if not all(isinstance(value, dict) for value in values):
            raise self.error(key, f"must be written as [[{self._prefix}{key}]] tables; it is {values!r}")
        return [Table(value, self.file, f"{self._prefix}{key}[{i}].") for i, value in enumerate(values)]

    def named_tables(self, key: str) -> dict[str, Table]:
        """The tables ``[key.NAME]`` by name; empty where there are none."""
        values = self.take(key, dict, {})
        for name, value in values.items():
            if not isinstance(value, dict):
                raise self.error(key, f"holds tables; {name} is {value!r}")
        return {name: Table(value, self.file, f"{self._prefix}{key}.{name}.") for name, value in values.items()}

    def rest(self) -> dict[str, Any]:
        """All keys that were not taken."""
        rest = {key: value for key, value in self._values.items() if key not in self._known}
        self._known += rest
        return rest

    def done(self) -> None:
        """Refuse keys that nobody took."""
        self.only(self._known)

    def only(self, allowed: Sequence[str]) -> None:
        """Refuse all other keys."""
        for key in self._values:
            if key not in allowed:
                raise self.error(key, f"is unknown; allowed here: {', '.join(allowed)}.{suggest(key, allowed)}")

    def wrap(self, key: str, error: GameOnError) -> ProfileError:
        """Another error, with the file and the key in front of it."""
        return self.error(key, f"is wrong: {error}")
