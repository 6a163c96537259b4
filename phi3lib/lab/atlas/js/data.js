// @ts-check
// What there is to draw. The parts of this folder are joined into one script, in the order of `PARTS` in
// page.py. This part and `plane.js` and `picks.js` touch no document: they are tested without a browser.
//
// Python computes maps, neighbors and shares once and sends them as bytes; everything that follows the
// pointer, the keys and the sliders happens here. An exported file runs the same code with a stand-in for
// the notebook's model, under a policy that allows no inline style.

const KEYS = ["method", "n_neighbors", "min_dist", "seed"];
const MAGNITUDE = PALETTE.magnitude, MISSING = PALETTE.missing, NOT_KNOWN = "none", MOST_STEPPED = 24;

/** @param {number} count @returns {number[]} */
const range = (count) => Array.from({ length: count }, (_, n) => n);
const sameSettings = (one, other) => KEYS.every((key) => one[key] === other[key]);
/** @param {number} number */
const grouped = (number) => number.toLocaleString("en-US");

/**
 * One column of what is known of the pictures: texts by codes, numbers or dates by values (null: missing).
 * @typedef {{name: string, type: "text" | "number" | "date", kinds?: string[], codes?: number[], values?: (number | null)[]}} Column
 */

/** The bytes of a value of the model. @param {DataView | ArrayBufferView | undefined} view none where there is nothing to hold */
function bytesOf(view) { return view ? /** @type {ArrayBuffer} */ (view.buffer).slice(view.byteOffset, view.byteOffset + view.byteLength) : new ArrayBuffer(0); }

class Data {
  /** @param {Model<AtlasTraits>} model */
  constructor(model) {
    this.model = model;
    /** @type {Axes | null} */
    this.axes = null;
    /** @type {NewMap | null} the map of a selection that was made last, and whether it is shown */
    this.newMap = this.part = null;
    this.read();
    this.takeShown();
  }

  read() {
    const bytes = (name) => bytesOf(this.model.get(name));
    this.spec = this.model.get("spec");
    const { count, rows } = this.spec;
    this.places = new Uint16Array(bytes("places"));
    this.near = count > 65535 ? new Uint32Array(bytes("near")) : new Uint16Array(bytes("near"));
    this.cosines = new Int8Array(bytes("cosines"));
    this.shares = new Uint8Array(bytes("shares"));
    this.shade = new Uint8Array(bytes("shade"));
    this.slots = new Uint16Array(bytes("slots"));
    this.components = new Uint16Array(bytes("components"));
    this.vectors = new Uint8Array(bytes("vectors"));
    this.count = count;
    this.maps = this.spec.names.length;
    this.pointOf = new Map((rows || []).map((row, point) => [row, point]));
    /** @type {Column[]} */
    this.columns = this.spec.columns || [];
    this.axisNames = axesOf(this);
    this.takeNewMap();
    this.placeBy(this.axes, this.part && this.newMap);
    this.choose();
  }

  takeNewMap() {
    this.made = this.model.get("selection_map");
    this.newMap = this.made && this.made.rows ? newMapOf(this, /** @type {LaidOutRows} */ (this.made)) : null;
  }

  // Take over what another view or Python shows; false where that is shown already.
  takeShown() {
    const { axes = null, anew = false } = this.model.get("shown") || {}, same = JSON.stringify(axes) === JSON.stringify(this.axes);
    if (this.made !== this.model.get("selection_map")) this.takeNewMap();
    const part = anew ? this.newMap : null;
    if (same && part === this.part) return false;
    this.placeBy(axes, part);
    return true;
  }

  // What is shown in place of a map of all pictures, for other views and for Python, which does not know what axes keep.
  /** @returns {ShownPlaces} */
  shown() {
    if (this.part) return { anew: true };
    return this.axes ? { axes: this.axes, kept: range(this.maps).map((map) => (this.share("kept", map) ? range(this.count).map((point) => this.percent("kept", map, point)) : null)) } : {};
  }

  // As a text that is another one for every other map.
  shownKey() { return JSON.stringify([this.settings(), this.axes, this.part && [this.part.points, this.part.settings]]); }

