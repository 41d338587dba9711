/** What was pressed and moved in an interval of ticks: a key counts when it was held in any of them, motion adds up. */

const KEYS = { W: "w", A: "a", S: "s", D: "d", Space: "space", E: "e", R: "r" };

export class KeyInterval {
  constructor() {
    this.#begin();
  }

  /** One tick more. */
  add(input) {
    for (const [name, key] of Object.entries(KEYS)) this.row[name] ||= Boolean(input[key]);
    this.row.inspect = this.row.E;
    this.row.destroy ||= Boolean(input.destroy);
    this.row.mouse_dx += input.mouse_dx;
    this.row.mouse_dy += input.mouse_dy;
  }

  /** The interval so far, as `key_presses` of a row. */
  peek() {
    return { ...this.row };
  }

  /** The interval, which ends here; the next begins. */
  take() {
    const row = this.row;
    this.#begin();
    return row;
  }

  #begin() {
    this.row = Object.fromEntries(Object.keys(KEYS).map((name) => [name, false]));
    Object.assign(this.row, { mouse_dx: 0, mouse_dy: 0, inspect: false, destroy: false });
  }
}

/** Two intervals as one, `earlier` being null where there is none: held in any of them, motion summed. */
export function together(earlier, later) {
  if (!earlier) return later;
  const both = { ...later };
  for (const [name, value] of Object.entries(earlier)) {
    if (typeof value === "number") both[name] += value;
    else both[name] ||= value;
  }
  return both;
}
