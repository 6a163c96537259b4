// @ts-check
// Which pictures something is said of: the neighborhood of one, the best or worst by a measure, those that moved most.

/**
 * A picture's true neighbors and those on a map; torn: true ones that the map has put further away than its k nearest;
 * strangers: near on the map alone.
 * @param {App} app @param {MapView} one @param {number} point
 */
function neighborhoodOf({ data }, one, point) {
  const truth = data.neighbors(one.map, point), shown = truth.length ? one.grid().neighbors(point, truth.length) : [];
  const [near, far] = [new Set(shown), new Set(truth)];
  return { truth, shown, torn: new Set(truth.filter((other) => !near.has(other))), strangers: new Set(shown.filter((other) => !far.has(other))) };
}

/** The points with the lowest or highest values of a measure. @param {App} app @param {string} name @param {number} map @param {number} count */
function extremeOf(app, name, map, count) {
  const { data } = app, values = data.share(name, map), sign = measures(data.spec)[name].worst === "lowest" ? 1 : -1;
  const known = range(data.count).filter((point) => !app.hidden(point));
  return known.sort((a, b) => sign * (values[a] - values[b]) || a - b).slice(0, count);
}

/** Those that moved most between two maps, or those selected. @param {App} app */
function moversOf(app) {
  const picked = app.selection();
  return picked.length ? picked.slice(0, MOST_THUMBS) : extremeOf(app, "moved", 0, MOST_MOVES);
}
