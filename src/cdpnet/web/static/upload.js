/** Add pictures: chosen, dropped anywhere on the page, or pasted. */

import { count, find } from "./dom.js";
import { refuse, say } from "./notes.js";

const TOGETHER = 4; // files in one request, so that the page shows how far it is

/** Open the browser's choice of files. */
export const chooseFiles = () => find("#files").click();

/**
 * @param {import("./store.js").Store} store
 * @param {import("./changes.js").Changes} changes
 */
export function acceptFiles(store, changes) {
  const add = (/** @type {Iterable<File> | undefined} */ files) => addFiles([...(files ?? [])], store, changes);
  const input = find("#files");
  input.addEventListener("change", () => {
    add(input.files);
    input.value = "";
  });
  document.addEventListener("paste", (event) => add(event.clipboardData?.files));
  const zone = find("#drop-zone");
  document.addEventListener("dragenter", (event) => {
    if (event.dataTransfer?.types.includes("Files")) zone.hidden = false;
  });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) zone.hidden = true; // left the window
  });
  document.addEventListener("drop", async (event) => {
    event.preventDefault();
    zone.hidden = true;
    const { items = [], files } = event.dataTransfer ?? {};
    const entries = [...items].map((item) => item.webkitGetAsEntry()); // at once: the items are gone afterwards
    if (!entries.some((entry) => entry?.isDirectory)) return add(files);
    const open = async () => filesOf(entries.length === 1 ? await list(entries[0]) : entries); // one needs no name
    const found = await open().catch(() => []);
    if (found.length) add(found);
    else refuse("There are no files in the folder that can be read.");
  });
}

/**
 * All files of folders and of the folders in them, by their paths, which are their names; no hidden ones.
 * @param {(FileSystemEntry | null)[]} entries
 * @param {string} folder that they are in, "" or with "/" at its end
 * @returns {Promise<File[]>}
 */
async function filesOf(entries, folder = "") {
  const found = [];
  for (const entry of entries) {
    if (!entry || entry.name.startsWith(".")) continue;
    const path = `${folder}${entry.name}`;
    if (entry.isDirectory) found.push(...(await filesOf(await list(entry), `${path}/`)));
    else found.push(new File([await file(/** @type {any} */ (entry))], path));
  }
  return found.sort((one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }));
}

/**
 * What is in a folder.
 * @param {any} folder
 * @returns {Promise<FileSystemEntry[]>}
 */
async function list(folder) {
  const reader = folder.createReader();
  const read = () => new Promise((resolve, reject) => reader.readEntries(resolve, reject));
  const found = [];
  for (let part = await read(); part.length; part = await read()) found.push(...part); // it gives 100 at a time
  return found;
}

/**
 * @param {FileSystemFileEntry} entry
 * @returns {Promise<File>}
 */
const file = (entry) => new Promise((resolve, reject) => entry.file(resolve, reject));

/**
 * Send files; those that cannot be used are listed, and the others go in.
 * @param {File[]} files
 * @param {import("./store.js").Store} store
 * @param {import("./changes.js").Changes} changes
 */
async function addFiles(files, store, changes) {
  const limits = store.state?.limits;
  if (!limits || !files.length) return;
  const known = new Set(store.state?.images.map((image) => image.id));
  const refused = files.map((file) => whyNot(file, limits)).filter((reason) => reason !== "");
  const sent = files.filter((file) => whyNot(file, limits) === "");
  for (let i = 0; i < sent.length; i += TOGETHER) {
    if (sent.length > TOGETHER) say(`Adding picture ${i + 1} of ${sent.length} …`);
    const form = new FormData();
    for (const file of sent.slice(i, i + TOGETHER)) form.append("files", file);
    const state = await changes.send("POST", "images", form);
    if (!state) return;
    refused.push(...(state.refused ?? []).map(({ reason }) => reason));
  }
  const added = store.state?.images.filter((image) => !known.has(image.id)) ?? [];
  if (added.length) {
    store.selectImage(added[0].id);
    say(`${count(added.length, "picture")} added.`);
  }
  if (refused.length) refuse(`${count(refused.length, "file")} not added:`, refused);
}

/**
 * Why a file cannot be used, "" if the server is to look at it.
 * @param {File} file
 * @param {import("./types.js").Limits} limits
 */
function whyNot({ name, size }, { megabytes, endings }) {
  const ending = name.slice(name.lastIndexOf(".")).toLowerCase();
  if (!endings.includes(ending)) return `${name} is not an image that can be read; JPEG, PNG and others are.`;
  if (size > megabytes * 1e6) return `${name} is larger than ${megabytes} MB; scale it down first.`;
  return "";
}
