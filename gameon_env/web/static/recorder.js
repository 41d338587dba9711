/**
 * Records the game as it is played: ten rows a second of game time, each with its picture, and all events.
 *
 * The row of tick t holds the state at t, the picture of t, and what was pressed in the interval that ended at t. A row
 * and its frame are handed on together or not at all: where the picture is lost, the row becomes an event row, and the
 * next row that has a picture tells of its interval too.
 */

import { contentBox } from "./box_filter.js";
import { download } from "./download.js";
import { KeyInterval, together } from "./key_interval.js";
import { makeMetadata } from "./metadata.js";
import { FrameSampler, checkPictures } from "./sampler.js";
import { openSink } from "./sinks.js";

const TICK_MS = 1000 / 60;
const TICKS_PER_SAMPLE = 6; // 10 Hz of game time
const COSTS_KEPT = 1000;
const CHECKPOINT_SAMPLES = 50; // every 5 s the sink learns the result so far, for a page that never comes back

/**
 * @param {object} options
 * @param {import("./sim.js").Simulation} options.sim - at tick 0, or later: the rest of a game.
 * @param {string} options.environment - "earthquake", "tsunami" or "wildfire".
 * @param {string} options.environmentName - the same for people.
 * @param {string} options.player - the local profile's name.
 * @param {WebGL2RenderingContext} options.gl
 * @param {number} options.seed
 * @param {"server" | "browser"} [options.sink] - where to; the server where it takes recordings.
 * @param {"worker" | "page"} [options.method] - who filters the frames.
 */
export async function startRecording(options) {
  checkPictures();
  const started = new Date(Date.now() - options.sim.tick * TICK_MS);
  const sink = await openSink(makeMetadata(options, started), options.sink);
  const recorder = new Recorder(options, sink, started);
  await recorder.begin();
  return recorder;
}

export class Recorder {
  #sim;
  #sink;
  #sampler;
  #options;
  #started;
  #keys = new KeyInterval();
  #unseen = null; // keys of the intervals since the last row with a picture, whose own pictures were lost
  #waiting = null; // the row whose picture is asked for
  #stored = Promise.resolve(); // when all rows so far are with the sink
  #samples = 0;
  #rows = 0;
  #actions = 0;
  #failed = 0;
  #boxes = [];
  #costs = [];
  #error = null;
  #finished = null;
  #result = null;
  #ended = false;

  constructor(options, sink, started) {
    this.#options = options;
    this.#sim = options.sim;
    this.#sink = sink;
    this.#started = started;
    this.#sampler = new FrameSampler(options.gl, options.method);
  }

  get prefix() {
    return this.#sink.prefix;
  }

  /** Whether the state of this tick must now be rendered and captured. */
  get due() {
    return this.#waiting !== null;
  }

  /** Ticks to the next that is due; 0 where none will be. */
  get ticksToDue() {
    return this.#ended || this.#error !== null ? 0 : TICKS_PER_SAMPLE - (this.#sim.tick % TICKS_PER_SAMPLE);
  }

