/** Files to the browser's downloads. */

const BETWEEN_MS = 400; // browsers drop downloads that are asked for at once

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
    // The browser reads the content after the click, and says nothing when it is done.
    if (file.blob) setTimeout(() => URL.revokeObjectURL(url), 600_000);
  }
}
