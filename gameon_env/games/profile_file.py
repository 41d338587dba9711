"""Reading a profile's TOML file, strictly: what is wrong is said with the file, the key and what is allowed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gameon_env.controls import Controls
from gameon_env.errors import ProfileError, UnknownNameError
from gameon_env.games.combinations import read_combinations
from gameon_env.games.profile_model import Attach, Launch, Profile, Reset, ResetStep, RewardTerm, Termination
from gameon_env.games.table import Table
from gameon_env.games.training_table import Training, read_training
from gameon_env.keys import BUTTONS, check_control

KEYS = (
    "name", "title", "description", "fps", "time_limit_s", "score", "emergency_stop", "launch", "attach", "controls",
    "actions", "readers", "reward", "termination", "reset", "training",
)  # fmt: skip
"""What a profile may have."""


def read_profile(file: Path) -> Profile:
    """Read and check a profile.

    Raises:
        ProfileError: the file cannot be read or is wrong; the message names the file, the key and what is allowed.
    """
    table = Table.load(file)
    table.only(KEYS)
    launch, attach = _launch(table), _attach(table)
    if launch is not None and attach is not None:
        raise table.error("attach", "stands beside [launch]: a game is launched or found, keep one of the two")
    if launch is None and attach is None:
        raise table.error("launch", "or attach is missing: [launch] with a command, or [attach] to find a game")
    readers = {name: reader.rest() for name, reader in table.named_tables("readers").items()}
    controls = _controls(table, launch)
    stop_key = _button(table, "emergency_stop", "key:f12")
    if stop_key in controls.names:
        raise table.error(
            "emergency_stop",
            f"must be a key that the game does not use: {stop_key!r} (F12 without it) is in controls.names",
        )
    profile = Profile(
        name=table.take("name", str, file.stem),
        title=table.take("title", str, file.stem),
        description=table.take("description", str, "").strip(),
        path=file,
        fps=table.number("fps", 30.0, low=0, above=True),
        time_limit_s=table.number("time_limit_s", low=0, above=True) if "time_limit_s" in table else None,
        launch=launch,
        attach=attach,
        controls=controls,
        actions=_actions(table, controls),
        score=_reader_name(table, "score", readers) if "score" in table else None,
        rewards=tuple(_reward(row, readers) for row in table.tables("reward")),
        terminations=tuple(_termination(row, readers) for row in table.tables("termination")),
        reset=_reset(table, readers, launch),
        emergency_stop=stop_key,
        reader_tables=readers,
        training=_training(table, controls, launch),
    )
    profile.make_readers()  # their keys are checked now, not at the first frame
    if launch is not None:
        _check_regions(table, launch.screen_size, readers)
    return profile


def _check_regions(table: Table, screen_size: tuple[int, int], readers: Mapping[str, Mapping[str, Any]]) -> None:
    height, width = screen_size
    for name, values in readers.items():
        if "region" in values:
            left, top, region_width, region_height = values["region"]
            if left + region_width > width or top + region_height > height:
                raise table.error(
                    f"readers.{name}.region",
                    f"must lie within the game's screen: {values['region']} reaches to x = {left + region_width}, "
                    f"y = {top + region_height}, launch.screen_size is [{height}, {width}] (height, width)",
                )


def _launch(table: Table) -> Launch | None:
    launch = table.table("launch")
    if launch is None:
        return None
    command = launch.texts("command")
    size = launch.integers("screen_size", "height, width")
    assert size is not None
    if not command or min(size) < 16:
        raise launch.error("command", "must name a program, and screen_size must be at least 16x16")
    env = launch.take("env", dict, {})
    if not all(isinstance(value, str) for value in env.values()):
        raise launch.error("env", f"must hold texts; it is {env!r}")
    home = launch.choice("home", ("private", "user"), "private")
    made = Launch(
        command=command,
        screen_size=(size[0], size[1]),
        window=launch.regex("window", None),
        home="private" if home == "private" else "user",
        env=env,
        install=launch.take("install", str, ""),
        files=launch.texts("files", ()),
        modules=launch.texts("modules", ()),
        timeout_s=launch.number("timeout_s", 30.0, low=0, above=True),
        gl=launch.take("gl", bool, True),
        cursor=launch.take("cursor", bool, False),
        lockstep_arguments=launch.texts("lockstep_arguments", ()),
        lockstep=launch.take("lockstep", bool, True),
        step_limit_s=launch.number("step_limit_s", 20.0, low=0, above=True),
    )
    launch.done()
    try:
        made.fill(seed=0, folder=Path(), lockstep=True)
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise launch.error(
            "command", f"may use {{python}} {{seed}} {{width}} {{height}} {{folder}}: {error}"
        ) from error
    return made


def _attach(table: Table) -> Attach | None:
    attach = table.table("attach")
    return None if attach is None else Attach.read(attach)


def _controls(table: Table, launch: Launch | None) -> Controls:
    section = table.table("controls")
    if section is None:
        raise table.error("controls", "is missing: [controls] with names = [...] is needed")
    names = section.texts("names")
    pads = [name for name in names if name.startswith("pad:")]
    if pads:
        raise section.error("names", f"holds {pads}: gamepads can be recorded, but not injected; leave them out")
    try:
        controls = Controls(
            names,
            mouse_scale_px=section.number("mouse_scale_px", 100.0, low=0, above=True),
            wheel_scale=section.number("wheel_scale", 1.0, low=0, above=True),
            window_size=launch.screen_size if launch else (480, 640),
        )
    except (UnknownNameError, ProfileError) as error:
        raise section.wrap("names", error) from error
    section.done()
    return controls


def _actions(table: Table, controls: Controls) -> dict[str, dict[str, float]]:
    section = table.table("actions")
    return {} if section is None else read_combinations(section.rest(), controls.names, section.error)


def _training(table: Table, controls: Controls, launch: Launch | None) -> Training:
    section = table.table("training")
    return Training() if section is None else read_training(section, controls, launch.screen_size if launch else None)


def _reward(row: Table, readers: Mapping[str, object]) -> RewardTerm:
    on = row.choice("on", ("change", "increase", "decrease", "value"), "change")
    term = RewardTerm(_reader_name(row, "reader", readers), on, row.number("weight", 1.0))  # type: ignore[arg-type]
    row.done()
    return term


def _termination(row: Table, readers: Mapping[str, object]) -> Termination:
    above = row.number("above") if "above" in row else None
    below = row.number("below") if "below" in row else None
    row.take("above", float, None), row.take("below", float, None)
    if above is None and below is None:
        above = 1.0  # readers that say yes or no
    steps = row.take("steps", int, 1)
    if steps < 1:
        raise row.error("steps", f"must be at least 1; it is {steps}")
    made = Termination(_reader_name(row, "reader", readers), above, below, steps)
    row.done()
    return made


def _reset(table: Table, readers: Mapping[str, object], launch: Launch | None) -> Reset:
    section, launched = table.table("reset"), launch is not None
    if section is None:
        return Reset("relaunch" if launched else "none")
    mode = section.choice("mode", ("relaunch", "keys", "none"), "relaunch" if launched else "none")
    if mode == "relaunch" and not launched:
        raise section.error("mode", "cannot be relaunch: this profile attaches to a game and launches nothing")
    made = Reset(
        mode=mode,  # type: ignore[arg-type]
        steps=tuple(_reset_step(row, readers, launch) for row in section.tables("steps")),
        start_steps=tuple(_reset_step(row, readers, launch) for row in section.tables("start_steps")),
        ready=_reader_name(section, "ready", readers) if "ready" in section else None,
        timeout_s=section.number("timeout_s", 15.0, low=0, above=True),
    )
    section.take("ready", str, None)
    section.done()
    if made.mode == "keys" and not made.steps:
        raise section.error("steps", "is missing: reset.mode = 'keys' needs [[reset.steps]]")
    return made


def _reset_step(row: Table, readers: Mapping[str, object], launch: Launch | None) -> ResetStep:
    kinds = [kind for kind in ("tap", "wait", "until") if kind in row]
    if len(kinds) != 1:
        raise row.error("tap", "or wait or until must be there, exactly one of them")
    if kinds[0] == "wait":
        step = ResetStep("wait", seconds=row.number("wait", low=0))
    elif kinds[0] == "tap":
        step = ResetStep("tap", _button(row, "tap"), row.number("seconds", 0.1, low=0), _place(row, launch))
    else:
        step = ResetStep("until", _reader_name(row, "until", readers), row.number("seconds", 10.0, low=0))
    row.done()
    return step


def _place(row: Table, launch: Launch | None) -> tuple[int, int] | None:
    place = row.integers("at", "x, y", None)
    if place is None:
        return None
    height, width = launch.screen_size if launch is not None else (math.inf, math.inf)
    if not (0 <= place[0] < width and 0 <= place[1] < height):
        raise row.error("at", f"must be [x, y], a pixel of the game's picture; it is {list(place)}")
    return place[0], place[1]


def _reader_name(table: Table, key: str, readers: Mapping[str, object]) -> str:
    name = table.take(key, str)
    if name not in readers:
        raise table.error(key, f"must name a [readers.NAME] ({', '.join(readers) or 'none here'}); it is {name!r}")
    return name


def _button(table: Table, key: str, default: str | None = None) -> str:
    name = table.take(key, str) if default is None else table.take(key, str, default)
    try:
        check_control(name)
    except UnknownNameError as error:
        raise table.wrap(key, error) from error
    if name not in BUTTONS:
        raise table.error(key, f"must be a key or button; it is {name!r}")
    return name
