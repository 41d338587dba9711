"""The built-in game's rules, without a display."""

from __future__ import annotations

from random import Random

import pytest
from pygame.math import Vector2

from gameon_env.games.rescue.simulation import BEAM_RANGE, LOW_BATTERY, TICK_HZ, WORLD, ZONES, Rescue

Play = tuple[tuple[int, int], tuple[float, float], bool, bool]
IDLE: Play = ((0, 0), (0.0, 0.0), False, False)
themes = pytest.mark.parametrize("theme", sorted(ZONES))


def state(game: Rescue) -> tuple[object, ...]:
    return (
        game.ticks, game.score, game.battery, game.combo, tuple(game.robot), tuple(game.aim),
        [(*victim.at, victim.health) for victim in game.victims],
        [(*zone.at, zone.radius) for zone in game.zones], game.sea_edge(),
    )  # fmt: skip


def random_play(seed: int, ticks: int) -> list[Play]:
    random = Random(seed)
    play = []
    for i in range(ticks):
        if i % 20 == 0:
            move = (random.randint(-1, 1), random.randint(-1, 1))
        aim = (random.uniform(-5, 5), random.uniform(-5, 5))
        play.append((move, aim, random.random() < 0.1, random.random() < 0.5))
    return play


def beam_at_nearest(game: Rescue) -> Play:
    """Play the arrow: drive to the nearest victim and beam it up, or to the nearest station and charge there."""
    kind, way = game.guide()
    if game.at_station and game.battery < 90:
        return (0, 0), (0.0, 0.0), False, True
    near = kind == "victim" and way.length() < 110
    move = (0, 0) if near else (round(way.normalize().x), round(way.normalize().y))
    turn = way - game.aim
    return move, (turn.x, turn.y), game.locked() is not None, False


@themes
def test_the_same_seed_and_inputs_give_the_same_game(theme: str) -> None:
    first, second, other = Rescue(7, theme), Rescue(7, theme), Rescue(8, theme)
    assert state(first) != state(other)
    for play in random_play(1, 1500):
        first.tick(*play)
        second.tick(*play)
        assert state(first) == state(second)


@themes
@pytest.mark.parametrize("seed", range(5))
def test_random_play_keeps_within_the_rules(theme: str, seed: int) -> None:
    game = Rescue(seed, theme)
    for play in random_play(seed, 46 * TICK_HZ):
        game.tick(*play)
        assert game.score >= 0
        assert 0 <= game.battery <= 100
        assert game.aim.length() <= 150.01
        assert 0 < game.robot.x < WORLD.x
        assert 0 < game.robot.y < WORLD.y
        assert all(0 < victim.health <= 1 for victim in game.victims)
    assert game.over


@themes
def test_following_the_arrow_scores_well(theme: str) -> None:
    game = Rescue(11, theme)
    while not game.over:
        game.tick(*beam_at_nearest(game))
    assert game.time_left_s <= 0
    assert game.score > 2500


def test_the_game_ends_with_its_time_and_then_stands_still() -> None:
    game = Rescue(1, duration_s=2.0)
    for _ in range(3 * TICK_HZ):
        game.tick(*IDLE)
    assert game.over
    assert game.ticks == pytest.approx(2 * TICK_HZ, abs=1)
    assert game.score == 0
    before = state(game)
    game.tick((1, 1), (9.0, 9.0), True, True)
    assert state(game) == before


def test_an_empty_battery_ends_the_game() -> None:
    game = Rescue(1, "tsunami", 60.0)
    while not game.over:
        game.tick((0, (game.ticks // 30) % 2 * 2 - 1), (0.0, 0.0), False, False)
    assert game.battery == 0
    assert game.time_left_s > 30


def test_a_station_charges_only_while_asked() -> None:
    game = Rescue(1)
    game.robot, game.battery = Vector2(game.stations[0]), 50.0
    game.tick(*IDLE)
    assert game.at_station
    assert game.battery < 50
    for _ in range(TICK_HZ // 2):
        game.tick((0, 0), (0.0, 0.0), False, True)
    assert game.battery == pytest.approx(80, abs=1)
    game.robot = game.stations[0] + Vector2(0, 80)
    before = game.battery
    game.tick((0, 0), (0.0, 0.0), False, True)
    assert game.battery < before


def test_the_arrow_shows_a_station_when_the_battery_is_low() -> None:
    game = Rescue(1)
    assert game.guide()[0] == "victim"
    game.battery = LOW_BATTERY - 1
    kind, way = game.guide()
    assert kind == "station"
    assert game.robot + way in game.stations


def test_a_shot_rescues_what_is_aimed_at_and_in_range() -> None:
    game = Rescue(1)
    victim = game.victims[0]
    for distance, rescued in ((BEAM_RANGE + 5, False), (100.0, True)):
        game.score, game._cooldown = 50.0, 0
        game.robot = victim.at + Vector2(distance, 0)
        game.aim = Vector2(-distance, 0)
        game.tick((0, 0), (0.0, 0.0), True, False)
        assert (victim not in game.victims) == rescued
        assert game.score == pytest.approx(150 if rescued else 40, abs=2)
    assert len(game.victims) == 8


def test_quick_rescues_pay_more() -> None:
    game, points = Rescue(1, "tsunami"), []
    for _ in range(3):
        game._cooldown = 0
        game.robot, game.aim = game.victims[0].at + Vector2(100, 0), Vector2(-100, 0)
        game.victims[0].health = 1.0
        game.tick((0, 0), (0.0, 0.0), True, False)
        points += [event[2] for event in game.happenings if event[0] == "rescue"]
    assert points == [100, 110, 120]


def test_a_hazard_costs_battery_and_score() -> None:
    game = Rescue(1)
    game.robot, game.score, before = Vector2(game.zones[0].at), 100.0, game.battery
    for _ in range(TICK_HZ):
        game.tick(*IDLE)
    assert game.score == pytest.approx(70, abs=1)
    assert game.battery == pytest.approx(before - 16, abs=0.5)


def test_each_theme_has_a_danger_of_its_own() -> None:
    games = {theme: Rescue(3, theme) for theme in ZONES}
    before = {theme: ([tuple(zone.at) for zone in game.zones], game.sea_edge()) for theme, game in games.items()}
    radii = [zone.radius for zone in games["wildfire"].zones]
    for game in games.values():
        for _ in range(TICK_HZ):
            game.tick(*IDLE)
    assert games["tsunami"].sea_edge() > before["tsunami"][1] > 0
    assert games["wildfire"].zones[0].radius != radii[0]
    assert [tuple(zone.at) for zone in games["earthquake"].zones] == before["earthquake"][0]
    assert games["earthquake"].rubble
    for _ in range(8 * TICK_HZ):
        games["earthquake"].tick(*IDLE)
    assert "AFTERSHOCK" in [event[0] for event in games["earthquake"].happenings]
    assert [tuple(zone.at) for zone in games["earthquake"].zones] != before["earthquake"][0]
