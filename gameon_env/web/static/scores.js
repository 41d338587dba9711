/** The leaderboard of this machine: the server's, or this browser's own where the server keeps none. */

const STORE = "reacture.scores";
const MOST = 50;

/** @typedef {{name: string, environment: string, score: number, seed: number}} Score */

/** @returns {Promise<Score[]>} best first */
export async function bestScores() {
  const scores = (await fromServer()) ?? stored();
  return scores.sort((a, b) => b.score - a.score);
}

/** @param {Score} score @returns {Promise<string>} why the leaderboard has it not; mostly nothing */
export async function keepScore(score) {
  const kept = [...stored(), score].sort((a, b) => b.score - a.score).slice(0, MOST);
  write(STORE, kept);
  try {
    const answer = await fetch("api/scores", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(score),
    });
    const said = await answer.json().catch(() => null); // an answer that nobody reads keeps its pipe
    // Another server than ours keeps no scores, and shows none: this browser's are shown.
    return !answer.ok && said?.error ? said.error : "";
  } catch (error) {
    console.info("no server keeps scores; this browser does", error);
    return "";
  }
}

async function fromServer() {
  try {
    const reply = await fetch("api/scores");
    if (!reply.ok) return null;
    const body = await reply.json();
    const list = Array.isArray(body) ? body : body.scores;
    return Array.isArray(list) ? list.filter(isScore) : null;
  } catch (error) {
    console.info("no server keeps scores; this browser does", error);
    return null;
  }
}

function stored() {
  const list = read(STORE, []);
  return Array.isArray(list) ? list.filter(isScore) : [];
}

function isScore(one) {
  return one && typeof one.name === "string" && typeof one.environment === "string" && Number.isFinite(one.score);
}

/** localStorage that may be full, forbidden or damaged: then nothing is remembered. */
export function read(key, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(key)) ?? otherwise;
  } catch (error) {
    console.warn(`cannot read ${key}`, error);
    return otherwise;
  }
}

export function write(key, value) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch (error) {
    console.warn(`cannot keep ${key}`, error);
  }
}
