/** What a recording is made of, wherever it is kept. */

import { FRAME_BYTES, FRAME_SIZE } from "./box_filter.js";
import { npyHeader } from "./npy.js";

/** The streams of bytes: pictures, their times, the lines of their rows, and all other lines. */
export const STREAMS = ["frames", "timestamps", "rows", "events"];

/** The files, without the recording's prefix. */
export const FILES = ["metadata.json", "data.jsonl", "frames.npy", "timestamps.npy", "README.md"];

/** More than this is not held in memory: about two minutes of play. */
export const MOST_UNSAVED_BYTES = 64 << 20;

/**
 * The five files, of streams that hold `samples` whole samples.
 *
 * @param {Record<string, Blob>} streams
 * @returns {{name: string, blob: Blob}[]}
 */
export function assembleFiles(prefix, streams, samples, metadata, readme) {
  const parts = {
    "metadata.json": [`${JSON.stringify(metadata, null, 2)}\n`],
    "data.jsonl": [streams.rows, streams.events],
    "frames.npy": [
      npyHeader("|u1", [samples, FRAME_SIZE, FRAME_SIZE, 3]),
      streams.frames.slice(0, samples * FRAME_BYTES),
    ],
    "timestamps.npy": [npyHeader("<f4", [samples]), streams.timestamps.slice(0, samples * 4)],
    "README.md": [readme],
  };
  return FILES.map((file) => ({ name: `${prefix}_${file}`, blob: new Blob(parts[file]) }));
}
