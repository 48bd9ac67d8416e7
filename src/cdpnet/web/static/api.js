/** Requests to the server. */

/** What the server refused; the message is its sentence. */
export class Refusal extends Error {
  /**
   * @param {string} message
   * @param {number} status of HTTP; 0 where there was no answer
   */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/**
 * Send a request; throws a Refusal with one sentence for any answer that is not a success.
 * @param {string} method
 * @param {string} path below `api/`
 * @param {{body?: unknown, signal?: AbortSignal}} options body: FormData, or sent as JSON
 * @returns {Promise<Response>}
 */
export async function request(method, path, { body, signal } = {}) {
  /** @type {RequestInit} */
  const init = { method, signal };
  if (body instanceof FormData) init.body = body;
  else if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { "Content-Type": "application/json" };
  }
  let answer;
  try {
    answer = await fetch(`api/${path}`, init);
    await answer.clone().arrayBuffer(); // the connection may end in its middle
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Refusal("The server did not answer; try again.", 0); // it may have done what was asked
  }
  if (!answer.ok) throw new Refusal(await sentence(answer), answer.status);
  return answer;
}

/**
 * Why something failed, in a sentence. Whatever is no refusal is a fault of the page, which the browser reports.
 * @param {unknown} error
 */
export function reasonOf(error) {
  if (error instanceof Refusal) return error.message;
  reportError(error);
  return "The page could not use what the server answered; reload it. Masks that are not saved yet stay.";
}

/** @param {Response} answer */
async function sentence(answer) {
  try {
    const { detail } = await answer.json();
    if (typeof detail === "string") return detail;
  } catch {
    // not JSON: an answer of a proxy, not of this server
  }
  return `The server answered ${answer.status}.`;
}

/**
 * The state of the project.
 * @returns {Promise<import("./types.js").State>}
 */
export const loadState = async () => (await request("GET", "state")).json();

/**
 * The state as soon as it differs from the revision, at the latest after 20 seconds.
 * @param {number} revision
 * @returns {Promise<import("./types.js").State>}
 */
export const waitForState = async (revision) => (await request("GET", `events?after=${revision}`)).json();

/**
 * The address of a file of an image.
 * @param {import("./types.js").ProjectImage} image
 * @param {"view" | "masks" | "thumbnail"} file
 */
export function imageUrl(image, file) {
  const drawn = file === "thumbnail" ? "masks=1&" : "";
  return `images/${encodeURIComponent(image.id)}/${file}?${drawn}v=${image.revision}`;
}
