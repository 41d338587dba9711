/**
 * A scene whose pictures say which tick they are of, and where up and left are; recorded as the game is.
 *
 * Corners: red, green above; blue, white below. The middle: (tick % 256, tick / 256, 77).
 */
const EDGE = 0.25;

class MarkedGame {
  ticks = 0;
  get tick() {
    return this.ticks;
  }
  step() {
    this.ticks++;
    return this.ticks === 20 ? [{ event: "rescue", action: "rescue", success: true }] : [];
  }
  snapshot() {
    const place = { x: this.ticks, y: 0, z: -this.ticks };
    const still = { x: 0, y: 0, z: 0 };
    return {
      robot: { position: place, rotation: still, velocity: still, isJumping: false },
      accelerometer: still, battery: 100 - this.ticks / 100, damage: 0, health: 100, fuel: 100 - this.ticks / 100, zone: "green",
      camera: { position: place, rotation: still, yaw: 0, pitch: 0 },
      sensors: {
        proximity: 9, proximitySensors: { forward: 9, left: 9, right: 9, back: 9 }, victimsDetected: 0, victims: [],
        fuelStationDistance: 9, zone: "green", inYellowZone: false, inRedZone: false,
      },
    };
  }
  result() {
    return {
      victims_total: 3, victims_saved: 1, victims_died: 0, final_score: 160, final_health: 100,
      final_fuel: 100 - this.ticks / 100, completion_status: "time_up",
    };
  }
}

window.marked = {
  async start({ width = 320, height = 180, ...options } = {}) {
    const { startRecording } = await import("/recorder.js");
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    document.body.append(canvas);
    this.gl = canvas.getContext("webgl2", { alpha: false, antialias: false });
    this.game = new MarkedGame();
    this.recorder = await startRecording({
      sim: this.game, environment: "tsunami", environmentName: "Marked", player: "Mark", gl: this.gl, seed: 5, ...options,
    });
    return this.recorder.prefix;
  },

  /** Several ticks in each animation frame, until there are so many samples; `skip` ticks are not drawn. */
  async play(samples, skip = [], hurry = false) {
    const last = samples * 6;
    while (this.game.tick < last) {
      await new Promise(requestAnimationFrame);
      for (let i = 0; i < 15 && this.game.tick < last; i++) this.tick(skip);
      // This is faster than any game: let the pictures that are on their way arrive.
      if (!hurry) await this.until(() => this.recorder.status.onTheirWay < 8);
    }
    await this.until(() => this.recorder.status.onTheirWay === 0);
  },

  tick(skip) {
    const tick = this.game.tick + 1;
    const input = {
      w: tick % 6 === 3, a: tick % 12 === 0, s: false, d: tick % 60 < 30, space: tick === 7, e: tick % 24 === 1, r: tick === 601,
      destroy: tick % 30 === 5, mouse_dx: tick % 7, mouse_dy: -1,
    };
    this.recorder.tick(input, this.game.step());
    if (!this.recorder.due || skip.includes(tick)) return;
    this.draw();
    this.recorder.capture();
  },

  draw() {
    const { gl } = this;
    const { drawingBufferWidth: width, drawingBufferHeight: height } = gl;
    const w = Math.floor(width * EDGE);
    const h = Math.floor(height * EDGE);
    const fill = (x, y, wide, high, red, green, blue) => {
      gl.scissor(x, y, wide, high);
      gl.clearColor(red / 255, green / 255, blue / 255, 1);
      gl.clear(gl.COLOR_BUFFER_BIT);
    };
    gl.enable(gl.SCISSOR_TEST);
    fill(0, 0, width, height, this.game.tick % 256, Math.floor(this.game.tick / 256), 77);
    fill(0, height - h, w, h, 255, 0, 0);
    fill(width - w, height - h, w, h, 0, 255, 0);
    fill(0, 0, w, h, 0, 0, 255);
    fill(width - w, 0, w, h, 255, 255, 255);
  },

  /** Waits until `seen()`; rejects after a minute. */
  async until(seen) {
    for (let i = 0; i < 6000; i++) {
      if (seen()) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`waited in vain for ${seen}`);
  },
};
