// @ts-check
// The plane that a map lies in: the camera above it, the nearest points, and what stands for a crowd of them.
// Places are shares of a square, x to the right and y up; pixels go down from the top left corner.

const MARGIN = 20, MOST_ZOOM = 2000;

// A camera looks at one place with one zoom; zoom 1 shows all places.
class Camera {
  constructor() {
    this.width = this.height = 100;
    this.bounds = [0, 0, 1, 1];
    this.margin = MARGIN;
    this.home();
  }

  home() { [this.x, this.y, this.zoom] = [(this.bounds[0] + this.bounds[2]) / 2, (this.bounds[1] + this.bounds[3]) / 2, 1]; }

  // Take the extent of these places as what zoom 1 shows; a camera at home stays at home.
  frame(places) {
    const [atHome, bounds] = [this.atHome(), extent(places)];
    this.bounds = bounds;
    if (atHome) this.home();
  }

  atHome() { return this.zoom === 1 && this.x === (this.bounds[0] + this.bounds[2]) / 2 && this.y === (this.bounds[1] + this.bounds[3]) / 2; }

  // Pixels for each unit at zoom 1.
  fit() { return fitting(this, this.bounds, this.margin); }
  scale() { return this.fit() * this.zoom; }
  across(x) { return (x - this.x) * this.scale() + this.width / 2; }
  down(y) { return this.height / 2 - (y - this.y) * this.scale(); }
  /** @param {number[]} at pixels */
  place([across, down]) { return [this.x + (across - this.width / 2) / this.scale(), this.y - (down - this.height / 2) / this.scale()]; }

  // What is under `at` (pixels) stays there.
  zoomBy(factor, at = [this.width / 2, this.height / 2]) {
    const [x, y] = this.place(at);
    this.zoom = Math.min(Math.max(this.zoom * factor, 1), MOST_ZOOM);
    this.x = x - (at[0] - this.width / 2) / this.scale();
    this.y = y + (at[1] - this.height / 2) / this.scale();
    this.hold();
  }

  pan(across, down) {
    this.x -= across / this.scale();
    this.y += down / this.scale();
    this.hold();
  }

  // Whole in view at zoom 1; beyond, what is in the middle stays among the places.
  hold() {
    if (this.zoom === 1) { this.home(); return; }
    const [left, bottom, right, top] = this.bounds;
    this.x = Math.min(Math.max(this.x, left), right);
    this.y = Math.min(Math.max(this.y, bottom), top);
  }

  // Show these places, as large as they fit with a margin.
  show(places) {
    if (!places.length) return;
    const [left, bottom, right, top] = extent(places);
    if (left > right) return; // none of them has a place
    [this.x, this.y] = [(left + right) / 2, (bottom + top) / 2];
    const zoom = fitting(this, [left, bottom, right, top], 2 * MARGIN + this.margin) / this.fit();
    this.zoom = Math.min(Math.max(zoom, 1), 64);
    this.hold();
  }

  // Keep a place well within view: the least shift that does it. Tells whether it moved.
  reveal(x, y, room = 40) {
    const over = (at, size) => (at < room ? room - at : at > size - room ? size - room - at : 0);
    const shift = [over(this.across(x), this.width), over(this.down(y), this.height)];
    if (this.zoom > 1 && (shift[0] || shift[1])) this.pan(...shift);
    return Boolean(shift[0] || shift[1]);
  }

  copy({ x, y, zoom }) { [this.x, this.y, this.zoom] = [x, y, zoom]; this.hold(); }
}

/** @param {ArrayLike<number>} places @returns {number[]} left, bottom, right, top */
function extent(places) {
  const bounds = [Infinity, Infinity, -Infinity, -Infinity];
  for (let n = 0; n < places.length; n += 2) {
    if (places[n] < bounds[0]) bounds[0] = places[n];
    if (places[n] > bounds[2]) bounds[2] = places[n];
    if (places[n + 1] < bounds[1]) bounds[1] = places[n + 1];
    if (places[n + 1] > bounds[3]) bounds[3] = places[n + 1];
  }
  return bounds;
}

/** @param {{width: number, height: number}} camera @param {number[]} bounds */
function fitting({ width, height }, [left, bottom, right, top], margin) {
  const room = (size) => Math.max(size - 2 * margin, 10);
  return Math.min(room(width) / Math.max(right - left, 1e-5), room(height) / Math.max(top - bottom, 1e-5));
}

// ------------------------------------------------------------------------------------------ neighbors in the plane

