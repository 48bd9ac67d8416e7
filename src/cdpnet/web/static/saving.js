/** Masks are saved and taught as soon as they are there; each picture has an order of its own, and none waits for another. */

import { CONFLICT, LOST } from "./changes.js";
import { count, keyed } from "./dom.js";
import { refuse, say } from "./notes.js";

/**
 * @typedef {object} Marked
 * @property {import("./draft.js").Draft | null} draft null if there is none, or its last mask failed
 * @property {string} imageId
 * @property {string | null} classId
 * @property {boolean} waited whether the mask has just come, so that nobody has seen it
 * @property {boolean} alone whether nothing had to be waited for
 */

export class Saving {
  /** @type {Set<import("./draft.js").Draft>} whose masks are saved as soon as they are there */
  #awaited = new Set();
  /** @type {Map<string, Promise<unknown>>} by the id of an image: the last of what is saved and taught in it */
  #turns = new Map();

  /**
   * @param {import("./store.js").Store} store
   * @param {import("./workspace.js").Workspace} workspace
   * @param {import("./changes.js").Changes} changes
   * @param {import("./editor.js").Editor} editor
   */
  constructor(store, workspace, changes, editor) {
    this.store = store;
    this.workspace = workspace;
    this.changes = changes;
    this.editor = editor;
  }

  /** Whether the mask in progress that is shown is saved as soon as it is there. */
  get isAwaited() {
    const { draft } = this.workspace;
    return draft !== null && this.#awaited.has(draft);
  }

  /** The id of the picture that is chosen now, when all that was begun in it is saved and taught. */
  async settled() {
    const { imageId } = this.store;
    await (imageId && this.#turns.get(imageId));
    return imageId;
  }

  /** Save the mask in progress as soon as it is there; it teaches a class that has no example yet. */
  save() {
    return this.#inTurn(async ({ draft, waited, alone }) => {
      if (draft) await this.#save(draft, waited);
      // What failed meanwhile has said so, and who dropped the mask or has just saved it knows.
      else if (alone && this.workspace.ready) refuse("Nothing is marked yet; click on the object, or draw with the brush.");
    });
  }

  /** Use the mask of the chosen class in this image as an example, saved before if it is in progress. */
  teach() {
    return this.#inTurn(async ({ draft, waited, imageId, classId }) => {
      if (!classId || (waited && !draft)) return;
      const untaught = !this.#isTaught(classId);
      if (draft && (!(await this.#save(draft, waited)) || untaught)) return; // saving has taught it
      await this.#teach(imageId, classId);
    });
  }

  /**
   * Do something with the mask in progress as soon as it is there, and after what was begun in its picture before.
   * Nothing else waits for it: the page may show another picture by then.
   * @param {(marked: Marked) => Promise<void>} work
   */
  async #inTurn(work) {
    const { imageId, classId } = this.store;
    if (!imageId) return;
    const [beginning, before] = [this.editor.beginning, this.#turns.get(imageId)];
    const waited = beginning !== null || this.editor.busy;
    const begin = async () => {
      await before;
      const id = beginning ? await beginning : classId;
      const found = id ? this.workspace.drafts.get(imageId, id) : null;
      const draft = found && (await this.#isMarked(found)) ? found : null;
      await work({ draft, imageId, classId: id, waited, alone: !waited && !before });
    };
    const turn = begin();
    const ended = turn
      .catch(() => {}) // who has begun it hears of it
      .then(() => this.#turns.get(imageId) === ended && this.#turns.delete(imageId));
    this.#turns.set(imageId, ended);
    await turn;
  }

  /**
   * @param {import("./draft.js").Draft} draft
   * @param {boolean} waited whether its mask has just come, so that nobody has seen it
   */
  async #save(draft, waited) {
    if (waited && !draft.share) {
      refuse("Nothing is found there, so nothing is saved. Click elsewhere, or draw with the brush.");
      return false;
    }
    const { imageId, classId, now, unanswered } = draft;
    const mask = draft.toUrl();
    // What may have been saved already is sent again first, so that it is known as a change of this page.
    if (unanswered && unanswered !== mask && !(await this.#put(draft, unanswered))) return false;
    if (!(await this.#put(draft, mask))) return false;
    if (draft.now === now) this.workspace.close(draft, true);
    else draft.revision = this.#image(imageId)?.revision ?? draft.revision; // marked meanwhile: that is not saved yet
    if (!this.#isTaught(classId) && now.mask.includes(1)) return this.#teach(imageId, classId);
    if (imageId !== this.store.imageId) say(`The mask of ${this.#image(imageId)?.name} is saved.`);
    else {
      const [teach, next] = [keyed("Use it as an example", "T"), keyed("look at the next uncertain picture", "G")];
      say(`The mask is saved. ${teach}, or ${next}.`);
    }
    return true;
  }

  /**
   * Send a mask of a draft to the server; null where it was refused or not answered.
   * @param {import("./draft.js").Draft} draft
   * @param {string} mask
   */
  async #put(draft, mask) {
    const { imageId, classId } = draft;
    // Results that are computed meanwhile do not stand against a person's mask, which the server knows, nor does what was
    // saved here; another person's changes do.
    const own = this.changes.ownRevision(imageId, draft.revision);
    const revision = Math.min(own, this.#image(imageId)?.revision ?? own); // a killed server forgets late results
    draft.unanswered = "";
    return this.changes.sendAbout(imageId, revision, "PUT", `images/${imageId}/mask`, { class: classId, mask }, (status) => {
      if (status === LOST) draft.unanswered = mask;
      // Who has read that another browser's mask stands against this one may save over it.
      if (status === CONFLICT) draft.revision = this.#image(imageId)?.revision ?? revision;
    });
  }

  /**
   * @param {string} imageId
   * @param {string} classId
   */
  async #teach(imageId, classId) {
    const fields = { image: imageId, class: classId };
    const revision = this.#image(imageId)?.revision ?? 0;
    const state = await this.changes.sendAbout(imageId, revision, "POST", "examples", fields);
    const taught = state?.classes.find((one) => one.id === classId);
    if (!state || !taught) return state !== null;
    const isAbsent = state.examples.some((one) => one.image === imageId && one.class === classId && one.absent);
    const examples = isAbsent ? "pictures without it, too" : count(taught.examples, "example");
    say(`${taught.name} is learned from ${examples}. ${keyed("Look at the most uncertain picture", "G")}.`);
    return true;
  }

  /** @param {string} imageId of an image that need not be the chosen one */
  #image(imageId) {
    return this.store.state?.images.find((image) => image.id === imageId);
  }

  /** @param {string} classId */
  #isTaught(classId) {
    return this.store.state?.examples.some((example) => example.class === classId && !example.absent) ?? false;
  }

  /** @param {import("./draft.js").Draft} draft waited for */
  async #isMarked(draft) {
    this.#awaited.add(draft);
    this.workspace.repaint();
    const marked = await this.editor.isMarked(draft);
    this.#awaited.delete(draft);
    return marked;
  }
}
