/** The page: menu, games one after another, pause, end, and what to do when something is missing. */

import { Simulation } from "./sim.js";
import { MOODS } from "./moods.js";
import { Controls } from "./input.js";
import { steerMenu, unusablePad } from "./gamepad.js";
import { addTouch } from "./touch.js";
import { Hud } from "./hud.js";
import { Loop } from "./loop.js";
import { Menu } from "./menu.js";
import { Sound } from "./sound.js";
import { Stage } from "./stage.js";
import { View } from "./view.js";
import { keepScore } from "./scores.js";
import { readAddress } from "./address.js";
import { closeRecorder, download, openRecorder, recordRest } from "./game_recording.js";
import { showShelf } from "./shelf.js";
import { fillError, fillOver, fillPaused, fillReady, focusOn, sayBest } from "./screens.js";

const byId = (id) => document.getElementById(id);
const canvas = byId("view");
/** A click that was meant for the game must not start the next one. */
const OVER_GUARD_MS = 500;
/** A mean frame time above this for `SLOW_FRAMES` frames lowers the quality. */
const SLOW_MS = 34;
const SLOW_FRAMES = 100;
/** Where the processor draws it draws no more often than this, in ms: it has the game and other programs to run. */
const SOFTWARE_MS = 30;
/** How often a gamepad is looked at in the menus. */
const PAD_MS = 80;

const AWAY = "The game waited while another window had the keyboard.";

const address = readAddress(location.search);
const controls = new Controls(canvas);
const hud = new Hud(matchMedia("(pointer: coarse)").matches);
const sound = new Sound();
const loop = new Loop({ tick, draw, ticksToSample: () => game?.recorder?.ticksToDue ?? 0 });
const menu = new Menu((choice) => ready({ ...choice, player: menu.player }));

/** @type {Stage|null} */
let stage = null;
/** @type {View|null} */
let view = null;
/** The game being played: {sim, recorder, choice, seed, done, heavySince, troubled} */
let game = null;
/** What the start screen starts. */
let chosen = address;
let overAt = 0;
/** Keys that are down now, and those of them that were when the game ended: what they still do is for no button. */
const down = new Set();
const heldAtEnd = new Set();
let drawnAt = 0;
/** The state that a lost picture interrupted. */
let beforeLoss = "menu";
/** Another window has the keyboard. */
let away = false;
/** A second click while a game is being made must not make another. */
let beginning = false;

/** For tests only; nothing of ours that plays reads it. */
window.reacture = { sim: null, recorder: null, errors: [], loop, stage: () => stage, view: () => view };
addEventListener("error", (event) => window.reacture.errors.push(String(event.message)));
addEventListener("unhandledrejection", (event) => window.reacture.errors.push(String(event.reason)));

// -- states -----------------------------------------------------------------------------------------------------------

function show(state) {
  document.body.dataset.state = state;
  controls.enabled = state === "playing";
  controls.clear();
  if (state === "playing") {
    canvas.focus();
    loop.start();
  } else {
    loop.stop();
    controls.releaseLock();
    sound.ambience(null);
  }
  focusOn(state);
}

function state() {
  return document.body.dataset.state;
}

/** @param {string} title @param {string} text what happened and what to do */
function fail(title, text) {
  fillError(title, text);
  show("error");
}

// -- a game -----------------------------------------------------------------------------------------------------------

/** @param {{environment: string, seed: number|null, seconds: number, quality: string, record: boolean, player: string}} choice */
async function begin(choice) {
  if (!stage || beginning) return;
  beginning = true;
  byId("start").textContent = byId("again").textContent = "Starting...";
  try {
    await play(choice);
  } finally {
    beginning = false;
    byId("start").textContent = "Start";
    byId("again").textContent = "Play again";
  }
}

