/** What a map is made of, and the questions that the rules ask about it: heights, obstacles, rays. Metres, y is up. */

import { Rng, smoothNoise } from "./rng.js";
import { clamp, distance2 } from "./exact.js";

export const HALF_SIZE = 64;
export const CELL = 2;
const CELLS = (2 * HALF_SIZE) / CELL;
/** From a station's middle: its own half width and a robot's whole. */
const STATION_ROOM = 1.9;
/** Half metres that something is moved at most, to both sides together. */
const MOST_ASIDE = 60;

/**
 * @typedef {object} Box an upright box; robots collide with its axis-aligned body, `yaw` only turns its picture
 * @property {number} id
 * @property {string} kind 'building' | 'wall' | 'slab' | 'rubble' | 'crate' | 'car' | 'tree' | 'debris' | ...
 * @property {number} x @property {number} y bottom @property {number} z
 * @property {number} hx half width @property {number} h height @property {number} hz half depth
 * @property {number} yaw @property {number} shade 0..1, a tint for the picture
 * @property {boolean} solid false once destroyed or collapsed
 * @property {number} hits blows until it is cleared; 0: cannot be cleared
 * @property {number} covers id of the victim under it, or -1
 *
 * @typedef {object} Victim
 * @property {number} id @property {number} x @property {number} y feet @property {number} z
 * @property {number} health 0..100 @property {number} decay health lost in a second @property {number} look
 * @property {'waiting'|'saved'|'dead'} state
 *
 * @typedef {{x: number, y: number, z: number}} Station
 * @typedef {{kind: 'yellow'|'red', x: number, z: number, radius: number, cause: string}} Zone
 */

export class World {
  /** @param {number} seed uint32 @param {string} environment */
  constructor(seed, environment) {
    this.seed = seed;
    this.environment = environment;
    this.rng = new Rng(seed ^ 0x5eed1e55);
    this.heights = new Float32Array((CELLS + 1) * (CELLS + 1));
    /** @type {Box[]} */
    this.boxes = [];
    /** @type {Victim[]} */
    this.victims = [];
    /** @type {Station[]} */
    this.stations = [];
    /** @type {Zone[]} */
    this.zones = [];
    this.start = { x: 0, z: 0, yaw: 0 };
    /** Grows whenever a box moved, appeared or went: the picture rebuilds what it shows. */
    this.version = 0;
  }

  /** @param {(x: number, z: number) => number} height */
  shapeGround(height) {
    for (let j = 0; j <= CELLS; j++) {
      for (let i = 0; i <= CELLS; i++) {
        this.heights[j * (CELLS + 1) + i] = height(i * CELL - HALF_SIZE, j * CELL - HALF_SIZE);
      }
    }
  }

  /** Ground height in metres; outside the map that of its edge. */
  heightAt(x, z) {
    const u = clamp((x + HALF_SIZE) / CELL, 0, CELLS - 1e-6);
    const v = clamp((z + HALF_SIZE) / CELL, 0, CELLS - 1e-6);
    const i = Math.floor(u);
    const j = Math.floor(v);
    const fu = u - i;
    const fv = v - j;
    const k = j * (CELLS + 1) + i;
    const h = this.heights;
    return (h[k] * (1 - fu) + h[k + 1] * fu) * (1 - fv) + (h[k + CELLS + 1] * (1 - fu) + h[k + CELLS + 2] * fu) * fv;
  }

  bumps(x, z, scale, amplitude) {
    return smoothNoise(x, z, scale, this.seed) * amplitude;
  }

  /** @param {Partial<Box> & {kind: string, x: number, z: number, hx: number, h: number, hz: number}} parts @returns {Box} */
  addBox(parts) {
    const y = parts.y ?? this.heightAt(parts.x, parts.z);
    const box = {
      yaw: 0,
      shade: this.rng.unit(),
      solid: true,
      hits: 0,
      covers: -1,
      ...parts,
      y,
      id: this.boxes.length,
    };
    this.boxes.push(box);
    this.version++;
    return box;
  }

  /** A piece of rubble that blows can clear; `size` is about its width in metres. */
  addRubble(x, z, size, more = {}) {
    const rng = this.rng;
    const box = this.addBox({
      kind: "rubble",
      x,
      z,
      hx: size * rng.range(0.4, 0.6),
      hz: size * rng.range(0.4, 0.6),
      h: size * rng.range(0.5, 0.9),
      yaw: rng.range(-0.5, 0.5),
      hits: size > 1.6 ? 3 : 2,
      ...more,
    });
    box.y -= 0.1;
    return box;
  }

