/** All masks in progress of this tab. They survive a reload, since the tab's storage keeps their last step. */

import { Draft } from "./draft.js";
import { fromUrl } from "./mask.js";

const PREFIX = "cdpnet-draft:";

export class Drafts {
  /** @type {Map<string, Draft>} */
  #open = new Map();

  /**
   * @param {string} imageId
   * @param {string} classId
   */
  get(imageId, classId) {
    return this.#open.get(`${imageId}/${classId}`) ?? null;
  }

  /** @param {Draft} draft being changed, so that it is shown */
  begin(draft) {
    this.#open.set(`${draft.imageId}/${draft.classId}`, draft);
  }

  /** @param {Draft} draft changed */
  keep(draft) {
    this.begin(draft);
    const key = `${draft.imageId}/${draft.classId}`;
    const { clicks, box, base } = draft.now;
    const { revision, width } = draft;
    const stored = { clicks, box, revision, width, mask: draft.toUrl(), base: draft.toUrl(base) };
    try {
      sessionStorage.setItem(PREFIX + key, JSON.stringify(stored));
    } catch {
      // The storage is full or forbidden: the draft then lives as long as the tab.
    }
  }

  /** @param {Draft} draft saved or dropped */
  forget(draft) {
    this.#open.delete(`${draft.imageId}/${draft.classId}`);
    sessionStorage.removeItem(`${PREFIX}${draft.imageId}/${draft.classId}`);
  }

  /** The ids of the images that have one. */
  get imageIds() {
    return new Set([...this.#open.values()].map((draft) => draft.imageId));
  }

  /**
   * Open what the tab's storage keeps of an image that is opened.
   * @param {import("./types.js").ProjectImage} image
   * @param {number} width of its view
   * @param {Uint8Array} labels of its view
   * @param {import("./types.js").ProjectClass[]} classes
   */
  async restore(image, width, labels, classes) {
    for (const { id, number } of classes) {
      const kept = sessionStorage.getItem(`${PREFIX}${image.id}/${id}`);
      if (!kept || this.get(image.id, id)) continue;
      const { clicks, box, revision, width: keptWidth, ...urls } = JSON.parse(kept);
      if (keptWidth !== width) continue;
      const read = (/** @type {string} */ url) => fromUrl(url, width, labels.length / width);
      const [mask, base] = await Promise.all([read(urls.mask), read(urls.base ?? urls.mask)]);
      const draft = new Draft(image.id, id, revision, width, labels.map((value) => (value === number ? 1 : 0)));
      draft.change({ clicks, box, mask, base });
      this.#open.set(`${image.id}/${id}`, draft);
    }
  }
}
