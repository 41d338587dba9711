/** What the robot's tool would act on: a victim that is free, or something that blows can clear. */

const RESCUE_REACH = 3.4;
const STRIKE_REACH = 3.6;
/** Metres beside a victim that a rescue forgives. */
const RESCUE_WIDTH = 0.8;

/**
 * @param {import("./sim.js").Simulation} sim
 * @returns {{victim?: import("./world.js").Victim, box?: import("./world.js").Box, buried?: boolean}|null}
 */
export function aimedAt(sim) {
  const { robot, world } = sim;
  const aim = robot.aim;
  const hit = world.cast(robot.x, robot.eyeY, robot.z, aim.x, aim.y, aim.z, STRIKE_REACH);
  const box = hit?.box?.hits ? hit.box : null;
  const victim = nearestToAim(sim, aim);
  if (victim) {
    const cover = world.boxes.find((one) => one.solid && one.covers === victim.id);
    if (cover) return { box: cover, buried: true };
    if (!hit?.box || box || sees(sim, victim)) return { victim };
  }
  return box ? { box } : null;
}

function nearestToAim({ robot, world }, aim) {
  let best = null;
  let bestOff = RESCUE_WIDTH;
  for (const victim of world.victims) {
    if (victim.state !== "waiting") continue;
    const { x, y, z } = toChest(robot, victim);
    const along = x * aim.x + y * aim.y + z * aim.z;
    const off = Math.sqrt(Math.max(0, x * x + y * y + z * z - along * along));
    if (along > 0 && along < RESCUE_REACH && off < bestOff) {
      best = victim;
      bestOff = off;
    }
  }
  return best;
}

function sees({ robot, world }, victim) {
  const { x, y, z } = toChest(robot, victim);
  const length = Math.sqrt(x * x + y * y + z * z);
  const hit = world.cast(robot.x, robot.eyeY, robot.z, x / length, y / length, z / length, Math.max(0, length - 0.4));
  return !hit?.box;
}

function toChest(robot, victim) {
  return { x: victim.x - robot.x, y: victim.y + 0.6 - robot.eyeY, z: victim.z - robot.z };
}
