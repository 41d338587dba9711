/**
 * Materials at two prices. Low: light is worked out once for each corner and the pixels only look up a colour, which a
 * software renderer affords. High: lit by pixel, with shadows.
 */

import * as THREE from "three";

export class Paint {
  /** @param {boolean} high @param {typeof import("./moods.js").MOODS.earthquake} mood */
  constructor(high, mood) {
    this.high = high;
    const [x, y, z] = mood.sun;
    const length = Math.hypot(x, y, z);
    this.sun = [x / length, y / length, z / length];
    this.sunColor = new THREE.Color(mood.sunColor);
    this.ambient = new THREE.Color(mood.ambient);
  }

  /** Light on a surface with that normal, linear RGB; white where the renderer lights by pixel. */
  light(nx, ny, nz) {
    if (this.high) return [1, 1, 1];
    const facing = Math.max(0, nx * this.sun[0] + ny * this.sun[1] + nz * this.sun[2]);
    const sky = 0.72 + 0.28 * ny;
    return ["r", "g", "b"].map((c) => this.sunColor[c] * facing * 0.85 + this.ambient[c] * sky);
  }

  /** Multiplies a geometry's colours by the light on its normals. */
  bake(geometry) {
    const { normal, color } = geometry.attributes;
    for (let k = 0; k < normal.count; k++) {
      const [r, g, b] = this.light(normal.getX(k), normal.getY(k), normal.getZ(k));
      color.setXYZ(k, color.getX(k) * r, color.getY(k) * g, color.getZ(k) * b);
    }
    return geometry;
  }

  /** A material that takes its colours from the corners. */
  material(options = {}) {
    const all = { vertexColors: true, ...options };
    return this.high ? new THREE.MeshLambertMaterial(all) : new THREE.MeshBasicMaterial(all);
  }
}