  /** How the recording goes. `error` is a sentence for the player, or null. */
  get status() {
    const costs = [...this.#costs].sort((a, b) => a - b);
    return {
      samples: this.#samples,
      onTheirWay: this.#sampler.onTheirWay,
      failed: this.#failed,
      bytes: this.#sink.bytes,
      unsavedBytes: this.#sink.unsavedBytes,
      sink: this.#sink.kind,
      method: this.#sampler.method,
      captureMs: costs.length ? costs[costs.length >> 1] : 0,
      captureMsP99: costs.length ? costs[Math.floor(costs.length * 0.99)] : 0,
      catalogue: this.#sink.catalogue ?? null,
      note: this.#sink.note ?? null,
      error: this.error,
    };
  }

  /** Why nothing more is recorded: a sentence for the player, or null. */
  get error() {
    return this.#error ?? this.#sink.error;
  }

  async begin() {
    await this.#sampler.warmUp();
    if (this.#sim.tick === 0) this.#writeEvent({ event: "game_start" });
    addEventListener("pagehide", this.#leave);
  }

  /** After each `sim.step`: what was pressed in this tick, and what happened in it. */
  tick(input, events) {
    this.#giveUpWaiting();
    if (this.#stopped) return;
    this.#keys.add(input);
    for (const event of events) this.#writeEvent(event);
    if (this.#sim.tick % TICKS_PER_SAMPLE === 0) this.#waiting = this.#row("periodic_update_10hz", this.#keys.take());
  }

  /** The picture of the row that is due; called in the callback that rendered it, right after that. */
  capture() {
    const row = this.#waiting;
    this.#waiting = null;
    if (!row || this.#stopped) return;
    const begun = performance.now();
    this.#noteBox();
    const picture = this.#sampler.capture();
    picture.catch(() => {}); // heard when its turn comes
    this.#inTurn(async () => {
      let frame;
      try {
        frame = await picture;
      } catch (error) {
        return this.#fail(row, error.message);
      }
      return this.#store(row, frame);
    });
    this.#addCost(performance.now() - begun);
  }

  /** End the recording. Returns when all of it is kept; `status.error` says where that failed. */
  finish(result) {
    this.#result ??= result;
    this.#finished ??= this.#finish(this.#result).catch((error) => {
      this.#finished = null; // the next download tries again
      this.#error = error.message;
      throw error;
    });
    return this.#finished;
  }

  /** Whether it was ended where it is kept, while the game goes on: the rest needs another recorder. */
  get isSuperseded() {
    return !this.#ended && this.#sink.ended;
  }

  /** Let go of it, as it is. */
  abandon() {
    this.#ended = true;
    this.#sampler.dispose();
    this.#sink.abandon();
    removeEventListener("pagehide", this.#leave);
  }

  /** The five files: of the whole game, or of what was played so far. */
  async files() {
    if (this.#ended) await this.finish();
    else {
      await this.#stored;
      await this.#sink.snapshot(this.#metadata(this.#sim.result()));
    }
    return this.#sink.files();
  }

  /** Hand the five files to the browser's downloads. Returns their names. */
  async download() {
    const files = await this.files();
    await download(files);
    return files.map((file) => file.name);
  }

  /** The page is going away: nothing can be waited for. */
  #leave = () => {
    this.#sink.leave(this.#metadata({ ...this.#sim.result(), completion_status: "left" }));
  };

  get #stopped() {
    return this.#ended || this.error !== null;
  }

  async #finish(result) {
    if (!this.#ended) {
      this.#giveUpWaiting();
      this.#writeEvent({ event: "game_end", finalStats: result });
      this.#ended = true;
      await this.#stored;
      this.#sampler.dispose();
    }
    await this.#sink.finish(this.#metadata(result));
    this.#error = null;
    removeEventListener("pagehide", this.#leave);
  }

  #store(row, frame) {
    const begun = performance.now();
    if (this.#sink.error) return;
    row.key_presses = together(this.#unseen, row.key_presses);
    this.#unseen = null;
    row.visual_frame_path = `${this.prefix}_frames.npy[${this.#samples}]`;
    this.#sink.append("frames", frame);
    this.#sink.append("timestamps", new Uint8Array(Float32Array.of(row.timestamp_ms).buffer));
    this.#sink.append("rows", line(row));
    this.#samples++;
    this.#rows++;
    if (this.#samples % CHECKPOINT_SAMPLES === 0) this.#sink.checkpointLater(this.#metadata(this.#sim.result()));
    this.#addCost(performance.now() - begun, true);
  }

  /** A row that was due and was not captured. */
  #giveUpWaiting() {
    const row = this.#waiting;
    this.#waiting = null;
    if (row) this.#inTurn(() => this.#fail(row, "it was not rendered"));
  }

  #fail(row, reason) {
    this.#failed++;
    this.#unseen = together(this.#unseen, row.key_presses);
    this.#append({ ...row, event: "capture_failed", reason });
  }

  #writeEvent({ event: name, ...extras }) {
    const row = { ...this.#row(name, this.#keys.peek()), ...extras };
    const { position, rotation } = row.robot;
    this.#inTurn(() => this.#append(row));
    if (!extras.action) return;
    const action = {
      type: "player_action",
      timestamp: Math.round(row.timestamp_ms), // of the game, as the original has it
      action: extras.action,
      robot: { position, rotation },
    };
    this.#inTurn(() => this.#append({ ...action, sensors: row.sensors }));
  }

  #append(row) {
    if (this.#sink.error) return;
    if (row.type === "player_action") this.#actions++;
    else this.#rows++;
    this.#sink.append("events", line(row));
  }

  /** Do it after all that came before, whose pictures may still be on their way. */
  #inTurn(deed) {
    this.#stored = this.#stored.then(deed);
  }

  #row(event, keys) {
    const ms = this.#sim.tick * TICK_MS;
    return {
      type: "robot_state",
      timestamp: new Date().toISOString(),
      timestamp_ms: Math.round(ms * 1000) / 1000,
      time_elapsed_s: Math.round(ms) / 1000,
      event,
      key_presses: keys,
      ...this.#sim.snapshot(),
    };
  }

  #metadata(result) {
    return makeMetadata(this.#options, this.#started, {
      prefix: this.prefix,
      seconds: this.#sim.tick / 60,
      result,
      rows: this.#rows,
      samples: this.#samples,
      actions: this.#actions,
      failed: this.#failed,
      boxes: this.#boxes,
    });
  }

  #noteBox() {
    const { drawingBufferWidth: width, drawingBufferHeight: height } = this.#options.gl;
    const last = this.#boxes.at(-1);
    if (last?.source_width === width && last?.source_height === height) return;
    const from = Math.round(this.#sim.tick * TICK_MS);
    this.#boxes.push({ from_ms: from, source_width: width, source_height: height, ...contentBox(width, height) });
  }

  /** Main-thread time of the last samples; what comes later for a sample is added to one that is there. */
  #addCost(ms, later = false) {
    if (later && this.#costs.length) this.#costs[this.#costs.length - 1] += ms;
    else this.#costs.push(ms);
    if (this.#costs.length > COSTS_KEPT) this.#costs.shift();
  }
}

const encoder = new TextEncoder();

function line(row) {
  return encoder.encode(`${JSON.stringify(row)}\n`);
}
