"""The browser game itself: its rules, its keys, and what it says when something is missing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from gameon_env.web.server import WebServer
from tests.live._browser import Browser, browser, wait_until

ENVIRONMENTS = ("earthquake", "tsunami", "wildfire")
PLAYER = Path(__file__).with_name("web_player.js")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    with WebServer(tmp_path_factory.mktemp("data"), port=0) as server:
        yield server


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as page:
        yield page


@pytest.fixture
def page(shared: Browser) -> Iterator[Browser]:
    shared.errors()
    yield shared
    shared.let_go()
    assert shared.js("window.reacture.errors") == []
    assert shared.errors() == []


def start(page: Browser, server: WebServer, environment: str = "earthquake", **more: Any) -> None:
    """A game that begins without a click."""
    asked = {"kiosk": 1, "start": 1, "seed": 7, "seconds": 300, "quality": "low", "environment": environment, **more}
    page.open(f"{server.url.rstrip('/')}/?" + "&".join(f"{name}={value}" for name, value in asked.items()))
    page.wait_state("playing")


def run_in_page(page: Browser, body: str) -> Any:
    """What an async function of the page returns; `Simulation` and `scriptedPlayer` are at hand in it."""
    page.driver.set_script_timeout(240)
    # The page's own rules let it load no other script: the player becomes a part of this one.
    player = PLAYER.read_text().replace("export function", "function")
    answer = page.driver.execute_async_script(
        player
        + """
        const done = arguments[arguments.length - 1];
        (async () => {
          const { Simulation } = await import("/sim.js");
        """
        + body
        + "})().then(done, (error) => done(`failed: ${error.stack}`));"
    )
    assert not isinstance(answer, str), answer
    return answer


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_seed_and_inputs_make_the_game(page: Browser, server: WebServer, environment: str) -> None:
    page.open(server.url)
    runs = run_in_page(
        page,
        f"""
        const play = (seed, turn) => {{
          const sim = new Simulation({{ seed, environment: "{environment}", limitSeconds: 60 }});
          const seen = [];
          while (!sim.over) {{
            const t = sim.tick;
            const input = {{ w: t % 200 < 150, a: t % 90 < 9, s: false, d: t % 70 < 9, space: t % 111 === 0,
              e: t % 300 > 250, r: true, destroy: t % 25 === 0,
              mouse_dx: t % 100 < 20 ? turn : 0, mouse_dy: t % 50 < 5 ? 3 : -1 }};
            const events = sim.step(input);
            if (events.length || t % 6 === 0) seen.push(JSON.stringify([events, sim.snapshot()]));
          }}
          return {{ seen: seen.join("\\n"), rows: seen.length, ticks: sim.tick, over: sim.over }};
        }};
        const [one, same, otherInputs, otherSeed] = [play(5, 9), play(5, 9), play(5, 10), play(6, 9)];
        return {{ rows: one.rows, ticks: one.ticks, over: one.over, same: one.seen === same.seen,
          otherInputs: one.seen !== otherInputs.seen, otherSeed: one.seen !== otherSeed.seen }};
        """,
    )
    assert runs["ticks"] <= 3600
    assert runs["rows"] >= runs["ticks"] / 6
    assert runs["same"]
    assert runs["otherInputs"]
    assert runs["otherSeed"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_who_knows_the_map_rescues_most(page: Browser, server: WebServer, environment: str) -> None:
    page.open(server.url)
    game = run_in_page(
        page,
        f"""
        const sim = new Simulation({{ seed: 2, environment: "{environment}", limitSeconds: 300 }});
        const player = scriptedPlayer(sim);
        const events = [];
        let numbers = true;
        while (!sim.over) {{
          events.push(...sim.step(player()));
          const {{ battery, damage, robot }} = sim.snapshot();
          numbers &&= battery >= 0 && battery <= 100 && damage >= 0 && damage <= 1;
          numbers &&= Math.abs(robot.position.x) < 64 && Math.abs(robot.position.z) < 64;
          numbers &&= robot.position.y > sim.world.heightAt(robot.position.x, robot.position.z) - 0.5;
        }}
        return {{ result: sim.result(), over: sim.over, score: sim.score, numbers,
          rescued: events.filter((event) => event.event === "rescue").length,
          cleared: events.filter((event) => event.event === "destroy_rubble").length }};
        """,
    )
    result = game["result"]
    assert game["over"] in ("completed", "time_up")
    assert result["completion_status"] == game["over"]
    assert game["numbers"]
    assert result["victims_saved"] == game["rescued"] >= result["victims_total"] // 2
    assert result["final_score"] == game["score"] > 100 * game["rescued"] + 5 * game["cleared"]
    assert result["victims_saved"] + result["victims_died"] <= result["victims_total"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_each_victim_can_be_rescued_from_somewhere(page: Browser, server: WebServer, environment: str) -> None:
    page.open(server.url)
    never = run_in_page(
        page,
        f"""
        const never = [];
        for (let k = 0; k < 100; k++) {{
          const seed = (k * 2654435761) >>> 0;
          const sim = new Simulation({{ seed, environment: "{environment}" }});
          const {{ world, robot }} = sim;
          for (const box of world.boxes) if (box.hits > 0) box.solid = false;
          const isReachedFrom = (victim, far, turn) => {{
            const [x, z] = [victim.x + Math.sin(turn) * far, victim.z + Math.cos(turn) * far];
            const y = world.floorAt(x, z, 0.42, victim.y + 0.3, 0.5);
            if (Math.abs(y - victim.y) > 1.5 || world.blocked(x, z, 0.42, y + 0.01, 1.5)) return false;
            const pitch = Math.atan2(victim.y + 0.6 - y - 1.35, far);
            Object.assign(robot, {{ x, y, z, pitch, yaw: Math.atan2(x - victim.x, z - victim.z) }});
            return sim.target()?.victim === victim;
          }};
          const places = Array.from({{ length: 168 }}, (_, i) => [0.6 + 0.4 * Math.floor(i / 24), (i % 24) * 0.2618]);
          for (const victim of world.victims)
            if (!places.some(([far, turn]) => isReachedFrom(victim, far, turn))) never.push([seed, victim.id]);
        }}
        return never;
        """,
    )
    assert never == []


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_robot_gets_around_each_station(page: Browser, server: WebServer, environment: str) -> None:
    page.open(server.url)
    closed = run_in_page(
        page,
        f"""
        const closed = [];
        for (let seed = 0; seed < 120; seed++) {{
          const {{ world }} = new Simulation({{ seed, environment: "{environment}" }});
          for (const {{ x, y, z }} of world.stations)
            if (world.blocked(x, z, 1.8, y + 0.1, 1.5)) closed.push([seed, x, z]);
        }}
        return closed;
        """,
    )
    assert closed == []


def test_environments_differ_in_what_happens(page: Browser, server: WebServer) -> None:
    page.open(server.url)
    told = run_in_page(
        page,
        """
        const idle = { w: false, a: false, s: false, d: false, space: false, e: false, r: false, destroy: false,
          mouse_dx: 0, mouse_dy: 0 };
        const told = {};
        for (const environment of ["earthquake", "tsunami", "wildfire"]) {
          const sim = new Simulation({ seed: 4, environment, limitSeconds: 130 });
          const where = () => JSON.stringify(sim.world.boxes.map((box) => [box.x, box.z, box.h]));
          const before = where();
          const cues = new Set();
          const levels = [];
          while (!sim.over && sim.tick < 7800) {
            sim.step(idle);
            for (const cue of sim.cues) cues.add(cue.name);
            levels.push(sim.hazard.level ?? 0);
          }
          told[environment] = { cues: [...cues], moved: where() !== before,
            rise: Math.max(...levels) - Math.min(...levels),
            burnt: sim.hazard.cells ? sim.hazard.cells.filter((state) => state === 2).length : 0 };
        }
        return told;
        """,
    )
    assert "aftershock" in told["earthquake"]["cues"]
    assert told["earthquake"]["moved"]
    assert "wave" in told["tsunami"]["cues"]
    assert told["tsunami"]["rise"] > 3
    assert told["tsunami"]["moved"]  # the wreckage drifts
    assert told["wildfire"]["burnt"] > 10
    assert not told["wildfire"]["moved"]


def test_the_picture_of_a_tick_is_the_same_however_often_is_drawn(page: Browser, server: WebServer) -> None:
    page.open(server.url)
    told = run_in_page(
        page,
        """
        const { View } = await import("/view.js");
        const { MOODS } = await import("/moods.js");
        const air = [1, 4, 12].map((every) => {
          const sim = new Simulation({ seed: 7, environment: "wildfire" });
          const view = new View(window.reacture.stage().renderer, sim, "lowest");
          while (sim.tick < 48) {
            sim.hazard.smoke.fill(sim.tick < 20 ? 1 : 0.3);
            sim.step({ mouse_dx: 0, mouse_dy: 0 });
            if (sim.tick % every === 0) view.render();
          }
          view.dispose();
          return [view.scene.fog.near, view.scene.fog.far];
        });
        return { air, clear: MOODS.wildfire.fog.slice(1) };
        """,
    )
    often, sometimes, seldom = told["air"]
    assert often == sometimes == seldom
    assert all(near < clear for near, clear in zip(often, told["clear"], strict=True))


def test_the_menu_by_keyboard_alone(page: Browser, server: WebServer) -> None:
    page.open(server.url)
    page.js("localStorage.clear()")
    page.open(server.url)
    page.wait_state("menu")
    page.click(5, 5)  # gives the window the keyboard
    tab_to(page, "name")
    for letter in "eve":
        page.tap(f"key:{letter}")
    page.tap("key:enter")
    page.wait_for("document.querySelector('#who').textContent === 'eve'")
    page.wait_for("document.activeElement.dataset.environment === 'earthquake'")
    page.tap("key:tab")
    page.wait_for("document.activeElement.dataset.environment === 'tsunami'")
    assert page.js("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.tap("key:enter")
    page.wait_state("ready")
    page.wait_for("document.activeElement.id === 'start'")
    page.tap("key:enter")
    page.wait_state("playing")
    assert page.js("window.reacture.sim.environment") == "tsunami"

    turned = "window.reacture.sim.robot.yaw"
    before = page.js(turned)
    page.hold("key:right")
    page.wait_for(f"Math.abs({turned} - {before}) > 0.3")
    page.let_go()
    page.tap("key:tab")  # leads nowhere while a game is played
    page.hold("key:w")
    page.wait_for("Math.hypot(window.reacture.sim.robot.vx, window.reacture.sim.robot.vz) > 2")
    page.let_go()
    assert page.js("document.activeElement.id") == "view"
    page.tap("key:f")
    page.wait_for("window.reacture.sim.readyTick >= 0")

    page.tap("key:escape")
    page.wait_state("paused")
    tick = page.js("window.reacture.sim.tick")
    page.wait_for("document.activeElement.id === 'resume'")
    page.tap("key:enter")
    page.wait_state("playing")
    page.wait_for(f"window.reacture.sim.tick > {tick}")
    page.tap("key:escape")
    page.wait_state("paused")
    tab_to(page, "leave")
    page.tap("key:enter")
    page.wait_state("over")
    page.wait_for("document.activeElement.id === 'again'")
    tab_to(page, "to-menu")
    page.tap("key:enter")
    page.wait_state("menu")
    page.wait_for("document.querySelector('#board').innerText.includes('eve')")


def tab_to(page: Browser, name: str) -> None:
    for _ in range(12):
        if page.js("document.activeElement.id") == name:
            return
        page.tap("key:tab")
    raise AssertionError(f"Tab does not lead to #{name}")


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_game_on_the_screen_from_start_to_end(page: Browser, server: WebServer, environment: str) -> None:
    start(page, server, environment, seconds=4)
    wait_until(lambda: shows_the_game(page), "the game's picture")
    page.hold("key:w", "key:d")
    page.wait_state("over")
    page.let_go()
    assert page.js("document.querySelector('#over-title').textContent") == "Time is up"
    assert page.js("window.reacture.sim.tick") == 240
    seed = page.js("window.reacture.sim.seed")
    time.sleep(0.6)
    page.tap("key:enter")
    page.wait_state("playing")
    assert page.js("window.reacture.sim.seed") == seed + 1


def test_names_in_any_script_are_on_the_leaderboard(page: Browser, server: WebServer) -> None:
    for told, kept in (("🚒" * 30, "🚒" * 24), ("می\u200cخواهم\u00a0۷", "می\u200cخواهم\u00a0۷"), ("a\u202eb\n", "ab")):
        start(page, server, "tsunami", seconds=1, player=quote(told))
        page.wait_state("over")
        page.wait_for("document.querySelector('#over-best').textContent.startsWith('Best here')")
        scores = page.driver.execute_script("return fetch('/api/scores').then((answer) => answer.json());")["scores"]
        assert kept in [score["name"] for score in scores]
        assert "not on" not in page.js("document.querySelector('#over-best').textContent")


def test_a_score_that_is_refused_is_said(page: Browser, tmp_path: Path) -> None:
    damaged = tmp_path / "reacture" / "scores.json"
    damaged.parent.mkdir()
    damaged.write_text("no")
    with WebServer(tmp_path, port=0) as server:
        start(page, server, "tsunami", seconds=1)
        page.wait_state("over")
        page.wait_for("document.querySelector('#over-best').textContent.includes('is no list of scores')")
        assert page.js("window.reacture.errors") == []
    assert all("507" in error for error in page.errors())


def shows_the_game(page: Browser) -> bool:
    """Whether the display shows more than one plain colour, and the score in white on black at its place."""
    picture = page.look()
    score = picture[12:40, 12:108]
    black, white = (score == 0).all(axis=2).mean(), (score > 200).all(axis=2).mean()
    return bool(picture.std() > 20 and black > 0.4 and white > 0.1)


def test_a_gamepad_drives_looks_and_pauses(page: Browser, server: WebServer) -> None:
    # Pads cannot be plugged into this display: the browser is told of one instead.
    start(page, server)
    page.js(
        "navigator.getGamepads = () => [window.pad = window.pad ?? {connected: true, mapping: 'standard',"
        "axes: [0, 0, 0, 0], buttons: Array.from({length: 17}, () => ({pressed: false}))}]"
    )
    before = page.js("window.reacture.sim.robot.yaw")
    page.wait_for("window.pad && (window.pad.axes = [0, -1, 1, 0])")
    page.wait_for(f"Math.abs(window.reacture.sim.robot.yaw - {before}) > 0.3")
    page.wait_for("Math.hypot(window.reacture.sim.robot.vx, window.reacture.sim.robot.vz) > 2")
    page.js("(window.pad.axes = [0.1, 0, 0.1, 0]) && (window.pad.buttons[9].pressed = true)")
    page.wait_state("paused")
    page.js("(window.pad.buttons[9].pressed = false) || (window.padWas = true)")
    time.sleep(0.5)
    page.js("window.pad.buttons[0].pressed = true")  # A on "Resume"
    page.wait_state("playing")


def test_a_gamepad_changes_a_choice_in_the_menu(page: Browser, server: WebServer) -> None:
    page.open(server.url)
    page.js("localStorage.setItem('reacture.player', JSON.stringify('ada'))")
    page.open(server.url)
    page.wait_state("menu")
    plug_in(page, "standard")
    page.js("document.querySelector('#options').open = true")
    page.driver.execute_script("document.querySelector('#seconds').focus()")
    time.sleep(0.3)  # what a pad holds when the menu looks at it first presses nothing
    for axes, value in (("[1, 0, 0, 0]", "600"), ("[1, 0, 0, 0]", "120"), ("[-1, 0, 0, 0]", "600")):
        page.driver.execute_script(f"window.pad.axes = {axes}")
        page.wait_for(f"document.querySelector('#seconds').value === '{value}'")
        page.driver.execute_script("window.pad.axes = [0, 0, 0, 0]")
        time.sleep(0.3)
    assert page.js("JSON.parse(localStorage.getItem('reacture.options')).seconds") == 600
    page.driver.execute_script("window.pad.axes = [0, 1, 0, 0]")
    page.wait_for("document.activeElement.id === 'quality'")
    page.js("localStorage.removeItem('reacture.options')")


def test_a_gamepad_that_nobody_knows_is_said(page: Browser, server: WebServer) -> None:
    page.open(server.url)
    page.wait_state("menu")
    plug_in(page, "")
    assert "“Odd pad” cannot be used" in page.js("document.querySelector('#pad-said').textContent")
    start(page, server)
    plug_in(page, "")
    page.wait_for("document.querySelector('#said').textContent.includes('“Odd pad” cannot be used')")
    plug_in(page, "standard")
    assert page.js("document.querySelector('#pad-said').textContent") == ""


def plug_in(page: Browser, mapping: str) -> None:
    """Tell the browser of a pad, `window.pad`: none can be plugged into this display."""
    page.driver.execute_script(
        "window.pad = { id: 'Odd pad', connected: true, mapping: arguments[0], axes: [0, 0, 0, 0],"
        "  buttons: Array.from({ length: 17 }, () => ({ pressed: false })) };"
        "navigator.getGamepads = () => [null, window.pad];"
        "dispatchEvent(new Event('gamepadconnected'));",
        mapping,
    )


def test_thumbs_drive_and_look_on_a_phone(server: WebServer, tmp_path: Path) -> None:
    with browser(tmp_path, phone=True) as page:
        start(page, server, quality="lowest")
        page.wait_for("!document.querySelector('#touch').hidden")
        yaw, speed = "window.reacture.sim.robot.yaw", "Math.hypot(reacture.sim.robot.vx, reacture.sim.robot.vz)"
        stick = page.js("document.querySelector('#stick').getBoundingClientRect()")
        x, y = stick["x"] + stick["width"] / 2, stick["y"] + stick["height"] / 2
        left, up = (1, x, y), (1, x, y - 40)

        def touch(kind: str, *fingers: tuple[int, float, float]) -> None:
            points = [{"id": finger, "x": x, "y": y} for finger, x, y in fingers]
            page.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        def look_to(x: int) -> None:
            before = page.js(yaw)
            touch("touchMove", up, (2, x, 300))
            page.wait_for(f"{yaw} < {before} - 0.05")

        touch("touchStart", left)
        touch("touchMove", up)
        page.wait_for(f"{speed} > 2")
        touch("touchStart", up, (2, 200, 300))
        look_to(230)
        # A third finger, told by a script: the browser's own lifts all fingers or none.
        for kind in ("pointerdown", "pointerup"):
            page.driver.execute_script(
                "document.querySelector('[data-press=space]').dispatchEvent("
                "new PointerEvent(arguments[0], {pointerId: 99, pointerType: 'touch', bubbles: true}))", kind
            )  # fmt: skip
        look_to(260)
        assert page.js("document.querySelector('#stick i').style.transform") != ""
        touch("touchEnd")
        page.wait_for(f"{speed} < 0.5")
        before = page.js(yaw)
        touch("touchStart", left)
        touch("touchMove", up)
        page.wait_for(f"{speed} > 2")
        touch("touchCancel")
        page.wait_for(f"{speed} < 0.5")
        assert page.js(yaw) == before
        assert page.js("window.reacture.errors") == page.errors() == []


def test_a_refused_pointer_is_asked_for_again(page: Browser, server: WebServer) -> None:
    start(page, server)
    page.tap("key:escape")
    page.wait_state("paused")
    page.js("document.querySelector('#resume').click()")  # no person's click: the browser refuses
    page.wait_state("playing")
    page.wait_for("document.querySelector('#said').textContent.includes('once more')")
    assert page.js("document.pointerLockElement === null")
    click_until_locked(page)
    before = page.js("window.reacture.sim.robot.yaw")
    page.move(60, 0)
    page.wait_for(f"window.reacture.sim.robot.yaw < {before} - 0.1")


def test_the_pointer_comes_back_after_a_pause_by_escape(page: Browser, server: WebServer) -> None:
    start(page, server)
    click_until_locked(page)
    page.tap("key:escape")
    page.wait_state("paused")
    page.tap("key:escape")
    page.wait_state("playing")
    tick = page.js("window.reacture.sim.tick")
    page.wait_for(f"window.reacture.sim.tick > {tick + 12}")
    assert page.js("document.pointerLockElement === null")
    click_until_locked(page)


def click_until_locked(page: Browser) -> None:
    """Click as one who was refused does; the browser gives no pointer for a second after Escape."""

    def locked() -> bool:
        page.click()
        time.sleep(0.4)
        return bool(page.js("document.pointerLockElement !== null"))

    wait_until(locked, "the pointer")


def test_a_lost_context_pauses_and_comes_back(page: Browser, server: WebServer) -> None:
    start(page, server)
    page.wait_for("window.reacture.sim.tick > 5")
    page.js("(window.losing = window.reacture.stage().gl.getExtension('WEBGL_lose_context')).loseContext()")
    page.wait_state("error")
    assert "reload the page" in page.js("document.querySelector('#error-text').textContent")
    tick = page.js("window.reacture.sim.tick")
    page.js("window.losing.restoreContext()")
    page.wait_state("paused")
    assert page.js("window.reacture.sim.tick") == tick
    page.js("document.querySelector('#resume').click()")
    page.wait_for(f"window.reacture.sim.tick > {tick}")
    page.wait_for("window.reacture.stage().renderer.info.render.triangles > 1000")


def test_a_context_that_is_lost_while_a_game_is_made(page: Browser, server: WebServer) -> None:
    page.open(f"{server.url}?kiosk=1&seed=7&quality=low&environment=earthquake&record=1")
    page.wait_state("ready")
    page.driver.execute_script(
        "window.loss = window.reacture.stage().gl.getExtension('WEBGL_lose_context');"
        "document.querySelector('#start').click(); window.loss.loseContext();"
    )
    page.wait_state("error")
    page.wait_for("document.querySelector('#start').textContent === 'Start'")
    assert page.js("[document.body.dataset.state, window.reacture.sim.tick]") == ["error", 0]
    page.js("window.loss.restoreContext()")
    page.wait_state("paused")
    page.js("document.querySelector('#resume').click()")
    page.wait_for("window.reacture.recorder.status.samples > 5")
    assert page.js("document.body.dataset.state") == "playing"


def test_a_hidden_tab_waits_and_two_tabs_play(page: Browser, server: WebServer) -> None:
    window = page.driver.current_window_handle
    page.driver.switch_to.new_window("tab")
    first = page.driver.current_window_handle
    start(page, server, "wildfire", record=1)
    page.wait_for("window.reacture.sim.tick > 5")
    page.driver.switch_to.new_window("tab")  # hides the first
    second = page.driver.current_window_handle
    start(page, server, "tsunami", record=1)
    page.wait_for("window.reacture.sim.tick > 30")
    prefix = page.js("window.reacture.recorder.prefix")

    page.driver.switch_to.window(first)
    page.wait_state("paused")
    assert "hidden" in page.js("document.querySelector('#paused-text').textContent")
    tick = page.js("window.reacture.sim.tick")
    time.sleep(0.3)
    assert page.js("window.reacture.sim.tick") == tick
    page.js("document.querySelector('#resume').click()")
    page.wait_for(f"window.reacture.sim.tick > {tick + 12}")
    assert page.js("window.reacture.recorder.prefix") != prefix
    assert page.js("window.reacture.sim.environment") == "wildfire"
    for tab in (second, first):
        page.driver.switch_to.window(tab)
        assert page.js("window.reacture.errors") == []
        page.driver.close()
    page.driver.switch_to.window(window)


def test_a_game_without_the_keyboard_waits(page: Browser, server: WebServer) -> None:
    page.open(server.url)
    page.js("localStorage.setItem('reacture.player', JSON.stringify('ada'))")
    page.open(server.url)
    page.click_on("#cards > :nth-child(1)")
    page.wait_state("ready")
    page.tap("key:enter")
    page.wait_state("playing")
    page.wait_for("window.reacture.sim.tick > 5")
    page.tap("key:escape")
    page.wait_state("paused")
    page.tap("key:escape")  # from here on without a pointer, whose loss would pause too
    page.wait_state("playing")
    assert page.js("document.pointerLockElement === null")
    window = page.driver.current_window_handle
    page.driver.switch_to.new_window("window")
    try:
        page.driver.switch_to.window(window)
        page.wait_state("paused")
        assert "another window" in page.js("document.querySelector('#paused-text').textContent")
        assert not page.js("document.hidden")
    finally:
        (other,) = set(page.driver.window_handles) - {window}
        page.driver.switch_to.window(other)
        page.driver.close()
        page.driver.switch_to.window(window)
    tick = page.js("window.reacture.sim.tick")
    time.sleep(0.3)
    assert page.js("window.reacture.sim.tick") == tick


def test_a_game_that_the_keyboard_left_while_it_was_being_made_waits(page: Browser, server: WebServer) -> None:
    page.open(server.url)
    page.js("localStorage.setItem('reacture.player', JSON.stringify('ada'))")
    page.open(server.url)
    page.click_on("#cards > :nth-child(1)")
    page.wait_state("ready")
    page.js("dispatchEvent(new Event('blur'))")
    page.tap("key:enter")
    page.wait_state("paused")
    assert page.js("window.reacture.sim.tick") == 0
    page.js("dispatchEvent(new Event('focus'))")
    page.tap("key:escape")
    page.wait_state("playing")


def test_without_webgl_it_says_what_to_do(server: WebServer, tmp_path: Path) -> None:
    with browser(tmp_path, flags=("--disable-3d-apis",)) as page:
        page.open(server.url)
        page.wait_state("error")
        text = page.js("document.querySelector('#screen-error').innerText")
        assert "No 3D graphics" in text
        assert "hardware acceleration" in text


def test_without_pointer_lock_the_mouse_drags(page: Browser, server: WebServer) -> None:
    script = page.driver.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument",
        {
            "source": "Element.prototype.requestPointerLock = async () => {"
            "throw new DOMException('no', 'NotAllowedError'); }"
        },
    )
    try:
        start(page, server)
        before = page.js("window.reacture.sim.robot.yaw")
        page.click()
        page.wait_for("document.querySelector('#said').textContent.includes('arrow keys')")
        page.hold("mouse:left")
        page.move(60, 0)
        page.move(60, 0)
        page.wait_for(f"window.reacture.sim.robot.yaw < {before} - 0.1")
        page.let_go()
        page.hold("key:left")
        page.wait_for(f"window.reacture.sim.robot.yaw > {before}")
    finally:
        page.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
