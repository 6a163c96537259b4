// @ts-check
// Axes that the reader chooses: a column of numbers or dates, or a principal component of the vectors, across and
// up. Where pictures stand on them, how many true neighbors stay near there, and the marks of a scale. This part
// touches no document.

const OWN_AXES = "own axes", OF_COLUMN = "column:", COMPONENT = "component:", STEPS_OF_COMPONENT = 4095;
const MOST_KEPT = 20_000, SAMPLE_KEPT = 500; // pictures of which all are asked how many neighbors they keep; else a sample
const MINUTE = 60_000, HOUR = 60 * MINUTE, DAYS = 24 * HOUR, WEEK = 7 * DAYS;
const TIMES = [1000, 10_000, MINUTE, 10 * MINUTE, HOUR, 6 * HOUR, DAYS, 2 * DAYS, WEEK, 2 * WEEK], MONTHS = [1, 3, 6, 12, 24, 60, 120, 240, 600, 1200, 12_000];

/**
 * What pictures are placed by; NaN: missing. `component`: several of these share one scale, as on a map.
 * @typedef {{words: string, said: string, date: boolean, component: boolean, values: Float64Array, low: number, high: number}} Axis
 * @typedef {{x: string, y: string}} Axes the names of two, as `axesOf` has them
 * @typedef {{x: Axis, y: Axis, places: Float32Array, missing: number, scales: {x: [number, number], y: [number, number]}}} OwnView
 */

/**
 * All that can be an axis: its name and its words. Columns with a single value tell pictures apart by nothing.
 * @param {Data} data @returns {[string, string][]}
 */
function axesOf({ spec, columns }) {
  const spread = columns.filter(({ values }) => values && values.some((value) => value !== null && value !== values.find((one) => one !== null)));
  const of = spec.components || [], shares = (number) => of.map(({ shares }, map) => `${spec.named ? `${spec.names[map]} ` : ""}${percent(shares[number])}`).join(", ");
  return [...spread.map(({ name }) => /** @type {[string, string]} */ ([OF_COLUMN + name, name])),
    ...range(of.length ? of[0].shares.length : 0).map((number) => /** @type {[string, string]} */ ([`${COMPONENT}${number + 1}`, `component ${number + 1}: ${shares(number)} of the variance`]))];
}

