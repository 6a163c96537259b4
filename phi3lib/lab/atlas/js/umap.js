// @ts-check
// UMAP in the page, for a map of the selection: exact neighbors, the graph of McInnes et al. 2018 and its layout from
// the two directions of largest variance, as `umap_map` has it in Python. Every part is a generator that yields the share
// that is done, so that its work can be spread over time and stopped. This part touches no document.

const ROUNDS = 300, REPELLED = 5, ROW_STEP = 16, LEAST_WIDTH = 1e-3, TURNS = 100;

/**
 * Pictures as rows of numbers, and of each its k nearest others, the nearest first: half of the squared distances, which
 * are cosine distances between unit vectors.
 * @typedef {{values: Float32Array, count: number, width: number}} Rows
 * @typedef {{k: number, indices: Uint32Array, distances: Float32Array}} Nearest
 * @typedef {{from: Uint32Array, to: Uint32Array, weights: Float64Array}} Graph edges, each in both directions
 */

/** Numbers from 0 to 1 by chance, always the same for a seed (Mulberry32). @param {number} seed */
function chance(seed) {
  const state = Uint32Array.of(seed + 1);
  return () => {
    state[0] += 0x6d2b79f5;
    let mixed = Math.imul(state[0] ^ (state[0] >>> 15), state[0] | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Squared distances of one row to all. @param {Rows} rows @param {number} row @param {Float32Array} squares */
function squaresFrom({ values, count, width }, row, squares) {
  const start = row * width;
  for (let other = 0, at = 0; other < count; other++) {
    let sum = 0;
    for (let n = 0; n < width; n++, at++) {
      const apart = values[at] - values[start + n];
      sum += apart * apart;
    }
    squares[other] = sum;
  }
}

/** @param {Rows} rows @param {number} k @returns {Generator<number, Nearest>} */
function* nearestOf(rows, k) {
  const { count } = rows, squares = new Float32Array(count), indices = new Uint32Array(count * k), distances = new Float32Array(count * k);
  for (let row = 0; row < count; row++) {
    squaresFrom(rows, row, squares);
    for (let other = 0, found = 0; other < count; other++) {
      if (other === row || (found === k && squares[other] >= distances[row * k + k - 1])) continue;
      let at = row * k + Math.min(found, k - 1);
      for (; at > row * k && distances[at - 1] > squares[other]; at--) [distances[at], indices[at]] = [distances[at - 1], indices[at - 1]];
      [distances[at], indices[at]] = [squares[other], other];
      found = Math.min(found + 1, k);
    }
    if (row % ROW_STEP === 0) yield row / count;
  }
  return { k, indices, distances: distances.map((square) => square / 2) };
}

/**
 * How near each neighbor counts: 1 for the nearest one, and in sum the logarithm of their number and one.
 * @param {Nearest} near @returns {Float64Array}
 */
function strengths({ k, distances }) {
  const mean = distances.reduce((sum, one) => sum + one, 0) / (distances.length || 1), target = Math.log2(k + 1), found = new Float64Array(distances.length);
  for (let start = 0; start < distances.length; start += k) {
    const own = distances.subarray(start, start + k), first = own.find((one) => one > 0) || 0;
    let [low, high, width] = [0, Infinity, 1];
    for (let n = 0; n < 64; n++) {
      let sum = 0;
      for (const one of own) sum += one > first ? Math.exp((first - one) / width) : 1;
      if (Math.abs(sum - target) < 1e-5) break;
      if (sum > target) high = width;
      else low = width;
      width = high === Infinity ? 2 * width : (low + high) / 2;
    }
    width = Math.max(width, LEAST_WIDTH * (first ? own.reduce((a, b) => a + b, 0) / (k + 1) : mean));
    for (let n = 0; n < k; n++) found[start + n] = own[n] > first ? Math.exp((first - own[n]) / width) : 1;
  }
  return found;
}

/**
 * Both directions of each pair as one: a + b − ab. Pairs that are too weak for one turn in all rounds are left out.
 * @param {Nearest} near @returns {Graph}
 */
function graphOf(near) {
  const { k, indices } = near, strong = strengths(near), from = new Uint32Array(2 * indices.length), to = from.slice(), weights = new Float64Array(from.length);
  let edges = 0, most = 0;
  const add = (one, other, weight) => { [from[edges], to[edges], weights[edges++]] = [one, other, weight]; };
  for (let n = 0; n < indices.length; n++) {
    const one = Math.floor(n / k), other = indices[n], at = indices.subarray(other * k, other * k + k).indexOf(one), back = at < 0 ? 0 : strong[other * k + at];
    if (at >= 0 && one > other) continue; // with the other direction
    const both = strong[n] + back - strong[n] * back;
    most = Math.max(most, both);
    add(one, other, both);
    add(other, one, both);
  }
  const used = (_, edge) => edge < edges && weights[edge] >= most / ROUNDS;
  return { from: from.filter(used), to: to.filter(used), weights: weights.filter(used) };
}

/**
 * The two directions in which the rows vary most, by power iteration, and where the rows stand on them.
 * @param {Rows} rows @returns {Float64Array} x and y of each
 */
function widestOf({ values, count, width }) {
  const places = new Float64Array(2 * count), centered = Float64Array.from(values), found = /** @type {number[][]} */ ([]), matrix = new Float64Array(width * width);
  for (let n = 0; n < width; n++) {
    let mean = 0;
    for (let at = n; at < centered.length; at += width) mean += centered[at] / count;
    for (let at = n; at < centered.length; at += width) centered[at] -= mean;
  }
  for (let at = 0; at < centered.length; at += width) for (let n = 0; n < width; n++) for (let m = 0; m < width; m++) matrix[n * width + m] += centered[at + n] * centered[at + m];
  for (const axis of [0, 1]) {
    let direction = range(width).map((n) => 1 / (n + 1));
    for (let turn = 0; turn < TURNS; turn++) {
      const turned = range(width).map((n) => direction.reduce((sum, one, m) => sum + matrix[n * width + m] * one, 0));
      for (const other of found) { const along = dot(turned, other); other.forEach((one, n) => { turned[n] -= along * one; }); }
      const length = Math.sqrt(dot(turned, turned)) || 1;
      direction = turned.map((one) => one / length);
    }
    found.push(direction);
    for (let row = 0; row < count; row++) for (let n = 0; n < width; n++) places[2 * row + axis] += centered[row * width + n] * direction[n];
  }
  return places;
}

const dot = (one, other) => one.reduce((sum, value, n) => sum + value * other[n], 0);

/** Where the layout starts: the widest directions in a square of ten, equal rows not on one point. @param {Rows} rows @param {() => number} random */
function startOf(rows, random) {
  const places = widestOf(rows);
  for (const axis of [0, 1]) {
    const line = places.filter((_, n) => n % 2 === axis), low = line.reduce((a, b) => Math.min(a, b)), high = line.reduce((a, b) => Math.max(a, b));
    for (let at = axis; at < places.length; at += 2) places[at] = (10 * (places[at] - low)) / (high - low || 1) + 0.03 * (random() - 0.5);
  }
  return places;
}

const clipped = (value) => (value > 4 ? 4 : value < -4 ? -4 : value);

/**
 * Places in the plane, x and y of each row.
 * @param {Rows} rows @param {Nearest} near @param {{curve: number[], seed: number}} how the curve: a and b of 1 / (1 + a · d^2b)
 * @returns {Generator<number, Float64Array>}
 */
function* laidOut(rows, near, { curve, seed }) {
  const random = chance(seed), places = startOf(rows, random);
  yield 0;
  const graph = graphOf(near), turns = turnsOf(graph.weights);
  for (let round = 0; round < ROUNDS; round++) {
    playRound(places, { ...graph, ...turns, curve, random }, round);
    yield (round + 1) / ROUNDS;
  }
  return places;
}

/** How many rounds lie between two turns of an edge, and when its next ones are: to pull, and to push others away. @param {Float64Array} weights */
function turnsOf(weights) {
  const strongest = weights.reduce((one, other) => Math.max(one, other), 0), every = weights.map((weight) => strongest / weight);
  return { every, next: every.slice(), nextPush: every.map((one) => one / REPELLED) };
}

/**
 * One round over all edges whose turn it is: both ends approach each other, and the first one leaves others, drawn by chance.
 * @param {Float64Array} places @param {Graph & {every: Float64Array, next: Float64Array, nextPush: Float64Array, curve: number[], random: () => number}} game
 * @param {number} round
 */
function playRound(places, { from, to, every, next, nextPush, curve: [a, b], random }, round) {
  const step = 1 - round / ROUNDS, count = places.length / 2;
  for (let edge = 0; edge < from.length; edge++) {
    if (next[edge] > round) continue;
    const one = 2 * from[edge], other = 2 * to[edge];
    let across = places[one] - places[other], up = places[one + 1] - places[other + 1], far = across * across + up * up;
    if (far > 0) {
      const power = a * Math.exp(b * Math.log(far)), pull = (-2 * b * power) / (far * (power + 1)), x = step * clipped(pull * across), y = step * clipped(pull * up);
      places[one] += x;
      places[one + 1] += y;
      places[other] -= x;
      places[other + 1] -= y;
    }
    next[edge] += every[edge];
    const pushed = every[edge] / REPELLED, pushes = Math.floor((round - nextPush[edge]) / pushed);
    for (let n = 0; n < pushes; n++) {
      const third = 2 * Math.floor(random() * count);
      across = places[one] - places[third];
      up = places[one + 1] - places[third + 1];
      far = across * across + up * up;
      if (far === 0) continue;
      const push = (2 * b) / ((0.001 + far) * (a * Math.exp(b * Math.log(far)) + 1));
      places[one] += step * clipped(push * across);
      places[one + 1] += step * clipped(push * up);
    }
    nextPush[edge] += pushes * pushed;
  }
}

/**
 * The trustworthiness of places (Venna and Kaski 2001): 1 where all neighbors there are true ones, less the further off
 * they are. Equally near rows do not push each other back.
 * @param {Rows} rows @param {PointGrid} grid @param {number} k @returns {Generator<number, number>}
 */
function* trustIn(rows, grid, k) {
  const { count } = rows, squares = new Float32Array(count);
  let beyond = 0;
  for (let row = 0; row < count; row++) {
    squaresFrom(rows, row, squares);
    for (const other of grid.neighbors(row, k)) {
      let rank = 0; // of the row itself, which is nearer than any other
      for (let third = 0; third < count; third++) if (squares[third] < squares[other] && third !== row) rank += 1;
      beyond += Math.max(rank + 1 - k, 0);
    }
    if (row % ROW_STEP === 0) yield row / count;
  }
  return 1 - (2 * beyond) / (count * k * (2 * count - 3 * k - 1));
}
