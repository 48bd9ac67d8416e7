/** Go through the pictures, and decide about each. */

import { keyed, percent } from "./dom.js";
import { refuse, say } from "./notes.js";

/** @type {Record<import("./types.js").ProjectImage["state"], string>} */
export const STATES = {
  new: "not segmented yet",
  found: "to review",
  absent: "nothing found",
  corrected: "corrected",
  accepted: "accepted",
  rejected: "rejected",
  failed: "cannot be used",
};

/**
 * The state of an image in words.
 * @param {import("./types.js").ProjectImage} image
 * @param {import("./types.js").ProjectClass[]} classes
 */
export function describe(image, classes) {
  const found = classes
    .filter(({ id }) => image.classes[id]?.share > 0)
    .map(({ id, name }) => `${name}\u00a0${percent(image.classes[id].share)}`);
  return [STATES[image.state], ...found].join(" · ");
}

export class Review {
  /**
   * @param {import("./store.js").Store} store
   * @param {import("./workspace.js").Workspace} workspace
   * @param {import("./changes.js").Changes} changes
   * @param {import("./editor.js").Editor} editor
   * @param {import("./saving.js").Saving} saving
   */
  constructor(store, workspace, changes, editor, saving) {
    this.store = store;
    this.workspace = workspace;
    this.changes = changes;
    this.editor = editor;
    this.saving = saving;
  }

  /**
   * Decide about the chosen picture, and go to the next uncertain one.
   * @param {"accepted" | "rejected" | "new"} verdict
   */
  async decide(verdict) {
    const { classId } = this.store;
    const image = await this.#settled();
    if (!image) return;
    if (classId && this.workspace.drafts.get(image.id, classId)) return refuse("The mask is not saved yet; save it or drop it first.");
    if (verdict === "accepted" && image.state === "new") return refuse("There is no mask to accept yet.");
    const { id, name, revision } = image;
    const state = await this.changes.sendAbout(id, revision, "POST", `images/${id}/review`, { verdict });
    if (!state) return;
    const done = state.progress.left ? "" : " All pictures are reviewed.";
    const said = { new: "segmented again", accepted: "accepted", rejected: "rejected, and left out of the labels" };
    say(`${name} is ${said[verdict]}.${done}`);
    if (verdict !== "new" && this.store.imageId === id) this.#goTo(this.store.nextUncertain);
  }

  /** @param {1 | -1} step in the filmstrip */
  move(step) {
    this.#goTo(this.store.neighbour(step));
  }

  /** Go to the most uncertain picture that is still to be reviewed; this one comes again after the others. */
  next() {
    this.store.skip();
    const id = this.store.nextUncertain;
    if (id) this.#goTo(id);
    else say("No other picture is left to be reviewed.");
  }

  /** Remove the chosen picture from the project. */
  async remove() {
    const image = await this.#settled();
    if (!image) return;
    this.editor.takeBack(image.id);
    const state = await this.changes.send("DELETE", `images/${image.id}`);
    if (state) say(`${image.name} is removed. ${keyed("Undo", "Ctrl+Z")} brings it back.`);
  }

  /** The picture that is chosen now, as it is when all that was begun in it is saved; null if there is none. */
  async #settled() {
    const imageId = await this.saving.settled();
    return this.store.state?.images.find(({ id }) => id === imageId) ?? null;
  }

  /** @param {string | null} id */
  #goTo(id) {
    if (id) this.store.selectImage(id);
  }
}
