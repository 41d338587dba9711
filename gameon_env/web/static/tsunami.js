/** A coast under waves: the sea comes in higher each time, carries wreckage with it, and drags what it holds back out. */

import { clamp, distance2, sin, smoothStep } from "./exact.js";
import { HALF_SIZE } from "./world.js";

const WAVE_SECONDS = 62;
const PEAKS = [1.5, 2.9, 4.1, 4.8, 5.2];
const LOW_WATER = -1.6;
/** A crate's rise: the robot jumps 1.2 m. */
const STAIR = 0.95;

/** The shore: sea to the south (z > 40), a town on two terraces, hills in the north. @param {import("./world.js").World} world */
export function buildTsunami(world) {
  const rng = world.rng;
  world.shapeGround((x, z) => {
    const shore = 44 + world.bumps(x, 7, 26, 5);
    const town = 2.4 * smoothStep(shore, shore - 16, z) + 2.2 * smoothStep(2, -12, z) + 7 * smoothStep(-26, -58, z);
    return -3.4 * smoothStep(shore - 4, shore + 14, z) + town + world.bumps(x, z, 13, 0.25) - 0.4;
  });
  const houses = [];
  for (let row = 0; row < 5; row++) {
    for (let column = 0; column < 6; column++) {
      if (rng.chance(0.22)) continue;
      const x = (column - 2.5) * 20 + rng.range(-3, 3);
      const z = 26 - row * 16 + rng.range(-2, 2);
      houses.push(house(world, x, z));
    }
  }
  rng.shuffle(houses);
  houses.slice(0, 6).forEach((place) => roofVictim(world, place));
  houses.slice(6, 12).forEach((place) => {
    const victim = world.addVictim(place.x + rng.range(-2, 2), place.z + place.hz + 1.6, rng.range(0.2, 0.4));
    if (rng.chance(0.5))
      world.addRubble(victim.x + 0.9, victim.z + 0.5, 1.6, {
        covers: victim.id,
        kind: "wreck",
        hx: 0.9,
        hz: 0.8,
        h: 1,
      });
  });
  for (let i = 0; i < 26; i++) {
    const x = rng.range(-58, 58);
    const z = rng.range(-40, 36);
    if (!world.blocked(x, z, 2, world.heightAt(x, z), 3) && !nearVictim(world, x, z))
      world.addRubble(x, z, rng.range(0.8, 1.7), { kind: "wreck" });
  }
  for (let i = 0; i < 22; i++) {
    const x = rng.range(-60, 60);
    const z = rng.range(-58, 40);
    if (!world.blocked(x, z, 1, world.heightAt(x, z), 3) && !nearVictim(world, x, z))
      world.addBox({ kind: "palm", x, z, hx: 0.25, hz: 0.25, h: rng.range(5, 8), yaw: rng.range(0, 3) });
  }
  for (let i = 0; i < 8; i++) {
    const x = rng.range(-55, 55);
    const z = rng.range(-20, 34);
    if (!world.blocked(x, z, 2.4, world.heightAt(x, z), 3) && !nearVictim(world, x, z))
      world.addBox({ kind: "car", x, z, hx: 0.95, hz: 2.1, h: 1.35 });
  }
  world.addStation(rng.range(-30, -10), -34);
  world.addStation(rng.range(15, 40), -14);
  world.addStation(rng.range(-10, 10), 12);
  // Off the lines of the ground's mesh: corners exactly beside the eye are torn by software renderers.
  world.start = { x: 0, z: -46.3, yaw: Math.PI };
  world.clear(0, -46, 5);
}

function nearVictim(world, x, z) {
  return world.victims.some((v) => distance2(v.x, v.z, x, z) < 2.6);
}

/** A flat-roofed house; crates at its side are a stair to the roof. */
function house(world, x, z) {
  const rng = world.rng;
  const hx = rng.range(3, 4.2);
  const hz = rng.range(2.6, 3.6);
  const ground = world.heightAt(x, z);
  const roof = ground + 2.9;
  world.addBox({ kind: "house", x, z, hx, hz, h: 3.9, y: ground - 1 });
  const side = rng.chance(0.5) ? 1 : -1;
  const out = x + side * (hx + 0.72);
  // Down from the roof until the next step is the ground: the slope decides how many crates that takes.
  for (let top = roof - STAIR, along = z - 1.6; top > world.heightAt(out, along) + 0.25; top -= STAIR, along += 1.42) {
    world.addBox({ kind: "crate", x: out, z: along, hx: 0.7, hz: 0.7, h: top - ground + 1.5, y: ground - 1.5, yaw: 0 });
  }
  return { x, z, hx, hz, roof };
}

