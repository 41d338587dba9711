/** A forest on fire: it spreads with the wind over what can burn; smoke slows, flames harm, burnt ground is safe again. */

import { clamp, cos, distance2, sin } from "./exact.js";
import { HALF_SIZE } from "./world.js";

export const FIRE_CELL = 4;
export const FIRE_CELLS = (2 * HALF_SIZE) / FIRE_CELL;
export const UNBURNT = 0;
export const BURNING = 1;
export const BURNT = 2;
export const BARE = 3;

const road = (world, x) => world.bumps(x, 0, 34, 11);
const POND = { x: -26, z: 24, radius: 10 };

/** Hills, trees, cabins, a road and a pond that stop the fire. @param {import("./world.js").World} world */
export function buildWildfire(world) {
  const rng = world.rng;
  const pond = { ...POND, x: rng.range(-40, 40), z: rng.chance(0.5) ? 34 : -34 };
  world.pond = pond;
  world.shapeGround((x, z) => {
    const hills = world.bumps(x, z, 30, 4.2) + world.bumps(x + 50, z, 11, 0.8);
    const flat = clamp((Math.abs(z - road(world, x)) - 4) / 12, 0.12, 1);
    const bowl = clamp((distance2(x, z, pond.x, pond.z) - pond.radius) / 9, 0, 1);
    return hills * flat * bowl - 0.9 * (1 - bowl);
  });
  const cabins = [];
  for (let tries = 0; cabins.length < 8 && tries < 200; tries++) {
    const x = rng.range(-52, 52);
    const z = rng.range(-52, 52);
    const lonely = cabins.every((c) => distance2(c.x, c.z, x, z) > 20);
    if (lonely && Math.abs(z - road(world, x)) > 9 && distance2(x, z, pond.x, pond.z) > pond.radius + 7)
      cabins.push({ x, z });
  }
  cabins.forEach((place, i) => cabin(world, place.x, place.z, i));
  for (let i = 0; i < 6; i++) {
    const spot = openSpot(world, 3);
    if (spot) world.addVictim(spot.x, spot.z, rng.range(0.2, 0.42));
  }
  for (const x of [-38, 18, 50]) {
    const at = x + rng.range(-5, 5);
    world.addStation(at, road(world, at) + 0.1);
  }
  for (let i = 0; i < 230; i++) {
    const x = rng.range(-61, 61);
    const z = rng.range(-61, 61);
    const wet = distance2(x, z, pond.x, pond.z) < pond.radius + 2;
    if (wet || Math.abs(z - road(world, x)) < 4.5 || crowded(world, x, z, 2.2)) continue;
    world.addBox({ kind: "tree", x, z, hx: 0.35, hz: 0.35, h: rng.range(5, 10), yaw: rng.range(0, 3) });
  }
  for (let i = 0; i < 20; i++) {
    const spot = openSpot(world, 1.5);
    if (spot) log(world, spot.x, spot.z);
  }
  // Off the lines of the ground's mesh: corners exactly beside the eye are torn by software renderers.
  world.start = { x: 0.3, z: road(world, 0.3), yaw: rng.chance(0.5) ? Math.PI / 2 : -Math.PI / 2 };
  world.clear(0, world.start.z, 4);
}

function crowded(world, x, z, room) {
  const near = (o) => distance2(o.x, o.z, x, z) < room;
  return (
    world.victims.some(near) ||
    world.stations.some((s) => distance2(s.x, s.z, x, z) < 4) ||
    world.blocked(x, z, room * 0.6, world.heightAt(x, z), 3)
  );
}

function openSpot(world, room) {
  for (let tries = 0; tries < 20; tries++) {
    const x = world.rng.range(-56, 56);
    const z = world.rng.range(-56, 56);
    const wet = distance2(x, z, world.pond.x, world.pond.z) < world.pond.radius + 2;
    if (!wet && !crowded(world, x, z, room) && distance2(x, z, 0, 0) > 12) return { x, z };
  }
  return null;
}

function log(world, x, z, more = {}) {
  const along = world.rng.chance(0.5);
  return world.addBox({
    kind: "log",
    x,
    z,
    hx: along ? 1.7 : 0.4,
    hz: along ? 0.4 : 1.7,
    h: 0.95,
    hits: 2,
    y: world.heightAt(x, z) - 0.15,
    ...more,
  });
}

/** Four walls and a roof around a room; a fallen trunk lies across the door of most. */
function cabin(world, x, z, i) {
  const rng = world.rng;
  const ground = world.heightAt(x, z);
  const w = 3.2;
  const wall = { kind: "cabin", h: 3.4, y: ground - 0.8 };
  world.addBox({ ...wall, x, z: z - w, hx: w, hz: 0.2 });
  world.addBox({ ...wall, x: x - w, z, hx: 0.2, hz: w });
  world.addBox({ ...wall, x: x + w, z, hx: 0.2, hz: w });
  world.addBox({ ...wall, x: x - 2.05, z: z + w, hx: 1.15, hz: 0.2 });
  world.addBox({ ...wall, x: x + 2.05, z: z + w, hx: 1.15, hz: 0.2 });
  world.addBox({ kind: "roof", x, z, hx: w + 0.4, hz: w + 0.4, h: 0.3, y: ground + 2.6 });
  world.addVictim(x + rng.range(-1, 1), z - 1.2, rng.range(0.2, 0.38));
  if (i % 3 !== 0)
    world.addBox({
      kind: "log",
      x: x + 0.1,
      z: z + w + 0.75,
      hx: 1.6,
      hz: 0.42,
      h: 1.3,
      hits: 2,
      y: world.heightAt(x, z + w) - 0.15,
    });
}

