/** Three layers of canvas: the picture, its masks, and marks such as clicks, a box and the brush. */

import { View } from "./view.js";

/** @typedef {"picture" | "masks" | "marks"} Layer */
/** @typedef {{x: number, y: number}} Point */

/** What lies above the masks, in coordinates of the view. */
export class Marks {
  /** @type {import("./types.js").Click[]} */
  clicks = [];
  /** @type {import("./types.js").Box | null} */
  box = null;
  /** @type {(Point & {radius: number}) | null} its radius is in pixels of the screen */
  brush = null;
  /** @type {Point | null} the pointer of the keyboard */
  crosshair = null;
}

/** @type {Layer[]} */
const LAYERS = ["picture", "masks", "marks"];

export class Stage {
  view = new View();
  marks = new Marks();
  /** @type {ImageBitmap | null} */
  picture = null;
  /** @type {import("./overlay.js").Overlay | null} */
  overlay = null;
  #size = { width: 0, height: 0 };
  #stale = new Set();

  /** @param {HTMLElement} root with a canvas for each layer */
  constructor(root) {
    this.root = root;
    this.contexts = Object.fromEntries(
      LAYERS.map((layer) => [layer, root.querySelector(`canvas[data-layer=${layer}]`).getContext("2d")])
    );
    new ResizeObserver(() => this.#resize()).observe(root);
    this.#resize();
  }

  /**
   * Draw layers again before the screen is drawn next.
   * @param {...Layer} layers
   */
  draw(...layers) {
    if (!this.#stale.size) requestAnimationFrame(() => this.#drawStale());
    for (const layer of layers) this.#stale.add(layer);
  }

  /** Draw all layers, after zooming and moving. */
  drawAll() {
    this.draw(...LAYERS);
  }

  fit() {
    if (this.picture) this.view.fit(this.#size, this.picture);
    this.drawAll();
  }

  /** @param {number} factor by which to zoom at the middle */
  zoom(factor) {
    this.view.zoomAt(this.#size.width / 2, this.#size.height / 2, factor);
    this.drawAll();
  }

  /**
   * The point of the stage under the pointer.
   * @param {MouseEvent} event
   */
  pointOf(event) {
    const { left, top } = this.root.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }

  #resize() {
    this.#size = { width: this.root.clientWidth, height: this.root.clientHeight };
    for (const { canvas } of Object.values(this.contexts)) {
      canvas.width = Math.round(this.#size.width * devicePixelRatio);
      canvas.height = Math.round(this.#size.height * devicePixelRatio);
    }
    if (this.view.fitted) this.fit();
    else this.drawAll();
  }

  #drawStale() {
    const layers = [...this.#stale];
    this.#stale.clear();
    for (const layer of layers) {
      const context = this.contexts[layer];
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.clearRect(0, 0, context.canvas.width, context.canvas.height);
      if (!this.picture) continue;
      context.scale(devicePixelRatio, devicePixelRatio);
      if (layer === "marks") drawMarks(context, this.marks, this.view);
      else if (layer === "masks") this.overlay?.draw(context, this.view);
      else this.#drawPicture(context, this.picture);
    }
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {ImageBitmap} picture
   */
  #drawPicture(context, picture) {
    const { x, y, scale, smooth } = this.view;
    context.imageSmoothingEnabled = smooth;
    context.drawImage(picture, x, y, picture.width * scale, picture.height * scale);
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Marks} marks
 * @param {View} view
 */
function drawMarks(context, marks, view) {
  if (marks.box) {
    const [top, left, bottom, right] = marks.box;
    const corner = view.toStage({ x: left, y: top });
    const box = new Path2D();
    box.rect(corner.x, corner.y, (right - left) * view.scale, (bottom - top) * view.scale);
    outline(context, box);
  }
  for (const [row, column, positive] of marks.clicks) {
    drawClick(context, view.toStage({ x: column, y: row }), positive);
  }
  if (marks.brush) {
    const { x, y } = view.toStage(marks.brush);
    const circle = new Path2D();
    circle.arc(x, y, marks.brush.radius, 0, 2 * Math.PI);
    outline(context, circle);
  }
  if (marks.crosshair) {
    const { x, y } = view.toStage(marks.crosshair);
    outline(context, new Path2D(`M${x - 14} ${y}h10M${x + 4} ${y}h10M${x} ${y - 14}v10M${x} ${y + 4}v10`));
  }
}

/** A line that is seen on every picture: black, and white inside. */
function outline(context, path) {
  context.strokeStyle = "#000";
  context.lineWidth = 3.5;
  context.stroke(path);
  context.strokeStyle = "#fff";
  context.lineWidth = 1.5;
  context.stroke(path);
}

/** A disc with plus or minus. */
function drawClick(context, { x, y }, positive) {
  const disc = new Path2D();
  disc.arc(x, y, 8, 0, 2 * Math.PI);
  context.fillStyle = positive ? "#047857" : "#b91c1c";
  context.fill(disc);
  context.strokeStyle = "#fff";
  context.lineWidth = 2;
  context.stroke(disc);
  context.stroke(new Path2D(`M${x - 4} ${y}h8${positive ? `M${x} ${y - 4}v8` : ""}`));
}
