/**
 * Frames of a WebGL2 canvas, read without making the page wait.
 *
 * `capture` is called in the callback that rendered, before the browser takes the drawing buffer away. It makes a
 * snapshot, which is one copy on the graphics card's side, and hands it to a worker: reading it, which waits until the
 * card is done, and filtering it are that one's. So a frame is what was drawn at its call, whenever it is read.
 *
 * Measured with the browser drawing in software on two busy cores, 1280 x 720: 0.3 ms a snapshot, while `readPixels`
 * in the page took 210 ms, and a pixel-pack buffer, read after its fence, as long: Chromium waits for the card in it.
 */

import { boxFilter } from "./box_filter.js";
import { readsCanvasTruly, readsWebglTruly } from "./true_pixels.js";

const MOST_ON_THEIR_WAY = 16; // snapshots: 1.6 s of play, 60 MB of pictures of 1280 x 720

/** Throws Error where no way to read the pictures gives what is drawn. */
export function checkPictures() {
  if (canUseWorker() || readsWebglTruly()) return;
  throw new Error(
    "this browser falsifies the pictures that pages read, against fingerprinting. Allow this page to read them in its " +
      "settings, or play in another browser",
  );
}

export class FrameSampler {
  /**
   * @param {WebGL2RenderingContext} gl
   * @param {"worker" | "page"} [method] - who filters; the page itself only where it has no workers that can, or that
   *   read what was drawn.
   */
  constructor(gl, method = "worker") {
    this.gl = gl;
    this.method = method === "worker" && canUseWorker() ? "worker" : "page";
    this.waiting = new Map(); // frames on their way: {resolve, reject}
    this.count = 0;
    if (this.method === "worker") this.#startWorker();
  }

  /** Frames that were captured and are not there yet. */
  get onTheirWay() {
    return this.waiting.size;
  }

  /** The first frame takes 20 ms more than others: let it be none of the game's. */
  async warmUp() {
    await this.capture().catch(() => {}); // where it fails, so does the first frame, which says so
  }

  /** The picture that is drawn now: a promise of `(128, 128, 3)` RGB, the top row first. Rejects where it is lost. */
  capture() {
    if (this.gl.isContextLost()) return Promise.reject(new Error("the graphics card was lost"));
    // A machine that cannot follow is waited for here: the game slows down, and no frame is missing.
    if (this.method === "page" || this.waiting.size >= MOST_ON_THEIR_WAY) return Promise.resolve(readFrame(this.gl));
    const id = this.count++;
    const frame = new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
    createImageBitmap(this.gl.canvas).then(
      (bitmap) => this.worker.postMessage({ id, bitmap }, [bitmap]),
      (error) => this.#settle(id).reject(error),
    );
    return frame;
  }

  dispose() {
    this.worker?.terminate();
    this.#rejectAll("the recording ended");
  }

  #startWorker() {
    this.worker = new Worker(new URL("./filter_worker.js", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data: { id, frame } }) => this.#settle(id).resolve(frame);
    this.worker.onerror = (event) => {
      this.method = "page"; // from here on
      this.#rejectAll(`the worker that filters failed: ${event.message ?? "it cannot be loaded"}`);
    };
  }

  #settle(id) {
    const found = this.waiting.get(id);
    this.waiting.delete(id);
    return found;
  }

  #rejectAll(reason) {
    for (const { reject } of this.waiting.values()) reject(new Error(reason));
    this.waiting.clear();
  }
}

/** The frame, read and filtered by the page itself, which waits for it. */
function readFrame(gl) {
  const { drawingBufferWidth: width, drawingBufferHeight: height } = gl;
  const rgba = new Uint8Array(width * height * 4);
  const bound = gl.getParameter(gl.READ_FRAMEBUFFER_BINDING);
  gl.bindFramebuffer(gl.READ_FRAMEBUFFER, null);
  gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, rgba);
  gl.bindFramebuffer(gl.READ_FRAMEBUFFER, bound);
  return boxFilter(upright(rgba, width * 4), width, height);
}

/** WebGL's first row is the lowest. */
function upright(pixels, rowBytes) {
  const turned = new Uint8Array(pixels.length);
  for (let from = 0; from < pixels.length; from += rowBytes) {
    turned.set(pixels.subarray(from, from + rowBytes), pixels.length - rowBytes - from);
  }
  return turned;
}

function canUseWorker() {
  return (
    typeof Worker === "function" &&
    typeof createImageBitmap === "function" &&
    typeof OffscreenCanvas === "function" &&
    new OffscreenCanvas(1, 1).getContext("2d") !== null &&
    readsCanvasTruly()
  );
}
