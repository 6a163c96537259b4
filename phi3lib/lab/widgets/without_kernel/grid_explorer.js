// @ts-check
// Answers the grid explorer in the place of Python: sizes and crops, the grid and the tokens that follow.
import { TILE, countTokens, hdGrid, tokenBill } from "./hd_grid.js";
import { fixed, picture, shape, words } from "./svg.js";

/** @typedef {import("./hd_grid.js").Grid} Grid */

/** @param {Grid} grid @returns {string} grid, padding and token bill in words */
export function gridSentence(grid) {
  const { width, height, numCrops, rows, cols, resized } = grid;
  const white = 1 - (resized[0] * resized[1]) / (cols * TILE * (rows * TILE));
  return (
    `${width} × ${height} pixels with at most ${numCrops} crops: ${rows} × ${cols} crops, ` +
    `${cols * TILE} × ${rows * TILE} pixels, ${fixed(white * 100, 0)}% padding, ${countTokens(grid)} tokens.`
  );
}

/** @param {Grid} grid @param {boolean} narrow whether the parts stand below each other */
export function gridPicture(grid, narrow) {
  const side = narrow ? 336 : 400;
  const scale = Math.min((side - 20) / (grid.cols * TILE), 270 / (grid.rows * TILE));
  const drawn = outline(grid, scale), bill = bars(grid, side);
  const below = grid.rows * TILE * scale + 50;
  const [left, top] = narrow ? [0, below] : [side, 20];
  const height = narrow ? below + 170 : Math.max(below, 190);
  return picture(narrow ? side : 2 * side, Math.ceil(height), drawn + shape("g", { transform: `translate(${left} ${top})` }, bill));
}

/** @param {Grid} grid @param {number} scale */
function outline(grid, scale) {
  const { rows, cols, resized, padding } = grid, tile = TILE * scale;
  const [width, height] = [cols * tile, rows * tile];
  const hatch =
    "<pattern id='hatch' width='8' height='8' patternUnits='userSpaceOnUse' patternTransform='rotate(45)'>" +
    `<rect width='2' height='8' fill='${PALETTE.hatched}'/></pattern>`;
  const paper = shape("rect", { width, height, fill: "url(#hatch)" });
  const seen = { x: padding[0] * scale, y: padding[1] * scale, width: resized[0] * scale, height: resized[1] * scale };
  const image = shape("rect", { ...seen, fill: PALETTE.figurePaper }) + shape("rect", { ...seen, fill: PALETTE.secondBar, "fill-opacity": 0.35 });
  const crops = Array.from({ length: rows * cols }, (_, n) => {
    const [x, y] = [(n % cols) * tile, Math.floor(n / cols) * tile];
    return shape("rect", { x, y, width: tile, height: tile, fill: "none", stroke: PALETTE.kinds.crop, "stroke-width": 1.5 });
  });
  const label = words(0, height + 18, `${cols * TILE} × ${rows * TILE} pixels; hatched: padding`);
  return shape("g", { transform: "translate(10 10)" }, `<defs>${hatch}</defs>${paper}${image}${crops.join("")}${label}`);
}

/** @param {Grid} grid @param {number} width */
function bars(grid, width) {
  const bill = Object.entries(tokenBill(grid)), most = Math.max(...bill.map(([, count]) => count));
  const lines = bill.map(([kind, count], n) => {
    const y = 24 + n * 32, long = (count / most) * (width - 180);
    const fill = PALETTE.kinds[/** @type {keyof typeof PALETTE.kinds} */ (kind)];
    return (
      words(112, y + 15, kind, { "text-anchor": "end" }) +
      shape("rect", { x: 120, y, width: Math.max(long, 1), height: 22, fill }) + words(126 + long, y + 15, String(count))
    );
  });
  return words(120, 12, `${countTokens(grid)} tokens`, { "font-weight": 600 }) + lines.join("");
}

/**
 * @param {import("./stand_in.js").StandIn} model
 * @param {{ offered: Record<"width" | "height" | "num_crops", number[]> }} data
 */
export function answerGrid(model, { offered }) {
  model.set("drawing", true); // lines and letters: it follows a dark theme
  function show() {
    const places = model.get("values");
    try {
      const grid = hdGrid(offered.width[places.width], offered.height[places.height], offered.num_crops[places.num_crops]);
      model.set("picture", gridPicture(grid, model.narrow()));
      model.set("sentence", gridSentence(grid));
    } catch (error) {
      model.set("sentence", `Not applied: ${error instanceof Error ? error.message : error}.`);
    }
  }
  model.on("change:values change:narrow", show);
  show();
}
