/** What the screens over the game say, and where the keyboard stands in each. */

const byId = (id) => document.getElementById(id);
const FOCUS = { ready: "start", paused: "resume", over: "again", error: "reload" };
const ENDINGS = {
  completed: "Everyone accounted for",
  failed: "Mission failed",
  time_up: "Time is up",
  left: "Game ended",
};

/** Gives the keyboard to the main button of a state. */
export function focusOn(state) {
  if (FOCUS[state]) byId(FOCUS[state]).focus();
}

/** @param {typeof import("./moods.js").MOODS.earthquake} mood @param {boolean} hasMenu whether there is a way back */
export function fillReady(mood, hasMenu) {
  byId("ready-text").textContent = `${mood.title}: ${mood.name}. ${mood.blurb}`;
  byId("ready-advice").replaceChildren(...mood.advice.map((text) => element("li", text)));
  byId("ready-back").hidden = !hasMenu;
}

/** @param {string} why @param {{samples: number, error: string|null}|undefined} status of the recording, if there is one */
export function fillPaused(why, status) {
  byId("paused-text").textContent = why;
  offerDownload(Boolean(status));
  if (status?.error) sayRecording(`Recording stopped: ${status.error}`);
  else sayRecording(status ? `Recording: ${status.samples} samples` : "This game is not recorded.");
}

/** @param {import("./sim.js").Simulation} sim @param {boolean} recorded */
export function fillOver(sim, recorded) {
  const result = sim.result();
  byId("over-title").textContent = ENDINGS[result.completion_status];
  byId("over-score").textContent = String(result.final_score);
  const rows = [
    ["Rescued", `${result.victims_saved} of ${result.victims_total}`],
    ["Lost", result.victims_died],
    ["Robot's health", `${Math.round(result.final_health)} %`],
    ["Battery", `${Math.round(result.final_fuel)} %`],
    ["Map seed", sim.seed],
  ];
  byId("over-list").replaceChildren(...rows.flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
  offerDownload(recorded);
  byId("over-best").textContent = "";
  sayRecording(recorded ? "Finishing the recording..." : "This game was not recorded.");
}

/** @param {string} title @param {string} text what happened and what to do */
export function fillError(title, text) {
  byId("error-title").textContent = title;
  byId("error-text").textContent = text;
}

/** @param {import("./scores.js").Score[]} scores best first @param {string} refused why this game's is not among them */
export function sayBest(scores, environment, refused) {
  const best = scores.find((one) => one.environment === environment);
  const said = best ? `Best here: ${best.score} by ${best.name}. ` : "";
  byId("over-best").textContent = said + (refused && `This score is not on the leaderboard: ${refused}`);
}

export function sayRecording(text) {
  for (const line of document.querySelectorAll("[data-recording]")) line.textContent = text;
}

function offerDownload(possible) {
  for (const list of document.querySelectorAll("[data-files]")) list.replaceChildren(); // those of an earlier moment
  for (const button of document.querySelectorAll("[data-download]")) button.hidden = !possible;
}

function element(tag, text) {
  const one = document.createElement(tag);
  one.textContent = String(text);
  return one;
}
