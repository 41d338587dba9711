/** The menu's list of recordings that this browser holds: to download, or to remove. */

import { downloadWatched } from "./download.js";
import { MOODS } from "./moods.js";
import { removeStored, storedFiles, storedRecordings } from "./stored.js";

const byId = (id) => document.getElementById(id);

/** Reads and shows the list; hidden where there is nothing. */
export async function showShelf() {
  const found = await storedRecordings();
  byId("shelf").hidden = !found.length;
  byId("shelf-files").replaceChildren();
  byId("shelf-list").replaceChildren(...found.reverse().map(line));
}

function line({ prefix, bytes, metadata }) {
  const item = document.createElement("li");
  const text = document.createElement("span");
  const environment = MOODS[metadata?.environment]?.title ?? "a game";
  const date = new Date(Number(prefix.split("_")[1])).toLocaleString();
  text.textContent = `${environment}, ${date}, ${(bytes / 1e6).toFixed(1)} MB`;
  const save = button("Download Data", prefix, async () =>
    downloadWatched(await storedFiles(prefix), say, byId("shelf-files")),
  );
  const drop = button("Remove", prefix, async () => {
    if (!confirm(`Remove ${prefix} from this browser for good?`)) return;
    await removeStored(prefix);
    await showShelf();
    byId("cards").firstElementChild.focus();
  });
  item.append(text, save, drop);
  return item;
}

/** One that waits while its deed is done, and says what went wrong. */
function button(text, prefix, deed) {
  const made = document.createElement("button");
  made.className = "quiet";
  made.textContent = text;
  made.ariaLabel = `${text}: ${prefix}`;
  made.addEventListener("click", async () => {
    made.disabled = true;
    try {
      await deed();
    } catch (error) {
      say(`${prefix}: ${error.message}`);
      window.reacture.errors.push(`${text} ${prefix}: ${error.message}`);
    } finally {
      made.disabled = false;
    }
  });
  return made;
}

function say(text) {
  byId("shelf-said").textContent = text;
}