// Points sorted into square cells, two or so in each: what is near a place is found without asking all. A
// grid in two arrays is made in milliseconds for 200,000 points; a tree of objects takes ten times as long. What
// has no place (NaN) is near to nothing.
class PointGrid {
  constructor(places) {
    this.places = places;
    const count = places.length / 2;
    this.side = Math.max(1, Math.min(1024, Math.ceil(Math.sqrt(count / 2))));
    const cells = new Uint32Array(count), starts = new Uint32Array(this.side * this.side + 1);
    for (let point = 0; point < count; point++) if (this.has(point)) starts[(cells[point] = this.cell(places[2 * point], places[2 * point + 1])) + 1] += 1;
    for (let n = 1; n < starts.length; n++) starts[n] += starts[n - 1];
    const next = starts.slice();
    this.points = new Uint32Array(count);
    for (let point = 0; point < count; point++) if (this.has(point)) this.points[next[cells[point]]++] = point;
    this.starts = starts;
  }

  /** @param {number} point */
  has(point) { return this.places[2 * point] === this.places[2 * point]; }

  line(value) { return Math.min(Math.max(Math.floor(value * this.side), 0), this.side - 1); }
  cell(x, y) { return this.line(y) * this.side + this.line(x); }

  // The `count` nearest points to a place that `accept` takes, the nearest first; none beyond `reach`.
  closest(x, y, count, reach = Infinity, accept = (_point) => true) {
    const found = [], [column, row] = [this.line(x), this.line(y)];
    const limit = () => (found.length < count ? reach : Math.min(Math.sqrt(found[found.length - 1].far), reach));
    for (let ring = 0; ring <= this.side; ring++) {
      // All cells of this ring and beyond are at least so far away, from wherever in its cell the place is.
      if ((ring - 1) / this.side > limit()) break;
      for (const cell of this.ring(column, row, ring)) this.look(cell, x, y, found, count, reach, accept);
    }
    return found.map(({ point }) => point);
  }

  look(cell, x, y, found, count, reach, accept) {
    const square = reach * reach;
    for (let n = this.starts[cell]; n < this.starts[cell + 1]; n++) {
      if (found.length === count && found[count - 1].far === 0) return; // among thousands at one place
      const point = this.points[n], across = this.places[2 * point] - x, up = this.places[2 * point + 1] - y, far = across * across + up * up;
      if (far > square || (found.length === count && far >= found[count - 1].far) || !accept(point)) continue;
      let at = found.length;
      while (at > 0 && found[at - 1].far > far) at -= 1;
      found.splice(at, 0, { point, far });
      if (found.length > count) found.pop();
    }
  }

  ring(column, row, ring) {
    const cells = [], { side } = this, add = (c, r) => { if (c >= 0 && r >= 0 && c < side && r < side) cells.push(r * side + c); };
    if (!ring) return [row * side + column];
    for (let n = -ring; n <= ring; n++) { add(column + n, row - ring); add(column + n, row + ring); }
    for (let n = 1 - ring; n < ring; n++) { add(column - ring, row + n); add(column + ring, row + n); }
    return cells;
  }

  nearest(x, y, reach, accept) {
    const [point] = this.closest(x, y, 1, reach, accept);
    return point === undefined ? -1 : point;
  }

  // The k nearest others of a point.
  neighbors(point, k) { return this.closest(this.places[2 * point], this.places[2 * point + 1], k, Infinity, (other) => other !== point); }
}

// The nearest point in the quarter of the plane that an arrow points to; the same one where there is none.
function towards(places, from, [dx, dy], hidden) {
  let best = from, least = Infinity;
  const x = places[2 * from], y = places[2 * from + 1];
  for (let point = 0; 2 * point < places.length; point++) {
    const across = places[2 * point] - x, up = places[2 * point + 1] - y;
    const along = across * dx + up * dy, aside = Math.abs(across * dy - up * dx), far = across * across + up * up;
    if (along > 0 && aside <= along && far < least && point !== from && !hidden(point)) [best, least] = [point, far];
  }
  return best;
}

function inPolygon(path, across, down) {
  let odd = false;
  for (let i = 0, j = path.length - 1; i < path.length; j = i++) {
    const [ax, ay] = path[i], [bx, by] = path[j];
    if (ay > down !== by > down && across < ((bx - ax) * (down - ay)) / (by - ay) + ax) odd = !odd;
  }
  return odd;
}

// ------------------------------------------------------------------------------------------ level of detail

// Numbers from 0 in an order by chance, always the same: points are drawn in it, so that no label lies on top
// of all others because it comes last, and the first of it in a cell stands for the cell at every zoom.
function shuffled(count) {
  const order = Uint32Array.from(range(count));
  let state = 12345;
  for (let n = count - 1; n > 0; n--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const other = Math.floor((state / 4294967296) * (n + 1));
    [order[n], order[other]] = [order[other], order[n]];
  }
  return order;
}