const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)}%`;

/**
 * One axis of a map. `words` name it beside its scale, `said` within a sentence about all maps.
 * @param {Data} data @param {string} name @param {number} map @returns {Axis}
 */
function axisOf(data, name, map) {
  const axis = name.startsWith(COMPONENT) ? componentOf(data, Number(name.slice(COMPONENT.length)), map) : columnAxis(data.column(name.slice(OF_COLUMN.length)));
  let low = Infinity, high = -Infinity;
  for (const value of axis.values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return { ...axis, low, high };
}

/** @param {Column} column */
function columnAxis({ name, type, values }) {
  return { words: name, said: name, date: type === "date", component: false, values: Float64Array.from(values, (value) => (value === null ? NaN : value)) };
}

/** @param {Data} data @param {number} number from 1 @param {number} map */
function componentOf(data, number, map) {
  const { shares, low, high } = data.spec.components[map], start = (map * shares.length + number - 1) * data.count;
  const step = (high[number - 1] - low[number - 1]) / STEPS_OF_COMPONENT;
  const values = Float64Array.from(data.components.subarray(start, start + data.count), (value) => low[number - 1] + value * step);
  return { words: `component ${number} (${percent(shares[number - 1])} of the variance)`, said: `component ${number}`, date: false, component: true, values };
}

/**
 * Where pictures stand on two axes, as shares of a square: each axis has its own scale, two components have one.
 * Who has no value on one of them has no place (NaN).
 * @param {Axis} x @param {Axis} y @returns {OwnView}
 */
function ownView(x, y) {
  const widest = x.component && y.component ? Math.max(x.high - x.low, y.high - y.low) : 0;
  const scaleOf = ({ low, high }) => {
    const middle = (low + high) / 2, half = (widest || high - low || 1) / 2;
    return /** @type {[number, number]} */ ([middle - half, middle + half]);
  };
  const scales = { x: scaleOf(x), y: scaleOf(y) }, count = x.values.length, places = new Float32Array(2 * count);
  let missing = 0;
  for (let point = 0; point < count; point++) {
    const across = (x.values[point] - scales.x[0]) / (scales.x[1] - scales.x[0]), up = (y.values[point] - scales.y[0]) / (scales.y[1] - scales.y[0]);
    const known = across === across && up === up;
    if (!known) missing += 1;
    places.set(known ? [across, up] : [NaN, NaN], 2 * point);
  }
  return { x, y, places, missing, scales };
}

/**
 * The share of its true neighbors, in hundredths, that are among as many nearest ones of each of these points.
 * @param {Data} data @param {number} map @param {PointGrid} grid @param {ArrayLike<number>} points
 * @returns {Float64Array} NaN for a point without a place, or without true neighbors that are drawn
 */
function keptOn(data, map, grid, points) {
  return Float64Array.from(points, (point) => {
    const truth = data.neighbors(map, point);
    if (!truth.length || !grid.has(point)) return NaN;
    const near = new Set(grid.neighbors(point, truth.length));
    return (100 * truth.filter((other) => near.has(other)).length) / truth.length;
  });
}

// By the normal distribution: a page has no bootstrap, and the shares of hundreds of pictures are averaged.
/** The mean of numbers, those that are none left out, and the half of its interval of 95%. @param {Float64Array} values */
function meanOf(values) {
  const known = values.filter((value) => value === value), mean = known.reduce((a, b) => a + b, 0) / known.length;
  const spread = known.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(known.length - 1, 1);
  return { mean, half: 1.96 * Math.sqrt(spread / known.length), count: known.length };
}

// ------------------------------------------------------------------------------------------ the marks of a scale

/**
 * Round values from `low` to `high`, about `most` of them, with their words.
 * @param {number} low @param {number} high @param {number} most @param {boolean} date @returns {{value: number, words: string}[]}
 */
function ticksOf(low, high, most, date) {
  if (!(high > low)) return [];
  if (date) return datesOf(low, high, (high - low) / Math.max(most, 1));
  const rough = (high - low) / Math.max(most, 1), unit = 10 ** Math.floor(Math.log10(rough)), step = unit * [1, 2, 5, 10].find((one) => one * unit >= rough * 0.7);
  const digits = Math.max(-Math.floor(Math.log10(step) + 1e-9), 0), first = Math.ceil(low / step - 1e-9);
  return range(Math.floor(high / step + 1e-9) - first + 1).map((n) => ({ value: (first + n) * step, words: numberText((first + n) * step, digits, Math.max(Math.abs(low), Math.abs(high))) }));
}

/** @param {number} value @param {number} digits behind the point @param {number} most of the scale */
function numberText(value, digits, most) {
  if (digits > 6 || most >= 1e15) return value.toExponential(Math.max(Math.ceil(Math.log10(most)) + Math.min(digits, 12) - 1, 1) % 13);
  const compact = most >= 1e5 && digits === 0 ? { notation: /** @type {const} */ ("compact"), maximumSignificantDigits: 6 } : { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return (value === 0 ? 0 : value).toLocaleString("en-US", compact).replace("-", "−");
}

/** @param {number} low @param {number} high @param {number} rough */
function datesOf(low, high, rough) {
  const step = TIMES.find((one) => one >= rough);
  if (step) {
    const first = Math.ceil(low / step);
    return range(Math.floor(high / step) - first + 1).map((n) => ({ value: (first + n) * step, words: dateText((first + n) * step).slice(step >= DAYS ? 0 : 5) }));
  }
  const months = MONTHS.find((one) => one * 30.4 * DAYS >= rough) || 12_000, start = new Date(low), found = [];
  const month = 12 * start.getUTCFullYear() + start.getUTCMonth();
  for (let at = Math.ceil(month / months) * months; ; at += months) {
    const value = Date.UTC(Math.floor(at / 12), at % 12);
    if (!(value <= high)) return found;
    if (value >= low) found.push({ value, words: dateText(value).slice(0, months < 12 ? 7 : 4) });
  }
}
