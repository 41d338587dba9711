/**
 * A scripted player who knows the whole map: finds its way over what can be walked, climbed and jumped, and rescues.
 * For tests and demonstrations only: it reads the simulation, which no agent of the project does.
 */

const CELLS = 128;
const HALF_WIDTH = 0.43;
const CLIMB = 1.1;
const STEP = 0.44;
const COUNT = 0.0022;

/** @param {import("../../gameon_env/web/static/sim.js").Simulation} sim @returns {() => object} the input of the next tick */
export function scriptedPlayer(sim) {
  const { world, robot } = sim;
  const grid = new Grid(sim);
  let path = null;
  let goal = "victim";
  let planAt = 0;
  let dodge = 0;
  let aiming = 0;
  let last = { x: robot.x, z: robot.z };

  return () => {
    const input = {
      w: false,
      a: false,
      s: false,
      d: false,
      space: false,
      e: false,
      r: false,
      destroy: false,
      mouse_dx: 0,
      mouse_dy: 0,
    };
    const waiting = world.victims.filter((victim) => victim.state === "waiting");
    if (goal === "fuel" && sim.battery < 97 && world.stations.some((station) => near(station, 2.8, 2)))
      return { ...input, r: true };

    const reached = waiting.find((victim) => near(victim, 2.6, 2.2));
    if (reached && aiming++ < 400) {
      look(input, reached.x, reached.y + 0.5, reached.z);
      if (sim.target()) input.destroy = sim.tick % 3 === 0;
      else input.w = sim.tick % 20 < 4;
      return input;
    }
    aiming = 0;
    if (sim.tick >= planAt) {
      goal = sim.battery < 25 ? "fuel" : "victim";
      const ends =
        goal === "fuel"
          ? world.stations.map((s) => ({ ...s, reach: 2.4 }))
          : waiting.map((v) => ({ ...v, reach: 2.3 }));
      path = grid.path(ends);
      planAt = sim.tick + 240;
    }
    if (path && path.length <= 1) planAt = Math.min(planAt, sim.tick + 20);
    while (path?.length > 1 && Math.hypot(path[0].x - robot.x, path[0].z - robot.z) < 0.55) path.shift();
    if (path) follow(input);
    else Object.assign(input, { w: true, mouse_dx: 5, destroy: sim.tick % 3 === 0 });
    if (sim.tick % 60 === 0) {
      if (Math.hypot(robot.x - last.x, robot.z - last.z) < 0.4) dodge = 40;
      last = { x: robot.x, z: robot.z };
    }
    if (dodge > 0) {
      dodge--;
      planAt = sim.tick;
      Object.assign(input, { space: dodge > 30, a: dodge % 20 > 10, d: dodge % 20 <= 10, destroy: sim.tick % 3 === 0 });
    }
    return input;
  };

  function near(place, reach, high) {
    return Math.hypot(place.x - robot.x, place.z - robot.z) < reach && Math.abs(place.y - robot.y) < high;
  }

  function look(input, x, y, z) {
    const turn = Math.atan2(-(x - robot.x), -(z - robot.z)) - robot.yaw;
    const off = Math.atan2(Math.sin(turn), Math.cos(turn));
    const pitch = Math.atan2(y - robot.eyeY, Math.hypot(x - robot.x, z - robot.z));
    const counts = (angle) => Math.max(-60, Math.min(60, Math.round(-angle / COUNT)));
    input.mouse_dx = counts(off);
    input.mouse_dy = counts(pitch - robot.pitch);
    return Math.abs(off);
  }

  function follow(input) {
    const next = path[0];
    const off = look(input, next.x, next.y + 1.2, next.z);
    input.w = off < 0.5;
    const up = path.slice(0, 2).some((p) => p.y - robot.y > STEP && Math.hypot(p.x - robot.x, p.z - robot.z) < 1.5);
    input.space = up && off < 0.25;
  }
}

/** Metre cells with the height that one stands on there; paths prefer green ground. */
class Grid {
  constructor(sim) {
    this.sim = sim;
    this.version = -1;
    this.floors = new Float64Array(CELLS * CELLS);
  }

