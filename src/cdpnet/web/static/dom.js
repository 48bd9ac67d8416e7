/** Find, make and update elements. Text is always set as text, never as HTML. */

/**
 * The element of a selector, which the page must have.
 * @param {string} selector
 * @returns {any}
 */
export function find(selector) {
  const found = document.querySelector(selector);
  if (!found) throw new Error(`The page has no ${selector}.`);
  return found;
}

/**
 * A new element; `data` are its data attributes, names with a hyphen are attributes, others are properties.
 * @param {string} tag
 * @param {Record<string, any>} properties
 * @param {...(Node | string)} children
 * @returns {any}
 */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "data") Object.assign(made.dataset, value);
    else if (name.includes("-")) made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

/**
 * Make a list show these items: elements of known items stay, so that focus and scroll positions do.
 * @template {{id: string}} Item
 * @param {HTMLElement} list
 * @param {Item[]} items
 * @param {(item: Item) => HTMLElement} create
 * @param {(made: any, item: Item) => void} update
 */
export function showItems(list, items, create, update) {
  const known = new Map([...list.children].map((child) => [/** @type {HTMLElement} */ (child).dataset.id, child]));
  items.forEach((item, position) => {
    let made = known.get(item.id);
    known.delete(item.id);
    if (!made) {
      made = create(item);
      /** @type {HTMLElement} */ (made).dataset.id = item.id;
    }
    if (list.children[position] !== made) list.insertBefore(made, list.children[position] ?? null);
    update(made, item);
  });
  for (const child of known.values()) child.remove();
}

/**
 * Set a property only where it differs, so that nothing is drawn or announced anew for nothing.
 * @param {any} target
 * @param {Record<string, any>} properties
 */
export function assign(target, properties) {
  for (const [name, value] of Object.entries(properties)) if (target[name] !== value) target[name] = value;
}

/**
 * A share as text.
 * @param {number} share 0..1
 */
export function percent(share) {
  const value = 100 * share;
  return `${value > 0 && value < 10 ? value.toFixed(1) : Math.round(value)}\u00a0%`;
}

/** Whether there is a keyboard to speak of: a touch screen has none. */
export const hasKeys = () => !matchMedia("(pointer: coarse)").matches;

/**
 * What a button does, with its key where there are keys.
 * @param {string} words
 * @param {string} key
 */
export const keyed = (words, key) => (hasKeys() ? `${words} (${key})` : words);

/**
 * A number with its noun.
 * @param {number} number
 * @param {string} noun in the singular
 */
export const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : noun.endsWith("s") ? "es" : "s"}`;
