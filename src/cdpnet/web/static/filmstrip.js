/** The pictures of the project in a row, each with the sign of its state. */

import { imageUrl } from "./api.js";
import { assign, element, find, showItems } from "./dom.js";
import { describe } from "./review.js";

/** @type {Record<import("./types.js").ProjectImage["state"], string>} */
const SIGNS = { new: "", found: "?", absent: "–", corrected: "✎", accepted: "✓", rejected: "✕", failed: "!" };

/**
 * @param {import("./store.js").Store} store
 * @param {import("./workspace.js").Workspace} workspace
 */
export function showFilmstrip(store, workspace) {
  const list = find("#film");
  let chosen = "";
  let unsaved = new Set();

  const create = (/** @type {import("./types.js").ProjectImage} */ image) => {
    const button = element("button", { type: "button" });
    button.append(element("img", { alt: "", loading: "lazy", draggable: false }), element("span", { className: "sign" }));
    button.addEventListener("click", () => store.selectImage(image.id));
    return element("li", {}, button);
  };

  const update = (/** @type {HTMLElement} */ item, /** @type {import("./types.js").ProjectImage} */ image) => {
    const [button, picture, sign] = /** @type {any[]} */ ([item.firstChild, ...(item.firstChild?.childNodes ?? [])]);
    const draft = unsaved.has(image.id);
    const words = [image.name, describe(image, store.state?.classes ?? [])];
    if (image.example) words.push("an example");
    if (draft) words.push("mask not saved");
    assign(button, { title: words.join(" · "), ariaLabel: words.join(", ") });
    assign(button, { ariaCurrent: image.id === store.imageId ? "true" : null });
    assign(item.dataset, { state: draft ? "unsaved" : image.state, example: String(image.example) });
    assign(sign, { textContent: draft ? "●" : SIGNS[image.state] });
    const source = `api/${imageUrl(image, "thumbnail")}`;
    if (image.state !== "failed" && picture.getAttribute("src") !== source) picture.src = source;
  };

  const show = () => {
    unsaved = workspace.drafts.imageIds;
    showItems(list, store.state?.images ?? [], create, update);
    if (store.imageId === chosen) return;
    chosen = store.imageId ?? "";
    list.querySelector("[aria-current]")?.scrollIntoView({ inline: "nearest", block: "nearest" });
  };
  store.subscribe(show);
  workspace.subscribe(() => {
    const now = workspace.drafts.imageIds; // a brush stroke changes a draft many times, and this set rarely
    if (now.size !== unsaved.size || [...now].some((id) => !unsaved.has(id))) show();
  });
}
