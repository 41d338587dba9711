"""Rescue: WASD drives, the mouse aims, the left button beams victims up, R held at a station charges."""

import argparse
import contextlib
import functools
import os
import time
from pathlib import Path

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
import numpy as np
import pygame
from pygame import Vector2

from .simulation import FULL_ENOUGH, LOW_BATTERY, NEAR, RUBBLE_RADIUS, STATION_RADIUS, TICK_HZ, WORLD, ZONES, Rescue

HUD_HEIGHT, BATTERY_AT, SCORE_X, TIME_X, DIGIT_WIDTH = 48, (226, 14), 14, 560, 26
HUD, GREY, CHARGED, END, DARK = "#12141c", "#787c8c", "#3ce65a", "#541a82", "#14161a"
VICTIM, STATION, CHARGE, CROSSHAIR, LOCK = "#00ffff", "#ffdc00", "#ff96ff", "#ffffff", "#ff00ff"
ARROW = {"victim": "#96ff00", "station": "#ff9600"}
GROUND = {"earthquake": (62, 56, 50), "tsunami": (96, 88, 62), "wildfire": (40, 58, 36)}
HAZARD = {"earthquake": "#cd1e28", "tsunami": "#1e50c8", "wildfire": "#ff5000"}
SOUND = {"rescue": (900, 900), "miss": (600, -250), "AFTERSHOCK": (130, -30)}  # first pitch and its change, in radians
BOLT = ((5, -26), (-14, 4), (-1, 4), (-5, 26), (14, -4), (1, -4))
font = functools.cache(pygame.font.Font)


