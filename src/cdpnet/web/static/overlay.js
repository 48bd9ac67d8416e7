/** The masks of a view in colour: regions translucent, outlines opaque, the mask in progress outlined in white. */

import { outlinesOf } from "./outlines.js";

const INSIDE = 115; // opacity of 255

/**
 * A colour as the pixel of an image, whose bytes are red, green, blue and opacity on every machine with a browser.
 * @param {string} colour "#rrggbb"
 * @param {number} opacity 0..255
 */
function pixel(colour, opacity) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return ((opacity << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Path2D} path
 * @param {string} colour
 * @param {number} width
 */
function stroke(context, path, colour, width) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke(path);
}

export class Overlay {
  /** @type {Map<number, Path2D> | null} of the masks as they are shown, once they were drawn */
  #outlines = null;
  /** @type {Map<number, string>} of the classes */
  #colours = new Map();
  #draft = 0; // number of the class of the mask in progress

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
    const { left, top, right, bottom } = part;
    this.#merge(labels, draft, part);
    const inside = new Uint32Array(256);
    for (const { number, colour } of classes) inside[number] = pixel(colour, INSIDE);
    const { width, shown, pixels } = this;
    for (let y = top; y < bottom; y++) {
      for (let i = y * width + left, end = y * width + right; i < end; i++) pixels[i] = inside[shown[i]];
    }
    this.context.putImageData(this.image, 0, 0, left, top, right - left, bottom - top);
    this.#outlines = null;
    this.#colours = new Map(classes.map(({ number, colour }) => [number, colour]));
    this.#draft = draft?.number ?? 0;
  }

  /**
   * Draw the masks as they lie on the stage; outlines are of one width however large the picture is shown.
   * @param {CanvasRenderingContext2D} context in pixels of the screen
   * @param {import("./view.js").View} view
   */
  draw(context, { x, y, scale, smooth }) {
    context.imageSmoothingEnabled = smooth;
    context.drawImage(this.canvas, x, y, this.width * scale, this.height * scale);
    this.#outlines ??= outlinesOf(this.shown, this.width);
    context.lineCap = "square"; // so that the lines of a corner meet
    context.save();
    context.translate(x, y);
    context.scale(scale, scale);
    for (const [number, path] of this.#outlines) {
      if (number !== this.#draft) stroke(context, path, this.#colours.get(number) ?? "#fff", 2 / scale);
    }
    const marked = this.#outlines.get(this.#draft);
    if (marked) {
      stroke(context, marked, "#000", 3.5 / scale);
      stroke(context, marked, "#fff", 1.5 / scale);
    }
    context.restore();
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
