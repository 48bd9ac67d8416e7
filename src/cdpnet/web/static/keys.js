/** The keyboard. Single letters can be switched off in the list of keys, for those who dictate or hit keys by chance. */

import { dialogIsOpen } from "./dialogs.js";
import { find } from "./dom.js";

/** @type {Record<string, string>} the action of a key, with the modifiers Ctrl and Shift in front */
const KEYS = {
  p: "add",
  n: "subtract",
  b: "box",
  d: "brush",
  e: "erase",
  h: "pan",
  "[": "smaller",
  "]": "larger",
  0: "fit",
  "+": "zoom-in",
  "=": "zoom-in",
  "-": "zoom-out",
  Enter: "save",
  t: "teach",
  a: "accept",
  r: "reject",
  g: "next",
  j: "forward",
  k: "back",
  c: "new-class",
  x: "use",
  "?": "help",
  Escape: "drop",
  Delete: "clear",
  Backspace: "clear",
  ArrowRight: "forward",
  ArrowLeft: "back",
  "Shift+ArrowRight": "right",
  "Shift+ArrowLeft": "left",
  "Shift+ArrowUp": "up",
  "Shift+ArrowDown": "down",
  "Ctrl+z": "undo",
  "Ctrl+Shift+z": "redo",
  "Ctrl+y": "redo",
};
const REPEATED = ["smaller", "larger", "zoom-in", "zoom-out", "undo", "redo", "left", "right", "up", "down"];
const OFF = "cdpnet-keys-off";

/**
 * The name of a key press in the table.
 * @param {KeyboardEvent} event
 */
function nameOf(event) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const shift = event.shiftKey && (event.ctrlKey || event.metaKey || key.startsWith("Arrow"));
  return `${event.ctrlKey || event.metaKey ? "Ctrl+" : ""}${shift ? "Shift+" : ""}${key}`;
}

/**
 * Whether a key press belongs to the element that has the focus: letters to text, arrows and Enter to controls.
 * @param {KeyboardEvent} event
 */
function belongsToFocus(event) {
  const focus = /** @type {Element} */ (event.target);
  if (focus.matches("input:not([type=range], [type=checkbox]), textarea")) return event.key !== "Escape";
  if (focus.matches("select")) return true;
  if (focus.matches("input, [role=tab]") && event.key.startsWith("Arrow")) return true;
  return (event.key === "Enter" && focus.matches("button")) || (event.key === " " && focus.matches("button, input"));
}

/**
 * @param {import("./actions.js").Actions} actions
 * @param {import("./tools.js").Tools} tools
 * @param {import("./store.js").Store} store
 */
export function listenToKeys(actions, tools, store) {
  const letters = find("#letters");
  letters.checked = localStorage.getItem(OFF) === null;
  letters.addEventListener("change", () => {
    if (letters.checked) localStorage.removeItem(OFF);
    else localStorage.setItem(OFF, "1");
  });
  document.addEventListener("keydown", (event) => {
    if (event.altKey || dialogIsOpen() || belongsToFocus(event)) return;
    const name = nameOf(event);
    if (name.length === 1 && !letters.checked) return;
    const chosen = /^[1-9]$/.test(name) ? store.state?.classes[Number(name) - 1] : undefined;
    const action = KEYS[name];
    if (name === " ") tools.panning = true;
    else if (chosen) store.chooseClass(chosen.id);
    else if (action && (!event.repeat || REPEATED.includes(action))) actions.run(action);
    else if (!action) return;
    event.preventDefault();
  });
  const release = () => (tools.panning = false);
  document.addEventListener("keyup", (event) => event.key === " " && release());
  window.addEventListener("blur", release);
}
