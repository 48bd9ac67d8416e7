/** Marking by clicks, box and brush. */

import { request } from "./api.js";
import { askName } from "./dialogs.js";
import { keyed } from "./dom.js";
import { drawLine, readGrey } from "./mask.js";
import { say } from "./notes.js";

export class Editor {
  /** @type {Promise<string | null> | null} the class that is being named */
  #naming = null;
  /** @type {Promise<string | null> | null} the class of the last click or box, while its draft is not begun yet */
  #beginning = null;
  /** @type {Map<import("./draft.js").Draft, {stop: AbortController, found: Promise<boolean>}>} masks that are computed */
  #asked = new Map();
  /** @type {import("./draft.js").Draft | null} of the brush stroke being drawn */
  #stroke = null;
  /** @type {import("./draft.js").Draft | null} that was dropped last, until another one is begun */
  #dropped = null;

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

  /** While the draft of a click is not begun, since its class is being named: the class's id then, null if there is none. */
  get beginning() {
    return this.#beginning;
  }

  /**
   * Wait for the masks of the clicks of a draft; false if the last one failed.
   * @param {import("./draft.js").Draft} draft
   */
  async isMarked(draft) {
    let [found, asked] = [true, this.#asked.get(draft)];
    for (; asked; asked = this.#asked.get(draft)) found = await asked.found;
    return found;
  }

  /** The id of the class that is marked; asks for its name where there is none, once. null if it was not named. */
  async needClass() {
    if (this.store.chosenClass) return this.store.classId;
    const naming = (this.#naming ??= this.addClass("object"));
    const id = await naming;
    if (this.#naming === naming) this.#naming = null;
    return id;
  }

  /**
   * Make a class and choose it; gives its id, or null if it was not named.
   * @param {string} suggestion for its name
   */
  async addClass(suggestion = "") {
    const name = await askName("What is it called?", suggestion, this.store.state?.limits.name ?? 60);
    if (name === null) return null;
    const state = await this.changes.send("POST", "classes", { name });
    const added = state?.classes.at(-1);
    if (added) this.store.chooseClass(added.id);
    return added?.id ?? null;
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
    const { chosenClass } = this.store;
    const { shown } = this.workspace;
    if (!shown || this.busy) return false;
    if (!chosenClass) {
      this.needClass();
      return false;
    }
    this.#dropped = null;
    this.#stroke = this.workspace.begin(shown, chosenClass);
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
    else this.#stroke.endDrawing();
    this.#keepOrClose(this.#stroke);
    this.#stroke = null;
  }

  /** @param {string | null} imageId of the picture in which a step is to be taken back, if there is one to take back */
  async undo(imageId) {
    const { draft } = this.workspace;
    const { dropped } = this;
    if (dropped && dropped.imageId === imageId) {
      this.#dropped = null;
      return this.workspace.changed(dropped);
    }
    if (!draft?.canUndo || draft.imageId !== imageId) return this.changes.undo();
    this.#stop(draft);
    draft.undo();
    this.#keepOrClose(draft);
  }

  /**
   * Take back the clicks whose masks are not there yet, because their picture is removed.
   * @param {string} imageId
   */
  takeBack(imageId) {
    for (const draft of this.#asked.keys()) {
      if (draft.imageId !== imageId) continue;
      this.#stop(draft);
      draft.cancel();
      this.#keepOrClose(draft);
    }
  }

  async redo() {
    const { draft } = this.workspace;
    if (!draft?.canRedo) return this.changes.redo();
    draft.redo();
    this.workspace.changed(draft);
  }

  /** Mark nothing, so that it can be saved that the chosen class is not there. */
  clear() {
    const { chosenClass } = this.store;
    const { shown } = this.workspace;
    if (!shown || !chosenClass) return;
    this.#dropped = null;
    const draft = this.workspace.begin(shown, chosenClass);
    this.#stop(draft);
    const mask = new Uint8Array(draft.now.mask.length);
    draft.change({ clicks: [], box: null, mask, base: mask });
    this.workspace.changed(draft);
  }

  /** Drop the mask in progress; until another one is begun, undo brings it back. */
  drop() {
    const { draft } = this.workspace;
    if (!draft) return;
    const { busy } = this;
    this.#stop(draft);
    this.workspace.close(draft);
    if (busy) draft.cancel(); // a click whose mask is not there yet
    if (!draft.canUndo && !draft.canRedo) return;
    this.#dropped = draft;
    say(`The mask in progress is dropped. ${keyed("Undo", "Ctrl+Z")} brings it back.`);
  }

  /** The mask in progress that was dropped last, if it is of what is chosen now; else null. */
  get dropped() {
    const dropped = this.#dropped;
    const isChosen = dropped?.imageId === this.workspace.imageId && dropped?.classId === this.store.classId;
    return isChosen && !this.workspace.draft ? dropped : null;
  }

  /**
   * Mark in the draft of the chosen class, in the picture that is shown now.
   * @param {(draft: import("./draft.js").Draft) => Partial<import("./draft.js").Step>} change
   */
  async #mark(change) {
    const { shown } = this.workspace;
    if (!shown) return;
    const begin = async () => {
      const id = await this.needClass();
      const one = this.store.state?.classes.find((each) => each.id === id);
      if (!one) return null;
      this.#dropped = null;
      const draft = this.workspace.begin(shown, one);
      this.#ask(draft, change(draft));
      return id;
    };
    const beginning = (this.#beginning = begin());
    await beginning;
    if (this.#beginning === beginning) this.#beginning = null;
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
    draft.change(change);
    this.#stop(draft);
    const stop = new AbortController();
    const asked = { stop, found: this.#answer(draft, stop.signal) };
    this.#asked.set(draft, asked);
    this.workspace.changed(draft);
    await asked.found;
    if (this.#asked.get(draft) === asked) this.#asked.delete(draft);
    if (this.workspace.drafts.get(draft.imageId, draft.classId) === draft) this.#keepOrClose(draft);
  }

  /**
   * @param {import("./draft.js").Draft} draft
   * @param {AbortSignal} signal
   */
  async #answer(draft, signal) {
    const { clicks, box, base } = draft.now;
    const body = { class: draft.classId, clicks, box, mask: base.includes(1) ? draft.toUrl(base) : null };
    try {
      const answer = await request("POST", `images/${draft.imageId}/click`, { body, signal });
      const values = await readGrey(await answer.blob());
      signal.throwIfAborted();
      draft.now.mask = values.map((value) => (value > 127 ? 1 : 0));
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      draft.cancel();
      await this.changes.refused(error);
      return false;
    }
  }

  /** @param {import("./draft.js").Draft} draft that may be as it was at the beginning */
  #keepOrClose(draft) {
    if (draft.canUndo || draft.canRedo) this.workspace.changed(draft);
    else this.workspace.close(draft);
  }
}
