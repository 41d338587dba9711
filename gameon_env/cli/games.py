"""``gameon games``: what can be played, and what a profile says."""

from __future__ import annotations

import json
import sys

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gameon_env.cli.console import open_console
from gameon_env.errors import MissingProgramError, ProfileError
from gameon_env.games.profile import Profile, load_profile, profile_paths


def command(
    game: str | None = typer.Argument(None, help="A profile's name, or the path of a TOML file; all without it."),
    as_json: bool = typer.Option(False, "--json", help="For programs."),
    check: bool = typer.Option(
        False, "--check", help="Play it in lockstep, several times the same: how fast, and are the frames the same?"
    ),
    runs: int = typer.Option(3, min=2, help="How many runs with the same actions --check plays."),
    steps: int = typer.Option(500, min=1, help="How many steps each of them has."),
) -> None:
    """The games there are; with a name, all that the profile says; with --check, what playing it shows.

    A profile of your own is a TOML file. Put it into ~/.config/gameon-env/profiles, or name its path:

    \b
      title = "My game"
      fps = 30                        # steps per second
      time_limit_s = 120              # an episode is truncated then
      score = "score"                 # the reader that is the raw score
      emergency_stop = "key:f12"      # takes keyboard and mouse from an agent on a display that you use
    \b
      [launch]                        # or [attach] with window = "title regex", monitor = 0 or region = [l, t, w, h]
      command = ["mygame", "--windowed", "--seed={seed}"]   # {python} {seed} {width} {height} {folder}
      lockstep_arguments = ["--mute"] # added to them in lockstep
      lockstep = true                 # false: it cannot be played in lockstep
      step_limit_s = 20               # real seconds that it may compute over one step in lockstep
      screen_size = [480, 640]        # height, width of the private display
      window = "^My Game$"            # title (regex); needed where the game opens several windows
      install = "apt-get install mygame"
      files = ["~/mygame/data.wad"]   # other files that must be there
      modules = ["pyxel"]             # Python modules that must be there
      env = { LANG = "C" }            # environment variables for the game
      home = "private"                # a HOME of its own, empty at each launch; or user: yours
      timeout_s = 30                  # how long its window may take to show
      gl = true                       # OpenGL on the private display; 58 MB less memory without
      cursor = false                  # whether the mouse pointer is in the picture
    \b
      [controls]
      names = ["key:left", "key:right", "key:space", "mouse:dx", "mouse:dy", "mouse:left"]
      mouse_scale_px = 100            # counts in one step that are 1.0
    \b
      [actions]                       # named combinations, for agents that choose one of a list (DiscreteActions)
      nothing = []
      fire_left = ["key:left", "key:space"]
      look_up = { "mouse:dy" = -0.3, "key:space" = 1 }
    \b
      [training]                      # for gameon train ppo, sac, dqn ...
      observation_size = [64, 64]     # height, width that the agent sees
      stack = 1                       # frames at once
      reward_scale = 0.01             # multiplies the rewards that the agent learns from
      exclusive = [["key:left", "key:right"]]   # keys that are one choice
      [training.ppo]                  # Stable-Baselines3's hyperparameters, and value_steps, sharpness ...
      learning_rate = 5e-5
    \b
      [readers.score]                 # a number: NAME is what reward, score, ready ... are about
      kind = "digits"
      region = [10, 10, 120, 24]      # left, top, width, height in the game's own picture (env.render())
      font = "mygame_digits.png"      # made by: gameon teach, which tells ink and tolerance too
      characters = "0123456789"       # those in the font, in its order
      [readers.time]
      kind = "digits"                 # ink = [255, 255, 255] for text on a background that is not plain
      clock = true                    # m:ss or h:mm:ss, in seconds
      region = [200, 10, 80, 24]
      font = "mygame_digits.png"
      [readers.health]
      kind = "bar"                    # 0 to 1: how much of its length shows the colour
      region = [10, 40, 200, 12]
      color = [60, 220, 60]           # red, green, blue; tolerance = 60 levels of each
      direction = "right"             # the way it fills: right left up down
      [readers.over]
      kind = "color"                  # 1 where fraction = 0.5 of the region shows it, within tolerance = 30
      region = [200, 200, 240, 80]
      color = [200, 30, 30]
      [readers.menu]
      kind = "template"               # 1 where the picture is found in the region, by threshold = 0.9
      image = "mygame_menu.png"       # a PNG beside the profile, made by: gameon teach --cut
      region = [0, 0, 640, 100]
      [readers.lost]
      kind = "template"
      image = "mygame_lost.png"       # a text or sign on a background that is not plain:
      ink = [255, 255, 255]           # where this colour is, is compared; within tolerance = 60, by threshold = 0.6
      [readers.lives]
      kind = "count"                  # how often the picture is found in the region
      image = "mygame_heart.png"
      region = [500, 0, 140, 30]
      [readers.stuck]
      kind = "unchanged"              # 1 when the region has looked the same for so long
      seconds = 5
      [readers.gone]
      kind = "exit"                   # 1 when the game has ended by itself, without an error
      [readers.playing]
      kind = "log"                    # the last line of its output that matches: its first group, or 1
      pattern = "level .* begins"     # file = "x.log": of this file in the game's HOME instead
      [readers.own]
      kind = "python"
      function = "my_module:read"     # yours, in my_module.py beside the profile or installed: number or None
                                      # of a GameView
    \b
      [[reward]]
      reader = "score"
      on = "change"                   # change increase decrease value
      weight = 1.0
      [[termination]]
      reader = "over"                 # above = 1 unless given; below = ...; steps = 1
      [reset]
      mode = "keys"                   # relaunch keys none
      ready = "playing"               # a reader that is 1 when the game can be played
      timeout_s = 15                  # how long it may take to get there
      [[reset.steps]]                 # in order, each one of: tap, wait, until
      tap = "key:enter"               # a key or button, held for seconds = 0.1
      [[reset.steps]]
      tap = "mouse:left"              # a click
      at = [320, 240]                 # x, y in the game's picture: the pointer goes there first
      [[reset.steps]]
      wait = 0.5                      # seconds
      [[reset.steps]]
      until = "playing"               # a reader that becomes 1; after seconds = 10 it goes on without
      [[reset.start_steps]]           # the same, done after each launch
      tap = "key:enter"
    """
    if check:
        if game is None:
            raise typer.BadParameter("--check needs the name of a game: gameon games --check NAME")
        from gameon_env.cli.game_check import check_game  # Gymnasium is slow to import, and listing is not

        check_game(load_profile(game), runs=runs, steps=steps, as_json=as_json)
        return
    if game is not None:
        profile = load_profile(game)
        describe(profile, open_console()) if not as_json else typer.echo(json.dumps(summary(profile), indent=2))
        return
    profiles, broken = [], []
    for path in profile_paths().values():
        try:
            profiles.append(load_profile(path))
        except ProfileError as error:
            broken.append(error)
    if as_json:
        typer.echo(json.dumps([summary(profile) for profile in profiles], indent=2))
    else:
        table = Table("game", "what it is", "controls", "fps", "installed")
        for profile in profiles:
            facts = str(len(profile.controls)), f"{profile.fps:g}", installed(profile) or "yes"
            table.add_row(profile.name, profile.title, *facts)
        console = open_console()
        console.print(table)
        console.print("More on one of them: gameon games NAME. Your own: gameon games --help")
    for problem in broken:
        print(f"left out: {problem}", file=sys.stderr)


