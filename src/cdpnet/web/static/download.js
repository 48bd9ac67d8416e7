/** Labels and classes as archives. */

import { reasonOf, request } from "./api.js";
import { element, find } from "./dom.js";
import { refuse, say } from "./notes.js";

/**
 * Make the download dialog work.
 * @param {import("./store.js").Store} store
 */
export function offerDownloads(store) {
  const format = find("#format");
  store.subscribe(() => {
    if (format.options.length) return;
    for (const { name, title } of store.state?.formats ?? []) format.add(new Option(title, name));
  });
  const [instances, least] = [find("#instances"), find("#min-area")];
  instances.addEventListener("change", () => (find("#smallest").hidden = !instances.checked));
  find("#download-labels").addEventListener("click", () => {
    if (!least.reportValidity()) return;
    const rules = instances.checked ? `1&min_area=${least.value}` : "0";
    fetchFile(`download?format=${format.value}&instances=${rules}`, "labels.zip");
  });
  find("#download-classes").addEventListener("click", () => fetchFile("classes.zip", "classes.zip"));
}

/**
 * Fetch an archive and give it to the browser; a refusal is a sentence on the page, not a broken file.
 * @param {string} path
 * @param {string} otherwise the name of the file where the server gives none
 */
async function fetchFile(path, otherwise) {
  find("#download-dialog").close();
  try {
    const answer = await request("GET", path);
    const named = /filename="?([^";]+)"?/.exec(answer.headers.get("Content-Disposition") ?? "");
    const url = URL.createObjectURL(await answer.blob());
    const name = named?.[1] ?? otherwise;
    element("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000); // the browser has begun to save it by then
    say(`${name} is downloaded.`);
  } catch (error) {
    refuse(reasonOf(error));
  }
}
