/**
 * Where a recording goes: to our server, or where the page has another one, to the browser's own file system.
 *
 * A sink takes four streams of bytes, which the files are made of: `frames`, `timestamps`, `rows` (the lines of rows
 * with a frame) and `events` (all other lines). It keeps `append` short, sends or stores in the background, and holds
 * a bounded number of bytes in memory. What goes wrong for good is a sentence in `error`; nothing is taken after that.
 * One that is `ended` was completed without its page: it can only be abandoned, and the game goes on in another.
 */

import { openBrowserSink } from "./browser_sink.js";
import { NoServerError, openServerSink } from "./server_sink.js";

/** @param {"server" | "browser" | undefined} wanted */
export async function openSink(metadata, wanted) {
  if (wanted === "browser") return openBrowserSink(metadata);
  try {
    return await openServerSink(metadata);
  } catch (error) {
    if (wanted === "server" || !(error instanceof NoServerError)) throw error;
    const sink = await openBrowserSink(metadata);
    sink.note = error.message;
    return sink;
  }
}
