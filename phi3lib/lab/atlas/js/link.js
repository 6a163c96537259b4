// @ts-check
// What a page shows, as the fragment of its address, and back. Whoever sends a link writes what he likes into
// it: a field that is not understood whole, or names what this page does not have, is ignored. This part
// touches no document.

const MOST_LINK = 8000, MOST_READ = 60_000, MOST_NAMED = 100, LONGEST_NAME = 60, LONGEST_FILTER = 200;

/**
 * What a link holds; each field may be missing.
 * @typedef {object} Shown
 * @property {string} [color] a column or a measure
 * @property {Record<string, any>} [settings] which map
 * @property {string} [query] a text by which the page can rank
 * @property {string} [condition] that stands in its line
 * @property {boolean} [fits] the selection is just what the condition selects, on the map that the link shows
 * @property {Axes} [axes] what pictures are placed by, in place of a map
 * @property {[number, number, number][]} [views] of each map what is in the middle (x, y), and the zoom
 * @property {string} [text] of the filter
 * @property {string} [where] the column that the filter looks at
 * @property {number} [kind] the only kind that is shown
 * @property {[string, Limit][]} [limits] what columns are limited to
 * @property {number[]} [only] the only rows that are shown
 * @property {{rows: number[], settings: MapSettings}} [anew] the rows that are laid out alone, and how
 * @property {number} [opened] the row of the picture beside the map
 * @property {number[]} [selected] rows
 * @property {string} [as] the name of the selection
 * @property {[string, number[]][]} [named] selections that were named on the page
 */

/**
 * What a page has (of columns also how many kinds of text, 0 for values; whether a condition is understood; of new maps each
 * min_dist), so that a link can be held against it.
 * @typedef {{all: number, maps: number, colors: string[], axes: string[], settings: Record<string, any>[], columns: string[], kinds: string[], sorts: Record<string, number>, named: string[],
 *   distances?: number[], queries?: string[], understood?: (condition: string) => boolean}} Having
 */

/**
 * Rows as text, without their order: gaps and runs in base 36.
 * @param {number[]} rows
 */
function rowsAsText(rows) {
  const parts = [], sorted = [...new Set(rows)].sort((a, b) => a - b);
  let next = 0;
  for (let n = 0; n < sorted.length; ) {
    let end = n;
    while (end + 1 < sorted.length && sorted[end + 1] === sorted[end] + 1) end += 1;
    const run = end - n;
    parts.push((sorted[n] - next).toString(36) + (run ? `-${run.toString(36)}` : ""));
    next = sorted[end] + 1;
    n = end + 1;
  }
  return parts.join(".");
}

/**
 * The rows of such a text; null for anything else, and for rows that a table of `count` does not have.
 * @param {string} text @param {number} count @returns {number[] | null}
 */
function rowsOfText(text, count) {
  if (text === "") return [];
  if (!/^[0-9a-z]{1,6}(-[0-9a-z]{1,6})?(\.[0-9a-z]{1,6}(-[0-9a-z]{1,6})?)*$/.test(text)) return null;
  const rows = [];
  let next = 0;
  for (const part of text.split(".")) {
    const [gap, run = 0] = part.split("-").map((digits) => parseInt(digits, 36));
    const start = next + gap;
    next = start + run + 1;
    if (next > count) return null;
    for (let row = start; row < next; row++) rows.push(row);
  }
  return rows;
}

/**
 * The fragment of a link, and what was left out of it because it would be too long.
 * @param {Shown} shown @returns {{text: string, left: string[]}}
 */
function linkOf(shown) {
  const fields = new URLSearchParams(), /** @type {string[]} */ left = [];
  const { settings, views, as, selected = [] } = shown;
  if (shown.color) fields.set("color", shown.color);
  if (settings) fields.set("map", KEYS.map((key) => settings[key]).join(","));
  if (shown.axes) { fields.set("x", shown.axes.x); fields.set("y", shown.axes.y); }
  if (views) fields.set("at", views.map((view) => view.map((value) => Number(value.toPrecision(5))).join(",")).join(";"));
  if (shown.query !== undefined) fields.set("query", shown.query);
  if (shown.text) fields.set("filter", shown.text);
  if (shown.text && shown.where) fields.set("in", shown.where);
  if (shown.kind !== undefined) fields.set("show", String(shown.kind));
  for (const [name, limit] of shown.limits || []) fields.append("limit", `${"codes" in limit ? `=${rowsAsText(limit.codes)}` : `${limit.low}..${limit.high}`} ${name}`);
  if (shown.opened !== undefined) fields.set("open", shown.opened.toString(36));
  const add = (/** @type {string} */ name, /** @type {string} */ value, /** @type {string} */ what) => {
    fields.append(name, value);
    if (fields.toString().length <= MOST_LINK) return;
    const kept = fields.getAll(name).slice(0, -1);
    fields.delete(name);
    kept.forEach((one) => fields.append(name, one));
    left.push(what);
  };
  if (shown.condition) add("if", shown.condition, "the condition");
  const fits = shown.fits && as === undefined && fields.has("if");
  if (fits) fields.set("chosen", "if");
  if (shown.only) add("only", rowsAsText(shown.only), `the ${grouped(shown.only.length)} pictures that alone are shown`);
  if (shown.anew) add("anew", `${KEYS.slice(1).map((key) => shown.anew.settings[key]).join(",")} ${rowsAsText(shown.anew.rows)}`, `the map of ${grouped(shown.anew.rows.length)} pictures alone`);
  for (const [name, rows] of shown.named || []) add("named", `${rowsAsText(rows)} ${name}`, `“${name}” of ${grouped(rows.length)} pictures`);
  const whole = `the selection of ${grouped(selected.length)} pictures`;
  if (as === undefined && selected.length && !fits) add("selected", rowsAsText(selected), whole);
  else if (as !== undefined && !left.some((what) => what.startsWith(`“${as}” of `))) add("as", as, whole);
  return { text: fields.toString(), left };
}

