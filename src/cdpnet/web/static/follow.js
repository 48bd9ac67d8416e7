/** Keep the page as the server's project is: what is computed, and what other browsers change. */

import { loadState, Refusal, waitForState } from "./api.js";
import { find } from "./dom.js";
import { refuse } from "./notes.js";

const PATIENCE = 2000; // milliseconds between attempts while the server does not answer

/** @param {import("./store.js").Store} store */
export async function follow(store) {
  let lost = true; // until the first state has come
  for (;;) {
    try {
      store.accept(await (lost || !store.state ? loadState() : waitForState(store.state.revision)), lost);
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
