/** The mask in progress of one class in one image, with its clicks; each change can be undone. */

import { share, toUrl } from "./mask.js";

/**
 * @typedef {object} Step
 * @property {import("./types.js").Click[]} clicks
 * @property {import("./types.js").Box | null} box
 * @property {Uint8Array} mask of 0 and 1
 * @property {Uint8Array} base the mask that the clicks and the box start from: as it was, or was drawn, before them
 */

const STEPS = 60; // that can be undone; a mask of 1,024 x 768 takes 0.8 MB

export class Draft {
  /** @type {Step[]} */
  #past = [];
  /** @type {Step[]} */
  #future = [];
  /** The data URL of a mask that was sent to be saved, and whose answer was lost; "" if there is none. */
  unanswered = "";

  /**
   * @param {string} imageId
   * @param {string} classId
   * @param {number} revision of the image on which the draft is based
   * @param {number} width of the mask
   * @param {Uint8Array} mask of 0 and 1, where the class is now
   */
  constructor(imageId, classId, revision, width, mask) {
    this.imageId = imageId;
    this.classId = classId;
    this.revision = revision;
    this.width = width;
    this.height = mask.length / width;
    /** @type {Step} */
    this.now = { clicks: [], box: null, mask, base: mask };
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  /** The share of the image that is marked, 0..1. */
  get share() {
    return share(this.now.mask);
  }

  /**
   * Begin a change; the mask may then be drawn in.
   * @param {Partial<Step>} change
   */
  change(change = {}) {
    this.#past.push(this.now);
    if (this.#past.length > STEPS) this.#past.shift();
    this.#future = [];
    this.now = { ...this.now, mask: this.now.mask.slice(), ...change };
  }

  /** What was drawn is what further clicks start from. */
  endDrawing() {
    this.now = { ...this.now, clicks: [], box: null, base: this.now.mask };
  }

  undo() {
    this.#move(this.#past, this.#future);
  }

  redo() {
    this.#move(this.#future, this.#past);
  }

  /** Take back the last change as if it had not been made. */
  cancel() {
    this.undo();
    this.#future.pop();
  }

  /** @param {Uint8Array} mask as the data URL of a PNG, by default the present one */
  toUrl(mask = this.now.mask) {
    return toUrl(mask, this.width, this.height);
  }

  /**
   * @param {Step[]} from
   * @param {Step[]} to
   */
  #move(from, to) {
    const step = from.pop();
    if (!step) return;
    to.push(this.now);
    this.now = step;
  }
}