/** The fire on a grid of 4 m cells, and the wind that carries it. */
export class Fire {
  constructor(world) {
    this.world = world;
    this.rng = world.rng;
    this.cells = new Uint8Array(FIRE_CELLS * FIRE_CELLS);
    /** seconds that a cell has burnt */
    this.age = new Float32Array(FIRE_CELLS * FIRE_CELLS);
    /** 0..1, smoke over a cell */
    this.smoke = new Float32Array(FIRE_CELLS * FIRE_CELLS);
    this.angle = this.rng.range(-3, 3);
    this.wind = { x: 0, z: 0 };
    this.shake = 0;
    /** 0..1, the smoke around the robot, which comes and goes within half a second */
    this.haze = 0;
    this.#mark();
    this.#turnWind(0);
    this.#ignite();
  }

  /** What never burns: road, pond, and the ground by stations. */
  #mark() {
    const { world } = this;
    for (let k = 0; k < this.cells.length; k++) {
      const { x, z } = this.centre(k);
      const wet = distance2(x, z, world.pond.x, world.pond.z) < world.pond.radius + 1;
      if (wet || Math.abs(z - road(world, x)) < 4.5) this.cells[k] = BARE;
    }
  }

  #ignite() {
    const starts = [];
    for (let tries = 0; starts.length < 5 && tries < 400; tries++) {
      const k = this.rng.int(0, this.cells.length - 1);
      const { x, z } = this.centre(k);
      const upwind = x * this.wind.x + z * this.wind.z < -8;
      const apart =
        starts.every((s) => distance2(s.x, s.z, x, z) > 20) &&
        this.world.victims.every((v) => distance2(v.x, v.z, x, z) > 9);
      if (this.cells[k] === UNBURNT && upwind && apart && distance2(x, z, 0, 0) > 22) {
        this.cells[k] = BURNING;
        starts.push({ x, z });
      }
    }
  }

  centre(k) {
    return {
      x: ((k % FIRE_CELLS) + 0.5) * FIRE_CELL - HALF_SIZE,
      z: (Math.floor(k / FIRE_CELLS) + 0.5) * FIRE_CELL - HALF_SIZE,
    };
  }

  cellAt(x, z) {
    const i = clamp(Math.floor((x + HALF_SIZE) / FIRE_CELL), 0, FIRE_CELLS - 1);
    const j = clamp(Math.floor((z + HALF_SIZE) / FIRE_CELL), 0, FIRE_CELLS - 1);
    return j * FIRE_CELLS + i;
  }

  #turnWind(turn) {
    this.angle += turn;
    this.wind = { x: cos(this.angle), z: sin(this.angle) };
  }

  step(sim) {
    if (sim.tick % 30 === 0) {
      this.#turnWind(this.rng.range(-0.09, 0.09));
      this.#spread(sim);
      this.#drawSmoke();
    }
    this.haze += (this.smoke[this.cellAt(sim.robot.x, sim.robot.z)] - this.haze) * 0.08;
    for (const victim of this.world.victims) {
      if (victim.state !== "waiting") continue;
      const k = this.cellAt(victim.x, victim.z);
      if (this.cells[k] === BURNING) sim.weaken(victim, 1.6 / 60);
      else if (this.smoke[k] > 0.5) sim.weaken(victim, 0.15 / 60);
    }
  }

  /** Every half second each burning cell may light its neighbours: likelier downwind and uphill. */
  #spread(sim) {
    const lit = [];
    const { cells, world } = this;
    for (let k = 0; k < cells.length; k++) {
      if (cells[k] !== BURNING) continue;
      this.age[k] += 0.5;
      if (this.age[k] > 30) cells[k] = BURNT;
      if (this.age[k] < 3) continue;
      const here = this.centre(k);
      for (const [di, dj] of [
        [1, 0],
        [-1, 0],
        [0, 1],
        [0, -1],
      ]) {
        const x = here.x + di * FIRE_CELL;
        const z = here.z + dj * FIRE_CELL;
        if (Math.abs(x) > HALF_SIZE || Math.abs(z) > HALF_SIZE) continue;
        const next = this.cellAt(x, z);
        if (cells[next] !== UNBURNT) continue;
        const downwind = di * this.wind.x + dj * this.wind.z;
        const uphill = clamp((world.heightAt(x, z) - world.heightAt(here.x, here.z)) * 0.006, -0.008, 0.012);
        if (this.rng.chance(Math.max(0.002, 0.02 + 0.034 * downwind + uphill))) lit.push(next);
      }
    }
    for (const k of lit) cells[k] = BURNING;
    if (lit.length && this.rng.chance(0.15)) sim.cue("flare", this.centre(lit[0]));
  }

  /** Smoke: full over flames, carried some cells downwind, thinning out. */
  #drawSmoke() {
    const { smoke, cells } = this;
    smoke.fill(0);
    for (let k = 0; k < cells.length; k++) {
      if (cells[k] !== BURNING) continue;
      const { x, z } = this.centre(k);
      for (let step = 0; step < 5; step++) {
        const at = this.cellAt(x + this.wind.x * FIRE_CELL * step, z + this.wind.z * FIRE_CELL * step);
        smoke[at] = Math.max(smoke[at], 1 - step * 0.19);
      }
    }
  }

  flowAt() {
    return null;
  }

  zoneAt(x, z) {
    const k = this.cellAt(x, z);
    if (this.cells[k] === BURNING) return "red";
    return this.smoke[k] > 0.3 ? "yellow" : "green";
  }
}
