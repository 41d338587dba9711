/** The rescue robot's body: how keys and mouse move it through a world. */

import { clamp, cos, sin, wrapAngle } from "./exact.js";
import { HALF_SIZE } from "./world.js";

export const EYE_HEIGHT = 1.35;
export const HALF_WIDTH = 0.42;
export const HEIGHT = 1.5;
const RADIANS_PER_COUNT = 0.0022;
const MAX_PITCH = 1.45;
const SPEED = 5.2;
const JUMP_SPEED = 5.9;
const GRAVITY = 14;
/** Share of the wished change of velocity that one tick gives. */
const GRIP = 0.15;
const AIR_GRIP = 0.035;
const STEP_UP = 0.45;
const SAFE_FALL_SPEED = 8.2;

export class Robot {
  /** @param {import("./world.js").World} world */
  constructor(world) {
    const { x, z, yaw } = world.start;
    this.world = world;
    this.x = x;
    this.z = z;
    this.y = world.floorAt(x, z, HALF_WIDTH, 100, 0);
    this.yaw = yaw;
    this.pitch = 0;
    this.vx = 0;
    this.vy = 0;
    this.vz = 0;
    this.grounded = true;
  }

  get eyeY() {
    return this.y + EYE_HEIGHT;
  }

  /** Unit vector of the view. */
  get aim() {
    const c = cos(this.pitch);
    return { x: -sin(this.yaw) * c, y: sin(this.pitch), z: -cos(this.yaw) * c };
  }

  /**
   * One tick of `dt` seconds. `pace` scales the speed (zones, an empty battery); (pushX, pushZ) is a current in m/s.
   * @returns {{jumped: boolean, impact: number}} impact: the speed of a hard landing, else 0
   */
  move(input, dt, pace, pushX, pushZ) {
    this.yaw = wrapAngle(this.yaw - input.mouse_dx * RADIANS_PER_COUNT);
    this.pitch = clamp(this.pitch - input.mouse_dy * RADIANS_PER_COUNT, -MAX_PITCH, MAX_PITCH);
    const ahead = (input.w ? 1 : 0) - (input.s ? 1 : 0);
    const aside = (input.d ? 1 : 0) - (input.a ? 1 : 0);
    const speed = (SPEED * pace) / (ahead && aside ? Math.SQRT2 : 1);
    const s = sin(this.yaw);
    const c = cos(this.yaw);
    const grip = this.grounded ? GRIP : AIR_GRIP;
    this.vx += ((aside * c - ahead * s) * speed + pushX - this.vx) * grip;
    this.vz += ((-aside * s - ahead * c) * speed + pushZ - this.vz) * grip;
    const jumped = Boolean(input.space) && this.grounded;
    if (jumped) {
      this.vy = JUMP_SPEED;
      this.grounded = false;
    }
    this.#slide(this.vx * dt, 0);
    this.#slide(0, this.vz * dt);
    return { jumped, impact: this.#fall(dt) };
  }

  /** Sideways motion along one axis: onto low steps, stopped by what is higher. */
  #slide(dx, dz) {
    const edge = HALF_SIZE - 1.5;
    const x = clamp(this.x + dx, -edge, edge);
    const z = clamp(this.z + dz, -edge, edge);
    const world = this.world;
    if (!world.blocked(x, z, HALF_WIDTH, this.y, HEIGHT)) {
      this.x = x;
      this.z = z;
      return;
    }
    const step = this.grounded ? STEP_UP : 0.15;
    const floor = world.floorAt(x, z, HALF_WIDTH, this.y, step);
    if (floor > this.y && floor <= this.y + step && !world.blocked(x, z, HALF_WIDTH, floor, HEIGHT)) {
      this.x = x;
      this.z = z;
      this.y = floor;
      return;
    }
    if (dx !== 0) this.vx = 0;
    if (dz !== 0) this.vz = 0;
  }

  #fall(dt) {
    const wasGrounded = this.grounded;
    this.vy -= GRAVITY * dt;
    const next = this.y + this.vy * dt;
    const floor = this.world.floorAt(this.x, this.z, HALF_WIDTH, this.y, 0.05);
    const onSlope = wasGrounded && this.vy < 0 && next - floor < 0.3;
    let impact = 0;
    if (next <= floor || onSlope) {
      if (!wasGrounded && -this.vy > SAFE_FALL_SPEED) impact = -this.vy;
      this.y = floor;
      this.vy = 0;
      this.grounded = true;
    } else if (this.vy > 0 && this.world.blocked(this.x, this.z, HALF_WIDTH, next, HEIGHT)) {
      this.vy = 0;
    } else {
      this.y = next;
      this.grounded = false;
    }
    return impact;
  }

  /** Frees the robot from a box that moved into it, by the shortest way out. */
  pushOut() {
    for (const box of this.world.boxes) {
      if (!box.solid || this.y >= box.y + box.h - 1e-6 || this.y + HEIGHT <= box.y) continue;
      const overX = box.hx + HALF_WIDTH - Math.abs(this.x - box.x);
      const overZ = box.hz + HALF_WIDTH - Math.abs(this.z - box.z);
      if (overX <= 0 || overZ <= 0) continue;
      if (overX < overZ) this.x += this.x < box.x ? -overX : overX;
      else this.z += this.z < box.z ? -overZ : overZ;
    }
  }
}
