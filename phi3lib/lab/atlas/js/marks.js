// @ts-check
// Points as pixels. They are stamped into one array: 200,000 of them in some milliseconds without a graphics
// card, which a canvas with a path for each takes a second for, and WebGL in software longer, too.

const HERE = PALETTE.here, STAR = PALETTE.found, SHAPES = 8, FAINT = 0.2, AWAY = 0.06, MOST_EDGED = 3000, MOST_RINGED = 60;
const CORNERS = { 1: [4, Math.PI / 4], 2: [3, -Math.PI / 2], 3: [4, 0], 4: [3, Math.PI / 2] };

// Eight shapes beside eight colors, as everywhere in the course: never color alone.
/** @param {CanvasRenderingContext2D} pen @param {number} shape @param {number} radius */
function outline(pen, shape, radius) {
  const spokes = (count, turn, inner) => {
    for (let n = 0; n < count; n++) {
      const angle = turn + (n * 2 * Math.PI) / count, length = n % 2 ? inner : radius;
      pen.lineTo(length * Math.cos(angle), length * Math.sin(angle));
    }
  };
  pen.beginPath();
  if (shape === 0) pen.arc(0, 0, radius * 0.85, 0, 7);
  else if (CORNERS[shape]) spokes(...CORNERS[shape], radius);
  else if (shape === 7) spokes(10, -Math.PI / 2, radius * 0.45);
  else cross(pen, radius, shape === 6 ? Math.PI / 4 : 0);
  pen.closePath();
}

/** @param {CanvasRenderingContext2D} pen @param {number} radius @param {number} turn */
function cross(pen, radius, turn) {
  const thick = 0.35 * radius, arm = [[radius, -thick], [radius, thick], [thick, thick]];
  for (let quarter = 0; quarter < 4; quarter++) {
    const cosine = Math.cos(turn + (quarter * Math.PI) / 2), sine = Math.sin(turn + (quarter * Math.PI) / 2);
    for (const [across, down] of arm) pen.lineTo(across * cosine - down * sine, across * sine + down * cosine);
  }
}

const shapeOf = (code) => (code + Math.floor(code / SHAPES)) % SHAPES;
const channels = (color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));

// One shape at one size as lists of pixels: where, and how much of it is filled and edge (0 to 1).
/** @param {number} shape @param {number} radius @param {number} edge */
function stamp(shape, radius, edge) {
  const reach = Math.ceil(radius + edge + 1), side = 2 * reach + 1;
  const cover = (draw) => {
    const pen = make("canvas", { width: side, height: side }).getContext("2d", { willReadFrequently: true });
    pen.translate(reach + 0.5, reach + 0.5);
    draw(pen);
    return pen.getImageData(0, 0, side, side).data;
  };
  const fill = cover((pen) => { outline(pen, shape, radius); pen.fill(); });
  const line = edge ? cover((pen) => { outline(pen, shape, radius); pen.lineWidth = edge; pen.stroke(); }) : null;
  const pixels = range(side * side).filter((n) => fill[4 * n + 3] || (line && line[4 * n + 3]));
  return {
    across: Int16Array.from(pixels, (n) => (n % side) - reach),
    down: Int16Array.from(pixels, (n) => Math.floor(n / side) - reach),
    filled: Float32Array.from(pixels, (n) => fill[4 * n + 3] / 255),
    edged: Float32Array.from(pixels, (n) => (line ? line[4 * n + 3] / 255 : 0)),
  };
}

// An array of pixels with room around, so that no stamp falls outside.
class Raster {
  /** @param {number} width @param {number} height in pixels of the screen */
  constructor(width, height) {
    this.room = 40;
    this.width = width;
    this.height = height;
    this.stride = width + 2 * this.room;
    this.lines = height + 2 * this.room;
    this.image = new ImageData(this.stride, this.lines);
    this.words = new Uint32Array(this.image.data.buffer);
  }

