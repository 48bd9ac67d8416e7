/** The picture on the stage: its view, the masks of its classes, and the mask in progress. */

import { imageUrl, request } from "./api.js";
import { Draft } from "./draft.js";
import { find } from "./dom.js";
import { readGrey } from "./mask.js";
import { Overlay } from "./overlay.js";

export class Workspace {
  /** @type {string | null} of the picture on the stage */
  imageId = null;
  /** @type {Uint8Array} numbers of classes, in the size of the view */
  labels = new Uint8Array(0);
  #revision = -1; // of the labels
  #painted = "";
  #telling = false;
  /** @type {(() => void)[]} */
  #listeners = [];
  /** @type {AbortController} of what is being loaded */
  #loading = new AbortController();

  /**
   * @param {import("./store.js").Store} store
   * @param {import("./stage.js").Stage} stage
   * @param {import("./drafts.js").Drafts} drafts
   * @param {import("./changes.js").Changes} changes
   */
  constructor(store, stage, drafts, changes) {
    this.store = store;
    this.changes = changes;
    this.stage = stage;
    this.drafts = drafts;
    store.subscribe(() => this.#follow());
  }

  /** @param {() => void} listener called when the picture or the mask in progress changes */
  subscribe(listener) {
    this.#listeners.push(listener);
  }

  /** Whether the chosen image is on the stage, so that it can be marked. */
  get ready() {
    return this.imageId !== null && this.imageId === this.store.imageId && this.stage.picture !== null;
  }

  /** The mask in progress of the chosen class, if it was begun. */
  get draft() {
    const { classId } = this.store;
    return this.ready && this.imageId && classId ? this.drafts.get(this.imageId, classId) : null;
  }

  /** The picture on the stage as it can be marked: its masks, and the revision that they are of. null if there is none. */
  get shown() {
    if (!this.ready || !this.imageId) return null;
    return { imageId: this.imageId, revision: this.#revision, width: this.stage.picture.width, labels: this.labels };
  }

  /**
   * The mask in progress of a class in a picture, begun from its mask there if there was none.
   * @param {NonNullable<Workspace["shown"]>} picture that is shown, or was when the click was made
   * @param {import("./types.js").ProjectClass} one
   */
  begin({ imageId, revision, width, labels }, { id, number }) {
    const mask = () => labels.map((value) => (value === number ? 1 : 0));
    return this.drafts.get(imageId, id) ?? new Draft(imageId, id, revision, width, mask());
  }

  /** @param {Draft} draft changed */
  changed(draft) {
    this.drafts.keep(draft);
    this.repaint();
  }

  /**
   * Drop a mask in progress.
   * @param {Draft} draft
   * @param {boolean} saved its mask takes the place of the class's until the server's has come
   */
  close(draft, saved = false) {
    const number = this.store.state?.classes.find((one) => one.id === draft.classId)?.number ?? 0;
    if (saved && draft.imageId === this.imageId) {
      const mask = draft.now.mask;
      this.labels = this.labels.map((value, i) => (mask[i] ? number : value === number ? 0 : value));
    }
    this.drafts.forget(draft);
    this.repaint();
  }

  /** @param {import("./mask.js").Rectangle} [part] of the masks that has changed, or all */
  repaint(part) {
    const { stage, draft } = this;
    const classes = this.store.state?.classes ?? [];
    const number = this.store.chosenClass?.number ?? 0;
    stage.overlay?.paint(this.labels, classes, draft && { mask: draft.now.mask, number }, part);
    stage.marks.clicks = draft?.now.clicks ?? [];
    stage.marks.box = draft?.now.box ?? null;
    stage.draw("masks", "marks");
    this.#tell();
  }

  /** Tell the listeners once before the screen is drawn next. */
  #tell() {
    if (this.#telling) return;
    this.#telling = true;
    requestAnimationFrame(() => {
      this.#telling = false;
      for (const listener of this.#listeners) listener();
    });
  }

  /** Show what the store has chosen. */
  #follow() {
    const { image, state, classId } = this.store;
    if (image?.id !== this.imageId) this.#clear(image);
    else if (image && image.revision !== this.#revision) {
      if (this.stage.picture) this.#loadAgain(image);
      else this.#open(image); // it was not there before, or the change came while it was being opened
    }
    const look = JSON.stringify([classId, state?.classes.map((one) => [one.number, one.colour])]);
    if (look !== this.#painted) this.repaint();
    this.#painted = look;
  }

  /** @param {import("./types.js").ProjectImage | null} image to be opened */
  #clear(image) {
    this.#loading.abort();
    this.imageId = image?.id ?? null;
    this.stage.picture = this.stage.overlay = null;
    this.stage.drawAll();
    this.repaint();
    find("#stage").setAttribute("aria-busy", String(image !== null));
    if (image) this.#open(image);
  }

  /** @param {import("./types.js").ProjectImage} image */
  async #open(image) {
    await this.#load(image, async (signal) => {
      request("POST", `images/${encodeURIComponent(image.id)}/open`, { signal }).catch(() => {}); // only prepares it
      const [view, labels] = await Promise.all([this.#fetch(image, "view", signal), this.#fetchLabels(image, signal)]);
      const picture = await createImageBitmap(view);
      await this.drafts.restore(image, picture.width, labels, this.store.state?.classes ?? []);
      signal.throwIfAborted();
      this.labels = labels;
      this.stage.picture = picture;
      this.stage.overlay = new Overlay(picture.width, picture.height);
      this.stage.fit();
    });
    if (image.id === this.imageId) find("#stage").setAttribute("aria-busy", "false");
  }

  /** @param {import("./types.js").ProjectImage} image whose masks have changed */
  async #loadAgain(image) {
    await this.#load(image, async (signal) => {
      const labels = await this.#fetchLabels(image, signal);
      signal.throwIfAborted();
      this.labels = labels;
    });
  }

  /**
   * Load something of an image, in place of what was being loaded.
   * @param {import("./types.js").ProjectImage} image
   * @param {(signal: AbortSignal) => Promise<void>} load
   */
  async #load(image, load) {
    this.#loading.abort();
    this.#loading = new AbortController();
    const { signal } = this.#loading;
    this.#revision = image.revision;
    try {
      if (image.state !== "failed") await load(signal);
      if (!signal.aborted) this.repaint();
    } catch (error) {
      if (!signal.aborted) await this.changes.refused(error);
    }
  }

  /**
   * @param {import("./types.js").ProjectImage} image
   * @param {"view" | "masks"} file
   * @param {AbortSignal} signal
   */
  async #fetch(image, file, signal) {
    return (await request("GET", imageUrl(image, file), { signal })).blob();
  }

  /**
   * @param {import("./types.js").ProjectImage} image
   * @param {AbortSignal} signal
   */
  async #fetchLabels(image, signal) {
    return readGrey(await this.#fetch(image, "masks", signal));
  }
}