  // Place the pictures by two axes, on a new map of some of them, or as the maps have them.
  /** @param {Axes | null} axes @param {NewMap | null} [part] */
  placeBy(axes, part = null) {
    this.axes = axes;
    this.part = part;
    this.colorings = new Map();
    /** @type {(OwnView | NewMap["views"][0])[]} */
    this.views = part ? part.views : axes ? this.spec.names.map((_, map) => ownView(axisOf(this, axes.x, map), axisOf(this, axes.y, map))) : [];
    this.placed = this.views.some(({ missing }) => missing) ? Uint8Array.from(range(this.count), (point) => Number(this.views.every(({ places }) => places[2 * point] === places[2 * point]))) : null;
    /** @type {Map<number, {points: ArrayLike<number>, values: Float64Array}>} */
    this.keptHere = new Map();
  }

  // Take the settings that the model names; those that are not there leave the first.
  choose() {
    const wanted = this.model.get("chosen");
    this.chosen = Math.max(this.spec.settings.findIndex((one) => sameSettings(one, wanted)), 0);
  }

  // A map in a sentence: its name, or what it is where it has none.
  called(map) { return this.spec.named ? this.spec.names[map] : "the map"; }
  settings() { return this.spec.settings[this.chosen]; }
  row(point) { return this.spec.rows ? this.spec.rows[point] : point; }
  point(row) { return this.spec.rows ? this.pointOf.get(row) : row; }
  points(rows) { return rows.map((row) => this.point(row)).filter((point) => point !== undefined); }
  id(point) { return this.spec.keys ? this.spec.keys[point] : this.spec.ids[point]; } // as in Python; `ids` are names to show
  has(point) { return !this.placed || this.placed[point] === 1; } // a place
  k() { return this.part ? this.part.k : this.spec.k; }
  among() { return this.part ? " among these pictures" : ""; } // which neighbors are asked for, in a sentence
  kind(point) { return this.spec.kinds[this.spec.codes[point]]; }

  // Places of a map for the present settings or axes, as shares of a square: x to the right, y up.
  target(map) {
    if (this.views.length) return this.views[map].places;
    const start = (map * this.spec.settings.length + this.chosen) * this.count * 2, square = this.spec.square;
    return Float32Array.from(this.places.subarray(start, start + this.count * 2), (place) => place / square);
  }

  neighbors(map, point) {
    if (this.part) return this.part.near(map, point);
    const start = (map * this.count + point) * this.spec.k;
    return Array.from(this.near.subarray(start, start + this.spec.k)).filter((other) => other !== point);
  }

  // The cosine of a point with one of its true neighbors, in words; nothing among those of a new map.
  /** @param {number} map @param {number} point @param {number} other */
  cosine(map, point, other) {
    const start = (map * this.count + point) * this.spec.k, at = this.part ? -1 : this.near.subarray(start, start + this.spec.k).indexOf(other);
    return at < 0 || this.cosines[start + at] === undefined ? "" : (this.cosines[start + at] / 100).toFixed(2);
  }

  // The numbers of a measure, one for each point, or null where there are none for these settings.
  share(name, map) {
    if (this.views.length && name !== "between") return name === "kept" ? this.keptInView(map) : null;
    const lines = this.spec.lines[name];
    const line = lines && lines[map % lines.length][this.chosen]; // what is between maps has one line for all
    return line === null || line === undefined ? null : this.shares.subarray(line * this.count, (line + 1) * this.count);
  }

  // The same for one point; null where it has none.
  percent(name, map, point) {
    const shares = this.share(name, map);
    return shares && (name !== "kept" || this.has(point)) ? shares[point] : null;
  }

  // As `share`, for places on two axes or a new map; null where there are too many pictures to ask all. One without a place
  // keeps none.
  keptInView(map) {
    if (this.asked() < this.standing()) return null;
    const found = new Uint8Array(this.count), { points, values } = this.keptOf(map);
    values.forEach((value, n) => { found[points[n]] = Math.round(value) || 0; });
    return found;
  }