async function play(choice) {
  const seed = choice.seed ?? crypto.getRandomValues(new Uint32Array(1))[0];
  const sim = new Simulation({ seed, environment: choice.environment, limitSeconds: choice.seconds });
  sound.on = choice.sound !== false;
  if (navigator.userActivation?.hasBeenActive) sound.wake();
  // The browser gives the pointer only to a fresh click: ask before anything that waits.
  if (!address.start) controls.requestLock();
  view?.dispose();
  game = { sim, recorder: null, choice, seed, done: false, heavySince: loop.frames };
  view = new View(stage.renderer, sim, stage.quality(choice.quality));
  Object.assign(window.reacture, { sim, recorder: null });
  view.render();
  const notice = choice.record ? await openRecorder(game, stage.gl) : "";
  window.reacture.recorder = game.recorder;
  document.title = `ReActure - ${MOODS[choice.environment].name}`;
  hud.update(sim, performance.now());
  if (stage.gl.isContextLost()) {
    beforeLoss = "playing"; // it begins when the picture is back
    return;
  }
  show("playing");
  sound.ambience(choice.environment);
  if (away || document.hidden) pause(AWAY);
  const task = `${MOODS[choice.environment].name}: find ${sim.world.victims.length} people`;
  hud.say(notice ? `${task}. ${notice}` : task, performance.now(), notice ? 8000 : 4000);
}

/** One tick of the game; true when its state was drawn because the recorder takes it. */
function tick() {
  const { sim, recorder } = game;
  const input = controls.take();
  // A gamepad's Start pauses inside take().
  if (!loop.running) return false;
  const events = sim.step(input);
  recorder?.tick(input, events);
  hud.hear(sim.cues, sim, performance.now());
  sound.play(sim.cues);
  let drawn = false;
  if (recorder?.due) {
    view.render();
    recorder.capture(stage.renderer);
    drawn = true;
  }
  if (sim.over) end();
  return drawn;
}

function draw(drawn, now) {
  if (stage.software && !drawn && now - drawnAt < SOFTWARE_MS) return;
  drawnAt = now;
  // A frame that the recorder just took stands for this one: a slow machine does not draw twice.
  if (!drawn || view.quality === "high") view.render();
  hud.update(game.sim, now);
  if (game.recorder?.isSuperseded) recordAgain(game);
  const trouble = game.recorder?.error;
  if (trouble && !game.troubled) {
    game.troubled = true;
    hud.say(`The recording stopped: ${trouble}`, now, 8000);
  }
  if (loop.frames - game.heavySince > SLOW_FRAMES && loop.frameMs > SLOW_MS) lighten();
}

async function recordAgain(one) {
  const notice = await recordRest(one, stage.gl);
  window.reacture.recorder = one.recorder;
  hud.say(notice, performance.now(), 8000);
}

/** The picture is too slow: draw it at a lower price. */
function lighten() {
  game.heavySince = loop.frames;
  if (game.choice.quality !== "auto") return;
  if (view.quality === "lowest") return;
  if (view.quality === "low") view.coarsen();
  else {
    view.dispose();
    view = new View(stage.renderer, game.sim, "low");
  }
  stage.affordable = view.quality;
  hud.say("Picture simplified to keep the game smooth", performance.now());
}

async function end() {
  const one = game;
  if (one.done) return;
  one.done = true;
  overAt = performance.now();
  for (const code of down) heldAtEnd.add(code);
  hud.update(one.sim, overAt);
  fillOver(one.sim, Boolean(one.recorder));
  show("over");
  const { player, environment } = one.choice;
  const kept = keepScore({ name: player, environment, score: one.sim.score, seed: one.seed });
  await closeRecorder(one);
  const refused = await kept;
  sayBest(await menu.showBoard(), environment, refused);
}

function pause(why = "") {
  if (state() !== "playing") return;
  fillPaused(why || "The clock stands still.", game.recorder?.status);
  show("paused");
}

/** @param {boolean} asks whether the browser may be asked for the pointer */
function resume(asks) {
  if (state() !== "paused") return;
  sound.wake();
  if (asks) controls.requestLock();
  else controls.onLockRefused();
  show("playing");
  sound.ambience(game.choice.environment);
}

/** Leaves a game before its end; what was recorded is kept. */
async function leave() {
  if (state() === "paused") await end();
}

async function next() {
  if (state() !== "over") return;
  const { choice, seed } = game;
  const seeded = address.kiosk || choice.seed !== null;
  await begin({ ...choice, seed: seeded ? (seed + 1) >>> 0 : null });
}

function toMenu() {
  if (address.kiosk) return ready(address);
  show("menu");
  fillMenu();
  byId("cards").firstElementChild.focus();
}

function fillMenu() {
  menu.showBoard();
  showShelf();
}

/** The start screen: the browser gives the pointer only to a click or key. */
function ready(choice) {
  if (!stage) return;
  chosen = choice;
  fillReady(MOODS[choice.environment], !address.kiosk);
  show("ready");
}

// -- the page ---------------------------------------------------------------------------------------------------------

