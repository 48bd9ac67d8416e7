/** Everything that a button or a key does, by name. */

import { open } from "./dialogs.js";
import { chooseFiles } from "./upload.js";
import { say } from "./notes.js";

/**
 * Actions of which one waits for the one before it, so that keys pressed quickly act on what is chosen by then. What is
 * saved and taught is not among them: it goes on while other pictures are shown, and `Saving` keeps its order.
 */
const ONE_BY_ONE = ["accept", "reject", "reopen", "undo", "redo", "remove", "next", "forward", "back"];

export class Actions {
  /** @type {Promise<unknown>} */
  #last = Promise.resolve();

  /**
   * @param {import("./store.js").Store} store
   * @param {import("./stage.js").Stage} stage
   * @param {import("./editor.js").Editor} editor
   * @param {import("./saving.js").Saving} saving
   * @param {import("./review.js").Review} review
   * @param {import("./tools.js").Tools} tools
   * @param {import("./changes.js").Changes} changes
   */
  constructor(store, stage, editor, saving, review, tools, changes) {
    /** @type {Record<string, () => unknown>} */
    this.table = {
      choose: chooseFiles,
      samples: () => this.#addSamples(changes),
      "new-class": () => editor.addClass(),
      save: () => saving.save(),
      teach: () => saving.teach(),
      clear: () => editor.clear(),
      drop: () => tools.cancel() || editor.drop(),
      undo: async () => editor.undo(await saving.settled()),
      redo: () => editor.redo(),
      accept: () => review.decide("accepted"),
      reject: () => review.decide("rejected"),
      reopen: () => review.decide("new"),
      remove: () => review.remove(),
      next: () => review.next(),
      forward: () => review.move(1),
      back: () => review.move(-1),
      fit: () => stage.fit(),
      "zoom-in": () => stage.zoom(1.25),
      "zoom-out": () => stage.zoom(0.8),
      larger: () => tools.stepRadius(1),
      smaller: () => tools.stepRadius(-1),
      add: () => tools.choose("add"),
      subtract: () => tools.choose("subtract"),
      box: () => tools.choose("box"),
      brush: () => tools.choose("brush"),
      erase: () => tools.choose("erase"),
      pan: () => tools.choose("pan"),
      use: () => tools.useAtCrosshair(),
      left: () => tools.moveCrosshair(-1, 0),
      right: () => tools.moveCrosshair(1, 0),
      up: () => tools.moveCrosshair(0, -1),
      down: () => tools.moveCrosshair(0, 1),
      download: () => open("#download-dialog"),
      help: () => open("#help-dialog"),
    };
    document.addEventListener("click", (event) => {
      const button = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest("button"));
      if (!button) return;
      // After a click of the mouse, keys such as Enter belong to the picture again.
      if (event.detail > 0 && !button.closest("dialog, [role=tablist]")) stage.root.focus({ preventScroll: true });
      if (button.dataset.action) this.run(button.dataset.action);
    });
  }

  /** @param {string} name */
  run(name) {
    const action = this.table[name];
    // An action that fails is reported, and does not keep the next ones from being done.
    if (ONE_BY_ONE.includes(name)) this.#last = this.#last.then(action).catch(reportError);
    else action();
  }

  /** @param {import("./changes.js").Changes} changes */
  async #addSamples(changes) {
    if (await changes.send("POST", "samples")) say("These pictures are drawn. Click on one of the objects.");
  }
}
