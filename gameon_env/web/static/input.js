/** Keyboard, mouse, gamepad and touch become one Input per tick. */

import { readGamepad } from "./gamepad.js";

/** Physical keys, so that W A S D sit in the same place on every layout. */
const KEYS = {
  KeyW: "w",
  KeyA: "a",
  KeyS: "s",
  KeyD: "d",
  Space: "space",
  KeyE: "e",
  KeyR: "r",
  KeyF: "destroy",
  Enter: "destroy",
  NumpadEnter: "destroy",
  ArrowLeft: "look_left",
  ArrowRight: "look_right",
  ArrowUp: "look_up",
  ArrowDown: "look_down",
};
const BUTTONS = ["w", "a", "s", "d", "space", "e", "r", "destroy"];
/** Mouse counts that a held arrow key gives in a tick: slow at first for aiming, then fast for turning. */
const LOOK_FIRST = 5;
const LOOK_MOST = 15;

export class Controls {
  /** @param {HTMLElement} surface the element that takes clicks and pointer lock */
  constructor(surface) {
    this.surface = surface;
    this.enabled = false;
    this.held = new Set();
    this.pressed = new Set();
    this.dx = 0;
    this.dy = 0;
    this.lookTicks = 0;
    this.dragging = false;
    /** 'free', 'refused' from a refusal until the browser gives the pointer after all, or 'unavailable' for good */
    this.lock = typeof surface.requestPointerLock === "function" ? "free" : "unavailable";
    /** @type {(gotten: boolean) => void} told when the pointer lock comes or goes */
    this.onLock = () => {};
    this.onLockRefused = () => {};
    this.onPadStart = () => {};
    this.#listen();
  }

  get locked() {
    return document.pointerLockElement === this.surface;
  }

  async requestLock() {
    if (this.lock === "unavailable" || this.locked) return;
    try {
      await this.surface.requestPointerLock();
    } catch {
      this.#refuse();
    }
  }

  /** No refusal is for good: Chromium refuses without a click or key, and for a second after Esc left the lock. */
  #refuse() {
    this.lock = "refused";
    this.onLockRefused();
  }

  releaseLock() {
    if (this.locked) document.exitPointerLock();
  }

  /** Forgets what is held: keys released while the page had no focus are never told. */
  clear() {
    this.held.clear();
    this.pressed.clear();
    this.dx = 0;
    this.dy = 0;
    this.dragging = false;
  }

  press(name) {
    this.held.add(name);
    this.pressed.add(name);
  }

  release(name) {
    this.held.delete(name);
  }

  look(dx, dy) {
    this.dx += dx;
    this.dy += dy;
  }

  /** @returns {import("./sim.js").Input} what happened since the last call; keys held at any time in it are true */
  take() {
    const pad = readGamepad();
    if (pad?.startPressed) this.onPadStart();
    const input = { mouse_dx: 0, mouse_dy: 0 };
    for (const name of BUTTONS)
      input[name] = this.held.has(name) || this.pressed.has(name) || Boolean(pad?.buttons.has(name));
    this.#lookByKeys();
    // Whole counts, as a mouse gives them; the rest waits for the next tick.
    const dx = this.dx + (pad?.dx ?? 0);
    const dy = this.dy + (pad?.dy ?? 0);
    input.mouse_dx = Math.round(dx);
    input.mouse_dy = Math.round(dy);
    this.dx = dx - input.mouse_dx;
    this.dy = dy - input.mouse_dy;
    this.pressed.clear();
    return input;
  }

  #lookByKeys() {
    const across = Number(this.#down("look_right")) - Number(this.#down("look_left"));
    const along = Number(this.#down("look_down")) - Number(this.#down("look_up"));
    this.lookTicks = across || along ? this.lookTicks + 1 : 0;
    const speed = Math.min(LOOK_MOST, LOOK_FIRST + this.lookTicks / 3);
    this.look(across * speed, along * speed * 0.7);
  }

  #down(name) {
    return this.held.has(name) || this.pressed.has(name);
  }

  #listen() {
    addEventListener("keydown", (event) => {
      const name = KEYS[event.code];
      // Tab would take the keyboard out of the game, to the browser's own buttons in the end.
      if (this.enabled && event.code === "Tab") event.preventDefault();
      if (!this.enabled || !name || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      if (!event.repeat) this.press(name);
    });
    addEventListener("keyup", (event) => {
      if (KEYS[event.code]) this.release(KEYS[event.code]);
      if (event.key === "Meta") this.clear(); // macOS does not tell of keys that go up while it is down
    });
    addEventListener("blur", () => this.clear());
    this.surface.addEventListener("mousedown", (event) => {
      if (!this.enabled) return;
      event.preventDefault();
      this.dragging = true;
      // A click that only asks for the pointer is no action; after a refusal it is both.
      if ((this.locked || this.lock !== "free") && event.button === 0) this.press("destroy");
      this.requestLock();
    });
    addEventListener("mouseup", (event) => {
      this.dragging = false;
      if (event.button === 0) this.release("destroy");
    });
    addEventListener("mousemove", (event) => {
      if (this.enabled && (this.locked || this.dragging)) this.look(event.movementX, event.movementY);
    });
    this.surface.addEventListener("contextmenu", (event) => event.preventDefault());
    document.addEventListener("pointerlockchange", () => {
      this.clear();
      if (this.locked) this.lock = "free";
      this.onLock(this.locked);
    });
    // Where no promise tells of a refusal, only this does.
    document.addEventListener("pointerlockerror", () => this.#refuse());
  }
}