function openStage() {
  try {
    stage = new Stage(canvas);
  } catch (error) {
    window.reacture.errors.push(String(error));
    fail(
      "No 3D graphics here",
      "This browser gives the page no WebGL 2. Turn hardware acceleration on in its settings, or start Chromium with --enable-unsafe-swiftshader, then reload.",
    );
    return;
  }
  canvas.addEventListener("webglcontextlost", (event) => {
    event.preventDefault();
    beforeLoss = state();
    const kept =
      beforeLoss === "playing" || beforeLoss === "paused" ? "The game is paused and what was recorded is kept. " : "";
    fail(
      "The picture was lost",
      `The graphics driver took its context back. ${kept}It goes on when the driver gives it again; otherwise reload the page.`,
    );
  });
  canvas.addEventListener("webglcontextrestored", () => {
    if (beforeLoss !== "playing" && beforeLoss !== "paused") return show(beforeLoss);
    view = new View(stage.renderer, game.sim, view.quality);
    view.render();
    show("playing");
    pause("The picture is back.");
  });
}

function startGame() {
  if (state() === "ready" || address.start) begin(chosen);
}

function keyGoesDown(event) {
  down.add(event.code);
  if (state() !== "over") return;
  // A press that was meant for the game, as a click that was.
  if (performance.now() - overAt < OVER_GUARD_MS) heldAtEnd.add(event.code);
  if (heldAtEnd.has(event.code)) event.preventDefault();
}

function keyGoesUp(event) {
  down.delete(event.code);
  if (heldAtEnd.delete(event.code)) event.preventDefault();
}

function wire() {
  byId("ready-back").addEventListener("click", (event) => {
    event.stopPropagation();
    toMenu();
  });
  byId("screen-ready").addEventListener("click", startGame);
  byId("resume").addEventListener("click", () => resume(true));
  byId("leave").addEventListener("click", leave);
  byId("again").addEventListener("click", next);
  byId("to-menu").addEventListener("click", toMenu);
  byId("reload").addEventListener("click", () => location.reload());
  byId("screen-over").addEventListener("click", (event) => {
    const onOther = event.target.closest("button, a");
    if (address.kiosk && !onOther && performance.now() - overAt > OVER_GUARD_MS) next();
  });
  for (const button of document.querySelectorAll("[data-help]"))
    button.addEventListener("click", () => byId("help").showModal());
  for (const button of document.querySelectorAll("[data-download]"))
    button.addEventListener("click", () => download(game.recorder, button));
  addEventListener("keydown", keyGoesDown, true);
  addEventListener("keyup", keyGoesUp, true);
  addEventListener("blur", () => {
    down.clear();
    heldAtEnd.clear();
  });
  addEventListener("keydown", (event) => {
    if (event.code !== "Escape" || byId("help").open) return;
    if (state() === "playing") pause();
    // Esc takes the pointer away: one that is asked for by it is refused, or gone when the key goes up.
    else if (state() === "paused" && !event.repeat) resume(false);
  });
  addEventListener("resize", () => view?.resize());
  document.addEventListener(
    "visibilitychange",
    () => document.hidden && pause("The game waited while its tab was hidden."),
  );
  // Who has another window before them does not play. A kiosk is played by programs, which resume nothing.
  addEventListener("blur", () => {
    away = !address.kiosk;
    if (away) pause(AWAY);
  });
  addEventListener("focus", () => (away = false));
  // Esc in a locked pointer reaches the page only as the loss of the lock.
  controls.onLock = (gotten) => !gotten && pause();
  controls.onLockRefused = () => {
    if (controls.lock !== "unavailable")
      hud.say("Click once more to look with the mouse; or drag, or use the arrow keys", performance.now(), 4000);
  };
  controls.onPadStart = () => pause();
  addTouch(controls, () => pause());
  setInterval(() => state() !== "playing" && steerMenu(), PAD_MS);
  for (const change of ["gamepadconnected", "gamepaddisconnected"]) addEventListener(change, checkPad);
}

/** Says that a pad does nothing; the browser tells of a pad when it comes, or when its first button is pressed. */
function checkPad() {
  const name = unusablePad();
  const text = name ? `The gamepad “${name}” cannot be used: the browser does not know its buttons.` : "";
  byId("pad-said").textContent = text;
  if (text && state() === "playing") hud.say(text, performance.now(), 5000);
}

wire();
openStage();
fillMenu();
if (stage && address.kiosk) {
  if (address.start) startGame();
  else ready(address);
}
