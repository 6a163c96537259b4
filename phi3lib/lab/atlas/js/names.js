// @ts-check
// What is written on a map, at every zoom: where most are of one kind its name (`spots`); elsewhere the one or two
// kinds, or of long texts the words, that are more frequent than on the whole map; and where few pictures are in
// view, the text of each. Nothing where there is nothing to say. This part touches no document.

const MOST_WHOLE = 500, LEAST_POINTS = 4, LEAST_LIFT = 2.5, LEAST_PART = 0.15, LEAST_SURE = 5.4, SHORTEST_WORD = 3, CELL = 110, FEW_IN_VIEW = 40, SOME_IN_VIEW = 300;
const EMPTY_WORDS = new Set("a an and are as at by for from has in is it its of on or that the their there this to two with".split(" "));

/**
 * @typedef {{words: string, kind: number, x: number, y: number, under: boolean}} Written what stands where; `kind` can be
 *   selected by it, below 0: none; `under`: below its place, which is a picture's own
 */

/**
 * All that may be written of what is in view, the most telling first.
 * @param {Camera} camera @param {ArrayLike<number>} places @param {{codes: ArrayLike<number>, entries: {words: string}[]}} naming
 * @param {Terms} terms @param {(point: number) => boolean} hidden @returns {Written[]}
 */
function wordsInView(camera, places, { codes, entries }, terms, hidden) {
  const seen = inViewOf(camera, places, hidden), known = ({ kind }) => Boolean(entries[kind]) && entries[kind].words !== NOT_KNOWN;
  if (seen.length <= FEW_IN_VIEW) {
    const whole = terms.terms.length === entries.length && terms.of.every(([term, ...more], code) => term === code && !more.length);
    const own = seen.map((point) => ({ kind: codes[point], x: places[2 * point], y: places[2 * point + 1] })).filter(known);
    return own.map((one) => ({ ...one, words: entries[one.kind].words, kind: whole ? one.kind : -1, under: true }));
  }
  const sure = surely(codes, hidden), plain = spots(camera, places, codes, CELL, hidden).filter((one) => known(one) && sure(one)).map((one) => ({ ...one, words: entries[one.kind].words, under: false }));
  const size = seen.length <= SOME_IN_VIEW ? 2 * CELL : CELL; // so that a cell has enough of them to compare
  return [...plain, ...telling(camera, places, codes, terms, size, hidden).map((one) => ({ ...one, kind: -1, under: false }))];
}

// Tells whether a cell has more of a kind than the whole map, beyond chance (a G test, once in a hundred).
function surely(codes, hidden) {
  const /** @type {Map<number, number>} */ counts = new Map();
  let all = 0;
  for (let point = 0; point < codes.length; point++) if (!hidden(point)) { counts.set(codes[point], (counts.get(codes[point]) || 0) + 1); all += 1; }
  return ({ kind, count, total }) => {
    const share = count / total, usual = (counts.get(kind) || 0) / all, rest = share < 1 ? (1 - share) * Math.log((1 - share) / (1 - usual)) : 0;
    return share > usual && total * (share * Math.log(share / usual) + rest) >= 3.3;
  };
}

/** @param {Camera} camera @param {ArrayLike<number>} places @param {ArrayLike<number>} [order] @returns {number[]} the points in view */
function inViewOf(camera, places, hidden, order) {
  const [left, top] = camera.place([0, 0]), [right, bottom] = camera.place([camera.width, camera.height]), found = [];
  for (let n = 0; 2 * n < places.length; n++) {
    const point = order ? order[n] : n, x = places[2 * point], y = places[2 * point + 1];
    if (x >= left && x <= right && y >= bottom && y <= top && !hidden(point)) found.push(point);
  }
  return found;
}

/**
 * Terms of a column's kinds, and for each kind the places of its terms.
 * @typedef {{terms: string[], of: number[][]}} Terms
 */

/**
 * The terms of kinds: each as it is, of captions their words. Captions are very many, or long and nearly all different.
 * @param {string[]} kinds @param {number} [count] of pictures @returns {Terms}
 */
function termsOf(kinds, count = Infinity) {
  const long = kinds.reduce((sum, kind) => sum + kind.split(" ").length, 0) >= 3 * kinds.length;
  if (kinds.length <= MOST_WHOLE && !(long && 3 * kinds.length > count)) return { terms: kinds, of: kinds.map((_, code) => [code]) };
  const /** @type {Map<string, number>} */ places = new Map(), of = kinds.map((text) => {
    const words = new Set(text.toLowerCase().match(/[\p{L}\p{N}]+/gu) || []);
    return [...words].filter((word) => word.length >= SHORTEST_WORD && !EMPTY_WORDS.has(word)).map((word) => {
      if (!places.has(word)) places.set(word, places.size);
      return /** @type {number} */ (places.get(word));
    });
  });
  return { terms: [...places.keys()], of };
}

/**
 * For each cell what is more frequent in it than on the whole map: one or two terms, the most telling cells first.
 * What sets the cell apart from the rest of the view goes first. Few points prove little: a term counts where it is so
 * frequent by chance once in a thousand times (a G test).
 * @param {Camera} camera @param {ArrayLike<number>} places @param {ArrayLike<number>} codes
 * @param {Terms} known @param {number} size of a cell in pixels @param {(point: number) => boolean} hidden
 * @returns {{words: string, count: number, x: number, y: number}[]}
 */
function telling(camera, places, codes, { terms, of }, size, hidden) {
  const view = cellsInView(camera, size), all = new Uint32Array(terms.length), seen = new Uint32Array(terms.length);
  const /** @type {Map<number, {count: number, x: number, y: number, seen: Map<number, number>}>} */ cells = new Map();
  let [count, inView] = [0, 0];
  for (let point = 0; 2 * point < places.length; point++) {
    if (hidden(point)) continue;
    count += 1;
    for (const term of of[codes[point]] || []) all[term] += 1;
    const x = places[2 * point], y = places[2 * point + 1], at = view.cell(x, y);
    if (!(at >= 0)) continue;
    let cell = cells.get(at);
    if (!cell) cells.set(at, (cell = { count: 0, x: 0, y: 0, seen: new Map() }));
    inView += 1;
    cell.count += 1;
    cell.x += x;
    cell.y += y;
    for (const term of of[codes[point]] || []) { cell.seen.set(term, (cell.seen.get(term) || 0) + 1); seen[term] += 1; }
  }
  const found = [...cells.values()].map((cell) => {
    const lift = ([term, times]) => (times / cell.count) / (all[term] / count), sure = (one) => one[1] * Math.log(lift(one));
    const own = ([term, times]) => times / cell.count >= (1.3 * seen[term]) / inView, weight = (one) => sure(one) * (own(one) ? 1 : 0.01);
    const fits = (one) => one[1] >= LEAST_POINTS && one[1] >= LEAST_PART * cell.count && lift(one) >= LEAST_LIFT && sure(one) >= LEAST_SURE;
    const best = [...cell.seen].filter(fits).sort((a, b) => weight(b) - weight(a) || a[0] - b[0]).slice(0, 2);
    return { words: best.map(([term]) => terms[term]).join(", "), count: best.reduce((sum, one) => sum + weight(one), 0), x: cell.x / cell.count, y: cell.y / cell.count };
  });
  return found.filter(({ words }) => words).sort((a, b) => b.count - a.count);
}
