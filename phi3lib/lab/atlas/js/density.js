// @ts-check
// How dense a map is: a shade of all of it, and lines around the densest parts of what is in view. This part
// touches no document.

const FOGGED = 160, FRINGE = 0.1, LINED = 160, ENCLOSED = [0.95, 0.75, 0.5, 0.25], ENCLOSED_OF_GROUPS = [0.9, 0.5], MOST_LINED = 8, LEAST_LINED = 8;

/**
 * How many points stand around each cell of the square with a fringe, smoothed, as shares of the most: FOGGED × FOGGED,
 * y down.
 * @param {ArrayLike<number>} places @param {(point: number) => boolean} hidden @returns {Float32Array}
 */
function fog(places, hidden) {
  const side = FOGGED, line = (value) => Math.min(Math.max(Math.floor(((value + FRINGE) / (1 + 2 * FRINGE)) * side), 0), side - 1);
  const counts = new Float32Array(side * side);
  for (let point = 0; 2 * point < places.length; point++) if (!hidden(point)) counts[line(1 - places[2 * point + 1]) * side + line(places[2 * point])] += 1;
  const cells = smoothed(counts, side);
  const most = cells.reduce((a, b) => Math.max(a, b), 0) || 1;
  return cells.map((value) => value / most);
}

// Three means in a row are nearly a bell curve.
/** @param {Float32Array} cells @param {number} side */
function smoothed(cells, side) {
  let found = cells;
  for (let pass = 0; pass < 3; pass++) found = blurred(blurred(found, side, 1, side), side, side, 1);
  return found;
}

// The mean of each cell and the two on either side, along lines (a step of 1) or columns.
function blurred(cells, side, step, across) {
  const next = new Float32Array(cells.length);
  for (let lane = 0; lane < side; lane++) {
    for (let n = 0; n < side; n++) {
      let sum = 0;
      for (let near = Math.max(n - 2, 0); near <= Math.min(n + 2, side - 1); near++) sum += cells[lane * across + near * step];
      next[lane * across + n * step] = sum / 5;
    }
  }
  return next;
}

// ------------------------------------------------------------------------------------------ lines of equal density

/**
 * The square around what is in view that lines are made for: it changes when the zoom has doubled, or the view has
 * moved to its rim, and not before.
 * @param {Camera} camera @returns {{left: number, bottom: number, side: number, key: string}}
 */
function windowOf(camera) {
  const extent = Math.max(camera.width, camera.height) / (camera.fit() * 2 ** Math.floor(Math.log2(camera.zoom))), step = extent / 4;
  const [column, row] = [Math.round(camera.x / step), Math.round(camera.y / step)], side = 1.5 * extent;
  return { left: column * step - side / 2, bottom: row * step - side / 2, side, key: `${extent} ${column} ${row}` };
}

/**
 * Lines around the densest parts in a window, of all points or of each of the largest groups.
 * @param {{left: number, bottom: number, side: number}} window @param {ArrayLike<number>} places
 * @param {ArrayLike<number> | null} codes the group of each point; null: all are one
 * @param {(point: number) => boolean} hidden
 * @returns {{code: number, count: number, peak: [number, number], lines: Float32Array[]}[]} the largest group first;
 *   lines by share, as places of the two ends of each piece
 */
function contours({ left, bottom, side }, places, codes, hidden) {
  const cells = /** @type {Map<number, {counts: Float32Array, count: number}>} */ (new Map()), scale = LINED / side;
  for (let point = 0; 2 * point < places.length; point++) {
    const column = Math.floor((places[2 * point] - left) * scale), row = Math.floor((places[2 * point + 1] - bottom) * scale);
    if (!(column >= 0 && row >= 0 && column < LINED && row < LINED) || hidden(point)) continue;
    const code = codes ? codes[point] : 0;
    let group = cells.get(code);
    if (!group) cells.set(code, (group = { counts: new Float32Array(LINED * LINED), count: 0 }));
    group.counts[row * LINED + column] += 1;
    group.count += 1;
  }
  const largest = [...cells].filter(([, { count }]) => count >= LEAST_LINED).sort((a, b) => b[1].count - a[1].count || a[0] - b[0]).slice(0, MOST_LINED);
  return largest.map(([code, { counts, count }]) => {
    const density = smoothed(counts, LINED), peak = density.reduce((best, value, cell) => (value > density[best] ? cell : best), 0);
    const place = (cell) => /** @type {[number, number]} */ ([left + ((cell % LINED) + 0.5) / scale, bottom + (Math.floor(cell / LINED) + 0.5) / scale]);
    const levels = levelsOf(density, codes ? ENCLOSED_OF_GROUPS : ENCLOSED);
    return { code, count, peak: place(peak), lines: levels.map((level) => isoline(density, LINED, level).map((at, n) => (n % 2 ? bottom : left) + (at + 0.5) / scale)) };
  });
}

// The densities above which these shares of all lie.
/** @param {Float32Array} density @param {number[]} shares */
function levelsOf(density, shares) {
  const sorted = density.filter((value) => value > 0).sort().reverse(), all = sorted.reduce((a, b) => a + b, 0);
  return shares.map((share) => {
    let sum = 0;
    return sorted.find((value) => (sum += value) >= share * all) || 0;
  });
}

/**
 * The line along which a grid has a value, in pieces of four numbers (marching squares; ends are interpolated).
 * @param {Float32Array} grid @param {number} side @param {number} level @returns {Float32Array} column and row of both ends
 */
function isoline(grid, side, level) {
  const /** @type {number[]} */ found = [];
  for (let row = 0; row + 1 < side; row++) {
    for (let column = 0; column + 1 < side; column++) {
      const at = row * side + column, corners = [grid[at], grid[at + 1], grid[at + side + 1], grid[at + side]];
      const above = corners.map((value) => value >= level), crossed = [0, 1, 2, 3].filter((edge) => above[edge] !== above[(edge + 1) % 4]);
      if (!crossed.length) continue;
      const ends = crossed.map((edge) => crossing(corners, edge, level, column, row));
      // Of a saddle, the corners that are above stand alone, or together where the middle is above.
      const together = crossed.length === 4 && above[0] === corners.reduce((a, b) => a + b, 0) >= 4 * level;
      for (const [from, to] of crossed.length === 2 ? [[0, 1]] : together ? [[0, 1], [2, 3]] : [[3, 0], [1, 2]]) found.push(...ends[from], ...ends[to]);
    }
  }
  return Float32Array.from(found);
}

// Where an edge of a cell has the level: edges 0 to 3 are below, right, above, left.
function crossing(corners, edge, level, column, row) {
  const [from, to] = [corners[edge], corners[(edge + 1) % 4]], share = (level - from) / (to - from);
  return [[column + share, row], [column + 1, row + share], [column + 1 - share, row + 1], [column, row + 1 - share]][edge];
}
