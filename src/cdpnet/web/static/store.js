/** The state of the server, and what is chosen in this tab; whoever shows it subscribes. */

/** @typedef {import("./types.js").State} State */

export class Store {
  /** @type {State | null} */
  state = null;
  /** @type {string | null} */
  imageId = null;
  /** @type {string | null} */
  classId = null;
  /** @type {Set<string>} ids of images that were left for later */
  #skipped = new Set();
  /** @type {(() => void)[]} */
  #listeners = [];

  /** @param {() => void} listener called after each change */
  subscribe(listener) {
    this.#listeners.push(listener);
  }

  /**
   * Take a state of the server, unless a newer one has come before it.
   * @param {State} state
   * @param {boolean} newer whether it certainly is the newest, as after a restart of the server
   */
  accept(state, newer = false) {
    if (!newer && this.state && state.revision < this.state.revision) return;
    const index = this.state?.images.findIndex((image) => image.id === this.imageId) ?? -1;
    this.state = state;
    if (!this.image) {
      const wanted = state.images.find((image) => image.id === decodeURIComponent(location.hash.slice(1)));
      const neighbour = state.images[Math.min(Math.max(index, 0), state.images.length - 1)];
      this.#remember((wanted ?? neighbour)?.id ?? null);
    }
    if (!this.chosenClass) this.classId = state.classes[0]?.id ?? null;
    this.notify();
  }

  /** The chosen image, if there is one. */
  get image() {
    return this.state?.images.find((image) => image.id === this.imageId) ?? null;
  }

  /** The chosen class, if there is one. */
  get chosenClass() {
    return this.state?.classes.find((one) => one.id === this.classId) ?? null;
  }

  /**
   * The id of an image by its distance from the chosen one.
   * @param {number} step
   */
  neighbour(step) {
    const images = this.state?.images ?? [];
    return images[images.findIndex((image) => image.id === this.imageId) + step]?.id ?? null;
  }

  /** The id of the most uncertain image that is still to be reviewed, other than the chosen one; skipped ones come last. */
  get nextUncertain() {
    const others = this.state?.order.filter((id) => id !== this.imageId) ?? [];
    return others.find((id) => !this.#skipped.has(id)) ?? others[0] ?? null;
  }

  /** Leave the chosen image for later: it comes again when all others have had their turn. */
  skip() {
    const others = this.state?.order.filter((id) => id !== this.imageId) ?? [];
    if (others.every((id) => this.#skipped.has(id))) this.#skipped.clear();
    else if (this.imageId) this.#skipped.add(this.imageId);
  }

  /** @param {string} id of an image */
  selectImage(id) {
    this.#remember(id);
    this.notify();
  }

  /** @param {string} id of a class */
  chooseClass(id) {
    this.classId = id;
    this.notify();
  }

  notify() {
    for (const listener of this.#listeners) listener();
  }

  /** @param {string | null} id of an image; the address keeps it for a reload */
  #remember(id) {
    this.imageId = id;
    history.replaceState(null, "", id ? `#${encodeURIComponent(id)}` : location.pathname);
  }
}