  /** A victim standing or lying at a place; `decay` in health a second. */
  addVictim(x, z, decay, y = this.heightAt(x, z)) {
    const victim = { id: this.victims.length, x, y, z, health: 100, decay, look: this.rng.unit(), state: "waiting" };
    this.victims.push(victim);
    return victim;
  }

  /** A fuel station, as near to a place as a robot gets all around it. */
  addStation(x, z) {
    const at = this.roomBeside(x, z, STATION_ROOM);
    this.clear(at, z, 3.5);
    this.stations.push({ x: at, y: this.heightAt(at, z), z });
  }

  /** `x`, or one to its east or west, where for `room` metres to all sides nothing stands that stays: a house, a car. */
  roomBeside(x, z, room) {
    let at = x;
    for (let step = 1; step <= MOST_ASIDE && !this.#hasRoom(at, z, room); step++)
      at = x + (step % 2 ? 0.5 : -0.5) * Math.ceil(step / 2);
    return at;
  }

  #hasRoom(x, z, room) {
    const ground = this.heightAt(x, z);
    return this.boxes.every(
      (box) =>
        !box.solid ||
        isClearable(box) ||
        box.y > ground + 2 ||
        box.y + box.h < ground ||
        Math.abs(x - box.x) >= box.hx + room ||
        Math.abs(z - box.z) >= box.hz + room,
    );
  }

  /** Takes away what can be cleared, and trees, around a place. */
  clear(x, z, radius) {
    for (const box of this.boxes) {
      const near = distance2(box.x, box.z, x, z) < radius + Math.max(box.hx, box.hz);
      if (box.solid && near && isClearable(box)) box.solid = false;
    }
  }

  /** @returns {boolean} whether a body of half width `half` at height `y` .. `y + height` touches a solid box */
  blocked(x, z, half, y, height, except = null) {
    for (const box of this.boxes) {
      if (
        box.solid &&
        box !== except &&
        y < box.y + box.h - 1e-6 &&
        y + height > box.y &&
        Math.abs(x - box.x) < box.hx + half &&
        Math.abs(z - box.z) < box.hz + half
      )
        return true;
    }
    return false;
  }

  /** The highest surface that a body with feet at `feet` can stand on there: the ground or a box's top. */
  floorAt(x, z, half, feet, step) {
    let floor = this.heightAt(x, z);
    for (const box of this.boxes) {
      const top = box.y + box.h;
      if (
        box.solid &&
        top > floor &&
        top <= feet + step &&
        Math.abs(x - box.x) < box.hx + half &&
        Math.abs(z - box.z) < box.hz + half
      )
        floor = top;
    }
    return floor;
  }

  /**
   * The first thing on a ray of unit direction (dx, dy, dz): its distance and box, the box null for the ground.
   * @returns {{distance: number, box: Box|null}|null}
   */
  cast(x, y, z, dx, dy, dz, reach) {
    let distance = reach;
    let hit = null;
    for (const box of this.boxes) {
      if (!box.solid) continue;
      const t = slab(x, y, z, dx, dy, dz, box);
      if (t < distance) {
        distance = t;
        hit = box;
      }
    }
    for (let t = 0.5; t < distance; t += 0.5) {
      if (y + dy * t < this.heightAt(x + dx * t, z + dz * t)) return { distance: t, box: null };
    }
    return hit ? { distance, box: hit } : null;
  }
}

/** Whether a map that needs the place may go without the box. */
function isClearable(box) {
  return box.covers < 0 && (box.hits > 0 || box.kind === "tree" || box.kind === "palm");
}

/** Where a ray enters a box, or Infinity; 0 from inside. */
function slab(x, y, z, dx, dy, dz, box) {
  let near = 0;
  let far = Infinity;
  const origin = [x, y, z];
  const way = [dx, dy, dz];
  const low = [box.x - box.hx, box.y, box.z - box.hz];
  const high = [box.x + box.hx, box.y + box.h, box.z + box.hz];
  for (let axis = 0; axis < 3; axis++) {
    if (Math.abs(way[axis]) < 1e-9) {
      if (origin[axis] < low[axis] || origin[axis] > high[axis]) return Infinity;
      continue;
    }
    const a = (low[axis] - origin[axis]) / way[axis];
    const b = (high[axis] - origin[axis]) / way[axis];
    near = Math.max(near, Math.min(a, b));
    far = Math.min(far, Math.max(a, b));
    if (near > far) return Infinity;
  }
  return near;
}
