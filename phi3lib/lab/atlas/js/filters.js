// @ts-check
// Which pictures pass the filters, and how a column's values spread among those that do. Every filter holds at
// once; the chart of a column leaves its own out, so that it shows what another choice would bring. This part
// touches no document.

const BARS = 24;

/**
 * What a column is limited to: values from `low` to `high`, or some of the codes of its kinds.
 * @typedef {{low: number, high: number} | {codes: number[]}} Limit
 */

/**
 * What is filtered by; each may be missing.
 * @typedef {object} Filtered
 * @property {number} [kind] the only kind that is shown; below 0: all
 * @property {Uint8Array | null} [text] 1 for each point that the filter's text leaves
 * @property {Set<number> | null} [only] the only rows that are shown
 * @property {Map<string, Limit>} [limits] by column
 */

/**
 * A test for each filter that is set; `without`: that of this column is left out.
 * @param {Data} data @param {Filtered} filtered @param {string} [without]
 * @returns {((point: number) => boolean)[]}
 */
function testsOf(data, { kind = -1, text, only, limits = new Map() }, without) {
  const tests = [], { codes } = data.spec, { placed } = data;
  if (placed) tests.push((point) => placed[point] === 1);
  if (kind >= 0) tests.push((point) => codes[point] === kind);
  if (text) tests.push((point) => text[point] === 1);
  if (only) tests.push((point) => only.has(data.row(point)));
  for (const [name, limit] of limits) if (name !== without) tests.push(withinLimit(data.column(name), limit));
  return tests;
}

/** @param {Column} column @param {Limit} limit @returns {(point: number) => boolean} */
function withinLimit(column, limit) {
  if ("codes" in limit) {
    const wanted = new Set(limit.codes);
    return (point) => wanted.has(column.codes[point]);
  }
  return (point) => {
    const value = column.values[point];
    return value !== null && value >= limit.low && value <= limit.high;
  };
}

/**
 * A test of texts: whether they have these letters, or fit a regular expression that stands between slashes.
 * @param {string} wanted @returns {(text: string) => boolean}
 */
function finderOf(wanted) {
  const letters = wanted.toLowerCase(), [, pattern = ""] = /^\/(.+)\/$/.exec(wanted) || [];
  try {
    const expression = new RegExp(pattern, "i");
    if (pattern) return (text) => expression.test(text);
  } catch { /* not an expression: its letters are looked for */ }
  return (text) => text.toLowerCase().includes(letters);
}

/**
 * 1 for each point that passes all tests; null where there is none to pass.
 * @param {number} count @param {((point: number) => boolean)[]} tests @returns {Uint8Array | null}
 */
function passingOf(count, tests) {
  if (!tests.length) return null;
  const passing = new Uint8Array(count);
  for (let point = 0; point < count; point++) passing[point] = Number(tests.every((test) => test(point)));
  return passing;
}

/**
 * How many points have which values: all of them, and those that pass. Bars are of equal width from `low` to
 * `high`; of few different whole numbers, each has its own.
 * @param {Column} column @param {Uint8Array | null} passing
 * @returns {{low: number, high: number, all: Uint32Array, shown: Uint32Array} | null} null without any value
 */
function histogram({ values }, passing) {
  let low = Infinity, high = -Infinity, whole = true;
  for (const value of values) {
    if (value === null) continue;
    if (value < low) low = value;
    if (value > high) high = value;
    whole = whole && Number.isInteger(value);
  }
  if (low > high) return null;
  const span = high - low, bars = whole && span < BARS ? span + 1 : BARS, all = new Uint32Array(bars), shown = new Uint32Array(bars);
  values.forEach((value, point) => {
    if (value === null) return;
    const bar = Math.min(Math.floor(((value - low) / (span || 1)) * (bars === span + 1 ? span : bars)), bars - 1);
    all[bar] += 1;
    if (!passing || passing[point]) shown[bar] += 1;
  });
  return { low, high, all, shown };
}

/**
 * The kinds of a column with how many points have them and how many of these pass, the most frequent first.
 * @param {Column} column @param {Uint8Array | null} passing
 * @returns {{code: number, words: string, all: number, shown: number}[]}
 */
function frequent({ kinds, codes }, passing) {
  const found = kinds.map((words, code) => ({ code, words, all: 0, shown: 0 }));
  codes.forEach((code, point) => {
    found[code].all += 1;
    if (!passing || passing[point]) found[code].shown += 1;
  });
  return found.sort((a, b) => b.all - a.all || a.code - b.code);
}

/**
 * What a stretch of a chart stands for, from one share of its width to another.
 * @param {{low: number, high: number, all: Uint32Array}} chart @returns {{low: number, high: number}}
 */
function stretch({ low, high, all }, from, to) {
  const each = all.length === high - low + 1, hold = (share) => Math.min(Math.max(share, 0), 1);
  const [start, end] = [hold(Math.min(from, to)), hold(Math.max(from, to))];
  if (each) return { low: low + Math.min(Math.floor(start * all.length), all.length - 1), high: low + Math.max(Math.ceil(end * all.length) - 1, 0) };
  return { low: low + start * (high - low), high: low + end * (high - low) };
}
