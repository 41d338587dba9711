/** What the hazards look like: dust of aftershocks, the flood's surface, flames and smoke. */

import * as THREE from "three";
import * as textures from "./textures.js";
import { HALF_SIZE } from "./world.js";
import { BURNING } from "./wildfire.js";
import { latticeValue } from "./rng.js";

/** @returns {{update(camera: THREE.Camera, seconds: number): void}} */
export function makeDangers(sim, paint, scene, onFire) {
  if (sim.environment === "tsunami") return new Sea(sim, paint, scene);
  if (sim.environment === "wildfire") return new Blaze(sim, paint, scene, onFire);
  return new Dust(sim, paint, scene);
}

class Sea {
  constructor(sim, paint, scene) {
    this.sim = sim;
    this.map = textures.ripples();
    this.map.repeat.set(40, 40);
    const material = new THREE.MeshBasicMaterial({
      map: this.map,
      color: 0x5d8a90,
      transparent: true,
      opacity: paint.high ? 0.82 : 0.88,
      side: THREE.DoubleSide,
    });
    this.mesh = new THREE.Mesh(new THREE.PlaneGeometry(6 * HALF_SIZE, 6 * HALF_SIZE).rotateX(-Math.PI / 2), material);
    scene.add(this.mesh);
  }

  update(camera, seconds) {
    this.mesh.position.y = this.sim.hazard.level;
    this.map.offset.set(seconds * 0.015, -seconds * 0.05 - this.sim.hazard.level * 0.6);
  }
}

/** Billboards that turn to the camera: `count` instances of a quad. */
class Billboards {
  constructor(scene, map, room, options) {
    const quad = new THREE.PlaneGeometry(1, 1).translate(0, 0.5, 0);
    const material = new THREE.MeshBasicMaterial({ map, transparent: true, depthWrite: false, ...options });
    this.mesh = new THREE.InstancedMesh(quad, material, room);
    this.mesh.frustumCulled = false;
    this.mesh.count = 0;
    scene.add(this.mesh);
  }

  begin(camera) {
    this.k = 0;
    turn.setFromEuler(angles.set(0, Math.atan2(camera.matrixWorld.elements[8], camera.matrixWorld.elements[10]), 0));
  }

  add(x, y, z, width, height, hex) {
    if (this.k >= this.mesh.instanceMatrix.count) return;
    matrix.compose(place.set(x, y, z), turn, size.set(width, height, 1));
    this.mesh.setMatrixAt(this.k, matrix);
    this.mesh.setColorAt(this.k, tone.set(hex));
    this.k++;
  }

  end() {
    this.mesh.count = this.k;
    this.mesh.instanceMatrix.needsUpdate = true;
    if (this.mesh.instanceColor) this.mesh.instanceColor.needsUpdate = true;
  }
}

class Blaze {
  constructor(sim, paint, scene, onFire) {
    this.sim = sim;
    this.onFire = onFire;
    this.burning = -1;
    this.flames = new Billboards(scene, textures.flame(), paint.high ? 420 : 150, {
      blending: THREE.AdditiveBlending,
      fog: false,
    });
    this.smoke = new Billboards(scene, textures.puff(), paint.high ? 200 : 44, { opacity: 0.62 });
    this.perCell = paint.high ? 3 : 2;
  }

  update(camera, seconds) {
    const { hazard } = this.sim;
    const near = [];
    let state = 0;
    for (let k = 0; k < hazard.cells.length; k++) {
      state += hazard.cells[k] * (k + 1);
      if (hazard.cells[k] !== BURNING) continue;
      const { x, z } = hazard.centre(k);
      near.push({ k, x, z, far: Math.hypot(x - camera.position.x, z - camera.position.z) });
    }
    if (state !== this.burning) {
      this.burning = state;
      this.onFire();
    }
    near.sort((a, b) => b.far - a.far);
    const shown = near.slice(-Math.floor(this.flames.mesh.instanceMatrix.count / this.perCell));
    this.flames.begin(camera);
    this.smoke.begin(camera);
    for (const { k, x, z, far } of shown) {
      const strength = Math.min(1, hazard.age[k] / 4 + 0.25) * (hazard.age[k] > 24 ? 0.6 : 1);
      for (let i = 0; i < this.perCell; i++) {
        const fx = x + (latticeValue(k, i, 1) - 0.5) * 3.4;
        const fz = z + (latticeValue(k, i, 2) - 0.5) * 3.4;
        const flicker = 0.75 + 0.25 * Math.sin(seconds * (7 + i * 2) + k * 1.7 + i);
        const high = (2.2 + 3.6 * latticeValue(k, i, 3)) * strength * flicker;
        this.flames.add(fx, this.sim.world.heightAt(fx, fz) - 0.2, fz, 2.4 * strength + 0.4, high, 0xffffff);
      }
      if (k % 2 === 0 || far < 20) {
        const rise = (seconds * 0.22 + latticeValue(k, 5, 4)) % 1;
        const y = this.sim.world.heightAt(x, z) + 1.5 + rise * 13;
        const drift = rise * rise * 12;
        const grey = rise < 0.3 ? 0x2f2823 : 0x463c35;
        this.smoke.add(x + hazard.wind.x * drift, y, z + hazard.wind.z * drift, 3 + rise * 8, 3 + rise * 6, grey);
      }
    }
    this.flames.end();
    this.smoke.end();
  }
}

class Dust {
  constructor(sim, paint, scene) {
    this.sim = sim;
    this.puffs = new Billboards(scene, textures.puff(), paint.high ? 60 : 18, { opacity: 0.5 });
  }

  update(camera, seconds) {
    this.puffs.begin(camera);
    const shaking = this.sim.hazard.shake;
    const room = this.puffs.mesh.instanceMatrix.count;
    for (const zone of this.sim.world.zones) {
      if (zone.cause !== "gas") continue;
      const rise = (seconds * 0.25 + zone.x) % 1;
      this.puffs.add(
        zone.x,
        this.sim.world.heightAt(zone.x, zone.z) + rise * 2,
        zone.z,
        2 + rise * 2,
        2 + rise,
        0xb7a24a,
      );
    }
    for (const { box } of this.sim.hazard.falling) {
      this.puffs.add(box.x, this.sim.world.heightAt(box.x, box.z) - 0.4, box.z, 3, 1.6, 0xd8c3a0);
    }
    if (shaking > 0) {
      for (let i = 0; i < room / 2; i++) {
        const angle = latticeValue(i, 1, 9) * 6.28;
        const far = 5 + latticeValue(i, 2, 9) * 22;
        const x = camera.position.x + Math.sin(angle) * far;
        const z = camera.position.z + Math.cos(angle) * far;
        this.puffs.add(x, this.sim.world.heightAt(x, z) - 0.5, z, 5 * shaking + 1, 3 * shaking + 0.5, 0xc4b091);
      }
    }
    this.puffs.end();
  }
}

const matrix = new THREE.Matrix4();
const place = new THREE.Vector3();
const size = new THREE.Vector3();
const turn = new THREE.Quaternion();
const angles = new THREE.Euler();
const tone = new THREE.Color();
