/** Marking by clicks, box and brush; and what a person decides about a picture. */

import { reasonOf, request } from "./api.js";
import { askName } from "./dialogs.js";
import { count } from "./dom.js";
import { drawLine, readGrey } from "./mask.js";
import { refuse, say } from "./notes.js";

export class Editor {
  /** @type {Promise<boolean> | null} the class of a click that is being named */
  #naming = null;
  /** @type {Map<import("./draft.js").Draft, {stop: AbortController, found: Promise<boolean>}>} masks that are computed */
  #asked = new Map();
  /** @type {import("./draft.js").Draft | null} whose mask is saved as soon as it is there */
  #awaited = null;
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

  /** Whether the mask in progress that is shown is being computed. */
  get busy() {
    const { draft } = this.workspace;
    return draft !== null && this.#asked.has(draft);
  }

  /** Whether it is saved as soon as it is there. */
  get saves() {
    return this.#awaited !== null && this.#awaited === this.workspace.draft;
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
    this.#stop(draft);
    draft.undo();
    this.#keepOrClose(draft);
  }

  /** Take back a click whose mask is not there yet, because its picture is removed. */
  takeBack() {
    const { draft } = this.workspace;
    if (!draft || !this.busy) return;
    this.#stop(draft);
    draft.cancel();
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
    const { draft } = this.workspace;
    if (!draft) return;
    this.#stop(draft);
    this.workspace.close(draft);
  }

  /** Save the mask in progress; it teaches a class that has no example yet. Whether it is saved. */
  async save() {
    const waits = this.#waits;
    const draft = await this.#marked();
    if (draft) return this.#save(draft, waits);
    // What failed meanwhile has said so, and who dropped the mask knows.
    if (!waits && this.workspace.ready) refuse("Nothing is marked yet; click on the object, or draw with the brush.");
    return false;
  }

  /**
   * @param {import("./draft.js").Draft} draft
   * @param {boolean} awaited whether its mask has just come, so that nobody has seen it
   */
  async #save(draft, awaited) {
    if (awaited && !draft.share) {
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
    const { imageId } = this.store;
    const waits = this.#waits;
    const draft = await this.#marked();
    const classId = draft?.classId ?? this.store.classId;
    if (!imageId || !classId || (waits && !draft)) return;
    const untaught = !this.store.state?.examples.some((example) => example.class === classId);
    if (draft && (!(await this.#save(draft, waits)) || untaught)) return; // saving has taught it
    await this.#teach(imageId, classId);
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
    const { imageId } = this.store;
    const naming = (this.#naming = this.needClass());
    const named = await naming;
    if (this.#naming === naming) this.#naming = null;
    const draft = named && this.store.imageId === imageId ? this.workspace.begin() : null;
    if (draft) await this.#ask(draft, change(draft));
  }

  /** Whether a click in this picture has no mask yet. */
  get #waits() {
    return this.#naming !== null || this.busy;
  }

  /** The mask in progress, as soon as the masks of its clicks are there; null if there is none, or the last one failed. */
  async #marked() {
    const { imageId } = this.store;
    await this.#naming;
    const draft = this.store.imageId === imageId ? this.workspace.draft : null;
    if (!draft) return null;
    let [found, asked] = [true, this.#asked.get(draft)];
    this.#awaited = draft;
    this.workspace.repaint();
    for (; asked; asked = this.#asked.get(draft)) found = await asked.found;
    this.#awaited = null;
    return found ? draft : null;
  }

  /** @param {import("./draft.js").Draft} draft whose mask is no longer needed */
  #stop(draft) {
    this.#asked.get(draft)?.stop.abort();
  }

  /**
   * Change a draft and ask for the mask that follows; of several in a row only the last one's mask is shown.
   * @param {import("./draft.js").Draft} draft
   * @param {Partial<import("./draft.js").Step>} change
   */
  async #ask(draft, change) {
    const mask = draft.now.mask.includes(1) ? draft.toUrl() : null;
    draft.change(change);
    this.#stop(draft);
    const stop = new AbortController();
    const asked = { stop, found: this.#answer(draft, mask, stop.signal) };
    this.#asked.set(draft, asked);
    this.workspace.changed(draft);
    await asked.found;
    if (this.#asked.get(draft) === asked) this.#asked.delete(draft);
    if (this.workspace.drafts.get(draft.imageId, draft.classId) === draft) this.#keepOrClose(draft);
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
