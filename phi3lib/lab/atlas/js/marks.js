// Points as pixels. They are stamped into one array: 200,000 of them in some milliseconds without a graphics
// card, which a canvas with a path for each takes a second for, and WebGL in software longer, too.

const HERE = "#D55E00", STAR = "#F0E442", SHAPES = 8, FAINT = 0.2, AWAY = 0.06, MOST_EDGED = 3000, MOST_RINGED = 60;
const CORNERS = { 1: [4, Math.PI / 4], 2: [3, -Math.PI / 2], 3: [4, 0], 4: [3, Math.PI / 2] };

// Eight shapes beside eight colours, as everywhere in the course: never colour alone.
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
  constructor(width, height) {
    this.room = 40;
    Object.assign(this, { width, height, stride: width + 2 * this.room, lines: height + 2 * this.room });
    this.image = new ImageData(this.stride, this.lines);
    this.words = new Uint32Array(this.image.data.buffer);
  }

  clear(color) {
    const [red, green, blue] = channels(color);
    this.words.fill(((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0);
  }

  // Stamp points: `pick` tells which of `order` (0: leave out), styles are by code.
  paint({ order, places, camera, ratio, codes, styles, alpha, chosen, wanted }) {
    const scale = camera.scale() * ratio, { room, width, height } = this, last = styles.length - 1;
    const left = (camera.width / 2) * ratio - camera.x * scale + room, top = (camera.height / 2) * ratio + camera.y * scale + room;
    for (let n = 0; n < order.length; n++) {
      const point = order[n];
      if (chosen[point] !== wanted) continue;
      const across = Math.round(left + places[2 * point] * scale), down = Math.round(top - places[2 * point + 1] * scale);
      if (across < 20 || down < 20 || across > width + 60 || down > height + 60) continue;
      this.stampAt(across, down, styles[Math.min(codes[point], last)], alpha);
    }
  }

  stampAt(across, down, { mark, paint, edge }, alpha) {
    const { data } = this.image, base = down * this.stride + across;
    for (let i = 0; i < mark.across.length; i++) {
      const at = 4 * (base + mark.down[i] * this.stride + mark.across[i]), share = mark.filled[i] * alpha, rim = mark.edged[i] * alpha;
      if (share) {
        data[at] += (paint[0] - data[at]) * share;
        data[at + 1] += (paint[1] - data[at + 1]) * share;
        data[at + 2] += (paint[2] - data[at + 2]) * share;
      }
      if (rim) {
        data[at] += (edge[0] - data[at]) * rim;
        data[at + 1] += (edge[1] - data[at + 1]) * rim;
        data[at + 2] += (edge[2] - data[at + 2]) * rim;
      }
    }
  }

  show(pen) { pen.putImageData(this.image, -this.room, -this.room, this.room, this.room, this.width, this.height); }
}

// How points look: by their number in view, the zoom and the theme. Stamps are kept by shape and size.
class Marks {
  constructor(app) {
    this.app = app;
    this.stamps = new Map();
  }

  // The radius in pixels of the page: smaller for many, larger when zoomed in.
  radius(zoom) {
    const { count } = this.app.data, base = count <= 500 ? 5 : count <= 3000 ? 3.6 : count <= 30_000 ? 2.1 : 1.3;
    return Math.min(base * Math.min(zoom, 400) ** 0.28, 7);
  }

  // More points than room for them: the more of them, the more transparent.
  alpha({ width, height }, radius) {
    const { count } = this.app.data, area = 3.2 * radius * radius * count;
    return Math.min(Math.max(Math.sqrt((0.45 * width * height) / area), 0.35), 0.95);
  }

  edged() { return this.app.data.count <= MOST_EDGED; }

  stampOf(shape, radius, edge) {
    const key = `${shape} ${radius.toFixed(1)} ${edge}`;
    if (!this.stamps.has(key)) this.stamps.set(key, stamp(shape, radius, edge));
    return this.stamps.get(key);
  }

  color(color) { return color === "#000000" && this.app.dark() ? "#ffffff" : color; }

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

function ringAt(pen, across, down, radius, color, width) {
  pen.beginPath();
  pen.arc(across, down, radius, 0, 7);
  pen.lineWidth = width;
  pen.strokeStyle = color;
  pen.stroke();
}
