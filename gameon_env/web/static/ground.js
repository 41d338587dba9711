/** The ground: one mesh over the map's heights, with a picture painted for the environment and its zones. */

import * as THREE from "three";
import { HALF_SIZE, CELL } from "./world.js";
import { latticeValue } from "./rng.js";
import { painted } from "./textures.js";
import { BURNING, BURNT } from "./wildfire.js";

const CELLS = (2 * HALF_SIZE) / CELL;

/** @param {import("./sim.js").Simulation} sim @param {import("./paint.js").Paint} paint */
export function makeGround(sim, paint) {
  const { world } = sim;
  const geometry = new THREE.PlaneGeometry(2 * HALF_SIZE, 2 * HALF_SIZE, CELLS, CELLS).rotateX(-Math.PI / 2);
  const position = geometry.attributes.position;
  for (let k = 0; k < position.count; k++) position.setY(k, world.heights[k]);
  geometry.computeVertexNormals();
  const normal = geometry.attributes.normal;
  const base = new Float32Array(position.count * 3);
  for (let k = 0; k < position.count; k++) {
    const light = paint.light(normal.getX(k), normal.getY(k), normal.getZ(k));
    base.set(light, 3 * k);
  }
  geometry.setAttribute("color", new THREE.BufferAttribute(base.slice(), 3));
  const map = painted(1024, (pen, size) => {
    PAINTERS[world.environment](pen, size, world);
    speckle(pen, size);
  });
  map.anisotropy = paint.high ? 8 : 1;
  const mesh = new THREE.Mesh(geometry, paint.material({ map }));
  mesh.receiveShadow = true;
  mesh.matrixAutoUpdate = false;

  /** Burnt ground is black, burning ground glows. */
  function scorch() {
    const { cells } = sim.hazard;
    const color = geometry.attributes.color;
    for (let k = 0; k < position.count; k++) {
      const state = cells[sim.hazard.cellAt(position.getX(k), position.getZ(k))];
      const [r, g, b] = state === BURNT ? [0.28, 0.26, 0.26] : state === BURNING ? [1.3, 0.6, 0.35] : [1, 1, 1];
      color.setXYZ(k, base[3 * k] * r, base[3 * k + 1] * g, base[3 * k + 2] * b);
    }
    color.needsUpdate = true;
  }

  return { mesh, scorch };
}

/** Grit of a few centimetres over the painting. */
function speckle(pen, size) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 256;
  const dots = tile.getContext("2d");
  const pixels = dots.createImageData(256, 256);
  for (let k = 0; k < 256 * 256; k++) {
    const value = 128 + (latticeValue(k & 255, k >> 8, 5) - 0.5) * 40;
    pixels.data.set([value, value, value, 255], 4 * k);
  }
  dots.putImageData(pixels, 0, 0);
  pen.globalCompositeOperation = "overlay";
  pen.fillStyle = pen.createPattern(tile, "repeat");
  pen.fillRect(0, 0, size, size);
  pen.globalCompositeOperation = "source-over";
}

/** Metres to pixels of the painting. */
function scaler(size) {
  const k = size / (2 * HALF_SIZE);
  return { at: (v) => (v + HALF_SIZE) * k, k };
}

/** Fills the picture in blocks of a metre with a colour that depends on the place. */
function blocks(pen, size, color) {
  const step = size / 256;
  for (let j = 0; j < 256; j++) {
    for (let i = 0; i < 256; i++) {
      const x = (i + 0.5) / 2 - HALF_SIZE;
      const z = (j + 0.5) / 2 - HALF_SIZE;
      const [r, g, b] = color(x, z, latticeValue(i, j, 77) - 0.5);
      pen.fillStyle = `rgb(${r | 0} ${g | 0} ${b | 0})`;
      pen.fillRect(i * step, j * step, step + 0.5, step + 0.5);
    }
  }
}

