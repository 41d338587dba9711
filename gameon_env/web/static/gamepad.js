/** The first gamepad with the standard layout: left stick drives, right stick looks. */

const DEAD_ZONE = 0.2;
const DRIVE_AT = 0.35;
const COUNTS_PER_TICK = 16;
/** Standard layout: A jumps, X or the right trigger acts, B x-rays, Y refuels. */
const BUTTONS = { 0: "space", 1: "e", 2: "destroy", 3: "r", 7: "destroy", 12: "w", 13: "s", 14: "a", 15: "d" };
const START = 9;

let startWasDown = false;

/** @returns {{buttons: Set<string>, dx: number, dy: number, startPressed: boolean}|null} null without a pad */
export function readGamepad() {
  const pad = pads().find((one) => one.mapping === "standard");
  if (!pad) return null;
  const buttons = new Set();
  for (const [index, name] of Object.entries(BUTTONS)) if (pad.buttons[index]?.pressed) buttons.add(name);
  const [x, y, lookX, lookY] = pad.axes;
  if (x < -DRIVE_AT) buttons.add("a");
  if (x > DRIVE_AT) buttons.add("d");
  if (y < -DRIVE_AT) buttons.add("w");
  if (y > DRIVE_AT) buttons.add("s");
  const startDown = Boolean(pad.buttons[START]?.pressed);
  const startPressed = startDown && !startWasDown;
  startWasDown = startDown;
  return { buttons, dx: curve(lookX) * COUNTS_PER_TICK, dy: curve(lookY) * COUNTS_PER_TICK * 0.7, startPressed };
}

/** The name of a pad that does nothing here, because nobody knows which of its buttons is which; else null. */
export function unusablePad() {
  const found = pads();
  return found.some((one) => one.mapping === "standard") ? null : (found[0]?.id ?? null);
}

function pads() {
  return (navigator.getGamepads?.() ?? []).filter((one) => one?.connected);
}

/** Fine in the middle, full at the rim. */
function curve(value = 0) {
  const size = Math.max(0, (Math.abs(value) - DEAD_ZONE) / (1 - DEAD_ZONE));
  return Math.sign(value) * size * size;
}

/**
 * A pad in the menus: up and down go through the buttons, left and right through the choices of a list, A presses. Call
 * now and then while no game runs.
 */
export function steerMenu() {
  const pad = readGamepad();
  const wants = pad ? [...pad.buttons].filter((name) => name in MENU || name === "space") : [];
  const fresh = wants.find((name) => !menuHeld.has(name));
  menuHeld = new Set(wants);
  if (fresh === "space" || pad?.startPressed) document.activeElement?.click?.();
  else if (fresh) MENU[fresh]();
}

const MENU = { w: () => moveFocus(-1), s: () => moveFocus(1), a: () => choose(-1), d: () => choose(1) };

/** What a pad held when the menu last looked: a button held from the game presses nothing here. */
let menuHeld = new Set(["space", ...Object.keys(MENU)]);

function moveFocus(step) {
  const root = document.querySelector("dialog[open]") ?? document;
  const stops = [...root.querySelectorAll("button, input, select, summary, a[href]")].filter(
    (one) => one.checkVisibility?.() && !one.closest("#hud"),
  );
  const at = stops.indexOf(document.activeElement);
  stops[(at + step + stops.length) % stops.length]?.focus();
}

/** The next choice of a `<select>` that has the keyboard. */
function choose(step) {
  const list = document.activeElement;
  if (!(list instanceof HTMLSelectElement)) return;
  list.selectedIndex = (list.selectedIndex + step + list.length) % list.length;
  list.dispatchEvent(new Event("change", { bubbles: true }));
}
