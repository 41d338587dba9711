/** The boxes of a world as pictures: buildings merged into one mesh each texture, loose things as instances. */

import * as THREE from "three";
import * as shapes from "./shapes.js";
import * as textures from "./textures.js";
import { BURNING, BURNT } from "./wildfire.js";

const MASONRY = new Set(["wall", "slab", "pillar"]);
const WOODEN = new Set(["cabin", "roof"]);
const COLORS = {
  building: [0xb9ab96, 0xa3a39d, 0xb48a72, 0x8f9aa3],
  house: [0xe7dcc6, 0xd9b89a, 0xc6d2d6, 0xe3c7b4],
  wall: [0xb3aa9d, 0xa0917f],
  slab: [0x9d978f],
  pillar: [0x8f8a84],
  cabin: [0x8a6647],
  roof: [0x5f3d30],
  rubble: [0xa59b8e, 0x938a80, 0x8d6b58],
  wreck: [0x8f6f4d, 0x9fa3a3, 0x7c5f47],
  crate: [0xb98b55],
  log: [0xffffff],
  car: [0xb23a2e, 0x3a6ea5, 0xd8d8d2, 0x3f4a3f],
  tree: [0xffffff, 0xd8e4c8, 0xf0dcc0],
  palm: [0xffffff],
  debris: [0x9a7a54, 0x7f8789, 0xb59a6e],
};
const INSTANCED = {
  rubble: { shape: shapes.rubble, texture: textures.concrete },
  wreck: { shape: shapes.rubble, texture: textures.planks },
  crate: { shape: shapes.block, texture: textures.planks },
  debris: { shape: shapes.block, texture: textures.planks },
  log: { shape: shapes.log },
  car: { shape: shapes.car },
  tree: { shape: shapes.pine },
  palm: { shape: shapes.palm },
};
/** Buildings start a metre under the ground: storeys are counted from above it. */
const UNDERGROUND = 1;
/** Room for masonry that aftershocks add. */
const SPARE = 160;

export class Props {
  /** @param {import("./sim.js").Simulation} sim @param {import("./paint.js").Paint} paint @param {THREE.Scene} scene */
  constructor(sim, paint, scene) {
    this.sim = sim;
    this.paint = paint;
    this.scene = scene;
    this.version = -1;
    this.heights = NaN;
    this.walls = [
      { kinds: new Set(["building", "house"]), mesh: this.#mesh(textures.facade()), metres: 16, rise: 12 },
      { kinds: MASONRY, mesh: this.#mesh(textures.concrete()), metres: 4, rise: 4 },
      { kinds: WOODEN, mesh: this.#mesh(textures.planks()), metres: 4, rise: 4 },
    ];
    this.loose = new Map();
    for (const [kind, { shape, texture }] of Object.entries(INSTANCED)) this.#instances(kind, shape, texture);
    this.update();
  }

  /** Follows what moved, broke or fell; cheap while nothing did. */
  update() {
    const { world } = this.sim;
    const floating = this.sim.hazard.debris;
    if (this.version === world.version && !floating) return false;
    const changed = this.version !== world.version;
    this.version = world.version;
    for (const [kind, mesh] of this.loose) if (changed || kind === "debris") this.#place(kind, mesh);
    if (changed) this.#rebuildWalls();
    return changed;
  }

  #mesh(map) {
    const mesh = new THREE.Mesh(new THREE.BufferGeometry(), this.paint.material({ map }));
    mesh.castShadow = mesh.receiveShadow = true;
    mesh.matrixAutoUpdate = false;
    this.scene.add(mesh);
    return mesh;
  }

  #instances(kind, shape, texture) {
    const count = this.sim.world.boxes.filter((box) => box.kind === kind).length;
    const room = kind === "rubble" && count ? count + SPARE : count;
    if (!room) return;
    const geometry = this.paint.bake(shape());
    const mesh = new THREE.InstancedMesh(geometry, this.paint.material(texture ? { map: texture() } : {}), room);
    mesh.castShadow = mesh.receiveShadow = true;
    mesh.frustumCulled = false;
    this.scene.add(mesh);
    this.loose.set(kind, mesh);
  }

  #place(kind, mesh) {
    let k = 0;
    for (const box of this.sim.world.boxes) {
      if (box.kind !== kind || !(box.solid || box.floats) || k >= mesh.instanceMatrix.count) continue;
      const tall = kind === "tree" || kind === "palm";
      scale.set(tall ? box.h : box.hx * 2, box.h, tall ? box.h : box.hz * 2);
      let yaw = box.yaw;
      if (kind === "car" && box.hx > box.hz) {
        scale.set(box.hz * 2, box.h, box.hx * 2);
        yaw += Math.PI / 2;
      }
      if (kind === "log" && box.hz > box.hx) {
        scale.set(box.hz * 2, box.h, box.hx * 2);
        yaw += Math.PI / 2;
      }
      place.set(box.x, box.y, box.z);
      matrix.compose(place, turn.setFromEuler(angles.set(0, yaw, 0)), scale);
      mesh.setMatrixAt(k, matrix);
      const choice = COLORS[kind];
      tone.set(choice[Math.floor(box.shade * choice.length)]).multiplyScalar(0.82 + 0.3 * ((box.shade * 7) % 1));
      if (tall) this.#char(box);
      mesh.setColorAt(k, tone);
      k++;
    }
    mesh.count = k;
    mesh.instanceMatrix.needsUpdate = true;
    if (mesh.instanceColor) mesh.instanceColor.needsUpdate = true;
  }

