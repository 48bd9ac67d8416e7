/** Where an image lies on the stage: zoom and position. */

const MARGIN = 12; // pixels of the screen around a fitted image
const [LEAST, MOST] = [0.05, 32]; // screen pixels per pixel of the image

export class View {
  scale = 1;
  x = 0;
  y = 0;
  fitted = true;

  /** Whether pixels are blended; a person who looks at single pixels sees them as they are. */
  get smooth() {
    return this.scale < 3;
  }

  /**
   * Show the whole image in the middle.
   * @param {{width: number, height: number}} stage
   * @param {{width: number, height: number}} image
   */
  fit(stage, image) {
    const across = (stage.width - 2 * MARGIN) / image.width;
    const down = (stage.height - 2 * MARGIN) / image.height;
    this.scale = Math.max(LEAST, Math.min(across, down, 4));
    this.x = (stage.width - image.width * this.scale) / 2;
    this.y = (stage.height - image.height * this.scale) / 2;
    this.fitted = true;
  }

  /**
   * Zoom so that what is at a point of the stage stays there.
   * @param {number} x
   * @param {number} y
   * @param {number} factor
   */
  zoomAt(x, y, factor) {
    const scale = Math.min(MOST, Math.max(LEAST, this.scale * factor));
    this.x = x - ((x - this.x) * scale) / this.scale;
    this.y = y - ((y - this.y) * scale) / this.scale;
    this.scale = scale;
    this.fitted = false;
  }

  /**
   * @param {number} dx
   * @param {number} dy
   */
  move(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.fitted = false;
  }

  /**
   * The point of the image at a point of the stage.
   * @param {{x: number, y: number}} point
   */
  toImage(point) {
    return { x: (point.x - this.x) / this.scale, y: (point.y - this.y) / this.scale };
  }

  /**
   * The point of the stage at a point of the image.
   * @param {{x: number, y: number}} point
   */
  toStage(point) {
    return { x: point.x * this.scale + this.x, y: point.y * this.scale + this.y };
  }
}
