/** A city after an earthquake: ruins to search, rubble to clear, and aftershocks that bring more of it down. */

import { distance2, clamp } from "./exact.js";
import { HEIGHT } from "./robot.js";

const BLOCK = 25;
const SHOCK_TICKS = 180;
/** Metres from a victim to what stays: one in a parked car could not be reached. */
const VICTIM_ROOM = 0.8;
/** Off the lines of the ground's mesh: corners exactly beside the eye are torn by software renderers. */
const START_Z = 60.3;

/** @param {import("./world.js").World} world */
export function buildEarthquake(world) {
  const rng = world.rng;
  world.shapeGround((x, z) => world.bumps(x, z, 22, 0.35) + world.bumps(x + 99, z, 7, 0.12));
  const kinds = rng.shuffle([
    "tower",
    "tower",
    "tower",
    "tower",
    "ruin",
    "ruin",
    "ruin",
    "ruin",
    "ruin",
    "ruin",
    "ruin",
    "park",
    "park",
    "lot",
    "lot",
    "tower",
  ]);
  const ruins = [];
  const open = [];
  kinds.forEach((kind, k) => {
    const x = ((k % 4) - 1.5) * (BLOCK + 6);
    const z = (Math.floor(k / 4) - 1.5) * (BLOCK + 6);
    if (kind === "tower") tower(world, x, z);
    else if (kind === "ruin") ruins.push(ruin(world, x, z));
    else open.push({ x, z, kind });
  });
  for (const place of open) {
    for (let i = 0; i < 7; i++)
      world.addRubble(place.x + rng.range(-10, 10), place.z + rng.range(-10, 10), rng.range(0.8, 2));
    if (place.kind === "lot") parkedCars(world, place);
  }
  for (let i = 0; i < 34; i++) {
    const lane = (rng.int(0, 4) - 2) * (BLOCK + 6);
    const along = rng.range(-58, 58);
    const [x, z] = rng.chance(0.5) ? [lane + rng.range(-2.6, 2.6), along] : [along, lane + rng.range(-2.6, 2.6)];
    world.addRubble(x, z, rng.range(0.6, 1.5));
  }
  for (const place of ruins) buriedVictim(world, place.x + rng.range(-3, 3), place.z + rng.range(-3, 3));
  for (const place of open.slice(0, 3)) buriedVictim(world, place.x + rng.range(-6, 6), place.z + rng.range(-6, 6));
  rng
    .shuffle([
      [0, 31],
      [31, 0],
      [-31, -31],
      [31, -31],
    ])
    .slice(0, 3)
    .forEach(([x, z]) => world.addStation(x, z));
  for (let i = 0; i < 5; i++) hazardSpot(world, "yellow", rng.range(4, 7), "loose");
  for (let i = 0; i < 5; i++) hazardSpot(world, "red", rng.range(2.5, 4), "gas");
  world.start = { x: 0, z: START_Z, yaw: 0 };
  world.clear(0, START_Z, 4);
}

function hazardSpot(world, kind, radius, cause) {
  const rng = world.rng;
  for (let tries = 0; tries < 30; tries++) {
    const x = rng.range(-55, 55);
    const z = rng.range(-55, 48);
    const crowded =
      world.stations.some((s) => distance2(s.x, s.z, x, z) < radius + 5) ||
      (kind === "red" && world.victims.some((v) => distance2(v.x, v.z, x, z) < radius + 3));
    if (!crowded) return world.zones.push({ kind, x, z, radius, cause });
  }
}

function tower(world, x, z) {
  const rng = world.rng;
  const w = rng.range(7, 10);
  const d = rng.range(7, 10);
  world.addBox({ kind: "building", x, z, hx: w, hz: d, h: rng.range(9, 24), y: -1 });
  if (rng.chance(0.5))
    world.addBox({ kind: "building", x: x + w + 1.2, z: z - 3, hx: 1.6, hz: 3, h: rng.range(3, 5), y: -1 });
}

