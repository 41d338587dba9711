/** The recording of a game, from the game's side: it may be missing or fail, and the game goes on. */

import { downloadWatched } from "./download.js";
import { MOODS } from "./moods.js";
import { sayRecording } from "./screens.js";

/**
 * Gives a game its recorder, from the tick on that it is at.
 * @param {{sim: object, choice: object, seed: number, recorder: object|null}} game
 * @returns {Promise<string>} what the player should know: why there is none, or where it goes; mostly nothing
 */
export async function openRecorder(game, gl) {
  const { environment, player } = game.choice;
  try {
    const { startRecording } = await import("./recorder.js");
    const environmentName = MOODS[environment].name;
    game.recorder = await startRecording({ sim: game.sim, environment, environmentName, player, gl, seed: game.seed });
    return game.recorder.status.note ? "The recording stays in this browser" : "";
  } catch (error) {
    note(`recording: ${error.message}`);
    return `This game is not recorded: ${error.message}`;
  }
}

/**
 * The page was left for a while, or its server was ended and is there again: what was recorded until then is whole, and
 * the rest of the game becomes a recording of its own.
 * @returns {Promise<string>} what the player should know
 */
export async function recordRest(game, gl) {
  const { recorder } = game;
  game.recorder = null;
  recorder.abandon();
  const notice = await openRecorder(game, gl);
  if (game.done) await closeRecorder(game);
  return notice || `What was recorded so far is kept as ${recorder.prefix}; the rest is ${game.recorder.prefix}`;
}

/** Ends the recording of a game that is over, and says what became of it. */
export async function closeRecorder({ recorder, sim }) {
  if (!recorder) return;
  try {
    await recorder.finish(sim.result());
    const { error, note: remark, samples } = recorder.status;
    const where = remark ? `, kept in this browser (${remark})` : "";
    sayRecording(
      error ? `The recording is not whole: ${error}` : `Recorded: ${recorder.prefix}, ${samples} samples${where}`,
    );
  } catch (error) {
    note(`finish: ${error.message}`);
    sayRecording(`The recording could not be finished: ${error.message}`);
  }
}

/** Saves the five files; the button waits meanwhile. */
export async function download(recorder, button) {
  button.disabled = true;
  try {
    const list = button.closest(".screen").querySelector("[data-files]");
    await downloadWatched(await recorder.files(), sayRecording, list);
  } catch (error) {
    note(`download: ${error.message}`);
    sayRecording(`The download failed: ${error.message}`);
  } finally {
    button.disabled = false;
  }
}

function note(text) {
  window.reacture.errors.push(text);
}
