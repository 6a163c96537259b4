// The explorer's page, part 1 of 5: what there is to draw. The parts are joined into one script in this order:
// data, map, lists, controls, main.
//
// Python computes maps, neighbours and shares once and sends them as bytes; everything that follows the
// pointer, the keys and the sliders happens here. An exported file runs the same code with a stand-in for
// the notebook's model, under a policy that allows no inline style: so styles are set on elements, and all
// text goes in as text.

const GRID = 4095, KEYS = ["method", "n_neighbors", "min_dist", "seed"];

function make(tag, { style = "", on = {}, ...properties } = {}, ...children) {
  const element = document.createElement(tag);
  element.style.cssText = style;
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  for (const [name, listener] of Object.entries(on)) element.addEventListener(name, listener);
  element.append(...children);
  return element;
}

const range = (count) => Array.from({ length: count }, (_, n) => n);
const sameSettings = (one, other) => KEYS.every((key) => one[key] === other[key]);

class Data {
  constructor(model) {
    this.model = model;
    this.sheets = (model.get("sheets") || []).map((uri) => Object.assign(new Image(), { src: uri }));
    this.read();
  }

  read() {
    const bytes = (name) => {
      const view = this.model.get(name);
      return view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
    };
    this.spec = this.model.get("spec");
    this.places = new Uint16Array(bytes("places"));
    this.near = new Uint16Array(bytes("near"));
    this.shares = new Uint8Array(bytes("shares"));
    this.shade = new Uint8Array(bytes("shade"));
    this.count = this.spec.count;
    this.maps = this.spec.names.length;
    this.pointOf = new Map((this.spec.rows || []).map((row, point) => [row, point]));
    this.choose();
  }

  // Take the settings that the model names; those that are not there leave the first.
  choose() {
    const wanted = this.model.get("chosen");
    this.chosen = Math.max(this.spec.settings.findIndex((one) => sameSettings(one, wanted)), 0);
  }

  settings() { return this.spec.settings[this.chosen]; }
  row(point) { return this.spec.rows ? this.spec.rows[point] : point; }
  point(row) { return this.spec.rows ? this.pointOf.get(row) : row; }
  points(rows) { return rows.map((row) => this.point(row)).filter((point) => point !== undefined); }
  kind(point) { return this.spec.kinds[this.spec.codes[point]]; }

  target(map) {
    const start = (map * this.spec.settings.length + this.chosen) * this.count * 2;
    return this.places.subarray(start, start + this.count * 2);
  }

  neighbours(map, point) {
    const start = (map * this.count + point) * this.spec.k;
    return Array.from(this.near.subarray(start, start + this.spec.k)).filter((other) => other !== point);
  }

  // The numbers of a measure, one for each point, or null where there are none for these settings.
  share(name, map) {
    const lines = this.spec.lines[name];
    const line = lines && lines[map % lines.length][this.chosen]; // what is between maps has one line for all
    return line === null || line === undefined ? null : this.shares.subarray(line * this.count, (line + 1) * this.count);
  }

  // What is said of a point, line by line: its name, its label, its trust.
  lines(point) {
    const { ids, label, names, k } = this.spec, shared = this.share("between", 0);
    return [
      ids[point],
      label ? this.kind(point) : "",
      ...names.map((name, map) => `${name} keeps ${this.share("kept", map)[point]}% of its ${k} true neighbours`),
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

  say() {
    const { names, trust_words } = this.spec, one = this.settings();
    const how = one.method === "PCA" ? "PCA" : `UMAP, n_neighbors ${one.n_neighbors}, min_dist ${one.min_dist}, seed ${one.seed}`;
    return `${how}: ${names.map((name, map) => `${name} ${trust_words[map][this.chosen]}`).join(", ")}.`;
  }

  sample() {
    const { all } = this.spec;
    return this.count < all ? [`${this.count} of ${all} pictures, drawn by chance, stand here as points; the shade shows all.`] : [];
  }
}

// What colours and the list of ten can be about, and which end of it is the bad one.
function measures(spec) {
  const [first, second] = spec.names;
  const all = { kept: { words: "true neighbours kept on the map", worst: "lowest" } };
  if (spec.lines.wobble) all.wobble = { words: "map neighbours that change with the seed", worst: "highest" };
  if (spec.lines.between) {
    all.between = { words: `neighbours shared by ${first} and ${second}`, worst: "lowest", once: true };
    all.moved = { words: `moved between ${first} and ${second}`, worst: "highest", once: true };
  }
  return all;
}

// The first places turned, mirrored, scaled and shifted onto the second (Procrustes). In the plane a turn is
// a product of complex numbers, and a mirrored turn one with the conjugate: the better of the two is taken.
function laidOnto(moving, fixed) {
  const count = moving.length / 2, a = centred(moving), b = centred(fixed);
  let size = 0, turn = [0, 0], mirror = [0, 0];
  for (let n = 0; n < 2 * count; n += 2) {
    const [ax, ay, bx, by] = [a.places[n], a.places[n + 1], b.places[n], b.places[n + 1]];
    size += ax * ax + ay * ay;
    turn = [turn[0] + ax * bx + ay * by, turn[1] + ax * by - ay * bx];
    mirror = [mirror[0] + ax * bx - ay * by, mirror[1] + ax * by + ay * bx];
  }
  const flip = Math.hypot(...mirror) > Math.hypot(...turn) ? -1 : 1;
  const [real, imaginary] = (flip < 0 ? mirror : turn).map((part) => part / (size || 1));
  const laid = new Float32Array(2 * count);
  for (let n = 0; n < 2 * count; n += 2) {
    const ax = a.places[n], ay = flip * a.places[n + 1];
    laid[n] = real * ax - imaginary * ay + b.middle[0];
    laid[n + 1] = real * ay + imaginary * ax + b.middle[1];
  }
  return laid;
}

function centred(places) {
  const count = places.length / 2, middle = [0, 0];
  places.forEach((value, n) => { middle[n % 2] += value / count; });
  return { middle, places: Float64Array.from(places, (value, n) => value - middle[n % 2]) };
}