/** Broken outer walls with gaps, a fallen floor, rubble inside. */
function ruin(world, x, z) {
  const rng = world.rng;
  const w = rng.range(7, 9);
  const d = rng.range(7, 9);
  for (const [sx, sz] of [
    [0, -1],
    [0, 1],
    [-1, 0],
    [1, 0],
  ]) {
    const parts = 4;
    const gap = rng.int(0, parts - 1);
    const half = (sx === 0 ? w : d) / parts;
    for (let i = 0; i < parts; i++) {
      if (i === gap) continue;
      const at = (2 * i + 1 - parts) * half;
      const h = rng.chance(0.25) ? rng.range(0.5, 1) : rng.range(2, 6.5);
      const wall = { kind: "wall", h, y: -0.4, shade: rng.range(0.2, 0.9) };
      if (sx === 0) world.addBox({ ...wall, x: x + at, z: z + sz * d, hx: half, hz: 0.3 });
      else world.addBox({ ...wall, x: x + sx * w, z: z + at, hx: 0.3, hz: half });
    }
  }
  const side = rng.chance(0.5) ? 1 : -1;
  world.addBox({ kind: "slab", x: x + side * (w - 2.6), z, hx: 2.2, hz: d * 0.6, h: 0.4, y: 2.6 });
  world.addBox({ kind: "pillar", x: x + side * (w - 1), z: z - d * 0.5, hx: 0.3, hz: 0.3, h: 3.1, y: -0.4 });
  world.addBox({ kind: "pillar", x: x + side * (w - 1), z: z + d * 0.5, hx: 0.3, hz: 0.3, h: 3.1, y: -0.4 });
  for (let i = 0; i < 6; i++)
    world.addRubble(x + rng.range(-w + 1, w - 1), z + rng.range(-d + 1, d - 1), rng.range(0.7, 1.8));
  return { x, z };
}

function parkedCars(world, place) {
  const rng = world.rng;
  for (let i = 0; i < 4; i++) {
    const turned = rng.chance(0.3);
    world.addBox({
      kind: "car",
      x: place.x - 8 + i * 5,
      z: place.z + rng.range(-7, 7),
      hx: turned ? 2.1 : 0.95,
      hz: turned ? 0.95 : 2.1,
      h: 1.35,
    });
  }
}

/** Two or three pieces around and over a victim; one has to go before the victim can be pulled out. */
function buriedVictim(world, wished, z) {
  const rng = world.rng;
  const x = world.roomBeside(wished, z, VICTIM_ROOM);
  for (const box of world.boxes) {
    const reach = Math.max(box.hx, box.hz) + 1.2;
    if (box.solid && box.hits > 0 && box.covers < 0 && distance2(box.x, box.z, x, z) < reach) box.solid = false;
  }
  const victim = world.addVictim(x, z, rng.range(0.22, 0.5));
  if (rng.chance(0.7)) {
    const side = rng.chance(0.5) ? 0.8 : -0.8;
    world.addRubble(x + side, z + rng.range(-0.3, 0.3), 1.7, { covers: victim.id, hx: 0.8, hz: 0.8, h: 1.1 });
  }
  world.addRubble(x + rng.range(-2, 2), z + (rng.chance(0.5) ? 2 : -2), 1.2);
}

/** Aftershocks: each shakes the view, shifts rubble, drops walls, and brings masonry down near the robot. */
export class Aftershocks {
  constructor(world) {
    this.world = world;
    this.rng = world.rng;
    this.nextTick = 60 * this.rng.int(22, 32);
    this.until = -1;
    /** 0..1, how hard the ground shakes now */
    this.shake = 0;
    /** @type {{box: import("./world.js").Box, vy: number}[]} masonry in the air */
    this.falling = [];
  }

  /** @param {import("./sim.js").Simulation} sim */
  step(sim) {
    if (sim.tick === this.nextTick) {
      this.until = sim.tick + SHOCK_TICKS;
      this.nextTick += 60 * this.rng.int(32, 50);
      sim.cue("aftershock");
    }
    const left = this.until - sim.tick;
    this.shake = left > 0 ? Math.min(1, left / 90, (SHOCK_TICKS - left) / 20 + 0.2) : 0;
    if (left > 0 && left % 12 === 0) this.#shift(sim);
    if (left > 0 && left % 45 === 10) this.#drop(sim);
    this.#fall(sim);
  }

