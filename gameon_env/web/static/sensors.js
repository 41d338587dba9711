/** What the robot senses: distances ahead, beside and behind, victims in reach, the nearest fuel station. */

import { atan2, cos, sin, wrapAngle } from "./exact.js";

const PROXIMITY_REACH = 20;
const VICTIM_REACH = 25;

/** @param {import("./sim.js").Simulation} sim @returns {object} the `sensors` field of a data row */
export function sense(sim) {
  const { robot, world } = sim;
  const distance = (turn) => {
    const yaw = robot.yaw + turn;
    const hit = world.cast(robot.x, robot.y + 0.7, robot.z, -sin(yaw), 0, -cos(yaw), PROXIMITY_REACH);
    return hit ? hit.distance : PROXIMITY_REACH;
  };
  const around = {
    forward: distance(0),
    left: distance(Math.PI / 2),
    right: distance(-Math.PI / 2),
    back: distance(Math.PI),
  };
  const victims = victimsInReach(sim);
  return {
    proximity: Math.min(around.forward, around.left, around.right, around.back),
    proximitySensors: around,
    victimsDetected: victims.length,
    victims,
    fuelStationDistance: nearestStation(sim).distance,
    zone: sim.zone,
    inYellowZone: sim.zone === "yellow",
    inRedZone: sim.zone === "red",
  };
}

/** Waiting victims within 25 m, nearest first; angle in radians from the view, positive to the right. */
function victimsInReach(sim) {
  const { robot, world } = sim;
  const found = [];
  for (const victim of world.victims) {
    if (victim.state !== "waiting") continue;
    const dx = victim.x - robot.x;
    const dy = victim.y - robot.y;
    const dz = victim.z - robot.z;
    const distance = Math.sqrt(dx * dx + dy * dy + dz * dz);
    if (distance > VICTIM_REACH) continue;
    found.push({ distance, angle: wrapAngle(robot.yaw - atan2(-dx, -dz)), health: victim.health });
  }
  return found.sort((a, b) => a.distance - b.distance);
}

/** @returns {{distance: number, station: import("./world.js").Station|null}} */
export function nearestStation(sim) {
  let best = { distance: Infinity, station: null };
  for (const station of sim.world.stations) {
    const dx = station.x - sim.robot.x;
    const dy = station.y - sim.robot.y;
    const dz = station.z - sim.robot.z;
    const distance = Math.sqrt(dx * dx + dy * dy + dz * dz);
    if (distance < best.distance) best = { distance, station };
  }
  return best;
}