/**
 * What a fragment asks for, as far as this page has it.
 * @param {string} text with or without its "#" @param {Having} having @returns {Shown}
 */
function shownBy(text, having) {
  /** @type {Shown} */
  const shown = {};
  if (text.length > MOST_READ) return shown;
  const fields = new URLSearchParams(text.replace(/^#/, "")), get = (/** @type {string} */ name) => fields.get(name);
  const color = get("color"), filter = get("filter"), where = get("in"), open = get("open"), show = get("show");
  if (color !== null && having.colors.includes(color)) shown.color = color;
  const settings = having.settings.find((one) => KEYS.map((key) => one[key]).join(",") === get("map"));
  if (settings) shown.settings = settings;
  const [x, y] = [get("x"), get("y")];
  if (x !== null && y !== null && having.axes.includes(x) && having.axes.includes(y)) shown.axes = { x, y };
  const views = viewsOf(get("at"), having.maps);
  if (views) shown.views = views;
  if (filter !== null && filter.length <= LONGEST_FILTER) shown.text = filter;
  if (where !== null && ["name", ...having.columns].includes(where)) shown.where = where;
  if (show !== null && /^\d{1,6}$/.test(show) && Number(show) < having.kinds.length) shown.kind = Number(show);
  const opened = open === null ? null : rowsOfText(open, having.all);
  if (opened && opened.length === 1) shown.opened = opened[0];
  const query = get("query"), condition = get("if"), understood = condition !== null && condition.length <= LONGEST_WHERE && Boolean(having.understood) && having.understood(condition);
  if (query !== null && having.queries && having.queries.includes(query)) shown.query = query;
  if (understood) shown.condition = condition;
  if (understood && get("chosen") === "if") shown.fits = true;
  const limits = fields.getAll("limit").slice(0, MOST_NAMED).map((text) => limitOf(text, having.sorts)).filter((one) => one !== null);
  if (limits.length) shown.limits = limits;
  const only = rowsOfText(get("only") || "", having.all);
  if (only && only.length) shown.only = only;
  const anew = anewOf(get("anew") || "", having);
  if (anew) shown.anew = anew;
  return { ...shown, ...selectionsOf(fields, having) };
}

/** @param {string} text @param {Record<string, number>} sorts @returns {[string, Limit] | null} */
function limitOf(text, sorts) {
  const cut = text.indexOf(" "), name = text.slice(cut + 1), given = text.slice(0, Math.max(cut, 0));
  if (!Object.hasOwn(sorts, name)) return null;
  if (given.startsWith("=")) {
    const codes = rowsOfText(given.slice(1), sorts[name]);
    return codes && codes.length ? [name, { codes }] : null;
  }
  const [low, high, ...rest] = given.split("..").map(Number);
  return sorts[name] === 0 && given.includes("..") && !rest.length && low <= high && Number.isFinite(high - low) ? [name, { low, high }] : null;
}

/** A new map: its n_neighbors, min_dist and seed, then its rows. @param {string} text @param {Having} having */
function anewOf(text, { all, distances = [] }) {
  const [, n = "", distance = "", seed = "", rest = ""] = /^(\d{1,4}),([\d.]{1,8}),(\d{1,10}) (.*)$/.exec(text) || [], rows = rowsOfText(rest, all);
  if (!rows || !rows.length || !distances.includes(Number(distance)) || Number(n) < 2 || Number(seed) >= 2 ** 32) return null;
  return { rows, settings: { method: "UMAP", n_neighbors: Number(n), min_dist: Number(distance), seed: Number(seed) } };
}

/** @param {string | null} text @param {number} maps @returns {[number, number, number][] | null} */
function viewsOf(text, maps) {
  const views = (text || "").split(";").map((view) => view.split(",").map(Number));
  const sound = ([x, y, zoom, ...rest]) => !rest.length && [x, y].every((value) => value >= 0 && value <= 1) && zoom >= 1 && zoom <= MOST_ZOOM;
  return text && views.length === maps && views.every(sound) ? /** @type {[number, number, number][]} */ (views) : null;
}

/** @param {URLSearchParams} fields @param {Having} having @returns {Shown} */
function selectionsOf(fields, having) {
  /** @type {Shown} */
  const shown = {}, named = fields.getAll("named").slice(0, MOST_NAMED).map((text) => {
    const cut = text.indexOf(" "), name = text.slice(cut + 1), rows = cut < 0 ? null : rowsOfText(text.slice(0, cut), having.all);
    return rows && rows.length && isName(name) ? /** @type {[string, number[]]} */ ([name, rows]) : null;
  });
  const good = named.filter((one) => one !== null);
  if (good.length) shown.named = good;
  const as = fields.get("as"), selected = rowsOfText(fields.get("selected") || "", having.all);
  if (as !== null && (having.named.includes(as) || good.some(([name]) => name === as))) shown.as = as;
  else if (selected && selected.length) shown.selected = selected;
  return shown;
}

/** Whether a text may be the name of a selection. @param {string} text */
function isName(text) { return text.trim() === text && text.length > 0 && text.length <= LONGEST_NAME; }
