/** Marking by clicks, box and brush; and what a person decides about a picture. */

import { reasonOf, request } from "./api.js";
import { askName } from "./dialogs.js";
import { count } from "./dom.js";
import { drawLine, readGrey } from "./mask.js";
import { refuse, say } from "./notes.js";

export class Editor {
  /** @type {AbortController | null} of a click whose mask is computed */
  #asking = null;
  /** @type {Promise<import("./draft.js").Draft | null> | null} the last click, until it has its mask or has failed */
  #marking = null;
  /** Whether the mask that is computed is saved as soon as it is there. */
  saves = false;
  /** @type {import("./draft.js").Draft | null} of the brush stroke being drawn */
  #stroke = null;

  /**
   * @param {import("./store.js").Store} store
   * @param {import("./workspace.js").Workspace} workspace
   * @param {import("./changes.js").Changes} changes
   */
  constructor(store, workspace, changes) {
    this.store = store;
    this.workspace = workspace;
    this.changes = changes;
  }

  /** Whether a mask is being computed. */
  get busy() {
    return this.#asking !== null;
  }

  /** Choose or make the class that is marked; asks for its name where there is none. Whether there is one now. */
  async needClass() {
    if (!this.workspace.ready) return false;
    return this.store.chosenClass !== null || this.addClass("object");
  }

  /** @param {string} suggestion for the name of a new class */
  async addClass(suggestion = "") {
    const name = await askName("What is it called?", suggestion, this.store.state?.limits.name ?? 60);
    if (name === null) return false;
    const state = await this.changes.send("POST", "classes", { name });
    const added = state?.classes.at(-1);
    if (added) this.store.chooseClass(added.id);
    return added !== undefined;
  }

  /**
   * Add a click, and let the mask follow.
   * @param {{x: number, y: number}} point of the view
   * @param {boolean} positive on the object, or on what does not belong to it
   */
  async click({ x, y }, positive) {
    const [row, column] = [Math.floor(y), Math.floor(x)];
    await this.#mark((draft) => ({ clicks: [...draft.now.clicks, [row, column, positive]] }));
  }

  /**
   * Mark what lies in a box.
   * @param {import("./types.js").Box} box
   */
  async markBox(box) {
    await this.#mark(() => ({ box }));
  }