  // How many pictures are placed, and of how many it is asked what this keeps; of a sample that is drawn, the others are
  // not known.
  standing() { return this.part ? this.part.points.length : this.count; }
  asked() { return this.part && this.part.kept ? this.standing() : this.spec.all > this.count ? 0 : this.standing() > MOST_KEPT ? SAMPLE_KEPT : this.standing(); }

  /** @param {number} map */
  keptOf(map) {
    if (this.part && this.part.kept) return this.part.kept[map];
    if (!this.keptHere.has(map)) {
      const all = this.part ? this.part.points : range(this.count), asked = this.asked();
      const points = asked < all.length ? Array.from(shuffled(all.length).subarray(0, asked), (n) => all[n]) : all;
      this.keptHere.set(map, { points, values: keptOn(this, map, new PointGrid(this.views[map].places), points) });
    }
    return this.keptHere.get(map);
  }

  // ---------------------------------------------------------------------------------------- columns

  column(name) { return this.columns.find((one) => one.name === name); }

  // The text of a column for a point; empty where it is missing.
  text(column, point) {
    if (column.type === "text") return column.kinds[column.codes[point]];
    const value = column.values[point];
    if (value === null) return "";
    return column.type === "date" ? dateText(value) : String(value);
  }

  /** @returns {Coloring | null} null where the measure is not known for these settings */
  coloring(name, map) {
    const key = `${name} ${this.share(name, map) ? map : ""} ${this.chosen}`;
    if (!this.colorings.has(key)) this.colorings.set(key, this.newColoring(name, map));
    return this.colorings.get(key);
  }

  newColoring(name, map) {
    const { spec } = this;
    const own = this.column(spec.label);
    if (name === "label" && own && own.type !== "text" && spec.kinds.length > MOST_STEPPED) return byValues(own);
    if (name === "label") return byKinds(spec.label, spec.label ? spec.kinds : [], spec.codes);
    const column = name.startsWith("column:") && this.column(name.slice(7));
    if (column) return column.type === "text" ? byKinds(column.name, column.kinds, column.codes) : byValues(column);
    const values = this.share(name, map);
    return values && byShares(measures(spec)[name].words, values);
  }

  // What is written on a map: the kinds of a column of texts; without one that is asked for those of the colors, or where
  // these are numbers those of the label or of the first column that has any.
  /** @param {string} name @param {Coloring} coloring @returns {Coloring | null} */
  naming(name, coloring) {
    if (!name && coloring.shaped && coloring.entries.length > 1) return coloring;
    const texts = this.texts(), column = texts.find((one) => one.name === (name || this.spec.label)) || texts[0];
    return column ? this.coloring(OF_COLUMN + column.name, 0) : null;
  }

  texts() { return this.columns.filter(({ type, kinds }) => type === "text" && kinds.length > 1); }

  // What may be written of a coloring's kinds, made once.
  terms(coloring) {
    this.known = this.known || new Map();
    if (!this.known.has(coloring)) this.known.set(coloring, termsOf(coloring.entries.map(({ words }) => words), this.count));
    return this.known.get(coloring);
  }

  // Which points a filter's text leaves: by name, by one column, or by all of both.
  matching(text, where) {
    const found = new Uint8Array(this.count).fill(1), has = finderOf(text.trim());
    if (!text.trim()) return found;
    const columns = this.columns.filter((column) => !where || column.name === where);
    const fits = columns.map((column) => column.type === "text" && column.kinds.map(has));
    const inColumn = (column, n, point) => (fits[n] ? fits[n][column.codes[point]] : has(this.text(column, point)));
    for (let point = 0; point < this.count; point++) {
      const named = (!where || where === "name") && has(this.spec.ids[point]);
      found[point] = Number(named || columns.some((column, n) => inColumn(column, n, point)));
    }
    return found;
  }

  // ---------------------------------------------------------------------------------------- in words

  // What is said of a point, line by line: its name, its label, its trust.
  lines(point) {
    const { ids, label, names } = this.spec, shared = this.share("between", 0);
    const keeps = (_, map) => {
      const share = this.has(point) && this.share("kept", map);
      return share ? `${this.called(map)} keeps ${share[point]}% of its ${this.k()} true neighbors${this.among()}` : "";
    };
    return [
      ids[point],
      label ? this.kind(point) : "",
      ...names.map(keeps),
      shared ? `${names[0]} and ${names[1]} share ${shared[point]}%` : "",
    ].filter(Boolean);
  }

