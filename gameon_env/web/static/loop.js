/** Fixed ticks that follow the wall clock, whatever the display's rate. */

const TICK_MS = 1000 / 60;
/** Ticks caught up in one animation frame: a slower machine's game slows down rather than spirals. */
const MOST_TICKS = 15;

export class Loop {
  /** @param {{tick(): boolean, draw(drawn: boolean, now: number): void}} game tick returns whether it drew its state */
  constructor(game) {
    this.game = game;
    this.running = false;
    this.handle = 0;
    this.owed = 0;
    this.last = 0;
    /** Running mean of the time between frames in ms. */
    this.frameMs = 16;
    /** Frames drawn since the page was opened. */
    this.frames = 0;
  }

  start() {
    if (this.running) return;
    this.running = true;
    this.owed = 0;
    this.last = performance.now();
    this.handle = requestAnimationFrame((now) => this.#frame(now));
  }

  stop() {
    this.running = false;
    cancelAnimationFrame(this.handle);
  }

  #frame(now) {
    if (!this.running) return;
    const gone = Math.max(0, now - this.last);
    this.last = now;
    this.frames++;
    this.frameMs += (Math.min(gone, 250) - this.frameMs) * 0.05;
    this.owed = Math.min(this.owed + gone, MOST_TICKS * TICK_MS);
    let drawn = false;
    while (this.owed >= TICK_MS && this.running) {
      this.owed -= TICK_MS;
      drawn = this.game.tick() || drawn;
    }
    this.game.draw(drawn, now);
    if (this.running) this.handle = requestAnimationFrame((next) => this.#frame(next));
  }
}
