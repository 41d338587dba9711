/** The picture of a game: one scene for a simulation, drawn from the robot's eye. */

import * as THREE from "three";
import { MOODS } from "./moods.js";
import { Paint } from "./paint.js";
import { makeGround } from "./ground.js";
import { Props } from "./props.js";
import { People } from "./people.js";
import { makeDangers } from "./dangers.js";
import { Arms } from "./arms.js";

/** Pixels that each quality draws at most; the canvas is scaled up to the window. */
const MOST_PIXELS = { lowest: 320 * 240, low: 640 * 480, high: 2560 * 1440 };

export class View {
  /** @param {HTMLCanvasElement} canvas @param {import("./sim.js").Simulation} sim @param {THREE.WebGLRenderer} renderer */
  constructor(renderer, sim, quality) {
    this.renderer = renderer;
    this.sim = sim;
    this.quality = quality;
    this.high = quality === "high";
    this.calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const mood = MOODS[sim.environment];
    this.scene = new THREE.Scene();
    this.fog = { near: mood.fog[1], far: mood.fog[2], color: new THREE.Color(mood.fog[0]) };
    this.scene.fog = new THREE.Fog(mood.fog[0], mood.fog[1], mood.fog[2]);
    this.camera = new THREE.PerspectiveCamera(72, 1, 0.08, 320);
    this.camera.rotation.order = "YXZ";
    this.scene.add(this.camera);
    const paint = new Paint(this.high, mood);
    this.paint = paint;
    this.sky = makeSky(mood, paint);
    this.scene.add(this.sky);
    if (this.high) this.#light(mood, paint);
    const ground = makeGround(sim, paint);
    this.scene.add(ground.mesh);
    this.props = new Props(sim, paint, this.scene);
    this.people = new People(sim, paint, this.scene);
    this.dangers = makeDangers(sim, paint, this.scene, () => {
      ground.scorch();
      this.props.recolor();
    });
    this.arms = new Arms(paint, this.camera);
    this.resize();
  }

  #light(mood, paint) {
    this.scene.add(new THREE.HemisphereLight(mood.ambient, 0x4a4036, 1.7));
    const sun = new THREE.DirectionalLight(mood.sunColor, 2.3);
    sun.position.set(...paint.sun).multiplyScalar(90);
    sun.castShadow = true;
    sun.shadow.mapSize.set(2048, 2048);
    const box = sun.shadow.camera;
    [box.left, box.right, box.top, box.bottom, box.near, box.far] = [-85, 85, 85, -85, 1, 220];
    sun.shadow.bias = -0.0006;
    sun.shadow.normalBias = 0.08;
    this.scene.add(sun);
    // The sun stands still: shadows are drawn again only when something moved.
    this.renderer.shadowMap.enabled = true;
    this.renderer.shadowMap.type = THREE.PCFShadowMap;
    this.renderer.shadowMap.autoUpdate = false;
    this.renderer.shadowMap.needsUpdate = true;
  }

  /** Draws the state of the simulation as it is now. */
  render() {
    const { sim, camera } = this;
    const { robot } = sim;
    const seconds = sim.tick / 60;
    const bob =
      this.calm || !robot.grounded
        ? 0
        : Math.sin(seconds * 11) * 0.03 * Math.min(1, Math.hypot(robot.vx, robot.vz) / 4);
    const shake = this.calm ? 0 : sim.hazard.shake * 0.035;
    camera.position.set(robot.x, robot.eyeY + bob, robot.z);
    camera.rotation.set(
      robot.pitch + Math.sin(seconds * 37) * shake,
      robot.yaw + Math.sin(seconds * 29) * shake,
      Math.sin(seconds * 23) * shake * 0.6,
    );
    camera.updateMatrixWorld();
    this.sky.position.copy(camera.position);
    if (this.props.update()) this.renderer.shadowMap.needsUpdate = this.high;
    this.people.update(seconds);
    this.dangers.update(camera, seconds);
    this.arms.update(sim);
    this.#air();
    this.renderer.render(this.scene, camera);
  }

  /** Smoke and water close the view in. */
  #air() {
    const { sim, fog } = this;
    const { robot, hazard } = sim;
    const veil = (hazard.haze ?? 0) * 0.8;
    const under = sim.environment === "tsunami" && hazard.level > robot.eyeY;
    const air = this.scene.fog;
    air.color.copy(fog.color);
    if (sim.xray) air.color.set(0x1c3b48);
    if (under) air.color.set(0x27484b);
    air.near = under ? 0.5 : fog.near * (1 - veil);
    air.far = under ? 14 : fog.far * (1 - 0.72 * veil);
    this.sky.visible = !under;
    this.renderer.setClearColor(air.color);
  }

  /** Fewer pixels, where the browser draws too slowly without light and shadow already. */
  coarsen() {
    this.quality = "lowest";
    this.resize();
  }

  resize() {
    const width = Math.max(1, innerWidth);
    const height = Math.max(1, innerHeight);
    const scale = Math.min(devicePixelRatio, 2, Math.sqrt(MOST_PIXELS[this.quality] / (width * height)));
    this.renderer.setPixelRatio(scale);
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / height;
    // A tall phone would see too little to its sides with a fixed upright angle.
    this.camera.fov = width < height ? 86 : 72;
    this.camera.updateProjectionMatrix();
  }

  dispose() {
    this.scene.traverse((object) => {
      object.geometry?.dispose();
      object.material?.map?.dispose();
      object.material?.dispose();
      if (object.isInstancedMesh) object.dispose();
      object.shadow?.map?.dispose();
    });
  }
}

/** A dome from the horizon's colour to the zenith's, brighter around the sun. */
function makeSky(mood, paint) {
  const geometry = new THREE.SphereGeometry(150, 24, 12);
  const position = geometry.attributes.position;
  const colors = new Float32Array(position.count * 3);
  const zenith = new THREE.Color(mood.zenith);
  const horizon = new THREE.Color(mood.horizon);
  const fog = new THREE.Color(mood.fog[0]);
  const sun = new THREE.Color(mood.sunColor);
  const color = new THREE.Color();
  for (let k = 0; k < position.count; k++) {
    const [x, y, z] = [position.getX(k) / 150, position.getY(k) / 150, position.getZ(k) / 150];
    color
      .copy(fog)
      .lerp(horizon, Math.min(1, Math.max(0, y * 6)))
      .lerp(zenith, Math.min(1, Math.max(0, y * 1.4)));
    const glow = Math.max(0, x * paint.sun[0] + y * paint.sun[1] + z * paint.sun[2]);
    color.lerp(sun, glow ** 12 * 0.75);
    colors.set([color.r, color.g, color.b], 3 * k);
  }
  geometry.setAttribute("color", new THREE.BufferAttribute(colors, 3));
  const mesh = new THREE.Mesh(
    geometry,
    new THREE.MeshBasicMaterial({ vertexColors: true, side: THREE.BackSide, fog: false, depthWrite: false }),
  );
  // Last of what is solid: only the pixels that nothing else covers are filled.
  mesh.renderOrder = 1;
  mesh.frustumCulled = false;
  return mesh;
}
