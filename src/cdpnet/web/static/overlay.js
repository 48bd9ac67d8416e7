/** The masks of a view in colour: regions translucent, outlines opaque, the mask in progress outlined in white. */

const INSIDE = 115; // opacity of 255
const WHITE = 0xffffffff;

/**
 * A colour as the pixel of an image, whose bytes are red, green, blue and opacity on every machine with a browser.
 * @param {string} colour "#rrggbb"
 * @param {number} opacity 0..255
 */
function pixel(colour, opacity) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return ((opacity << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

export class Overlay {
  /**
   * @param {number} width
   * @param {number} height
   */
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.canvas = document.createElement("canvas");
    this.canvas.width = width;
    this.canvas.height = height;
    this.context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    this.image = this.context.createImageData(width, height);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.shown = new Uint8Array(width * height);
  }

  /**
   * Paint a part of the masks anew.
   * @param {Uint8Array} labels (height * width) numbers of classes, 0 for none
   * @param {import("./types.js").ProjectClass[]} classes
   * @param {{mask: Uint8Array, number: number} | null} draft in place of the labels of its class
   * @param {import("./mask.js").Rectangle} part
   */
  paint(labels, classes, draft, part = { left: 0, top: 0, right: this.width, bottom: this.height }) {
    const wide = {
      left: Math.max(0, part.left - 1),
      top: Math.max(0, part.top - 1),
      right: Math.min(this.width, part.right + 1),
      bottom: Math.min(this.height, part.bottom + 1),
    };
    this.#merge(labels, draft, wide);
    const inside = new Uint32Array(256);
    const outline = new Uint32Array(256);
    for (const { number, colour } of classes) {
      inside[number] = pixel(colour, INSIDE);
      outline[number] = number === draft?.number ? WHITE : pixel(colour, 255);
    }
    const { width, height, shown, pixels } = this;
    for (let y = wide.top; y < wide.bottom; y++) {
      for (let x = wide.left, i = y * width + x; x < wide.right; x++, i++) {
        const value = shown[i];
        const edge =
          value &&
          ((x > 0 && shown[i - 1] !== value) ||
            (x < width - 1 && shown[i + 1] !== value) ||
            (y > 0 && shown[i - width] !== value) ||
            (y < height - 1 && shown[i + width] !== value));
        pixels[i] = edge ? outline[value] : inside[value];
      }
    }
    this.context.putImageData(
      this.image, 0, 0, wide.left, wide.top, wide.right - wide.left, wide.bottom - wide.top
    );
  }

  /** The labels with the draft in place of its class. */
  #merge(labels, draft, { left, top, right, bottom }) {
    for (let y = top; y < bottom; y++) {
      for (let i = y * this.width + left, end = y * this.width + right; i < end; i++) {
        if (!draft) this.shown[i] = labels[i];
        else if (draft.mask[i]) this.shown[i] = draft.number;
        else this.shown[i] = labels[i] === draft.number ? 0 : labels[i];
      }
    }
  }
}
