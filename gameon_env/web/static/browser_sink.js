/**
 * A recording in the browser: in segments of a few MiB in its origin private file system, or, where a page may not use
 * that, in blobs, which the browser keeps out of the page's memory too.
 *
 * A segment is written once and never changed, so files made of segments stay valid while the game goes on.
 */

import { Chunks } from "./chunks.js";
import { loadTemplate, fillTemplate } from "./readme.js";
import { MOST_UNSAVED_BYTES, STREAMS, assembleFiles } from "./recording_files.js";
import { openStore } from "./stored.js";

const SEGMENT_BYTES = 4 << 20; // 8 s of play: what a crash of the browser costs

export async function openBrowserSink() {
  const template = await loadTemplate();
  return new BrowserSink(await openStore(), template);
}

class BrowserSink {
  kind = "browser";
  error = null;
  note = null;
  catalogue = null;
  bytes = 0;
  ended = false; // it goes on with its page
  #store;
  #template;
  #chunks = Object.fromEntries(STREAMS.map((name) => [name, new Chunks()]));
  #kept = Object.fromEntries(STREAMS.map((name) => [name, []]));
  #saving = Promise.resolve();
  #segments = 0;
  #metadata = null;

  constructor(store, template) {
    this.#store = store;
    this.#template = template;
    this.prefix = store.prefix;
  }

  get unsavedBytes() {
    return STREAMS.reduce((sum, name) => sum + this.#chunks[name].bytes, 0);
  }

  append(stream, bytes) {
    this.#chunks[stream].push(bytes);
    this.bytes += bytes.length;
    if (this.unsavedBytes > MOST_UNSAVED_BYTES) {
      this.error ??= "the browser does not store it fast enough. What was recorded can be downloaded.";
    }
    if (stream === "rows" && this.#chunks.frames.bytes >= SEGMENT_BYTES) this.#save();
  }

  checkpointLater(metadata) {
    this.#metadata = metadata;
  }

  async snapshot(metadata) {
    this.#metadata = metadata;
    await this.#save();
  }

  async finish(metadata) {
    await this.snapshot(metadata);
  }

  leave(metadata) {
    this.snapshot(metadata);
  }

  /** The files as they stood at the last snapshot. */
  async files() {
    const metadata = this.#metadata;
    const streams = Object.fromEntries(STREAMS.map((name) => [name, new Blob(this.#kept[name])]));
    const readme = fillTemplate(this.#template, metadata);
    return assembleFiles(this.prefix, streams, metadata.data_stats.total_frames, metadata, readme);
  }

  /** What waits goes into segments of its own, after those before. */
  #save() {
    const waiting = STREAMS.filter((name) => this.#chunks[name].bytes > 0).map((name) => {
      const { bytes, count } = this.#chunks[name].peek(Infinity);
      this.#chunks[name].drop(count);
      return [name, bytes];
    });
    const number = this.#segments++;
    this.#saving = this.#saving.then(() => this.#write(number, waiting));
    return this.#saving;
  }

  async #write(number, waiting) {
    for (const [name, bytes] of waiting) {
      try {
        this.#kept[name].push(await this.#store.keep(`${name}-${String(number).padStart(6, "0")}`, bytes));
      } catch (error) {
        this.#kept[name].push(new Blob([bytes])); // not lost: it is only a few MiB, and nothing comes after it
        this.error ??= error.message;
      }
    }
    if (!this.error && this.#metadata) {
      await this.#store.keepMetadata(this.#metadata).catch((error) => (this.error = error.message));
    }
  }
}
