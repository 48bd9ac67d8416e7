/** What a pointer does between being pressed and being released. Points are of the stage. */

/** @typedef {{x: number, y: number}} Point */
/** @typedef {import("./stage.js").Stage} Stage */
/** @typedef {import("./editor.js").Editor} Editor */

const STILL = 6; // pixels of the screen that a click may move, and that a box has at least

/** @param {Point} a @param {Point} b */
const distance = (a, b) => Math.hypot(a.x - b.x, a.y - b.y);

export class Gesture {
  /** @param {Point} point @returns {void} */
  move(point) {}
  /** @param {Point} point @returns {void} */
  end(point) {}
  cancel() {}
}

export class ClickGesture extends Gesture {
  /** @param {Stage} stage @param {Editor} editor @param {Point} start @param {boolean} positive */
  constructor(stage, editor, start, positive) {
    super();
    Object.assign(this, { stage, editor, start, positive });
  }

  end(point) {
    const place = this.stage.view.toImage(point);
    const { width, height } = this.stage.picture ?? { width: 0, height: 0 };
    const inside = place.x >= 0 && place.y >= 0 && place.x < width && place.y < height;
    if (inside && distance(point, this.start) < STILL) this.editor.click(place, this.positive);
  }
}

export class BoxGesture extends Gesture {
  /** @param {Stage} stage @param {Editor} editor @param {Point} start */
  constructor(stage, editor, start) {
    super();
    Object.assign(this, { stage, editor, start, before: stage.marks.box });
  }

  move(point) {
    this.stage.marks.box = this.#boxTo(point);
    this.stage.draw("marks");
  }

  end(point) {
    this.cancel();
    if (Math.min(Math.abs(point.x - this.start.x), Math.abs(point.y - this.start.y)) < STILL) return;
    this.editor.markBox(this.#boxTo(point));
  }

  cancel() {
    this.stage.marks.box = this.before;
    this.stage.draw("marks");
  }

  /**
   * @param {Point} point
   * @returns {import("./types.js").Box}
   */
  #boxTo(point) {
    const [from, to] = [this.stage.view.toImage(this.start), this.stage.view.toImage(point)];
    const { width, height } = this.stage.picture ?? { width: 0, height: 0 };
    const inside = (value, size) => Math.round(Math.min(size, Math.max(0, value)));
    return [
      inside(Math.min(from.y, to.y), height),
      inside(Math.min(from.x, to.x), width),
      inside(Math.max(from.y, to.y), height),
      inside(Math.max(from.x, to.x), width),
    ];
  }
}

export class StrokeGesture extends Gesture {
  /** @param {Stage} stage @param {Editor} editor @param {Point} start @param {number} radius of the screen @param {0 | 1} value */
  constructor(stage, editor, start, radius, value) {
    super();
    Object.assign(this, { stage, editor, radius, value, last: stage.view.toImage(start) });
    this.move(start);
  }

  move(point) {
    const place = this.stage.view.toImage(point);
    this.editor.drawStroke(this.last, place, this.radius / this.stage.view.scale, this.value);
    this.last = place;
  }

  end() {
    this.editor.endStroke();
  }

  cancel() {
    this.editor.endStroke(true);
  }
}

export class PanGesture extends Gesture {
  /** @param {Stage} stage @param {Point} start */
  constructor(stage, start) {
    super();
    Object.assign(this, { stage, last: start });
  }

  move(point) {
    this.stage.view.move(point.x - this.last.x, point.y - this.last.y);
    this.stage.drawAll();
    this.last = point;
  }
}

export class PinchGesture extends Gesture {
  /** @param {Stage} stage @param {Point[]} fingers two */
  constructor(stage, fingers) {
    super();
    Object.assign(this, { stage, fingers });
  }

  /** @param {Point[]} fingers */
  pinch([a, b]) {
    if (!b) return;
    const [before, after] = [middle(this.fingers), middle([a, b])];
    const factor = distance(a, b) / Math.max(1, distance(this.fingers[0], this.fingers[1]));
    this.stage.view.move(after.x - before.x, after.y - before.y);
    this.stage.view.zoomAt(after.x, after.y, factor);
    this.stage.drawAll();
    this.fingers = [a, b];
  }
}

/** @param {Point[]} fingers */
const middle = ([a, b]) => ({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });
