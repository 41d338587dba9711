"""The rules, without a screen: 60 ticks a second; the same seed and inputs give the same game."""

import math
from dataclasses import dataclass
from random import Random

from pygame.math import Vector2

TICK_HZ, WORLD = 60, Vector2(1600, 1200)
ZONES = {"earthquake": 9, "tsunami": 0, "wildfire": 7}  # how many round hazards each theme has
AIM_REACH, BEAM_RANGE, LOCK_RADIUS, STATION_RADIUS, RUBBLE_RADIUS = 150.0, 140.0, 34.0, 54.0, 55.0
LOW_BATTERY, FULL_ENOUGH, NEAR = 55.0, 90.0, 112.0  # a victim nearer than that needs no arrow


@dataclass
class Thing:
    at: Vector2  # of a victim or a round hazard
    radius: float = 21.0
    health: float = 1.0


class Rescue:
    """One game. Positions are pixels in the world; ``aim`` is the crosshair relative to the robot."""

    def __init__(self, seed: int, theme: str = "earthquake", duration_s: float = 45.0) -> None:
        self.seed, self.theme, self.time_left_s, self.ticks = seed, theme, duration_s, 0
        self.robot, self.aim = WORLD / 2, Vector2(0, -90)
        self.battery, self.score, self.combo, self.over, self.at_station = 100.0, 0.0, 0, False, False
        self.happenings: list[tuple[str, Vector2, int]] = []  # of the last tick: what, where, points
        self._random, self._cooldown, self._since_rescue = Random(f"{seed} {theme}"), 0, 0
        self.victims, self.zones, self.stations = list[Thing](), list[Thing](), list[Vector2]()
        for _ in range(3):
            self.stations.append(self._place(150, 690, self.stations, 400, 100))  # the sea comes 660 px inland
        self.rubble = [self._place(60, 0, [], 0, 100) for _ in range(14 if theme == "earthquake" else 0)]
        for _ in range(ZONES[theme]):
            self.zones.append(self._new_zone())
        for _ in range(8):
            self.victims.append(self._new_victim())

    def sea_edge(self) -> float:
        """How far the sea reaches into the world from the left, in pixels."""
        return 340 - 320 * math.cos(self.ticks * math.tau / 15 / TICK_HZ) if self.theme == "tsunami" else -math.inf

    def locked(self) -> Thing | None:
        """The victim that a shot would rescue now: under the crosshair and in range of the beam."""
        near = min(self.victims, key=lambda victim: victim.at.distance_to(self.robot + self.aim))
        way = near.at - self.robot
        return near if way.length() <= BEAM_RANGE and way.distance_to(self.aim) <= LOCK_RADIUS else None

    def guide(self) -> tuple[str, Vector2]:
        """Where the robot's arrow points: to the nearest ``station`` on a low battery, else ``victim``."""
        low = self.battery < LOW_BATTERY
        places = self.stations if low else [victim.at for victim in self.victims]
        return "station" if low else "victim", min(places, key=self.robot.distance_to) - self.robot

    def hazard_distance(self, place: Vector2) -> float:
        """Pixels from a place to the edge of the nearest hazard, negative inside."""
        return min([place.x - self.sea_edge(), *(place.distance_to(zone.at) - zone.radius for zone in self.zones)])

    def tick(self, move: tuple[int, int], aim: tuple[float, float], fire: bool, refuel: bool) -> None:
        """Advance by 1/60 s: ``move`` in {-1, 0, 1} per axis (y down), ``aim`` in pixels of mouse motion."""
        self.happenings.clear()
        if self.over:
            return
        self.ticks, self.time_left_s = self.ticks + 1, self.time_left_s - 1 / TICK_HZ
        self._drive(move, aim, refuel)
        self._beam(fire)
        for i, victim in enumerate(self.victims):
            victim.health -= (1 / 2 if self.hazard_distance(victim.at) < 0 else 1 / 40) / TICK_HZ
            self.victims[i] = victim if victim.health > 0 else self._new_victim()
        if self.theme == "earthquake" and self.ticks % (9 * TICK_HZ) == 0:
            self.happenings.append(("AFTERSHOCK", self.robot, 0))
            self.zones = [self._new_zone() for _ in self.zones]
        for i, flames in enumerate(self.zones if self.theme == "wildfire" else []):
            flames.health, flames.radius = flames.health - 1 / 15 / TICK_HZ, 90 * math.sin(math.pi * flames.health)
            self.zones[i] = flames if flames.health > 0 else self._new_zone()
        self.over = self.battery <= 0 or self.time_left_s <= 0

    def _drive(self, move: tuple[int, int], aim: tuple[float, float], refuel: bool) -> None:
        drain_per_s = 4.5 if any(move) else 2.0
        if any(move):
            slow = any(self.robot.distance_to(heap) < RUBBLE_RADIUS for heap in self.rubble)
            there = self.robot + Vector2(move).normalize() * (2.0 if slow else 4.0)
            self.robot = Vector2(max(24, min(WORLD.x - 24, there.x)), max(24, min(WORLD.y - 24, there.y)))
        self.aim = (self.aim + aim or Vector2(0, -1)).clamp_magnitude(AIM_REACH)
        if self.hazard_distance(self.robot) < 0:
            drain_per_s += 14.0
            self.score = max(0.0, self.score - 30 / TICK_HZ)
        self.at_station = min(self.robot.distance_to(station) for station in self.stations) <= STATION_RADIUS
        drain_per_s = -60.0 if refuel and self.at_station else drain_per_s
        self.battery = max(0.0, min(100.0, self.battery - drain_per_s / TICK_HZ))

    def _beam(self, fire: bool) -> None:
        self._cooldown, self._since_rescue = max(0, self._cooldown - 1), self._since_rescue + 1
        self.combo = self.combo if self._since_rescue < 4 * TICK_HZ else 0
        if fire and not self._cooldown:
            self._cooldown, victim = 24, self.locked()
            points = round(50 + 50 * victim.health) + 10 * self.combo if victim else -10
            self.score = max(0.0, self.score + points)
            self.happenings.append(("rescue" if victim else "miss", self.robot + self.aim, points))
            if victim:
                self.combo, self._since_rescue = min(5, self.combo + 1), 0
                self.victims[self.victims.index(victim)] = self._new_victim()

    def _new_victim(self) -> Thing:
        return Thing(self._place(90, 80, [*self.stations, *(victim.at for victim in self.victims)], 230, 280))

    def _new_zone(self) -> Thing:
        """A fissure, or a fire, likely next to one that burns already."""
        places = [self._place(60, 0, self.stations, 250, 240) for _ in range(3)]
        near = self._random.choice(self.zones).at if self.theme == "wildfire" and self.zones else places[0]
        return Thing(min(places, key=near.distance_to), self._random.uniform(50, 85), self._random.uniform(0.4, 1))

    def _place(self, border: float, hazard: float, others: list[Vector2], apart: float, robot: float) -> Vector2:
        """A random place that keeps these distances; only the border's if no room is found for the rest."""
        for _ in range(300):
            place = Vector2(*(self._random.uniform(border, side - border) for side in WORLD))
            alone = all(place.distance_to(other) >= apart for other in others)
            if alone and self.hazard_distance(place) >= hazard and place.distance_to(self.robot) >= robot:
                break
        return place