class Screen:
    """Draws a game; the robot is always in the middle of the field under the status strip."""

    def __init__(self, game: Rescue, width: int, height: int) -> None:
        self.game, self.window = game, pygame.display.set_mode((max(640, width), max(480, height)))
        pygame.event.set_grab(True)
        pygame.mouse.set_visible(False)
        self.field = pygame.Rect(0, HUD_HEIGHT, self.window.width, self.window.height - HUD_HEIGHT)
        self.effects: list[tuple[int, str, Vector2, int]] = []
        self.world = pygame.Surface(WORLD)
        self.world.fill(GROUND[game.theme])
        for x, y, shade in np.random.default_rng(game.seed).integers(0, (1600, 1200, 10), (900, 3)).tolist():
            colour = [part + 2 * shade - 8 for part in GROUND[game.theme]]
            pygame.draw.rect(self.world, colour, (x, y, 6 + shade * 3, 6 + shade * 2), border_radius=4)
        for heap in game.rubble:
            pygame.draw.circle(self.world, "#7a726a", heap, RUBBLE_RADIUS)
        for at in game.stations:
            pygame.draw.circle(self.world, STATION, at, STATION_RADIUS, 16)
            pygame.draw.polygon(self.world, STATION, [at + point for point in BOLT])
        pygame.draw.rect(self.world, GREY, self.world.get_rect(), 8)

    def text(self, words: str, size: int, at: Vector2, colour: str, smooth: bool = True) -> None:
        image = font(None, size).render(words, smooth, colour)
        self.window.blit(image, image.get_rect(center=at))

    def draw(self, best: int) -> None:
        game, middle = self.game, Vector2(self.field.center)
        self.play(middle)
        if game.over:
            self.window.fill(END)
            self.text("BATTERY EMPTY" if game.battery <= 0 else "MISSION OVER", 64, middle - (0, 90), "white")
            self.text(f"Score {int(game.score)}     Best {best}", 64, middle - (0, 15), STATION)
            self.text("press Enter to play again", 28, middle + (0, 80), "white")
        pygame.draw.rect(self.window, HUD, self.field, 4)
        pygame.draw.rect(self.window, HUD, (0, 0, self.field.width, HUD_HEIGHT))
        for x, number in ((SCORE_X, f"{int(game.score):05}"), (TIME_X, f"{int(game.time_left_s + 0.99):02}")):
            for i, digit in enumerate(number):
                self.text(digit, 54, Vector2(x + (i + 0.5) * DIGIT_WIDTH, 26), "#fafafa", smooth=False)
        pygame.draw.rect(self.window, GREY, (BATTERY_AT[0] - 4, BATTERY_AT[1] - 4, 208, 28), 2)
        pygame.draw.rect(self.window, CHARGED, (*BATTERY_AT, round(2 * game.battery), 20))
        pygame.draw.polygon(self.window, CHARGED, [Vector2(204, 24) + Vector2(point) / 2 for point in BOLT])
        pygame.display.flip()

    def play(self, middle: Vector2) -> None:
        game, hazard = self.game, HAZARD[self.game.theme]
        new = [(game.ticks, *happening) for happening in game.happenings]
        self.effects = [effect for effect in self.effects + new if game.ticks - effect[0] < 40]
        shaking = any(kind == "AFTERSHOCK" for _, kind, _, _ in self.effects)
        camera = middle - game.robot + (3 * shaking * (game.ticks % 3 - 1), 0)
        self.window.fill(DARK)
        self.window.blit(self.world, camera)
        for zone in game.zones:
            pygame.draw.circle(self.window, hazard, zone.at + camera, zone.radius)
        for width, colour in ((18, "#96befa"), (0, hazard)) if game.theme == "tsunami" else ():
            pygame.draw.rect(self.window, colour, (*camera, game.sea_edge() + width, WORLD.y))
        for at, health in ((victim.at + camera, victim.health) for victim in game.victims):
            for offset, radius, colour in ((0, 24, DARK), (0, 21, VICTIM), (6, 6, DARK)):
                pygame.draw.circle(self.window, colour, at - (0, offset), radius)
            pygame.draw.rect(self.window, DARK, (at.x - 8, at.y + 2, 16, 12), border_radius=5)
            pygame.draw.rect(self.window, CHARGED, (at.x - 20, at.y - 34, 40 * health, 5))
        for since, kind, place, points in self.effects:
            age, at, colour = game.ticks - since, place + camera, "#78ffc8" if points > 0 else "#ff5a5a"
            if age < 9 and points:
                pygame.draw.line(self.window, colour, middle, at, 10 - age)
            if kind == "rescue":
                pygame.draw.circle(self.window, colour, at, 20 + 2 * age, max(1, 8 - age // 4))
            self.text(f"{points:+}" if points else kind, 28, at - (0, 30 + age), "#fff096")
        kind, way = game.guide()
        if game.at_station and game.battery < FULL_ENOUGH:
            pygame.draw.circle(self.window, CHARGE, middle, 44, 12)
            self.text("HOLD R", 28, middle + (0, 64), CHARGE)
        elif kind == "station" or way.length() > NEAR:
            corners = [middle + Vector2(corner).rotate(way.angle) for corner in ((78, 0), (38, 16), (38, -16))]
            pygame.draw.polygon(self.window, ARROW[kind], corners)
        for radius, colour in ((26, DARK), (23, "#465a82"), (9, "#bec8dc")):
            pygame.draw.circle(self.window, colour, middle, radius)
        pygame.draw.line(self.window, "#bec8dc", middle, middle + Vector2(22, 0).rotate(game.aim.angle), 8)
        if game.battery < LOW_BATTERY:
            pygame.draw.rect(self.window, STATION, self.field, 12)
            self.text("LOW BATTERY", 28, Vector2(self.field.midbottom) - (0, 28), STATION)
        for radius, width, colour in ((17 * bool(game.locked()), 0, LOCK), (20, 6, CROSSHAIR), (4, 0, CROSSHAIR)):
            pygame.draw.circle(self.window, colour, middle + game.aim, radius, width)


def sample(held: set[int]) -> tuple[set[int], Vector2]:
    """What was down at any time since the last tick (scancodes, -1 for the left button), and the mouse motion."""
    down, motion = set(held), Vector2()
    for event in pygame.event.get():
        control = event.dict.get("scancode", -event.dict.get("button", 0))
        if event.type in (pygame.KEYDOWN, pygame.MOUSEBUTTONDOWN):
            held.add(control)
        elif event.type in (pygame.KEYUP, pygame.MOUSEBUTTONUP):
            held.discard(control)
        elif event.type == pygame.MOUSEMOTION and pygame.event.get_grab():
            motion += event.rel
        elif event.type == pygame.QUIT:
            raise SystemExit
        down |= held
    if down & {-1, pygame.KSCAN_ESCAPE}:
        pygame.event.set_grab(-1 in down)
        pygame.mouse.set_visible(-1 not in down)
    return down, motion


def sounds() -> dict[str, pygame.mixer.Sound]:
    try:
        pygame.mixer.init(22050, -16, 1, 512)
    except pygame.error:
        return {}  # no audio device
    t = np.linspace(0, 1, 8000)
    waves = {kind: 9000 * np.sin(a * t + b * t**2) * (1 - t) ** 2 for kind, (a, b) in SOUND.items()}
    return {kind: pygame.mixer.Sound(buffer=wave.astype(np.int16).tobytes()) for kind, wave in waves.items()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="rescue", description=__doc__)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000, help="the next games count up from it")
    parser.add_argument("--theme", choices=ZONES, default="earthquake")
    parser.add_argument("--size", default="640x480", help="of the window, at least 640x480")
    parser.add_argument("--duration", type=float, default=45.0, help="of a game, in seconds, at most 60")
    parser.add_argument("--mute", action="store_true")
    options = parser.parse_args()
    pygame.display.init()
    pygame.font.init()
    sound, held, due = {} if options.mute else sounds(), set[int](), time.perf_counter()
    best, store = 0, Path.home() / f".rescue_best_{options.theme}"
    with contextlib.suppress(OSError, ValueError):
        best = int(store.read_text())
    while True:
        game = Rescue(options.seed, options.theme, min(60.0, options.duration))
        screen, again = Screen(game, *map(int, options.size.split("x"))), False
        while not again:
            down, motion = sample(held)
            again = pygame.KSCAN_F5 in down or (game.over and pygame.KSCAN_RETURN in down)
            left, right, up, low, refuel = (getattr(pygame, f"KSCAN_{key}") in down for key in "ADWSR")
            game.tick((right - left, low - up), (motion.x, motion.y), -1 in down, refuel)
            for kind in {happening[0] for happening in game.happenings} & sound.keys():
                sound[kind].play()
            if game.over and int(game.score) > best:
                best = int(game.score)
                with contextlib.suppress(OSError):
                    store.write_text(str(best))
            due = max(due + 1 / TICK_HZ, time.perf_counter() - 0.25)
            if time.perf_counter() < due or game.ticks % 4 == 0:  # a slow machine drops pictures, not ticks
                screen.draw(best)
            time.sleep(max(0.0, due - time.perf_counter()))
        options.seed, held = options.seed + 1, held - {pygame.KSCAN_F5}


main()