  #floor(x, z) {
    const { world } = this.sim;
    const tops = [world.heightAt(x, z)];
    for (const box of world.boxes) {
      if (box.solid && Math.abs(x - box.x) < box.hx + 0.42 && Math.abs(z - box.z) < box.hz + 0.42)
        tops.push(box.y + box.h);
    }
    tops.sort((a, b) => a - b);
    return tops.find((y) => !world.blocked(x, z, HALF_WIDTH, y + 0.02, 1.5)) ?? NaN;
  }

  #refresh() {
    if (this.version === this.sim.world.version) return;
    this.version = this.sim.world.version;
    for (let k = 0; k < CELLS * CELLS; k++)
      this.floors[k] = this.#floor((k % CELLS) - 63.5, Math.floor(k / CELLS) - 63.5);
  }

  #cost(x, y, z) {
    const { world, hazard } = this.sim;
    const price = { green: 0, yellow: 3, red: 15 };
    const spots = world.zones.filter((zone) => Math.hypot(zone.x - x, zone.z - z) < zone.radius);
    return Math.max(price[hazard.zoneAt(x, z, y)], ...spots.map((zone) => price[zone.kind]));
  }

  /** The cheapest way to within reach of one of the ends, or null. */
  path(ends) {
    this.#refresh();
    const { robot } = this.sim;
    const { floors } = this;
    const cell = (v) => Math.min(CELLS - 2, Math.max(1, Math.floor(v + 64)));
    const start = cell(robot.z) * CELLS + cell(robot.x);
    if (Number.isNaN(floors[start])) floors[start] = robot.y;
    const cost = new Float64Array(CELLS * CELLS).fill(Infinity);
    const from = new Int32Array(CELLS * CELLS).fill(-1);
    const heap = [[0, start]];
    cost[start] = 0;
    while (heap.length) {
      const [spent, k] = pop(heap);
      if (spent > cost[k]) continue;
      const [i, j] = [k % CELLS, Math.floor(k / CELLS)];
      const place = { x: i - 63.5, y: floors[k], z: j - 63.5 };
      if (
        ends.some((end) => Math.hypot(end.x - place.x, end.z - place.z) < end.reach && Math.abs(end.y - place.y) < 1.9)
      ) {
        return trail(from, floors, k);
      }
      for (let dj = -1; dj <= 1; dj++) {
        for (let di = -1; di <= 1; di++) {
          const [a, b] = [i + di, j + dj];
          const m = b * CELLS + a;
          if ((!di && !dj) || a < 1 || b < 1 || a > CELLS - 2 || b > CELLS - 2 || Number.isNaN(floors[m])) continue;
          const rise = floors[m] - floors[k];
          const level = (n) => Math.abs(floors[n] - floors[k]) < 0.4;
          if (rise > CLIMB || (di && dj && !(level(m) && level(j * CELLS + a) && level(b * CELLS + i)))) continue;
          const extra = (rise > STEP ? 2 : 0) + (rise < -2.4 ? 4 : 0) + this.#cost(a - 63.5, floors[m], b - 63.5);
          const total = spent + Math.hypot(di, dj) + extra;
          if (total >= cost[m]) continue;
          cost[m] = total;
          from[m] = k;
          push(heap, [total, m]);
        }
      }
    }
    return null;
  }
}

function trail(from, floors, end) {
  const places = [];
  for (let k = end; k >= 0; k = from[k])
    places.push({ x: (k % CELLS) - 63.5, y: floors[k], z: Math.floor(k / CELLS) - 63.5 });
  return places.reverse();
}

function push(heap, entry) {
  let k = heap.push(entry) - 1;
  for (let up = (k - 1) >> 1; k && heap[up][0] > heap[k][0]; k = up, up = (k - 1) >> 1)
    [heap[up], heap[k]] = [heap[k], heap[up]];
}

function pop(heap) {
  const first = heap[0];
  const last = heap.pop();
  if (!heap.length) return first;
  heap[0] = last;
  for (let k = 0; ;) {
    let down = 2 * k + 1;
    if (down >= heap.length) break;
    if (down + 1 < heap.length && heap[down + 1][0] < heap[down][0]) down++;
    if (heap[down][0] >= heap[k][0]) break;
    [heap[k], heap[down]] = [heap[down], heap[k]];
    k = down;
  }
  return first;
}
