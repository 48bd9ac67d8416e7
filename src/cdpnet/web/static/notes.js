/** What the page says: notes that fade, refusals that stay until they are closed; both are read aloud. */

import { element, find } from "./dom.js";

/** @param {string} text of something that was done */
export function say(text) {
  find("#note").replaceChildren(element("p", {}, text));
  find("#notes").dataset.last = "note";
}

/**
 * Show why something was not done.
 * @param {string} text one sentence
 * @param {string[]} items such as one sentence for each file
 */
export function refuse(text, items = []) {
  const list = items.map((item) => element("li", {}, item));
  const close = element("button", { className: "close", type: "button", "aria-label": "Close this message" }, "×");
  close.addEventListener("click", clearRefusal);
  const body = element("div", {}, element("p", {}, text), ...(list.length ? [element("ul", {}, ...list)] : []));
  find("#refusal").replaceChildren(element("div", {}, body, close));
  find("#notes").dataset.last = "refusal";
}

export function clearRefusal() {
  find("#refusal").replaceChildren();
}
