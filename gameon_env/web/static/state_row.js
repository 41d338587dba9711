/** The state of the game as a row of the data has it. */

import { sense } from "./sensors.js";

/** @param {import("./sim.js").Simulation} sim */
export function stateRow(sim) {
  const { robot, velocities, battery, health, zone } = sim;
  const [vx, vy, vz] = velocities[0];
  const seconds = (velocities.length - 1) / 60;
  return {
    robot: {
      position: { x: robot.x, y: robot.y, z: robot.z },
      rotation: { x: 0, y: robot.yaw, z: 0 },
      velocity: { x: robot.vx, y: robot.vy, z: robot.vz },
      isJumping: !robot.grounded,
    },
    accelerometer: { x: (robot.vx - vx) / seconds, y: (robot.vy - vy) / seconds, z: (robot.vz - vz) / seconds },
    battery,
    damage: 1 - health / 100,
    health,
    fuel: battery,
    zone,
    camera: {
      position: { x: robot.x, y: robot.eyeY, z: robot.z },
      rotation: { x: robot.pitch, y: robot.yaw, z: 0 },
      yaw: robot.yaw,
      pitch: robot.pitch,
    },
    sensors: sense(sim),
  };
}
