/**
 * The game's rules: pure, in fixed ticks, no clock and no picture. The same seed and the same inputs give the same game.
 */

import { Robot } from "./robot.js";
import { World } from "./world.js";
import { nearestStation } from "./sensors.js";
import { stateRow } from "./state_row.js";
import { aimedAt } from "./tool.js";
import { Aftershocks, buildEarthquake } from "./earthquake.js";
import { Flood, buildTsunami } from "./tsunami.js";
import { Fire, buildWildfire } from "./wildfire.js";

export const TICK_HZ = 60;
const DT = 1 / TICK_HZ;
/** The accelerometer looks back over one interval of the data: 0.1 s. */
const VELOCITIES_KEPT = 7;
const ENVIRONMENTS = {
  earthquake: { build: buildEarthquake, Hazard: Aftershocks },
  tsunami: { build: buildTsunami, Hazard: Flood },
  wildfire: { build: buildWildfire, Hazard: Fire },
};

const STRIKE_TICKS = 22;
const STATION_REACH = 3;
const YELLOW_PACE = 0.55;
const EMPTY_PACE = 0.35;
const RED_HARM = 5;
/** Battery in percent: a second of each. */
const DRAIN = { idle: 0.06, drive: 0.3, xray: 0.9 };
const STRIKE_COST = 0.35;
const JUMP_COST = 0.25;
const REFUEL_RATE = 22;

/**
 * @typedef {object} Input what the player did in one tick
 * @property {boolean} w @property {boolean} a @property {boolean} s @property {boolean} d
 * @property {boolean} space @property {boolean} e @property {boolean} r @property {boolean} destroy
 * @property {number} mouse_dx counts @property {number} mouse_dy counts
 */

export class Simulation {
  /** @param {{seed: number, environment: 'earthquake'|'tsunami'|'wildfire', limitSeconds?: number}} options */
  constructor({ seed, environment, limitSeconds = 300 }) {
    const parts = ENVIRONMENTS[environment];
    if (!parts)
      throw new RangeError(`unknown environment "${environment}": take one of ${Object.keys(ENVIRONMENTS).join(", ")}`);
    this.seed = seed >>> 0;
    this.environment = environment;
    this.limitTicks = Math.round(limitSeconds * TICK_HZ);
    this.world = new World(this.seed, environment);
    parts.build(this.world);
    this.hazard = new parts.Hazard(this.world);
    this.robot = new Robot(this.world);
    this.health = 100;
    this.battery = 100;
    this.score = 0;
    this.zone = "green";
    this.xray = false;
    this.refuelling = false;
    /** Things to hear and see in this tick that are no rows of the data: {name, at}. */
    this.cues = [];
    this.ticks = 0;
    this.completion = false;
    this.held = { destroy: false, e: false };
    this.readyTick = 0;
    this.bumpTick = 0;
    this.harm = 0;
    this.events = [];
    /** (x, y, z) of the last ticks, the oldest first. */
    this.velocities = Array.from({ length: VELOCITIES_KEPT }, () => [0, 0, 0]);
  }

  get tick() {
    return this.ticks;
  }

  /** false, or 'completed' | 'failed' | 'time_up' */
  get over() {
    return this.completion;
  }

  /** @param {Input} input @returns {object[]} the events of this tick, as rows of the data name them */
  step(input) {
    if (this.completion) return [];
    this.events = [];
    this.cues = [];
    this.ticks++;
    this.hazard.step(this);
    this.#drive(input);
    this.#enterZone();
    this.#look(input);
    this.#act(input);
    this.#refuel(input);
    this.#age();
    this.#judge();
    this.held = { destroy: Boolean(input.destroy), e: Boolean(input.e) };
    return this.events;
  }

  // -- what hazards may do to the game ------------------------------------------------------------------------------

  /** Something to hear or see; `at` a place or nothing. */
  cue(name, at = null) {
    this.cues.push({ name, at: at && { x: at.x, y: at.y ?? this.world.heightAt(at.x, at.z), z: at.z } });
  }

  hurt(damage, event, extras) {
    this.health = Math.max(0, this.health - damage);
    this.events.push({ event, damage, ...extras });
    this.cue("hurt");
  }

  /** A blow by something solid, at most two in a second. */
  bump(damage, extras) {
    if (this.ticks < this.bumpTick) return;
    this.bumpTick = this.ticks + 30;
    this.hurt(damage, "collision_damage", extras);
  }

  weaken(victim, loss) {
    victim.health = Math.max(0, victim.health - loss);
  }

  // -- the tick, in its order ---------------------------------------------------------------------------------------