function roofVictim(world, place) {
  const rng = world.rng;
  world.addVictim(place.x + rng.range(-1.5, 1.5), place.z + rng.range(-1.2, 1.2), rng.range(0.22, 0.42), place.roof);
}

/** The sea: its level and current are functions of the time; wreckage drifts on it. */
export class Flood {
  constructor(world) {
    this.world = world;
    this.rng = world.rng;
    this.level = LOW_WATER;
    this.rate = 0;
    this.shake = 0;
    /** @type {import("./world.js").Box[]} not solid: they float, and bump what they meet */
    this.debris = [];
    for (let i = 0; i < 26; i++) {
      const box = world.addBox({
        kind: "debris",
        x: this.rng.range(-58, 58),
        z: this.rng.range(38, 60),
        y: LOW_WATER - 0.3,
        hx: this.rng.range(0.35, 0.9),
        hz: this.rng.range(0.3, 0.7),
        h: this.rng.range(0.4, 0.8),
        yaw: this.rng.range(0, 3),
      });
      box.solid = false;
      box.floats = true;
      this.debris.push(box);
    }
  }

  /** Water level in metres at a time in seconds: each wave climbs fast, stands, and drains slowly. */
  static levelAt(seconds) {
    const shifted = seconds + 34;
    const wave = Math.floor(shifted / WAVE_SECONDS);
    const t = shifted - wave * WAVE_SECONDS;
    const peak = PEAKS[Math.min(wave, PEAKS.length) - 1] ?? LOW_WATER;
    const height = smoothStep(4, 20, t) * (1 - smoothStep(28, 58, t));
    return LOW_WATER + (peak - LOW_WATER) * height + 0.08 * sin(seconds * 1.3);
  }

  step(sim) {
    const seconds = sim.tick / 60;
    const before = this.rate;
    this.level = Flood.levelAt(seconds);
    this.rate = Flood.levelAt(seconds + 0.5) - Flood.levelAt(seconds - 0.5);
    if (before <= 0.12 && this.rate > 0.12) sim.cue("wave");
    for (const box of this.debris) this.#drift(box, sim);
    for (const victim of this.world.victims) {
      if (victim.state === "waiting" && this.level - victim.y > 0.5) sim.weaken(victim, 1.3 / 60);
    }
  }

  /** The current in m/s: inland while the sea rises, out to sea while it falls, stronger in deep water. */
  flowAt(x, z, y) {
    const depth = this.level - y;
    if (depth < 0.25) return null;
    const strength = clamp(this.rate * 3.2, -2.4, 3) * Math.min(1, depth);
    const swirl = this.world.bumps(x, z, 15, 0.8) * Math.min(1, depth);
    return { x: swirl, z: -strength };
  }

  zoneAt(x, z, y) {
    const depth = this.level - y;
    return depth > 1.15 ? "red" : depth > 0.35 ? "yellow" : "green";
  }

  #drift(box, sim) {
    const ground = this.world.heightAt(box.x, box.z);
    const float = this.level - box.h * 0.55;
    if (float <= ground) {
      box.y = Math.max(ground, Math.min(box.y, this.level));
      box.y = ground;
      return;
    }
    box.y = float;
    const flow = this.flowAt(box.x, box.z, ground) ?? { x: 0, z: 0 };
    const x = clamp(box.x + (flow.x * 0.8 * 1) / 60, -HALF_SIZE + 2, HALF_SIZE - 2);
    const z = clamp(box.z + (flow.z * 1.5) / 60, -HALF_SIZE + 2, HALF_SIZE - 2);
    if (!this.world.blocked(x, box.z, box.hx * 0.8, box.y, box.h)) box.x = x;
    if (!this.world.blocked(box.x, z, box.hx * 0.8, box.y, box.h)) box.z = z;
    box.yaw += flow.x * 0.006;
    const robot = sim.robot;
    const meets =
      distance2(robot.x, robot.z, box.x, box.z) < box.hx + 0.5 && robot.y < box.y + box.h && robot.y + 1.5 > box.y;
    if (meets) {
      const speed = Math.abs(flow.z * 1.5 - robot.vz) + Math.abs(flow.x - robot.vx);
      robot.vx += (robot.x - box.x) * 1.2;
      robot.vz += (robot.z - box.z) * 1.2;
      box.x -= (robot.x - box.x) * 0.15;
      box.z -= (robot.z - box.z) * 0.15;
      if (speed > 1.6) sim.bump(speed * 1.5, { speed, cause: "debris" });
    }
  }
}
