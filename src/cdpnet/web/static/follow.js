/** Keep the page as the server's project is: what is computed, and what other browsers change. */

import { loadState, Refusal, waitForState } from "./api.js";
import { find } from "./dom.js";
import { refuse } from "./notes.js";

const PATIENCE = 2000; // milliseconds between attempts while the server does not answer

/**
 * @param {import("./store.js").Store} store
 * @param {import("./changes.js").Changes} changes
 */
export async function follow(store, changes) {
  let lost = true; // until the first state has come
  for (;;) {
    try {
      if (lost || !store.state) store.accept(await loadState(), true);
      else changes.catchUp(await waitForState(store.state.revision));
      lost = false;
      find("#connection").hidden = true;
    } catch (error) {
      lost = true;
      if (error instanceof Refusal && error.status) refuse(error.message);
      else find("#connection").hidden = false;
      await new Promise((resolve) => setTimeout(resolve, PATIENCE));
    }
  }
}
