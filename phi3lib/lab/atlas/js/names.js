// @ts-check
// What is said of a stretch of the map where no kind has most of the points: the one or two kinds, or of long
// texts the words, that are more frequent there than elsewhere. This part touches no document.

const MOST_WHOLE = 500, LEAST_POINTS = 4, LEAST_LIFT = 2.5, SHORTEST_WORD = 3;
const EMPTY_WORDS = new Set("a an and are as at by for from has in is it its of on or that the their there this to two with".split(" "));

/**
 * Terms of a column's kinds: each kind as it is, of many kinds (captions) their words.
 * @param {string[]} kinds @returns {{terms: string[], of: number[][]}} for each kind the places of its terms
 */
function termsOf(kinds) {
  if (kinds.length <= MOST_WHOLE) return { terms: kinds, of: kinds.map((_, code) => [code]) };
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
 * For each cell what is more frequent in it than elsewhere: one or two terms, the most telling cells first.
 * @param {Camera} camera @param {ArrayLike<number>} places @param {ArrayLike<number>} codes
 * @param {{terms: string[], of: number[][]}} known @param {number} size of a cell in pixels
 * @param {(point: number) => boolean} hidden
 * @returns {{words: string, count: number, x: number, y: number}[]}
 */
function telling(camera, places, codes, { terms, of }, size, hidden) {
  const view = cellsInView(camera, size), all = new Uint32Array(terms.length), /** @type {Map<number, {count: number, x: number, y: number, seen: Map<number, number>}>} */ cells = new Map();
  let count = 0;
  for (let point = 0; 2 * point < places.length; point++) {
    if (hidden(point)) continue;
    count += 1;
    for (const term of of[codes[point]] || []) all[term] += 1;
    const x = places[2 * point], y = places[2 * point + 1], at = view.cell(x, y);
    if (at < 0) continue;
    let cell = cells.get(at);
    if (!cell) cells.set(at, (cell = { count: 0, x: 0, y: 0, seen: new Map() }));
    cell.count += 1;
    cell.x += x;
    cell.y += y;
    for (const term of of[codes[point]] || []) cell.seen.set(term, (cell.seen.get(term) || 0) + 1);
  }
  const found = [...cells.values()].map((cell) => {
    const lift = ([term, seen]) => (seen / cell.count) / (all[term] / count), weight = (one) => one[1] * Math.log(lift(one));
    const best = [...cell.seen].filter((one) => one[1] >= LEAST_POINTS && lift(one) >= LEAST_LIFT).sort((a, b) => weight(b) - weight(a) || a[0] - b[0]).slice(0, 2);
    return { words: best.map(([term]) => terms[term]).join(", "), count: best.reduce((sum, one) => sum + weight(one), 0), x: cell.x / cell.count, y: cell.y / cell.count };
  });
  return found.filter(({ words }) => words).sort((a, b) => b.count - a.count);
}
