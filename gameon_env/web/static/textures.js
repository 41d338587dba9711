/** Small pictures painted at start instead of files: facades, concrete, ground, flames, smoke. */

import * as THREE from "three";
import { Rng } from "./rng.js";

/** @param {(pen: CanvasRenderingContext2D, size: number) => void} paint */
export function painted(size, paint, { repeat = false, flat = false } = {}) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size;
  paint(canvas.getContext("2d"), size);
  const texture = new THREE.CanvasTexture(canvas);
  texture.colorSpace = THREE.SRGBColorSpace;
  if (repeat) texture.wrapS = texture.wrapT = THREE.RepeatWrapping;
  if (flat) texture.generateMipmaps = false;
  // Blending two mip levels doubles the look-ups, which a software renderer feels.
  texture.minFilter = flat ? THREE.LinearFilter : THREE.LinearMipmapNearestFilter;
  return texture;
}

const grey = (value) => `rgb(${value} ${value} ${value})`;

/** Grain over a fill, so that surfaces are not flat. */
function grain(pen, size, base, spread, rng, dot = 2) {
  pen.fillStyle = grey(base);
  pen.fillRect(0, 0, size, size);
  for (let i = 0; i < (size * size) / (dot * dot * 2); i++) {
    pen.fillStyle = grey(Math.round(base + rng.range(-spread, spread)));
    pen.fillRect(rng.unit() * size, rng.unit() * size, dot, dot);
  }
}

export function concrete() {
  return painted(
    128,
    (pen, size) => {
      const rng = new Rng(11);
      grain(pen, size, 215, 26, rng);
      pen.strokeStyle = "rgb(90 90 90 / 50%)";
      for (let i = 0; i < 5; i++) {
        pen.beginPath();
        let x = rng.unit() * size;
        let y = rng.unit() * size;
        pen.moveTo(x, y);
        for (let k = 0; k < 6; k++) pen.lineTo((x += rng.range(-14, 14)), (y += rng.range(-4, 18)));
        pen.stroke();
      }
    },
    { repeat: true },
  );
}

/** One storey of 4 m x 3 m: two windows, some lit, some broken. */
export function facade() {
  return painted(
    256,
    (pen, size) => {
      const rng = new Rng(5);
      grain(pen, size, 212, 12, rng);
      const cell = size / 4;
      for (let j = 0; j < 4; j++) {
        for (let i = 0; i < 4; i++) {
          const x = i * cell + cell * 0.2;
          const y = j * cell + cell * 0.22;
          pen.fillStyle = "rgb(120 118 112)";
          pen.fillRect(x - 3, y - 3, cell * 0.6 + 6, cell * 0.55 + 6);
          pen.fillStyle = rng.chance(0.12)
            ? "rgb(255 214 140)"
            : rng.chance(0.3)
              ? "rgb(44 48 54)"
              : `rgb(${rng.int(84, 100)} ${rng.int(110, 128)} ${rng.int(130, 156)})`;
          pen.fillRect(x, y, cell * 0.6, cell * 0.55);
          pen.fillStyle = "rgb(255 255 255 / 22%)";
          pen.fillRect(x, y, cell * 0.2, cell * 0.55);
        }
        pen.fillStyle = "rgb(60 60 60 / 35%)";
        pen.fillRect(0, j * cell - 2, size, 4);
      }
    },
    { repeat: true },
  );
}

export function planks() {
  return painted(
    128,
    (pen, size) => {
      const rng = new Rng(23);
      grain(pen, size, 205, 22, rng);
      for (let y = 0; y < size; y += 16) {
        pen.fillStyle = "rgb(40 25 10 / 55%)";
        pen.fillRect(0, y, size, 2);
        pen.fillRect(rng.unit() * size, y, 2, 16);
      }
    },
    { repeat: true },
  );
}

/** Ripples, drawn twice over each other in different directions by the water. */
export function ripples() {
  return painted(
    128,
    (pen, size) => {
      const rng = new Rng(31);
      pen.fillStyle = grey(190);
      pen.fillRect(0, 0, size, size);
      for (let i = 0; i < 70; i++) {
        pen.strokeStyle = rng.chance(0.5) ? "rgb(255 255 255 / 35%)" : "rgb(90 110 120 / 30%)";
        pen.lineWidth = rng.range(1, 3);
        const x = rng.unit() * size;
        const y = rng.unit() * size;
        for (const ox of [0, -size]) {
          pen.beginPath();
          pen.ellipse(x + ox, y, rng.range(8, 18), 3, 0, 0.2, 2.9);
          pen.stroke();
        }
      }
    },
    { repeat: true },
  );
}

export function flame() {
  return painted(64, (pen, size) => {
    const glow = pen.createRadialGradient(size / 2, size * 0.7, 2, size / 2, size * 0.62, size * 0.42);
    glow.addColorStop(0, "rgb(255 250 200)");
    glow.addColorStop(0.35, "rgb(255 190 60 / 90%)");
    glow.addColorStop(0.7, "rgb(255 90 10 / 55%)");
    glow.addColorStop(1, "rgb(160 20 0 / 0%)");
    pen.fillStyle = glow;
    pen.beginPath();
    pen.moveTo(size * 0.5, 0);
    pen.bezierCurveTo(size * 0.62, size * 0.3, size * 0.98, size * 0.5, size * 0.86, size * 0.82);
    pen.bezierCurveTo(size * 0.8, size, size * 0.2, size, size * 0.14, size * 0.82);
    pen.bezierCurveTo(size * 0.02, size * 0.5, size * 0.4, size * 0.35, size * 0.5, 0);
    pen.fill();
  });
}

export function puff() {
  return painted(64, (pen, size) => {
    const glow = pen.createRadialGradient(size / 2, size / 2, 2, size / 2, size / 2, size / 2);
    glow.addColorStop(0, "rgb(255 255 255 / 75%)");
    glow.addColorStop(0.6, "rgb(255 255 255 / 35%)");
    glow.addColorStop(1, "rgb(255 255 255 / 0%)");
    pen.fillStyle = glow;
    pen.fillRect(0, 0, size, size);
  });
}
