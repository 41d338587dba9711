"""What all window backends share: choosing, waiting, focusing and the messages, on a backend made of a script."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from gameon_env.desktop import windows
from gameon_env.desktop.region import Region
from gameon_env.desktop.windows import Window, WindowInfo
from gameon_env.errors import WindowError


def info(number: int, title: str, pid: int, width: int, height: int) -> WindowInfo:
    return WindowInfo(number, title, pid, Region(0, 0, width, height))


class ScriptedWindow(Window):
    """Gets the focus at the ``patience``-th question, or never."""

    def __init__(self, number: int, patience: int = 1) -> None:
        self.id = number
        self.patience = patience
        self.asked_for_focus = self.closed = 0

    @property
    def title(self) -> str:
        return f"window {self.id}"

    @property
    def alive(self) -> bool:
        return True

    @property
    def focused(self) -> bool:
        self.patience -= 1
        return bool(self.asked_for_focus) and self.patience <= 0

    def region(self) -> Region:
        return Region(0, 0, 10, 10)

    def ask_for_focus(self) -> None:
        self.asked_for_focus += 1

    def move_resize(self, region: Region) -> None:
        raise WindowError("fixed")

    def close(self) -> None:
        self.closed += 1


@dataclass
class Script:
    """A backend: what is on the screen at each look, the last for good."""

    looks: list[list[WindowInfo]]
    displays: list[str | None] = field(default_factory=list)
    open_lists: int = 0

    def open_list(self, display: str | None, /) -> Script:
        self.displays.append(display)
        self.open_lists += 1
        return self

    def open_window(self, display: str | None, window_id: int, /) -> Window:
        self.displays.append(display)
        return ScriptedWindow(window_id)

    def visible(self) -> list[WindowInfo]:
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]

    def close(self) -> None:
        self.open_lists -= 1


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    backend = Script([[]])
    monkeypatch.setattr(windows, "_backend", lambda: backend)
    yield backend
    assert backend.open_lists == 0


def test_the_largest_first_and_helpers_left_out(script: Script) -> None:
    script.looks = [
        [info(1, "a", 7, 8, 900), info(2, "b", 7, 20, 20), info(3, "c", 8, 30, 30), info(4, "d", 8, 20, 20)]
    ]
    assert [found.id for found in windows.list_windows("")] == [3, 2, 4]
    assert windows.find_window("", pids={7}) == info(2, "b", 7, 20, 20)
    assert windows.find_window("", title="^[bd]$") == info(2, "b", 7, 20, 20)
    assert windows.find_window("", pids={8}, title="b") is None
    assert script.displays == [""] * 4


def test_waiting_until_the_window_comes(script: Script) -> None:
    script.looks = [[], [info(1, "splash", 7, 50, 50)], [info(1, "splash", 7, 50, 50), info(2, "Game", 7, 20, 20)]]
    with windows.wait_for_window("", process=None, title="Game", timeout_s=30) as window:
        assert window.id == 2
    assert isinstance(window, ScriptedWindow)
    assert window.closed == 1


def test_a_window_that_does_not_come(script: Script) -> None:
    script.looks = [[info(1, "Editor", 0, 50, 40)]]
    with pytest.raises(WindowError, match=r"like 'Game'.*0 s.*'Editor' 50x40\+0\+0 \(process unknown\)"):
        windows.wait_for_window("", process=None, title="Game", timeout_s=0)
    with pytest.raises(WindowError, match="regular expression"):
        windows.wait_for_window("", process=None, title="(", timeout_s=0)


def test_focus_is_asked_for_once_and_waited_for() -> None:
    window = ScriptedWindow(1, patience=4)
    assert window.focus(timeout_s=30)
    assert window.asked_for_focus == 1
    assert not ScriptedWindow(2, patience=10**9).focus(timeout_s=0)
