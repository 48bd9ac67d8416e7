/** Keep the page as the server's project is: what is computed, and what other browsers change. */

import { loadState, waitForState } from "./api.js";
import { find } from "./dom.js";

const PATIENCE = 2000; // milliseconds between attempts while the server does not answer

/** @param {import("./store.js").Store} store */
export async function follow(store) {
  let lost = true; // until the first state has come
  for (;;) {
    try {
      store.accept(await (lost || !store.state ? loadState() : waitForState(store.state.revision)), lost);
      lost = false;
    } catch {
      lost = true;
      await new Promise((resolve) => setTimeout(resolve, PATIENCE));
    }
    find("#connection").hidden = !lost;
  }
}