  #drive(input) {
    const robot = this.robot;
    const flow = this.hazard.flowAt(robot.x, robot.z, robot.y) ?? { x: 0, z: 0 };
    const pace = (this.zone === "green" ? 1 : YELLOW_PACE) * (this.battery > 0 ? 1 : EMPTY_PACE);
    const { jumped, impact } = robot.move(input, DT, pace, flow.x, flow.z);
    robot.pushOut();
    if (jumped) {
      this.#spend(JUMP_COST);
      this.cue("jump");
    }
    if (impact) this.hurt((impact - 6) * 2.5, "collision_damage", { speed: impact, cause: "fall" });
    this.velocities.push([robot.vx, robot.vy, robot.vz]);
    this.velocities.shift();
    const driving = input.w || input.a || input.s || input.d;
    this.#spend((DRAIN.idle + (driving ? DRAIN.drive : 0)) * DT);
  }

  #enterZone() {
    const { x, y, z } = this.robot;
    let zone = this.hazard.zoneAt(x, z, y);
    for (const spot of this.world.zones) {
      const dx = x - spot.x;
      const dz = z - spot.z;
      if (dx * dx + dz * dz < spot.radius * spot.radius && (spot.kind === "red" || zone === "green")) zone = spot.kind;
    }
    if (zone !== this.zone) {
      this.events.push({ event: "zone_change", from: this.zone, to: zone });
      this.zone = zone;
      this.cue("zone");
    }
    if (zone !== "red") {
      this.harm = 0;
      return;
    }
    this.harm += RED_HARM * DT;
    if (this.harm >= RED_HARM / 2) {
      this.hurt(this.harm, "damage_from_zone", { zone });
      this.harm = 0;
    }
  }

  #look(input) {
    this.xray = Boolean(input.e) && this.battery > 0;
    if (!this.xray) return;
    this.#spend(DRAIN.xray * DT);
    if (this.held.e) return;
    this.events.push({ event: "inspect", action: "inspect", success: true });
    this.cue("xray");
  }

  /** The primary button: a press rescues who is aimed at; pressed or held it strikes at rubble. */
  #act(input) {
    if (!input.destroy || this.ticks < this.readyTick) return;
    const pressed = !this.held.destroy;
    const target = this.target();
    if (target?.victim) {
      if (pressed) this.#rescue(target.victim);
      return;
    }
    if (target?.box) this.#strike(target.box);
    else if (pressed) this.cue("swing");
  }

  /** What the tool reaches now, or null. */
  target() {
    return aimedAt(this);
  }

  #rescue(victim) {
    victim.state = "saved";
    this.score += 100 + Math.round(victim.health);
    this.readyTick = this.ticks + STRIKE_TICKS;
    this.events.push({
      event: "rescue",
      action: "rescue",
      success: true,
      victim: victim.id,
      victim_health: victim.health,
    });
    this.cue("rescue", victim);
  }

  #strike(box) {
    box.hits--;
    this.readyTick = this.ticks + STRIKE_TICKS;
    this.#spend(STRIKE_COST);
    this.cue("strike", box);
    if (box.hits > 0) return;
    box.solid = false;
    this.world.version++;
    this.score += 5;
    this.events.push({ event: "destroy_rubble", action: "destroy_rubble", success: true });
    this.cue("cleared", box);
  }

  #refuel(input) {
    const near = nearestStation(this).distance < STATION_REACH;
    const refuelling = Boolean(input.r) && near && this.battery < 100;
    if (refuelling) {
      this.battery = Math.min(100, this.battery + REFUEL_RATE * DT);
      this.health = Math.min(100, this.health + 4 * DT);
      if (!this.refuelling) this.cue("refuel");
    }
    this.refuelling = refuelling;
  }

  #age() {
    for (const victim of this.world.victims) {
      if (victim.state !== "waiting") continue;
      this.weaken(victim, victim.decay * DT);
      if (victim.health > 0) continue;
      victim.state = "dead";
      this.cue("lost", victim);
    }
  }

  #judge() {
    const waiting = this.#count("waiting");
    if (this.health <= 0) this.#end("failed");
    else if (waiting === 0) this.#end(this.#count("saved") > 0 ? "completed" : "failed");
    else if (this.ticks >= this.limitTicks) this.#end("time_up");
  }

  #end(status) {
    if (status === "completed")
      this.score += Math.round(this.health) + Math.floor((this.limitTicks - this.ticks) / TICK_HZ);
    this.completion = status;
    this.cue(status);
  }

  #spend(amount) {
    this.battery = Math.max(0, this.battery - amount);
  }

  #count(state) {
    return this.world.victims.filter((victim) => victim.state === state).length;
  }

  // -- what the data and the display read ---------------------------------------------------------------------------

  get secondsLeft() {
    return Math.max(0, (this.limitTicks - this.ticks) / TICK_HZ);
  }

  /** The fields of a data row at this tick. */
  snapshot() {
    return stateRow(this);
  }

  /** The game_result of the metadata. */
  result() {
    return {
      victims_total: this.world.victims.length,
      victims_saved: this.#count("saved"),
      victims_died: this.#count("dead"),
      final_score: this.score,
      final_health: this.health,
      final_fuel: this.battery,
      completion_status: this.completion || "left",
    };
  }
}