  zoneAt() {
    return "green";
  }

  flowAt() {
    return null;
  }

  /** Seconds until the next shock, for the display. */
  get warning() {
    return this.nextTick;
  }

  #shift(sim) {
    const { boxes, victims } = this.world;
    for (const box of boxes) {
      if (!box.solid || this.falling.some((f) => f.box === box)) continue;
      if (box.kind === "wall" && box.h > 1.5 && this.rng.chance(0.012)) this.#collapse(box, sim);
      if (box.kind !== "rubble" || box.covers >= 0 || !this.rng.chance(0.25)) continue;
      const x = clamp(box.x + this.rng.range(-0.35, 0.35), -61, 61);
      const z = clamp(box.z + this.rng.range(-0.35, 0.35), -61, 61);
      const reach = Math.max(box.hx, box.hz) + 0.7;
      const onSomeone =
        victims.some((v) => distance2(v.x, v.z, x, z) < reach) ||
        distance2(sim.robot.x, sim.robot.z, x, z) < reach + 0.3;
      const intoWall = boxes.some(
        (o) => o.solid && o.hits === 0 && Math.abs(o.x - x) < o.hx + box.hx && Math.abs(o.z - z) < o.hz + box.hz,
      );
      if (onSomeone || intoWall) continue;
      box.x = x;
      box.z = z;
      box.y = this.world.heightAt(x, z) - 0.1;
      box.yaw += this.rng.range(-0.2, 0.2);
      this.world.version++;
    }
  }

  /** A wall breaks to a stump, its upper part lies beside it. */
  #collapse(wall, sim) {
    wall.h = this.rng.range(0.5, 1);
    const side = this.rng.chance(0.5) ? 1.4 : -1.4;
    const [dx, dz] = wall.hx < wall.hz ? [side, 0] : [0, side];
    const near = (o) => distance2(o.x, o.z, wall.x + dx, wall.z + dz) < 1.8;
    if (!near(sim.robot) && !this.world.victims.some(near)) this.world.addRubble(wall.x + dx, wall.z + dz, 1.5);
    this.world.version++;
    sim.cue("collapse", wall);
  }

  /** Masonry falls within a few metres of the robot: look out for the dust, move. */
  #drop(sim) {
    const x = clamp(sim.robot.x + this.rng.range(-5, 5), -60, 60);
    const z = clamp(sim.robot.z + this.rng.range(-5, 5), -60, 60);
    const tall = this.world.boxes.some(
      (b) => b.solid && b.kind !== "rubble" && b.h > 2 && Math.abs(b.x - x) < b.hx + 6 && Math.abs(b.z - z) < b.hz + 6,
    );
    if (!tall || this.world.blocked(x, z, 0.6, this.world.heightAt(x, z) + 0.2, 12)) return;
    if (this.world.victims.some((v) => v.state === "waiting" && distance2(v.x, v.z, x, z) < 1.6)) return;
    const box = this.world.addRubble(x, z, 1, { y: this.world.heightAt(x, z) + 12 });
    this.falling.push({ box, vy: 0 });
  }

  #fall(sim) {
    for (const piece of this.falling) {
      const { box } = piece;
      piece.vy -= 14 / 60;
      box.y += piece.vy / 60;
      this.world.version++;
      const robot = sim.robot;
      const over = Math.abs(robot.x - box.x) < box.hx + 0.4 && Math.abs(robot.z - box.z) < box.hz + 0.4;
      const ground = this.world.heightAt(box.x, box.z) - 0.1;
      if (over && box.y < robot.y + HEIGHT) {
        sim.hurt(14, "collision_damage", { speed: -piece.vy, cause: "masonry" });
        box.solid = false;
      } else if (box.y <= ground) {
        box.y = ground;
        sim.cue("thud", box);
      } else continue;
      piece.vy = 0;
    }
    this.falling = this.falling.filter((piece) => piece.vy < 0);
  }
}
