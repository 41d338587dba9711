/** A recording on our server, sent in batches that a retry cannot double: each says where in its stream it belongs. */

import { Chunks } from "./chunks.js";
import { FILES, MOST_UNSAVED_BYTES, STREAMS } from "./recording_files.js";

const SEND_EVERY_MS = 1000;
const BATCH_BYTES = 4 << 20;
const RETRY_MS = { first: 250, most: 4000 };
const PATIENCE_MS = 15_000; // of one who waits for the files
const ANSWER_MS = 20_000; // for one request: a server that is stopped takes connections and says nothing
const CATALOGUE_MS = { every: 500, most: 300_000 };

/** There is no server that takes recordings; the message says what there was. */
export class NoServerError extends Error {}

/** The server took the request and said no: to try again is no use. */
class RefusedError extends Error {
  /** @param {number} status of HTTP */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** @returns {Promise<ServerSink>} */
export async function openServerSink(metadata) {
  let answer;
  try {
    answer = await ask("/api/recordings", jsonRequest({ metadata }));
  } catch (error) {
    throw new NoServerError(`no server answers (${error.message})`);
  }
  const found = await answer.json().catch(() => null);
  if (!answer.ok || !found?.id)
    throw new NoServerError(found?.error ?? `this server takes no recordings (${answer.status})`);
  return new ServerSink(found);
}

class ServerSink {
  kind = "server";
  error = null;
  note = null;
  catalogue = null; // "pending", "registered", or why it was not
  bytes = 0;
  /** Whether the server has completed the recording, or lacks a part of it: it takes no more of the game. */
  ended = false;
  #address;
  #sent = Object.fromEntries(STREAMS.map((name) => [name, 0]));
  #chunks = Object.fromEntries(STREAMS.map((name) => [name, new Chunks()]));
  #sending = null;
  #checkpoint = null;
  #giveUpAt = Infinity;
  #refused = false;
  #timer = setInterval(() => this.#send().catch(() => {}), SEND_EVERY_MS); // a failure is in `error`

  constructor({ id, prefix }) {
    this.prefix = prefix;
    this.#address = `/api/recordings/${id}`;
  }

  get unsavedBytes() {
    return STREAMS.reduce((sum, name) => sum + this.#chunks[name].bytes, 0);
  }

  append(stream, bytes) {
    this.#chunks[stream].push(bytes);
    this.bytes += bytes.length;
    if (this.unsavedBytes < MOST_UNSAVED_BYTES) return;
    this.error ??=
      "the local server has not answered for about two minutes. Start it again with “gameon web” " +
      "while this page is open; what was recorded so far is kept.";
  }

  /** Soon tell the server how the game stands, for the case that this page never comes back. */
  checkpointLater(metadata) {
    this.#checkpoint = metadata;
  }

  /** All that was appended is on the server, and the files can be fetched as they stand. */
  async snapshot(metadata) {
    await this.#patiently(async () => {
      await this.#sendAll();
      await this.#post("snapshot", jsonRequest({ metadata }));
    });
  }

  /** All that was appended is on the server, in its final files. Can be called again where it failed. */
  async finish(metadata) {
    await this.#patiently(async () => {
      await this.#sendAll();
      await this.#post("finish", jsonRequest({ metadata }));
    });
    clearInterval(this.#timer);
    this.catalogue = "pending";
    this.#watchCatalogue();
  }

  /** The page goes away: the little that can still be said. */
  leave(metadata) {
    this.ended = true; // the browser may bring the page back as it was
    navigator.sendBeacon(
      `${this.#address}/finish`,
      new Blob([JSON.stringify({ metadata })], { type: "application/json" }),
    );
  }

  /** Nothing more comes, and nothing is waited for. */
  abandon() {
    clearInterval(this.#timer);
    this.#refused = true;
  }

  async files() {
    return FILES.map((file) => `${this.prefix}_${file}`).map((name) => ({ name, url: `${this.#address}/${name}` }));
  }

  /** Send until nothing waits: what is appended while a batch is on its way may miss it. */
  async #sendAll() {
    do await this.#send();
    while (this.unsavedBytes > 0 && !this.#refused);
  }

  /** Send all that waits; who calls meanwhile waits for the same. */
  #send() {
    this.#sending ??= this.#sendWaiting().finally(() => (this.#sending = null));
    return this.#sending;
  }

  async #sendWaiting() {
    if (this.#refused) return; // what came before is there, and can be completed
    for (const stream of STREAMS) {
      const chunks = this.#chunks[stream];
      while (chunks.bytes > 0) {
        const { bytes, count } = chunks.peek(BATCH_BYTES);
        const headers = { "Content-Type": "application/octet-stream" };
        if (!(await this.#take(`${stream}?offset=${this.#sent[stream]}`, { method: "POST", headers, body: bytes })))
          return;
        this.#sent[stream] += bytes.length;
        chunks.drop(count);
      }
    }
    if (!this.#checkpoint) return;
    const metadata = this.#checkpoint;
    this.#checkpoint = null;
    await this.#take("checkpoint", jsonRequest({ metadata }));
  }

  /** Post bytes; false where the server will have no more of them. */
  async #take(what, request) {
    try {
      await this.#post(what, request);
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      this.#refused = true;
      this.ended = error.status === 409;
      this.error = error.message;
    }
    return !this.#refused;
  }

  /** Post until it is answered. */
  async #post(what, request) {
    for (let wait = RETRY_MS.first; ; wait = Math.min(2 * wait, RETRY_MS.most)) {
      try {
        return await this.#postOnce(what, request);
      } catch (error) {
        if (error instanceof RefusedError || performance.now() > this.#giveUpAt) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }

  async #postOnce(what, request) {
    const answer = await ask(`${this.#address}/${what}`, request);
    if (answer.ok) {
      await answer.arrayBuffer(); // one that nobody reads keeps its pipe, and the browser what was sent
      return;
    }
    const said = await answer.json().catch(() => null);
    const message = said?.error ?? `the server answered ${answer.status}`;
    throw answer.status >= 500 && answer.status !== 507 
      ? new Error(message)
      : new RefusedError(message, answer.status);
  }

  /** Do it as one who waits for it; throws a sentence for the player where the server is gone. */
  async #patiently(deed) {
    this.#giveUpAt = performance.now() + PATIENCE_MS;
    try {
      await deed();
    } catch (error) {
      if (error instanceof RefusedError) throw error;
      throw new Error(
        `The local server does not answer (${error.message}). Start it again with “gameon web” while this page is ` +
          "open, and try again: nothing of the recording is lost until the page is closed.",
      );
    } finally {
      this.#giveUpAt = Infinity;
    }
  }

  async #watchCatalogue() {
    for (let waited = 0; waited < CATALOGUE_MS.most && this.catalogue === "pending"; waited += CATALOGUE_MS.every) {
      await new Promise((resolve) => setTimeout(resolve, CATALOGUE_MS.every));
      const answer = await ask(this.#address).catch(() => null);
      if (answer?.ok) this.catalogue = (await answer.json()).catalogue;
    }
  }
}

/** `fetch`, which would wait for ever. */
function ask(address, request = {}) {
  return fetch(address, { ...request, signal: AbortSignal.timeout(ANSWER_MS) });
}

function jsonRequest(content) {
  return { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(content) };
}
