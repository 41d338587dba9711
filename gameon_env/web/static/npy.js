// The header of a .npy file, as `numpy.save` writes it: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html

export const NPY_HEADER_BYTES = 128;

/**
 * The first 128 bytes of a version 1.0 .npy file, after which the array follows in C order.
 *
 * @param {string} descr - `'|u1'`, `'<f4'` ...
 * @param {number[]} shape
 * @returns {Uint8Array} always 128 bytes, a multiple of the 64 that memory-mapping likes.
 */
export function npyHeader(descr, shape) {
  if (!shape.every((length) => Number.isSafeInteger(length) && length >= 0)) {
    throw new RangeError(`a .npy shape must be whole numbers from 0; it is (${shape.join(", ")})`);
  }
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const room = NPY_HEADER_BYTES - 10;
  if (text.length >= room) throw new RangeError(`a .npy header of ${text.length} characters does not fit ${room}`);
  const header = new Uint8Array(NPY_HEADER_BYTES).fill(0x20);
  header.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, room & 0xff, room >> 8]);
  for (let i = 0; i < text.length; i++) header[10 + i] = text.charCodeAt(i);
  header[NPY_HEADER_BYTES - 1] = 0x0a;
  return header;
}
