// @ts-check
// Draws what drawing.py describes: rows of small pictures with words below, and strips of numbers.
import { picture, shape, shortened, words } from "./svg.js";

/**
 * @typedef {{ picture: number | null, title: string, frame?: string, patch?: [number, number, number],
 *   heat?: string }} Tile
 * @typedef {{ name?: string, tiles?: Tile[], strip?: string, label?: string }} Row
 * @typedef {{ pictures: string[], sizes: [number, number][], palettes: { heat: string, strip: string } }} Shared
 */

const BOX = 100, STEP = 112, LETTERS = 17, LINE = 15;

/**
 * @param {Row[]} rows
 * @param {Shared} shared
 * @param {boolean} narrow whether three pictures stand side by side instead of seven
 * @returns {string} a data URI
 */
export function drawn(rows, shared, narrow) {
  const columns = narrow ? 3 : 7, width = columns * STEP;
  let top = 6, markup = "";
  for (const row of rows) {
    if (row.name) {
      markup += words(4, top + 12, row.name, { "font-weight": 600 });
      top += 20;
    }
    for (let start = 0; start < (row.tiles?.length ?? 0); start += columns) {
      const part = row.tiles?.slice(start, start + columns) ?? [];
      part.forEach((tile, place) => (markup += tileAt(4 + place * STEP, top, tile, shared)));
      top += BOX + 8 + LINE * Math.max(...part.map((tile) => lines(tile.title).length));
    }
    if (row.strip) {
      markup += stripAt(4, top, width - 16, row.strip, shared.palettes.strip);
      top += 26;
    }
    if (row.label) {
      markup += words(4, top + 14, row.label);
      top += 24;
    }
    top += 6;
  }
  const gray = "<filter id='gray'><feColorMatrix type='saturate' values='0'/></filter>";
  return picture(width, top, `<defs>${gray}</defs>${markup}`);
}

/** @param {string} title */
const lines = (title) => (title ? title.split("\n") : []);

/** @param {string} levels @param {string} palette @returns {string[]} a color for each byte */
export function colorsOf(levels, palette) {
  const count = palette.length / 6;
  return (levels.match(/../g) ?? []).map((byte) => {
    const place = Math.round((parseInt(byte, 16) / 255) * (count - 1));
    return `#${palette.slice(6 * place, 6 * place + 6)}`;
  });
}

/** @param {number} left @param {number} top @param {Tile} tile @param {Shared} shared */
function tileAt(left, top, tile, { pictures, sizes, palettes }) {
  const [w, h] = tile.picture === null ? [1, 1] : sizes[tile.picture], scale = BOX / Math.max(w, h);
  const [width, height] = [w * scale, h * scale], x = left + (BOX - width) / 2, y = top + (BOX - height) / 2;
  let markup = "";
  if (tile.picture !== null) {
    /** @type {Record<string, string>} */
    const filter = tile.heat ? { filter: "url(#gray)" } : {};
    markup += shape("image", { href: pictures[tile.picture], x, y, width, height, ...filter });
  }
  if (tile.heat) {
    const side = Math.round((tile.heat.length / 2) ** 0.5), cell = width / side;
    const cells = colorsOf(tile.heat, palettes.heat).map((fill, n) =>
      shape("rect", { x: x + (n % side) * cell, y: y + Math.floor(n / side) * cell, width: cell, height: cell, fill }));
    markup += shape("g", { opacity: tile.picture === null ? 1 : 0.6, "shape-rendering": "crispEdges" }, cells.join(""));
  }
  if (tile.patch) {
    const [row, col, side] = tile.patch, cell = width / side;
    markup += framed(x + col * cell, y + row * cell, cell, cell, "");
  }
  if (tile.frame) markup += framed(x + 1, y + 1, width - 2, height - 2, tile.frame === "dashed" ? "9 6" : "");
  const said = lines(tile.title).map((text, n) =>
    words(left + BOX / 2, top + BOX + LINE * (n + 1), shortened(text, LETTERS), { "text-anchor": "middle", "font-size": 12 }));
  return markup + said.join("");
}

/** @param {number} x @param {number} y @param {number} width @param {number} height @param {string} dashes */
function framed(x, y, width, height, dashes) {
  const place = { x, y, width, height, fill: "none" };
  /** @type {Record<string, string>} */
  const line = dashes ? { "stroke-dasharray": dashes } : {};
  return shape("rect", { ...place, stroke: PALETTE.figurePaper, "stroke-width": 5 }) +
    shape("rect", { ...place, stroke: PALETTE.here, "stroke-width": 3, ...line });
}

/** @param {number} left @param {number} top @param {number} width @param {string} levels @param {string} palette */
function stripAt(left, top, width, levels, palette) {
  const colors = colorsOf(levels, palette), step = width / colors.length;
  const bars = colors.map((fill, n) => shape("rect", { x: left + n * step, y: top, width: step + 0.5, height: 24, fill }));
  return shape("g", { "shape-rendering": "crispEdges" }, bars.join(""));
}