const PAINTERS = {
  earthquake(pen, size, world) {
    const { at, k } = scaler(size);
    const street = (v) => Math.abs(v - 31 * Math.round(v / 31)) < 4.6;
    const kerb = (v) => Math.abs(v - 31 * Math.round(v / 31)) < 5.6;
    blocks(pen, size, (x, z, n) => {
      const dust = world.bumps(x, z, 9, 16) + n * 16;
      if (street(x) || street(z)) return [84 + dust, 82 + dust, 80 + dust];
      if (kerb(x) || kerb(z)) return [142 + dust, 136 + dust, 128 + dust];
      return [132 + dust, 120 + dust, 98 + dust];
    });
    pen.strokeStyle = "rgb(225 215 180 / 60%)";
    pen.lineWidth = 0.3 * k;
    pen.setLineDash([2 * k, 2.4 * k]);
    for (let lane = -2; lane <= 2; lane++) {
      line(pen, at(lane * 31), at(-60), at(lane * 31), at(60));
      line(pen, at(-60), at(lane * 31), at(60), at(lane * 31));
    }
    pen.setLineDash([]);
    cracks(pen, at, k, world);
    zones(pen, at, k, world);
  },

  tsunami(pen, size, world) {
    const { at, k } = scaler(size);
    blocks(pen, size, (x, z, n) => {
      const h = world.heightAt(x, z);
      const grain = n * 14 + world.bumps(x, z, 8, 10);
      if (h < -0.2) return [150 + grain, 136 + grain, 104 + grain];
      if (h < 0.9) return [206 + grain, 190 + grain, 148 + grain];
      if (h > 6) return [112 + grain, 124 + grain, 84 + grain];
      return [118 + grain, 142 + grain, 88 + grain];
    });
    pen.strokeStyle = "rgb(120 116 108 / 80%)";
    pen.lineWidth = 4 * k;
    for (let row = 0; row < 5; row++) line(pen, at(-60), at(18 - row * 16), at(60), at(18 - row * 16));
    line(pen, at(0), at(-46), at(0), at(30));
    zones(pen, at, k, world);
  },

  wildfire(pen, size, world) {
    const { at, k } = scaler(size);
    blocks(pen, size, (x, z, n) => {
      const grain = n * 18 + world.bumps(x, z, 6, 12);
      const pond = Math.hypot(x - world.pond.x, z - world.pond.z);
      if (pond < world.pond.radius) return [70, 96 + grain / 3, 110 + grain / 3];
      if (pond < world.pond.radius + 1.5) return [128 + grain, 112 + grain, 82 + grain];
      return [96 + grain, 104 + grain, 54 + grain / 2];
    });
    pen.strokeStyle = "rgb(148 122 90)";
    pen.lineWidth = 6 * k;
    pen.lineJoin = "round";
    pen.beginPath();
    for (let x = -64; x <= 64; x += 2) pen.lineTo(at(x), at(world.bumps(x, 0, 34, 11)));
    pen.stroke();
    zones(pen, at, k, world);
  },
};

function line(pen, x0, y0, x1, y1) {
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.lineTo(x1, y1);
  pen.stroke();
}

function cracks(pen, at, k, world) {
  pen.strokeStyle = "rgb(35 30 26 / 85%)";
  for (let i = 0; i < 16; i++) {
    let x = latticeValue(i, 1, world.seed) * 110 - 55;
    let z = latticeValue(i, 2, world.seed) * 110 - 55;
    pen.lineWidth = (0.15 + 0.35 * latticeValue(i, 3, world.seed)) * k;
    pen.beginPath();
    pen.moveTo(at(x), at(z));
    for (let s = 0; s < 9; s++) {
      x += latticeValue(i, 10 + s, world.seed) * 5 - 2.2;
      z += latticeValue(i, 30 + s, world.seed) * 5 - 2.7;
      pen.lineTo(at(x), at(z));
    }
    pen.stroke();
  }
}

/** Zones are seen on the ground: a tint with a striped rim. */
function zones(pen, at, k, world) {
  for (const zone of world.zones) {
    const color = zone.kind === "red" ? "230 50 30" : "240 200 40";
    pen.fillStyle = `rgb(${color} / 38%)`;
    pen.strokeStyle = `rgb(${color} / 90%)`;
    pen.lineWidth = 0.5 * k;
    pen.setLineDash([1.2 * k, 0.8 * k]);
    pen.beginPath();
    pen.arc(at(zone.x), at(zone.z), zone.radius * k, 0, 7);
    pen.fill();
    pen.stroke();
    pen.setLineDash([]);
  }
}
