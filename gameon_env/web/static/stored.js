/** Recordings in the browser's own file system: one folder each, made of segments; or in blobs where there is none. */

import { FRAME_BYTES } from "./box_filter.js";
import { fillTemplate, loadTemplate } from "./readme.js";
import { STREAMS, assembleFiles } from "./recording_files.js";

const FOLDER = "reacture";
const METADATA = "metadata.json";
const LEAST_FREE_BYTES = 32 << 20;
const MOST_BLOB_BYTES = 512 << 20;

/** Room for a new recording: its `prefix`, and `keep(name, bytes)`, which gives back what was kept as a blob. */
export async function openStore() {
  const folder = await openFolder();
  if (!folder) return new BlobStore();
  const { quota, usage } = await navigator.storage.estimate();
  if (quota - usage < LEAST_FREE_BYTES) throw new Error(fullMessage());
  return navigator.locks.request("reacture-prefix", async () => {
    for (let ms = Date.now(); ; ms++) {
      const prefix = `reacture_${ms}`;
      if (await exists(folder, prefix)) continue;
      return new FolderStore(prefix, await folder.getDirectoryHandle(prefix, { create: true }));
    }
  });
}

/** Recordings that this browser holds: `[{prefix, bytes, metadata}]`, oldest first. */
export async function storedRecordings() {
  const folder = await openFolder();
  const found = [];
  if (!folder) return found;
  for await (const [prefix, handle] of folder.entries()) {
    let bytes = 0;
    for await (const file of handle.values()) bytes += (await file.getFile()).size;
    found.push({ prefix, bytes, metadata: await readMetadata(handle) });
  }
  return found.sort((a, b) => (a.prefix < b.prefix ? -1 : 1));
}

/** The five files of a recording that this browser holds, finished or not: `[{name, blob}]`. */
export async function storedFiles(prefix) {
  const handle = await (await openFolder()).getDirectoryHandle(prefix);
  const names = [];
  for await (const name of handle.keys()) names.push(name);
  const streams = {};
  for (const stream of STREAMS) {
    const segments = names.filter((name) => name.startsWith(`${stream}-`)).sort();
    streams[stream] = new Blob(
      await Promise.all(segments.map(async (name) => (await handle.getFileHandle(name)).getFile())),
    );
  }
  const lines = (await streams.rows.text()).split("\n").slice(0, -1);
  const samples = Math.min(
    Math.floor(streams.frames.size / FRAME_BYTES),
    Math.floor(streams.timestamps.size / 4),
    lines.length,
  );
  streams.rows = new Blob(lines.slice(0, samples).map((line) => `${line}\n`));
  const metadata = (await readMetadata(handle)) ?? { session_id: prefix, data_stats: {} };
  metadata.data_stats.total_frames = samples;
  return assembleFiles(prefix, streams, samples, metadata, fillTemplate(await loadTemplate(), metadata));
}

export async function removeStored(prefix) {
  await (await openFolder()).removeEntry(prefix, { recursive: true });
}

class FolderStore {
  constructor(prefix, handle) {
    this.prefix = prefix;
    this.handle = handle;
  }

  async keep(name, bytes) {
    try {
      return await this.#write(name, bytes);
    } catch (error) {
      if (error.name === "QuotaExceededError") throw new Error(fullMessage());
    }
    // Chromium may say no more than that a pipe broke, and its estimate of what is free is made up: ask again.
    try {
      return await this.#write(name, bytes);
    } catch (error) {
      throw new Error(fullMessage(error.name === "QuotaExceededError" ? "" : error.message));
    }
  }

  async #write(name, bytes) {
    const file = await this.handle.getFileHandle(name, { create: true });
    const writer = await file.createWritable();
    await writer.write(bytes);
    await writer.close();
    return await file.getFile();
  }

  async keepMetadata(metadata) {
    await this.keep(METADATA, JSON.stringify(metadata));
  }
}

class BlobStore {
  constructor() {
    this.prefix = `reacture_${Date.now()}`;
    this.bytes = 0;
  }

  async keep(name, bytes) {
    if (this.bytes + bytes.length > MOST_BLOB_BYTES) {
      throw new Error(
        `this browser gives the page no storage of its own, and ${MOST_BLOB_BYTES >> 20} MiB are the most without. ` +
          "Download what was recorded, or play through “gameon web”.",
      );
    }
    this.bytes += bytes.length;
    return new Blob([bytes]);
  }

  async keepMetadata() {} // it is with the page, as all else here is
}

async function openFolder() {
  // Where pages may only read their folder, or write it in a worker alone, it is of no use.
  if (typeof globalThis.FileSystemFileHandle?.prototype.createWritable !== "function") return null;
  try {
    const root = await navigator.storage.getDirectory();
    return await root.getDirectoryHandle(FOLDER, { create: true });
  } catch (error) {
    if (error instanceof TypeError || error.name === "SecurityError" || error.name === "NotAllowedError") return null;
    throw error;
  }
}

async function exists(folder, name) {
  try {
    await folder.getDirectoryHandle(name);
    return true;
  } catch (error) {
    if (error.name === "NotFoundError") return false;
    throw error;
  }
}

async function readMetadata(handle) {
  try {
    return JSON.parse(await (await (await handle.getFileHandle(METADATA)).getFile()).text());
  } catch (error) {
    // Where the page went away while it was first written, or there was no room for it, the file is there and empty.
    if (error.name === "NotFoundError" || error instanceof SyntaxError) return null;
    throw error;
  }
}

/** @param {string} said by the browser, where it does not say that this is the reason */
function fullMessage(said = "") {
  return (
    `the browser's storage is full${said && `, or takes nothing more (${said})`}. ` +
    "What was recorded can be downloaded; remove earlier recordings from this browser, or " +
    "free disk space, before the next one."
  );
}
