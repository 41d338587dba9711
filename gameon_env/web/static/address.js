/** What the page's address asks for; see the parameters below. */

import { fitName } from "./player_name.js";

/**
 * @param {string} query such as `?kiosk=1&environment=earthquake&seed=7&player=NAME&seconds=60&record=1`
 * @returns {{kiosk: boolean, start: boolean, environment: string, seed: number, player: string, seconds: number,
 *   record: boolean, quality: string, sound: boolean}}
 */
export function readAddress(query) {
  const asked = new URLSearchParams(query);
  const number = (name, otherwise, low, high) => {
    const value = Number(asked.get(name) ?? otherwise);
    return Number.isFinite(value) ? Math.min(high, Math.max(low, value)) : otherwise;
  };
  const oneOf = (name, choices) => (choices.includes(asked.get(name)) ? asked.get(name) : choices[0]);
  return {
    kiosk: asked.get("kiosk") === "1",
    start: asked.get("start") === "1",
    environment: oneOf("environment", ["earthquake", "tsunami", "wildfire"]),
    seed: Math.floor(number("seed", 0, 0, 4294967295)),
    player: fitName(asked.get("player") ?? "") || "kiosk",
    seconds: number("seconds", 300, 1, 36000),
    record: asked.get("record") === "1",
    quality: oneOf("quality", ["auto", "lowest", "low", "high"]),
    sound: asked.get("sound") !== "0",
  };
}
