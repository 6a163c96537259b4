// @ts-check
// A new map of some pictures alone, which Python or this page has laid out: where these stand among all pictures, and
// how a page makes such a map. This part touches no document.

const NEW_MAP = "map of the selection", LEAST_LAID_OUT = 4, STEPS_OF_VECTOR = 255, NEAREST_DONE = 0.3, LAID_OUT_DONE = 0.9;

/**
 * Places of the points that are laid out; others have none (NaN). `near`: the true neighbors of a point among these.
 * @typedef {{points: number[], settings: MapSettings, k: number, trust: string[], notes: string[], near: (map: number, point: number) => number[],
 *   views: {places: Float32Array, missing: number}[], kept: {points: number[], values: Float64Array, mean: number, half: number, count: number}[] | null}} NewMap
 * `kept`: of each map what Python found that it keeps; a page asks itself (null)
 */

/** @param {Data} data @param {LaidOutRows} made @returns {NewMap} */
function newMapOf(data, { rows, settings, k, trust_words, notes, places: packed, near, kept: percents, kept_means }) {
  const places = new Uint16Array(bytesOf(packed)), neighbors = new Uint32Array(bytesOf(near)), all = rows.map((row) => data.point(row)), count = rows.length;
  const numberOf = new Map(all.map((point, n) => [point, n])), points = all.filter((point) => point !== undefined);
  const viewOf = (map) => {
    const found = new Float32Array(2 * data.count).fill(NaN);
    for (const [n, point] of all.entries()) if (point !== undefined) for (const axis of [0, 1]) found[2 * point + axis] = places[2 * (map * count + n) + axis] / 65_535;
    return { places: found, missing: data.count - points.length };
  };
  const nearOf = (map, point) => {
    const start = (map * count + numberOf.get(point)) * k;
    return numberOf.has(point) ? Array.from(neighbors.subarray(start, start + k), (n) => all[n]).filter((other) => other !== undefined) : [];
  };
  const keptOf = (map) => {
    const values = new Uint8Array(bytesOf(percents)).subarray(map * count, (map + 1) * count);
    return { points, values: Float64Array.from(points, (point) => values[numberOf.get(point)]), mean: kept_means[map], half: 0, count };
  };
  return { points, settings, k, kept: percents ? range(data.spec.names.length).map(keptOf) : null, trust: trust_words, notes, near: nearOf, views: data.spec.names.map((_, map) => viewOf(map)) };
}

/**
 * Lay out these rows alone, as `selection_map` does in Python, by what the page knows of the vectors.
 * @param {Data} data @param {number[]} rows @param {MapSettings} settings @returns {Generator<number, LaidOutRows>} the share that is done
 */
function* layOut(data, rows, settings) {
  const { spec } = data, points = data.points([...rows].sort((a, b) => a - b)), count = points.length, maps = spec.names.length;
  const k = Math.min(spec.k, count - 2), n_neighbors = Math.min(settings.n_neighbors, count), curve = curveOf(data, settings.min_dist), { seed } = settings;
  const places = new Uint16Array(2 * maps * count), near = new Uint32Array(maps * count * k), trust_words = [];
  for (let map = 0; map < maps; map++) {
    const known = vectorsOf(data, map, points), during = (part, from, to) => within(part, (map + from) / maps, (map + to) / maps);
    const found = yield* during(nearestOf(known, Math.max(k, n_neighbors - 1)), 0, NEAREST_DONE);
    const shares = onSquare(yield* during(laidOut(known, firstOf(found, n_neighbors - 1), { curve, seed }), NEAREST_DONE, LAID_OUT_DONE));
    const trust = yield* during(trustIn(known, new PointGrid(shares), Math.min(k, Math.floor((count - 1) / 2))), LAID_OUT_DONE, 1);
    places.set(shares.map((share) => Math.round(65_535 * share)), 2 * map * count);
    near.set(firstOf(found, k).indices, map * count * k);
    trust_words.push(`trustworthiness ${trust.toFixed(2)}`);
  }
  return { rows: points.map((point) => data.row(point)), settings: { ...settings, n_neighbors }, k, trust_words, notes: notesOf(data), places, near };
}

/** A part of a longer work. @template Result @param {Generator<number, Result>} part @param {number} from @param {number} to @returns {Generator<number, Result>} */
function* within(part, from, to) {
  let step = part.next();
  for (; !step.done; step = part.next()) yield from + (to - from) * /** @type {number} */ (step.value);
  return step.value;
}

/** A and b of UMAP for a min_dist; undefined where the page does not have them. @param {Data} data @param {number} distance */
function curveOf({ spec }, distance) {
  const found = spec.layouts.curves.find(([known]) => known === distance);
  return found && found.slice(1);
}

/** What the page knows of the vectors of some points. @param {Data} data @param {number} map @param {number[]} points @returns {Rows} */
function vectorsOf({ spec, vectors, count }, map, points) {
  const { vectors: about } = spec.layouts, { low, high } = about[map], width = low.length, values = new Float32Array(points.length * width);
  const start = count * about.slice(0, map).reduce((sum, one) => sum + one.low.length, 0);
  points.forEach((point, row) => { for (let n = 0; n < width; n++) values[row * width + n] = low[n] + (vectors[start + point * width + n] * (high[n] - low[n])) / STEPS_OF_VECTOR; });
  return { values, count: points.length, width };
}

/** The first of k neighbors. @param {Nearest} near @param {number} most @returns {Nearest} */
function firstOf({ k, indices, distances }, most) {
  const kept = (_, n) => n % k < most;
  return { k: most, indices: indices.filter(kept), distances: distances.filter(kept) };
}

/** Places as shares of a square, both axes on one scale. @param {Float64Array} places */
function onSquare(places) {
  const [left, bottom, right, top] = extent(places), width = Math.max(right - left, top - bottom) || 1, [across, up] = [(width - right + left) / 2, (width - top + bottom) / 2];
  return Float32Array.from(places, (value, n) => (n % 2 ? value - bottom + up : value - left + across) / width);
}

/** How far the page knows the vectors. @param {Data} data */
function notesOf({ spec }) {
  const [{ low }] = spec.layouts.vectors, kept = spec.layouts.vectors.map((one, map) => `${spec.named ? `${spec.names[map]} ` : ""}${Math.round(100 * one.kept)}%`).join(", ");
  return [`This page knows each vector by ${low.length} principal components in ${STEPS_OF_VECTOR + 1} steps: they keep ${kept} of the ${spec.k} true neighbors among all pictures.`];
}
