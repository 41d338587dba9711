/** Victims, the beacons over them, and the fuel stations; x-ray shows victims through walls, each under a shaft of light. */

import * as THREE from "three";
import * as shapes from "./shapes.js";

/** A shaft of light in x-ray is so many metres wide for each metre of distance, and so wide at least. */
const SHAFT = { perMetre: 0.02, least: 0.35, height: 40, over: 2.8, faintAt: 70 };

export class People {
  constructor(sim, paint, scene) {
    this.sim = sim;
    const count = sim.world.victims.length;
    const body = paint.bake(shapes.person());
    this.bodies = new THREE.InstancedMesh(body, paint.material(), count);
    this.bodies.castShadow = true;
    const glow = new THREE.MeshBasicMaterial({
      color: 0x52e8ff,
      depthTest: false,
      transparent: true,
      opacity: 0.8,
      fog: false,
    });
    this.ghosts = new THREE.InstancedMesh(body, glow, count);
    this.ghosts.renderOrder = 5;
    const column = new THREE.CylinderGeometry(0.5, 0.5, 1, 6, 1, true).translate(0, 0.5, 0);
    this.shafts = new THREE.InstancedMesh(column, new THREE.MeshBasicMaterial({ depthTest: false, fog: false }), count);
    this.shafts.renderOrder = 4;
    const diamond = new THREE.OctahedronGeometry(0.2).scale(1, 1.5, 1);
    this.beacons = new THREE.InstancedMesh(diamond, new THREE.MeshBasicMaterial({ fog: false }), count);
    const posts = new THREE.InstancedMesh(paint.bake(shapes.station()), paint.material(), sim.world.stations.length);
    posts.castShadow = true;
    const beam = new THREE.CylinderGeometry(0.5, 1.4, 30, 10, 1, true).translate(0, 15, 0);
    const light = new THREE.MeshBasicMaterial({
      color: 0x49b8ff,
      transparent: true,
      opacity: 0.16,
      side: THREE.DoubleSide,
      depthWrite: false,
      fog: false,
    });
    const beams = new THREE.InstancedMesh(beam, light, sim.world.stations.length);
    sim.world.stations.forEach((station, k) => {
      matrix.makeTranslation(station.x, station.y, station.z);
      posts.setMatrixAt(k, matrix);
      beams.setMatrixAt(k, matrix);
    });
    for (const mesh of [this.bodies, this.ghosts, this.shafts, this.beacons, posts, beams]) {
      mesh.frustumCulled = false;
      scene.add(mesh);
    }
  }

  /** @param {number} seconds of game time */
  update(seconds) {
    const { robot } = this.sim;
    let k = 0;
    for (const victim of this.sim.world.victims) {
      if (victim.state !== "waiting") continue;
      const buried = this.sim.world.boxes.some((box) => box.solid && box.covers === victim.id);
      const weak = victim.health < 35 || buried;
      const sway = Math.sin(seconds * 3 + victim.id * 2) * 0.12;
      place.set(victim.x, victim.y + (weak ? 0.16 : 0), victim.z);
      turn.setFromEuler(
        angles.set(weak ? -1.45 : 0, victim.look * 6.28 + (weak ? 0 : sway), weak ? 0 : sway * 0.4, "YXZ"),
      );
      matrix.compose(place, turn, one);
      this.bodies.setMatrixAt(k, matrix);
      this.ghosts.setMatrixAt(k, matrix);
      place.y = victim.y + (weak ? 1.5 : 2.3) + Math.sin(seconds * 2 + victim.id) * 0.1;
      matrix.compose(place, turn.setFromEuler(angles.set(0, seconds * 1.5, 0)), one);
      this.beacons.setMatrixAt(k, matrix);
      this.beacons.setColorAt(k, tone.set(victim.health > 50 ? 0x3ce65a : victim.health > 25 ? 0xffd94a : 0xff4030));
      const far = Math.hypot(victim.x - robot.x, victim.z - robot.z);
      const wide = Math.max(SHAFT.least, SHAFT.perMetre * far);
      place.y = victim.y + SHAFT.over;
      this.shafts.setMatrixAt(k, matrix.compose(place, turn.identity(), size.set(wide, SHAFT.height, wide)));
      this.shafts.setColorAt(k, tone.set(0xff4cf0).multiplyScalar(1 - 0.6 * Math.min(1, far / SHAFT.faintAt)));
      k++;
    }
    for (const mesh of [this.bodies, this.ghosts, this.shafts, this.beacons]) {
      mesh.count = k;
      mesh.instanceMatrix.needsUpdate = true;
      if (mesh.instanceColor) mesh.instanceColor.needsUpdate = true;
    }
    this.ghosts.visible = this.shafts.visible = this.sim.xray;
  }
}

const matrix = new THREE.Matrix4();
const place = new THREE.Vector3();
const turn = new THREE.Quaternion();
const angles = new THREE.Euler();
const one = new THREE.Vector3(1, 1, 1);
const size = new THREE.Vector3();
const tone = new THREE.Color();
