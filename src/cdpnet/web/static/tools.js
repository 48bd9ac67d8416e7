/** What pointers do on the stage: click, box, brush, erase, pan; two fingers zoom and pan. */

import { PanGesture, PinchGesture, BoxGesture, ClickGesture, StrokeGesture } from "./gestures.js";

/** @typedef {"add" | "subtract" | "box" | "brush" | "erase" | "pan"} Tool */

const RADII = { least: 2, most: 100, step: 1.25 }; // of the brush, in pixels of the screen, so zooming in refines it
const ZOOM = 1.0015; // per pixel of the wheel
const STEP = 1 / 40; // of the picture, by which a key moves the crosshair

export class Tools {
  /** @type {Tool} */
  tool = "add";
  radius = 14;
  /** Whether the space bar is held, which pans. */
  panning = false;
  /** @type {Map<number, {x: number, y: number}>} */
  #pointers = new Map();
  /** @type {import("./gestures.js").Gesture | null} */
  #gesture = null;
  /** @type {(() => void)[]} */
  #listeners = [];

  /**
   * @param {import("./stage.js").Stage} stage
   * @param {import("./editor.js").Editor} editor
   */
  constructor(stage, editor) {
    this.stage = stage;
    this.editor = editor;
    const { root } = stage;
    root.addEventListener("pointerdown", (event) => this.#down(event));
    root.addEventListener("pointermove", (event) => this.#move(event));
    root.addEventListener("pointerup", (event) => this.#up(event));
    root.addEventListener("pointercancel", (event) => this.#up(event, true));
    root.addEventListener("pointerleave", () => this.#hover(null));
    root.addEventListener("contextmenu", (event) => event.preventDefault());
    root.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
  }

  /** @param {() => void} listener called when the tool or the size of the brush changes */
  subscribe(listener) {
    this.#listeners.push(listener);
    listener();
  }

  /** @param {Tool} tool */
  choose(tool) {
    this.tool = tool;
    this.#hover(null);
    this.#notify();
  }

  /** @param {number} radius of the brush, in pixels of the screen */
  setRadius(radius) {
    this.radius = Math.min(RADII.most, Math.max(RADII.least, radius));
    if (this.stage.marks.brush) this.stage.marks.brush.radius = this.radius;
    this.stage.draw("marks");
    this.#notify();
  }

  /** @param {1 | -1} direction */
  stepRadius(direction) {
    this.setRadius(this.radius * RADII.step ** direction);
  }

  /**
   * Move the crosshair of the keyboard.
   * @param {number} across -1, 0 or 1
   * @param {number} down
   */
  moveCrosshair(across, down) {
    const { picture, marks } = this.stage;
    if (!picture) return;
    const step = STEP * Math.max(picture.width, picture.height);
    const { x, y } = marks.crosshair ?? { x: picture.width / 2, y: picture.height / 2 };
    const inside = (value, size) => Math.min(size - 0.5, Math.max(0.5, value));
    marks.crosshair = { x: inside(x + across * step, picture.width), y: inside(y + down * step, picture.height) };
    this.stage.draw("marks");
  }

  /** Use the tool at the crosshair; a box takes two corners, one after the other. */
  useAtCrosshair() {
    const { crosshair } = this.stage.marks;
    if (!crosshair) return this.moveCrosshair(0, 0);
    const point = this.stage.view.toStage(crosshair);
    const corner = this.#gesture instanceof BoxGesture;
    if (!corner) this.#gesture = this.#begin(this.tool, point);
    if (!this.#gesture || (this.tool === "box" && !corner)) return;
    this.#gesture.move(point);
    this.#gesture.end(point);
    this.#gesture = null;
  }

  /** Stop what the pointer has begun, as if it had not been; whether there was something to stop. */
  cancel() {
    const gesture = this.#gesture;
    this.#gesture = null;
    gesture?.cancel();
    return gesture !== null;
  }

  #notify() {
    for (const listener of this.#listeners) listener();
  }

  /** @param {PointerEvent} event */
  #down(event) {
    this.stage.root.focus({ preventScroll: true });
    const point = this.stage.pointOf(event);
    this.stage.root.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, point);
    this.stage.marks.crosshair = null;
    if (this.#pointers.size === 1) this.#gesture = this.#begin(this.#toolOf(event), point);
    else if (this.#pointers.size === 2) {
      this.cancel();
      this.#gesture = new PinchGesture(this.stage, [...this.#pointers.values()]);
    }
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const point = this.stage.pointOf(event);
    if (this.#pointers.has(event.pointerId)) this.#pointers.set(event.pointerId, point);
    if (this.#gesture instanceof PinchGesture) this.#gesture.pinch([...this.#pointers.values()]);
    else for (const each of pointsOf(event)) this.#gesture?.move(this.stage.pointOf(each));
    this.#hover(event.pointerType === "touch" ? null : point);
  }

  /**
   * @param {PointerEvent} event
   * @param {boolean} cancelled
   */
  #up(event, cancelled = false) {
    if (!this.#pointers.delete(event.pointerId)) return;
    const gesture = this.#gesture;
    this.#gesture = null;
    if (cancelled) gesture?.cancel();
    else gesture?.end(this.stage.pointOf(event));
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    event.preventDefault();
    if (event.ctrlKey) return this.stepRadius(event.deltaY < 0 ? 1 : -1);
    const { x, y } = this.stage.pointOf(event);
    this.stage.view.zoomAt(x, y, ZOOM ** -event.deltaY);
    this.stage.drawAll();
  }

  /**
   * @param {PointerEvent} event
   * @returns {Tool}
   */
  #toolOf(event) {
    if (event.button === 1 || this.panning) return "pan";
    const other = event.button === 2 || event.altKey;
    if (other && this.tool === "add") return "subtract";
    if (other && this.tool === "brush") return "erase";
    return this.tool;
  }

  /**
   * @param {Tool} tool
   * @param {{x: number, y: number}} point
   */
  #begin(tool, point) {
    if (tool === "pan") return new PanGesture(this.stage, point);
    if (!this.stage.picture) return null;
    if (tool === "box") return new BoxGesture(this.stage, this.editor, point);
    if (tool === "add" || tool === "subtract") return new ClickGesture(this.stage, this.editor, point, tool === "add");
    if (!this.editor.beginStroke()) return null;
    return new StrokeGesture(this.stage, this.editor, point, this.radius, tool === "brush" ? 1 : 0);
  }

  /** @param {{x: number, y: number} | null} point of the stage, null outside */
  #hover(point) {
    const draws = (this.tool === "brush" || this.tool === "erase") && point && this.stage.picture;
    const { marks } = this.stage;
    if (!draws && !marks.brush) return;
    marks.brush = draws ? { ...this.stage.view.toImage(point), radius: this.radius } : null;
    this.stage.draw("marks");
  }
}

/**
 * All places that a pointer passed since the event before.
 * @param {PointerEvent} event
 */
function pointsOf(event) {
  const passed = event.getCoalescedEvents?.() ?? [];
  return passed.length ? passed : [event];
}
