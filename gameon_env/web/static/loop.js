/** Fixed ticks that follow the wall clock, whatever the display's rate. */

const TICK_MS = 1000 / 60;
/** Ticks caught up in one animation frame: a slower machine's game slows down rather than spirals. */
const MOST_TICKS = 15;

export class Loop {
  /**
   * @param {{tick(): boolean, draw(drawn: boolean, now: number): void, ticksToSample(): number}} game `tick` returns
   *   whether it drew its state; `ticksToSample` how many ticks there are to the next that does, 0 for none: that one
   *   comes at its own time, not when the display is next drawn.
   */
  constructor(game) {
    this.game = game;
    this.running = false;
    this.handle = 0;
    this.timer = 0;
    /** Whether a tick drew its state since the last frame. */
    this.drawn = false;
    this.owed = 0;
    this.last = 0;
    /** When the last frame was drawn. */
    this.shown = 0;
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
    this.shown = this.last;
    this.handle = requestAnimationFrame((now) => this.#frame(now));
    this.#awaitSample();
  }

  stop() {
    this.running = false;
    cancelAnimationFrame(this.handle);
    clearTimeout(this.timer);
  }

  #frame(now) {
    if (!this.running) return;
    const gone = now - this.shown;
    this.shown = now;
    this.frames++;
    this.frameMs += (Math.min(Math.max(gone, 0), 250) - this.frameMs) * 0.05;
    this.#catchUp(now);
    this.game.draw(this.drawn, now);
    this.drawn = false;
    if (this.running) this.handle = requestAnimationFrame((next) => this.#frame(next));
  }

  /** The ticks that are due by `now`. A frame's time may lie before that of a timer that ran first. */
  #catchUp(now) {
    this.owed = Math.min(this.owed + Math.max(0, now - this.last), MOST_TICKS * TICK_MS);
    this.last = Math.max(this.last, now);
    while (this.owed >= TICK_MS && this.running) {
      this.owed -= TICK_MS;
      this.drawn = this.game.tick() || this.drawn;
    }
    this.#awaitSample();
  }

  #awaitSample() {
    clearTimeout(this.timer);
    const ticks = this.running ? this.game.ticksToSample() : 0;
    if (ticks === 0) return;
    const wait = this.last + ticks * TICK_MS - this.owed - performance.now();
    this.timer = setTimeout(() => this.running && this.#catchUp(performance.now()), Math.max(0, Math.ceil(wait)));
  }
}