def installed(profile: Profile) -> str:
    """What is missing, or an empty text."""
    if profile.launch is None:
        return ""
    try:
        profile.launch.check_installed(profile.path.parent)
    except MissingProgramError:
        return f"no: {profile.launch.install}" if profile.launch.install else "no"
    return ""


def summary(profile: Profile) -> dict[str, object]:
    """A profile as JSON."""
    return {
        "name": profile.name,
        "title": profile.title,
        "description": profile.description,
        "path": str(profile.path),
        "fps": profile.fps,
        "time_limit_s": profile.time_limit_s,
        "controls": list(profile.controls.names),
        "mouse_scale_px": profile.controls.mouse_scale_px,
        "actions": {name: dict(combination) for name, combination in profile.actions.items()},
        "launch": list(profile.launch.command) if profile.launch else None,
        "score": profile.score,
        "readers": {name: table.get("kind") for name, table in profile.reader_tables.items()},
        "reset": profile.reset.mode,
        "installed": not installed(profile),
        "install": profile.launch.install if profile.launch else "",
    }


def describe(profile: Profile, console: Console) -> None:
    """A page on one game."""
    facts = summary(profile)
    console.print(Text.assemble((profile.title, "bold"), f"  ({profile.path})"))
    console.print(profile.description or "no description")
    table = Table(show_header=False, box=None)
    table.add_row("controls", ", ".join(profile.controls.names))
    table.add_row("mouse", f"1.0 = {profile.controls.mouse_scale_px:g} counts in one step")
    if profile.actions:
        table.add_row("actions", ", ".join(profile.actions))
    table.add_row("fps", f"{profile.fps:g}")
    table.add_row("time limit", f"{profile.time_limit_s:g} s" if profile.time_limit_s else "none")
    table.add_row("launch", " ".join(profile.launch.command) if profile.launch else "nothing: it attaches")
    table.add_row(
        "readers", ", ".join(f"{name} ({table.get('kind')})" for name, table in profile.reader_tables.items())
    )
    table.add_row("score", profile.score or "none")
    rewards = [f"{term.weight:g} x {term.on} of {term.reader}" for term in profile.rewards]
    table.add_row("reward", "; ".join(rewards) or "always 0")
    table.add_row("game over", "; ".join(rule.reader for rule in profile.terminations) or "never")
    table.add_row("reset", profile.reset.mode)
    table.add_row("installed", "yes" if facts["installed"] else installed(profile))
    console.print(table)
