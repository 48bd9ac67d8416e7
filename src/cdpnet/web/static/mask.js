/** Masks of a view: one byte per pixel, rows from the top. All functions are pure but for the mask they draw in. */

/**
 * @typedef {object} Rectangle right and bottom excluded
 * @property {number} left
 * @property {number} top
 * @property {number} right
 * @property {number} bottom
 */

/** A context to read and write pixels of this size exactly. */
function scratch(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("This browser cannot draw.");
  return context;
}

/**
 * The grey values of an image, one byte per pixel.
 * @param {CanvasImageSource} image
 * @param {number} width
 * @param {number} height
 */
function greyValues(image, width, height) {
  const context = scratch(width, height);
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  const values = new Uint8Array(width * height);
  for (let i = 0; i < values.length; i++) values[i] = data[4 * i];
  return values;
}

/**
 * The values of a grey PNG, as they are in the file.
 * @param {Blob} png
 */
export async function readGrey(png) {
  const bitmap = await createImageBitmap(png, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  return greyValues(bitmap, bitmap.width, bitmap.height);
}

/**
 * A mask from its data URL.
 * @param {string} url
 * @param {number} width
 * @param {number} height
 */
export async function fromUrl(url, width, height) {
  const image = new Image();
  image.src = url;
  await image.decode();
  return greyValues(image, width, height).map((value) => (value > 127 ? 1 : 0));
}

/**
 * A mask as the data URL of a PNG, white on black.
 * @param {Uint8Array} mask of 0 and 1
 * @param {number} width
 * @param {number} height
 */
export function toUrl(mask, width, height) {
  const context = scratch(width, height);
  const image = context.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < mask.length; i++) pixels[i] = mask[i] ? 0xffffffff : 0xff000000;
  context.putImageData(image, 0, 0);
  return context.canvas.toDataURL("image/png");
}

/**
 * The share of the pixels that are marked, 0..1.
 * @param {Uint8Array} mask of 0 and 1
 */
export function share(mask) {
  let marked = 0;
  for (let i = 0; i < mask.length; i++) marked += mask[i];
  return marked / mask.length;
}

/**
 * Draw a thick line with round ends; gives the rectangle that may have changed.
 * @param {Uint8Array} mask
 * @param {number} width of the mask
 * @param {{x: number, y: number}} from
 * @param {{x: number, y: number}} to
 * @param {number} radius
 * @param {0 | 1} value
 * @returns {Rectangle}
 */
export function drawLine(mask, width, from, to, radius, value) {
  const height = mask.length / width;
  const changed = {
    left: Math.max(0, Math.floor(Math.min(from.x, to.x) - radius)),
    top: Math.max(0, Math.floor(Math.min(from.y, to.y) - radius)),
    right: Math.min(width, Math.ceil(Math.max(from.x, to.x) + radius)),
    bottom: Math.min(height, Math.ceil(Math.max(from.y, to.y) + radius)),
  };
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const squared = dx * dx + dy * dy;
  for (let y = changed.top; y < changed.bottom; y++) {
    for (let x = changed.left; x < changed.right; x++) {
      const [px, py] = [x + 0.5 - from.x, y + 0.5 - from.y];
      const along = squared ? Math.min(1, Math.max(0, (px * dx + py * dy) / squared)) : 0;
      if ((px - along * dx) ** 2 + (py - along * dy) ** 2 <= radius * radius) mask[y * width + x] = value;
    }
  }
  return changed;
}
