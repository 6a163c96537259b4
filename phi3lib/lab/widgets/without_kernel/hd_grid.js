// @ts-check
// The geometry of the HD transform, the same as in phi3lib/vision/hd_transform.py and token_map.py: whole
// numbers throughout, and one division of floats that is truncated as in the official code.

import { fixed } from "./svg.js";

export const TILE = 336, TOKEN = 28, SIDE = 12; // pixels of a crop and of a token; tokens on a side of a crop

/**
 * @typedef {{ width: number, height: number, numCrops: number, rows: number, cols: number,
 *   resized: [number, number], padding: [number, number, number, number] }} Grid
 * @typedef {"crop" | "global view" | "row separator" | "view separator"} Kind
 * @typedef {{ index: number, kind: Kind, view: Kind | null, row: number, col: number, crop: number | null }} Token
 * @typedef {{ kind: "crop" | "global view", start: number, rows: number, cols: number }} View
 * @typedef {[number, number, number, number]} Box left, top, right, bottom
 */

/** @param {number} n @param {number} d */
const floorDivide = (n, d) => (n - (((n % d) + d) % d)) / d;
/** @param {number} n @param {number} d */
const ceilDivide = (n, d) => -floorDivide(-n, d) || 0; // no −0

/**
 * The grid of crops for a picture. RangeError for sizes below 1 and for too extreme ones.
 * @param {number} width
 * @param {number} height
 * @param {number} numCrops
 * @returns {Grid}
 */
export function hdGrid(width, height, numCrops) {
  for (const [name, size] of Object.entries({ width, height, num_crops: numCrops })) {
    if (size < 1) throw new RangeError(`${name} is ${size}; expected a whole number, at least 1`);
  }
  const tall = width < height;
  const ratio = tall ? height / width : width / height;
  const longTiles = mostTiles(ratio, numCrops), long = longTiles * TILE, short = Math.trunc(long / ratio);
  if (short === 0) {
    throw new RangeError(
      `a picture of ${width}×${height} pixels is too extreme for the HD transform: with num_crops=${numCrops} ` +
        `the longer side may be at most ${long} times the shorter one (here ${fixed(ratio, 0)} times). Crop the ` +
        "picture or raise num_crops.",
    );
  }
  const shortTiles = Math.ceil(short / TILE), missing = shortTiles * TILE - short;
  const before = floorDivide(missing, 2), after = missing - before;
  return {
    width, height, numCrops,
    rows: tall ? longTiles : shortTiles,
    cols: tall ? shortTiles : longTiles,
    resized: tall ? [short, long] : [long, short],
    padding: tall ? [before, 0, after, 0] : [0, before, 0, after],
  };
}

/** @param {number} ratio @param {number} numCrops */
function mostTiles(ratio, numCrops) {
  let tiles = 1;
  while (tiles * Math.ceil(tiles / ratio) <= numCrops) tiles += 1;
  return tiles - 1;
}

/** @param {Grid} grid */
export function countTokens({ rows, cols }) {
  return (rows * cols + 1) * SIDE * SIDE + 1 + (rows + 1) * SIDE;
}

/** @param {Grid} grid @returns {Record<Kind, number>} how many tokens of each kind the sequence has */
export function tokenBill({ rows, cols }) {
  return {
    crop: rows * cols * SIDE * SIDE,
    "global view": SIDE * SIDE,
    "row separator": (rows + 1) * SIDE,
    "view separator": 1,
  };
}

/** @param {Grid} grid @param {string} order @returns {[View, View]} in the order of the sequence */
function viewsOf({ rows, cols }, order) {
  /** @type {View} */
  const crops = { kind: "crop", start: 0, rows: rows * SIDE, cols: cols * SIDE };
  /** @type {View} */
  const whole = { kind: "global view", start: 0, rows: SIDE, cols: SIDE };
  const [first, second] = order === "sub_glb" ? [crops, whole] : [whole, crops];
  return [first, { ...second, start: lengthOf(first) + 1 }];
}

/** @param {View} view */
const lengthOf = (view) => view.rows * (view.cols + 1); // each row of tokens ends with a separator

/** @param {Grid} grid @param {number} index @param {string} order @returns {Token} */
export function tokenAt(grid, index, order) {
  const [first, second] = viewsOf(grid, order), between = lengthOf(first);
  if (index === between) return { index, kind: "view separator", view: null, row: 0, col: 0, crop: null };
  const view = index < between ? first : second;
  const row = floorDivide(index - view.start, view.cols + 1), col = (index - view.start) % (view.cols + 1);
  if (col === view.cols) return { index, kind: "row separator", view: view.kind, row, col, crop: null };
  const crop = view.kind === "crop" ? floorDivide(row, SIDE) * grid.cols + floorDivide(col, SIDE) : null;
  return { index, kind: view.kind, view: view.kind, row, col, crop };
}

/** @param {Grid} grid @param {Kind} view @returns {[number, number]} pixels of a token in the padded picture */
function extentOf(grid, view) {
  return view === "crop" ? [TOKEN, TOKEN] : [TOKEN * grid.cols, TOKEN * grid.rows];
}

/** @param {Grid} grid @param {number} index @param {string} order @returns {Box | null} null for separators */
export function paddedBox(grid, index, order) {
  const token = tokenAt(grid, index, order);
  if (token.kind === "row separator" || token.kind === "view separator") return null;
  const [width, height] = extentOf(grid, token.kind), left = token.col * width, top = token.row * height;
  return [left, top, left + width, top + height];
}

/**
 * The pixels of the original picture that a token represents; null for separators and for padding alone.
 * @param {Grid} grid
 * @param {number} index
 * @param {string} order
 * @returns {Box | null}
 */
export function pixelsOf(grid, index, order) {
  const box = paddedBox(grid, index, order);
  if (!box) return null;
  const across = toOriginal(box[0], box[2], grid.padding[0], grid.resized[0], grid.width);
  const down = toOriginal(box[1], box[3], grid.padding[1], grid.resized[1], grid.height);
  return across && down && [across[0], down[0], across[1], down[1]];
}

/**
 * Along one side: the original pixels that [from, to) of the padded picture touches.
 * @param {number} from @param {number} to @param {number} padding @param {number} resized @param {number} original
 * @returns {[number, number] | null}
 */
function toOriginal(from, to, padding, resized, original) {
  const start = Math.max(from - padding, 0), stop = Math.min(to - padding, resized);
  return start >= stop ? null : [floorDivide(start * original, resized), ceilDivide(stop * original, resized)];
}

/**
 * All tokens that see a pixel of the original picture, in the order of the sequence.
 * @param {Grid} grid @param {number} x @param {number} y @param {string} order
 * @returns {number[]}
 */
export function tokensAt(grid, x, y, order) {
  return viewsOf(grid, order).flatMap((view) => {
    const [width, height] = extentOf(grid, view.kind);
    const cols = tokensAlong(x, grid.padding[0], grid.resized[0], grid.width, width);
    const rows = tokensAlong(y, grid.padding[1], grid.resized[1], grid.height, height);
    return rows.flatMap((row) => cols.map((col) => view.start + row * (view.cols + 1) + col));
  });
}

/**
 * @param {number} pixel @param {number} padding @param {number} resized @param {number} original
 * @param {number} extent
 */
function tokensAlong(pixel, padding, resized, original, extent) {
  const first = floorDivide(pixel * resized + padding * original, extent * original);
  const end = ceilDivide((pixel + 1) * resized + padding * original, extent * original);
  return Array.from({ length: end - first }, (_, n) => first + n);
}
