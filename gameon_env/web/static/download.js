/** Files to the browser's downloads. */

const BETWEEN_MS = 400; // browsers drop downloads that are asked for at once
const KEPT_MS = 600_000; // the browser reads a content after the click, and says nothing when it is done

/** @param {{name: string, url?: string, blob?: Blob}[]} files - by address, or by content. */
export async function download(files) {
  for (const [i, file] of files.entries()) {
    if (i > 0) await new Promise((resolve) => setTimeout(resolve, BETWEEN_MS));
    const url = file.url ?? URL.createObjectURL(file.blob);
    const link = document.createElement("a");
    link.href = url;
    link.download = file.name;
    link.hidden = true;
    document.body.append(link);
    link.click();
    link.remove();
    if (file.blob) setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
  }
}

/** Addresses of the contents that links offer. */
let offered = [];

/**
 * The same for a person who watches: says how it goes, and has a link to each file in `list`, because a browser that lets
 * a page save one file, or asks before the others, keeps those back and tells the page nothing of it.
 *
 * @param {(text: string) => void} say
 */
export async function downloadWatched(files, say, list) {
  const old = offered;
  setTimeout(() => old.forEach((url) => URL.revokeObjectURL(url)), KEPT_MS);
  const found = files.map(({ name, url, blob }) => ({ name, url: url ?? URL.createObjectURL(blob) }));
  offered = found.map(({ url }) => url).filter((url) => url.startsWith("blob:"));
  list.replaceChildren(...found.map(linkTo));
  say(`Saving ${found.length} files: allow several downloads if the browser asks.`);
  await download(found);
  say(
    `${found.length} files went to the browser's downloads. If it kept some back, allow this page several downloads ` +
      "in the browser's settings, or save their links here with a right click.",
  );
}

function linkTo({ name, url }) {
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.href = url;
  link.download = link.textContent = name;
  item.append(link);
  return item;
}
