// @ts-check
// Pictures as SVG text: shapes, words, and how much fits side by side. A page shows them as images.

const FONT = `font-family='system-ui, sans-serif' fill='${PALETTE.figureInk}'`;

/**
 * @param {unknown} text
 * @returns {string} text that is safe inside an element and inside a quoted attribute
 */
export function escaped(text) {
  const marks = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&#39;", '"': "&quot;" };
  // XML has no place for control characters, not even escaped ones.
  return String(text)
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd")
    .replace(/[&<>'"]/g, (mark) => marks[/** @type {keyof typeof marks} */ (mark)]);
}

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 * @param {string} [inside] markup
 */
export function shape(name, attributes, inside = "") {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}='${escaped(value)}'`).join("");
  return `<${name}${written}>${inside}</${name}>`;
}

/**
 * @param {number} x
 * @param {number} y of the base line
 * @param {string} text
 * @param {Record<string, string | number>} [more]
 */
export function words(x, y, text, more = {}) {
  return shape("text", { x, y, ...more }, escaped(text));
}

/**
 * @param {string} text
 * @param {number} most letters
 */
export function shortened(text, most) {
  const letters = [...text];
  return letters.length <= most ? text : `${letters.slice(0, most - 1).join("")}…`;
}

/**
 * @param {number} width
 * @param {number} height
 * @param {string} inside markup
 * @returns {string} a data URI
 */
export function picture(width, height, inside) {
  const size = `width='${width}' height='${height}' viewBox='0 0 ${width} ${height}'`;
  const paper = `<rect width='${width}' height='${height}' fill='${PALETTE.figurePaper}'/>`;
  const svg = `<svg xmlns='http://www.w3.org/2000/svg' ${size} ${FONT} font-size='13'>${paper}${inside}</svg>`;
  return `data:image/svg+xml,${encodeURIComponent(svg.replace(/[\ud800-\udfff]/gu, "\ufffd"))}`;
}

/**
 * Write a number as Python's format does: a tie goes to the even digit, where toFixed goes up.
 * @param {number} value
 * @param {number} digits
 * @returns {string}
 */
export function fixed(value, digits) {
  if (value < 0) return `-${fixed(-value, digits)}`;
  const halves = value * 2 ** (digits + 1); // exact; a tie is a fraction of a small power of two
  const tie = Number.isInteger(halves) && halves % 2 !== 0;
  if (!tie) return value.toFixed(digits);
  const low = Math.floor(value * 10 ** digits), even = low % 2 === 0 ? low : low + 1;
  return (even / 10 ** digits).toFixed(digits);
}