  // The setting with this value of one parameter that is closest to the present one in the others.
  closest(name, value) {
    const now = this.settings(), orders = Object.fromEntries(KEYS.slice(1).map((key) => [key, this.values(key)]));
    const far = (one) => KEYS.slice(1).reduce((sum, key) => sum + Math.abs(orders[key].indexOf(one[key]) - orders[key].indexOf(now[key])), 0);
    const there = this.spec.settings.filter((one) => one.method === "UMAP" && one[name] === value);
    return there.sort((a, b) => far(a) - far(b))[0];
  }

  values(name) {
    return [...new Set(this.spec.settings.filter((one) => one.method === "UMAP").map((one) => one[name]))].sort((a, b) => a - b);
  }

  // The settings as a sentence's first part; places of the reader's own have no parameters.
  how() {
    const one = this.part ? this.part.settings : this.settings(), of = this.part ? ` of ${grouped(this.part.points.length)} pictures alone` : "";
    if (this.axes) { const [{ x, y }] = this.ownViews(); return `${x.said} across, ${y.said} up`; }
    return one.method === "UMAP" ? `UMAP${of}, n_neighbors ${one.n_neighbors}, min_dist ${one.min_dist}, seed ${one.seed}` : one.method;
  }

  ownViews() { return /** @type {OwnView[]} */ (this.axes ? this.views : []); }

  // What a map is worth; of two axes how many neighbors they keep, as no one has computed ranks for them.
  /** @param {number} map */
  worth(map) {
    if (!this.views.length) return this.spec.trust_words[map][this.chosen];
    return this.part ? `${this.part.trust[map]}, ${this.keptSaid(map)}` : this.keptSaid(map);
  }

  /** @param {number} map */
  keptSaid(map) {
    if (!this.asked()) return "how many true neighbors are near is not known for a sample";
    const { mean, half, count } = this.part && this.part.kept ? this.part.kept[map] : meanOf(this.keptOf(map).values), whole = (value) => Math.round(Math.max(value, 0));
    if (!count) return "no picture has a place";
    const sample = this.asked() < this.standing() ? `about ${whole(mean)}% (${whole(mean - half)} to ${whole(mean + half)}, from a sample of ${grouped(count)})` : `${whole(mean)}%`;
    return `${sample} of ${this.part ? "their " : ""}${this.k()} true neighbors near`;
  }

  // What two axes leave out, and how far they can be compared; what a new map leaves out; empty for a map of all.
  onAxes() {
    if (this.part) return [`The other ${grouped(this.part.views[0].missing)} pictures are not on this map.`];
    const [view] = this.ownViews(), missing = this.placed ? this.placed.reduce((sum, placed) => sum - placed, this.count) : 0;
    if (!view) return [];
    const scale = view.x.component && view.y.component ? "Both axes have one scale." : "Each axis has its own scale: distances across and up cannot be compared.";
    return [...(missing ? [`${grouped(missing)} pictures have no value on an axis and are not shown.`] : []), scale];
  }

  say() {
    const { names, named } = this.spec;
    return [`${this.how()}: ${names.map((name, map) => `${named ? `${name} ` : ""}${this.worth(map)}`).join(", ")}.`, ...this.onAxes()].join(" ");
  }

  // What is not exact, in words.
  sample() {
    const { all, recall = [] } = this.spec;
    return [...recall, ...this.drawn(all), ...this.onAxes(), ...(this.part ? this.part.notes : [])];
  }

  drawn(all) {
    const rest = this.views.length ? "" : "; the shade shows all";
    return this.count < all ? [`${grouped(this.count)} of ${grouped(all)} pictures, drawn by chance, stand here as points${rest}.`] : [];
  }
}

function dateText(milliseconds) {
  const text = new Date(milliseconds).toISOString();
  return text.endsWith("T00:00:00.000Z") ? text.slice(0, 10) : text.slice(0, 16).replace("T", " ");
}
