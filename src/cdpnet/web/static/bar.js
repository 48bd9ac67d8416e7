/** The tool bar, and the bar below the picture: what is shown, what can be done about it. */

import { assign, find, hasKeys, percent } from "./dom.js";
import { describe } from "./review.js";

/** States in which a picture in which a class is not marked is an example of its absence. */
const TEACHING_ABSENCE = ["absent", "found", "corrected", "accepted"];

/**
 * @param {import("./store.js").Store} store
 * @param {import("./workspace.js").Workspace} workspace
 * @param {import("./editor.js").Editor} editor
 * @param {import("./saving.js").Saving} saving
 */
export function showBar(store, workspace, editor, saving) {
  const update = () => {
    const { image, state, chosenClass } = store;
    const { draft } = workspace;
    find("#bar").hidden = !image;
    if (!image || !state) return;
    const words = describe(image, state.classes);
    assign(find("#image-name"), { textContent: image.name });
    assign(find("#image-state"), { textContent: words, title: words });
    assign(find("#hint"), { textContent: hint(image, chosenClass, draft, editor.busy, saving.isAwaited) });
    assign(find("#failure"), { textContent: image.state === "failed" ? image.reason : "" });
    find("#failure").hidden = image.state !== "failed";
    const drawn = draft ? `; the mask in progress of ${chosenClass?.name} marks ${percent(draft.share)}` : "";
    assign(find("#stage"), { ariaLabel: `${image.name}: ${words}${drawn}` });
    const reviewed = image.edited || ["accepted", "rejected"].includes(image.state);
    for (const action of ["save", "drop"]) show(action, draft !== null);
    for (const action of ["accept", "reject", "next"]) show(action, draft === null);
    const found = chosenClass !== null && image.classes[chosenClass.id]?.share > 0;
    show("clear", draft ? draft.share > 0 : found && image.state === "found");
    const canBeAbsent = chosenClass !== null && chosenClass.examples > 0 && TEACHING_ABSENCE.includes(image.state);
    enable("teach", draft !== null || found || canBeAbsent);
    enable("accept", ["found", "absent", "corrected", "rejected"].includes(image.state));
    enable("reject", ["found", "absent", "corrected", "accepted"].includes(image.state));
    enable("next", store.nextUncertain !== null);
    show("reopen", reviewed && draft === null);
    enable("undo", Boolean(draft?.canUndo || editor.dropped || state.undo));
    enable("redo", Boolean(draft?.canRedo || state.redo));
    const undone = editor.dropped ? "the dropping of the mask in progress" : state.undo;
    name("undo", "Undo", "Ctrl+Z", draft?.canUndo ? "a step of the mask in progress" : undone);
    name("redo", "Redo", "Ctrl+Shift+Z", draft?.canRedo ? "a step of the mask in progress" : state.redo);
  };
  store.subscribe(update);
  workspace.subscribe(update);
}

/**
 * What to do next, in one line.
 * @param {import("./types.js").ProjectImage} image
 * @param {import("./types.js").ProjectClass | null} chosenClass
 * @param {import("./draft.js").Draft | null} draft
 * @param {boolean} busy whether its mask is being computed
 * @param {boolean} awaited whether it is saved then
 */
function hint(image, chosenClass, draft, busy, awaited) {
  const [saveKey, dropKey] = KEYS.map(named);
  if (image.state === "failed") return "";
  if (busy) return `Looking for the object …${awaited ? " It is saved then." : ""}`;
  if (draft?.now.clicks.length && !draft.share) return "Nothing is found there. Click elsewhere, or draw with the brush.";
  if (draft && !draft.share) return `Nothing is marked. ${saveKey} saves that it is not there, ${dropKey} drops.`;
  if (draft) return `${percent(draft.share)} marked. Click to improve it, or save it.`;
  if (!chosenClass || !chosenClass.examples) return `Click on ${chosenClass ? `a ${chosenClass.name}` : "an object"} to mark it.`;
  const accepting = hasKeys() ? ["A accepts, R rejects", "A accepts"] : ["Accept or reject", "Accept"];
  if (image.state === "found") return `${accepting[0]}. Click or draw to correct.`;
  if (image.state === "absent") return `${accepting[1]} that nothing is there. Click to mark a ${chosenClass.name}.`;
  return "";
}

/** Keys and, for screens without a keyboard, the words of their buttons. */
const KEYS = [["Enter", "“Save mask”"], ["Escape", "“Drop”"]];

/** @param {string[]} names of a key and of its button */
function named([key, button]) {
  return hasKeys() ? key : button;
}

/**
 * @param {string} action
 * @param {boolean} possible
 */
function enable(action, possible) {
  for (const button of document.querySelectorAll(`button[data-action=${action}]`)) {
    assign(button, { disabled: !possible });
  }
}

/**
 * Say on the button of an action what it would do.
 * @param {string} action
 * @param {string} word
 * @param {string} keys
 * @param {string} what is undone or done again, or ""
 */
function name(action, word, keys, what) {
  const label = what ? `${word}: ${what[0].toLowerCase()}${what.slice(1)}` : word;
  for (const button of document.querySelectorAll(`button[data-action=${action}]`)) {
    assign(button, { title: `${label} (${keys})`, ariaLabel: label });
  }
}

/**
 * @param {string} action
 * @param {boolean} useful whether its button is shown
 */
function show(action, useful) {
  assign(find(`#bar [data-action=${action}]`), { hidden: !useful });
}

/** @param {import("./tools.js").Tools} tools */
export function showTools(tools) {
  const size = find("#brush-size");
  size.addEventListener("input", () => tools.setRadius(Number(size.value)));
  tools.subscribe(() => {
    for (const button of document.querySelectorAll("#tools [aria-pressed]")) {
      const chosen = /** @type {HTMLElement} */ (button).dataset.action === tools.tool;
      assign(button, { ariaPressed: String(chosen) });
    }
    find("#stage").dataset.tool = tools.tool;
    find("#brush").hidden = tools.tool !== "brush" && tools.tool !== "erase";
    assign(size, { value: String(Math.round(tools.radius)) });
  });
}
