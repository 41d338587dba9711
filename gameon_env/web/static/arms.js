/** The robot's own arms at the lower edge of the view; they strike, reach and sway. */

import * as THREE from "three";
import * as shapes from "./shapes.js";

const STRIKE_SECONDS = 0.36;

export class Arms {
  /** @param {import("./paint.js").Paint} paint @param {THREE.Camera} camera */
  constructor(paint, camera) {
    const part = (w, h, d, x, y, z, hex) => shapes.tinted(new THREE.BoxGeometry(w, h, d).translate(x, y, z), hex);
    const arm = shapes.merged([
      part(0.13, 0.13, 0.6, 0, 0, 0.1, 0xd9a400),
      part(0.15, 0.15, 0.12, 0, 0, -0.22, 0x30363c),
      part(0.03, 0.05, 0.2, -0.06, 0, -0.36, 0x9aa4ac),
      part(0.03, 0.05, 0.2, 0.06, 0, -0.36, 0x9aa4ac),
      part(0.135, 0.04, 0.3, 0, 0.05, 0.1, 0x22272c),
    ]);
    this.meshes = [-1, 1].map((side) => {
      const mesh = new THREE.Mesh(paint.bake(arm.clone()), paint.material({ fog: false }));
      mesh.position.set(side * 0.5, -0.47, -0.8);
      mesh.rotation.set(0.16, side * 0.14, 0);
      mesh.userData.side = side;
      camera.add(mesh);
      return mesh;
    });
  }

  /** @param {import("./sim.js").Simulation} sim */
  update(sim) {
    const since = 1 - Math.max(0, sim.readyTick - sim.tick) / 60 / STRIKE_SECONDS;
    const swing = since < 1 ? Math.sin(Math.PI * Math.min(1, since * 1.1)) : 0;
    const walk = sim.robot.grounded
      ? Math.sin(sim.tick * 0.18) * 0.012 * Math.min(1, Math.hypot(sim.robot.vx, sim.robot.vz) / 3)
      : 0;
    for (const mesh of this.meshes) {
      const right = mesh.userData.side > 0;
      mesh.position.z = -0.8 - (right ? 0.34 : 0.1) * swing;
      mesh.position.y = -0.47 + walk * mesh.userData.side + (right ? 0.1 * swing : 0) + (sim.xray && !right ? 0.1 : 0);
      mesh.rotation.x = 0.16 - (right ? 0.3 * swing : 0);
    }
  }
}
