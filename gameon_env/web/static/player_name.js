/** What a player may be called, here and on the leaderboard. */

const MOST = 24;
/** What cannot be shown, halves of a character, and what turns the text around it. */
const UNFIT = /[\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u2069]/gu;

/** @param {string} text @returns {string} a name of at most 24 characters; empty where there is none in the text */
export function fitName(text) {
  const fit = text.replace(UNFIT, "").trim();
  return [...fit].slice(0, MOST).join("").trim();
}
