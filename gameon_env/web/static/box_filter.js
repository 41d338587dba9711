/**
 * The box filter that makes a 128 x 128 frame of a picture of any size.
 *
 * A frame keeps the picture's aspect; what is left above and below, or left and right, is black. Each pixel of the
 * content box is the area-weighted mean of the source pixels under it, computed in whole numbers: a source pixel's
 * weight is its overlap in units of 1 / (box size), the weights of one mean sum to the source's area, and the mean is
 * rounded half up. The result is exact, and the same on every machine.
 */

export const FRAME_SIZE = 128;
export const FRAME_BYTES = FRAME_SIZE * FRAME_SIZE * 3;

/** Where the picture lies in a frame: `{left, top, width, height}` in pixels of the frame, from its top left corner. */
export function contentBox(sourceWidth, sourceHeight) {
  const scale = FRAME_SIZE / Math.max(sourceWidth, sourceHeight);
  const width = Math.max(1, Math.round(sourceWidth * scale));
  const height = Math.max(1, Math.round(sourceHeight * scale));
  return { left: (FRAME_SIZE - width) >> 1, top: (FRAME_SIZE - height) >> 1, width, height };
}

/**
 * @param {Uint8Array | Uint8ClampedArray} rgba - `(height, width, 4)`, the top row first.
 * @returns {Uint8Array} `(128, 128, 3)` RGB, the top row first.
 */
export function boxFilter(rgba, width, height) {
  const box = contentBox(width, height);
  const area = width * height;
  const half = Math.floor(area / 2);
  const columns = spans(width, box.width);
  const sums = new Float64Array(box.width * 3); // whole numbers, far below 2 ** 53
  const frame = new Uint8Array(FRAME_BYTES);
  spans(height, box.height).forEach(({ first, weights }, y) => {
    sums.fill(0);
    weights.forEach((weight, k) => addRow(sums, columns, rgba, (first + k) * width * 4, weight));
    const out = ((box.top + y) * FRAME_SIZE + box.left) * 3;
    for (let i = 0; i < sums.length; i++) frame[out + i] = Math.floor((sums[i] + half) / area);
  });
  return frame;
}

/** Add one source row, which begins at `row`, to the sums of the means above it. */
function addRow(sums, columns, rgba, row, rowWeight) {
  for (let x = 0; x < columns.length; x++) {
    const { first, weights } = columns[x];
    let red = 0;
    let green = 0;
    let blue = 0;
    for (let i = 0; i < weights.length; i++) {
      const weight = weights[i];
      const at = row + (first + i) * 4;
      red += weight * rgba[at];
      green += weight * rgba[at + 1];
      blue += weight * rgba[at + 2];
    }
    sums[x * 3] += rowWeight * red;
    sums[x * 3 + 1] += rowWeight * green;
    sums[x * 3 + 2] += rowWeight * blue;
  }
}

/** `{first, weights}` of the source pixels under each of `count` means along a side of `length` source pixels. */
function spans(length, count) {
  return Array.from({ length: count }, (_, i) => {
    const start = i * length;
    const stop = start + length;
    const first = Math.floor(start / count);
    const weights = [];
    for (let k = first; k * count < stop; k++) {
      weights.push(Math.min((k + 1) * count, stop) - Math.max(k * count, start));
    }
    return { first, weights };
  });
}
