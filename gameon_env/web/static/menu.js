/** Sign-in by a local name, the environments to choose from, options, and the leaderboard. */

import { MOODS } from "./moods.js";
import { fitName } from "./player_name.js";
import { bestScores, read, write } from "./scores.js";
import { PICTURES } from "./pictures.js";

const NAMES = "reacture.names";
const LAST = "reacture.player";
const OPTIONS = "reacture.options";
const BOARD_ROWS = 10;
const byId = (id) => document.getElementById(id);

export class Menu {
  /** @param {(choice: object) => void} onStart told {environment, seed|null, seconds, quality, record} */
  constructor(onStart) {
    this.player = "";
    this.onStart = onStart;
    byId("sign-in").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#signIn(byId("name").value);
    });
    byId("sign-out").addEventListener("click", () => this.#signOut());
    for (const [environment, mood] of Object.entries(MOODS)) byId("cards").append(this.#card(environment, mood));
    this.#keepOptions();
    const last = read(LAST, "");
    if (typeof last === "string" && last) this.#signIn(last, false);
    else this.#signOut(false);
  }

  get options() {
    const seed = byId("seed").value.trim();
    return {
      seed: seed === "" ? null : Math.min(4294967295, Math.max(0, Math.floor(Number(seed)))),
      seconds: Number(byId("seconds").value),
      quality: byId("quality").value,
      sound: byId("sound").checked,
      record: byId("record").checked,
    };
  }

  /** Reads and shows the leaderboard; returns its scores. */
  async showBoard() {
    const scores = await bestScores();
    this.#fillBoard(scores.slice(0, BOARD_ROWS));
    return scores;
  }

  #fillBoard(scores) {
    const board = byId("board");
    if (!scores.length) {
      board.textContent = "Nobody has played yet.";
      return;
    }
    const table = document.createElement("table");
    table.innerHTML = "<thead><tr><th>#</th><th>Name</th><th>Environment</th><th>Score</th><th>Seed</th></tr></thead>";
    const body = table.createTBody();
    scores.forEach((score, i) => {
      const row = body.insertRow();
      for (const text of [
        i + 1,
        score.name,
        MOODS[score.environment]?.title ?? score.environment,
        score.score,
        score.seed ?? "",
      ]) {
        const cell = row.insertCell();
        cell.textContent = String(text);
        if (typeof text === "number") cell.className = "number";
      }
    });
    board.replaceChildren(table);
  }

  #card(environment, mood) {
    const card = document.createElement("button");
    card.className = "card";
    card.dataset.environment = environment;
    card.innerHTML = `${PICTURES[environment]}<b>${mood.title}</b><span>${mood.blurb}</span>`;
    card.addEventListener("click", () => this.onStart({ environment, ...this.options }));
    return card;
  }

  #signIn(text, focus = true) {
    const name = fitName(text);
    if (!name) return;
    this.player = name;
    write(LAST, name);
    const known = read(NAMES, []);
    write(NAMES, [name, ...(Array.isArray(known) ? known : []).filter((one) => one !== name)].slice(0, 20));
    byId("who").textContent = name;
    byId("sign-in").hidden = true;
    byId("signed-in").hidden = false;
    if (focus) byId("cards").firstElementChild.focus();
  }

  #signOut(focus = true) {
    this.player = "";
    write(LAST, "");
    const names = read(NAMES, []);
    byId("names").replaceChildren(
      ...(Array.isArray(names) ? names : []).map((name) => new Option(String(name), String(name))),
    );
    byId("sign-in").hidden = false;
    byId("signed-in").hidden = true;
    if (focus) byId("name").focus();
  }

  #keepOptions() {
    const kept = read(OPTIONS, {});
    if (kept.seconds) byId("seconds").value = String(kept.seconds);
    if (kept.quality) byId("quality").value = kept.quality;
    if (kept.sound === false) byId("sound").checked = false;
    if (kept.record === false) byId("record").checked = false;
    byId("options").addEventListener("change", () => write(OPTIONS, { ...this.options, seed: null }));
  }
}
