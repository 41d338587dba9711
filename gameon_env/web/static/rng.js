/** Seeded random numbers, the same in every engine: 32-bit integer arithmetic only. */

export class Rng {
  /** @param {number} seed uint32 */
  constructor(seed) {
    this.state = seed >>> 0;
  }

  /** @returns {number} uint32 (mulberry32) */
  uint32() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** @returns {number} in [0, 1) */
  unit() {
    return this.uint32() / 4294967296;
  }

  /** @returns {number} in [low, high) */
  range(low, high) {
    return low + (high - low) * this.unit();
  }

  /** @returns {number} integer in [low, high], both included */
  int(low, high) {
    return low + (this.uint32() % (high - low + 1));
  }

  /** @returns {boolean} true with the given chance */
  chance(probability) {
    return this.unit() < probability;
  }

  /** @template T @param {T[]} items @returns {T} */
  pick(items) {
    return items[this.uint32() % items.length];
  }

  /** @template T @param {T[]} items @returns {T[]} the same list, shuffled in place */
  shuffle(items) {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.uint32() % (i + 1);
      [items[i], items[j]] = [items[j], items[i]];
    }
    return items;
  }
}

/** @returns {number} in [0, 1), a fixed value for each lattice point and seed */
export function latticeValue(x, z, seed) {
  let h = Math.imul(x | 0, 0x27d4eb2d) ^ Math.imul(z | 0, 0x165667b1) ^ Math.imul(seed | 0, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 15), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 4294967296;
}

/** Smooth value noise in [-1, 1]; `scale` is the size of a bump. */
export function smoothNoise(x, z, scale, seed) {
  const u = x / scale;
  const v = z / scale;
  const i = Math.floor(u);
  const j = Math.floor(v);
  const fu = (u - i) * (u - i) * (3 - 2 * (u - i));
  const fv = (v - j) * (v - j) * (3 - 2 * (v - j));
  const top = latticeValue(i, j, seed) * (1 - fu) + latticeValue(i + 1, j, seed) * fu;
  const bottom = latticeValue(i, j + 1, seed) * (1 - fu) + latticeValue(i + 1, j + 1, seed) * fu;
  return (top * (1 - fv) + bottom * fv) * 2 - 1;
}
