/** Geometries put together from coloured parts, each one draw call. */

import * as THREE from "three";
import { latticeValue } from "./rng.js";

/** Gives a geometry one colour for all its corners. */
export function tinted(geometry, hex) {
  const color = new THREE.Color(hex);
  const count = geometry.attributes.position.count;
  const values = new Float32Array(count * 3);
  for (let k = 0; k < count; k++) values.set([color.r, color.g, color.b], 3 * k);
  geometry.setAttribute("color", new THREE.BufferAttribute(values, 3));
  return geometry;
}

/** @param {THREE.BufferGeometry[]} parts with position, normal, uv, color @returns {THREE.BufferGeometry} */
export function merged(parts) {
  const flat = parts.map((part) => (part.index ? part.toNonIndexed() : part));
  const whole = new THREE.BufferGeometry();
  for (const [name, size] of [
    ["position", 3],
    ["normal", 3],
    ["uv", 2],
    ["color", 3],
  ]) {
    const total = flat.reduce((sum, part) => sum + part.attributes[name].array.length, 0);
    const values = new Float32Array(total);
    let at = 0;
    for (const part of flat) {
      values.set(part.attributes[name].array, at);
      at += part.attributes[name].array.length;
    }
    whole.setAttribute(name, new THREE.BufferAttribute(values, size));
  }
  return whole;
}

const box = (w, h, d, x, y, z, hex) => tinted(new THREE.BoxGeometry(w, h, d).translate(x, y, z), hex);

/** A block of broken masonry in a unit box standing on y = 0. */
export function rubble() {
  const geometry = new THREE.BoxGeometry(1, 1, 1, 2, 2, 2).toNonIndexed();
  const position = geometry.attributes.position;
  for (let k = 0; k < position.count; k++) {
    const [x, y, z] = [position.getX(k), position.getY(k), position.getZ(k)];
    const i = Math.round((x + 0.5) * 2) + 3 * Math.round((y + 0.5) * 2);
    const j = Math.round((z + 0.5) * 2);
    const inward = 0.78 + 0.3 * latticeValue(i, j, 3);
    const round = Math.abs(x) + Math.abs(y) + Math.abs(z) > 1.2 ? 0.86 : 1;
    position.setXYZ(k, x * inward * round, y * inward * round + 0.5, z * inward * round);
  }
  geometry.computeVertexNormals();
  return tinted(geometry, 0xffffff);
}

/** A unit box standing on y = 0. */
export function block() {
  return tinted(new THREE.BoxGeometry(1, 1, 1).translate(0, 0.5, 0).toNonIndexed(), 0xffffff);
}

/** A pine of height 1, foliage radius about 0.22. */
export function pine() {
  const cone = (radius, height, y, hex) => tinted(new THREE.ConeGeometry(radius, height, 7).translate(0, y, 0), hex);
  return merged([
    tinted(new THREE.CylinderGeometry(0.025, 0.04, 0.3, 5).translate(0, 0.15, 0), 0x5a4330),
    cone(0.22, 0.42, 0.4, 0x3d5a34),
    cone(0.17, 0.36, 0.62, 0x47683b),
    cone(0.11, 0.3, 0.84, 0x527544),
  ]);
}

/** A palm of height 1. */
export function palm() {
  const parts = [tinted(new THREE.CylinderGeometry(0.022, 0.04, 0.92, 6).translate(0, 0.46, 0), 0x84694a)];
  for (let i = 0; i < 7; i++) {
    const leaf = new THREE.ConeGeometry(0.06, 0.44, 4)
      .scale(1, 1, 0.35)
      .rotateZ(-Math.PI / 2 - 0.45)
      .translate(0.2, 0.86, 0);
    parts.push(tinted(leaf.rotateY((i * 2 * Math.PI) / 7), i % 2 ? 0x4f7a3a : 0x5d8a44));
  }
  return merged(parts);
}

/** A car in a 1.9 x 1.35 x 4.2 m box, scaled to a unit one. */
export function car() {
  const whole = merged([
    box(1.9, 0.6, 4.2, 0, 0.58, 0, 0xffffff),
    box(1.6, 0.55, 2.1, 0, 1.1, 0.2, 0x2a3138),
    box(1.5, 0.08, 1.9, 0, 1.36, 0.2, 0xffffff),
    ...[
      [-1, -1.3],
      [1, -1.3],
      [-1, 1.3],
      [1, 1.3],
    ].map(([sx, z]) =>
      tinted(
        new THREE.CylinderGeometry(0.36, 0.36, 0.24, 9).rotateZ(Math.PI / 2).translate(sx * 0.86, 0.36, z),
        0x15171a,
      ),
    ),
    box(1.5, 0.14, 0.06, 0, 0.66, -2.1, 0xfff3c4),
    box(1.5, 0.14, 0.06, 0, 0.66, 2.1, 0xb02a20),
  ]);
  return whole.scale(1 / 1.9, 1 / 1.4, 1 / 4.2);
}

/** A fallen trunk along x in a unit box. */
export function log() {
  return merged([
    tinted(new THREE.CylinderGeometry(0.5, 0.5, 1, 9).rotateZ(Math.PI / 2).translate(0, 0.5, 0), 0x6b4f36),
    tinted(new THREE.CylinderGeometry(0.4, 0.4, 1.01, 9).rotateZ(Math.PI / 2).translate(0, 0.5, 0), 0xb08a5c),
  ]);
}

/** A person of 1.7 m, one arm up, in a colour that shows from afar. */
export function person() {
  return merged([
    box(0.42, 0.62, 0.26, 0, 1.05, 0, 0xff7a1a),
    box(0.43, 0.1, 0.27, 0, 1.1, 0, 0xf4f4f4),
    tinted(new THREE.IcosahedronGeometry(0.17, 1).translate(0, 1.54, 0), 0xd9a77c),
    tinted(new THREE.IcosahedronGeometry(0.18, 0).scale(1, 0.7, 1).translate(0, 1.63, 0.02), 0x3a2a20),
    box(0.17, 0.75, 0.2, -0.12, 0.38, 0, 0x2b3f63),
    box(0.17, 0.75, 0.2, 0.12, 0.38, 0, 0x2b3f63),
    box(0.13, 0.6, 0.15, -0.29, 1.04, 0, 0xff7a1a),
    tinted(
      new THREE.BoxGeometry(0.13, 0.6, 0.15).translate(0, 0.3, 0).rotateZ(-0.35).translate(0.26, 1.3, 0),
      0xff7a1a,
    ),
  ]);
}

/** A fuel station: a pump between two posts under a lit sign. */
export function station() {
  return merged([
    tinted(new THREE.CylinderGeometry(1.7, 1.9, 0.16, 20).translate(0, 0.08, 0), 0x2c3a46),
    box(0.8, 1.5, 0.6, 0, 0.85, 0, 0x1f6fb2),
    box(0.6, 0.4, 0.62, 0, 1.2, 0, 0xbfe8ff),
    box(0.12, 3.2, 0.12, -0.9, 1.6, 0, 0xd0d6da),
    box(0.12, 3.2, 0.12, 0.9, 1.6, 0, 0xd0d6da),
    box(2.2, 0.7, 0.24, 0, 3.3, 0, 0x2aa3ff),
    box(0.14, 0.44, 0.26, 0, 3.3, 0, 0xffffff),
    box(0.44, 0.14, 0.26, 0, 3.3, 0, 0xffffff),
  ]);
}
