/** The outlines of masks: lines between pixels of different numbers. */

/**
 * The outline of each number but 0, in coordinates of the view; where a mask ends with the view there is none.
 * @param {Uint8Array} numbers (height * width)
 * @param {number} width
 * @returns {Map<number, Path2D>}
 */
export function outlinesOf(numbers, width) {
  const height = numbers.length / width;
  const outlines = new Map();
  addLines(outlines, numbers, [height, width], [width, 1], (path, y, from, to) => {
    path.moveTo(from, y);
    path.lineTo(to, y);
  });
  addLines(outlines, numbers, [width, height], [1, width], (path, x, from, to) => {
    path.moveTo(x, from);
    path.lineTo(x, to);
  });
  return outlines;
}

/**
 * Add the lines of one direction, each as long as the numbers on its two sides stay the same.
 * @param {Map<number, Path2D>} outlines
 * @param {Uint8Array} numbers
 * @param {[number, number]} size number of lines of pixels, and of pixels in a line
 * @param {[number, number]} steps in `numbers` to the next line, and to the next pixel of a line
 * @param {(path: Path2D, line: number, from: number, to: number) => void} add
 */
function addLines(outlines, numbers, [lines, length], [acrossStep, alongStep], add) {
  for (let line = 1; line < lines; line++) {
    let from = 0;
    for (let to = 1, i = line * acrossStep; to <= length; to++, i += alongStep) {
      const [here, before] = [numbers[i], numbers[i - acrossStep]];
      if (to < length && numbers[i + alongStep] === here && numbers[i + alongStep - acrossStep] === before) continue;
      if (here !== before) {
        for (const number of [here, before]) if (number) add(pathOf(outlines, number), line, from, to);
      }
      from = to;
    }
  }
}

/**
 * @param {Map<number, Path2D>} outlines
 * @param {number} number
 */
function pathOf(outlines, number) {
  const path = outlines.get(number) ?? new Path2D();
  outlines.set(number, path);
  return path;
}
