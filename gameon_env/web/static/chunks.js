/** Bytes that wait to be passed on, oldest first. */
export class Chunks {
  constructor() {
    this.bytes = 0;
    this.parts = [];
  }

  push(part) {
    this.parts.push(part);
    this.bytes += part.length;
  }

  /** The oldest bytes as one array, whole parts, `limit` bytes or one part at most. They stay until `drop`. */
  peek(limit) {
    let bytes = 0;
    let count = 0;
    while (count < this.parts.length && (count === 0 || bytes + this.parts[count].length <= limit)) {
      bytes += this.parts[count++].length;
    }
    const joined = new Uint8Array(bytes);
    let at = 0;
    for (const part of this.parts.slice(0, count)) {
      joined.set(part, at);
      at += part.length;
    }
    return { bytes: joined, count };
  }

  /** Forget the oldest parts. */
  drop(count) {
    for (const part of this.parts.splice(0, count)) this.bytes -= part.length;
  }
}