/**
 * The first of an order by chance, a sample of all, and how opaque they are to look as dense as all of them.
 * @param {Uint32Array} order @param {number} most @param {number} alpha @returns {[Uint32Array, number]}
 */
function sampled(order, most, alpha) {
  if (order.length <= most) return [order, alpha];
  return [order.subarray(0, most), Math.min(1 - (1 - alpha) ** (order.length / most), 0.95)];
}

/**
 * What is in view, cell by cell. Cells of about `size` pixels are fixed to the places and halve when the zoom
 * doubles, so that nothing jumps when the map moves.
 * @param {Camera} camera
 * @param {ArrayLike<number>} places
 * @param {ArrayLike<number>} order which points first: the first in a cell stands for it
 * @returns {{point: number, count: number, top: boolean}[]} top: no neighbor cell has more
 */
function crowds(camera, places, order, size, hidden) {
  const view = cellsInView(camera, size), { columns, rows } = view;
  const counts = new Uint32Array(columns * rows), first = new Int32Array(columns * rows).fill(-1);
  for (let n = 0; n < order.length; n++) {
    const point = order[n], cell = view.cell(places[2 * point], places[2 * point + 1]);
    if (cell < 0 || hidden(point)) continue;
    counts[cell] += 1;
    if (first[cell] < 0) first[cell] = point;
  }
  const found = [];
  counts.forEach((count, cell) => { if (count) found.push({ point: first[cell], count, top: isTop(counts, cell, columns, rows) }); });
  return found.sort((a, b) => b.count - a.count || a.point - b.point);
}

function isTop(counts, cell, columns, rows) {
  const column = cell % columns, row = Math.floor(cell / columns);
  for (let r = Math.max(row - 1, 0); r <= Math.min(row + 1, rows - 1); r++) {
    for (let c = Math.max(column - 1, 0); c <= Math.min(column + 1, columns - 1); c++) if (counts[r * columns + c] > counts[cell]) return false;
  }
  return true;
}

function cellsInView(camera, size) {
  const side = size / (camera.fit() * 2 ** Math.floor(Math.log2(camera.zoom)));
  const [left, top] = camera.place([0, 0]), [right, bottom] = camera.place([camera.width, camera.height]);
  const [c0, r0] = [Math.floor(left / side), Math.floor(bottom / side)];
  const columns = Math.floor(right / side) - c0 + 1, rows = Math.floor(top / side) - r0 + 1;
  const cell = (x, y) => {
    const c = Math.floor(x / side) - c0, r = Math.floor(y / side) - r0;
    return c < 0 || r < 0 || c >= columns || r >= rows ? -1 : r * columns + c;
  };
  return { columns, rows, cell };
}

/**
 * Where the names of kinds stand: the middle of each cell that one kind has most of, the fullest first.
 * @returns {{kind: number, count: number, total: number, x: number, y: number}[]} total: of the cell
 */
function spots(camera, places, codes, size, hidden) {
  const view = cellsInView(camera, size), sums = new Map(), totals = new Uint32Array(view.columns * view.rows);
  for (let point = 0; 2 * point < places.length; point++) {
    const x = places[2 * point], y = places[2 * point + 1], cell = view.cell(x, y);
    if (cell < 0 || hidden(point)) continue;
    totals[cell] += 1;
    const key = codes[point] * totals.length + cell;
    let sum = sums.get(key);
    if (!sum) sums.set(key, (sum = { kind: codes[point], cell, count: 0, x: 0, y: 0 }));
    sum.count += 1;
    sum.x += x;
    sum.y += y;
  }
  const most = [...sums.values()].filter(({ count, cell }) => count >= 3 && 2 * count > totals[cell]);
  return most.sort((a, b) => b.count - a.count).slice(0, 300).map(({ kind, count, cell, x, y }) => ({ kind, count, total: totals[cell], x: x / count, y: y / count }));
}

// ------------------------------------------------------------------------------------------ one map laid onto another

// The first places turned, mirrored, scaled and shifted onto the second (Procrustes). In the plane a turn is
// a product of complex numbers, and a mirrored turn one with the conjugate: the better of the two is taken.
function laidOnto(moving, fixed) {
  const count = moving.length / 2, a = centered(moving), b = centered(fixed);
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

function centered(places) {
  const count = places.length / 2, middle = [0, 0];
  places.forEach((value, n) => { middle[n % 2] += value / count; });
  return { middle, places: Float64Array.from(places, (value, n) => value - middle[n % 2]) };
}
