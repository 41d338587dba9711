/** Reads and filters the snapshots of the page's canvas, beside the page's own thread. */

import { boxFilter } from "./box_filter.js";

let context = null;

self.onmessage = ({ data: { id, bitmap } }) => {
  const { width, height } = bitmap;
  if (context?.canvas.width !== width || context.canvas.height !== height) {
    context = new OffscreenCanvas(width, height).getContext("2d", { alpha: false, willReadFrequently: true });
  }
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const frame = boxFilter(context.getImageData(0, 0, width, height).data, width, height);
  self.postMessage({ id, frame }, [frame.buffer]);
};
