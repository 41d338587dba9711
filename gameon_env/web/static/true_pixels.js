/**
 * Whether the browser lets a page read pictures as they were drawn. What resists fingerprinting gives noise in place of
 * them (Firefox's `privacy.resistFingerprinting`), or changes the lowest bit here and there, which harms nobody.
 */

const SIDE = 32;
const FORGIVEN = 3;

/** Whether pixels of a 2D canvas are true. */
export function readsCanvasTruly() {
  const pen = new OffscreenCanvas(SIDE, SIDE).getContext("2d", { alpha: false, willReadFrequently: true });
  const drawn = [];
  for (let i = 0; i < SIDE * SIDE; i++) {
    const color = [i % 256, 255 - (i % 256), (i * 7) % 256];
    pen.fillStyle = `rgb(${color.join(" ")})`;
    pen.fillRect(i % SIDE, Math.floor(i / SIDE), 1, 1);
    drawn.push(...color, 255);
  }
  return isAlike(pen.getImageData(0, 0, SIDE, SIDE).data, drawn);
}

/** Whether pixels of a WebGL canvas are true. */
export function readsWebglTruly() {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE;
  const gl = canvas.getContext("webgl2", { alpha: false, antialias: false });
  if (!gl) return false;
  gl.clearColor(0.2, 0.4, 0.6, 1);
  gl.clear(gl.COLOR_BUFFER_BIT);
  const read = new Uint8Array(SIDE * SIDE * 4);
  gl.readPixels(0, 0, SIDE, SIDE, gl.RGBA, gl.UNSIGNED_BYTE, read);
  gl.getExtension("WEBGL_lose_context")?.loseContext(); // a page may have only so many
  return isAlike(
    read,
    Array.from(read, (_, i) => [51, 102, 153, 255][i % 4]),
  );
}

function isAlike(read, drawn) {
  return drawn.every((value, i) => Math.abs(read[i] - value) <= FORGIVEN);
}