  /** Begin a brush stroke; false where there is nothing to draw in yet. */
  beginStroke() {
    if (!this.store.chosenClass) this.needClass();
    if (!this.store.chosenClass || this.busy) return false;
    this.#stroke = this.workspace.begin();
    if (!this.#stroke) return false;
    this.#stroke.change();
    this.workspace.drafts.begin(this.#stroke);
    return true;
  }

  /**
   * Draw a part of the stroke.
   * @param {{x: number, y: number}} from
   * @param {{x: number, y: number}} to
   * @param {number} radius
   * @param {0 | 1} value 1 marks, 0 erases
   */
  drawStroke(from, to, radius, value) {
    if (!this.#stroke) return;
    this.workspace.repaint(drawLine(this.#stroke.now.mask, this.#stroke.width, from, to, radius, value));
  }

  /** @param {boolean} cancelled as if it had not been begun */
  endStroke(cancelled = false) {
    if (!this.#stroke) return;
    if (cancelled) this.#stroke.cancel();
    this.#keepOrClose(this.#stroke);
    this.#stroke = null;
  }

  async undo() {
    const { draft } = this.workspace;
    if (!draft?.canUndo) return this.changes.undo();
    this.#asking?.abort();
    draft.undo();
    this.#keepOrClose(draft);
  }

  async redo() {
    const { draft } = this.workspace;
    if (!draft?.canRedo) return this.changes.redo();
    draft.redo();
    this.workspace.changed(draft);
  }

  /** Drop the mask in progress. */
  drop() {
    this.#asking?.abort();
    if (this.workspace.draft) this.workspace.close(this.workspace.draft);
  }

  /** Save the mask in progress; it teaches a class that has no example yet. Whether it is saved. */
  async save() {
    const waits = this.#marking !== null;
    const draft = waits ? await this.#marked() : this.workspace.draft;
    if (!draft) {
      // What failed meanwhile has said so, and who dropped the mask knows.
      if (!waits && this.workspace.ready) refuse("Nothing is marked yet; click on the object, or draw with the brush.");
      return false;
    }
    if (waits && !draft.share) {
      refuse("Nothing is found there, so nothing is saved. Click elsewhere, or draw with the brush.");
      return false;
    }
    const { imageId, classId, revision } = draft;
    const body = { revision, class: classId, mask: draft.toUrl() };
    const state = await this.changes.send("PUT", `images/${imageId}/mask`, body, () => {
      // Who has read that another browser's mask stands against this one may save over it.
      draft.revision = this.#revisionOf(imageId) ?? revision;
    });
    if (!state) return false;
    this.workspace.close(draft, true);
    const first = !state.examples.some((example) => example.class === classId);
    if (first && draft.share) return this.#teach(imageId, classId);
    say("The mask is saved. Use it as an example (T), or look at the next uncertain picture (G).");
    return true;
  }

  /** Use the mask of the chosen class in this image as an example. */
  async teach() {
    await this.#marked();
    const { image, chosenClass } = this.store;
    if (!image || !chosenClass) return;
    const untaught = !this.store.state?.examples.some((example) => example.class === chosenClass.id);
    if (this.workspace.draft && (!(await this.save()) || untaught)) return; // saving has taught it
    await this.#teach(image.id, chosenClass.id);
  }

  /**
   * @param {string} imageId
   * @param {string} classId
   */
  async #teach(imageId, classId) {
    const body = { image: imageId, class: classId, revision: this.#revisionOf(imageId) };
    const state = await this.changes.send("POST", "examples", body);
    const taught = state?.classes.find((one) => one.id === classId);
    if (taught) say(`${taught.name} is learned from ${count(taught.examples, "example")}.`);
    return state !== null;
  }

  /** @param {string} imageId of an image that need not be the chosen one */
  #revisionOf(imageId) {
    return this.store.state?.images.find((image) => image.id === imageId)?.revision;
  }

  /**
   * Mark in the draft of the chosen class.
   * @param {(draft: import("./draft.js").Draft) => Partial<import("./draft.js").Step>} change
   */
  async #mark(change) {
    const marking = (this.#marking = this.#begin(change));
    await marking.finally(() => {
      if (this.#marking === marking) this.#marking = null;
    });
  }

  /** @param {(draft: import("./draft.js").Draft) => Partial<import("./draft.js").Step>} change */
  async #begin(change) {
    if (!(await this.needClass())) return null;
    const draft = this.workspace.begin();
    return draft && (await this.#ask(draft, change(draft))) ? draft : null;
  }

  /** The draft of the last click as soon as its mask is there, and of those that come meanwhile; null if it failed. */
  async #marked() {
    this.saves = true;
    this.workspace.repaint();
    let draft = null;
    while (this.#marking) draft = await this.#marking;
    this.saves = false;
    return draft;
  }

  /**
   * Change a draft and ask for the mask that follows; of several in a row only the last one's mask is shown.
   * @param {import("./draft.js").Draft} draft
   * @param {Partial<import("./draft.js").Step>} change
   * @returns whether the mask has come
   */
  async #ask(draft, change) {
    const mask = draft.now.mask.includes(1) ? draft.toUrl() : null;
    draft.change(change);
    this.workspace.changed(draft);
    this.#asking?.abort();
    const asking = (this.#asking = new AbortController());
    const found = await this.#answer(draft, mask, asking.signal);
    if (this.#asking === asking) this.#asking = null;
    if (this.workspace.drafts.get(draft.imageId, draft.classId) === draft) this.#keepOrClose(draft);
    return found;
  }

  /**
   * @param {import("./draft.js").Draft} draft
   * @param {string | null} mask before the change
   * @param {AbortSignal} signal
   */
  async #answer(draft, mask, signal) {
    const { clicks, box } = draft.now;
    const body = { class: draft.classId, clicks, box, mask };
    try {
      const answer = await request("POST", `images/${draft.imageId}/click`, { body, signal });
      const values = await readGrey(await answer.blob());
      signal.throwIfAborted();
      draft.now.mask = values.map((value) => (value > 127 ? 1 : 0));
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      draft.cancel();
      refuse(reasonOf(error));
      return false;
    }
  }

  /** @param {import("./draft.js").Draft} draft that may be as it was at the beginning */
  #keepOrClose(draft) {
    if (draft.canUndo || draft.canRedo) this.workspace.changed(draft);
    else this.workspace.close(draft);
  }
}