  /** Trees in burning cells glow, in burnt ones they are black. */
  #char(box) {
    const { hazard } = this.sim;
    const state = hazard.cells?.[hazard.cellAt(box.x, box.z)];
    if (state === BURNT) tone.multiplyScalar(0.16);
    else if (state === BURNING) tone.multiply(EMBER);
  }

  /** The trees again, after the fire moved. */
  recolor() {
    const trees = this.loose.get("tree");
    if (trees) this.#place("tree", trees);
  }

  #rebuildWalls() {
    const { boxes } = this.sim.world;
    const heights = boxes.reduce((sum, box) => (box.hits || box.floats ? sum : sum + box.h * (box.solid ? 1 : 2)), 0);
    if (heights === this.heights) return;
    this.heights = heights;
    for (const { kinds, mesh, metres, rise } of this.walls) {
      const parts = boxes.filter((box) => box.solid && kinds.has(box.kind)).map((box) => this.#wall(box, metres, rise));
      mesh.visible = parts.length > 0;
      if (!parts.length) continue;
      mesh.geometry.dispose();
      mesh.geometry = this.paint.bake(shapes.merged(parts));
      mesh.geometry.computeBoundingSphere();
    }
  }

  /** A box whose texture keeps its scale in metres, darker towards the ground. */
  #wall(box, metres, rise) {
    const geometry = new THREE.BoxGeometry(box.hx * 2, box.h, box.hz * 2)
      .translate(box.x, box.y + box.h / 2, box.z)
      .toNonIndexed();
    const { position, normal, uv } = geometry.attributes;
    const choice = COLORS[box.kind];
    tone.set(choice[Math.floor(box.shade * choice.length)]).multiplyScalar(0.85 + 0.3 * ((box.shade * 13) % 1));
    shapes.tinted(geometry, tone);
    for (let k = 0; k < position.count; k++) {
      const [x, y, z] = [
        position.getX(k) - box.x + box.hx,
        position.getY(k) - box.y,
        position.getZ(k) - box.z + box.hz,
      ];
      const top = Math.abs(normal.getY(k)) > 0.5;
      const across = Math.abs(normal.getX(k)) > 0.5 ? z : x;
      // Roofs take a plain corner of a facade: no windows look up.
      if (top) uv.setXY(k, (x % 1) * 0.02, 0.98 + (z % 1) * 0.01);
      else uv.setXY(k, across / metres, (y - UNDERGROUND) / rise);
      if (y < 0.01) geometry.attributes.color.setXYZ(k, tone.r * 0.62, tone.g * 0.62, tone.b * 0.62);
    }
    return geometry;
  }
}

const matrix = new THREE.Matrix4();
const place = new THREE.Vector3();
const scale = new THREE.Vector3();
const turn = new THREE.Quaternion();
const angles = new THREE.Euler();
const tone = new THREE.Color();
const EMBER = new THREE.Color(1.9, 0.75, 0.35);
