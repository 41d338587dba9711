/**
 * Trigonometry from + - * / and square roots alone. Engines may round Math.sin and its kin differently; these give the
 * same bits everywhere, so that a seed and its inputs replay the same game in another browser.
 */

const TAU = 6.283185307179586;
const HALF_PI = 1.5707963267948966;

/** Wraps an angle into [-pi, pi). */
export function wrapAngle(angle) {
  return angle - TAU * Math.floor(angle / TAU + 0.5);
}

/** Taylor polynomial to x^15: its error on [-pi/2, pi/2] is below 1e-11. */
export function sin(angle) {
  let x = wrapAngle(angle);
  if (x > HALF_PI) x = Math.PI - x;
  else if (x < -HALF_PI) x = -Math.PI - x;
  const s = x * x;
  return (
    x *
    (1 - (s / 6) * (1 - (s / 20) * (1 - (s / 42) * (1 - (s / 72) * (1 - (s / 110) * (1 - (s / 156) * (1 - s / 210)))))))
  );
}

export function cos(angle) {
  return sin(angle + HALF_PI);
}

/** Error below 1e-7 rad: two halvings of the angle, then the series. */
export function atan2(y, x) {
  if (x === 0 && y === 0) return 0;
  const ax = Math.abs(x);
  const ay = Math.abs(y);
  let t = Math.min(ax, ay) / Math.max(ax, ay);
  t = t / (1 + Math.sqrt(1 + t * t));
  t = t / (1 + Math.sqrt(1 + t * t));
  const s = t * t;
  let a = 4 * t * (1 - s * (1 / 3 - s * (1 / 5 - s * (1 / 7 - s * (1 / 9 - s / 11)))));
  if (ay > ax) a = HALF_PI - a;
  if (x < 0) a = Math.PI - a;
  return y < 0 ? -a : a;
}

/** @returns {number} value held inside [low, high] */
export function clamp(value, low, high) {
  return value < low ? low : value > high ? high : value;
}

/** 0 at or under `from`, 1 at or over `to`, smooth between. */
export function smoothStep(from, to, value) {
  const t = clamp((value - from) / (to - from), 0, 1);
  return t * t * (3 - 2 * t);
}

export function distance2(ax, az, bx, bz) {
  const dx = ax - bx;
  const dz = az - bz;
  return Math.sqrt(dx * dx + dz * dz);
}
