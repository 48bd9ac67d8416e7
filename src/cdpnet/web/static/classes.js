/** The classes of the project, and the examples of the chosen one. */

import { askName } from "./dialogs.js";
import { assign, count, element, find, keyed, percent, showItems } from "./dom.js";
import { say } from "./notes.js";

/** @typedef {import("./types.js").ProjectClass} ProjectClass */
/** @typedef {import("./types.js").Example} Example */

/**
 * @param {import("./store.js").Store} store
 * @param {import("./changes.js").Changes} changes
 */
export function showClasses(store, changes) {
  const rename = async (/** @type {string} */ id) => {
    const before = store.state?.classes.find((one) => one.id === id)?.name ?? "";
    const name = await askName(`A new name for ${before}`, before, store.state?.limits.name ?? 60);
    if (name !== null && name !== before) await changes.send("PATCH", `classes/${id}`, { name });
  };

  const remove = async (/** @type {ProjectClass} */ { id, name }) => {
    if (await changes.send("DELETE", `classes/${id}`)) say(`${name} is removed. ${keyed("Undo", "Ctrl+Z")} brings it back.`);
  };

  const create = (/** @type {ProjectClass} */ one) => {
    const choose = element("button", { type: "button", className: "choose" });
    choose.append(
      element("span", { className: "swatch" }),
      element("span", { className: "name" }),
      element("small"),
      element("kbd"),
      element("span", { className: "reason" })
    );
    const edit = element("button", { type: "button", className: "small" }, "✎");
    const drop = element("button", { type: "button", className: "small" }, "×");
    choose.addEventListener("click", () => store.chooseClass(one.id));
    edit.addEventListener("click", () => rename(one.id));
    drop.addEventListener("click", () => remove(one));
    return element("li", {}, choose, edit, drop);
  };

  const update = (/** @type {HTMLElement} */ item, /** @type {ProjectClass} */ one) => {
    const [choose, edit, drop] = /** @type {any[]} */ ([...item.children]);
    const [swatch, name, counts, key, reason] = choose.children;
    const position = (store.state?.classes.indexOf(one) ?? 0) + 1;
    swatch.style.setProperty("--class", one.colour);
    assign(name, { textContent: one.name });
    assign(key, { textContent: position < 10 ? String(position) : "" });
    const untaught = one.id === store.classId ? "" : "no example"; // the list of its examples says so, too
    assign(counts, { textContent: one.examples ? `${one.found} found` : untaught });
    assign(reason, { textContent: one.reason });
    const words = `${one.name}: ${count(one.examples, "example")}, found in ${count(one.found, "picture")}`;
    assign(choose, { ariaPressed: String(one.id === store.classId), title: words });
    assign(edit, { ariaLabel: `Rename ${one.name}`, title: `Rename ${one.name}` });
    assign(drop, { ariaLabel: `Remove ${one.name}`, title: `Remove ${one.name}` });
  };

  let chosen = store.classId;
  store.subscribe(() => {
    const list = find("#class-list");
    showItems(list, store.state?.classes ?? [], create, update);
    if (store.classId !== chosen) list.querySelector("[aria-pressed=true]")?.scrollIntoView({ block: "nearest" });
    chosen = store.classId;
    find("#no-class").hidden = (store.state?.classes.length ?? 0) > 0;
  });
}

/**
 * @param {import("./store.js").Store} store
 * @param {import("./changes.js").Changes} changes
 */
export function showExamples(store, changes) {
  const remove = async (/** @type {string} */ id) => {
    if (await changes.send("DELETE", `examples/${id}`)) say(`The example is removed. ${keyed("Undo", "Ctrl+Z")} brings it back.`);
  };

  const create = (/** @type {Example} */ { id, image }) => {
    const show = element("button", { type: "button" }, element("img", { alt: "" }));
    const used = element("input", { type: "checkbox" });
    const drop = element("button", { type: "button", className: "small" }, "×");
    show.addEventListener("click", () => store.selectImage(image));
    used.addEventListener("change", () => changes.send("PATCH", `examples/${id}`, { enabled: used.checked }));
    drop.addEventListener("click", () => remove(id));
    return element("li", {}, show, element("label", {}, used, element("span")), drop);
  };

  const update = (/** @type {HTMLElement} */ item, /** @type {Example} */ example) => {
    const [show, label, drop] = /** @type {any[]} */ ([...item.children]);
    const image = store.state?.images.find(({ id }) => id === example.image);
    const name = image?.name ?? "an image that was removed";
    const source = `api/examples/${encodeURIComponent(example.id)}/thumbnail?v=1`; // its mask never changes
    if (image) assign(show.firstChild, { src: new URL(source, document.baseURI).href });
    const differs = example.disagreement === null ? "used" : `differs ${percent(example.disagreement)}`;
    const use = example.absent ? "not there" : differs;
    assign(label.firstChild, { ariaLabel: `Learn from ${name}` });
    if (changes.answered) assign(label.firstChild, { checked: example.enabled });
    assign(label.lastChild, { textContent: example.enabled ? use : "off" });
    const share = example.disagreement === null ? "" : percent(example.disagreement);
    assign(label, { title: share && `What the other examples find in this picture differs from its mask by ${share}.` });
    assign(show, { ariaLabel: `Show ${name}`, title: name });
    assign(drop, { ariaLabel: `Remove the example of ${name}`, title: "Remove this example" });
  };

  store.subscribe(() => {
    const { state, chosenClass } = store;
    const examples = state?.examples.filter((example) => example.class === chosenClass?.id) ?? [];
    showItems(find("#example-list"), examples, create, update);
    const title = chosenClass ? `Examples of ${chosenClass.name}` : "Examples";
    assign(find("#examples-title"), { textContent: title });
    find("#no-example").hidden = examples.length > 0;
    const gain = state?.gain;
    const taught = state?.classes.find((one) => one.id === gain?.class);
    const text =
      gain && taught
        ? `${taught.name} was learned anew: ${gain.changed} of ${count(gain.of, "picture")} changed, ` +
          `by ${percent(gain.mean_change)} on average.`
        : "";
    assign(find("#gain"), { textContent: text });
  });
}
