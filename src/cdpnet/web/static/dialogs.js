/** The dialogs: the name of a class, the download, the keys. */

import { find } from "./dom.js";

/**
 * Ask for the name of a class; null if the dialog is dismissed.
 * @param {string} title
 * @param {string} suggestion
 * @param {number} limit of characters
 * @returns {Promise<string | null>}
 */
export function askName(title, suggestion, limit) {
  const dialog = find("#name-dialog");
  const input = find("#name-input");
  find("#name-title").textContent = title;
  input.maxLength = limit;
  input.value = suggestion;
  dialog.returnValue = "";
  dialog.showModal();
  input.select();
  return new Promise((resolve) => {
    const answer = () => resolve(dialog.returnValue === "ok" ? input.value : null);
    dialog.addEventListener("close", answer, { once: true });
  });
}

/** Whether a dialog is open, so that keys belong to it. */
export const dialogIsOpen = () => document.querySelector("dialog[open]") !== null;

/** Make the buttons that dismiss a dialog work. */
export function dismissDialogs() {
  for (const button of document.querySelectorAll("[data-close]")) {
    button.addEventListener("click", () => button.closest("dialog")?.close());
  }
}

/** @param {string} selector of a dialog */
export function open(selector) {
  const dialog = find(selector);
  if (dialog.open) return;
  dialog.showModal();
  dialog.scrollTop = 0; // where the screen is small, the browser has scrolled to the button that it focuses
}
