/** Changes of the project: each is sent after the one before it, and its answer is the new state. */

import { loadState, reasonOf, Refusal, request } from "./api.js";
import { keyed } from "./dom.js";
import { clearRefusal, refuse, say } from "./notes.js";

/** @typedef {import("./types.js").State} State */

const MISSING = 404;
export const [LOST, CONFLICT] = [0, 409]; // of a Refusal: the server may have done what was asked; others have changed it

/** @param {string} sentence whose first word is not the first any more */
const inside = (sentence) => sentence.charAt(0).toLowerCase() + sentence.slice(1);

export class Changes {
  /** @type {Promise<unknown>} */
  #last = Promise.resolve();
  #unanswered = 0;
  /** @type {{imageId: string, from: number, to: number}[]} changes of this page: revisions that it knew, and that it made */
  #made = [];

  /** @param {import("./store.js").Store} store */
  constructor(store) {
    this.store = store;
  }

  /** Whether every change is answered: until then a state of the server is older than what stands on the page. */
  get answered() {
    return this.#unanswered === 0;
  }

  /**
   * Send a change. null where it was refused; the page then says why, and shows what others have changed.
   * @param {string} method
   * @param {string} path
   * @param {unknown} [body]
   * @param {(status: number) => void} [onRefusal] called with the status of a Refusal
   * @returns {Promise<State | null>}
   */
  send(method, path, body, onRefusal) {
    this.#unanswered += 1;
    const sent = this.#last.then(() => this.#send(method, path, body, onRefusal));
    this.#last = sent.catch(() => {}); // who has sent it hears of it
    return sent;
  }

  /**
   * Send a change of an image that stands at a revision; as `send`.
   * @param {string} imageId
   * @param {number} revision
   * @param {string} method
   * @param {string} path
   * @param {object} fields
   * @param {(status: number) => void} [onRefusal]
   */
  async sendAbout(imageId, revision, method, path, fields, onRefusal) {
    const state = await this.send(method, path, { ...fields, revision }, onRefusal);
    if (state?.made) this.#made.push({ imageId, from: revision, to: state.made });
    return state;
  }

  /**
   * The revision that an image had last before anybody but this page and the network changed it.
   * @param {string} imageId
   * @param {number} revision that this page knew
   */
  ownRevision(imageId, revision) {
    const made = this.#made.filter((one) => one.imageId === imageId); // in the order of their revisions
    return made.reduce((own, { from, to }) => (from <= own && own < to ? to : own), revision);
  }

  /**
   * Say why a request was refused; where the page is behind the server, bring it up to date.
   * @param {unknown} error
   */
  async refused(error) {
    const behind = error instanceof Refusal && [MISSING, CONFLICT].includes(error.status);
    if (!(behind && (await this.#reload()))) refuse(reasonOf(error));
  }

  /**
   * Take a state that others may have changed; whether it is said that they have removed the chosen picture.
   * @param {State} state
   */
  catchUp(state) {
    const { image } = this.store;
    this.store.accept(state);
    if (!image || !this.answered || this.store.state?.images.some(({ id }) => id === image.id)) return false;
    const undo = keyed("Undo", "Ctrl+Z");
    refuse(`${image.name} was removed in another window. ${undo} brings it back, with what is marked in it.`);
    return true;
  }

  /** Take back the server's last change, and show the image that it was about. */
  async undo() {
    await this.#last; // what is being saved comes first, and may be about another image
    const what = this.store.state?.undo;
    if (!what) return say(this.store.state?.nothing.undo ?? "");
    await this.#moveInTime("undo", `Taken back: ${inside(what)}`);
  }

  /** Do again what was taken back. */
  async redo() {
    await this.#last; // what is being saved comes first, and may be about another image
    const what = this.store.state?.redo;
    if (!what) return say(this.store.state?.nothing.redo ?? "");
    await this.#moveInTime("redo", `Done again: ${inside(what)}`);
  }

  /**
   * @param {"undo" | "redo"} path
   * @param {string} text
   */
  async #moveInTime(path, text) {
    const before = new Map(this.store.state?.images.map((image) => [image.id, image.revision]));
    const state = await this.send("POST", path);
    if (!state) return;
    const changed = state.images.filter((image) => before.get(image.id) !== image.revision);
    if (changed.length === 1) this.store.selectImage(changed[0].id);
    const renamed = Object.entries(state.renamed ?? {});
    const notes = renamed.map(([name, now]) => `${name} is now ${now}, since another picture has its name`);
    say([text, ...notes].join(". "));
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {unknown} body
   * @param {(status: number) => void} [onRefusal]
   * @returns {Promise<State | null>}
   */
  async #send(method, path, body, onRefusal) {
    try {
      const state = await this.#answer(method, path, body);
      clearRefusal();
      this.store.accept(state);
      return state;
    } catch (error) {
      this.store.notify(); // what the page shows of the change is taken back
      await this.refused(error);
      if (error instanceof Refusal) onRefusal?.(error.status);
      return null;
    }
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {unknown} body
   * @returns {Promise<State>}
   */
  async #answer(method, path, body) {
    try {
      return await (await request(method, path, { body })).json();
    } finally {
      this.#unanswered -= 1;
    }
  }

  /** Take the server's present state; as `catchUp`. */
  async #reload() {
    try {
      return this.catchUp(await loadState());
    } catch {
      return false; // `follow` loads the state as soon as the server answers
    }
  }
}