  /** @param {string} color */
  clear(color) {
    const [red, green, blue] = channels(color);
    this.words.fill(((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0);
  }

  // Stamp the points that are `wanted` among `chosen`, in this order; styles are by code.
  paint({ order, places, camera, ratio, codes, styles, alpha, chosen, wanted }) {
    const scale = camera.scale() * ratio, { room, width, height, stride } = this, last = styles.length - 1;
    const left = (camera.width / 2) * ratio - camera.x * scale + room + 0.5, top = (camera.height / 2) * ratio + camera.y * scale + room + 0.5;
    const brushes = styles.map((style) => this.brush(style, alpha)), pixels = new Uint8Array(this.image.data.buffer);
    const [right, bottom] = [width + 60, height + 60];
    for (let n = 0; n < order.length; n++) {
      const point = order[n];
      if (chosen[point] !== wanted) continue; // 0: plain, 1: selected, 2: hidden by a filter
      const across = (left + places[2 * point] * scale) | 0, down = (top - places[2 * point + 1] * scale) | 0;
      if (across < 20 || down < 20 || across > right || down > bottom) continue;
      const code = codes[point];
      press(pixels, 4 * (down * stride + across), brushes[code < last ? code : last]);
    }
  }

  // A stamp as steps in the array with weights up to 256, the fill's and then the edge's.
  brush({ mark, paint, edge }, alpha) {
    const steps = [], weights = [], colors = [];
    for (const [shares, color] of [[mark.filled, paint], [mark.edged, edge]]) {
      shares.forEach((share, n) => {
        const weight = Math.round(256 * share * alpha);
        if (!weight) return;
        steps.push(4 * (mark.down[n] * this.stride + mark.across[n]));
        weights.push(weight);
        colors.push(...color);
      });
    }
    return { steps: Int32Array.from(steps), weights: Int32Array.from(weights), colors: Int32Array.from(colors) };
  }

  /** @param {CanvasRenderingContext2D} pen */
  show(pen) { pen.putImageData(this.image, -this.room, -this.room, this.room, this.room, this.width, this.height); }
}

// How points look: by their number in view, the zoom and the theme. Stamps are kept by shape and size.
class Marks {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    this.stamps = new Map();
  }

  // The radius in pixels of the page: smaller for many, larger when zoomed in.
  /** @param {number} zoom */
  radius(zoom) {
    const { count } = this.app.data, base = count <= 500 ? 5 : count <= 3000 ? 3.6 : count <= 30_000 ? 2.1 : 1.3;
    return Math.min(Math.min(base * Math.min(zoom, 400) ** 0.28, 7) * this.app.view.points, 8.5); // a stamp has 20 pixels around
  }

  // More points than room for them: the more of them, the more transparent, so that density shows.
  alpha({ width, height, zoom }, radius) {
    const { count } = this.app.data, area = 3.2 * radius * radius * count;
    return Math.min(Math.max(zoom * Math.sqrt((0.13 * width * height) / area), 0.3), 0.95);
  }

  edged() { return this.app.data.count <= MOST_EDGED; }

  /** @param {number} shape @param {number} radius @param {number} edge */
  stampOf(shape, radius, edge) {
    const key = `${shape} ${radius.toFixed(1)} ${edge}`;
    if (!this.stamps.has(key)) this.stamps.set(key, stamp(shape, radius, edge));
    return this.stamps.get(key);
  }

  // Black would vanish on dark paper.
  /** @param {string} color */
  color(color) { return color === PALETTE.black ? this.app.theming().black : color; }

  // One style for each code of a coloring.
  styles({ palette, shaped }, radius, ratio) {
    const edge = channels(this.app.ink().edge), shapes = shaped && radius >= 2.8;
    const width = this.edged() ? 0.8 * ratio : 0;
    return palette.map((color, code) => ({ mark: this.stampOf(shapes ? shapeOf(code) : 0, radius * ratio, width), paint: channels(this.color(color)), edge }));
  }

  // A small canvas with the mark of one code, for the legend.
  sample({ palette, shaped }, code) {
    const { ratio } = this.app, side = 16, canvas = make("canvas", { width: side * ratio, height: side * ratio, "aria-hidden": "true" });
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, (side / 2) * ratio, (side / 2) * ratio);
    outline(pen, shaped ? shapeOf(code) : 1, shaped ? 5.5 : 7);
    pen.fillStyle = this.color(palette[code]);
    pen.fill();
    pen.lineWidth = 0.8;
    pen.strokeStyle = this.app.ink().edge;
    pen.stroke();
    return canvas;
  }
}

// In whole numbers, without a call or an object for each pixel: this is where the time of a frame goes.
function press(pixels, base, { steps, weights, colors }) {
  for (let i = 0; i < steps.length; i++) {
    const at = base + steps[i], weight = weights[i], color = 3 * i;
    pixels[at] += ((colors[color] - pixels[at]) * weight) >> 8;
    pixels[at + 1] += ((colors[color + 1] - pixels[at + 1]) * weight) >> 8;
    pixels[at + 2] += ((colors[color + 2] - pixels[at + 2]) * weight) >> 8;
  }
}

/** @param {CanvasRenderingContext2D} pen @param {number} across @param {number} down @param {number} radius @param {string} color @param {number} width */
function ringAt(pen, across, down, radius, color, width) {
  pen.beginPath();
  pen.arc(across, down, radius, 0, 7);
  pen.lineWidth = width;
  pen.strokeStyle = color;
  pen.stroke();
}
