/** How far the review is, the settings of the segmentation, what is running, and words about the project. */

import { assign, count, find } from "./dom.js";

/**
 * @param {import("./store.js").Store} store
 * @param {import("./changes.js").Changes} changes
 */
export function showResults(store, changes) {
  const threshold = find("#threshold");
  const presence = find("#presence");
  const showThreshold = () => assign(find("#threshold-value"), { textContent: Number(threshold.value).toFixed(2) });
  threshold.addEventListener("input", showThreshold);
  threshold.addEventListener("change", () => changes.send("POST", "settings", { threshold: Number(threshold.value) }));
  presence.addEventListener("change", () => changes.send("POST", "settings", { presence: presence.checked }));

  store.subscribe(() => {
    const { state } = store;
    if (!state) return;
    const { accepted, corrected, rejected, left, advice } = state.progress;
    const done = accepted + corrected + rejected;
    assign(find("#reviewed"), { max: Math.max(1, done + left), value: done });
    const counts = { accepted, corrected, rejected, left };
    const words = Object.entries(counts).map(([state, number]) => `${number}\u00a0${state}`);
    assign(find("#progress"), { textContent: words.join("\u00a0· ") });
    assign(find("#advice"), { textContent: advice });
    if (changes.answered) {
      if (document.activeElement !== threshold) threshold.value = state.settings.threshold;
      presence.checked = state.settings.presence;
    }
    showThreshold();
    showProject(state);
  });
}

/** @param {import("./types.js").State} state */
function showProject(state) {
  const { job, limits, project } = state;
  find("#job").hidden = !job?.running;
  if (job) {
    assign(find("#job progress"), { max: Math.max(1, job.total), value: job.done });
    assign(find("#job span"), { textContent: `${job.done} of ${job.total}: ${job.what}` });
  }
  assign(find("#project"), { textContent: project ?? "" });
  assign(document, { title: project ? `${project} · cdpnet` : "cdpnet" });
  assign(find("#model"), { textContent: state.model });
  assign(find("#limits"), {
    textContent:
      `${project === null ? `Up to ${count(limits.images, "picture")}, each` : "Pictures"} up to ${limits.megabytes} MB ` +
      `and ${limits.megapixels} megapixels: ${limits.endings.map((ending) => ending.slice(1)).join(", ")}.`,
  });
  for (const note of document.querySelectorAll(".not-kept")) /** @type {any} */ (note).hidden = project !== null;
  const empty = state.images.length === 0;
  find("#empty").hidden = !empty;
  document.body.classList.toggle("has-images", !empty);
}
